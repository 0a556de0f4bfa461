"""Whether a model fits is known before it is loaded."""

import json
import struct
from dataclasses import replace

import pytest
from asr import memory, tensors, weights
from asr.errors import WeightsError
from asr.settings import Settings

CPU_BASIC = 16 * 2**30  # bytes


def write_model(folder, shapes, dtype="F32"):
    """Write a model whose header is true and whose data are a hole in the file."""
    header, end = {}, 0
    for name, shape in shapes.items():
        size = shape[0] * shape[1] * tensors.SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    folder.mkdir(exist_ok=True)
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + end)
    (folder / "config.json").write_text("{}")
    return weights.Weights(folder, "ada/large", "local", ("model.safetensors",), "0" * 64, end, folder)


@pytest.fixture
def voxtral_mini(tmp_path):
    """4.68 billion parameters, 0.4 of them the table of the tokens: 18.7 GB in float32."""
    layers = {f"layers.{number}.mlp.up_proj.weight": (8192, 17408) for number in range(30)}
    return write_model(tmp_path / "mini", layers | {"embed_tokens.weight": (131072, 3072)})


def test_the_least_limit_counts(tmp_path):
    """
    The Hub's word, the container's limit, the machine itself: who exceeds any of them is killed.
    """
    group = tmp_path / "memory.max"
    group.write_text("1000000\n")

    assert memory.limit({"MEMORY": "512Mi"}, cgroup=()) == 512 * 2**20
    assert memory.limit({"MEMORY": "2G"}, cgroup=()) == 2 * 10**9
    assert memory.limit({"MEMORY": "512Mi"}, cgroup=(str(group),)) == 1_000_000
    group.write_text("max\n")
    assert memory.limit({}, cgroup=(str(group),)) > 10**8


def test_what_does_not_fit_is_refused_with_what_would(voxtral_mini):
    """
    Voxtral-Mini in float32 on the smallest hardware: the message names settings that fit, with their size.
    """
    with pytest.raises(WeightsError) as refused:
        memory.plan(voxtral_mini, Settings(model_id="ada/large"), CPU_BASIC)

    said = str(refused.value)
    assert "in float32 it needs 20.7 GB of memory, and 17.2 GB are there" in said
    assert "`MODEL_DTYPE=bfloat16` (10.8 GB)" in said
    assert "`MODEL_QUANTIZATION=int8` (7.2 GB)" in said
    assert "hardware with at least 20.7 GB" in said


@pytest.mark.parametrize(
    ("settings", "plan"),
    [
        ({"dtype": "bfloat16"}, ("bfloat16", "none")),
        ({"quantization": "int8"}, ("float32", "int8")),
        ({"dtype": "bfloat16", "quantization": "nf4"}, ("bfloat16", "nf4")),
    ],
)
def test_what_fits_is_loaded_as_asked(voxtral_mini, settings, plan):
    """
    The very settings that a refusal names are accepted.
    """
    found = memory.plan(voxtral_mini, Settings(model_id="ada/large", **settings), CPU_BASIC)

    assert (found.dtype, found.quantization) == plan


def test_an_adapter_is_merged_in_full(voxtral_mini):
    """
    int8 of an adapter on its base is made of the sum, which is there in full first: it saves nothing then.
    """
    adapter = replace(voxtral_mini, model_id="ada/adapter", bytes=10_000_000, base=voxtral_mini)

    with pytest.raises(WeightsError) as refused:
        memory.plan(adapter, Settings(model_id="ada/adapter", quantization="int8"), CPU_BASIC)

    assert "MODEL_DTYPE=bfloat16" in str(refused.value)
    assert "MODEL_QUANTIZATION" not in str(refused.value)


def test_half_precision_becomes_what_fits(tmp_path):
    """
    A processor has no float16: float32 where there is room, and else bfloat16.
    """
    model = write_model(tmp_path, {"fc.weight": (1000, 1_000_000)}, "F16")
    settings = Settings(model_id="ada/large")

    assert memory.plan(model, settings, CPU_BASIC).dtype == "float32"
    assert memory.plan(model, settings, 4 * 2**30).dtype == "bfloat16"
    assert memory.plan(model, settings, 4 * 2**30, gpu=True).dtype == "float16"


@pytest.mark.parametrize("left", [0, 5, 40, -1])
def test_a_damaged_file_is_named(tmp_path, left):
    """
    Cut short anywhere, a safetensors file is known to be damaged from its header alone.
    """
    file = tmp_path / "model.safetensors"
    write_model(tmp_path, {"fc.weight": (10, 10)})
    file.write_bytes(file.read_bytes()[:left])

    with pytest.raises(WeightsError, match=r"model\.safetensors is damaged"):
        tensors.read(file)
