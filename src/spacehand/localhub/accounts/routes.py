"""Who am I, who are they, and a browser's way in."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from spacehand.ids import RepoKind
from spacehand.localhub.accounts import wire
from spacehand.localhub.accounts.store import SESSION_COOKIE, SESSION_SECONDS, Account, Caller
from spacehand.localhub.errors import HubError, forbidden
from spacehand.localhub.paging import paged
from spacehand.localhub.request import (
    caller,
    endpoint,
    json_body,
    local_hub,
    may_read,
    part,
    signed_in,
    text_field,
)


def whoami(request: Request) -> Response:
    """Who the token belongs to."""
    known = signed_in(request)
    return JSONResponse(wire.whoami(local_hub(request).accounts, known, str(known.name)))


def user_overview(request: Request) -> Response:
    """A user's page."""
    return _overview(request, "user")


def organization_overview(request: Request) -> Response:
    """An organisation's page."""
    return _overview(request, "org")


def members(request: Request) -> Response:
    """The users of an organisation."""
    account = _account(request, "org")
    return paged(request, local_hub(request).accounts.members(account.name), wire.user)


def nobody(request: Request) -> Response:
    """Followers: this Hub has none."""
    local_hub(request).accounts.account(part(request, "account"))
    return paged(request, [], str)


async def sign_in_link(request: Request) -> Response:
    """A link that signs a browser in, once: ``{"next": "/spaces/ada/demo"}`` → ``{"url"}``."""
    known = _full_rights(request)
    body = await json_body(request)
    page = text_field(body, "next", "/")
    if not is_local_page(page):
        raise HubError(400, "`next` must be a path on this Hub")
    link = local_hub(request).accounts.one_time_link(page, known.name)
    return JSONResponse({"url": endpoint(request) + link})


def sign_in(request: Request) -> Response:
    """Open a one-time link: sets the session's cookie and goes on to the page ``next``."""
    page = request.query_params.get("next", "/")
    cookie = local_hub(request).accounts.sign_in(part(request, "code"))
    answer = RedirectResponse(page if is_local_page(page) else "/", status_code=303)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.set_cookie(
        SESSION_COOKIE, cookie, max_age=SESSION_SECONDS, path="/", httponly=True, samesite="strict"
    )
    return answer


def list_tokens(request: Request) -> Response:
    """The caller's tokens, without their values."""
    known = _full_rights(request)
    return JSONResponse([wire.token(token) for token in local_hub(request).accounts.tokens(str(known.name))])


async def add_token(request: Request) -> Response:
    """A further token: ``{"name", "role": "read"|"write"|"fineGrained", "repos"?, "user"?}``."""
    known = _full_rights(request)
    body = await json_body(request)
    return JSONResponse({"token": await run_in_threadpool(_add_token, request, known, body)})


async def revoke_token(request: Request) -> Response:
    """Forget a token, named by its ``id`` in the list."""
    known = _full_rights(request)
    accounts = local_hub(request).accounts
    wanted = part(request, "id")
    for token in accounts.tokens(str(known.name)):
        if token.sha256[:16] == wanted:
            await run_in_threadpool(accounts.revoke_token, token.sha256)
            return JSONResponse({})
    raise HubError(404, "No such token")


def is_local_page(page: str) -> bool:
    """Whether a redirect to *page* stays on this Hub; ``//evil.example`` and ``/\\evil.example`` do not."""
    return page.startswith("/") and not page.startswith(("//", "/\\")) and page.isprintable()


def _add_token(request: Request, known: Caller, body: dict[str, Any]) -> str:
    hub = local_hub(request)
    user = text_field(body, "user", known.name)
    if user != known.name:
        if known.name != hub.accounts.owner:
            raise forbidden("Only the Hub's owner may add users")
        user = hub.accounts.add_user(user).name
    repos = body.get("repos")
    if repos is not None and not (isinstance(repos, list) and all(isinstance(repo, str) for repo in repos)):
        raise HubError(400, "`repos` must be a list of texts")
    if not all(known.can_write_repo(repo) for repo in repos or ()):
        raise forbidden("A token can be given rights to your own repositories only")
    return hub.accounts.add_token(
        user, role=text_field(body, "role", "read"), name=text_field(body, "name", "token"), repos=repos
    )


def _full_rights(request: Request) -> Caller:
    known = signed_in(request)
    if known.role != "write":
        raise forbidden("A token with the role `write` is needed")
    return known


def _account(request: Request, kind: str) -> Account:
    account = local_hub(request).accounts.account(part(request, "account"))
    if account.kind != kind:
        raise HubError(
            404, "This organization does not exist" if kind == "org" else "This user does not exist"
        )
    return account


def _overview(request: Request, kind: str) -> Response:
    hub, known, account = local_hub(request), caller(request), _account(request, kind)
    counts = {"numUsers": len(hub.accounts.members(account.name))} if kind == "org" else {}
    for repo_kind, key in zip(RepoKind, ("numModels", "numDatasets", "numSpaces"), strict=True):
        counts[key] = sum(may_read(known, repo) for repo in hub.repos.list(repo_kind, owner=account.name))
    answer = wire.overview(account, counts)
    if kind == "user":
        answer["orgs"] = [wire.user(each) for each in hub.accounts.organizations(account.name)]
    return JSONResponse(answer)


routes = [
    Route("/api/whoami-v2", whoami),
    Route("/api/users/{account}/overview", user_overview),
    Route("/api/users/{account}/followers", nobody),
    Route("/api/users/{account}/following", nobody),
    Route("/api/organizations/{account}/overview", organization_overview),
    Route("/api/organizations/{account}/members", members),
    Route("/api/organizations/{account}/followers", nobody),
    Route("/api/spacehand/sign-in-link", sign_in_link, methods=["POST"]),
    Route("/api/spacehand/tokens", list_tokens),
    Route("/api/spacehand/tokens", add_token, methods=["POST"]),
    Route("/api/spacehand/tokens/{id}", revoke_token, methods=["DELETE"]),
    Route("/sign-in/{code}", sign_in),
]
