"""
Gradient-boosted trees on the surroundings of each voxel, trained on synthetic cases and stored as ONNX.

The model is a folder, or a repository on the Hub, with ``model.onnx`` and ``config.json``.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.case import Case, sha256
from ..errors import EngineError
from ..scan import Scan
from .engine import Found
from .features import NAMES, candidates, features
from .threshold import without_specks

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime

_TRAIN = (
    "Train one with `stroke-demo train --output DIR`, and set `HF_MODEL_ID` to that folder or its repository"
)
_BLUR = 0.45  # voxels: neighbours have a say, and edges stay


class VoxelEngine:
    """Asks a trained model about each voxel; *model* is a folder or ``owner/name``."""

    name = "voxel"
    about = "Gradient-boosted trees, trained on synthetic cases"

    def __init__(self, model: str | None = None, revision: str | None = None) -> None:
        self._model = model or os.environ.get("HF_MODEL_ID", "")
        self._revision = revision or os.environ.get("MODEL_REVISION") or None

    def refusal(self) -> str | None:
        return None if self._model else f"there is no model for it. {_TRAIN}"

    def find(self, case: Case, scan: Scan, folder: Path) -> Found:  # noqa: ARG002
        import onnxruntime

        model = load_model(self._model, self._revision)
        versions = {"onnxruntime": onnxruntime.__version__}
        return Found(
            model.lesions(scan),
            (f"{self._model}, {model.config['trees']} trees",),
            versions,
            weights_sha256=model.sha256,
            model_id=self._model,
            revision=self._revision,
        )


@dataclass(frozen=True)
class VoxelModel:
    """A loaded model; *config* says by which probabilities a voxel and a piece are taken."""

    session: onnxruntime.InferenceSession
    config: dict[str, Any]
    sha256: str

    def lesions(self, scan: Scan) -> np.ndarray:
        """Return where the model sees lesions."""
        import numpy as np
        from scipy import ndimage

        values = features(scan)
        asked = candidates(values, scan.brain)
        likely = np.zeros(asked.shape, np.float32)
        likely[asked] = self.probabilities(values[asked])
        likely = ndimage.gaussian_filter(likely, _BLUR)
        pieces, count = ndimage.label(likely > self.config["threshold"])
        peaks = np.concatenate([[0.0], np.atleast_1d(ndimage.maximum(likely, pieces, range(1, count + 1)))])
        return without_specks((peaks > self.config["peak"])[pieces], scan.voxel_ml)

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Return how likely each of *rows* of features is of a lesion, 0 to 1."""
        if not len(rows):
            return rows[:, 0]
        answer: np.ndarray = self.session.run(None, {self.session.get_inputs()[0].name: rows})[-1]
        return answer[:, -1]


@functools.lru_cache(maxsize=2)
def load_model(model: str, revision: str | None = None) -> VoxelModel:
    """
    Return the model in the folder or repository *model*.

    Raises:
        EngineError: it cannot be fetched, or is no voxel model of this app.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        folder = _fetched(model, revision)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"`{model}` has no readable config.json", hint=_TRAIN) from error
    weights = folder / "model.onnx"
    if config.get("features") != list(NAMES) or not weights.is_file():
        raise EngineError(f"`{model}` is no voxel model of this version of the app", hint=_TRAIN)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    return VoxelModel(session, config, sha256(weights))


def _fetched(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=["*.json", "*.onnx"]))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise EngineError(
            f"The model `{model}` cannot be fetched",
            hint="Check `HF_MODEL_ID`, `MODEL_REVISION` and `HF_TOKEN`",
        ) from error
