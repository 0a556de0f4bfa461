"""The runtime's public names."""

import subprocess
import sys
from importlib import import_module

import pytest


def _fresh(program: str) -> str:
    """Return what *program* prints in an interpreter of its own, so that nothing was imported before."""
    found = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    return found.stdout.strip()


def test_exported_names_are_the_public_ones():
    """
    What `__all__` lists is there, sorted, and nothing else is shown.
    """
    runtime = import_module("spacehand_runtime")

    assert sorted(runtime.__all__) == list(runtime.__all__) == dir(runtime)
    assert set(runtime.__all__) == set(runtime._HOMES)
    for name in runtime.__all__:
        assert getattr(runtime, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    """
    A misspelt name fails as in any module.
    """
    with pytest.raises(AttributeError, match="no attribute `Cash`"):
        import_module("spacehand_runtime").Cash  # noqa: B018


def test_importing_brings_in_the_standard_library_only():
    """
    The runtime has no dependencies, so that its folder can be copied into any Space.
    """
    program = (
        "import sys; before = set(sys.modules)\n"
        "import spacehand_runtime as r; [getattr(r, name) for name in r.__all__]\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - sys.stdlib_module_names - {'spacehand_runtime'}))"
    )

    assert _fresh(program) == "[]"


def test_the_rate_limit_does_not_load_the_cache():
    """
    An app that wants one small thing does not pay for the rest.
    """
    program = (
        "import sys; from spacehand_runtime import Metrics, RateLimit\n"
        "heavy = {'spacehand_runtime.cache.cache', 'asyncio', 'multiprocessing'}\n"
        "print(bool(heavy & set(sys.modules)))"
    )

    assert _fresh(program) == "False"


def test_importing_costs_little():
    """
    Importing takes less than 30 ms of the processor.
    """
    program = (
        "import time; start = time.process_time(); import spacehand_runtime\n"
        "print(time.process_time() - start)"
    )

    assert min(float(_fresh(program)) for _ in range(3)) < 0.030
