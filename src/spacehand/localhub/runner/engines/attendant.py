"""
Stands in for a container as a process: prints what it prints, ends when it ends, and with its exit code.

Runs as a program of its own under the relay, with the standard library alone. SIGTERM stops the container, at
first politely, and removes it: so a container whose Hub is gone ends as any other app does.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
from typing import Any

_HEADER_BYTES = 8  # of each piece of a log: the stream's number, three zeros, the length
_WORDS_SECONDS = 5.0  # that the last of the log may take once the container has ended
_LOST = 125  # docker's own exit code for a failure of its own


class Daemon(http.client.HTTPConnection):
    """One request to the docker daemon behind a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


def ask(path: str, method: str, url: str) -> http.client.HTTPResponse:
    """Return the daemon's answer, its body still to be read."""
    connection = Daemon(path)
    connection.request(method, url)
    return connection.getresponse()


def tell(path: str, method: str, url: str) -> Any:
    """Return the daemon's answer, read."""
    body = ask(path, method, url).read()
    return json.loads(body) if body else None


def copy_log(path: str, container: str) -> None:
    """Print what the container has printed, then what it prints, until it ends."""
    answer = ask(path, "GET", f"/containers/{container}/logs?follow=1&stdout=1&stderr=1")
    while len(header := answer.read(_HEADER_BYTES)) == _HEADER_BYTES:
        rest = int.from_bytes(header[4:], "big")
        while rest and (piece := answer.read(rest)):
            sys.stdout.buffer.write(piece)
            rest -= len(piece)
        sys.stdout.buffer.flush()


def end(path: str, container: str, grace: str) -> None:
    """Stop the container, with SIGKILL after *grace* seconds."""
    tell(path, "POST", f"/containers/{container}/stop?t={grace}")


def main(path: str, container: str, grace: str) -> int:
    """Return the container's exit code once it has ended."""
    asked = threading.Event()

    def stop(*_: object) -> None:
        if not asked.is_set():
            asked.set()
            threading.Thread(target=end, args=(path, container, grace), daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    log = threading.Thread(target=copy_log, args=(path, container), daemon=True)
    log.start()
    try:
        code = int(tell(path, "POST", f"/containers/{container}/wait")["StatusCode"])
        log.join(_WORDS_SECONDS)
        if asked.is_set():
            tell(path, "DELETE", f"/containers/{container}?force=1")
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        sys.stdout.write(f"[spacehand] the docker daemon is gone: {error}\n")
        return _LOST
    return code


if __name__ == "__main__":
    _code = main(*sys.argv[1:4])
    sys.stdout.flush()
    os._exit(_code)  # threads that wait for the daemon would hold an ordinary exit back
