#!/usr/bin/env python3
"""Show a published model in a Space, as the older script did; see also `spacehand ship`."""

from __future__ import annotations

import argparse
import sys

import secret_arguments

BRAND = (
    "owner-name",
    "team-name",
    "discord-url",
    "hf-org",
    "hf-label",
    "hf-url",
    "gh-org",
    "gh-label",
    "gh-url",
    "project-name",
    "project-url",
)


def main() -> int:
    """Return 0 once the Space serves the model, 1 when it does not."""
    given = secret_arguments.take("--hf-token", "--token", "--space-secret-token")
    said = vars(_parser().parse_args())
    from spacehand.compat import DemoSpaceDeployer

    deployer = DemoSpaceDeployer(
        hf_token=given.get("--hf-token") or given.get("--token"),
        space_secret_token=given.get("--space-secret-token"),
        **said,
    )
    return 0 if deployer.deploy() else 1


def _parser() -> argparse.ArgumentParser:
    # No abbreviations: `--hf-tok` would slip past what takes tokens off the command line.
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    # For --help alone: whoever gives one of these has had it taken before.
    parser.add_argument("--hf-token", help="better: set HF_TOKEN", default=argparse.SUPPRESS)
    parser.add_argument(
        "--space-secret-token", help="what the Space reads a private model with", default=argparse.SUPPRESS
    )
    parser.add_argument("--hf-username", help="whose Space it is; the token's owner unless given")
    parser.add_argument("--model-id", required=True, help="`owner/name` of the model on the Hub")
    parser.add_argument("--subfolder", help="where in the repository the weights are; the top unless given")
    parser.add_argument("--space-name", help="the model's name with `-demo` unless given")
    parser.add_argument("--demo-type", help="`voxtral`")
    parser.add_argument("--disable-examples", action="store_true", default=None)
    parser.add_argument("--examples-json")
    for name in ("config-file", "examples-type"):
        parser.add_argument(f"--{name}", help="accepted, and ignored")
    for name in BRAND:
        parser.add_argument(f"--brand-{name}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
