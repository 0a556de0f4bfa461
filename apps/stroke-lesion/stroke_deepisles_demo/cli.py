"""The command ``stroke-demo``: list, run, synth, batch, train."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from . import NOT_FOR_CLINICAL_USE, __version__
from .data import open_dataset
from .engines import ENGINES, engine_called
from .errors import DatasetError, EngineError, StrokeError
from .synth import Quality

_DATASET = click.option(
    "--dataset",
    default="synthetic",
    show_default=True,
    metavar="DIR|ID",
    help="A folder (ISLES'24 lite or BIDS), a dataset on the Hub, or `synthetic`.",
)
_ENGINE = click.option("--engine", default="threshold", show_default=True, type=click.Choice([*ENGINES]))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def _saying_why(command: Callable[..., None]) -> Callable[..., None]:
    """Print an expected error without a traceback, and end with exit code 1."""

    @wraps(command)
    def run(**options: Any) -> None:
        try:
            command(**options)
        except StrokeError as error:
            if options.get("as_json"):
                click.echo(json.dumps({"error": {"message": error.message, "hint": error.hint}}))
            click.echo(f"error: {error.message}", err=True)
            if error.hint:
                click.echo(f"\nhint: {error.hint}", err=True)
            sys.exit(1)

    return run


@click.group(epilog=NOT_FOR_CLINICAL_USE + ".")
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Segment stroke lesions in diffusion MRI."""


@main.command("list")
@_DATASET
@_JSON
@_saying_why
def list_(dataset: str, as_json: bool) -> None:
    """List the cases of a dataset; no image is fetched."""
    opened = open_dataset(dataset)
    ids = opened.ids()
    if as_json:
        click.echo(json.dumps({"dataset": opened.name, "cases": ids}))
        return
    for id_ in ids:
        click.echo(id_)
    click.echo(f"{len(ids)} cases in {opened.name}", err=True)


@main.command()
@_DATASET
@click.option("--case", "case_id", metavar="ID", help="The case's id, as `list` prints it.")
@click.option("--index", type=click.IntRange(min=0), metavar="N", help="Or its place in that list, from 0.")
@_ENGINE
@click.option("--output", type=click.Path(path_type=Path), default=Path("results"), show_default=True)
@_JSON
@_saying_why
def run(
    dataset: str, case_id: str | None, index: int | None, engine: str, output: Path, as_json: bool
) -> None:
    """Segment one case."""
    if (case_id is None) == (index is None):
        raise click.UsageError("Give either --case or --index")
    from .segmentation import segment_case

    chosen = _ready(engine)
    opened = open_dataset(dataset)
    case = opened.case(case_id if case_id is not None else _nth(opened.ids(), index or 0))
    result = segment_case(case, chosen, output, report=lambda _, text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps({**result.facts, "folder": str(result.folder)}))
        return
    _tell(result.facts, result.folder)


@main.command()
@click.argument("count", type=click.IntRange(1, 9999))
@click.option("--output", type=click.Path(path_type=Path), required=True)
@click.option(
    "--quality",
    type=click.Choice([quality.value for quality in Quality]),
    default=Quality.SCANNED.value,
    show_default=True,
    help="`ideal` is for checking an engine: no noise, no voxel in part.",
)
@_JSON
@_saying_why
def synth(count: int, output: Path, quality: str, as_json: bool) -> None:
    """Write COUNT synthetic cases as a BIDS folder."""
    from .data.synthetic import writing_cases

    ids = []
    for id_ in writing_cases(output, list(range(1, count + 1)), quality=Quality(quality)):
        ids.append(id_)
        click.echo(f"{id_} ({len(ids)} of {count})", err=True)
    if as_json:
        click.echo(json.dumps({"dataset": str(output), "cases": ids, "synthetic": True}))
        return
    click.echo(f"{count} synthetic cases in {output}. {NOT_FOR_CLINICAL_USE}.")


@main.command()
@click.argument("dataset", metavar="DIR|ID")
@_ENGINE
@click.option("--output", type=click.Path(path_type=Path), default=Path("results"), show_default=True)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes on this machine."
)
@click.option("--ray", metavar="ADDRESS", help="A Ray cluster instead; its machines share the folders.")
@_JSON
@_saying_why
def batch(dataset: str, engine: str, output: Path, workers: int, ray: str | None, as_json: bool) -> None:
    """Segment all cases of a dataset; begun again, it goes on where it was."""
    from spacehand_runtime import Queue

    from .batch import run_batch, summary, write_table
    from .work import Order

    _ready(engine)
    ids = open_dataset(dataset).ids()
    if not ids:
        raise DatasetError(
            f"`{dataset}` holds no case", hint="Files are named `sub-…_dwi.nii.gz`; see the guide"
        )
    output.mkdir(parents=True, exist_ok=True)
    where = str(Path(dataset).resolve()) if Path(dataset).is_dir() else dataset
    orders = [Order(engine, str(output.resolve()), id_, dataset=where) for id_ in ids]
    if ray:
        os.environ["RAY_ADDRESS"] = ray
    outcomes = []
    with Queue(
        workers, max_pending=len(orders) + 1, engine="ray" if ray else "process", memory=None
    ) as queue:
        for outcome in run_batch(orders, queue):
            outcomes.append(outcome)
            click.echo(_line(outcome, len(outcomes), len(ids)), err=True)
    write_table(outcomes, output)
    told = summary(outcomes)
    if as_json:
        click.echo(json.dumps({**told, "results": [one.row() for one in outcomes]}))
    else:
        click.echo(f"{NOT_FOR_CLINICAL_USE}.")
        for name, value in list(told.items())[1:]:
            click.echo(f"{name.replace('_', ' ').capitalize()}: {'undefined' if value is None else value}")
        click.echo(f"Table: {output / 'batch.csv'}")
    if told["failed"]:
        sys.exit(1)


@main.command()
@click.option("--output", type=click.Path(path_type=Path), required=True)
@_saying_why
def train(output: Path) -> None:
    """Train the model of the engine `voxel` on synthetic cases."""
    try:
        from .training import train as trained

        trained(output, report=lambda text: click.echo(text, err=True))
    except ImportError as error:
        raise EngineError(
            f"`{error.name}` is needed for training", hint="`pip install onnx scikit-learn`"
        ) from error
    click.echo(f"{output}. {NOT_FOR_CLINICAL_USE}.")


def _line(outcome: Any, number: int, count: int) -> str:
    """Return one case of a cohort in words."""
    if outcome.error:
        said = f"error: {outcome.error}"
    else:
        said = f"Dice {outcome.facts['dice_text']}" + (", done before" if outcome.earlier else "")
    return f"{number}/{count} {outcome.case}: {said}"


def _ready(name: str) -> Any:
    engine = engine_called(name)
    if refusal := engine.refusal():
        raise EngineError(f"The engine `{name}` cannot run here: {refusal}")
    return engine


def _nth(ids: list[str], index: int) -> str:
    if index >= len(ids):
        raise DatasetError(
            f"There is no case {index}: the last one is {len(ids) - 1}", hint="See `stroke-demo list`"
        )
    return ids[index]


def _tell(facts: dict[str, Any], folder: Path) -> None:
    """Print a result for people, with a line for those who look for the figure."""
    from .report import rows

    click.echo(f"{NOT_FOR_CLINICAL_USE}.")
    for name, value in rows(facts):
        click.echo(f"{'Dice Score' if name == 'Dice' else name}: {value}")
    click.echo(f"Files: {folder}")
