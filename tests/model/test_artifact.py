"""A trained folder is recognised for what it is, and a broken one is named for what is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.model import make

from spacehand.errors import ModelError, UsageError
from spacehand.model.artifact import Model, ModelKind


@pytest.mark.parametrize(
    ("write", "kind", "weights"),
    [
        (make.full, ModelKind.FULL, ["model.safetensors"]),
        (
            make.sharded,
            ModelKind.SHARDED,
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ),
        (make.lora, ModelKind.LORA, ["adapter_model.safetensors"]),
        (make.ctranslate2, ModelKind.CTRANSLATE2, ["model.bin"]),
        (lambda folder: make.onnx(folder / "model.onnx"), ModelKind.ONNX, ["model.onnx"]),
        (lambda folder: make.onnx(folder / "onnx" / "encoder.onnx"), ModelKind.ONNX, ["onnx/encoder.onnx"]),
    ],
)
def test_every_kind_is_recognised(
    tmp_path: Path, write: Callable[[Path], Path], kind: ModelKind, weights: list[str]
):
    """
    A folder's kind follows from its files, and no tokenizer is demanded.
    """
    write(tmp_path)

    model = Model.open(tmp_path)

    assert model.kind is kind
    assert [file.relative_to(tmp_path).as_posix() for file in model.weights] == weights
    assert model.warnings == ()


def test_a_pickle_is_taken_and_warned_about(tmp_path: Path):
    """
    pytorch_model.bin alone is a full model, but its danger is told.
    """
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK\x03\x04 not looked into")

    model = Model.open(tmp_path)

    assert model.kind is ModelKind.FULL
    assert "`pytorch_model.bin` is a pickle" in model.warnings[0]


def test_the_real_whisper_is_whisper(whisper: Path):
    """
    A real CTranslate2 conversion says by its own header that it is Whisper.
    """
    model = Model.open(whisper)

    assert model.kind is ModelKind.CTRANSLATE2
    assert model.specification == "WhisperSpec"
    assert model.is_whisper


def test_a_missing_folder_is_a_wrong_argument(tmp_path: Path):
    """
    A path that leads nowhere, or to a file, is a mistake on the command line.
    """
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(UsageError) as raised:
            Model.open(path)
        assert str(path) in str(raised.value)
        assert raised.value.exit_code == 2


def _pointer(folder: Path) -> None:
    make.full(folder)
    (folder / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )


def _without_config(folder: Path) -> None:
    make.full(folder)
    (folder / "config.json").unlink()


def _broken_config(folder: Path) -> None:
    make.full(folder)
    (folder / "config.json").write_text('{\n"model_type": \n}')


def _lost_shard(folder: Path) -> None:
    make.sharded(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


def _foreign_shard(folder: Path) -> None:
    make.sharded(folder)
    make.safetensors(folder / "model-00002-of-00002.safetensors", {"other": ("F32", (3,))})


def _hostile_index(folder: Path) -> None:
    make.sharded(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../../etc/passwd"}}')


def _adapter_alone(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


def _pickle_called_model(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"\x80\x02}q\x00.")


def _cut_ctranslate2(folder: Path) -> None:
    make.ctranslate2(folder)
    file = folder / "model.bin"
    file.write_bytes(file.read_bytes()[:-30])


def _old_ctranslate2(folder: Path) -> None:
    make.ctranslate2(folder, version=3)


def _onnx_without_data(folder: Path) -> None:
    make.onnx(folder / "model.onnx", external="weights.bin")


def _onnx_that_escapes(folder: Path) -> None:
    make.onnx(folder / "model.onnx", external="../weights.bin")


def _checkpoint_without_weights(folder: Path) -> None:
    (folder / "checkpoint-500").mkdir()


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda folder: None, "is empty"),
        (lambda folder: (folder / "notes.txt").touch(), "holds no weights"),
        (_checkpoint_without_weights, "checkpoint-500` holds no weights"),
        (_pointer, "Git LFS pointer"),
        (_without_config, "no `config.json`"),
        (_broken_config, "`config.json` is not valid JSON"),
        (_lost_shard, "`model-00002-of-00002.safetensors`, which is not there"),
        (_foreign_shard, "lacks the tensor `head.bias`"),
        (_hostile_index, "no `weight_map`"),
        (_adapter_alone, "neither `adapter_model.safetensors` nor"),
        (_pickle_called_model, "no CTranslate2 model"),
        (_cut_ctranslate2, "is cut off"),
        (_old_ctranslate2, "of a known version (4 to 6)"),
        (_onnx_without_data, "`weights.bin`, which is not there"),
        (_onnx_that_escapes, "outside its folder"),
    ],
)
def test_a_broken_folder_is_named_for_what_is_broken(
    tmp_path: Path, write: Callable[[Path], None], said: str
):
    """
    The error says what is wrong, where, and what to do; it is exit 3.
    """
    write(tmp_path)

    with pytest.raises(ModelError) as raised:
        Model.open(tmp_path)

    assert said in str(raised.value)
    assert raised.value.where is not None
    assert str(tmp_path) in raised.value.where
    assert raised.value.hint
    assert raised.value.exit_code == 3


def test_external_data_of_onnx_belongs_to_the_weights(tmp_path: Path):
    """
    A file that an ONNX model keeps its weights in is one of the weights.
    """
    (tmp_path / "weights.bin").write_bytes(bytes(2400))
    make.onnx(tmp_path / "model.onnx", external="weights.bin")

    assert [file.name for file in Model.open(tmp_path).weights] == ["model.onnx", "weights.bin"]


@pytest.mark.parametrize(
    ("config", "whisper"),
    [
        ({"model_type": "whisper"}, True),
        ({"architectures": ["WhisperForConditionalGeneration"]}, True),
        ({"architectures": ["VoxtralForConditionalGeneration"], "model_type": "voxtral"}, False),
        ({"_name_or_path": "my-whisper-like-thing", "model_type": "wav2vec2"}, False),
    ],
)
def test_whisper_is_known_by_its_configuration(tmp_path: Path, config: dict[str, object], whisper: bool):
    """
    A model is Whisper when its configuration says so, never because of a name somebody gave it.
    """
    assert Model.open(make.full(tmp_path, config)).is_whisper is whisper


def test_a_lora_says_what_it_was_trained_on(tmp_path: Path):
    """
    The class of the base model is taken from the adapter's configuration.
    """
    mapping = {"base_model_class": "VoxtralForConditionalGeneration", "parent_library": "transformers"}
    make.lora(tmp_path, auto_mapping=mapping)

    model = Model.open(tmp_path)

    assert model.base_class == "VoxtralForConditionalGeneration"
    assert model.adapter == json.loads((tmp_path / "adapter_config.json").read_text())
