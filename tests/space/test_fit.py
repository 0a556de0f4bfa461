"""Which hardware holds a model, before anything is uploaded."""

import pytest

from spacehand.errors import ConfigError
from spacehand.space.fit import Numbers, Room, check, needed

BASIC = Room("cpu-basic", "16 GB", 0.0)
UPGRADE = Room("cpu-upgrade", "32 GB", 0.03)
HUGE = Room("cpu-xl", "124 GB", 1.0)
# Voxtral-Mini's size: 4.68 billion parameters, 0.4 of them the table of the tokens.
MINI = [Numbers(f"layers.{number}.up_proj.weight", "F32", (8192, 17408)) for number in range(30)]
MINI.append(Numbers("embed_tokens.weight", "F32", (131072, 3072)))


def test_a_large_model_is_refused_with_what_fits():
    """
    float32 on the smallest hardware: the hint names bfloat16, int8 and the cheapest hardware that holds it.
    """
    with pytest.raises(ConfigError) as refused:
        check(MINI, {}, BASIC, [BASIC, HUGE, UPGRADE], where="mini")

    assert "needs 20.7 GB of memory, and `cpu-basic` has 17.2 GB" in str(refused.value)
    assert refused.value.hint == (
        "What fits: `--dtype bfloat16` (10.8 GB), or `--quantization int8` (7.2 GB), "
        "or `--hardware cpu-upgrade` (34.4 GB, $0.03 an hour)"
    )


@pytest.mark.parametrize(
    ("variables", "room"),
    [
        ({"MODEL_DTYPE": "bfloat16"}, BASIC),
        ({"MODEL_QUANTIZATION": "int8"}, BASIC),
        ({"MODEL_QUANTIZATION": "nf4"}, BASIC),
        ({}, UPGRADE),
        ({}, Room("unheard-of", "", 0.0)),
    ],
)
def test_what_the_hint_names_is_accepted(variables, room):
    """
    Each way out leads out; hardware that tells no memory is not judged.
    """
    check(MINI, variables, room, [], where="mini")


def test_stored_sizes_count():
    """
    What is stored in half precision needs half the memory; embeddings are not quantized.
    """
    half = [Numbers(each.name, "BF16", each.shape) for each in MINI]

    assert needed(half) == needed(MINI, dtype="bfloat16")
    table = [Numbers("embed_tokens.weight", "F32", (1000, 1000))]
    assert needed(table, quantization="int8") == needed(table)
