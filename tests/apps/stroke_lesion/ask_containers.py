"""Asks the engine `deepisles-container` for one case with each image that is named; prints all results."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from stroke_deepisles_demo.data import Case
from stroke_deepisles_demo.engines.deepisles import Options
from stroke_deepisles_demo.engines.deepisles_container import ContainerEngine
from stroke_deepisles_demo.errors import StrokeError
from stroke_deepisles_demo.segmentation import segment_case
from tests.apps.stroke_lesion.images import head, save


def main(folder: Path, images: list[str]) -> None:
    made = head()
    paths = [
        save(made.dwi, folder / "d.nii.gz"),
        save(made.adc, folder / "a.nii.gz"),
        save(made.dwi, folder / "f.nii.gz"),
    ]
    case = Case("a", *paths, reference=save(made.lesion.astype("uint8"), folder / "r.nii.gz"))
    outcomes = {}
    for image in images:
        timeout = 10.0 if image.endswith("hang") else 120.0
        engine = ContainerEngine(Options(gpus="none", timeout=timeout, parallelize=False), image)
        assert engine.refusal() is None
        try:
            outcomes[image] = segment_case(case, engine, folder / "out", pictures=False).facts
        except StrokeError as error:
            outcomes[image] = {"error": type(error).__name__, "message": error.message}
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
