"""``python -m benchmarks [NAME …]``: run the named benchmarks, or all, and print their tables."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks import figure

_NOT_BENCHMARKS = {
    "__main__",
    "figure",
    "http_load",
    "hubs",
    "null_server",
    "sessions_app",
    "soak",
    "space_app",
    "statistics_app",
    "speakers",
}


def main() -> None:
    """Run each benchmark's ``run() -> list[Figure]`` in turn; never two at a time."""
    names = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name not in _NOT_BENCHMARKS]
    for name in sys.argv[1:] or sorted(names):
        figures = importlib.import_module(f"benchmarks.{name}").run()
        figure.save(name, figures)
        print(f"\n## {name}\n\n{figure.table(figures)}", flush=True)


if __name__ == "__main__":
    main()
