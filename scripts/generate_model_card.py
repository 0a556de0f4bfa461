#!/usr/bin/env python3
"""Write a model card from variables, as the older script did; see also `spacehand card`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

VARIABLES = (
    "model-name",
    "model-description",
    "base-model",
    "dataset-name",
    "training-config-type",
    "trainer-type",
    "batch-size",
    "gradient-accumulation-steps",
    "learning-rate",
    "max-epochs",
    "max-seq-length",
    "hardware-info",
    "experiment-name",
    "trackio-url",
    "dataset-repo",
    "dataset-size",
    "dataset-format",
    "dataset-sample-size",
    "author-name",
    "model-name-slug",
    "training-loss",
    "validation-loss",
    "perplexity",
)
SWITCHES = ("quantized-models", "has-hub-dataset-id", "include-model-index")


def main() -> int:
    """Return 0 when the card is written, else the exit code of what went wrong."""
    said = vars(_parser().parse_args())
    from spacehand.compat import ModelCardGenerator
    from spacehand.errors import SpacehandError

    output, template = said.pop("output"), said.pop("template")
    generator = ModelCardGenerator(template)
    try:
        text = generator.generate_model_card(_variables(said))
    except SpacehandError as error:
        hint = f"\n\nhint: {error.hint}" if error.hint else ""
        where = f"\n  at {error.where}" if error.where else ""
        sys.stderr.write(f"error: {error.message}{where}{hint}\n")
        return error.exit_code
    if not generator.save_model_card(text, output):
        return 1
    print(output)
    return 0


def _variables(said: dict[str, Any]) -> dict[str, Any]:
    """Return what was said; what was not is no variable at all, and so no fact."""
    return {name: value for name, value in said.items() if value is not None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo-name", required=True, help="`owner/name`")
    parser.add_argument("--output", default="README.md", help="the file to write (README.md)")
    parser.add_argument("--template", help="an older project's card template; else the bundled one")
    for name in VARIABLES:
        parser.add_argument(f"--{name}")
    for name in SWITCHES:
        parser.add_argument(f"--{name}", nargs="?", const="true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
