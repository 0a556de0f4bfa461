"""Go back to a version that worked, by a new commit; nothing is ever pushed by force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spacehand.deploy.present import Present
from spacehand.errors import NotFoundError, SpacehandError
from spacehand.history import Release
from spacehand.hub._protocol import Commit, Hub, LocalFile, RemoteFile
from spacehand.ids import RepoId, RepoKind
from spacehand.progress import Progress, Report, silent


@dataclass(frozen=True, slots=True)
class Before:
    """What is brought back; *ours* are the variables that the next deploy may take away."""

    revision: str
    variables: Mapping[str, str]
    ours: Mapping[str, str]


def restore_files(
    hub: Hub, space: RepoId, revision: str, *, because: str | None = None, report: Report = silent
) -> Commit:
    """
    Make the files of *space* those of *revision* again, by a commit on top of what is there.

    The commit's description tells *because*, for whoever reads the history later. Files that differ pass
    through memory, one commit's worth at once.

    Raises:
        NotFoundError: the revision is gone.
        ConflictError: somebody pushed in the meantime.
    """
    report(Progress("rollback", f"Restoring the files of {revision[:7]}"))
    head = hub.head(RepoKind.SPACE, space)
    if head is None:
        raise NotFoundError("The Space does not exist any more", where=str(space))
    target = hub.files(RepoKind.SPACE, space, revision)
    there = hub.files(RepoKind.SPACE, space, head)
    files = [
        LocalFile(path, content=_content(hub, space, path, revision))
        for path, file in target.items()
        if not _same(file, there.get(path))
    ]
    return hub.commit(
        RepoKind.SPACE,
        space,
        files=files,
        delete=[path for path in there if path not in target],
        message=_message(revision, because),
        parent=head,
    )


def restore_settings(
    hub: Hub,
    space: RepoId,
    *,
    variables: Mapping[str, str],
    touched: frozenset[str] | None = None,
    report: Report = silent,
) -> None:
    """Make the variables *variables* again; of *touched* names only, when given. Secrets cannot come back."""
    there = hub.variables(space)
    names = touched if touched is not None else frozenset({*there, *variables})
    for name in sorted(names):
        if name in variables and there.get(name) != variables[name]:
            report(Progress("rollback", f"Restoring the variable `{name}`"))
            hub.set_variable(space, name, variables[name])
        elif name not in variables and name in there:
            report(Progress("rollback", f"Removing the variable `{name}`"))
            hub.delete_variable(space, name)


def restore_release(
    hub: Hub, space: RepoId, release: Release, *, report: Report = silent
) -> tuple[Commit, list[str]]:
    """
    Make *space* what it was at *release*: code, variables, volumes, hardware, replicas.

    Returns the commit, and what could not be restored: secrets that are gone, for nobody knows their values.

    Raises:
        NotFoundError: the Space or the release's revision is gone.
    """
    present = Present.of(hub, space)
    if present is None:
        raise NotFoundError("The Space does not exist any more", where=str(space))
    touched = frozenset({*release.variables, *present.variables})
    restore_settings(hub, space, variables=release.variables, touched=touched, report=report)
    if [dict(v) for v in present.volumes] != [dict(v) for v in release.volumes]:
        hub.set_volumes(space, release.volumes)
    commit = restore_files(hub, space, release.revision, report=report)
    if release.hardware and release.hardware != present.hardware:
        report(Progress("rollback", f"Moving back to `{release.hardware}`"))
        hub.set_hardware(space, release.hardware, release.sleep)
    if release.replicas and release.replicas != hub.runtime(space).requested_replicas:
        report(Progress("rollback", f"Bringing it back at {release.replicas} replicas"))
        hub.set_replicas(space, release.replicas)
    gone = sorted(set(release.secret_names) - present.secret_names)
    return commit, [f"the secret `{name}` is gone; set it again" for name in gone]


def tell_undone(error: SpacehandError, told: Sequence[str | None]) -> None:
    """Put what was done about *error* before its hint; the log it points to is then another version's."""
    done = [text for text in told if text]
    own = error.hint if error.hint and not (done and "`spacehand logs" in error.hint) else None
    error.hint = ". ".join([*done, *filter(None, [own])]) or None


def _message(revision: str, because: str | None) -> str:
    title = f"Restore {revision[:7]} with spacehand"
    return f"{title}\n\n{because}" if because else title


def _content(hub: Hub, space: RepoId, path: str, revision: str) -> bytes:
    content = hub.read(RepoKind.SPACE, space, path, revision)
    if content is None:
        raise NotFoundError(f"`{path}` is not to be had at {revision[:7]}", where=str(space))
    return content


def _same(one: RemoteFile, other: RemoteFile | None) -> bool:
    return other is not None and (one.sha256 or one.git_oid) == (other.sha256 or other.git_oid)
