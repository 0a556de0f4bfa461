#!/usr/bin/env python3
"""Publish a model folder, as the older script did; see also `spacehand publish`."""

from __future__ import annotations

import argparse
import sys

import secret_arguments

WORDS = ("author-name", "model-description", "model-name", "dataset-name")
SETTINGS = (
    "experiment-name",
    "training-config-type",
    "trainer-type",
    "batch-size",
    "gradient-accumulation-steps",
    "learning-rate",
    "max-epochs",
    "max-seq-length",
)
GONE = ("dataset-repo", "trackio-url")


def main() -> int:
    """Return 0 when the folder is published, 1 when it is not, 2 for what is not done here."""
    given = secret_arguments.take("--token", "--hf-token")
    said = vars(_parser().parse_args())
    if said.pop("kind") == "dataset":
        sys.stderr.write(
            "error: Data sets are not published here\n\n"
            "hint: `hf upload OWNER/NAME FILE --repo-type dataset` does it, on either Hub\n"
        )
        return 2
    from spacehand.compat import HuggingFacePusher

    token = given.get("--token") or given.get("--hf-token")
    pusher = HuggingFacePusher(said.pop("path"), said.pop("repo"), token=token, **said)
    return 0 if pusher.push_model() else 1


def _parser() -> argparse.ArgumentParser:
    # No abbreviations: `--tok` would slip past what takes tokens off the command line.
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    kinds = parser.add_subparsers(dest="kind", required=True)
    model = kinds.add_parser("model", help="a model folder", allow_abbrev=False)
    model.add_argument("path", help="the folder the training wrote")
    model.add_argument("repo", help="`owner/name`, or a name of your own")
    # For --help alone: whoever gives it has had it taken before.
    model.add_argument("--token", help="better: set HF_TOKEN", default=argparse.SUPPRESS)
    model.add_argument("--private", action="store_true", help="only you may see it")
    for name in (*WORDS, *SETTINGS):
        model.add_argument(f"--{name}")
    for name in GONE:
        model.add_argument(f"--{name}", help="accepted, and ignored")
    dataset = kinds.add_parser("dataset", help="not done here")
    dataset.add_argument("rest", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main())
