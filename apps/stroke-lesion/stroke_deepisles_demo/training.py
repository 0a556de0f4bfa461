"""
Training of the voxel model on synthetic cases, and its measure on others.

The cases of training, of the measure, and of the app have seeds of their own: none is met twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .engines.features import NAMES, candidates, features
from .scan import Scan
from .synth import VOXEL_ML, Quality, SyntheticCase, make_case
from .trees import write_onnx

if TYPE_CHECKING:
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier

TRAINING_SEEDS = range(24)
TEST_SEEDS = range(1000, 1020)
_SETTINGS = {
    "max_iter": 200,
    "learning_rate": 0.1,
    "max_leaf_nodes": 31,
    "l2_regularization": 1.0,
    "random_state": 0,
}
_DRAWN = {"lesion": 2000, "edge": 2000, "healthy": 2000, "dark": 2500}  # voxels of a case
# A model that met only noise takes less of it for something else.
_QUALITIES = (
    Quality.NOISE_FREE,
    Quality.SCANNED,
    Quality.SCANNED,
    Quality.IDEAL,
    Quality.SCANNED,
    Quality.SCANNED,
)
_DECISION = {"threshold": 0.6, "peak": 0.8}
Report = Callable[[str], None]


def train(output: Path, *, seeds: Sequence[int] = TRAINING_SEEDS, report: Report = print) -> Path:
    """Train on the cases of *seeds*, and write a model folder that `spacehand publish` takes."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    began = time.process_time()
    drawn = []
    for count, seed in enumerate(seeds, 1):
        drawn.append(_samples(make_case(seed, _QUALITIES[seed % len(_QUALITIES)]), seed))
        report(f"case {count} of {len(seeds)}")
    rows, truth = _joined(drawn)
    with threadpool_limits(1, user_api="openmp"):  # its threads wait for each other by spinning
        trees = HistGradientBoostingClassifier(**_SETTINGS).fit(rows, truth)
    output.mkdir(parents=True, exist_ok=True)
    write_onnx(trees, output / "model.onnx")
    _write(output / "config.json", _config(trees))
    _write(output / "train_results.json", _results(trees, rows, truth, time.process_time() - began))
    _write(output / "training_config.json", {**_SETTINGS, "cases": len(seeds), "voxels": len(rows)})
    report(f"{time.process_time() - began:.0f} CPU seconds")
    return output


def scan_of(case: SyntheticCase) -> Scan:
    """Return the scan that is read once *case* has been written."""
    return Scan(case.dwi, case.adc, case.affine, VOXEL_ML)


def _samples(case: SyntheticCase, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Return features and truth of some voxels: of lesions, of what is next to them, of healthy tissue, and of
    tissue that looks like a lesion.
    """
    import numpy as np
    from scipy import ndimage

    scan = scan_of(case)
    values = features(scan)
    asked, healthy = candidates(values, scan.brain), scan.brain & ~case.lesion
    groups = {
        "lesion": case.lesion & scan.brain,
        "edge": healthy & ndimage.binary_dilation(case.lesion, iterations=2),
        "healthy": healthy,
        "dark": healthy & asked & (values[..., NAMES.index("adc_1")] < 750),
    }
    random = np.random.default_rng(seed)
    places = [
        all_[random.integers(0, len(all_), _DRAWN[name])]
        for name, where in groups.items()
        if len(all_ := np.argwhere(where))
    ]
    at = tuple(np.concatenate(places).T)
    return values[at], case.lesion[at]


def _joined(drawn: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    return np.concatenate([rows for rows, _ in drawn]), np.concatenate([truth for _, truth in drawn])


def _config(trees: HistGradientBoostingClassifier) -> dict[str, Any]:
    return {
        "architectures": ["HistGradientBoostingClassifier"],
        "features": list(NAMES),
        "trees": trees.n_iter_,
        **_DECISION,
        "trained_on": "synthetic cases",
        "warning": "Not for clinical use",
    }


def _results(trees: Any, rows: np.ndarray, truth: np.ndarray, seconds: float) -> dict[str, float]:
    return {
        "train_voxel_accuracy": round(float(trees.score(rows, truth)), 4),
        "train_cpu_seconds": round(seconds, 1),
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
