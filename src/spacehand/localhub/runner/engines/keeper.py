"""
Keeps one app when its Hub has died: holds what it prints, and ends it unless another Hub comes in time.

Runs as a program of its own between the Hub and the relay, with the Hub's rights and the standard library
alone. Its first line of input is a JSON order. On its control socket it talks to one Hub at a time, the
newest, in lines of JSON:

    Hub to keeper   {"behind": N}       first of all: lines up to N are in the log
                    {"kept": N}         so are lines up to N now
                    {"stop": true}      end the app, at first politely
                    {"kill": true}      end it at once
                    {"bye": true}       the exit code is known: nothing is left to do
    keeper to Hub   {"keeper": pid}     first of all
                    {"lines": [[N, "text"], ...]}
                    {"exit": code}      behind the last line
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")  # a progress bar's \r ends a line too
_LONGEST_LINE = 16_384  # characters; the log cuts there as well
_LIMIT = 8 * 1024 * 1024  # characters held for a Hub; a log keeps no more either
_BATCH = 65_536  # characters of one message
_LAST_WORDS_SECONDS = 1.0  # for output after the end: a grandchild may hold the pipe open for ever
_PR_SET_CHILD_SUBREAPER = 36
_KILL_SECONDS = 3.0  # that the relay gets beyond the app's grace


class Output:
    """The app's lines, numbered from 1, until a Hub has them in its log."""

    def __init__(self) -> None:
        self.last = 0  # number of the newest line
        self._lines: deque[tuple[int, str]] = deque()
        self._size = 0
        self._rest = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def take(self, data: bytes) -> None:
        """Add what the app wrote; empty at its end."""
        *lines, rest = _LINE_END.split(self._rest + self._decode(data, not data))
        while len(rest) > _LONGEST_LINE:
            lines.append(rest[:_LONGEST_LINE])
            rest = rest[_LONGEST_LINE:]
        if not data and rest:
            lines.append(rest.rstrip("\r"))
            rest = ""
        self._rest = rest
        for line in lines:
            self.last += 1
            self._lines.append((self.last, line))
            self._size += len(line) + 1

    @property
    def is_full(self) -> bool:
        """Nobody has taken any for too long."""
        return self._size > _LIMIT

    def shrink(self) -> None:
        """Give the oldest lines up, as a log does."""
        while self.is_full:
            self._size -= len(self._lines.popleft()[1]) + 1

    def kept(self, number: int) -> None:
        """Forget the lines up to *number*."""
        while self._lines and self._lines[0][0] <= number:
            self._size -= len(self._lines.popleft()[1]) + 1

    def behind(self, number: int) -> list[tuple[int, str]]:
        """Return the lines that follow *number*, as many as make one message."""
        found: list[tuple[int, str]] = []
        size = 0
        for one, line in self._lines:
            if one > number:
                found.append((one, line))
                size += len(line) + 1
                if size > _BATCH:
                    break
        return found


class Hub:
    """The Hub that is connected now."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.sent: int | None = None  # number of the last line sent; None until it says where it is
        self.told_exit = False
        self._incoming = bytearray()
        self._outgoing = bytearray()

    @property
    def is_behind(self) -> bool:
        """It has not taken yet what it was sent."""
        return bool(self._outgoing)

    def say(self, message: dict[str, Any]) -> None:
        self._outgoing += json.dumps(message).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what it takes now."""
        with contextlib.suppress(BlockingIOError, OSError):  # that it is gone shows in reading
            sent = self.connection.send(self._outgoing)
            del self._outgoing[:sent]

    def heard(self) -> list[dict[str, Any]] | None:
        """Return the messages that have come; None when it is gone."""
        try:
            data = self.connection.recv(65_536)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self._incoming += data
        *lines, rest = self._incoming.split(b"\n")
        self._incoming = bytearray(rest)
        return [json.loads(line) for line in lines]


class Keeper:
    """The app's relay, its output and its Hub, in one loop."""

    def __init__(self, order: dict[str, Any], now: Callable[[], float] = time.monotonic) -> None:
        self._order = order
        self._now = now
        self._select = selectors.DefaultSelector()
        self._control = socket.socket(fileno=order["control"])
        self._control.setblocking(False)
        self._output = Output()
        self._hub: Hub | None = None
        self._alone_since = now()
        self._stopped_at: float | None = None
        self._ended_at: float | None = None
        self._reading = False
        self._done = False

    def run(self) -> None:
        """Start the relay and return when everything about it is told, or nobody is left to be told."""
        waking = self._wake_on_signals()
        self._relay = self._start()
        assert self._relay.stdout is not None  # noqa: S101 - a pipe
        self._pipe = self._relay.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._select.register(self._control, selectors.EVENT_READ)
        self._select.register(waking, selectors.EVENT_READ)
        while not self._done:
            self._balance()
            for key, _ in self._select.select(self._patience()):
                if key.fileobj is self._control:
                    self._greet()
                elif key.fileobj == waking:
                    with contextlib.suppress(BlockingIOError):
                        os.read(waking, 4096)
                elif key.fileobj == self._pipe:
                    self._read()
                elif self._hub is not None and key.fileobj is self._hub.connection:
                    self._hear(self._hub)
            self._look()

    def _start(self) -> subprocess.Popen[bytes]:
        groups = self._order["groups"]

        def join() -> None:
            for path in groups:
                # Between fork and exec: as little as can be. A group that is gone holds nobody up.
                with contextlib.suppress(OSError), open(path, "w") as file:  # noqa: PTH123
                    file.write("0")

        relay = subprocess.Popen(
            self._order["command"],
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self._order["keep_open"],
            start_new_session=True,
            preexec_fn=join if groups else None,
        )
        for descriptor in self._order["keep_open"]:
            os.close(descriptor)
        # Not on the command line and not in the relay's environment, where other users could read it.
        assert relay.stdin is not None  # noqa: S101 - a pipe
        with contextlib.suppress(BrokenPipeError):
            relay.stdin.write(json.dumps(self._order["relay"]).encode() + b"\n")
            relay.stdin.flush()
        return relay

    def _wake_on_signals(self) -> int:
        """Return a descriptor that can be read once a child has ended or we are asked to end."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return reading

    def _patience(self) -> float | None:
        """Return the seconds until something is due."""
        due = []
        if self._hub is None:
            due.append(self._alone_since + self._order["alone"])
        if self._stopped_at is not None and self._ended_at is None:
            due.append(self._stopped_at + self._order["grace"] + _KILL_SECONDS)
        if self._ended_at is not None and self._reading:
            due.append(self._ended_at + _LAST_WORDS_SECONDS)
        return max(0.0, min(due) - self._now()) if due else None

    def _look(self) -> None:
        """Do what is due."""
        now = self._now()
        self._reap()
        if self._ended_at is None and self._relay.poll() is not None:
            self._ended_at = now
            self._kill()  # also what a relay left that was killed itself
        if self._hub is None and now >= self._alone_since + self._order["alone"]:
            if self._ended_at is not None:
                self._done = True
            else:
                self._stop()
        if self._ended_at is not None:
            if self._pipe >= 0 and now >= self._ended_at + _LAST_WORDS_SECONDS:
                self._finish_output()
        elif self._stopped_at is not None and now >= self._stopped_at + self._order["grace"] + _KILL_SECONDS:
            self._kill()
        self._tell()

    def _balance(self) -> None:
        """Read from the app as fast as the Hub takes it; without a Hub, keep the newest."""
        if self._hub is None:
            self._output.shrink()
        wanted = self._pipe >= 0 and not (self._hub is not None and self._output.is_full)
        if wanted and not self._reading:
            self._select.register(self._pipe, selectors.EVENT_READ)
        elif self._reading and not wanted:
            self._select.unregister(self._pipe)
        self._reading = wanted
        if self._hub is not None:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._hub.is_behind else 0)
            self._select.modify(self._hub.connection, events)

    def _greet(self) -> None:
        """Take the Hub that has come; an earlier one is dead, or about to be."""
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._control.accept()
            self._leave()
            self._hub = Hub(connection)
            self._select.register(connection, selectors.EVENT_READ)
            self._hub.say({"keeper": os.getpid()})

    def _leave(self) -> None:
        if self._hub is not None:
            self._select.unregister(self._hub.connection)
            self._hub.connection.close()
            self._hub = None
            self._alone_since = self._now()

    def _hear(self, hub: Hub) -> None:
        hub.flush()
        messages = hub.heard()
        if messages is None:
            self._leave()
            return
        for message in messages:
            if "behind" in message:
                hub.sent = message["behind"]
                self._output.kept(message["behind"])
            elif "kept" in message:
                self._output.kept(message["kept"])
            elif "stop" in message:
                self._stop()
            elif "kill" in message:
                self._kill()
            elif "bye" in message:
                self._done = True

    def _tell(self) -> None:
        """Send the Hub what is new; the exit code last."""
        hub = self._hub
        if hub is None or hub.sent is None or hub.is_behind:
            return
        while not hub.is_behind and (lines := self._output.behind(hub.sent)):
            hub.say({"lines": lines})
            hub.sent = lines[-1][0]
        if self._pipe < 0 and not hub.is_behind and not hub.told_exit and self._ended_at is not None:
            code = self._relay.returncode
            hub.told_exit = True
            hub.say({"exit": 128 - code if code < 0 else code})

    def _read(self) -> None:
        try:
            data = os.read(self._pipe, 65_536)
        except BlockingIOError:
            return
        if data:
            self._output.take(data)
        else:
            self._finish_output()

    def _finish_output(self) -> None:
        if self._reading:
            self._select.unregister(self._pipe)
            self._reading = False
        self._pipe = -1
        self._output.take(b"")

    def _stop(self) -> None:
        """Let the relay end the app: it does so at the end of its input."""
        if self._stopped_at is None and self._relay.stdin is not None:
            self._stopped_at = self._now()
            self._relay.stdin.close()

    def _kill(self) -> None:
        """Kill everything below us, also what was started while we did so."""
        while below := _below(os.getpid()):
            for pid in below:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._reap()

    def _reap(self) -> None:
        """Take note of the end of what was left to us; that of the relay is for `poll`."""
        with contextlib.suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid == self._relay.pid:
                    return
                os.waitpid(found.si_pid, 0)


def _below(top: int) -> set[int]:
    """Return the processes that *top* or one below it has started and that live."""
    parents = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - a hundred names, many times a day
        with contextlib.suppress(OSError, ValueError):
            # The name in brackets may hold spaces and brackets of its own.
            state, parent = Path("/proc", str(int(name)), "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                parents[int(name)] = int(parent)
    found: set[int] = set()
    new = {top}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def _become_heir() -> None:
    """Let what the relay or the app leave behind be our own child, so that it can be found and ended."""
    with contextlib.suppress(AttributeError, OSError):  # Linux alone has it
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> None:
    """Obey the order on the input."""
    line = sys.stdin.buffer.readline()
    if line.endswith(b"\n"):  # else the Hub died before it had said what to do
        _become_heir()
        Keeper(json.loads(line)).run()


if __name__ == "__main__":
    main()
