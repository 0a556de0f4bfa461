"""Quantized copies: made once by another Python, kept, and refused where there can be none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.model import make

from spacehand.errors import ModelError
from spacehand.hub.digests import Digests
from spacehand.model.artifact import Model, variants
from spacehand.model.quantized import Quantizer

# Stands for a Python with PyTorch: it is told a script, a source and a target, and copies.
_COPIES = """
import json, pathlib, shutil, sys
script, source, target = map(pathlib.Path, sys.argv[1:])
(source / "made").open("a").write("once ")
shutil.copy(source / "model.safetensors", target)
(target / "config.json").write_text('{"quantization_config": {"quant_method": "torchao"}}')
"""


def _quantizer(folder: Path, code: str) -> Quantizer:
    return Quantizer((sys.executable, "-c", code), os.environ, folder / "kept")


def test_a_copy_is_made_once(tmp_path: Path):
    """
    The same weights are quantized once; the copy stands beside the model as a variant.
    """
    folder = make.full(tmp_path / "model")
    quantizer = _quantizer(tmp_path, _COPIES)

    model = quantizer.with_int8(Model.open(folder), Digests())
    again = quantizer.with_int8(Model.open(folder), Digests())

    assert (folder / "made").read_text() == "once "
    assert set(variants(model)) == set(variants(again)) == {"int8"}
    make.full(folder, fill=1)
    quantizer.with_int8(Model.open(folder), Digests())
    assert (folder / "made").read_text() == "once once "


def test_a_copy_that_cannot_be_made_says_why_and_leaves_nothing(tmp_path: Path):
    """
    The last line PyTorch said is the reason; the next try starts afresh.
    """
    model = Model.open(make.full(tmp_path / "model"))

    with pytest.raises(ModelError, match="cannot load Wav2Vec2BertForCTC in int8"):
        _quantizer(
            tmp_path, "import sys; sys.exit('warning\\ncannot load Wav2Vec2BertForCTC in int8')"
        ).with_int8(model, Digests())

    assert _quantizer(tmp_path, _COPIES).with_int8(model, Digests()).beside


def test_no_copy_is_made_of_an_adapter_or_of_what_is_quantized(tmp_path: Path):
    """
    There the hint says what to do instead, and no Python is started.
    """
    quantizer = _quantizer(tmp_path, "raise SystemExit('started')")
    adapter = Model.open(make.lora(tmp_path / "lora"))
    packed = Model.open(make.full(tmp_path / "packed", {"quantization_config": {"quant_method": "gptq"}}))

    with pytest.raises(ModelError, match="No int8 copy is made of a lora model"):
        quantizer.with_int8(adapter, Digests())
    with pytest.raises(ModelError, match="that is quantized already"):
        quantizer.with_int8(packed, Digests())
