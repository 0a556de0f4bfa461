"""The report: one HTML file with every result of a visit, which needs nothing else."""

from __future__ import annotations

import datetime as dt
from importlib.metadata import version
from pathlib import Path

from htmltools import HTML, tags
from result_view import shown
from study.result import Result

_STYLE = Path(__file__).with_name("style.css")
_LIBRARIES = ("lifelines", "statsmodels", "firthmodels", "scipy", "numpy", "pandas")


def report_page(results: dict[str, Result]) -> str:
    """Return *results*, by their titles, as an HTML page."""
    now = dt.datetime.now(dt.UTC)
    made = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    body = tags.body(
        tags.main(
            tags.h1("Statistical report"),
            tags.p(f"{now:%d %B %Y, %H:%M} UTC", class_="quiet"),
            *(
                tags.section(tags.p(title, class_="quiet"), shown(result), class_="result-card")
                for title, result in results.items()
            ),
            tags.p("No result was computed in this visit.") if not results else None,
            tags.footer(f"Computed with {made}.", class_="quiet"),
        )
    )
    head = tags.head(
        tags.meta(charset="utf-8"),
        tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
        tags.title("Statistical report"),
        tags.style(HTML(_STYLE.read_text())),
    )
    return f"<!doctype html>\n{tags.html(head, body, lang='en')}"
