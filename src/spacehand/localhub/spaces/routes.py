"""Settings, life and logs of a Space over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from spacehand.ids import RepoKind, Visibility
from spacehand.localhub.errors import HubError, login_needed, repo_not_found
from spacehand.localhub.repos.store import Moved, Repo
from spacehand.localhub.request import (
    caller,
    json_body,
    local_hub,
    may_read,
    parse_id,
    part,
    readable_repo,
    signed_in,
    text_field,
    writable_repo,
)
from spacehand.localhub.spaces import hardware, wire
from spacehand.localhub.spaces.store import Entry
from spacehand.localhub.spaces.volumes import BUCKET, parse_volumes

# More than the 5 s of silence after which the client takes a log that is not followed for complete.
_QUIET_SECONDS = 15.0
_REPLAY_SECONDS = 0.05  # lines that are kept already come faster than this
_ZERO_GPU_SECONDS = 300.0


def runtime(request: Request) -> Response:
    """The Space's stage, hardware and what else is known of it now."""
    repo = readable_repo(request, RepoKind.SPACE)
    return JSONResponse(local_hub(request).runner.runtime(repo))


def by_subdomain(request: Request) -> Response:
    """The Space that has this host name."""
    repo: Repo | None = local_hub(request).gateway.by_subdomain(part(request, "subdomain"))
    if repo is None or not may_read(caller(request), repo):
        raise repo_not_found()
    described = local_hub(request).runner.describe(repo)
    return JSONResponse({"_id": repo.uid[:24], "id": str(repo.id), "author": repo.id.owner, **described})


def list_hardware(_request: Request) -> Response:
    """Every flavour with its price on huggingface.co; here all of them are this machine, and free."""
    headers = {"X-Spacehand-Prices-From": hardware.PRICES_FROM}
    return JSONResponse([hardware.wire(flavor) for flavor in hardware.FLAVORS], headers=headers)


def zero_gpu_quota(request: Request) -> Response:
    """ZeroGPU seconds: this Hub counts none, so all of a free account's are left."""
    signed_in(request)
    return JSONResponse(
        {"base": _ZERO_GPU_SECONDS, "current": _ZERO_GPU_SECONDS, "resetsAt": None, "overquotaUsed": 0}
    )


# Variables and secrets


def list_variables(request: Request) -> Response:
    """All variables with their values."""
    repo = _insiders_repo(request)
    return JSONResponse(wire.variables(local_hub(request).spaces.variables(repo)))


async def set_variable(request: Request) -> Response:
    """Set a variable; the app restarts."""
    repo, entry = await _writable(request), Entry.parse(await json_body(request))
    await run_in_threadpool(local_hub(request).spaces.set_variable, repo, entry)
    return await _variables_changed(request, repo)


async def delete_variable(request: Request) -> Response:
    """Remove a variable; the app restarts."""
    repo, key = await _writable(request), text_field(await json_body(request), "key")
    await run_in_threadpool(local_hub(request).spaces.delete_variable, repo, key)
    return await _variables_changed(request, repo)


def list_secrets(request: Request) -> Response:
    """The names of all secrets, never a value."""
    repo = _insiders_repo(request)
    return JSONResponse(wire.secrets(local_hub(request).spaces.secrets(repo)))


async def set_secret(request: Request) -> Response:
    """Set a secret; the app restarts."""
    repo, entry = await _writable(request), Entry.parse(await json_body(request))
    await run_in_threadpool(local_hub(request).spaces.set_secret, repo, entry)
    return await _secrets_changed(request, repo)


async def delete_secret(request: Request) -> Response:
    """Remove a secret; the app restarts."""
    repo, key = await _writable(request), text_field(await json_body(request), "key")
    await run_in_threadpool(local_hub(request).spaces.delete_secret, repo, key)
    return await _secrets_changed(request, repo)


async def _variables_changed(request: Request, repo: Repo) -> Response:
    # A Dockerfile may have read a variable as a build argument.
    docker = (await _sdk(request, repo)) == "docker"
    await local_hub(request).runner.settings_changed(repo, rebuild=docker)
    rows = await run_in_threadpool(local_hub(request).spaces.variables, repo)
    return JSONResponse(wire.variables(rows))


async def _secrets_changed(request: Request, repo: Repo) -> Response:
    await local_hub(request).runner.settings_changed(repo, rebuild=False)
    rows = await run_in_threadpool(local_hub(request).spaces.secrets, repo)
    return JSONResponse(wire.secrets(rows))


# Hardware, sleep and life


async def request_hardware(request: Request) -> Response:
    """Ask for a flavour; whichever it is, the app restarts on this machine."""
    repo, body = await _running_kind(request, "request hardware for"), await json_body(request)
    spaces, flavor = local_hub(request).spaces, text_field(body, "flavor")
    if (asked := hardware.find(flavor)) is not None and asked.micro_usd_per_minute:
        local_hub(request).faults.refuse_payment(str(repo.id))
    await run_in_threadpool(spaces.request_hardware, repo, flavor, body.get("sleepTimeSeconds"))
    await local_hub(request).runner.settings_changed(repo, rebuild=False)
    return await _runtime(request, repo)


async def set_sleep_time(request: Request) -> Response:
    """Sleep after so many seconds without a request; -1 is never."""
    repo, body = await _running_kind(request, "set a sleep time for"), await json_body(request)
    await run_in_threadpool(local_hub(request).spaces.set_sleep, repo, body.get("seconds"))
    return await _runtime(request, repo)


async def set_replicas(request: Request) -> Response:
    """Have so many equal apps share the requests; only the difference is started, or ended."""
    repo, body = await _running_kind(request, "set replicas of"), await json_body(request)
    if body.get("replicas") not in (None, 1):
        local_hub(request).faults.refuse_payment(str(repo.id))
    await run_in_threadpool(local_hub(request).spaces.set_replicas, repo, body.get("replicas"))
    await local_hub(request).runner.replicas_changed(repo)
    return await _runtime(request, repo)


async def pause(request: Request) -> Response:
    """Stop the app until its owner restarts it."""
    repo = await _running_kind(request, "pause")
    await local_hub(request).runner.pause(repo)
    return await _runtime(request, repo)


async def restart(request: Request) -> Response:
    """Start the app anew, also from a pause; with ``?factory=true`` build it anew as well."""
    repo = await _running_kind(request, "restart")
    factory = request.query_params.get("factory", "").lower() in ("true", "1")
    await local_hub(request).runner.restart(repo, factory=factory)
    return await _runtime(request, repo)


async def dev_mode(request: Request) -> Response:
    """Not here: dev mode is SSH and VS Code into the container."""
    await _running_kind(request, "change the dev mode of")
    raise HubError(501, "The local Hub has no dev mode: the files are on this machine, push to see a change")


async def set_volumes(request: Request) -> Response:
    """Attach volumes in place of those there are; the app restarts."""
    repo = await _running_kind(request, "attach volumes to")
    volumes = parse_volumes((await json_body(request)).get("volumes"))
    await run_in_threadpool(_require_sources, request, volumes)
    await run_in_threadpool(local_hub(request).spaces.set_volumes, repo, volumes)
    await local_hub(request).runner.settings_changed(repo, rebuild=False)
    return await _runtime(request, repo)


async def delete_volumes(request: Request) -> Response:
    """Detach all volumes; the app restarts."""
    repo = await _running_kind(request, "detach volumes from")
    await run_in_threadpool(local_hub(request).spaces.delete_volumes, repo)
    await local_hub(request).runner.settings_changed(repo, rebuild=False)
    return await _runtime(request, repo)


# Streams


async def logs(request: Request, kind: str) -> Response:
    """A log as server-sent events: all that is kept, or ``?tail=N`` lines of it, then each new line."""
    repo = await run_in_threadpool(_insiders_repo, request)
    tail = request.query_params.get("tail", "")
    if tail and not (tail.isdecimal() and len(tail) < 10):
        raise HubError(400, "`tail` must be a number of lines")
    entries = local_hub(request).runner.logs(repo, kind)
    return _stream(entries, wire.log_event, last=int(tail) if tail else None)


async def events(request: Request) -> Response:
    """The runtime as server-sent events: as it is now, then each time it changes."""
    repo = await run_in_threadpool(readable_repo, request, RepoKind.SPACE)
    return _stream(local_hub(request).runner.events(repo), wire.event)


async def metrics(request: Request) -> Response:
    """CPU and memory of the running app as server-sent events."""
    repo = await run_in_threadpool(_insiders_repo, request)
    follow = getattr(local_hub(request).runner, "metrics", None)
    if follow is None:
        raise HubError(501, "The local Hub does not measure its Spaces")
    return _stream(follow(repo), wire.event)


def _stream(
    items: AsyncIterator[Any], to_event: Callable[[Any], str], *, last: int | None = None
) -> Response:
    async def body() -> AsyncIterator[str]:
        async for item in _tail(items, last):
            yield wire.KEEP_ALIVE if item is None else to_event(item)

    # no-transform: a proxy that compresses would hold events back
    headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
    return StreamingResponse(body(), media_type="text/event-stream", headers=headers)


async def _tail(items: AsyncIterator[Any], last: int | None) -> AsyncIterator[Any]:
    """Yield *items*, None after each quiet while; of what is there at once only the *last*."""
    pending = asyncio.ensure_future(anext(items))
    kept: list[Any] | None = [] if last is not None else None
    try:
        while True:
            wait = _QUIET_SECONDS if kept is None else _REPLAY_SECONDS
            done, _ = await asyncio.wait((pending,), timeout=wait)
            if kept is not None and (not done or pending.exception() is not None):
                for item in kept[len(kept) - min(last or 0, len(kept)) :]:
                    yield item
                kept = None
                continue
            if not done:
                yield None
                continue
            try:
                item = pending.result()
            except StopAsyncIteration:
                return
            pending = asyncio.ensure_future(anext(items))
            if kept is None:
                yield item
            else:
                kept.append(item)
    finally:
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        if isinstance(items, AsyncGenerator):
            await items.aclose()  # the runner need not ring for somebody who left


# Who may


def _insiders_repo(request: Request) -> Repo:
    """The Space, for its owners: also by a session, which may only read."""
    repo = readable_repo(request, RepoKind.SPACE)
    known = caller(request)
    if known.can_read_repo(repo.id):
        return repo
    raise login_needed() if known.name is None else HubError(403, f"Only the owner of {repo.id} may see this")


def _require_sources(request: Request, volumes: Sequence[Mapping[str, Any]]) -> None:
    """A token for single repositories opens no others by way of an app that mounts them."""
    known = caller(request)
    for volume in volumes if known.repos is not None else ():
        kind, source = volume["type"], volume["source"]
        if not known.can_read_repo(source) and not (volume["readOnly"] and _is_open(request, kind, source)):
            raise HubError(403, f"This token does not open the {kind} `{source}`")


def _is_open(request: Request, kind: str, source: str) -> bool:
    """Whether everybody may download what has that name."""
    wanted, hub = parse_id(source), local_hub(request)
    try:
        if kind == BUCKET:
            return not hub.buckets.find(wanted.owner, wanted.name).private
        repo = hub.repos.find(RepoKind(kind), wanted.owner, wanted.name)
    except (HubError, Moved):
        return False
    return repo.visibility is Visibility.PUBLIC and not repo.gated


async def _writable(request: Request) -> Repo:
    repo: Repo = await run_in_threadpool(writable_repo, request, RepoKind.SPACE)
    return repo


async def _running_kind(request: Request, deed: str) -> Repo:
    """The Space, if the caller may change it and it runs at all: a static one is only files."""
    repo = await _writable(request)
    if await _sdk(request, repo) == "static":
        raise HubError(400, f"Cannot {deed} a static Space")
    return repo


async def _sdk(request: Request, repo: Repo) -> str:
    described = await run_in_threadpool(local_hub(request).runner.describe, repo)
    return str(described["sdk"])


async def _runtime(request: Request, repo: Repo) -> Response:
    return JSONResponse(await run_in_threadpool(local_hub(request).runner.runtime, repo))


def _of_a_space(
    path: str, handler: Callable[[Request], Response | Awaitable[Response]], method: str = "GET"
) -> Route:
    return Route(f"/api/spaces/{{owner}}/{{name}}/{path}", handler, methods=[method])


routes = [
    Route("/api/spaces/hardware", list_hardware),
    Route("/api/spaces/zero-gpu/quota", zero_gpu_quota),
    Route("/api/spaces/by-subdomain/{subdomain}", by_subdomain),
    _of_a_space("runtime", runtime),
    _of_a_space("variables", list_variables),
    _of_a_space("variables", set_variable, "POST"),
    _of_a_space("variables", delete_variable, "DELETE"),
    _of_a_space("secrets", list_secrets),
    _of_a_space("secrets", set_secret, "POST"),
    _of_a_space("secrets", delete_secret, "DELETE"),
    _of_a_space("hardware", request_hardware, "POST"),
    _of_a_space("sleeptime", set_sleep_time, "POST"),
    _of_a_space("replicas", set_replicas, "POST"),
    _of_a_space("pause", pause, "POST"),
    _of_a_space("restart", restart, "POST"),
    _of_a_space("dev-mode", dev_mode, "POST"),
    _of_a_space("volumes", set_volumes, "PUT"),
    _of_a_space("volumes", delete_volumes, "DELETE"),
    _of_a_space("logs/build", partial(logs, kind="build")),
    _of_a_space("logs/run", partial(logs, kind="run")),
    _of_a_space("events", events),
    _of_a_space("metrics", metrics),
]
