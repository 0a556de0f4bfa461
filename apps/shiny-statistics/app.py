"""Clinical statistics for several people at once: a page of Shiny, the analyses in other processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from desk import Desk
from htmltools import Tag, tags
from panel import panel_server, panel_ui
from report import report_page
from result_view import refused
from shiny import App, Inputs, Outputs, Session, reactive, render, ui
from study.catalogue import ANALYSES
from study.dataset import ENDINGS, EXAMPLES, Dataset
from study.errors import StudyError
from study.result import Result

from spacehand_runtime import RuntimeProblem
from spacehand_runtime.shiny import observe

HERE = Path(__file__).parent

desk = Desk()


def page(_request: object) -> Tag:
    """The page as everybody gets it."""
    return ui.page_fluid(
        ui.head_content(tags.meta(name="color-scheme", content="light dark")),
        ui.include_css(HERE / "style.css"),
        tags.header(
            tags.div(
                tags.h1("Clinical statistics"),
                tags.p("From a table of patients to estimates, figures and a report.", class_="quiet"),
            ),
            ui.input_dark_mode(id="mode"),
            class_="page-head",
        ),
        tags.main(
            _data_section(),
            ui.navset_underline(
                *(ui.nav_panel(one.title, panel_ui(name, one), value=name) for name, one in ANALYSES.items()),
                ui.nav_panel("Report", _report_section(), value="report"),
                id="analysis",
            ),
        ),
        tags.footer(
            "Uploads stay in this server's memory while the page is open. ",
            tags.a("How the app is doing", href="spacehand/"),
            class_="quiet",
        ),
        title="Clinical statistics",
        lang="en",
    )


def _data_section() -> Tag:
    return tags.section(
        tags.div(
            ui.input_select("example", "Patients", {name: one.title for name, one in EXAMPLES.items()}),
            ui.input_file(
                "upload",
                "or a file of your own",
                accept=list(ENDINGS),
                button_label="Choose",
                placeholder="CSV or Excel",
            ),
            class_="data-inputs",
        ),
        ui.output_ui("about_data", role="status"),
        class_="data-card",
        aria_label="Data",
    )


def _report_section() -> Tag:
    return tags.div(
        tags.section(
            tags.h2("Report"),
            tags.p("One file with each result of this visit, as it is shown here.", class_="quiet"),
            ui.output_ui("kept"),
            ui.download_button("report", "Download as HTML", class_="btn-primary"),
            class_="form-card",
        ),
        class_="analysis",
    )


def server(input: Inputs, output: Outputs, session: Session) -> None:  # noqa: A002 - Shiny's name
    """One visit."""
    data = reactive.value(_example("gbsg2"))
    problem: reactive.Value[StudyError | RuntimeProblem | None] = reactive.value(None)
    results: reactive.Value[dict[str, Result]] = reactive.value({})

    @reactive.effect
    @reactive.event(input.example)
    def _choose() -> None:
        problem.set(None)
        data.set(_example(input.example()))

    @reactive.effect
    @reactive.event(input.upload)
    async def _upload() -> None:
        file = input.upload()[0]
        problem.set(None)
        try:
            table = await desk.read(file["datapath"], file["name"], session.id)
            data.set(Dataset.of(file["name"], table))
        except (StudyError, RuntimeProblem) as error:
            problem.set(error)

    @output(suspend_when_hidden=False)
    @render.ui
    def about_data() -> Tag:
        if (error := problem()) is not None:
            return refused(error)
        now = data()
        missing = int(now.table.isna().to_numpy().sum())
        told = f"{len(now.table):,} rows, {now.table.shape[1]} columns, {missing or 'no'} missing values. "
        return tags.p(tags.strong(now.name), f": {told}", now.about, class_="quiet")

    def keep(result: Result) -> None:
        with reactive.isolate():
            results.set(results() | {f"{result.title}, {data().name}": result})

    for name, analysis in ANALYSES.items():
        panel_server(name, analysis, desk, data, lambda name=name: input.analysis() == name, keep)

    @output(suspend_when_hidden=False)
    @render.ui
    def kept() -> Tag:
        if not results():
            return tags.p("Run an analysis first.")
        return tags.ul(*(tags.li(title) for title in results()))

    @output(suspend_when_hidden=False)
    @render.download_button(filename="report.html", media_type="text/html")
    def report() -> Iterator[str]:
        yield report_page(results())


def _example(name: str) -> Dataset:
    """Return an example; its table and key are made once."""
    if name not in _examples:
        _examples[name] = EXAMPLES[name].dataset()
    return _examples[name]


_examples: dict[str, Dataset] = {}

app = App(page, server)
app.on_shutdown(desk.close)
observe(app, desk.metrics)
desk.start()
