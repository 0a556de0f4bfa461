from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.conftest import README, App, Clock, FakeProver
from tests.hub.fake_hub import FakeHub
from tests.model import make

from spacehand.deploy.probe import Probe
from spacehand.deploy.room import check_room
from spacehand.deploy.ship import ServesWeights, Shipment, Shipped, ship
from spacehand.deploy.timing import Timing
from spacehand.errors import ConfigError, UnhealthyError
from spacehand.history import History
from spacehand.hub.digests import Digests
from spacehand.ids import RepoId, RepoKind
from spacehand.model.artifact import Model
from spacehand.model.card.facts import CardWords

MODEL, SPACE = RepoId("ada", "tiny"), RepoId("ada", "demo")


class Serving(FakeProver):
    """An app that serves what the Hub has of the model its variables name; *stuck* on one answer if told."""

    def __init__(self, hub: FakeHub, stuck: str | None = None) -> None:
        super().__init__()
        self.hub, self.stuck = hub, stuck

    def call(self, app_url: str, **options: Any) -> Any:
        variables = self.hub.variables(SPACE)
        files = self.hub.files(RepoKind.MODEL, MODEL, variables["MODEL_REVISION"])
        served = self.stuck or files["model.safetensors"].sha256
        self.answers = [{"transcript": "hello", "confidence": 0.9, "weights_sha256": served}]
        return super().call(app_url, **options)


Ship = Callable[..., Shipped]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return make.full(tmp_path / "model")


@pytest.fixture
def shipped(app: App, hub: FakeHub, history: History, timing: Timing, folder: Path) -> Ship:
    app.write("spacehand.toml", '[probe]\napi = "/transcribe"\n')

    def shipped(prover: FakeProver | None = None) -> Shipped:
        serving = prover or Serving(hub)
        return ship(
            Shipment(Model.open(folder), MODEL, SPACE, app.folder),
            hub=hub,
            history=history,
            digests=Digests(),
            prover=lambda _probe: serving,
            timing=timing,
        )

    return shipped


def huge(folder: Path) -> Model:
    """float32 of Voxtral-Mini's size: 4.68 billion numbers in a true header, and a hole."""
    folder.mkdir(exist_ok=True)
    shape, size = [4_680_000, 1000], 18_720_000_000
    header = json.dumps(
        {"up_proj.weight": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}
    ).encode()
    with (folder / "model.safetensors").open("wb") as stream:  # a true header, and a hole
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + size)
    (folder / "config.json").write_text('{"model_type": "voxtral"}')
    return Model.open(folder)


def test_one_action_publishes_and_deploys(shipped: Ship, hub: FakeHub) -> None:
    """The Space is told which commit to serve, and was seen to serve exactly the published weights."""
    done = shipped()

    body = done.to_json()
    assert hub.variables(SPACE) == {"HF_MODEL_ID": "ada/tiny", "MODEL_REVISION": body["model_revision"]}
    assert body["weights_sha256"] == body["served_weights_sha256"]
    assert body["transcript"] == "hello"
    assert body["confidence"] == 0.9
    assert body["changed"] is True
    assert body["stage"] == "RUNNING"


def test_a_second_time_nothing_moves(shipped: Ship, hub: FakeHub) -> None:
    """No byte, no commit, no restart; the weights are still seen to be served."""
    shipped()
    hub.calls.clear()
    moved = hub.uploaded

    again = shipped().to_json()

    assert again["changed"] is False
    assert again["served_weights_sha256"] == again["weights_sha256"]
    assert hub.uploaded == moved
    assert not {"commit", "restart", "set_variable"} & set(hub.calls)


def test_new_weights_reach_a_space_whose_files_are_the_same(
    shipped: Ship, hub: FakeHub, folder: Path
) -> None:
    """Only the model changed: the Space gets its new commit as a variable, and serves the new weights."""
    first = shipped().to_json()
    make.safetensors(folder / "model.safetensors", fill=7)

    second = shipped().to_json()

    assert second["weights_sha256"] != first["weights_sha256"]
    assert second["served_weights_sha256"] == second["weights_sha256"]
    assert second["revision"] == first["revision"]


def test_a_space_that_serves_other_weights_has_failed(
    shipped: Ship, hub: FakeHub, folder: Path, clock: Clock
) -> None:
    """A base model served in silence is the worst of demos: it is said, and undone."""
    first = shipped().to_json()
    make.safetensors(folder / "model.safetensors", fill=7)
    began = clock.now()

    with pytest.raises(UnhealthyError, match="serves other weights"):
        shipped(Serving(hub, stuck=first["weights_sha256"]))

    assert clock.now() - began >= 30  # the process before was given time to go
    assert hub.variables(SPACE)["MODEL_REVISION"] == first["model_revision"]


def test_a_model_the_app_cannot_serve_is_known_before_a_byte_moves(
    hub: FakeHub, history: History, folder: Path, tmp_path: Path
) -> None:
    """An app without an engine for this kind: exit 3, and no repository is made."""
    app = tmp_path / "asr"
    app.mkdir()
    (app / "README.md").write_text(README)
    (app / "app.py").write_text("import gradio\n")
    (app / "spacehand.toml").write_text('[space]\nengine = "none"\n')
    shipment = Shipment(Model.open(folder), MODEL, SPACE, app)

    with pytest.raises(ConfigError, match="none"):
        ship(shipment, hub=hub, history=history, digests=Digests())

    assert hub.calls == []


def test_a_model_for_something_else_is_known_before_a_byte_moves(
    hub: FakeHub, history: History, folder: Path
) -> None:
    """A text classifier does not become a speech page: exit 3, and no repository is made."""
    (folder / "config.json").write_text('{"architectures": ["BertForSequenceClassification"]}')
    shipment = Shipment(Model.open(folder), MODEL, SPACE, "voxtral-asr")

    with pytest.raises(ConfigError, match="text-classification") as refused:
        ship(shipment, hub=hub, history=history, digests=Digests())

    assert refused.value.exit_code == 3
    assert hub.calls == []


def test_a_model_too_large_for_the_hardware_is_known_before_a_byte_moves(
    hub: FakeHub, history: History, tmp_path: Path
) -> None:
    """float32 of Voxtral-Mini's size on cpu-basic: exit 3 with what fits, and no repository is made."""
    shipment = Shipment(huge(tmp_path), MODEL, SPACE, "voxtral-asr")

    with pytest.raises(
        ConfigError, match=r"needs 20\.7 GB of memory, and `cpu-basic` has 17\.2 GB"
    ) as refused:
        ship(shipment, hub=hub, history=history, digests=Digests())

    for way in ("--dtype bfloat16", "--quantization int8", "--hardware cpu-upgrade"):
        assert way in (refused.value.hint or "")
    smaller = replace(shipment, dtype="bfloat16").spec(None)
    assert smaller.variables["MODEL_DTYPE"] == "bfloat16"
    assert check_room(shipment.model, smaller, hub) is None
    assert set(hub.calls) <= {"flavors", "head"}


def test_an_app_that_does_not_tell_its_weights_is_believed(clock: Clock) -> None:
    """Not every app is ours; what it does not say cannot be compared."""
    answer = ServesWeights(FakeProver(), "ab" * 32, clock.now, clock.sleep).call("http://app")

    assert answer is not None
    assert answer.weights_sha256 is None
    assert clock.slept == []


def test_the_inputs_of_the_probe_come_from_the_built_folder(
    app: App, hub: FakeHub, history: History, timing: Timing, folder: Path
) -> None:
    """What is proved is what was pushed."""
    seen: list[Probe] = []

    def prover(probe: Probe) -> FakeProver:
        seen.append(probe)
        assert (probe.folder / "app.py").is_file()
        return FakeProver()

    ship(
        Shipment(Model.open(folder), MODEL, SPACE, app.folder),
        hub=hub,
        history=history,
        digests=Digests(),
        prover=prover,
        timing=timing,
    )

    assert len(seen) == 1


def test_the_first_hardware_that_holds_the_model_is_taken(hub: FakeHub, tmp_path: Path) -> None:
    """Of several flavours in order of preference, one that is too small is passed by; none is refused."""
    model = huge(tmp_path / "model")
    chosen = ["cpu-basic", "cpu-upgrade", "l4x1"]
    small = Shipment(model, MODEL, SPACE, "voxtral-asr", overrides={"space": {"hardware": chosen[:1]}})
    shipment = Shipment(model, MODEL, SPACE, "voxtral-asr", overrides={"space": {"hardware": chosen}})

    assert check_room(model, shipment.spec(None), hub) == "cpu-upgrade"
    assert shipment.on("cpu-upgrade").spec(None).hardware == ("cpu-upgrade",)
    with pytest.raises(ConfigError, match="cpu-basic"):
        check_room(model, small.spec(None), hub)


def test_a_variant_is_published_and_served_in_its_subfolder(
    hub: FakeHub, history: History, app: App, timing: Timing, folder: Path, tmp_path: Path
) -> None:
    """The Space is told the subfolder, and has to serve the weights that lie there, not those above them."""
    copy = make.full(tmp_path / "copy", {"quantization_config": {"quant_method": "torchao"}}, fill=9)
    model = replace(Model.open(folder), beside={"int8": Model.open(copy)})
    app.write("spacehand.toml", '[probe]\napi = "/transcribe"\n')
    quantized = Digests().sha256(copy / "model.safetensors")

    shipped = ship(
        Shipment(model, MODEL, SPACE, app.folder, subfolder="int8"),
        hub=hub,
        history=history,
        digests=Digests(),
        prover=lambda _probe: Serving(hub, stuck=quantized),
        timing=timing,
    ).to_json()

    assert shipped["weights_sha256"] == shipped["served_weights_sha256"] == quantized
    assert hub.variables(SPACE)["MODEL_SUBFOLDER"] == "int8"
    assert {"int8/model.safetensors", "int8/config.json"} <= set(hub.files(RepoKind.MODEL, MODEL))


def test_a_failed_demo_does_not_hide_what_was_trained(shipped: Ship, hub: FakeHub) -> None:
    """The error of a deploy says where the published model is, and the model stays there."""
    prover = FakeProver(failure=UnhealthyError("no answer", hint="See the log"))

    with pytest.raises(UnhealthyError) as failed:
        shipped(prover)

    assert "The model itself is published: http" in (failed.value.hint or "")
    assert "model.safetensors" in hub.files(RepoKind.MODEL, MODEL)


@pytest.mark.parametrize("base", ["", "/home/ada/runs/base", "../base"])
def test_an_adapter_whose_base_no_space_can_fetch_is_known_before_a_byte_moves(
    hub: FakeHub, history: History, tmp_path: Path, base: str
) -> None:
    """Its base is empty, or a folder of this machine: exit 3, unless the base's name on the Hub is given."""
    model = Model.open(make.lora(tmp_path, base_model_name_or_path=base))
    shipment = Shipment(model, MODEL, SPACE, "voxtral-asr")

    with pytest.raises(ConfigError, match="adapter") as refused:
        ship(shipment, hub=hub, history=history, digests=Digests())

    assert "--base-model" in (refused.value.hint or "")
    assert hub.calls == []
    named = replace(shipment, card=CardWords(base_model="ada/base"))
    assert named.spec(None).variables["BASE_MODEL_ID"] == "ada/base"
