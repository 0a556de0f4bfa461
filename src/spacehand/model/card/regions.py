"""
The parts of a card that spacehand writes, fenced so that a person's text and changes survive.

    <!-- spacehand:begin weights sha256=0123456789abcdef -->
    …
    <!-- spacehand:end weights -->

What stands outside the fences is the person's. A block whose text no longer has its fence's hash was edited:
it stays as it is. A block that was taken out stays out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_FENCED = re.compile(
    r"<!-- spacehand:begin (?P<name>[a-z_]+) sha256=(?P<sha256>[0-9a-f]*) -->\n?"
    r"(?P<text>.*?)\n?<!-- spacehand:end (?P=name) -->",
    re.DOTALL,
)
_STRAY = re.compile(r"^<!-- spacehand:(?:begin|end) [^\n]*-->[ \t]*\n?", re.MULTILINE)
_RECORD = re.compile(r"\n*<!-- spacehand:card(?P<said>(?: [a-z]+=[^\s]*)*) -->\s*\Z")
_HEADING = re.compile(r"^# .*\S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fenced:
    """One block between its fences."""

    name: str
    sha256: str  # as the fence says
    text: str

    @property
    def is_edited(self) -> bool:
        """Whether somebody changed the text since it was written."""
        return self.sha256 != digest(self.text)

    def __str__(self) -> str:
        begin = f"<!-- spacehand:begin {self.name} sha256={self.sha256} -->"
        return f"{begin}\n{self.text}\n<!-- spacehand:end {self.name} -->"


@dataclass(frozen=True, slots=True)
class Record:
    """What the last publish left for the next one, in a comment at the end of the card."""

    blocks: tuple[str, ...]
    header: Mapping[str, str]  # key: fingerprint
    folder: str  # digest of the README.md that lay in the model's folder, or ""
    outside: str  # digest of the text outside the fences

    def __str__(self) -> str:
        header = ",".join(f"{key}:{sha256}" for key, sha256 in self.header.items())
        return (
            f"<!-- spacehand:card blocks={','.join(self.blocks)} header={header} "
            f"folder={self.folder} outside={self.outside} -->"
        )


Body = list[str | Fenced]


def digest(text: str) -> str:
    """Return a short hash of *text* that does not mind how lines end."""
    plain = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))
    return hashlib.sha256(plain.encode(errors="replace")).hexdigest()[:16]


def fenced(name: str, text: str) -> Fenced:
    """Return *text* as a block that nobody has edited yet."""
    return Fenced(name, digest(text), text.strip())


def read_record(text: str) -> tuple[str, Record | None]:
    """Return *text* without the record at its end, and the record."""
    match = _RECORD.search(text)
    if match is None:
        return text, None
    said = dict(part.split("=", 1) for part in match["said"].split())
    header = dict(part.split(":", 1) for part in said.get("header", "").split(",") if ":" in part)
    blocks = tuple(filter(None, said.get("blocks", "").split(",")))
    return text[: match.start()], Record(blocks, header, said.get("folder", ""), said.get("outside", ""))


def parse(text: str) -> Body:
    """Return the pieces of a card's body; a fence without its other half is dropped, its text kept."""
    body: Body = []
    seen: set[str] = set()
    place = 0
    for match in _FENCED.finditer(text):
        if match["name"] in seen or "<!-- spacehand:begin" in match["text"]:
            continue  # copied twice, or broken: it is text now, and its fences go
        seen.add(match["name"])
        body += [text[place : match.start()], Fenced(match["name"], match["sha256"], match["text"].strip())]
        place = match.end()
    body.append(text[place:])
    cleaned = [piece if isinstance(piece, Fenced) else _STRAY.sub("", piece).strip("\n") for piece in body]
    return [piece for piece in cleaned if isinstance(piece, Fenced) or piece.strip()]


def outside(body: Body) -> str:
    """Return the person's own text."""
    return "\n\n".join(piece for piece in body if isinstance(piece, str))


def merge(old: Body, new: Sequence[Fenced], *, known: Sequence[str] = ()) -> tuple[Body, list[str]]:
    """
    Return *old* with its blocks brought up to *new*, and the names of the blocks that a person keeps.

    *known* are the blocks that the last publish wrote: one of them that is not in *old* was taken out.
    """
    fresh = {block.name: block for block in new}
    there = {piece.name for piece in old if isinstance(piece, Fenced)}
    kept = [name for name in fresh if name in known and name not in there]
    merged: Body = []
    for piece in old:
        if isinstance(piece, str):
            merged.append(piece)
        elif piece.is_edited:
            merged.append(piece)
            kept.append(piece.name)
        elif piece.name in fresh:
            merged.append(fresh[piece.name])
    previous: str | None = None
    for block in new:
        if block.name not in there and block.name not in known:
            _insert(merged, block, previous)
        if block.name in {piece.name for piece in merged if isinstance(piece, Fenced)}:
            previous = block.name
    return merged, kept


def has_heading(body: Body) -> bool:
    """Whether the person's own text has a title."""
    return bool(_HEADING.search(re.sub(r"```.*?```", "", outside(body), flags=re.DOTALL)))


def write(body: Body) -> str:
    """Return the pieces as one text."""
    return "\n\n".join(str(piece).strip("\n") for piece in body) + "\n"


def _insert(body: Body, block: Fenced, previous: str | None) -> None:
    """Put *block* behind the block named *previous*, or at the end."""
    for place, piece in enumerate(body):
        if isinstance(piece, Fenced) and piece.name == previous:
            body.insert(place + 1, block)
            return
    body.append(block)
