"""The processes of an app."""

from __future__ import annotations

import os
import subprocess
import sys

from spacehand.localhub.runner.engines.family import descendants

PARENT = """
import subprocess, sys, threading
def start():
    child = subprocess.Popen(["sleep", "60"])
    print(child.pid, flush=True)
thread = threading.Thread(target=start)
thread.start()
sys.stdin.read()
"""


def test_descendants_of_every_thread_are_found() -> None:
    """
    A child's child is found, whichever thread started it; a process that is gone has none.
    """
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        grandchild = int(parent.stdout.readline())
        found = {process.pid: process for process in descendants(os.getpid())}
        assert {parent.pid, grandchild} <= found.keys()
        found[grandchild].kill()
        parent.communicate()
    assert descendants(parent.pid) == []
