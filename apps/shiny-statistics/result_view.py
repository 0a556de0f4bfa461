"""A result in HTML, on the page and in a report; or why there is none."""

from __future__ import annotations

import base64

from htmltools import Tag, TagList, tags
from study.errors import StudyError
from study.result import Figure, Result, Table

from spacehand_runtime import RuntimeProblem


def shown(result: Result) -> TagList:
    """Return *result* as a page shows it, and a report too."""
    return TagList(
        tags.h3(result.title),
        tags.dl(*(tags.div(tags.dt(label), tags.dd(value)) for label, value in result.facts), class_="facts"),
        *(_figure(figure) for figure in result.figures),
        *(_table(table) for table in result.tables),
        tags.ul(*(tags.li(note) for note in result.notes), class_="notes") if result.notes else None,
        tags.p(result.method, class_="method"),
    )


def refused(problem: StudyError | RuntimeProblem) -> Tag:
    """Return what went wrong, and below it what to do."""
    told = tags.strong(problem.message)
    hint = (tags.br(), problem.hint) if problem.hint else ()
    return tags.div(told, *hint, class_="alert alert-warning")


def _figure(figure: Figure) -> Tag:
    data = base64.b64encode(figure.svg.encode()).decode()
    return tags.figure(
        tags.img(src=f"data:image/svg+xml;base64,{data}", alt=figure.alt), tags.figcaption(figure.caption)
    )


def _table(table: Table) -> Tag:
    rows = [tags.tr(tags.th(row[0], scope="row"), *(tags.td(cell) for cell in row[1:])) for row in table.rows]
    return tags.div(
        tags.table(
            tags.caption(table.caption),
            tags.thead(tags.tr(*(tags.th(column, scope="col") for column in table.columns))),
            tags.tbody(*rows),
        ),
        class_="table-scroll",
        tabindex="0",
        role="region",
        aria_label=table.caption,
    )
