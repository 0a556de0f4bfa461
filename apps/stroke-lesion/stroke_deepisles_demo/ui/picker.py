"""Choosing a case: a list with a search and pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

PAGE = 8


class Picker:
    """The list of *ids*; `chosen` is the component that holds the one that was chosen."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = list(ids)
        self._page = gr.State(0)
        self._search = gr.Textbox(
            label="Search cases", placeholder="Search", show_label=False, container=False, elem_id="search"
        )
        shown, label = self._look("", 0)
        self.chosen = gr.Radio(shown, value=shown[0] if shown else None, label="Cases", elem_id="cases")
        with gr.Row(elem_classes="stroke-pages"):
            before = gr.Button("‹ Back", size="sm", elem_id="cases-before")
            self._label = gr.HTML(label)
            after = gr.Button("Next ›", size="sm", elem_id="cases-after")
        moved = {
            "outputs": [self._page, self.chosen, self._label],
            "api_visibility": "private",
            "show_progress": "hidden",
        }
        self._search.change(self._searched, [self._search, self.chosen], **moved)
        before.click(self._turned(-1), [self._search, self._page, self.chosen], **moved)
        after.click(self._turned(1), [self._search, self._page, self.chosen], **moved)

    def _look(self, search: str, page: int) -> tuple[list[str], str]:
        found = self._found(search)
        shown = found[page * PAGE : (page + 1) * PAGE]
        if not shown:
            return [], '<p class="stroke-count">No case has this in its name</p>'
        first = page * PAGE + 1
        return shown, f'<p class="stroke-count">{first}–{first + len(shown) - 1} of {len(found)}</p>'

    def _found(self, search: str) -> list[str]:
        return [id_ for id_ in self._ids if search.strip().lower() in id_.lower()]

    def _searched(self, search: str, chosen: str | None) -> tuple[Any, ...]:
        return self._drawn(search, 0, chosen)

    def _turned(self, by: int) -> Any:
        def turn(search: str, page: int, chosen: str | None) -> tuple[Any, ...]:
            last = max(0, (len(self._found(search)) - 1) // PAGE)
            return self._drawn(search, min(max(page + by, 0), last), chosen)

        return turn

    def _drawn(self, search: str, page: int, chosen: str | None) -> tuple[Any, ...]:
        shown, label = self._look(search, page)
        value = chosen if chosen in shown else (shown[0] if shown else None)
        return page, gr.Radio(choices=shown, value=value), label
