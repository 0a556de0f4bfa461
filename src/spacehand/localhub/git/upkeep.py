"""Git repositories kept sound and quick: swept after a crash, packed together when packs are many."""

from __future__ import annotations

import logging
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2

from spacehand.localhub.git.command import git_command, git_environment
from spacehand.localhub.git.strays import end_strays

if TYPE_CHECKING:
    from spacehand.localhub.repos.store import Repo, Repos
    from spacehand.localhub.store.place import Place

THREAD = "packing"
_MANY = 32  # packs; each read may have to look into every one
_log = logging.getLogger(__name__)


def keep_what_is_acknowledged() -> None:
    """Let libgit2 sync what it writes, for the whole process: a commit must survive a power cut."""
    pygit2.option(pygit2.enums.Option.ENABLE_FSYNC_GITDIR, True)


def sweep(place: Place) -> None:
    """
    Remove what a killed Hub left in its repositories: without this, a branch could stay locked for ever.

    Only before the Hub serves, when nobody else can hold these locks: not even its git, which may outlive it.
    """
    end_strays(place)
    for repository in place.repos.glob("*.git"):
        locks = [*repository.glob("*.lock"), *(repository / "refs").rglob("*.lock")]
        for left in [*locks, *(repository / "objects" / "pack").glob("tmp_*")]:
            left.unlink(missing_ok=True)
        # Where git keeps the objects of a push until it is accepted.
        for quarantine in (repository / "objects").glob("tmp_objdir-*"):
            shutil.rmtree(quarantine, ignore_errors=True)


class Upkeep:
    """Packs a repository together, in the background, once commits have left many packs in it."""

    def __init__(self, repos: Repos) -> None:
        self._repos = repos
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def pushed(self, repo: Repo, _branch: str, _sha: str) -> None:
        """Look whether *repo* needs it; called after every commit and push, so this is quick."""
        git_dir = self._repos.git_dir(repo)
        if sum(1 for _pack in (git_dir / "objects" / "pack").glob("*.pack")) < _MANY:
            return
        with self._lock:
            if repo.uid in self._busy:
                return
            self._busy.add(repo.uid)
        threading.Thread(target=self._pack, args=(repo.uid, git_dir), name=THREAD, daemon=True).start()

    def _pack(self, uid: str, git_dir: Path) -> None:
        try:
            pack_together(git_dir)
        finally:
            with self._lock:
                self._busy.discard(uid)


def pack_together(git_dir: Path) -> None:
    """Merge small packs into larger ones; nothing is dropped, also what no branch names any more."""
    # Geometric: a large pack is left alone until the small ones together are half its size.
    command = git_command("--git-dir", str(git_dir), "repack", "--geometric=2", "-d", "-q")
    done = subprocess.run(command, env=git_environment(), capture_output=True, check=False)
    if done.returncode:
        _log.warning("packing %s: %s", git_dir.name, done.stderr.decode("utf-8", "replace").strip())
