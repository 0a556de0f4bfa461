"""The runtime's public names."""

import sys
from importlib import import_module


def test_exported_names_are_the_public_ones():
    """
    What `__all__` lists is there, sorted, and nothing public is missing from it.
    """
    runtime = import_module("spacehand_runtime")

    public = {name for name in vars(runtime) if not name.startswith("_")}

    assert sorted(public) == list(runtime.__all__)


def test_importing_brings_in_the_standard_library_only():
    """
    The runtime has no dependencies, so that its folder can be copied into any Space.
    """
    import_module("spacehand_runtime")

    for name, module in list(sys.modules.items()):
        if name.startswith("spacehand_runtime."):
            used = {
                value.__name__.partition(".")[0]
                for value in vars(module).values()
                if hasattr(value, "__spec__")
            }
            assert used <= sys.stdlib_module_names | {"spacehand_runtime"}
