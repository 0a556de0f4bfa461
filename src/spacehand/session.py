"""From a choice to a Hub that answers: the one on this machine is started when it does not run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spacehand.errors import NotFoundError, PortInUseError, SpacehandError
from spacehand.home import home
from spacehand.ids import RepoId, RepoKind

if TYPE_CHECKING:
    from spacehand.hub.endpoint import Target
    from spacehand.hub.remote import RemoteHub
    from spacehand.localhub.server import Running

LOCAL = "local"  # how history names the Hub of this machine, whatever its port


@dataclass(frozen=True, slots=True)
class Connection:
    """A Hub that answered, and who we are there."""

    hub: RemoteHub
    target: Target
    account: str
    started: Running | None = None  # the local Hub, when this very command started it

    @property
    def data(self) -> Path:
        """The local Hub's data folder."""
        return self.target.data or home()

    def repo(self, text: str) -> RepoId:
        """Return the repository that *text* names; a bare name is one of the account's own."""
        return RepoId.parse(text if "/" in text else f"{self.account}/{text}")

    def space(self, text: str) -> RepoId:
        """
        Return the Space that *text* names.

        Raises:
            NotFoundError: there is none.
        """
        repo = self.repo(text)
        if self.hub.head(RepoKind.SPACE, repo) is None:
            raise NotFoundError(
                f"There is no Space `{repo}`",
                where=self.target.endpoint,
                hint="See what is there with `spacehand open`; what is private looks absent to others",
            )
        return repo


def connect(
    to: str | None,
    *,
    say: Callable[[str], None],
    token: str | None = None,
    settings: str | None = None,
    any_python: bool = False,
) -> Connection:
    """
    Return the Hub that *to*, HF_ENDPOINT or *settings* choose, and *say* which it is.

    *token* stands for HF_TOKEN, and like it never decides which Hub that is.

    Raises:
        AuthError: it does not accept the token, or there is none.
        HubUnreachableError: nobody answers there.
    """
    from spacehand.hub.endpoint import choose
    from spacehand.hub.remote import RemoteHub

    environ = {**os.environ, "HF_TOKEN": token} if token else os.environ
    target = choose(to, settings=settings, environ=environ)
    started = _start_if_needed(target, any_python=any_python)
    if started is not None:
        target = choose(to, settings=settings, environ=environ)
    hub = RemoteHub(target.endpoint, target.token, identity=LOCAL if target.is_local else None)
    try:
        account = hub.whoami().name
    except SpacehandError as error:
        say(target.describe())
        error.where = target.endpoint
        raise
    say(target.describe(account))
    if started is not None:
        say(f"  No local Hub was running: started one (pid {started.pid}); `spacehand hub stop` ends it")
    return Connection(hub, target, account, started)


def _start_if_needed(target: Target, *, any_python: bool) -> Running | None:
    if not target.is_local:
        return None
    from spacehand.localhub import server

    data = target.data or home()
    if server.running(data) is not None:
        return None
    options = server.ServerOptions(data=data, port=server.usual_port(data), any_python=any_python)
    try:
        return server.start_detached(options)
    except PortInUseError:
        return server.start_detached(dataclasses.replace(options, port=0))
