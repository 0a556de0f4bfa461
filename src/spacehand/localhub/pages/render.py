"""Turns a template into an answer that runs nothing but the Hub's own script."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from spacehand.ids import RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.request import caller, local_hub

_HERE = Path(__file__).parent
STATIC = {
    "style.css": "text/css",
    "page.js": "text/javascript",
    "mark.svg": "image/svg+xml",
}
# No inline script or style, nothing from elsewhere; apps stay in their own frames on their own origins.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; frame-src http://*.localhost:* http://127.0.0.1:*; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TITLES = {
    401: "You need to sign in",
    403: "This is not yours to see",
    404: "There is nothing here",
}


class AccountConvertor(Convertor[str]):
    """``{owner:account}`` in a route: any segment that is not the beginning of something else."""

    regex = r"(?!(?:api|buckets|models|datasets|spaces|sign-in|lfs|cas|oauth|-)(?:/|\Z))[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("account", AccountConvertor())


def render(request: Request, template: str, status: int = 200, **facts: Any) -> Response:
    """Return the page *template* filled with *facts* and with what every page shows."""
    hub = local_hub(request)
    try:
        reader = caller(request).name
    except HubError:  # a token nobody knows: the page says 401 to it, and is itself anonymous
        reader = None
    page = _templates().get_template(template)
    text = page.render(reader=reader, owner=hub.accounts.owner, request_path=request.url.path, **facts)
    return HTMLResponse(text, status, HEADERS)


def page(handler: Callable[..., Response]) -> Callable[..., Response]:
    """Answer a `HubError` of *handler* as a page, too."""

    @wraps(handler)
    def answer(request: Request, **options: Any) -> Response:
        try:
            return handler(request, **options)
        except HubError as error:
            return refusal(request, error)

    return answer


def refusal(request: Request, error: HubError) -> Response:
    """Return *error* as a page; a redirect stays one."""
    if error.status in (301, 302, 303, 307, 308):
        return Response(status_code=error.status, headers=error.headers)
    if error.code == "RepoNotFound":  # to programs 401 when they are anonymous; people need no riddles
        error = HubError(404, "There is no such repository, or it is private", code=error.code)
    title = _TITLES.get(error.status, "That did not work")
    answer = render(request, "error.html", error.status, title=title, message=error.message)
    answer.headers["X-Error-Message"] = error.in_header
    if error.code:
        answer.headers["X-Error-Code"] = error.code
    return answer


def wants_page(request: Request) -> bool:
    """Whether a browser asks, and not a program."""
    return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")


def asset(name: str) -> str:
    """Return the address of a static file, which changes when the file does."""
    return f"/-/{name}?v={_digest(name)}"


def repo_url(repo: Repo, *parts: str) -> str:
    """Return the address of a repository's page; of *parts*, only the last may hold ``/``."""
    segments = [quote(part, safe="") for part in parts[:-1]] + [quote(part) for part in parts[-1:]]
    return "/".join([f"/{repo.kind.web_prefix}{repo.id}", *(each for each in segments if each)])


def size_words(size: int) -> str:
    """Return *size* bytes as people say it: ``1.5 MB``."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.5 or unit == "TB":
            break
    return f"{amount:.3g} {unit}"


def age_words(then: float) -> str:
    """Return how long ago *then* (unix time) was: ``3 hours ago``."""
    seconds = max(time.time() - then, 0)
    for size, unit in ((31_557_600, "year"), (2_629_800, "month"), (86_400, "day")):
        if seconds >= size:
            return _plural(int(seconds // size), unit)
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds >= size:
            return _plural(int(seconds // size), unit)
    return "just now"


def count_words(count: int) -> str:
    """Return a number of parameters as people say it: ``1.24B``."""
    for size, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    helpers: Mapping[str, Any] = {
        "asset": asset,
        "repo_url": repo_url,
        "size_words": size_words,
        "age_words": age_words,
        "count_words": count_words,
        "RepoKind": RepoKind,
    }
    environment.globals.update(helpers)
    return environment


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(static_bytes(name)).hexdigest()[:12]


@cache
def static_bytes(name: str) -> bytes:
    """Return one of the `STATIC` files."""
    return (_HERE / "static" / name).read_bytes()


def _plural(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'} ago"
