"""The page of one analysis: its form, how far it is, and what it found."""

from __future__ import annotations

from collections.abc import Callable

from desk import Desk, Ticket
from form import fields, filled
from htmltools import Tag, TagList, tags
from result_view import refused, shown
from shiny import Inputs, Outputs, Session, module, reactive, render, ui
from study.catalogue import Analysis
from study.dataset import Dataset
from study.errors import StudyError
from study.result import Result

from spacehand_runtime import RuntimeProblem

LOOK = 0.3  # seconds between two looks at a job

Problem = StudyError | RuntimeProblem


@module.ui
def panel_ui(analysis: Analysis) -> Tag:
    """The form on the left and the result on the right; on a phone one below the other."""
    return tags.div(
        tags.section(
            tags.h2(analysis.title),
            tags.p(analysis.about, class_="quiet"),
            ui.output_ui("form"),
            class_="form-card",
            aria_label=f"{analysis.title}: what to analyse",
        ),
        tags.section(
            ui.output_ui("state", role="status"),
            ui.output_ui("progress"),
            ui.output_ui("stopper"),
            ui.output_ui("result"),
            class_="result-card",
            aria_label=f"{analysis.title}: result",
        ),
        class_="analysis",
    )


@module.server
def panel_server(
    input: Inputs,  # noqa: A002 - what Shiny calls it
    output: Outputs,
    session: Session,
    analysis: Analysis,
    desk: Desk,
    data: reactive.Value[Dataset],
    is_open: Callable[[], bool],
    keep: Callable[[Result], None],
) -> None:
    """
    Run *analysis* of *data* at the desk when asked to; *keep* gets each result for the report.

    Only the form waits until its page *is_open*. Shiny 1.8's own way to hold back what nobody sees asks for
    each output at each message, and keeps a kilobyte of each answer until the page is closed.
    """
    ticket: reactive.Value[Ticket | None] = reactive.value(None)
    problem: reactive.Value[Problem | None] = reactive.value(None)
    found: reactive.Value[Ticket | None] = reactive.value(None)
    over: reactive.Value[Ticket | None] = reactive.value(None)  # the last one that was seen settled
    looks = reactive.value(0)
    offered: reactive.Value[Dataset | None] = reactive.value(None)  # what the form chooses from

    @reactive.effect
    def _offer() -> None:
        if is_open():
            offered.set(data())

    @output(suspend_when_hidden=False)
    @render.ui
    def form() -> TagList | None:
        if (now := offered()) is None:
            return None
        # The button comes with the fields: a click before they are there would ask for nothing.
        return TagList(
            fields(analysis, now), ui.input_action_button("run", "Run", class_="btn-primary w-100")
        )

    @reactive.effect
    @reactive.event(input.run)
    def _run() -> None:
        problem.set(None)
        if (before := ticket()) is not None:
            before.cancel()
        try:
            ticket.set(desk.ask(analysis, data(), filled(analysis, input), session.root_scope().id))
        except (StudyError, RuntimeProblem) as error:
            ticket.set(None)
            problem.set(error)

    @reactive.effect
    @reactive.event(input.cancel)
    def _cancel() -> None:
        if (now := ticket()) is not None:
            now.cancel()

    # Before anything is drawn: what is drawn goes by what was noticed here, or else it would be told twice.
    @reactive.effect(priority=1)
    def _look() -> None:
        now = ticket()
        if now is None:
            return
        if not now.settled:
            reactive.invalidate_later(LOOK)
            with reactive.isolate():
                looks.set(looks() + 1)
            return
        if now.problem:
            problem.set(now.problem)
        if now.result:
            found.set(now)
            keep(now.result)
        over.set(now)

    @reactive.calc
    def running() -> Ticket | None:
        now = ticket()
        return None if now is over() else now

    _shows(output, ticket, running, problem, found, looks)


def _shows(
    output: Outputs,
    ticket: reactive.Value[Ticket | None],
    running: Callable[[], Ticket | None],
    problem: reactive.Value[Problem | None],
    found: reactive.Value[Ticket | None],
    looks: reactive.Value[int],
) -> None:
    """Draw how the work is doing at each of the *looks* at it, and the last result found."""

    @output(suspend_when_hidden=False)
    @render.ui
    def state() -> Tag:
        return _state(ticket(), problem(), is_running=running() is not None)

    @output(suspend_when_hidden=False)
    @render.ui
    def progress() -> Tag | None:
        looks()
        return _progress(now) if (now := running()) else None

    @output(suspend_when_hidden=False)
    @render.ui
    def stopper() -> Tag | None:
        if not running():
            return None
        return ui.input_action_button("cancel", "Cancel", class_="btn-outline-secondary")

    @output(suspend_when_hidden=False)
    @render.ui
    def result() -> TagList | Tag:
        now = found()
        if now is None or now.result is None:
            return tags.p("The result will be here.", class_="quiet empty")
        return shown(now.result)


def _state(ticket: Ticket | None, problem: Problem | None, *, is_running: bool) -> Tag:
    if problem:
        return refused(problem)
    if ticket is None:
        return tags.p("")
    if is_running:
        return tags.p(
            "Somebody asked for the same: waiting with them." if ticket.source == "shared" else "Computing.",
            class_="state",
        )
    if ticket.cancelled:
        return tags.p("Cancelled.", class_="state")
    words = {
        "cache": "Known already, from the cache",
        "shared": f"Computed once for you and others, {ticket.seconds:.1f} s",
        "computed": f"Computed in {ticket.seconds:.1f} s",
    }
    return tags.p(tags.span(words[ticket.source], class_=f"badge-source {ticket.source}"), class_="state")


def _progress(ticket: Ticket) -> Tag:
    fraction, text = ticket.progress
    eta = ticket.eta
    if ticket.waiting:
        text = "next in line" if ticket.waiting == 1 else f"{ticket.waiting - 1} before this one"
    left = f", about {eta:.0f} s left" if eta is not None and eta >= 1 else ""
    return tags.div(
        tags.progress(value=f"{fraction:.3f}", max="1", aria_label="Progress"),
        tags.span(f"{text or 'starting'}{left}", class_="quiet"),
        class_="progress-line",
    )
