"""Small model folders of every kind, written byte by byte as their formats say."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacehand.model.safetensors_header import BITS

Tensors = Mapping[str, tuple[str, Sequence[int]]]
TWO: Tensors = {"embed.weight": ("BF16", (4, 8)), "head.bias": ("F32", (3,))}


def safetensors(
    file: Path, tensors: Tensors = TWO, *, metadata: Mapping[str, str] | None = None, fill: int = 0
) -> Path:
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        count = BITS[dtype]
        for dimension in shape:
            count *= dimension
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + (count + 7) // 8]}
        end += (count + 7) // 8
    return raw_safetensors(file, json.dumps(header).encode(), bytes([fill]) * end)


def raw_safetensors(file: Path, header: bytes, data: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return file


def full(folder: Path, config: Mapping[str, Any] | None = None, **weights: Any) -> Path:
    """A full model; its tokenizer is a tekken.json, so that nobody demands a tokenizer.json."""
    safetensors(folder / "model.safetensors", **weights)
    (folder / "config.json").write_text(json.dumps(config or {"model_type": "wav2vec2-bert"}))
    (folder / "tekken.json").write_text("{}")
    return folder


def sharded(folder: Path) -> Path:
    names = {
        "embed.weight": "model-00001-of-00002.safetensors",
        "head.bias": "model-00002-of-00002.safetensors",
    }
    for tensor, name in names.items():
        safetensors(folder / name, {tensor: TWO[tensor]})
    index = {"metadata": {"total_size": 76}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(
        json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"})
    )
    return folder


def lora(folder: Path, **adapter: Any) -> Path:
    safetensors(folder / "adapter_model.safetensors", {"q.lora_A.weight": ("F32", (2, 8))})
    said = {
        "peft_type": "LORA",
        "base_model_name_or_path": "mistralai/Voxtral-Mini-3B-2507",
        "r": 16,
        **adapter,
    }
    (folder / "adapter_config.json").write_text(json.dumps(said))
    return folder


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


CTRANSLATE2_TYPES = {"F32": (0, 4), "I8": (1, 1), "I16": (2, 2), "I32": (3, 4), "F16": (4, 2), "BF16": (5, 2)}


def ctranslate2(
    folder: Path, specification: str = "WhisperSpec", tensors: Tensors | None = None, version: int = 6
) -> Path:
    tensors = tensors or {
        "decoder/num_heads": ("I16", ()),
        "decoder/weight": ("I8", (4, 6)),
        "decoder/weight_scale": ("F32", (4,)),
    }
    content = struct.pack("<I", version) + _text(specification) + struct.pack("<II", 3, len(tensors))
    for name, (dtype, shape) in tensors.items():
        kind, width = CTRANSLATE2_TYPES[dtype]
        count = width
        for dimension in shape:
            count *= dimension
        content += (
            _text(name) + struct.pack(f"<B{len(shape)}IBI", len(shape), *shape, kind, count) + bytes(count)
        )
    content += struct.pack("<I", 1) + _text("decoder/tied") + _text("decoder/weight")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(content)
    (folder / "config.json").write_text("{}")
    (folder / "vocabulary.txt").write_text("a\nb\n")
    return folder


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def _field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def onnx(file: Path, *, external: str | None = None) -> Path:
    tensor = _field(1, 300) + _field(1, 2) + _field(2, 1) + _field(8, "weight")
    if external:
        tensor += _field(13, _field(1, "location") + _field(2, external)) + _field(14, 1)
    else:
        tensor += _field(9, bytes(2400))
    graph = _field(1, _field(4, "MatMul")) + _field(2, "graph") + _field(5, tensor)
    model = _field(1, 8) + _field(2, "pytorch") + _field(7, graph) + _field(8, _field(1, "") + _field(2, 17))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(model)
    return file
