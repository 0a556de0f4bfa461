"""A local Hub with the accounts that the client's tests speak for."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spacehand.localhub.accounts.store import Accounts
from spacehand.localhub.hub import LocalHub
from spacehand.localhub.store.place import Place

USER = "conformance"
OTHER_USER = "stranger"
ENTERPRISE_USER = "admin-of-an-organisation"
ENTERPRISE_ORG = "an-organisation"


@dataclass(frozen=True)
class Served:
    """A Hub that answers, and by which names and tokens; `constants` are the tests' own names for them."""

    url: str
    constants: dict[str, str]


@contextlib.contextmanager
def served(data: Path) -> Iterator[Served]:
    """Run a Hub over the fresh folder *data* until the block ends."""
    constants = _accounts(data)
    with _process(data) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        url = process.stdout.readline().strip()
        if not url.startswith("http://127.0.0.1:"):
            raise RuntimeError(f"The Hub did not start; see {log(data)}")
        yield Served(url, constants | {"ENDPOINT_STAGING": url})


@contextlib.contextmanager
def _process(data: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "spacehand.localhub.server", "--data", str(data), "--port", "0"]
    with log(data).open("w") as file:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _accounts(data: Path) -> dict[str, str]:
    """Make the users, their tokens and the organisation, before the server opens the folder."""
    hub = LocalHub.open(Place(data), owner=USER, endpoint="http://127.0.0.1")
    try:
        return _people(hub.accounts)
    finally:
        hub.close()


def _people(accounts: Accounts) -> dict[str, str]:
    accounts.add_user(OTHER_USER)
    accounts.add_user(ENTERPRISE_USER)
    accounts.add_organization(ENTERPRISE_ORG, [ENTERPRISE_USER])
    return {
        "USER": USER,
        "FULL_NAME": USER,
        "TOKEN": accounts.add_token(USER),
        "OTHER_USER": OTHER_USER,
        "OTHER_TOKEN": accounts.add_token(OTHER_USER),
        "ENTERPRISE_USER": ENTERPRISE_USER,
        "ENTERPRISE_ORG": ENTERPRISE_ORG,
        "ENTERPRISE_TOKEN": accounts.add_token(ENTERPRISE_USER),
    }


def log(data: Path) -> Path:
    """Return the file that the server over *data* writes its log to."""
    return data.with_name(f"{data.name}.log")
