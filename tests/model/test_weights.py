"""What is told of the weights is what their headers say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.model import make

from spacehand.errors import ModelError
from spacehand.hub.digests import Digests
from spacehand.model.artifact import Model
from spacehand.model.weights import WeightFacts, weight_facts, weights_sha256


def test_parameters_types_and_bytes_come_from_the_headers(tmp_path: Path):
    """
    Parameters are counted over all shards, by type.
    """
    model = Model.open(make.sharded(tmp_path))

    facts = weight_facts(model)

    assert (facts.parameters, facts.dtypes) == (35, {"BF16": 32, "F32": 3})
    assert facts.bytes == sum(file.stat().st_size for file in model.weights)


def test_scales_of_a_quantized_ctranslate2_model_are_no_parameters(tmp_path: Path):
    """
    What is needed to unpack int8 weights, and settings stored as scalars, are not counted.
    """
    facts = weight_facts(Model.open(make.ctranslate2(tmp_path)))

    assert (facts.parameters, facts.dtypes) == (24, {"I8": 24})


def test_the_real_whisper_has_the_parameters_of_tiny(whisper: Path):
    """
    A real float16 file: its parameters, two bytes each, are all of it but a few kilobytes of names.
    """
    facts = weight_facts(Model.open(whisper))

    assert facts == WeightFacts(37_764_864, {"F16": 37_764_864}, 75_537_502)
    assert 0 < facts.bytes - 2 * 37_764_864 < 10_000


def test_four_bit_weights_are_counted_as_the_parameters_they_are(tmp_path: Path):
    """
    bitsandbytes packs two parameters into one byte and adds tables, which are no parameters.
    """
    tensors: make.Tensors = {
        "a.weight": ("U8", (32, 1)),
        "a.weight.absmax": ("F32", (1,)),
        "a.weight.quant_map": ("F32", (16,)),
        "a.weight.quant_state.bitsandbytes__nf4": ("U8", (90,)),
        "norm.weight": ("BF16", (8,)),
    }
    config = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}

    facts = weight_facts(Model.open(make.full(tmp_path, config, tensors=tensors)))

    assert (facts.parameters, facts.dtypes) == (72, {"U8": 32, "BF16": 8})


def test_what_a_header_does_not_tell_is_not_told(tmp_path: Path):
    """
    Packed weights of other methods, and a pickle, have no number of parameters.
    """
    packed = make.full(tmp_path / "gptq", {"quantization_config": {"quant_method": "gptq", "bits": 4}})
    pickle = make.full(tmp_path / "pickle")
    (pickle / "model.safetensors").rename(pickle / "pytorch_model.bin")

    assert weight_facts(Model.open(packed)).parameters is None
    assert weight_facts(Model.open(pickle)) == WeightFacts(
        None, {}, (pickle / "pytorch_model.bin").stat().st_size
    )


def test_onnx_tells_its_initializers(tmp_path: Path):
    """
    The parameters of an ONNX file are the elements of its initializers.
    """
    make.onnx(tmp_path / "model.onnx")
    model = Model.open(tmp_path)

    assert weight_facts(model).parameters == 600
    assert model.headers[tmp_path / "model.onnx"].details == {"producer": "pytorch", "opset": 17}


def test_one_file_is_named_by_its_own_hash(tmp_path: Path):
    """
    The hash of a single weights file is what sha256sum says.
    """
    model = Model.open(make.full(tmp_path))

    assert weights_sha256(model, Digests()) == hashlib.sha256(model.weights[0].read_bytes()).hexdigest()


def test_several_files_are_named_by_the_hash_of_their_lines(tmp_path: Path):
    """
    The hash of several weights files is that of the sorted lines `HASH  PATH`.
    """
    model = Model.open(make.sharded(tmp_path))
    lines = sorted(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in model.weights
    )

    assert weights_sha256(model, Digests()) == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("length", [4, 40, 60, 100])
def test_a_cut_onnx_file_is_refused(tmp_path: Path, length: int):
    """
    An ONNX file that ends too early is no model.
    """
    file = make.onnx(tmp_path / "model.onnx")
    file.write_bytes(file.read_bytes()[:length])

    with pytest.raises(ModelError, match=r"`model\.onnx` is cut off"):
        Model.open(tmp_path)
