"""The component: Gradio's own HTML component, with a constant page in it and NiiVue beside it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import EventListener

from ._bundle import BUNDLE, FOLDER
from ._content import Content, View, ViewerData
from ._wire import WireData, from_wire, to_wire

_HERE = Path(__file__).parent
# Gradio serves what lies here as it is. Its list is the whole process's, so nothing else is put there.
gr.set_static_paths([FOLDER])


class NiivueViewer(gr.HTML):
    """
    Shows brain volumes, overlays and meshes with NiiVue, from files that the app's own server hands out.

    *value*, and what an event handler returns for it, is a path, a `Volume`, a `Mesh`, a list of these, a
    `ViewerData`, or None for an empty viewer. A handler that takes it as input gets a `ViewerData`, with the
    server's own paths. *height* is in CSS pixels. *options* are NiiVue's. Further arguments are those of
    `gr.HTML`.

    Events, whose data are attributes of `gr.EventData`: ``ready`` once all is shown (``volumes``, ``meshes``,
    ``milliseconds``); ``failed`` when something is not (``reason``, ``message``); and, with
    *report_location*, ``location`` when the crosshair moves (``mm``, ``voxel`` of the background,
    ``values``).

    Raises:
        TypeError: *value* is nothing that can be shown, or an argument is not known.
        FileNotFoundError: a file is not there.
    """

    EVENTS = (*gr.HTML.EVENTS, EventListener("ready"), EventListener("failed"), EventListener("location"))
    data_model = WireData

    def __init__(
        self,
        value: Content | Callable[..., Content] = None,
        *,
        height: int = 420,
        view: View | str = View.MULTIPLANAR,
        options: Mapping[str, Any] | None = None,
        report_location: bool = False,
        **html: Any,
    ) -> None:
        _refuse_unknown(html)
        self.height = height
        self.view = View(view)
        self.options = dict(options or {})
        self.report_location = report_location
        super().__init__(
            value=value,
            html_template=_read("viewer.html").replace("HEIGHT", str(int(height))),
            css_template=_read("viewer.css"),
            js_on_load=_read("viewer.js"),
            apply_default_css=False,
            **html,
        )

    def preprocess(self, payload: WireData | None) -> ViewerData:
        """Return what is shown, for an event handler."""
        return ViewerData() if payload is None else from_wire(payload)

    def postprocess(self, value: Content) -> WireData:
        """Return what travels to the browser for *value*."""
        return to_wire(
            ViewerData.of(value),
            view=self.view,
            options=self.options,
            report_location=self.report_location,
            module=BUNDLE,
        )

    def api_info(self) -> dict[str, Any]:
        """Return the JSON schema of the value, for the app's API page and its clients."""
        schema: dict[str, Any] = WireData.model_json_schema()
        return schema

    def example_payload(self) -> dict[str, Any]:
        """Return an input for the app's API page."""
        return json.loads(WireData().model_dump_json())  # type: ignore[no-any-return]

    def example_value(self) -> None:
        """Return nothing: an empty viewer is a value as well."""


def _refuse_unknown(html: Mapping[str, Any]) -> None:
    """Raise for a misspelt argument, which gr.HTML would take for a variable of the template."""
    known = inspect.signature(gr.HTML.__init__).parameters
    fixed = {"html_template", "css_template", "js_on_load", "apply_default_css", "props", "self"}
    for name in html:
        if name not in known or name in fixed:
            raise TypeError(f"NiivueViewer takes no argument `{name}`")


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
