"""What somebody else changed since the last release, and who gives way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from spacehand.deploy.present import Present
from spacehand.errors import ConflictError, NotFoundError
from spacehand.history import Release
from spacehand.hub._protocol import Hub, LocalFile, RemoteFile
from spacehand.hub.changes import FileChanges, changes, size
from spacehand.hub.digests import Digests
from spacehand.ids import RepoId, RepoKind


class OnDrift(StrEnum):
    """What a deploy does when the Space was changed elsewhere since the last release."""

    REFUSE = "refuse"  # say what it is, and change nothing
    ADOPT = "adopt"  # keep their changes where we made none; two changes of one thing are a conflict
    OVERWRITE = "overwrite"  # theirs stay in the git history only


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing a deploy would undo: what the last release left, and what is there now."""

    kind: str  # file, variable, hardware, sleep, replicas
    target: str
    before: str | None
    after: str | None

    def to_json(self) -> dict[str, str | None]:
        return {"kind": self.kind, "target": self.target, "before": self.before, "after": self.after}

    def __str__(self) -> str:
        if self.kind == "file":
            what = "deleted" if self.after is None else "added" if self.before is None else "changed"
            return f"file `{self.target}` was {what}"
        return f"{self.kind} `{self.target}`: {self.before or 'not set'} → {self.after or 'not set'}"


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What to push after their changes have been weighed."""

    changes: FileChanges
    drift: tuple[Drift, ...]
    contested: frozenset[str] = frozenset()  # changed here and there
    kept: frozenset[str] = frozenset()  # theirs, adopted


@dataclass(frozen=True, slots=True)
class VariablePlan:
    """The variables as they will be after their changes have been weighed."""

    final: Mapping[str, str]
    delete: tuple[str, ...]  # set by the last release, wanted no more
    drift: tuple[Drift, ...]
    contested: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


def weigh_files(
    hub: Hub,
    space: RepoId,
    local: tuple[LocalFile, ...],
    present: Present,
    release: Release | None,
    digests: Digests,
    policy: OnDrift,
) -> FilePlan:
    """Return what to push on top of *present*, with *policy* for what is not as *release* left it."""
    wanted = changes(local, present.files, digests)
    if present.is_new:
        return FilePlan(wanted, ())
    base = _base(hub, space, present, release)
    if base is None:
        return _unrecorded(wanted, present.files, policy)
    touched = {file.path for file in wanted.add} | set(wanted.delete)
    theirs = {path for path in {*present.files, *base} if _bytes(present.files, path) != _bytes(base, path)}
    # Adopted earlier and still not in the author's folder: theirs until it is.
    adopted = {name.removeprefix("file:") for name in release.adopted} if release else set()
    drifted = touched & (theirs | adopted)
    ours = changes(local, base, digests)
    contested = (drifted - adopted) & ({file.path for file in ours.add} | set(ours.delete))
    drift = tuple(
        Drift("file", path, _bytes(base, path), _bytes(present.files, path)) for path in sorted(drifted)
    )
    if policy is not OnDrift.ADOPT:
        return FilePlan(wanted, drift)
    kept = frozenset(drifted - contested)
    return FilePlan(_without(wanted, kept), drift, frozenset(contested), kept)


def weigh_variables(
    wanted: Mapping[str, str], present: Present, release: Release | None, policy: OnDrift
) -> VariablePlan:
    """Return the variables as they will be; those nobody here ever set are left alone."""
    there = present.variables
    left = release.variables if release else {}
    adopted = {n.removeprefix("variable:") for n in release.adopted} if release else set()
    if release:
        theirs = {name for name in {*wanted, *left} if there.get(name) != left.get(name)} | adopted
    else:
        theirs = {name for name in wanted if name in there}  # nobody knows who set them
    drifted = {name for name in theirs & {*wanted, *left} if there.get(name) != wanted.get(name)}
    drift = tuple(Drift("variable", name, left.get(name), there.get(name)) for name in sorted(drifted))
    kept: frozenset[str] = frozenset()
    contested: frozenset[str] = frozenset()
    if policy is OnDrift.ADOPT:
        changed_here = {name for name in drifted - adopted if wanted.get(name) != left.get(name)}
        contested = frozenset(changed_here) if release else frozenset()
        kept = frozenset(drifted - contested)
    final = {name: value for name, value in wanted.items() if name not in kept}
    final |= {name: there[name] for name in kept if name in there}
    return VariablePlan(
        final=dict(sorted(final.items())),
        delete=tuple(sorted(left.keys() - wanted.keys() - kept)),
        drift=drift,
        contested=contested,
        kept=kept,
    )


def refuse(space: RepoId, drift: tuple[Drift, ...]) -> ConflictError:
    """Return the error of a deploy that would undo somebody's changes."""
    shown = "; ".join(str(item) for item in drift[:4])
    more = f"; and {len(drift) - 4} more" if len(drift) > 4 else ""
    return ConflictError(
        f"{space} was changed elsewhere since the last release: {shown}{more}",
        where=str(space),
        hint="Keep those changes with `--adopt`, or undo them with `--overwrite`",
    )


def conflict(space: RepoId, targets: frozenset[str]) -> ConflictError:
    """Return the error of an adoption where both sides changed the same."""
    listed = ", ".join(f"`{target}`" for target in sorted(targets))
    return ConflictError(
        f"Changed here and on the Hub since the last release: {listed}",
        where=str(space),
        hint="Bring their changes into your folder first, or undo them with `--overwrite`",
    )


def _base(
    hub: Hub, space: RepoId, present: Present, release: Release | None
) -> Mapping[str, RemoteFile] | None:
    if release is None:
        return None
    if release.revision == present.head:
        return present.files
    try:
        return hub.files(RepoKind.SPACE, space, release.revision)
    except NotFoundError:
        return None  # the history was rewritten


def _unrecorded(wanted: FileChanges, there: Mapping[str, RemoteFile], policy: OnDrift) -> FilePlan:
    """Without a record nobody knows whose files these are: all that would be lost counts as theirs."""
    lost = sorted({file.path for file in wanted.add if file.path in there} | set(wanted.delete))
    drift = tuple(Drift("file", path, None, _bytes(there, path)) for path in lost)
    if policy is not OnDrift.ADOPT:
        return FilePlan(wanted, drift)
    kept = frozenset(wanted.delete)  # what differs is replaced, what is only there stays
    return FilePlan(_without(wanted, kept), drift, kept=kept)


def _without(wanted: FileChanges, kept: frozenset[str]) -> FileChanges:
    add = tuple(file for file in wanted.add if file.path not in kept)
    return FileChanges(
        add=add,
        delete=tuple(path for path in wanted.delete if path not in kept),
        unchanged=wanted.unchanged,
        bytes=sum(size(file) for file in add),
    )


def _bytes(files: Mapping[str, RemoteFile], path: str) -> str | None:
    found = files.get(path)
    return None if found is None else found.sha256 or found.git_oid
