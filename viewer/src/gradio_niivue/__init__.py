"""
NiiVue in Gradio: volumes, overlays and meshes in the browser, all from the app's own server.

Each name is loaded when it is first asked for: what is to be shown can be said without importing Gradio.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._bundle import NIIVUE_VERSION
    from ._component import NiivueViewer
    from ._content import Label, Mesh, View, ViewerData, Volume

__all__ = ["NIIVUE_VERSION", "Label", "Mesh", "NiivueViewer", "View", "ViewerData", "Volume"]

_HOMES = {"NIIVUE_VERSION": "_bundle", "NiivueViewer": "_component"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    value = getattr(_import_module(f".{_HOMES.get(name, '_content')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
