"""``spacehand status``: a Space's stage, commit and hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from spacehand.cli.command import command, to_option
from spacehand.cli.terminal import Terminal
from spacehand.errors import NotFoundError
from spacehand.ids import RepoKind
from spacehand.session import connect

if TYPE_CHECKING:
    from spacehand.history import History
    from spacehand.hub._protocol import Hub
    from spacehand.ids import RepoId


@command("status")
@click.argument("space")
@to_option
def status_command(terminal: Terminal, *, space: str, to: str | None) -> None:
    """Show the stage, the commits that answer and are newest, the hardware and the last failure of SPACE."""
    from spacehand.history import History

    connection = connect(to, say=terminal.say)
    repo = connection.space(space)
    head = connection.hub.head(RepoKind.SPACE, repo)
    runtime = connection.hub.runtime(repo)
    result = {
        "space": str(repo),
        "stage": runtime.raw_stage,
        "revision": runtime.revision,
        "head": head,
        "hardware": runtime.hardware,
        "requested_hardware": runtime.requested_hardware,
        "replicas": runtime.raw.get("replicas"),
        "error": runtime.error,
        "failed_release": failed_release(connection.hub, repo, History.default()),
        "space_url": connection.hub.page_url(RepoKind.SPACE, repo),
        "app_url": connection.hub.app_url(repo),
        "local": runtime.raw.get("spacehand"),
    }
    terminal.finish(result, lines(result))


def failed_release(hub: Hub, space: RepoId, history: History) -> dict[str, Any] | None:
    """
    Return the release that failed last, while nothing newer took its place; None when the last one is well.

    It ``was_undone`` when the Space has the files of a version before it again.
    """
    from spacehand.history import HEALTHY, SpaceKey

    ended = [r for r in history.releases(SpaceKey(hub.identity, space)) if r.result != "deploying"]
    if not ended:
        return None
    last = ended[-1]
    was_undone = False
    if last.result == HEALTHY:
        *earlier, failed = ended[:-1] or [last]
        before = next((r for r in reversed(earlier) if r.result == HEALTHY), None)
        if failed.result == HEALTHY or before is None:
            return None
        if not _has_the_same_files(hub, space, last.revision, before.revision):
            return None
        last, was_undone = failed, True
    told = {"number": last.number, "revision": last.revision, "at": last.at, "result": last.result}
    return told | {"was_undone": was_undone}


def _has_the_same_files(hub: Hub, space: RepoId, one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return hub.files(RepoKind.SPACE, space, one) == hub.files(RepoKind.SPACE, space, other)
    except NotFoundError:  # a revision of a Space that was deleted since, and made anew
        return False


def lines(result: dict[str, Any]) -> str:
    """Return *result* for people: one line for each thing that is known."""
    told = [f"{result['space']}  {result['stage']}"]
    if result["error"]:
        told.append(f"  error     {_last_line(result['error'])}")
    if failed := result["failed_release"]:
        undone = "was undone" if failed["was_undone"] else "failed"
        told.append(f"  release   {failed['number']} {undone}: {_last_line(failed['result'])}")
    if result["revision"]:
        behind = "" if result["revision"] == result["head"] else "  (an older commit than the newest)"
        told.append(f"  serving   {str(result['revision'])[:12]}{behind}")
    if result["head"]:
        told.append(f"  newest    {str(result['head'])[:12]}")
    told.append(f"  hardware  {result['hardware'] or result['requested_hardware'] or 'none'}")
    replicas = result["replicas"] or {}
    if replicas.get("requested", 1) != 1:
        told.append(f"  replicas  {replicas.get('current') or 0} of {replicas['requested']}")
    local = result["local"] or {}
    if local.get("fidelity"):
        told.append(f"  fidelity  {local['fidelity']}")
    told += [f"  rehearses {fault}" for fault in local.get("faults", [])]
    told += [f"  differs   {difference}" for difference in local.get("differences", [])]
    return "\n".join([*told, f"  app       {result['app_url']}", f"  page      {result['space_url']}"])


def _last_line(text: str) -> str:
    """Return where a traceback says what happened: its last line."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
