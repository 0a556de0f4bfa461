"""Files of models that are in an app's cache before it starts: ``preload_from_hub`` of its README."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spacehand.errors import ConfigError
from spacehand.ids import RepoKind, Visibility
from spacehand.localhub.errors import HubError
from spacehand.localhub.repos.store import Moved
from spacehand.localhub.runner.build.builder import BuildFailedError
from spacehand.localhub.runner.card import Preload

if TYPE_CHECKING:
    from spacehand.localhub.repos.snapshot import Snapshot
    from spacehand.localhub.repos.store import Repos

CACHE = ".cache/huggingface/hub"  # in the app's home, where the official client looks


def require(repos: Repos, wanted: Iterable[Preload], log: Callable[[str], None]) -> None:
    """
    Write what will be loaded into the build's log.

    Raises:
        BuildFailedError: a model or a file is not on this Hub, or is private.
    """
    for one in wanted:
        try:
            snapshot = _snapshot(repos, one)
            found = [entry for entry in snapshot.entries(recursive=True) if not entry.is_dir]
        except BuildFailedError as error:
            log(f"--> ERROR: {error.message}")
            raise
        sizes = [entry.size for entry in found if not one.files or entry.path in one.files]
        log(f"--> Preloading {one.model}@{snapshot.sha[:7]}: {len(sizes)} files, {sum(sizes)} bytes")


def fill(repos: Repos, wanted: Iterable[Preload], cache: Path) -> None:
    """
    Put the files into *cache*, as the official client lays it out.

    Raises:
        BuildFailedError: they were taken away since the build.
    """
    for one in wanted:
        snapshot = _snapshot(repos, one)
        model = cache / f"models--{one.model.owner}--{one.model.name}"
        reference = model / "refs" / one.revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(snapshot.sha)
        try:
            snapshot.materialize(model / "snapshots" / snapshot.sha, only=one.files or None)
        except (ConfigError, HubError) as error:
            raise BuildFailedError(f"`preload_from_hub`: {one.model}: {error.message}") from error


def _snapshot(repos: Repos, one: Preload) -> Snapshot:
    try:
        repo = repos.get(RepoKind.MODEL, one.model)
        if repo.visibility is not Visibility.PUBLIC:
            raise BuildFailedError(f"`preload_from_hub`: {one.model} is private; public models are preloaded")
        if repo.gated:
            raise BuildFailedError(f"`preload_from_hub`: {one.model} is gated; public models are preloaded")
        snapshot = repos.snapshot(repo, one.revision)
    except (HubError, Moved) as error:
        raise BuildFailedError(
            f"`preload_from_hub`: there is no model `{one.model}` at `{one.revision}` on this Hub"
        ) from error
    for path in _missing(snapshot, one):
        raise BuildFailedError(f"`preload_from_hub`: {one.model} has no file `{path}` at `{one.revision}`")
    return snapshot


def _missing(snapshot: Snapshot, one: Preload) -> Iterator[str]:
    for path in sorted(one.files):
        entry = snapshot.entry(path)
        if entry is None or entry.is_dir:
            yield path
