"""Keys of code: what a function does, and with what, not where its text stands."""

from __future__ import annotations

import functools
import sys
import types
from typing import Any

from spacehand_runtime.errors import UnkeyableError
from spacehand_runtime.key.keying import Keying, Writer, refuse

_PACKAGE = __name__.partition(".")[0]
_PLAIN = (type(None), bool, int, float, complex, str, bytes, tuple, frozenset)


def writer(kind: type) -> Writer | None:
    """Return the writer of classes that have a class of their own."""
    return write if issubclass(kind, type) else None


def write(keying: Keying, value: Any) -> None:
    """
    Write a function, method, partial, class, module or piece of code.

    A function is its compiled code, defaults, closure, and the global names it reads: the app's own functions
    and classes by their code, also where they are called through the app's own modules; those of libraries by
    name and version; plain constants by value. Other global objects are known by name alone: what a result
    depends on belongs into the arguments.
    """
    if isinstance(value, _Body):
        _body(keying, value)
    elif isinstance(value, types.FunctionType):
        _function(keying, value)
    elif isinstance(value, types.MethodType):
        keying.tag("method")
        keying.value(value.__func__)
        keying.value(value.__self__)
    elif isinstance(value, functools.partial):
        keying.tag("partial")
        keying.value((value.func, value.args, value.keywords))
    elif isinstance(value, types.CodeType):
        _code(keying, value)
    elif isinstance(value, type):
        _class(keying, value)
    elif isinstance(value, types.ModuleType):
        keying.tag("module")
        _versioned(keying, value.__name__, "")
    else:
        _builtin(keying, value)


def _function(keying: Keying, function: types.FunctionType) -> None:
    while _is_ours(function):  # memoized, say: what it does is what it wraps
        function = vars(function)["__wrapped__"]
    if function in keying.walked:  # recursion, direct or through another function
        keying.tag("function seen")
        keying.value((function.__module__, function.__qualname__))
        return
    if id(function) not in keying.known:  # else a web of helpers would be walked again and again
        keying.known[id(function)] = function, keying.apart(_Body(function))
    keying.tag("function")
    keying.text(keying.known[id(function)][1])


class _Body:
    """A function that is to be written in full."""

    def __init__(self, function: types.FunctionType) -> None:
        self.function = function


def _body(keying: Keying, body: _Body) -> None:
    function = body.function
    keying.walked.append(function)
    try:
        keying.value(function.__code__)
        keying.value(function.__defaults__)
        keying.value(function.__kwdefaults__)
        cells = function.__closure__ or ()
        keying.number(len(cells))
        for cell in cells:
            try:
                held = cell.cell_contents
            except ValueError:  # not assigned yet
                keying.tag("empty cell")
            else:
                keying.value(held)
        _globals(keying, function)
    finally:
        keying.walked.pop()


def _is_ours(function: types.FunctionType) -> bool:
    """Whether a decorator of this package made *function*; its attributes alone may have been copied."""
    made_in = str(function.__globals__.get("__name__", ""))
    return made_in.startswith(f"{_PACKAGE}.") and "__wrapped__" in vars(function)


def _globals(keying: Keying, function: types.FunctionType) -> None:
    _named(keying, sorted(_names(function.__code__)), function.__globals__, [])


def _named(keying: Keying, names: list[str], place: dict[str, Any], modules: list[types.ModuleType]) -> None:
    """Write what *names* mean in *place*; the app's own modules are looked into, for the same names."""
    for name in names:
        if name not in place:  # an attribute, or a builtin
            continue
        value = place[name]
        keying.tag("global")
        keying.text(name.encode())
        if isinstance(value, types.ModuleType):
            keying.value(value)
            if _is_own(value.__name__) and value not in modules:
                _named(keying, names, vars(value), [*modules, value])
        elif isinstance(value, _PLAIN) and type(value) in _PLAIN:
            keying.value(value)
        elif isinstance(value, types.FunctionType | type):
            _helper(keying, value)


def _helper(keying: Keying, value: types.FunctionType | type) -> None:
    if not _is_own(value.__module__):
        _versioned(keying, value.__module__, value.__qualname__)
        return
    try:
        keying.text(keying.apart(value))
    except UnkeyableError:
        # Decorated with something that cannot be keyed: its code and name still count.
        keying.tag(f"{value.__module__}.{value.__qualname__}")
        keying.value(getattr(value, "__code__", None))


def _names(code: types.CodeType) -> set[str]:
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return set(code.co_names).union(*(_names(const) for const in inner))


def _code(keying: Keying, code: types.CodeType) -> None:
    # Compiled, not source: two lambdas on one line have one source, and a comment changes nothing.
    keying.tag(f"code {sys.implementation.cache_tag}")
    keying.text(code.co_code)
    keying.number(code.co_flags)
    keying.value((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount))
    keying.value((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars))
    keying.text(getattr(code, "co_exceptiontable", b""))
    keying.values(code.co_consts)


def _class(keying: Keying, kind: type) -> None:
    if kind in keying.walked or not _is_own(kind.__module__):
        keying.tag("class by name")
        _versioned(keying, kind.__module__, kind.__qualname__)
        return
    keying.walked.append(kind)
    try:
        keying.tag("class")
        keying.value((kind.__module__, kind.__qualname__))
        keying.values(kind.__bases__)
        for name, member in sorted(vars(kind).items()):
            bare = getattr(member, "__func__", member)  # of a static or class method
            bare = getattr(bare, "fget", bare)  # of a property
            bare = getattr(bare, "func", bare)  # of a cached property
            if isinstance(bare, types.FunctionType) or type(bare) in _PLAIN:
                if name in ("__module__", "__qualname__", "__firstlineno__", "__doc__"):
                    continue
                keying.text(name.encode())
                keying.value(bare)
    finally:
        keying.walked.pop()


def _is_own(module: str) -> bool:
    """Whether *module* is the app's own code; that of libraries is known by their version."""
    if module.partition(".")[0] in sys.stdlib_module_names:
        return module == "__main__"
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file


def _builtin(keying: Keying, value: Any) -> None:
    owner = value.__self__
    if not (owner is None or isinstance(owner, types.ModuleType)):
        raise refuse(type(value), f"`{value.__qualname__}` of some object is a method without readable code")
    keying.tag("builtin")
    _versioned(keying, value.__module__ or "builtins", value.__qualname__)


def _versioned(keying: Keying, module: str, name: str) -> None:
    package = sys.modules.get(module.partition(".")[0])
    keying.value((module, name, str(getattr(package, "__version__", ""))))


WRITERS: dict[type, Writer] = dict.fromkeys(
    (
        types.FunctionType,
        types.MethodType,
        types.BuiltinFunctionType,
        types.CodeType,
        types.ModuleType,
        functools.partial,
        type,
        _Body,
    ),
    write,
)
