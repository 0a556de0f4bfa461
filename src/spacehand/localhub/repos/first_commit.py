"""What a new repository holds before anybody pushed to it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pygit2

from spacehand.ids import RepoId, RepoKind

# Files that git should never hold itself; the Hub writes the same list into every new repository.
_LARGE = (
    "7z arrow bin bz2 ckpt ftz gz h5 joblib lfs.* mlmodel model msgpack npy npz onnx ot parquet pb pickle",
    "pkl pt pth rar safetensors tar.* tar tflite tgz wasm xz zip zst",
)
_SUFFIXES = [suffix for line in _LARGE for suffix in line.split()]
_LARGE_PATTERNS = [*(f"*.{suffix}" for suffix in _SUFFIXES), "saved_model/**/*", "*tfevents*"]
LFS_LINE = "{pattern} filter=lfs diff=lfs merge=lfs -text\n"
GIT_ATTRIBUTES = "".join(LFS_LINE.format(pattern=pattern) for pattern in sorted(_LARGE_PATTERNS))

_SPACE_README = """\
---
title: {title}
emoji: 🚀
colorFrom: indigo
colorTo: blue
sdk: {sdk}
{app_file}pinned: false
---

What the fields above mean: https://huggingface.co/docs/hub/spaces-config-reference
"""


def make_repository(folder: Path, kind: RepoKind, repo: RepoId, *, sdk: str | None, author: str) -> None:
    """Make a bare repository in *folder* whose ``main`` has one commit."""
    git = pygit2.init_repository(str(folder), bare=True, initial_head="main")
    # A clone may ask for a commit that no branch names any more, as `snapshot_download(revision=sha)` does.
    git.config["uploadpack.allowAnySHA1InWant"] = True
    git.config["http.receivepack"] = True
    tree = git.TreeBuilder()
    blob = pygit2.enums.FileMode.BLOB
    tree.insert(".gitattributes", git.create_blob(GIT_ATTRIBUTES.encode()), blob)
    if kind is RepoKind.SPACE:
        tree.insert("README.md", git.create_blob(_space_readme(repo, sdk or "gradio").encode()), blob)
    who = signature(author)
    git.create_commit("refs/heads/main", who, who, "initial commit", tree.write(), [])


def copy_repository(source: Path, target: Path) -> None:
    """
    Copy a bare repository, sharing its objects, which git never changes in place.

    Branches come first: whatever a push adds in the meantime, the objects that they need are there already.
    """
    shutil.copytree(source, target, ignore=lambda *_: ["objects"])
    unfinished = shutil.ignore_patterns("tmp_*", "incoming-*", "tmp_objdir-*", "*.lock")
    shutil.copytree(source / "objects", target / "objects", ignore=unfinished, copy_function=_link)


def make_durable(folder: Path) -> None:
    """Have the disk itself hold everything in *folder*, as a commit that follows will."""
    for root, _folders, files in os.walk(folder):
        for name in (*files, "."):
            descriptor = os.open(Path(root) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def signature(author: str) -> pygit2.Signature:
    """Return the git identity of a user, stamped with the present time."""
    return pygit2.Signature(author, f"{author}@users.noreply.localhost")


def _space_readme(repo: RepoId, sdk: str) -> str:
    app_file = "" if sdk in ("docker", "static") else "app_file: app.py\n"
    title = repo.name.replace("-", " ").replace("_", " ").title()
    return _SPACE_README.format(title=_quoted(title), sdk=sdk, app_file=app_file)


def _quoted(title: str) -> str:
    # `123`, `1.5`, `On`, `Null` alone would be read as something else than text.
    plain = title.replace(" ", "").isalpha() and title.lower() not in (
        "on",
        "off",
        "yes",
        "no",
        "null",
        "true",
        "false",
        "y",
        "n",
    )
    return title if plain else f'"{title}"'


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
