"""The model's files: fetched at one revision, and known by the hash of the very bytes that are served."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asr.errors import WeightsError
from asr.settings import Settings

# In the order in which an engine would take them.
_FORMS = (
    "adapter_model.safetensors",
    "adapter_model.bin",
    "model.bin",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*-of-*.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
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
    root: Path  # of the repository; tokenizers may lie there, above a subfolder
    base: Weights | None = None  # what these weights, an adapter, were trained on and run with

    @property
    def config(self) -> dict[str, Any]:
        """What config.json says; empty where there is none."""
        return _object(self.folder / "config.json")

    @property
    def is_quantized(self) -> bool:
        """Whether the files hold numbers packed by a quantization already."""
        return "quantization_config" in (self.base or self).config


def fetch(settings: Settings) -> Weights:
    """
    Return the weights that *settings* name, and no others, fetched from the Hub where they are not here yet.

    An adapter comes with its base: `BASE_MODEL_ID`, or what its own configuration names.

    Raises:
        WeightsError: they cannot be had, or hold no weights.
    """
    found = _fetch(settings)
    adapter = _adapter(found)
    if adapter is None:
        return found
    base_id, revision = _base_of(adapter, settings)
    try:
        base = _fetch(replace(settings, model_id=base_id, revision=revision, subfolder=""))
    except WeightsError as error:
        raise WeightsError(f"The base model of the adapter {found.model_id} is missing. {error}") from error
    if (base.folder / "adapter_config.json").exists():
        raise WeightsError(f"The base model {base_id} is an adapter itself; `BASE_MODEL_ID` must be a model")
    return replace(found, base=base)


def _fetch(settings: Settings) -> Weights:
    named = Path(settings.model_id)
    if named.is_absolute():
        if not named.is_dir():
            raise WeightsError(f"There is no folder {named}")
        return _described(named, settings, "local")
    snapshot = _download(settings)
    return _described(snapshot, settings, snapshot.name)


def _adapter(found: Weights) -> dict[str, Any] | None:
    """Return the configuration of the adapter in *found*, None if that is a model of its own."""
    configured = (found.folder / "adapter_config.json").exists()
    if found.files[0].startswith("adapter_model."):
        if not configured:
            raise WeightsError(f"The adapter {found.model_id} has no adapter_config.json")
        return _object(found.folder / "adapter_config.json")
    if configured:
        # Whatever else lies there is not what was trained: it must not be served in its place.
        raise _adapter_missing(found.model_id)
    return None


def _adapter_missing(model_id: str) -> WeightsError:
    return WeightsError(f"The model {model_id} is an adapter, but its adapter_model.safetensors is missing")


def _base_of(adapter: Mapping[str, Any], settings: Settings) -> tuple[str, str | None]:
    named = adapter.get("base_model_name_or_path")
    base_id = settings.base_model_id or named
    if not isinstance(base_id, str) or not base_id:
        raise WeightsError(
            f"The adapter {settings.model_id} does not say what it was trained on: set `BASE_MODEL_ID`"
        )
    revision = adapter.get("revision") if base_id == named else None
    return base_id, revision if isinstance(revision, str) and revision else None


def weights_sha256(folder: Path, files: tuple[str, ...]) -> str:
    """Return the sha256 of the one file; of several, that of the sorted lines ``HASH  PATH``."""
    hashes = {file: _sha256(folder / file) for file in files}
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = sorted(f"{digest}  {file}\n" for file, digest in hashes.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def weight_files(folder: Path) -> tuple[str, ...]:
    """
    Return which files of *folder* are its weights: the first form that is there, not a second copy.

    Raises:
        WeightsError: a shard is missing.
    """
    for form in _FORMS:
        if files := sorted(path.name for path in folder.glob(form) if path.is_file()):
            return _shards(folder / files[0]) if form.endswith(".index.json") else tuple(files)
    return ()


def _shards(index: Path) -> tuple[str, ...]:
    named = _object(index).get("weight_map")
    files = sorted({str(name) for name in named.values()}) if isinstance(named, dict) else []
    for name in files or ("the list of its shards",):
        if Path(name).name != name or not (index.parent / name).is_file():
            raise WeightsError(f"The weights are incomplete: {name} is missing, which {index.name} names")
    return tuple(files)


def _download(settings: Settings) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    where = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    # Above a subfolder may lie what all variants share: the tokenizer and the settings of the processor.
    patterns = [f"{settings.subfolder}/*", "*.json", "*.txt", "*.model"] if settings.subfolder else None
    try:
        folder = snapshot_download(
            settings.model_id,
            revision=settings.revision,
            token=settings.token,
            allow_patterns=patterns,
            ignore_patterns=["checkpoint-*/*", "training_results/*", "runs/*", "consolidated*", "*.gguf"],
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


def _described(root: Path, settings: Settings, revision: str) -> Weights:
    folder = root / settings.subfolder
    files = weight_files(folder)
    if not files:
        if (folder / "adapter_config.json").exists():
            raise _adapter_missing(settings.model_id)
        raise WeightsError(f"The model {settings.model_id} holds no weights in {folder.name}")
    size = sum((folder / file).stat().st_size for file in files)
    return Weights(folder, settings.model_id, revision, files, weights_sha256(folder, files), size, root)


def _object(file: Path) -> dict[str, Any]:
    """Return what the JSON *file* says; empty where there is none."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file.name} cannot be read as JSON") from error
    if not isinstance(said, dict):
        raise WeightsError(f"{file.name} holds no settings")
    return said


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
