"""``spacehand status``: a Space's stage, commit and hardware."""

from __future__ import annotations

import click

from spacehand.cli.command import command, to_option
from spacehand.cli.terminal import Terminal
from spacehand.ids import RepoKind
from spacehand.session import connect


@command("status")
@click.argument("space")
@to_option
def status_command(terminal: Terminal, *, space: str, to: str | None) -> None:
    """Show the stage, the commit that answers, the newest commit and the hardware of SPACE."""
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
        "error": runtime.error,
        "space_url": connection.hub.page_url(RepoKind.SPACE, repo),
        "app_url": connection.hub.app_url(repo),
        "local": runtime.raw.get("spacehand"),
    }
    terminal.finish(result, _lines(result))


def _lines(result: dict[str, object]) -> str:
    lines = [f"{result['space']}  {result['stage']}"]
    if result["error"]:
        lines.append(f"  error     {result['error']}")
    if result["revision"]:
        behind = "" if result["revision"] == result["head"] else "  (an older commit than the newest)"
        lines.append(f"  serving   {str(result['revision'])[:12]}{behind}")
    if result["head"]:
        lines.append(f"  newest    {str(result['head'])[:12]}")
    lines.append(f"  hardware  {result['hardware'] or result['requested_hardware'] or 'none'}")
    if isinstance(result["local"], dict):
        lines.append(f"  fidelity  {result['local'].get('fidelity')}")
        lines += [f"  differs   {difference}" for difference in result["local"].get("differences", [])]
    return "\n".join([*lines, f"  app       {result['app_url']}", f"  page      {result['space_url']}"])
