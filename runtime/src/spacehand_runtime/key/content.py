"""
One short text for all the content of some objects.

Every value is written to a digest as its type, then its size, then its bytes, so that no two different values
make the same stream. Types that are not known are refused: an ``id`` or a ``repr`` would be a guess, and a
guess is a wrong answer from the cache one day.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import TypeVar

from spacehand_runtime.key import digest, function, plain
from spacehand_runtime.key.keying import Keying, Writer, refuse, type_name

_VERSION = b"spacehand key 1"
_T = TypeVar("_T")


def content_key(*objects: object, secure: bool = False) -> str:
    """
    Return a key that is equal when *objects* are equal in all their content, and differs when they do not.

    All bytes count: of arrays, tables and series with their types, names, indexes and missing values; of
    files, for a path; of code, defaults and closure, for a function. How an object came about does not count:
    a copy, a slice, a concatenation or an unpickled twin has the key of the original. A dict's order counts,
    as code can see it; that of a set does not. A NaN counts by its bits, as does the sign of zero.

    The key is the same in another process and after a restart, as long as the same optional libraries and the
    same minor version of Python (for functions) are installed. With *secure*, nobody who chooses the content
    can make two contents of one key; ask for it where keys come from uploads and results are shared.

    Raises:
        UnkeyableError: an object, or one inside it, is of a type that is not known; see :func:`register_key`.
        OSError: a path cannot be read.
    """
    name, make = digest.secure() if secure else digest.fast()
    keying = Keying(make, _writer)
    keying.text(_VERSION)
    keying.values(objects)
    return f"{name}-{keying.digest().hex()}"


def register_key(kind: type[_T], content: Callable[[_T], object]) -> None:
    """
    Let :func:`content_key` read objects of exactly the type *kind*.

    *content* returns what makes two of them equal, out of things that can be keyed: ``lambda p: (p.x, p.y)``.
    """
    name = type_name(kind)

    def write(keying: Keying, value: _T) -> None:
        keying.tag(f"registered {name}")
        keying.value(content(value))

    _WRITERS[kind] = write


_WRITERS: dict[type, Writer] = plain.WRITERS | function.WRITERS
_LIBRARIES = {
    "numpy": "spacehand_runtime.key.numpy",
    "pandas": "spacehand_runtime.key.pandas",
    "pyarrow": "spacehand_runtime.key.arrow",
}


def _writer(kind: type) -> Writer:
    """Return the writer for exactly *kind*: a subclass may hold more than its base, so it has no writer."""
    if writer := _WRITERS.get(kind):
        return writer
    library = kind.__module__.partition(".")[0]
    if library in _LIBRARIES and library in sys.modules:
        # Noticed, not imported: an object of a library comes with the library.
        module = import_module(_LIBRARIES[library])
        for known, write in module.writers().items():
            _WRITERS.setdefault(known, write)  # what the app registered stays
        if writer := _WRITERS.get(kind) or module.writer(kind):
            return writer
    if writer := function.writer(kind) or plain.writer(kind):
        return writer
    raise refuse(kind)
