"""A quantized copy of a model, made by a Python that has PyTorch, and kept for the next publish."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spacehand.errors import ModelError
from spacehand.hub.digests import Digests
from spacehand.model.artifact import Model, ModelKind
from spacehand.model.weights import combined_sha256
from spacehand.progress import Progress, Report, silent

INT8 = "int8"
_SCRIPT = Path(__file__).parent / "quantize_script.py"


@dataclass(frozen=True, slots=True)
class Quantizer:
    """Makes copies with *python*, the command that starts one with PyTorch, transformers and torchao."""

    python: Sequence[str]
    environ: Mapping[str, str]
    kept: Path  # where copies lie, by the hash of what they are copies of

    def with_int8(self, model: Model, digests: Digests, *, report: Report = silent) -> Model:
        """
        Return *model* with an int8 copy beside it, which is published in the subfolder ``int8``.

        Raises:
            ModelError: this kind of model has no such copy, or it could not be made.
        """
        if model.kind not in (ModelKind.FULL, ModelKind.SHARDED) or "quantization_config" in model.config:
            raise ModelError(
                f"No int8 copy is made of a {model.kind} model"
                f"{' that is quantized already' if 'quantization_config' in model.config else ''}",
                where=str(model.folder),
                hint="CTranslate2 models run in int8 as they are; an adapter is quantized with its base, as "
                "both are loaded: `spacehand ship … --quantization int8`",
            )
        hashes = {file.name: digests.sha256(file) for file in model.weights}
        copy = self.kept / f"{combined_sha256(hashes)[:20]}-{INT8}"
        if not copy.is_dir():
            report(Progress("quantize", "Making the int8 copy; this takes a Python with PyTorch"))
            self._make(model, copy)
        return replace(model, beside={**model.beside, INT8: Model.open(copy)})

    def _make(self, model: Model, copy: Path) -> None:
        fresh = copy.with_name(f"{copy.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        done = subprocess.run(
            [*self.python, str(_SCRIPT), str(model.folder.resolve()), str(fresh)],
            env=dict(self.environ),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise ModelError(
                f"The int8 copy could not be made: {lines[-1].strip() if lines else 'PyTorch said nothing'}",
                where=str(model.folder),
                hint="Publish without `--variant`; the speech app can quantize while it loads: "
                "`spacehand ship … --quantization int8`",
                details=tuple(lines[-5:-1]),
            )
        fresh.replace(copy)  # all or nothing: a copy that was interrupted is made again
