"""Durations and hardware names."""

import pytest

from spacehand.errors import ConfigError
from spacehand.space.hardware import NEVER, duration, flavor, sleep_seconds, spoken


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("1h30m", 5400),
        ("2d", 172800),
        (" 1H ", 3600),
        (45, 45),
        (0.5, 0.5),
        ("1.5h", 5400),
    ],
)
def test_durations_are_read(text, seconds):
    """
    A duration is what people write, in seconds.
    """
    assert duration(text, name="x") == seconds


@pytest.mark.parametrize("text", ["", "soon", "30", "-5m", "5 years", 0, -1, True, None, [1], "m30", "1h30"])
def test_nonsense_is_no_duration(text):
    """
    What is no duration is refused by name, with an example.
    """
    with pytest.raises(ConfigError, match=r"`probe\.timeout` must be a duration") as refused:
        duration(text, name="probe.timeout", where="spacehand.toml:3")

    assert refused.value.where == "spacehand.toml:3"
    assert "30m" in str(refused.value.hint)


def test_never_is_the_hubs_word():
    """
    `never` is a sleep time of its own, not a duration.
    """
    assert sleep_seconds("Never", name="sleep") == NEVER == -1


@pytest.mark.parametrize(
    ("text", "hint"), [("T4 small", "t4-small"), ("cpu_upgrade", "cpu-upgrade"), ("h100", "hf ")]
)
def test_a_wrong_flavor_is_refused_with_the_right_one(text, hint):
    """
    A name the Hub cannot have is refused; one that it has dropped too.
    """
    with pytest.raises(ConfigError) as refused:
        flavor(text, name="space.hardware")

    assert hint in str(refused.value.hint)


def test_an_unknown_flavor_of_the_right_shape_is_the_hubs_to_judge():
    """
    New hardware needs no new release of this tool.
    """
    assert flavor("rtx-pro-6000x2", name="space.hardware") == "rtx-pro-6000x2"


@pytest.mark.parametrize(("seconds", "text"), [(-1, "never"), (1800, "30 min"), (7200, "2 h"), (90, "90 s")])
def test_durations_are_spoken(seconds, text):
    """
    A plan shows durations in the unit people would use.
    """
    assert spoken(seconds) == text
