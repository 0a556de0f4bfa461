"""Requirements, as far as it matters for where they may be solved and installed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_NAME = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?\s*(?:\[[\w\s.,-]*\])?"
_REST = r"\s*(?:;[^@]*?)?(?:\s+--hash=\w+:\w+)*"
# `six>=1.16 ; python_version < "4"`
_FROM_INDEX = re.compile(rf"{_NAME}\s*(?:\(?[<>=!~][\w\s.,*+!<>=~-]*\)?)?{_REST}\Z", re.ASCII)
# `six @ https://…/six-1.17.0-py2.py3-none-any.whl`, or the URL alone
_WHEEL = re.compile(rf"(?:{_NAME}\s*@\s*)?https?://[^\s#?]+\.whl(?:[#?]\S*)?{_REST}\Z", re.ASCII)
_PLACE = re.compile(
    r"(?:(?:-i|-f|--index-url|--extra-index-url|--find-links)[\s=]\s*https?://\S+"
    r"|--no-index|--pre|--prefer-binary|--trusted-host[\s=]\s*[\w.:*-]+)\Z"
)
_COMMENT = re.compile(r"(?:^|\s+)#.*")
_WITHOUT_WHEEL = re.compile(r"(?:Wheels are required|Building source distributions) for `([\w.-]+)")


def lines(text: str) -> Iterator[str]:
    """Yield each requirement and option of a requirements file on one line, without comments."""
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        bare = _COMMENT.sub("", line).strip()
        if bare:
            yield bare


def is_place(line: str) -> bool:
    """Return whether *line* only says where on the network to look, or how to choose."""
    return _PLACE.match(line) is not None and "${" not in line


def is_plain(line: str) -> bool:
    """
    Return whether *line* names packages of an index, or a wheel at a URL.

    All else may run a stranger's code or read a file of this machine: version control, archives, paths,
    further requirements files. So may ``${NAME}``, which reads the installer's own environment.
    """
    return "${" not in line and (_FROM_INDEX.match(line) or _WHEEL.match(line)) is not None


def name(line: str) -> str:
    """Return the normalized name of the package that *line* begins with."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line, maxsplit=1)[0]).lower()


def joined(earlier: str, lock: str) -> str:
    """Return *lock* and what only *earlier* holds: an installation leaves alone what is not in its way."""
    known = {name(line) for line in lines(lock)}
    more = [line for line in lines(earlier) if name(line) not in known]
    return lock + "".join(f"{line}\n" for line in more)


def without_wheel(said: Iterable[str]) -> set[str]:
    """Return the packages that the installer refused because there is no wheel of them."""
    return {name(found) for text in said for found in _WITHOUT_WHEEL.findall(text)}
