"""Names of things on a Hub, parsed once at the edge."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from spacehand.errors import UsageError

# What the Hub accepts: letters, digits, `-`, `_`, `.`; no `--`, no `..`; at most 96 characters.
_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?\Z")


class RepoKind(StrEnum):
    """The three kinds of repository, spelled as the Hub's API spells them."""

    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"

    @property
    def plural(self) -> str:
        """The word in API paths: ``/api/models/…``."""
        return f"{self.value}s"

    @property
    def web_prefix(self) -> str:
        """What precedes ``owner/name`` in a web address; nothing for models."""
        return "" if self is RepoKind.MODEL else f"{self.plural}/"


class Visibility(StrEnum):
    """Who may see a repository."""

    PUBLIC = "public"
    PRIVATE = "private"
    PROTECTED = "protected"  # the app is public, its files are not


@dataclass(frozen=True, slots=True)
class RepoId:
    """``owner/name``, checked once, at the edge."""

    owner: str
    name: str

    @classmethod
    def parse(cls, text: str) -> RepoId:
        """
        Return the id that *text* names: ``owner/name``, ``spaces/owner/name``, or a full URL.

        Raises:
            UsageError: *text* is not an id.
        """
        bare = re.sub(r"\Ahttps?://[^/]+/", "", text.strip()).strip("/")
        bare = re.sub(r"\A(?:spaces|models|datasets)/", "", bare)
        owner, slash, name = bare.partition("/")
        if not slash or not _is_part(owner) or not _is_part(name):
            raise UsageError(
                f"`{text}` is not a repository id",
                hint="Write it as `owner/name`, with letters, digits, `-`, `_` and `.`",
            )
        return cls(owner, name)

    @property
    def subdomain(self) -> str:
        """``owner-name`` as the Hub writes it in a Space's host: lower case, all else becomes ``-``."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.owner}-{self.name}".lower()).strip("-")

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


def _is_part(text: str) -> bool:
    return bool(_PART.match(text)) and "--" not in text and ".." not in text and not text.endswith(".git")
