"""Orders a case from the engine `deepisles-container`, and cancels the job when a line is typed."""

from __future__ import annotations

import sys
from pathlib import Path

from stroke_deepisles_demo.work import Order, carry_out
from tests.apps.stroke_lesion.images import head, save

from spacehand_runtime import Queue


def main(folder: Path) -> None:
    made = head()
    dwi, adc = save(made.dwi, folder / "d.nii.gz"), save(made.adc, folder / "a.nii.gz")
    order = Order("deepisles-container", str(folder / "out"), "a", dwi=str(dwi), adc=str(adc))
    with Queue(1, memory=None) as queue:
        job = queue.submit(carry_out, order)
        sys.stdin.readline()
        job.cancel()
        sys.stdin.read()  # the queue stays, and so does this process


if __name__ == "__main__":
    main(Path(sys.argv[1]))
