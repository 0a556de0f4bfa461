"""The local Hub: everything it is made of, built in one place."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from spacehand.errors import ConflictError
from spacehand.localhub.accounts import store as accounts_store
from spacehand.localhub.accounts.store import Accounts
from spacehand.localhub.buckets import store as buckets_store
from spacehand.localhub.buckets.store import Buckets
from spacehand.localhub.egress import Egress
from spacehand.localhub.faults.store import Faults
from spacehand.localhub.git.upkeep import Upkeep, keep_what_is_acknowledged, sweep
from spacehand.localhub.repos import store as repos_store
from spacehand.localhub.repos.store import Repo, Repos
from spacehand.localhub.runner.engines.sandbox import UID
from spacehand.localhub.runner.gateway.gateway import Gateway
from spacehand.localhub.runner.runner import Runner
from spacehand.localhub.runner.runner import schema as runner_schema
from spacehand.localhub.spaces import store as spaces_store
from spacehand.localhub.spaces.store import Spaces
from spacehand.localhub.store import objects as objects_store
from spacehand.localhub.store.database import Database
from spacehand.localhub.store.keys import Keys
from spacehand.localhub.store.objects import Objects
from spacehand.localhub.store.place import Place

Pushed = Callable[[Repo, str, str], None]  # repository, branch, sha
SCHEMAS = (
    accounts_store.SCHEMA,
    repos_store.SCHEMA,
    objects_store.SCHEMA,
    buckets_store.SCHEMA,
    spaces_store.SCHEMA,
    runner_schema,
)


@dataclass
class LocalHub:
    """One Hub over one data folder; handlers reach it as ``request.app.state.hub``."""

    place: Place
    database: Database
    keys: Keys
    endpoint: str  # without a trailing slash
    accounts: Accounts
    objects: Objects
    repos: Repos
    buckets: Buckets
    spaces: Spaces
    lock: int  # file descriptor; the folder is ours while it is open
    any_python: bool = False  # build a Space with the newest interpreter when its own is not there
    unsafe_builds: bool = False  # without a sandbox, build packages from source all the same
    pretend_hardware: bool = False  # run apps that ask for a GPU without one
    egress: Egress = Egress.HUB_ONLY
    engine: str | None = None  # that runs images; None: the best that works
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})  # names the Hub answers to
    faults: Faults = field(default_factory=Faults)
    started: float = field(default_factory=time.time)
    pushed: list[Pushed] = field(default_factory=list)  # called from any thread, once a change is durable
    runner: Runner = field(init=False)
    gateway: Gateway = field(init=False)

    def __post_init__(self) -> None:
        self.pushed.append(lambda repo, _branch, _sha: self.repos.touch(repo))
        self.pushed.append(Upkeep(self.repos).pushed)
        # Both look at the rest of the Hub, so they come last.
        self.gateway = Gateway(self)
        self.runner = Runner(self)
        self.pushed.append(self.runner.pushed)

    @classmethod
    def open(
        cls,
        place: Place,
        *,
        owner: str,
        endpoint: str,
        any_python: bool = False,
        unsafe_builds: bool = False,
        pretend_hardware: bool = False,
        egress: Egress = Egress.HUB_ONLY,
        engine: str | None = None,
    ) -> LocalHub:
        """
        Open the Hub in *place*, making what is missing and sweeping up what a killed Hub left behind.

        Raises:
            ConflictError: another server uses the folder.
        """
        place.create()
        lock = _lock(place)
        _empty(place)
        keep_what_is_acknowledged()
        sweep(place)
        database = Database(place.database, SCHEMAS)
        keys = Keys(place.key_file)
        objects = Objects(place, database)
        repos = Repos(database, place, objects)
        repos.sweep()
        buckets = Buckets(database, place, objects, app_user=UID)
        buckets.sweep()
        return cls(
            place=place,
            database=database,
            keys=keys,
            endpoint=endpoint,
            accounts=Accounts(database, place.token_file, owner=owner),
            objects=objects,
            repos=repos,
            buckets=buckets,
            spaces=Spaces(database, keys),
            lock=lock,
            any_python=any_python,
            unsafe_builds=unsafe_builds,
            pretend_hardware=pretend_hardware,
            egress=egress,
            engine=engine,
        )

    def announce(self, repo: Repo, branch: str, sha: str) -> None:
        """Tell everybody that *branch* is durably at *sha* now; from any thread."""
        for listener in self.pushed:
            listener(repo, branch, sha)

    async def start(self) -> None:
        """Open the Spaces' ports and bring the Spaces back; called inside the event loop."""
        await self.gateway.start()
        await self.runner.start()

    async def stop(self) -> None:
        """Stop the Spaces, and with them every stream of their logs; called again, it does nothing."""
        await self.runner.stop()
        await self.gateway.stop()

    def close(self) -> None:
        """Let another server use the folder."""
        os.close(self.lock)


def _lock(place: Place) -> int:
    descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise already_running(place) from None
    return descriptor


def already_running(place: Place) -> ConflictError:
    """Only one server may use a data folder."""
    return ConflictError(
        f"A local Hub is already running at {_address(place)}",
        where=str(place.root),
        hint="Use it, stop it with `spacehand hub stop`, or choose another folder with `--data`",
    )


def _address(place: Place) -> str:
    try:
        return str(json.loads(place.description.read_text())["url"])
    except (OSError, ValueError, KeyError):
        return "an address it has not told yet"


def _empty(place: Place) -> None:
    for left in place.incoming.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
