"""What ``publish``, ``card`` and ``ship`` ask about a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from spacehand.model.card.facts import CardWords

_PATH = click.Path(path_type=Path)
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--config", "training_config", type=_PATH, help="The training's configuration, JSON or YAML."
    ),
    click.option("--results", type=_PATH, help="The training's results, JSON or YAML."),
    click.option("--title", help="What the card is headed with."),
    click.option("--description", help="The card's first sentences."),
    click.option("--author", help="Who trained it."),
    click.option("--license", help="The licence's id on the Hub, such as `apache-2.0`."),
    click.option("--language", multiple=True, help="A language's code; may be given several times."),
    click.option("--base-model", help="The model it was trained from."),
    click.option("--dataset", "datasets", multiple=True, help="A data set's id; may be given several times."),
    click.option("--tag", "tags", multiple=True, help="A tag; may be given several times."),
    click.option("--intended-use", help="What it is for."),
    click.option("--limitations", help="What it is not good at."),
    click.option("--card-template", "template", type=_PATH, help="A card template of your own."),
)
visibility_option = click.option("--private", is_flag=True, help="Only you may see it.")


def model_options(body: Any) -> Any:
    """Add MODEL_DIR and the options that say what its files do not."""
    for option in reversed(_OPTIONS):
        body = option(body)
    return click.argument("model_dir", type=_PATH)(body)


def card_words(said: dict[str, Any]) -> CardWords:
    """Take out of *said* what only a person can say of a model."""
    from spacehand.model.card.facts import CardWords

    names = [field.name for field in dataclasses.fields(CardWords)]
    return CardWords(**{name: said.pop(name) for name in names if name in said})
