"""What ``publish`` and ``ship`` share about quantized copies."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from spacehand.cli.terminal import Terminal
from spacehand.home import home

if TYPE_CHECKING:
    from spacehand.hub.digests import Digests
    from spacehand.model.artifact import Model

_NEEDS = ("torch", "transformers", "torchao")

variant_option = click.option(
    "--variant",
    type=click.Choice(["int8"]),
    help="Publish a quantized copy, too, in the subfolder of this name; made with PyTorch, which is fetched "
    "for it where it is not installed.",
)


def with_variant(terminal: Terminal, model: Model, variant: str | None, digests: Digests) -> Model:
    """Return *model* with the copy that `--variant` asks for beside it."""
    if variant is None:
        return model
    from spacehand.model.quantized import Quantizer

    python, environ = _python()
    quantizer = Quantizer(python, environ, home() / "variants")
    return quantizer.with_int8(model, digests, report=terminal.report)


def _python() -> tuple[Sequence[str], Mapping[str, str]]:
    """Return how to start a Python with PyTorch: this one, or one with what the speech app itself needs."""
    if all(importlib.util.find_spec(name) for name in _NEEDS):
        return (sys.executable,), os.environ
    from uv import find_uv_bin

    from spacehand.localhub.runner.build.package_index import uv_environment
    from spacehand.space.template import template

    needs = template("voxtral-asr").folder / "requirements" / "transformers.txt"
    words = ("run", "--quiet", "--no-project", "--python", sys.executable, "--with-requirements", str(needs))
    return (find_uv_bin(), *words, "python"), uv_environment()
