import subprocess
from pathlib import Path

import psutil
import pygit2

from spacehand.localhub.git.command import git_command, git_environment
from spacehand.localhub.git.strays import end_strays
from spacehand.localhub.store.place import Place


def waiting_git(place: Place, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Return a git in a repository of *place* that waits to be asked."""
    git_dir = place.repos / "some.git"
    pygit2.init_repository(str(git_dir), bare=True)
    command = git_command("--git-dir", str(git_dir), "cat-file", "--batch")
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_git_of_a_killed_hub_is_ended_and_nobody_elses(tmp_path: Path) -> None:
    """
    What an earlier Hub's git does in this folder ends; another Hub's git goes on, and so does the user's own.
    """
    mine, other = Place(tmp_path / "mine"), Place(tmp_path / "other")
    for place in (mine, other):
        place.create()
    users = {name: text for name, text in git_environment().items() if not name.startswith("SPACEHAND")}
    stray = waiting_git(mine, git_environment())
    kept = [waiting_git(other, git_environment()), waiting_git(mine, users)]
    try:
        end_strays(mine)

        assert not psutil.pid_exists(stray.pid)
        assert [process.poll() for process in kept] == [None, None]
    finally:
        for process in (stray, *kept):
            process.kill()
            process.communicate()
