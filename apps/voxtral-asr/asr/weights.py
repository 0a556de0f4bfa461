"""The model's files: fetched at one revision, and known by the hash of the very bytes that are served."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from asr.errors import WeightsError
from asr.settings import Settings

# In the order in which an engine would take them.
_FORMS = (
    "adapter_model.safetensors",
    "adapter_model.bin",
    "model.bin",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "pytorch_model.bin",
    "pytorch_model-*-of-*.bin",
    "*.onnx",
)


@dataclass(frozen=True)
class Weights:
    """A model on this machine's disk."""

    folder: Path
    model_id: str
    revision: str  # of the repository, sha1; "local" for a folder
    files: tuple[str, ...]  # the weights, relative to *folder*
    sha256: str
    bytes: int


def fetch(settings: Settings) -> Weights:
    """
    Return the weights that *settings* name, and no others, fetched from the Hub where they are not here yet.

    Raises:
        WeightsError: they cannot be had, or hold no weights.
    """
    named = Path(settings.model_id)
    if named.is_absolute():
        if not named.is_dir():
            raise WeightsError(f"There is no folder {named}")
        return _described(named / settings.subfolder, settings.model_id, "local")
    snapshot = _download(settings)
    return _described(snapshot / settings.subfolder, settings.model_id, snapshot.name)


def weights_sha256(folder: Path, files: tuple[str, ...]) -> str:
    """Return the sha256 of the one file; of several, that of the sorted lines ``HASH  PATH``."""
    hashes = {file: _sha256(folder / file) for file in files}
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = sorted(f"{digest}  {file}\n" for file, digest in hashes.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def weight_files(folder: Path) -> tuple[str, ...]:
    """Return which files of *folder* are its weights: the first form that is there, not a second copy."""
    for form in _FORMS:
        if files := sorted(path.name for path in folder.glob(form) if path.is_file()):
            return tuple(files)
    return ()


def _download(settings: Settings) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    where = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    patterns = [f"{settings.subfolder}/*"] if settings.subfolder else None
    try:
        folder = snapshot_download(
            settings.model_id,
            revision=settings.revision,
            token=settings.token,
            allow_patterns=patterns,
            ignore_patterns=["checkpoint-*/*", "training_results/*", "runs/*"],
        )
    except HfHubHTTPError as error:
        code = getattr(error.response, "status_code", 0)
        why = {
            401: "it is private or does not exist, and no valid `HF_TOKEN` is set",
            403: "the `HF_TOKEN` of this Space may not read it",
            404: "there is no such model or revision",
        }.get(code, str(error).splitlines()[0])
        raise WeightsError(f"The model {settings.model_id} cannot be fetched from {where}: {why}") from error
    except (LocalEntryNotFoundError, OSError, ValueError) as error:
        why = str(error).removeprefix("Got: ").partition("\n")[0] or type(error).__name__
        raise WeightsError(f"The model {settings.model_id} cannot be fetched from {where}: {why}") from error
    return Path(folder)


def _described(folder: Path, model_id: str, revision: str) -> Weights:
    files = weight_files(folder)
    if not files:
        raise WeightsError(f"The model {model_id} holds no weights in {folder.name}")
    size = sum((folder / file).stat().st_size for file in files)
    return Weights(folder, model_id, revision, files, weights_sha256(folder, files), size)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
