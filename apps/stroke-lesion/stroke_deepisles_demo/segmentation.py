"""One case, one engine, one fresh folder: what was found, measured and written, and where it came from."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import NOT_FOR_CLINICAL_USE, __version__
from .data.case import Case, sha256
from .errors import ProvenanceError
from .measures import Measures, measure, middle_of_largest
from .scan import Scan, read_scan
from .volume import read_image, write_mask

if TYPE_CHECKING:
    import numpy as np

    from .engines import Engine, Found

SCHEMA = "stroke-demo.result/1"
Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Result:
    """What came of one case; all files lie in *folder*. `read` finds it again from there."""

    folder: Path
    facts: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Result:
        """Return the result that lies in *folder*."""
        return cls(folder, json.loads((folder / "result.json").read_text(encoding="utf-8")))

    @property
    def prediction(self) -> Path:
        return self.folder / "prediction.nii.gz"

    @property
    def downloads(self) -> list[Path]:
        """The files a person may want to take along."""
        names = ("prediction.nii.gz", "result.json", "report.html")
        return [self.folder / name for name in names if (self.folder / name).is_file()]


def _silent(fraction: float, text: str) -> None:
    pass


def segment_case(
    case: Case, engine: Engine, output: Path, *, pictures: bool = True, report: Report = _silent
) -> Result:
    """
    Let *engine* segment *case*, and return the result, which lies in a new folder under *output*.

    Raises:
        ImageError: an image cannot be used.
        EngineError: the engine cannot run here, failed, took too long, or left nothing.
        ProvenanceError: what it left is the reference, not a prediction.
    """
    began = time.monotonic()
    folder = output / f"{case.id}-{engine.name}-{uuid.uuid4().hex[:8]}"
    work = folder / "engine"
    work.mkdir(parents=True)
    report(0.05, "Reading the images")
    scan = read_scan(case.dwi, case.adc)
    reference = _reference(case, scan)
    report(0.15, f"Segmenting with {engine.name}")
    found = engine.find(case, scan, work)
    report(0.7, "Measuring")
    measures = measure(found.mask, reference, scan.voxel_ml)
    write_mask(
        found.mask, scan.affine, folder / "prediction.nii.gz", says=f"{engine.name}. {NOT_FOR_CLINICAL_USE}"
    )
    facts = _facts(case, engine, found, measures, scan)
    _refuse_reference(case, facts)
    facts["seconds"] = round(time.monotonic() - began, 2)
    result = Result(folder, facts)
    if pictures:
        from .report import write_report

        report(0.8, "Drawing")
        write_report(result, scan, found.mask, reference)
    _write_json(folder / "result.json", facts)
    report(1.0, "Done")
    return result


def _reference(case: Case, scan: Scan) -> np.ndarray | None:
    from .errors import ImageError

    if case.reference is None:
        return None
    values = read_image(case.reference, "reference").values
    if values.shape != scan.dwi.shape:
        raise ImageError(
            f"The reference has {values.shape} voxels, the DWI {scan.dwi.shape}",
            hint="Resample it to the DWI's grid, or run the case without it",
        )
    return values > 0.5


def _facts(case: Case, engine: Engine, found: Found, measures: Measures, scan: Scan) -> dict[str, Any]:
    """Return all that is said of a result; ``dice`` is null where it is not defined."""
    hashes = {name: sha256(path) for name, path in case.inputs().items()}
    if case.reference is not None:
        hashes["reference"] = sha256(case.reference)
    return {
        "schema": SCHEMA,
        "warning": NOT_FOR_CLINICAL_USE,
        "case": case.id,
        "synthetic": case.is_synthetic,
        "engine": engine.name,
        "contributed": list(found.contributed),
        "model_id": found.model_id,
        "revision": found.revision,
        "weights_sha256": found.weights_sha256,
        "dice": None if measures.dice is None else round(measures.dice, 6),
        "dice_text": measures.dice_text,
        "volume_ml": round(measures.volume_ml, 3),
        "lesions": measures.lesions,
        "largest_lesion_mm": _place(found.mask, scan.affine),
        "reference_ml": None if measures.reference_ml is None else round(measures.reference_ml, 3),
        "reference_lesions": measures.reference_lesions,
        "voxel_ml": round(scan.voxel_ml, 6),
        "notes": [*scan.notes, *found.notes],
        "versions": {"stroke-deepisles-demo": __version__, **found.versions},
        "inputs_sha256": hashes,
        "output_sha256": found.output_sha256,
    }


def _place(mask: np.ndarray, affine: np.ndarray) -> list[float] | None:
    """Return where the largest lesion is, in mm (right, anterior, superior)."""
    import numpy as np

    middle = middle_of_largest(mask)
    return (
        None if middle is None else [round(float(part), 1) for part in (affine @ np.array([*middle, 1]))[:3]]
    )


def _refuse_reference(case: Case, facts: dict[str, Any]) -> None:
    """Raise if what an engine handed over is one of the files it was given."""
    for name, known in facts["inputs_sha256"].items():
        if facts["output_sha256"] == known:
            raise ProvenanceError(
                f"What the engine left for `{case.id}` is the file of the {name} itself, not a prediction",
                hint="No figure was computed from it; look into the engine's log",
            )


def _write_json(path: Path, facts: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)
