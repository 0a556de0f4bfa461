"""``spacehand card``: a model folder's card, without publishing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from spacehand.cli.command import command
from spacehand.cli.model import card_words, model_options
from spacehand.cli.terminal import Terminal
from spacehand.ids import RepoId


@command("card")
@model_options
@click.option("--repo", metavar="OWNER/NAME", help="The name the card uses; the folder's unless given.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it there, not to stdout.")
def card_command(
    terminal: Terminal,
    *,
    model_dir: Path,
    repo: str | None,
    output: Path | None,
    training_config: Path | None,
    results: Path | None,
    **said: Any,
) -> None:
    """Print the card that `publish MODEL_DIR` would write; no Hub is asked."""
    from spacehand.hub.digests import Digests
    from spacehand.model.artifact import Model
    from spacehand.model.publish import preview

    named = RepoId.parse(repo or f"me/{model_dir.resolve().name}")
    terminal.say(f"→ {output or 'the card, on stdout'}")
    with Digests.default() as digests:
        card = preview(
            Model.open(model_dir),
            named,
            digests=digests,
            training_config=training_config,
            results=results,
            card=card_words(said),
            report=terminal.report,
        )
    for note in card.notes:
        terminal.say(f"note: {note}")
    if output is not None:
        output.write_text(card.text, encoding="utf-8")
    terminal.finish(
        {"card": card.text, "output": str(output) if output else None}, str(output) if output else card.text
    )
