"""Hardware names and durations, as people write them and as the Hub wants them."""

from __future__ import annotations

import re

from spacehand.errors import ConfigError

NEVER = -1  # the Hub's word for "does not go to sleep"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+\Z")
_FLAVOR = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")

# Names that were valid once: the Hub refuses them today.
_GONE = {
    "h100": "H100 hardware was removed in December 2025",
    "h100x8": "H100 hardware was removed in December 2025",
}


def duration(value: object, *, name: str, where: str | None = None) -> float:
    """
    Return the seconds *value* means: ``30m``, ``1h30m``, ``90s``, ``2d``, or a number of seconds.

    Raises:
        ConfigError: it means none.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return float(value)
    if isinstance(value, str):
        text = value.strip().lower().replace(" ", "")
        if _DURATION.match(text):
            return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smhd])", text))
    raise ConfigError(
        f"`{name}` must be a duration, not `{value}`",
        where=where,
        hint='Write it as `"90s"`, `"30m"`, `"1h30m"` or a number of seconds',
    )


def sleep_seconds(value: object, *, name: str, where: str | None = None) -> int:
    """
    Return after how many idle seconds a Space sleeps; :data:`NEVER` for ``never``.

    Raises:
        ConfigError: *value* is neither a duration nor ``never``.
    """
    if isinstance(value, str) and value.strip().lower() == "never":
        return NEVER
    return round(duration(value, name=name, where=where))


def flavor(text: str, *, name: str, where: str | None = None) -> str:
    """
    Return the hardware name *text*, checked for its shape: which ones exist today, only the Hub knows.

    Raises:
        ConfigError: no hardware can be called so, or it is known to be gone.
    """
    if text in _GONE:
        raise ConfigError(
            f"`{name}` asks for `{text}`: {_GONE[text]}", where=where, hint="Run `hf spaces hardware`"
        )
    if not _FLAVOR.match(text):
        hint = f"Did you mean `{text.strip().lower().replace('_', '-').replace(' ', '-')}`?"
        raise ConfigError(f"`{name}` is no hardware name: `{text}`", where=where, hint=hint)
    return text


def spoken(seconds: float) -> str:
    """Return *seconds* as people say it: ``30 min``, ``2 h``, ``never``."""
    if seconds < 0:
        return "never"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"
