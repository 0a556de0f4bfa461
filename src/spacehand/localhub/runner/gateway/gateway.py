"""
The door to all Spaces: one loopback port for each, and ``owner-name.localhost`` on the Hub's own port.

Each request is answered by a replica that serves at that moment, and stays with it to its end: a swap loses
none. Of several replicas a visitor comes back to the one that answered before. A request to a sleeping Space
is held until the app is awake.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from spacehand.ids import RepoKind, Visibility
from spacehand.localhub.errors import HubError
from spacehand.localhub.faults.kind import FaultKind
from spacehand.localhub.runner.address import Address
from spacehand.localhub.runner.gateway.connection import AppLeftError
from spacehand.localhub.runner.gateway.door import Answerer, Door
from spacehand.localhub.runner.gateway.entrance import HUB_COOKIES, Entrance, is_local_name
from spacehand.localhub.runner.gateway.forwarding import (
    AppUnreachableError,
    Passage,
    forwarded_headers,
    is_repeatable,
)
from spacehand.localhub.runner.gateway.listeners import Listeners
from spacehand.localhub.runner.gateway.standstill import Standstill, stand_in
from spacehand.localhub.runner.gateway.static_site import StaticSite
from spacehand.localhub.runner.gateway.visitor import Visitor, introduction, known, recognize
from spacehand.localhub.runner.gateway.websocket import refuse_websocket
from spacehand.stage import Stage

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.store import Repo


_UNREACHABLE = "The app runs, but takes no connection"


class Gateway:
    """
    The routing table of one Hub and the listeners in front of it.

    `serve`, `withdraw` and the questions belong to the event loop's thread; `app_url` may be asked anywhere.
    """

    def __init__(self, hub: LocalHub) -> None:
        self._hub = hub
        self._doors: dict[str, Door] = {}  # by the repository's uid
        self._names: dict[str, str] = {}  # uid by subdomain
        self._retired: list[Answerer] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._listeners = Listeners(hub.spaces, self)
        self._entrance = Entrance(hub.accounts, hub.keys)

    async def start(self) -> None:
        """Listen on the port of every Space there is."""
        self._learn_names()
        self._listeners.start(self._hub.repos.list(RepoKind.SPACE))

    async def stop(self) -> None:
        """Listen no more, and close every connection to an app."""
        for door in self._doors.values():
            if door.waking is not None:
                door.waking.cancel()  # first: who waits is told so, and not cut off in mid-wait
        await self._listeners.stop()
        for door in self._doors.values():
            for answerer in door.answerers:
                await answerer.app.close()
        for answerer in self._retired:
            await answerer.app.close()
        self._doors.clear()

    # What the runner says

    def serve(
        self,
        repo: Repo,
        *addresses: Address,
        headers: Mapping[str, str] | None = None,
        may_grow: bool = False,
    ) -> None:
        """
        Send every new request for *repo* to one of *addresses*, adding *headers* to each answer.

        Requests under way elsewhere are left to finish there; see `drained`. With several addresses, and with
        *may_grow*, each visitor gets a cookie that brings him back to the one that answered him.
        """
        raw = tuple((n.lower().encode(), v.encode()) for n, v in (headers or {}).items())
        self._retire(self._door(repo).take(addresses, raw, is_wide=may_grow))
        self._listeners.port(repo)

    def withdraw(self, repo: Repo) -> None:
        """Send no more requests; they are answered 503, with the Space's stage, until the next `serve`."""
        self._retire(self._door(repo).take((), (), is_wide=False))

    def forget(self, repo: Repo) -> None:
        """Close the Space's port for good: it was deleted."""
        self.withdraw(repo)
        self._doors.pop(repo.uid, None)
        self._names = {name: uid for name, uid in self._names.items() if uid != repo.uid}
        self._listeners.close(repo)

    # What the runner asks

    def in_flight(self, address: Address) -> int:
        """Return how many requests, WebSockets and streams are under way at *address*."""
        return sum(one.in_flight for one in self._answerers() if one.address == address)

    async def drained(self, address: Address, *, within: float) -> bool:
        """Wait until nothing is under way at *address*; False when *within* seconds were not enough."""
        waits = [one.idle.wait() for one in self._answerers() if one.address == address]
        try:
            async with asyncio.timeout(within):
                await asyncio.gather(*waits)
        except TimeoutError:
            return False
        return True

    def last_request(self, repo: Repo) -> float | None:
        """
        Return when a request last began or ended (unix time), or None when there was none yet.

        While one is under way, be it a stream that has run for days, that is now.
        """
        door = self._door(repo)
        if any(one.in_flight for one in door.answerers):
            return time.time()
        return door.last_request

    def app_url(self, repo: Repo) -> str:
        """Return the Space's own loopback URL, which stays the same; it listens from now on."""
        return f"http://127.0.0.1:{self._listeners.port(repo)}"

    def browser_url(self, repo: Repo) -> str:
        """Return the URL with the Space's own host name: cookies and storage are its own there."""
        port = self._hub.endpoint.rpartition(":")[2]
        if self._uid_of(repo.id.subdomain) != repo.uid or not port.isdecimal():
            return self.app_url(repo)
        return f"http://{repo.id.subdomain}.localhost:{port}"

    def differences(self, repo: Repo) -> list[str]:
        """Return what of the Space's address is not as one would expect."""
        return self._listeners.differences(repo)

    def by_subdomain(self, subdomain: str) -> Repo | None:
        """Return the Space whose host is ``subdomain``."""
        uid = self._uid_of(subdomain.lower())
        return self._repo(uid) if uid else None

    def sign(self, repo: Repo) -> str:
        """Return a value for ``?__sign=`` that opens a private Space to one browser."""
        return self._entrance.sign(repo)

    # Requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket; the port or the host says for which Space."""
        headers = Headers(scope=scope)
        repo = self._asked_for(scope, headers)
        if isinstance(repo, Standstill):
            await repo(scope, receive, send)
            return
        if scope["type"] == "http" and _is_preflight(scope, headers):
            await stand_in(204, "", self._entrance.shared(repo, headers))(scope, receive, send)
            return
        if repo.visibility is Visibility.PRIVATE and not self._entrance.may_enter(scope, headers, repo):
            await stand_in(404, "There is no such Space here, or it is private\n")(scope, receive, send)
            return
        door = self._door(repo)
        door.last_request = time.time()
        try:
            await self._answer(scope, receive, send, repo, door)
        finally:
            door.last_request = time.time()

    async def _answer(self, scope: Scope, receive: Receive, send: Send, repo: Repo, door: Door) -> None:
        if door.answerers and self._hub.faults.take(FaultKind.DEAD_PORT, str(repo.id)):
            await self._standstill(repo, 503, _UNREACHABLE)(scope, receive, send)
            return
        visitor: Visitor | None = None
        tried: list[Answerer] = []
        while True:
            if not door.answerers:
                await self._wake(repo, door)
            if visitor is None and door.is_wide:
                visitor, receive = await _recognized(scope, receive, repo, door)
            answerer = door.choose(visitor, but=tried)
            if answerer is None:
                reason = _UNREACHABLE if tried else None
                await self._standstill(repo, 503, reason)(scope, receive, send)
                return
            tried.append(answerer)
            try:
                async with answerer:
                    reply = door.calls.noting(scope, send, answerer.name) if door.is_wide else send
                    await self._pass(scope, receive, reply, repo, answerer, visitor)
                return
            except AppUnreachableError:
                continue  # perhaps it ended, or was swapped, in this very moment: try another
            except AppLeftError:
                if is_repeatable(scope) and door.choose(visitor, but=tried) is not None:
                    continue
                reason = "The app ended the connection before it answered"
                await self._standstill(repo, 502, reason)(scope, receive, send)
                return

    async def _pass(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        repo: Repo,
        answerer: Answerer,
        visitor: Visitor | None,
    ) -> None:
        headers = Headers(scope=scope)
        query, extra = self._entrance.admit(scope, repo)
        if visitor is not None and visitor.given != answerer.name:
            extra.append(introduction(scope, repo, answerer.name))
        passage = Passage(
            headers=forwarded_headers(
                scope,
                without=self._entrance.tokens_in(headers),
                cookies_without=HUB_COOKIES,
            ),
            query=query,
            answer_headers=[*answerer.headers, *self._entrance.shared(repo, headers), *extra],
            drop_cookies=HUB_COOKIES,
        )
        if scope["type"] == "http":
            await answerer.app.http(scope, receive, send, passage)
        elif isinstance(answerer.app, StaticSite):
            await receive()
            await refuse_websocket(scope, send, 404, "A static Space has no WebSocket")
        else:
            await answerer.app.websocket(scope, receive, send, passage)

    async def _wake(self, repo: Repo, door: Door) -> None:
        """Wake a sleeping Space, once for all who wait, and return when it answers or has failed."""
        if door.waking is None and self._stage(repo) is Stage.SLEEPING:
            door.waking = asyncio.ensure_future(self._hub.runner.wake(repo))
        if door.waking is not None:
            waking = door.waking
            try:
                # Shielded: a visitor who gives up must not stop the app from waking for the others.
                await asyncio.shield(waking)
            except asyncio.CancelledError:
                if not waking.cancelled():  # this visitor gave up; otherwise the Hub is stopping
                    raise
            finally:
                if waking.done() and door.waking is waking:
                    door.waking = None

    def _standstill(self, repo: Repo, status: int, reason: str | None) -> Standstill:
        runtime = self._hub.runner.runtime(repo)
        stage = Stage(runtime.get("stage", ""))
        page = f"{self._hub.endpoint}/spaces/{repo.id}"
        return Standstill(
            status, str(repo.id), stage, reason=reason or runtime.get("errorMessage"), page=page
        )

    def _stage(self, repo: Repo) -> Stage:
        return Stage(self._hub.runner.runtime(repo).get("stage", ""))

    # Which Space

    def _asked_for(self, scope: Scope, headers: Headers) -> Repo | Standstill:
        host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        server = scope.get("server")
        uid = self._listeners.uid(server[1]) if server else None
        if uid is not None and not is_local_name(host):
            return stand_in(421, f"This Hub does not answer to the name `{host}`\n")
        if uid is None:
            uid = self._uid_of(host.lower().removesuffix(".localhost"))
        repo = self._repo(uid) if uid else None
        return repo or stand_in(404, f"No Space has the host `{host}`\n")

    def _uid_of(self, subdomain: str) -> str | None:
        uid = self._names.get(subdomain)
        repo = self._repo(uid) if uid else None
        if repo is None or repo.id.subdomain != subdomain:  # new, renamed or deleted since
            self._learn_names()
        return self._names.get(subdomain)

    def _learn_names(self) -> None:
        spaces = sorted(self._hub.repos.list(RepoKind.SPACE), key=lambda repo: repo.created)
        self._names = {
            repo.id.subdomain: repo.uid for repo in reversed(spaces)
        }  # the first of a name keeps it

    def _repo(self, uid: str) -> Repo | None:
        try:
            return self._hub.repos.by_uid(uid)
        except HubError:
            return None

    def _door(self, repo: Repo) -> Door:
        return self._doors.setdefault(repo.uid, Door())

    def _answerers(self) -> list[Answerer]:
        current = [answerer for door in self._doors.values() for answerer in door.answerers]
        return current + self._retired

    def _retire(self, leaving: list[Answerer]) -> None:
        self._retired = [answerer for answerer in self._retired if answerer.in_flight]
        for answerer in leaving:
            answerer.retired = True
            if answerer.in_flight:
                self._retired.append(answerer)
            else:
                closing = asyncio.ensure_future(answerer.app.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)


async def _recognized(scope: Scope, receive: Receive, repo: Repo, door: Door) -> tuple[Visitor, Receive]:
    """Return who asks, and what to receive the request from: something of it may be read already."""
    visitor = known(Headers(scope=scope), repo)
    if visitor.given is not None:
        return visitor, receive
    if taker := door.calls.taker(scope):
        return Visitor(taker), receive
    return await recognize(scope, receive) if len(door.answerers) > 1 else (visitor, receive)


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers
