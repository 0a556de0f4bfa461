"""Run the local Hub as a process: in the foreground, in the background, find it, stop it."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from spacehand.errors import HubUnreachableError, PortInUseError, SpacehandError
from spacehand.localhub.egress import Egress
from spacehand.localhub.store.place import Place

DEFAULT_PORT = 7870
START_SECONDS = 30.0
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to run a Hub; port 0 is any free one, *owner* None the login name."""

    data: Path
    port: int = DEFAULT_PORT
    owner: str | None = None
    any_python: bool = False
    unsafe_builds: bool = False  # where there is no sandbox, build packages from source as this user
    pretend_hardware: bool = False  # run apps that ask for a GPU without one
    egress: Egress = Egress.HUB_ONLY
    engine: str | None = None  # that runs images: docker, buildah or swarm; None: the best that works


@dataclass(frozen=True, slots=True)
class Running:
    """A Hub that answers; *token* is its owner's."""

    url: str
    pid: int
    token: str


def serve(options: ServerOptions, *, ready: Callable[[str], None] = print) -> None:
    """
    Run a Hub until SIGTERM or Ctrl-C; call *ready* with its URL once it answers.

    Raises:
        PortInUseError: another program listens on the port.
        ConflictError: another Hub uses the data folder.
    """
    from spacehand.localhub._uvicorn import run  # a server's imports are not free, and clients need none

    run(options, ready)


def listen(port: int) -> socket.socket:
    """
    Return a socket that is bound to *port* of the loopback address.

    Raises:
        PortInUseError: another program listens there.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"Port {port} is in use by another program",
            where=f"127.0.0.1:{port}",
            hint="Choose another with `--port`; 0 takes any free one",
        ) from error
    return listener


def usual_port(data: Path) -> int:
    """Return the port that the Hub of *data* had last; the default one before its first start."""
    try:
        return int(Place(data).last_port.read_text())
    except (OSError, ValueError):
        return DEFAULT_PORT


def start_detached(options: ServerOptions, *, timeout: float = START_SECONDS) -> Running:
    """
    Start a Hub in the background and return once it answers; one that runs already is returned as it is.

    Its log is ``hub.log`` in the data folder.

    Raises:
        PortInUseError: another program listens on the port.
        HubUnreachableError: it did not start within *timeout* seconds; the message ends with its last words.
    """
    if (found := running(options.data)) is not None:
        return found
    listen(options.port).close()
    place = Place(options.data)
    place.create()
    with place.log.open("ab") as log:
        process = subprocess.Popen(
            command(options),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_without_secrets(os.environ),
            start_new_session=True,
        )
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = running(options.data)
        if found is not None:
            return found
        if process.poll() is not None:
            break
        time.sleep(0.02)
    else:
        process.terminate()
    raise HubUnreachableError(
        f"The local Hub did not start: {_last_words(place.log)}",
        where=str(place.log),
        hint=_port_hint(options),
    )


# Where tools keep tokens: a Hub that lives on for days has no use for those of the shell that started it.
_SECRET_NAME = re.compile(
    r"(?i)(?:\A|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|ACCESS_KEY)(?:\Z|_)"
)


def _without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* without what is named as a secret; the package index's own settings stay."""
    kept_for_builds = ("UV_", "PIP_")
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(kept_for_builds) or not _SECRET_NAME.search(name)
    }


def command(options: ServerOptions) -> list[str]:
    """Return the command line that runs a Hub with *options* in the foreground."""
    words = [sys.executable, "-m", "spacehand.localhub.server"]
    words += ["--data", str(options.data), "--port", str(options.port)]
    if options.owner is not None:
        words += ["--owner", options.owner]
    if options.any_python:
        words.append("--any-python")
    if options.unsafe_builds:
        words.append("--unsafe-builds")
    if options.pretend_hardware:
        words.append("--pretend-hardware")
    if options.engine is not None:
        words += ["--engine", options.engine]
    return [*words, "--egress", options.egress.value]


def running(data: Path) -> Running | None:
    """Return the Hub that uses the folder *data*, if it answers."""
    place = Place(data)
    try:
        described = json.loads(place.description.read_text())
        url, pid = str(described["url"]), int(described["pid"])
        token = Path(described["token_file"]).read_text().strip()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Running(url, pid, token) if _is_alive(pid) and _answering_pid(url) == pid else None


def stop(data: Path, *, timeout: float = STOP_SECONDS) -> bool:
    """
    Stop the Hub that uses *data*, its Spaces with it; return whether there was one.

    Raises:
        SpacehandError: it still runs after *timeout* seconds.
    """
    found = running(data)
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while _is_alive(found.pid):
        if time.monotonic() > deadline:
            raise SpacehandError(
                f"The local Hub (process {found.pid}) still runs after {timeout:.0f} s",
                hint=f"End it with `kill -9 {found.pid}`; its data survives that",
            )
        time.sleep(0.02)
    return True


def default_owner() -> str:
    """Return the login name, made a valid name of an account."""
    from spacehand.localhub.accounts.store import valid_account_name

    with contextlib.suppress(OSError, KeyError):  # no login name: a container with a bare user id
        return valid_account_name(getpass.getuser())
    return "you"


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a Hub that this very process started would stay a zombie
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _answering_pid(url: str) -> int | None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=2)
    try:
        connection.request("GET", "/api/spacehand/alive")
        return int(json.loads(connection.getresponse().read())["pid"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (told or lines or ["it said nothing"])[-1]


def _port_hint(options: ServerOptions) -> str:
    return f"Run `spacehand hub serve --port {options.port}` to see why"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a Hub in the foreground; stdout carries its URL alone."""
    parser = argparse.ArgumentParser(prog="python -m spacehand.localhub.server", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--owner")
    parser.add_argument("--any-python", action="store_true")
    parser.add_argument("--unsafe-builds", action="store_true")
    parser.add_argument("--pretend-hardware", action="store_true")
    parser.add_argument("--egress", type=Egress, choices=list(Egress), default=Egress.HUB_ONLY)
    parser.add_argument("--engine")
    given = parser.parse_args(arguments)
    options = ServerOptions(**{**vars(given), "data": given.data.absolute()})
    try:
        serve(options, ready=_say)
    except SpacehandError as error:
        hint = f"\n\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"error: {error.message}{hint}\n")
        return error.exit_code
    return 0


def _say(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
