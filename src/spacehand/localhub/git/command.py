"""How git is called: the user's own configuration must not change what the Hub does."""

from __future__ import annotations

import os

MARK = "SPACEHAND_GIT"  # in the environment of every git that a Hub starts

_ALWAYS = {
    "safe.directory": "*",  # the data folder may belong to whoever started the Hub under another name
    "core.fsync": "all",  # a push that was acknowledged survives a power cut
    "uploadpack.allowFilter": "true",  # partial clones
    "uploadpack.allowAnySHA1InWant": "true",
    "receive.unpackLimit": "1",  # a pack is two files to sync, however many objects it holds
    "receive.fsckObjects": "true",  # Spaces are checked out: no `..` or `.git` in a tree
    "receive.fsck.zeroPaddedFilemode": "ignore",  # old repositories have these
    "receive.fsck.missingSpaceBeforeDate": "ignore",
    "receive.autogc": "false",
    "receive.denyDeleteCurrent": "ignore",  # the Hub's own rules say which branch stays
}


def git_command(*arguments: str, **settings: str) -> list[str]:
    """Return the command line of git with *arguments*; *settings* are written ``section__name``."""
    wanted = _ALWAYS | {name.replace("__", "."): value for name, value in settings.items()}
    options = [part for name, value in wanted.items() for part in ("-c", f"{name}={value}")]
    return ["git", *options, *arguments]


def git_environment() -> dict[str, str]:
    """Return the Hub's environment without what would lead git to another repository or configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C", MARK: "1"}
