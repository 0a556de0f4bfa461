"""``spacehand publish``: a model folder to a model repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from spacehand.cli.command import command, to_option
from spacehand.cli.model import card_words, model_options, visibility_option
from spacehand.cli.terminal import Terminal
from spacehand.cli.variant import variant_option, with_variant
from spacehand.ids import Visibility
from spacehand.session import connect


@command("publish")
@model_options
@click.argument("repo", required=False)
@click.option("--include", multiple=True, metavar="GLOB", help="Upload these files, too.")
@variant_option
@visibility_option
@to_option
def publish_command(
    terminal: Terminal,
    *,
    model_dir: Path,
    repo: str | None,
    include: tuple[str, ...],
    variant: str | None,
    private: bool,
    to: str | None,
    training_config: Path | None,
    results: Path | None,
    **said: Any,
) -> None:
    """
    Put MODEL_DIR on a Hub as REPO, with an honest card, in one commit.

    REPO is `owner/name` or a name of your own; the folder's name unless given. What does not belong stays at
    home, a secret stops it all, and a second publish of the same folder moves nothing.
    """
    from spacehand.hub.digests import Digests
    from spacehand.model.artifact import Model
    from spacehand.model.publish import publish

    model = Model.open(model_dir)
    connection = connect(to, say=terminal.say)
    with Digests.default() as digests:
        published = publish(
            with_variant(terminal, model, variant, digests),
            connection.repo(repo or model_dir.resolve().name),
            hub=connection.hub,
            digests=digests,
            training_config=training_config,
            results=results,
            card=card_words(said),
            visibility=Visibility.PRIVATE if private else Visibility.PUBLIC,
            include=include,
            report=terminal.report,
        )
    for skipped in published.skipped:
        terminal.say(f"stays at home: {skipped.path} ({skipped.why})")
    for note in published.notes:
        terminal.say(f"note: {note}")
    commit = published.commit
    terminal.say("Published in one commit" if commit.changed else "Nothing changed: no commit")
    result = {
        "repo": str(published.repo),
        "model_url": published.url,
        "revision": commit.revision,
        "weights_sha256": published.weights_sha256,
        "variants": dict(published.variants),
        "changed": commit.changed,
        "uploaded_bytes": commit.uploaded_bytes,
        "skipped": [{"path": skipped.path, "why": skipped.why} for skipped in published.skipped],
        "notes": list(published.notes),
    }
    terminal.finish(result, published.url)
