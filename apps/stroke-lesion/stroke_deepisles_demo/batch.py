"""
A cohort: every case of a dataset, whatever happens to single ones; begun again, it goes on where it was.
"""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacehand_runtime import Job, Queue, RuntimeProblem

from . import NOT_FOR_CLINICAL_USE
from .errors import StrokeError
from .segmentation import Result
from .work import Order, carry_out

_COLUMNS = ("case", "engine", "dice", "volume_ml", "reference_ml", "lesions", "seconds", "error")


@dataclass(frozen=True)
class Outcome:
    """
    What came of one case: *facts* of the result, or the *error* in words; *earlier*: it was there already.
    """

    case: str
    engine: str
    facts: dict[str, Any] | None = None
    error: str | None = None
    earlier: bool = False

    def row(self) -> dict[str, Any]:
        """Return it as a line of a table."""
        known = self.facts or {}
        values = {name: known.get(name) for name in _COLUMNS}
        return {**values, "case": self.case, "engine": self.engine, "error": self.error}


def run_batch(orders: Sequence[Order], queue: Queue) -> Iterator[Outcome]:
    """
    Yield what came of each of *orders*, in their order; what lies in their output folder is not done again.
    """
    earlier = _earlier(Path(orders[0].output)) if orders else {}
    jobs: list[tuple[Order, Job[str] | dict[str, Any]]] = []
    for order in orders:
        known = earlier.get((order.case_id, order.engine))
        jobs.append((order, known or queue.submit(carry_out, order)))
    for order, job in jobs:
        if isinstance(job, dict):
            yield Outcome(order.case_id, order.engine, job, earlier=True)
        else:
            yield _outcome(order, job)


def _outcome(order: Order, job: Job[str]) -> Outcome:
    try:
        return Outcome(order.case_id, order.engine, Result.read(Path(job.result())).facts)
    except (StrokeError, RuntimeProblem) as error:
        return Outcome(order.case_id, order.engine, error=str(error))
    except Exception as error:
        return Outcome(order.case_id, order.engine, error=f"{type(error).__name__}: {error}")


def _earlier(output: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the results that lie in *output*, by case and engine."""
    found = [Result.read(path.parent).facts for path in sorted(output.glob("*/result.json"))]
    return {(facts["case"], facts["engine"]): facts for facts in found}


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what is said of a cohort; the mean is over cases in which Dice is defined."""
    facts = [one.facts for one in outcomes if one.facts is not None]
    dices = [one["dice"] for one in facts if one["dice"] is not None]
    return {
        "warning": NOT_FOR_CLINICAL_USE,
        "cases": len(outcomes),
        "done": len(facts),
        "failed": len(outcomes) - len(facts),
        "mean_dice": round(statistics.fmean(dices), 4) if dices else None,
        "median_dice": round(statistics.median(dices), 4) if dices else None,
        "least_dice": round(min(dices), 4) if dices else None,
        "dice_undefined": sum(one["dice"] is None and one["reference_ml"] is not None for one in facts),
        "without_reference": sum(one["reference_ml"] is None for one in facts),
    }


def write_table(outcomes: Sequence[Outcome], folder: Path) -> None:
    """
    Write ``batch.json`` and ``batch.csv`` to *folder*; the first lines of both say what they are not for.
    """
    rows = [one.row() for one in outcomes]
    content = json.dumps({**summary(outcomes), "results": rows}, indent=2, ensure_ascii=False)
    (folder / "batch.json").write_text(content + "\n", encoding="utf-8")
    with (folder / "batch.csv").open("w", newline="", encoding="utf-8") as file:
        file.write(f"# {NOT_FOR_CLINICAL_USE}\n")
        table = csv.DictWriter(file, _COLUMNS)
        table.writeheader()
        table.writerows(rows)
