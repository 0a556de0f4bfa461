"""What a push may not do, asked by git before any branch moves."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spacehand.localhub.commits.proposal import MAX_REGULAR
from spacehand.localhub.errors import HubError
from spacehand.localhub.git.command import git_command, git_environment
from spacehand.localhub.metadata.store import require_valid_readme
from spacehand.localhub.refs.store import MAIN
from spacehand.localhub.repos.snapshot import Pointer

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.store import Repo

NOTHING = "0" * 40
_MAX_POINTER = 200  # bytes
_RULER = "-" * 73


@dataclass(frozen=True, slots=True)
class Move:
    """A branch or tag that a push moves from commit *old* to *new*; `NOTHING` stands for none."""

    old: str
    new: str
    ref: str

    @classmethod
    def parse(cls, line: str) -> Move:
        """Return the move in a line of git's pre-receive hook: ``old new ref``."""
        old, new, ref = line.split(" ", 2)
        return cls(old, new, ref)


class RefusedError(Exception):
    """The push is refused; the message is what the person who pushes reads."""


@dataclass(frozen=True, slots=True)
class _Object:
    kind: str  # `blob` or `tree`, among others
    oid: str
    size: int  # bytes
    path: str


class Inspection:
    """Looks at the objects of a push, which git keeps apart in *quarantine* until it is accepted."""

    def __init__(self, hub: LocalHub, repo: Repo, quarantine: Path) -> None:
        self._hub = hub
        self._repo = repo
        git_dir = hub.repos.git_dir(repo)
        self._environment = git_environment() | {
            "GIT_DIR": str(git_dir),
            "GIT_OBJECT_DIRECTORY": str(quarantine),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(git_dir / "objects"),
        }

    def require_allowed(self, moves: Sequence[Move]) -> None:
        """
        Let the push pass.

        Raises:
            RefusedError: it deletes ``main``, writes outside branches and tags, has names that are not UTF-8,
                large files outside LFS, pointers to bytes that were never uploaded, or a README whose front
                matter is not valid.
        """
        for move in moves:
            if not _is_text(move.ref):
                raise _refused("Your push was rejected because the name of a branch or tag is not UTF-8.")
            if not move.ref.startswith(("refs/heads/", "refs/tags/")):
                raise _refused(f"{move.ref} is neither a branch nor a tag.")
            if move.ref == MAIN and move.new == NOTHING:
                raise _refused(f"Cannot delete {MAIN}.")
        kept = [move for move in moves if move.new != NOTHING]
        fresh = list(self._new_objects([move.new for move in kept]))
        blobs = [one for one in fresh if one.kind == "blob"]
        self._require_names([one for one in fresh if one.kind == "tree"])
        self._require_small(blobs)
        self._require_uploaded(blobs)
        self._require_readmes([move.new for move in kept if move.ref.startswith("refs/heads/")])

    def _require_names(self, trees: Sequence[_Object]) -> None:
        contents = self._contents([tree.oid for tree in trees])
        unreadable = [
            f"{tree.path}/{name}".lstrip("/").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            for tree, content in zip(trees, contents, strict=True)
            for name in _names(content)
            if not _is_text(name)
        ]
        if unreadable:
            raise _refused(
                "Your push was rejected because it contains file names that are not UTF-8.",
                "Please rename them: `convmv -f latin1 -t utf8 -r .` does it for most.",
                files=unreadable,
            )

    def _require_small(self, blobs: Iterable[_Object]) -> None:
        large = [blob.path for blob in blobs if blob.size > MAX_REGULAR]
        if large:
            raise _refused(
                "Your push was rejected because it contains files larger than 10 MiB.",
                "Please use https://git-lfs.github.com/ to store large files.",
                files=large,
            )

    def _require_uploaded(self, blobs: Iterable[_Object]) -> None:
        small = [blob for blob in blobs if blob.size <= _MAX_POINTER]
        contents = self._contents([blob.oid for blob in small])
        missing = [
            blob.path
            for blob, content in zip(small, contents, strict=True)
            if (pointer := Pointer.parse(content)) and not self._is_held(pointer)
        ]
        if missing:
            raise _refused(
                "Your push was rejected because an LFS pointer pointed to a file that does not exist.",
                "For instance, this can happen if you used git push --no-verify to push your changes.",
                files=missing,
            )

    def _is_held(self, pointer: Pointer) -> bool:
        objects = self._hub.objects
        is_held: bool = objects.holds(self._repo.uid, pointer.sha256)
        return is_held and objects.size(pointer.sha256) == pointer.size

    def _require_readmes(self, heads: Sequence[str]) -> None:
        for head in heads:
            content = next(self._contents([f"{head}:README.md"]))
            try:
                require_valid_readme(content.decode("utf-8", "replace"), self._repo.kind)
            except HubError as error:
                raise _refused(f"Your push was rejected: {error.message}") from None

    def _new_objects(self, heads: Sequence[str]) -> Iterator[_Object]:
        """Yield the files and folders that come with *heads* and that no branch or tag has had before."""
        if not heads:
            return
        listed = self._run(["rev-list", "--objects", "--stdin", "--not", "--all"], heads)
        form = "--batch-check=%(objecttype) %(objectname) %(objectsize) %(rest)"
        described = self._run(["cat-file", form], listed.decode("utf-8", "surrogateescape").split("\n")[:-1])
        for line in described.split(b"\n")[:-1]:
            kind, oid, size, path = line.decode("utf-8", "surrogateescape").split(" ", 3)
            yield _Object(kind, oid, int(size), path)

    def _contents(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield what each of *names* holds; nothing where there is no such object."""
        out = self._run(["cat-file", "--batch"], names)
        start = 0
        for _name in names:
            end = out.index(b"\n", start)
            facts = out[start:end].rsplit(b" ", 2)
            if facts[-1] == b"missing":
                yield b""
                start = end + 1
            else:
                size = int(facts[-1])
                yield out[end + 1 : end + 1 + size]
                start = end + 1 + size + 1

    def _run(self, arguments: Sequence[str], lines: Sequence[str]) -> bytes:
        if not lines:
            return b""
        done = subprocess.run(
            git_command(*arguments),
            input="".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"),
            env=self._environment,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            why = done.stderr.decode("utf-8", "replace").strip()
            raise RefusedError(f"The push could not be inspected: {why}")
        return done.stdout


def _names(tree: bytes) -> Iterator[str]:
    """Yield the names in the content of a tree object: mode, name, a zero byte, the 20 bytes of an id."""
    start = 0
    while start < len(tree):
        end = tree.index(b"\0", start)
        yield tree[start:end].split(b" ", 1)[1].decode("utf-8", "surrogateescape")
        start = end + 21


def _is_text(name: str) -> bool:
    """Whether *name*, in which `surrogateescape` kept the bytes that mean nothing, has none of these."""
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


def _refused(*lines: str, files: Sequence[str] = ()) -> RefusedError:
    text = [_RULER, *lines]
    if files:
        text += ["", "Offending files:", *(f"  - {path}" for path in files)]
    return RefusedError("\n".join([*text, _RULER]))
