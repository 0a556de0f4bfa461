"""A model that is on a Hub already, and a Space that was seen to serve exactly its weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spacehand.deploy.deploy import Deployed, Prover, deploy
from spacehand.deploy.plan import DEFAULT_CHOICES
from spacehand.deploy.probe import Probe
from spacehand.deploy.ship import ServesWeights
from spacehand.deploy.timing import DEFAULT_TIMING, Timing
from spacehand.errors import ModelError, NotFoundError
from spacehand.history import History
from spacehand.hub._protocol import Hub, RemoteFile
from spacehand.hub.digests import Digests
from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.model.artifact import ModelKind
from spacehand.model.task import task_of
from spacehand.model.weights import combined_sha256
from spacehand.progress import Report, silent
from spacehand.space.build import build
from spacehand.space.spec import SpaceSpec
from spacehand.space.template import ModelFacts

_INDEX = "model.safetensors.index.json"
_ADAPTER = "adapter_config.json"
# Of two that are there, the first is taken.
_LORA = ("adapter_model.safetensors", "adapter_model.bin")
_FULL = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """What the files of a model repository say, at one commit, without downloading its weights."""

    repo: RepoId
    revision: str
    kind: ModelKind
    subfolder: str = ""
    weights_sha256: str | None = None  # None where the Hub does not tell the sha256 of each file
    base_model: str | None = None
    task: str | None = None

    @classmethod
    def find(cls, hub: Hub, repo: RepoId, subfolder: str = "") -> PublishedModel:
        """
        Return the model at the newest commit of *repo*, or in a *subfolder* of it.

        Raises:
            NotFoundError: there is no such repository, or no such subfolder.
            ModelError: its files are no model of a known kind.
        """
        revision = hub.head(RepoKind.MODEL, repo)
        if revision is None:
            raise NotFoundError(
                f"There is no model `{repo}`",
                where=hub.endpoint,
                hint="Publish it first with `spacehand publish`; HF_ENDPOINT chooses another Hub",
            )
        files = hub.files(RepoKind.MODEL, repo, revision)
        folder = subfolder.strip("/")
        here = _inside(files, folder)
        if not here:
            raise NotFoundError(
                f"`{repo}` has no folder `{folder}`", where=f"{repo}/{folder}", hint=_folders(files)
            )
        kind = _kind(here, where=f"{repo}/{folder}".rstrip("/"))
        found = cls(repo, revision, kind, folder)
        adapter = found._object(hub, _ADAPTER) if kind is ModelKind.LORA else {}
        base = adapter.get("base_model_name_or_path")
        return replace(
            found,
            weights_sha256=_weights_sha256(here, found._weights(hub, here)),
            base_model=base if isinstance(base, str) and base else None,
            task=found._task(hub, adapter),
        )

    @property
    def facts(self) -> ModelFacts:
        """What a template has to know to serve this very commit."""
        return ModelFacts(
            repo=str(self.repo),
            kind=self.kind.value,
            revision=self.revision,
            subfolder=self.subfolder or None,
            base_model=self.base_model,
            task=self.task,
        )

    def _weights(self, hub: Hub, here: Collection[str]) -> list[str]:
        if self.kind is ModelKind.SHARDED:
            mapping = self._object(hub, _INDEX).get("weight_map")
            return sorted(set(map(str, mapping.values()))) if isinstance(mapping, Mapping) else []
        if self.kind is ModelKind.ONNX:
            return [path for path in here if path.endswith(".onnx")]
        if self.kind is ModelKind.CTRANSLATE2:
            return ["model.bin"]
        names = _LORA if self.kind is ModelKind.LORA else _FULL
        return [next(name for name in names if name in here)]

    def _task(self, hub: Hub, adapter: Mapping[str, Any]) -> str | None:
        named = self._object(hub, "config.json").get("architectures")
        mapping = adapter.get("auto_mapping")
        base_class = mapping.get("base_model_class") if isinstance(mapping, Mapping) else None
        return task_of([*map(str, named if isinstance(named, list) else []), str(base_class)])

    def _object(self, hub: Hub, name: str) -> dict[str, Any]:
        path = f"{self.subfolder}/{name}".lstrip("/")
        content = hub.read(RepoKind.MODEL, self.repo, path, self.revision) or b"{}"
        try:
            said = json.loads(content)
        except ValueError as error:
            raise ModelError(f"`{path}` is not valid JSON", where=str(self.repo)) from error
        return said if isinstance(said, dict) else {}


def show(
    spec: SpaceSpec,
    model: PublishedModel,
    *,
    hub: Hub,
    history: History,
    digests: Digests,
    report: Report = silent,
    timing: Timing = DEFAULT_TIMING,
) -> Deployed:
    """
    Deploy the Space of *spec*, and return once it was seen to serve the weights of *model*.

    Raises:
        UnhealthyError: it serves other weights.
        SpacehandError: as :func:`~spacehand.deploy.deploy.deploy` raises.
    """
    with tempfile.TemporaryDirectory(prefix="spacehand-show-") as folder:
        built = build(spec, Path(folder) / "space")
        headers = hub.app_headers() if spec.visibility is Visibility.PRIVATE else {}
        prover: Prover = Probe.from_spec(spec.probe, built.folder, headers)
        if model.weights_sha256:
            prover = ServesWeights(prover, model.weights_sha256, timing.now, timing.sleep)
        return deploy(
            spec,
            hub=hub,
            history=history,
            digests=digests,
            built=built,
            choices=replace(DEFAULT_CHOICES, call_unchanged=True),
            prover=prover,
            report=report,
            timing=timing,
        )


def _inside(files: Mapping[str, RemoteFile], folder: str) -> dict[str, RemoteFile]:
    if not folder:
        return dict(files)
    prefix = f"{folder}/"
    return {path.removeprefix(prefix): file for path, file in files.items() if path.startswith(prefix)}


def _folders(files: Collection[str]) -> str:
    folders = sorted({path.partition("/")[0] for path in files if "/" in path})
    named = ", ".join(f"`{folder}`" for folder in folders)
    return f"It has: {named}" if named else "It has no folders: name none"


def _kind(names: Collection[str], *, where: str) -> ModelKind:
    if _ADAPTER in names and any(name in names for name in _LORA):
        return ModelKind.LORA
    if _INDEX in names:
        return ModelKind.SHARDED
    if "model.bin" in names:
        return ModelKind.CTRANSLATE2
    if any(name in names for name in _FULL):
        return ModelKind.FULL
    if any(name.endswith(".onnx") and name.count("/") < 2 for name in names):
        return ModelKind.ONNX
    raise ModelError(
        f"`{where}` holds no weights of a known kind",
        where=where,
        hint="A demo needs a model: publish its folder with `spacehand publish`",
    )


def _weights_sha256(files: Mapping[str, RemoteFile], weights: Collection[str]) -> str | None:
    hashes = {path: files[path].sha256 for path in weights if path in files}
    known = {path: sha256 for path, sha256 in hashes.items() if sha256}
    return combined_sha256(known) if known and len(known) == len(weights) else None
