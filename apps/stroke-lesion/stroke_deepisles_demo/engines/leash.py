"""
Runs a command for as long as whoever asked for it lives; a process of its own, by the app's Python.

A job that is cancelled is killed, and cannot clear up. The other end of this program's standard input is
then closed, which is how it learns that it is alone: it ends the command, and runs what clears up after it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

_CLEARED_IN = 60  # seconds


def main() -> None:
    """Run the words after the first; that one is the command that clears up, as a JSON list."""
    clear_up, *command = sys.argv[1:]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    alone = threading.Event()
    threading.Thread(target=_pass_on, args=(process, alone), daemon=True).start()
    sys.stdin.buffer.read()
    alone.set()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if words := json.loads(clear_up):
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(words, capture_output=True, timeout=_CLEARED_IN, check=False)


def _pass_on(process: subprocess.Popen[bytes], alone: threading.Event) -> None:
    """End as *process* does, unless this program is *alone*: then it has something to clear up."""
    status = process.wait()
    if not alone.is_set():
        os._exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
