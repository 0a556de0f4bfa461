"""What is mounted into an app: repositories of this Hub as they are at a commit, and buckets to write to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from spacehand.errors import ConfigError, UsageError
from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.localhub.buckets.store import MovedBucket
from spacehand.localhub.errors import HubError
from spacehand.localhub.repos.store import Moved
from spacehand.localhub.runner.engines._protocol import Mount
from spacehand.localhub.runner.life.health import UnhealthyAppError

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.store import Repo

BUCKET = "bucket"
# The sandbox's own: what is mounted over these would run before the app's rights are dropped.
_SYSTEM = frozenset(["boot", "dev", "etc", "opt", "proc", "run", "sys", "usr"])  # and `lib64`, `sbin`, …


def prepare(
    hub: LocalHub, space: Repo, volumes: Iterable[Mapping[str, Any]], folder: Path
) -> tuple[Mount, ...]:
    """
    Return the mounts of *volumes*; files of repositories are written to *folder*.

    Only what the Space's owner may read is mounted.

    Raises:
        UnhealthyAppError: a repository or a folder in it is not there, or the path is the system's, or in
            another volume.
    """
    wanted = list(volumes)
    _refuse_nested([_target(volume) for volume in wanted])
    return tuple(_mount(hub, space, volume, folder / str(number)) for number, volume in enumerate(wanted))


def differences(volumes: Iterable[Mapping[str, Any]], *, are_mounted: bool) -> list[str]:
    """Return how *volumes* here are not as on huggingface.co."""
    if not are_mounted:
        return [f"the volume at `{volume['mountPath']}` is not mounted" for volume in volumes]
    return [
        f"the bucket `{volume['source']}` is a folder of this Hub, and not on huggingface.co"
        for volume in volumes
        if volume["type"] == BUCKET
    ]


def _target(volume: Mapping[str, Any]) -> PurePosixPath:
    return PurePosixPath("/", *PurePosixPath(volume["mountPath"]).parts[1:])  # `//data` is `/data`


def _is_the_systems(target: PurePosixPath) -> bool:
    if target in (PurePosixPath("/app"), PurePosixPath("/home/user")):
        return True
    top = target.parts[1]
    return top in _SYSTEM or top.startswith("lib") or top.endswith("bin")


def _refuse_nested(targets: list[PurePosixPath]) -> None:
    """In a bucket an app may put a link to anywhere in the place where the other volume would be mounted."""
    for target in targets:
        around = next((one for one in targets if one in target.parents), None)
        if around is not None:
            raise UnhealthyAppError(f"Volume mount failed: `{target}` is inside the volume at `{around}`")


def _mount(hub: LocalHub, space: Repo, volume: Mapping[str, Any], folder: Path) -> Mount:
    target = _target(volume)
    if _is_the_systems(target):
        raise UnhealthyAppError(f"Volume mount failed: `{target}` is the system's own; take `/data`, say")
    read_only = bool(volume.get("readOnly", True))
    try:
        source = RepoId.parse(volume["source"])
        root = (
            _bucket(hub, space, source, read_only=read_only)
            if volume["type"] == BUCKET
            else _repository(hub, space, source, volume, folder)
        )
    except UsageError as error:
        raise UnhealthyAppError(f"Volume mount failed: {error.message}") from error
    return Mount(_inside(root, volume), str(target), read_only=read_only)


def _inside(root: Path, volume: Mapping[str, Any]) -> Path:
    path = PurePosixPath("/", volume.get("path") or "").relative_to("/")
    if not path.parts:
        return root
    if volume["type"] == BUCKET:
        # An app may put a link to anywhere in its place, just when it was looked at.
        raise UnhealthyAppError("Volume mount failed: this Hub mounts whole buckets, and no folder of one")
    if ".." in path.parts or not (root / path).is_dir():
        raise UnhealthyAppError(f"Volume mount failed: {volume['source']} has no folder `{path}`")
    return root / path


def _bucket(hub: LocalHub, space: Repo, source: RepoId, *, read_only: bool) -> Path:
    try:
        bucket = hub.buckets.find(source.owner, source.name)
    except MovedBucket as moved:
        bucket = moved.bucket
    except HubError:
        raise _no_bucket(source) from None
    if bucket.id.owner not in _namespaces(hub, space):
        if bucket.private:
            raise _no_bucket(source)
        if not read_only:
            raise UnhealthyAppError(
                f"Volume mount failed: `{space.id.owner}` may not write to the bucket `{bucket.id}`; "
                "mount it read-only"
            )
    return hub.place.bucket(bucket.uid)


def _namespaces(hub: LocalHub, space: Repo) -> set[str]:
    """Return the accounts whose buckets the Space's owner may write to."""
    return {space.id.owner, *(each.name for each in hub.accounts.organizations(space.id.owner))}


def _no_bucket(source: RepoId) -> UnhealthyAppError:
    return UnhealthyAppError(
        f"Volume mount failed: there is no bucket `{source}` on this Hub; "
        f"`hf buckets create {source}` makes one"
    )


def _repository(hub: LocalHub, space: Repo, source: RepoId, volume: Mapping[str, Any], folder: Path) -> Path:
    revision = str(volume.get("revision") or "main")
    try:
        repo = hub.repos.get(RepoKind(volume["type"]), source)
        is_open = repo.visibility is Visibility.PUBLIC and not repo.gated
        if not is_open and repo.id.owner != space.id.owner:
            raise HubError(404, "")
        hub.repos.snapshot(repo, revision).materialize(folder)
    except (HubError, Moved) as error:
        raise UnhealthyAppError(
            f"Volume mount failed: there is no {volume['type']} `{source}` at `{revision}` on this Hub"
        ) from error
    except ConfigError as error:
        raise UnhealthyAppError(f"Volume mount failed: {source}: {error.message}") from error
    return folder
