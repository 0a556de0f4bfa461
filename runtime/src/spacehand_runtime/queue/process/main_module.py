"""The app's own file, read again in a worker: without the line that starts the server."""

from __future__ import annotations

import ast
import importlib.util
import sys
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

_NAME = "__mp_main__"  # the name that multiprocessing gives it, too

# `demo.launch()`, `uvicorn.run(app)`, `main()` as a statement of their own, at the top level of the file.
_STARTERS = frozenset({"launch", "run", "run_app", "serve", "serve_forever", "run_forever", "main"})


def where() -> tuple[str, str] | None:
    """Return how a worker finds ``__main__`` of this process: as a module, or a file; None if it cannot."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return ("module", spec.name)
    file = getattr(main, "__file__", None)
    return ("file", str(Path(file).absolute())) if file and Path(file).is_file() else None


class MainModule:
    """What ``__main__`` is in the process that submits; read when it is first needed."""

    def __init__(self, found: tuple[str, str] | None) -> None:
        self._found = found
        self._module: ModuleType | None = None

    def find_class(self, _module: str, name: str) -> Any:
        """Return what is called *name* there."""
        if self._module is None:
            self._module = self._load()
        return reduce(getattr, name.split("."), self._module)

    def _load(self) -> ModuleType:
        if self._found is None:
            msg = "The function is in `__main__`, which is no file; move it into a module"
            raise ImportError(msg)
        kind, text = self._found
        path = Path(text)
        module = ModuleType(_NAME)
        if kind == "module":
            spec = importlib.util.find_spec(text)
            if spec is None or spec.origin is None:
                raise ModuleNotFoundError(text)
            path, module.__package__ = Path(spec.origin), spec.parent
        module.__file__ = str(path)
        before = {name: sys.modules.get(name) for name in (_NAME, "__main__")}
        sys.modules |= dict.fromkeys(before, module)
        try:
            exec(compile(without_start(path.read_text()), str(path), "exec"), module.__dict__)  # noqa: S102
        except BaseException:
            sys.modules |= {name: old for name, old in before.items() if old is not None}
            raise
        return module


def without_start(source: str) -> ast.Module:
    """Return *source* as a tree, without the statements at its top level that start a server."""
    tree = ast.parse(source)
    tree.body = [statement for statement in tree.body if not _starts(statement)]
    return tree


def _starts(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Expr | ast.Assign) or not isinstance(statement.value, ast.Call):
        return False
    called = statement.value.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in _STARTERS
