"""What programs call: the list of cases, a segmentation, and, for long ones, an order and its result."""

from __future__ import annotations

from typing import Any

import gradio as gr

from spacehand_runtime import Job, RuntimeProblem

from ..errors import StrokeError
from .desk import Desk

_PROGRAMS = "programs"
_DEFAULT = "default"


def add_endpoints(desk: Desk) -> None:
    """Add ``/cases``, ``/segment``, ``/order`` and ``/result`` to the page that is being made."""

    def cases() -> list[str]:
        """Return the ids of all cases."""
        return desk.dataset.ids()

    async def segment(case: str, engine: str = _DEFAULT) -> dict[str, Any]:
        """
        Segment a stroke lesion. Not for clinical use.

        Args:
            case: the id of a case, as /cases has it
            engine: threshold, voxel, deepisles-container or deepisles-image; default: the page's choice
        """
        try:
            job = _ordered(desk, case, engine)
            await job
            return desk.result(job).facts
        except (StrokeError, RuntimeProblem) as error:
            raise _refused(error) from error

    def order(case: str, engine: str = _DEFAULT) -> str:
        """
        Order a segmentation that may take long, and return its number for /result. Not for clinical use.

        Args:
            case: the id of a case, as /cases has it
            engine: threshold, voxel, deepisles-container or deepisles-image; default: the page's choice
        """
        try:
            return _ordered(desk, case, engine).id
        except (StrokeError, RuntimeProblem) as error:
            raise _refused(error) from error

    def result(number: str) -> dict[str, Any]:
        """
        Return the state of an order, and its result once it is done.

        Args:
            number: what /order returned
        """
        try:
            return _state(desk, desk.find(number))
        except (StrokeError, RuntimeProblem) as error:
            raise _refused(error) from error

    for function in (cases, segment, order, result):
        gr.api(function, api_name=function.__name__)


def _ordered(desk: Desk, case: str, engine: str) -> Job[str]:
    return desk.order_case(_PROGRAMS, case, desk.preferred if engine == _DEFAULT else engine)


def _state(desk: Desk, job: Job[str]) -> dict[str, Any]:
    settled = desk.result(job).facts if job.state.is_settled else None
    return {"state": job.state.value, "progress": job.progress.fraction, "result": settled}


def _refused(error: Exception) -> gr.Error:
    # An expected refusal: whoever asked reads it, the log needs no traceback.
    return gr.Error(str(error), title="Not segmented", print_exception=False)
