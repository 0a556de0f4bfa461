"""What a worker process does: its arguments and its answer can be sent from one process to another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spacehand_runtime import report_progress

from .data import Case, open_dataset
from .engines import engine_called
from .errors import EngineError
from .segmentation import segment_case


@dataclass(frozen=True)
class Order:
    """
    A case to be segmented: *case_id* of *dataset*, or, with no dataset, the uploaded *dwi* and *adc*.

    *cache* is where cases are made or fetched, *output* where the result's folder appears.
    """

    engine: str
    output: str
    case_id: str
    dataset: str | None = None
    cache: str | None = None
    dwi: str | None = None
    adc: str | None = None

    def case(self) -> Case:
        """Return the case, made or fetched if need be."""
        if self.dataset is None:
            return Case(self.case_id, Path(self.dwi or ""), Path(self.adc or ""))
        cache = None if self.cache is None else Path(self.cache)
        return open_dataset(self.dataset, cache=cache).case(self.case_id)


def carry_out(order: Order) -> str:
    """
    Segment as *order* says, and return the folder of the result.

    Raises:
        StrokeError: an image, the dataset or the engine is at fault; says which, and what to do.
    """
    report_progress(0.01, "Opening the case")
    engine = engine_called(order.engine)
    if refusal := engine.refusal():
        raise EngineError(f"The engine `{order.engine}` cannot run here: {refusal}")
    result = segment_case(order.case(), engine, Path(order.output), report=report_progress)
    return str(result.folder)
