"""A model goes up in one commit, with what belongs and nothing else; what is there already does not move."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.hub.fake_hub import FakeHub
from tests.model import make

from spacehand.errors import AuthError, ConflictError, DiskFullError, LeakedSecretError, ModelError
from spacehand.hub._protocol import Hub
from spacehand.hub.digests import Digest, Digests
from spacehand.hub.remote import RemoteHub
from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.model.artifact import Model
from spacehand.model.card.facts import CardWords
from spacehand.model.publish import Published, publish
from spacehand.progress import Progress

if TYPE_CHECKING:
    from tests.conftest import HubProcess

REPO = RepoId.parse("ada/tiny")
MODEL = RepoKind.MODEL
HISTORY = {"log_history": [{"step": step, "loss": 1 / step} for step in range(1, 9)]}


def _later() -> int:
    return time.time_ns() + 10_000_000_000  # a clock so far ahead that every file has settled


def _settled() -> Digests:
    return Digests(now_ns=_later)


def _publish(folder: Path, hub: Hub, **options: object) -> Published:
    options.setdefault("digests", Digests())
    return publish(Model.open(folder), REPO, hub=hub, **options)  # type: ignore[arg-type]


def _folder(folder: Path) -> Path:
    make.full(folder)
    (folder / "trainer_state.json").write_text(json.dumps(HISTORY))
    (folder / "optimizer.pt").write_bytes(b"state")
    (folder / ".env").write_text("HF_TOKEN=whatever")
    return folder


def test_one_commit_with_what_belongs(tmp_path: Path):
    """
    The model, its results, its curve and its card go up together; secrets and states stay at home.
    """
    hub = FakeHub()

    published = _publish(_folder(tmp_path), hub, training_config={"seed": 7}, results={"eval_loss": 0.5})

    assert hub.calls.count("commit") == 1
    (curve,) = (path for path in hub.files(MODEL, REPO) if path.endswith(".png"))
    assert sorted(hub.files(MODEL, REPO)) == sorted(
        [
            ".gitattributes",
            "README.md",
            "config.json",
            "model.safetensors",
            "tekken.json",
            "training_results/results.json",
            "training_results/trainer_state.json",
            "training_results/training_config.json",
            curve,
        ]
    )
    assert curve in hub.text(MODEL, REPO, "README.md")
    assert {entry.path for entry in published.skipped} == {"optimizer.pt", ".env"}
    assert published.commit.changed
    assert published.commit.revision == hub.head(MODEL, REPO)
    assert hub.files(MODEL, REPO)["model.safetensors"].sha256 == published.weights_sha256


def test_the_second_time_nothing_moves(tmp_path: Path):
    """
    An unchanged folder makes no commit, moves no byte, and its weights are not read again.
    """
    folder, hub, digests = _folder(tmp_path), FakeHub(), _settled()
    first = _publish(folder, hub, digests=digests)
    hub.calls.clear()
    moved = hub.uploaded

    second = _publish(folder, hub, digests=digests)
    read = digests.bytes_read  # by now every file's digest is known
    _publish(folder, hub, digests=digests)

    assert not second.commit.changed
    assert second.commit.uploaded_bytes == 0
    assert second.commit.revision == first.commit.revision
    assert second.weights_sha256 == first.weights_sha256
    assert "commit" not in hub.calls
    assert (digests.bytes_read, hub.uploaded) == (read, moved)


def test_ten_gigabytes_that_did_not_change_are_not_read(tmp_path: Path):
    """
    For a large model that is there already, neither the hash nor the scan reads the weights.
    """
    size = 10 << 30
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with make.full(tmp_path).joinpath("model.safetensors").open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + size)
    digests = _RememberedDigests(now_ns=_later)
    hub = FakeHub(digests=digests)
    _publish(tmp_path, hub, digests=digests)

    started = time.perf_counter()
    second = _publish(tmp_path, hub, digests=digests)

    assert not second.commit.changed
    assert time.perf_counter() - started < 2


class _RememberedDigests(Digests):
    """Knows the digest of ten gigabytes of nothing without having read them, as after a first publish."""

    def digest(self, file: Path, *, progress: Callable[[int], None] | None = None) -> Digest:
        if file.name == "model.safetensors":
            return Digest(file.stat().st_size, "ab" * 32, "cd" * 20)
        return super().digest(file, progress=progress)


def test_a_small_change_moves_only_itself(tmp_path: Path):
    """
    After a change of one file, that file goes up, and not the weights beside it.
    """
    folder, hub = _folder(tmp_path), FakeHub()
    _publish(folder, hub)
    (folder / "config.json").write_text('{"model_type": "wav2vec2-bert", "hidden": 8}')

    assert _publish(folder, hub).uploaded == ("config.json",)


def test_a_secret_stops_everything(tmp_path: Path):
    """
    A token in a file that would go up is named by file and line, and the Hub is not even asked.
    """
    folder, hub = _folder(tmp_path), FakeHub()
    token = "hf" + "_" + "AbCdEfGhIjKlMnOpQrStUvWxYz01234567"
    (folder / "train.py").write_text(f"import os\n\nlogin('{token}')\n")

    with pytest.raises(LeakedSecretError) as raised:
        _publish(folder, hub)

    assert raised.value.where == "train.py:3"
    assert token not in f"{raised.value}{raised.value.to_json()}"
    assert hub.calls == []


@pytest.mark.parametrize("where", ["config", "words"])
def test_a_secret_that_is_handed_over_is_found_too(tmp_path: Path, where: str):
    """
    A token in the training's configuration, or in the words for the card, is not published either.
    """
    token = "hf" + "_" + "AbCdEfGhIjKlMnOpQrStUvWxYz01234567"
    folder, hub = _folder(tmp_path), FakeHub()
    options = {
        "config": {"training_config": {"hub_token": token}},
        "words": {"card": CardWords(description=token)},
    }

    with pytest.raises(LeakedSecretError):
        _publish(folder, hub, **options[where])

    assert "commit" not in hub.calls


def test_somebody_elses_commit_is_not_overwritten(tmp_path: Path):
    """
    When the card is edited on the Hub at the same moment, the publish looks again and keeps the edit.
    """
    folder, hub = _folder(tmp_path), FakeHub()
    _publish(folder, hub)
    (folder / "config.json").write_text('{"model_type": "other"}')
    edited = hub.text(MODEL, REPO, "README.md") + "\nThanks.\n"
    hub.before["commit"] = lambda: hub.edit(MODEL, REPO, "README.md", edited)

    _publish(folder, hub)

    assert "Thanks." in hub.text(MODEL, REPO, "README.md")
    assert hub.text(MODEL, REPO, "config.json") == '{"model_type": "other"}'


def test_endless_conflicts_end(tmp_path: Path):
    """
    If others commit each time, the publish gives up and says so.
    """
    hub = FakeHub()
    hub.refuse["commit"] = [ConflictError("changed") for _ in range(9)]

    with pytest.raises(ConflictError):
        _publish(_folder(tmp_path), hub)

    assert hub.calls.count("commit") == 3


@pytest.mark.parametrize("error", [DiskFullError("no room"), AuthError("no right")])
def test_a_failed_commit_leaves_nothing_half_made(tmp_path: Path, error: Exception):
    """
    When the Hub refuses, its repository is as it was; the next publish is complete.
    """
    folder, hub = _folder(tmp_path), FakeHub()
    before = _publish(folder, hub).commit.revision
    (folder / "config.json").write_text('{"model_type": "other"}')
    hub.refuse["commit"] = [error]  # type: ignore[list-item]

    with pytest.raises(type(error)):
        _publish(folder, hub)

    assert hub.head(MODEL, REPO) == before
    assert _publish(folder, hub).uploaded == ("config.json",)


def test_weights_that_change_during_the_upload_are_noticed(tmp_path: Path):
    """
    If training still writes while the weights go up, the publish does not claim a hash that is not there.
    """
    folder, hub = _folder(tmp_path), FakeHub()
    hub.before["commit"] = lambda: make.safetensors(folder / "model.safetensors", fill=1) and None

    with pytest.raises(ModelError, match="changed while it was uploaded"):
        _publish(folder, hub)


def test_a_disk_that_fails_is_an_error_with_a_name(tmp_path: Path):
    """
    A file that the system cannot read is named; the Hub was not touched.
    """

    class Failing(Digests):
        def digest(self, file: Path, *, progress: Callable[[int], None] | None = None) -> Digest:
            raise OSError(errno.EIO, "Input/output error", str(file))

    hub = FakeHub()

    with pytest.raises(ModelError, match=r"`model\.safetensors` cannot be read: Input/output error"):
        _publish(_folder(tmp_path), hub, digests=Failing())

    assert hub.calls == []


def test_shards_that_were_replaced_go_and_other_files_stay(tmp_path: Path):
    """
    Weights that the last card named and the folder has no more are deleted; what people added is theirs.
    """
    hub = FakeHub()
    _publish(make.sharded(tmp_path / "sharded"), hub)
    hub.edit(MODEL, REPO, "mine/model.safetensors", "somebody's own")

    _publish(make.full(tmp_path / "full"), hub)

    there = [path for path in hub.files(MODEL, REPO) if "model" in path]
    assert sorted(there) == ["mine/model.safetensors", "model.safetensors"]


def test_a_new_curve_replaces_the_old_one(tmp_path: Path):
    """
    There is one loss curve in the repository, the one the card shows.
    """
    folder, hub = _folder(tmp_path), FakeHub()
    _publish(folder, hub)
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": HISTORY["log_history"][:5]}))

    _publish(folder, hub)

    (curve,) = (path for path in hub.files(MODEL, REPO) if path.endswith(".png"))
    assert curve in hub.text(MODEL, REPO, "README.md")


def test_the_folder_is_left_as_it_was(tmp_path: Path):
    """
    Publishing writes nothing into the model's folder.
    """
    folder = _folder(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    _publish(folder, FakeHub(), training_config={"seed": 1})

    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_private_model_is_created_private(tmp_path: Path):
    """
    The visibility that was asked for holds from the first moment.
    """
    hub = FakeHub()

    _publish(_folder(tmp_path), hub, visibility=Visibility.PRIVATE)

    assert hub.repo(MODEL, REPO).visibility is Visibility.PRIVATE


def test_what_happens_is_told(tmp_path: Path):
    """
    Every phase reports, and the hashing counts up to the size of the weights.
    """
    told: list[Progress] = []

    _publish(_folder(tmp_path), FakeHub(), report=told.append)

    assert list(dict.fromkeys(entry.phase for entry in told)) == ["select", "hash", "card", "upload"]
    hashing = [entry for entry in told if entry.phase == "hash"]
    assert hashing[-1].done == hashing[-1].total == (tmp_path / "model.safetensors").stat().st_size


def test_the_real_model_on_a_real_hub(whisper: Path, local_hub: HubProcess, name: str):
    """
    A real Whisper goes to a real local Hub: the Hub takes the card, holds the very weights, and the second
    publish moves nothing.
    """
    repo = RepoId("ada", name)
    hub, digests = RemoteHub(local_hub.url, local_hub.token), _settled()
    words = CardWords(title='Whisper: "tiny" #1 🦆', license="mit", language=("en",))

    first = publish(Model.open(whisper), repo, hub=hub, digests=digests, card=words)
    second = publish(Model.open(whisper), repo, hub=hub, digests=digests, card=words)

    files = hub.files(MODEL, repo)
    assert first.commit.changed
    assert not second.commit.changed
    assert hub.head(MODEL, repo) == first.commit.revision
    assert files["model.bin"].sha256 == first.weights_sha256
    readme = hub.read(MODEL, repo, "README.md")
    assert readme is not None
    assert yaml.safe_load(readme.decode().split("---\n")[1])["model_name"] == 'Whisper: "tiny" #1 🦆'
    info = local_hub.api.model_info(str(repo))
    assert info.pipeline_tag == "automatic-speech-recognition"
    assert info.library_name == "ctranslate2"


def test_a_quantized_copy_goes_up_in_its_subfolder_and_goes_when_it_is_no_longer_made(tmp_path: Path):
    """
    With the copy beside it, one commit; published again without, nothing of an older training stays there.
    """
    hub = FakeHub()
    copy = make.full(tmp_path / "copy", {"quantization_config": {"quant_method": "torchao"}}, fill=3)
    model = Model.open(_folder(tmp_path / "model"))
    with_copy = replace(model, beside={"int8": Model.open(copy)})

    first = publish(with_copy, REPO, hub=hub, digests=Digests())
    there = set(hub.files(MODEL, REPO))
    card = hub.text(MODEL, REPO, "README.md")
    publish(model, REPO, hub=hub, digests=Digests())

    assert first.variants == {"int8": Digests().sha256(copy / "model.safetensors")}
    assert {"int8/model.safetensors", "int8/config.json"} <= there
    assert "quantization_config" not in hub.text(MODEL, REPO, "config.json")
    assert f"| `int8/model.safetensors` | {(copy / 'model.safetensors').stat().st_size} |" in card
    assert not [path for path in hub.files(MODEL, REPO) if path.startswith("int8/")]
    assert "int8" not in hub.text(MODEL, REPO, "README.md")
