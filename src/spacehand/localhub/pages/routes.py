"""The Hub's pages: what there is, one model or dataset, one Space with its app and its logs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from spacehand.ids import RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.pages import buckets, repository
from spacehand.localhub.pages.readme import rendered
from spacehand.localhub.pages.render import STATIC, page, render, static_bytes
from spacehand.localhub.pages.weights import weights
from spacehand.localhub.repos.card import card_data, tags, texts
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.request import caller, local_hub, may_read, part, readable_repo
from spacehand.stage import Stage

_MAX_LISTED = 200
_COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
_WORDS = {
    Stage.NO_APP_FILE: "No app file",
    Stage.CONFIG_ERROR: "Configuration error",
    Stage.BUILDING: "Building",
    Stage.BUILD_ERROR: "Build error",
    Stage.APP_STARTING: "Starting",
    Stage.RUNNING: "Running",
    Stage.RUNNING_BUILDING: "Running, building anew",
    Stage.RUNNING_APP_STARTING: "Running, starting anew",
    Stage.RUNTIME_ERROR: "Runtime error",
    Stage.SLEEPING: "Sleeping",
    Stage.PAUSED: "Paused",
    Stage.STOPPED: "Stopped",
    Stage.DELETING: "Being deleted",
    Stage.UNKNOWN: "Unknown",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One repository in a list."""

    repo: Repo
    title: str
    about: str
    emoji: str
    colors: tuple[str, str]
    tags: list[str]
    stage: Stage | None


@page
def listing(request: Request, *, kind: RepoKind | None = None) -> Response:
    """All repositories that the reader may see; ``?search=`` looks in their names."""
    hub, known = local_hub(request), caller(request)
    account = hub.accounts.account(part(request, "owner")).name if "owner" in request.path_params else None
    search = request.query_params.get("search", "").strip()
    seen = [repo for repo in hub.repos.list(kind, owner=account, search=search) if may_read(known, repo)]
    groups = {
        each: [_listed(request, repo) for repo in seen if repo.kind is each][:_MAX_LISTED]
        for each in (RepoKind.SPACE, RepoKind.MODEL, RepoKind.DATASET)
    }
    facts: dict[str, Any] = {"kind": kind, "account": account, "search": search, "words": _WORDS}
    found = [] if kind else buckets.visible(request, account, search)[:_MAX_LISTED]
    return render(request, "list.html", groups=groups, buckets=found, **facts)


@page
def model(request: Request, *, kind: RepoKind) -> Response:
    """A model or a dataset: its card, its facts, its weights."""
    repo = readable_repo(request, kind)
    hub = local_hub(request)
    snapshot = hub.repos.snapshot(repo)
    entries = snapshot.entries(recursive=True)
    readme = snapshot.text("README.md")
    card = dict(card_data(readme or "") or {})
    return render(
        request,
        "model.html",
        repo=repo,
        snapshot=snapshot,
        card=None if readme is None else rendered(readme, repo, "main"),
        about=[(key, ", ".join(texts(card[key]))) for key in card if texts(card[key])],
        tags=tags(card),
        files=[entry for entry in entries if not entry.is_dir],
        weights=weights(entries, snapshot, hub.objects),
    )


@page
def space(request: Request) -> Response:
    """A Space: its app in a frame, and its stage as it changes."""
    repo, facts = _space(request)
    card = facts["card"]
    facts["is_mini"] = card.get("header") == "mini"
    facts["is_column"] = card.get("fullWidth") is False
    return render(request, "space.html", repo=repo, frame=_frame(request, repo, card), **facts)


@page
def logs(request: Request) -> Response:
    """A Space's build and run log, live, for its owner."""
    repo, facts = _space(request)
    mine = caller(request).can_read_repo(repo.id)
    log = request.query_params.get("log", "")
    if log not in ("build", "run"):
        log = "run" if facts["stage"].is_serving or facts["stage"] is Stage.APP_STARTING else "build"
    return render(request, "logs.html", repo=repo, mine=mine, log=log, **facts)


@page
def settings(request: Request) -> Response:
    """A Space's variables, the names of its secrets and its volumes, for its owner."""
    repo, facts = _space(request)
    spaces = local_hub(request).spaces
    mine = caller(request).can_read_repo(repo.id)
    facts["variables"], facts["secrets"] = (
        (spaces.variables(repo), spaces.secrets(repo)) if mine else ((), ())
    )
    return render(request, "settings.html", repo=repo, mine=mine, **facts)


@page
def all_routes(request: Request) -> Response:
    """Every call that this Hub answers."""
    found = [
        route for route in request.app.routes if isinstance(route, Route) and route.path != "/{path:path}"
    ]
    rows = [(", ".join(sorted(route.methods or ())), route.path, _about(route.endpoint)) for route in found]
    return render(request, "routes.html", rows=sorted(rows, key=lambda each: each[1]))


def static(request: Request) -> Response:
    """The style, the script and the mark of all pages."""
    name = request.path_params["file"]
    if name not in STATIC:
        raise HubError(404, f"There is no file `{name}`")
    body = static_bytes(name)
    headers = {
        "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"',
        "Cache-Control": "public, max-age=31536000, immutable",  # its address changes with its content
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body, media_type=STATIC[name], headers=headers)


def _space(request: Request) -> tuple[Repo, dict[str, Any]]:
    repo = readable_repo(request, RepoKind.SPACE)
    hub = local_hub(request)
    runtime = hub.runner.runtime(repo)
    stage = Stage(runtime["stage"])
    own = runtime.get("spacehand", {})
    readme = hub.repos.snapshot(repo).text("README.md")
    card = dict(card_data(readme or "") or {})
    return repo, {
        "card": card,
        "runtime": runtime,
        "stage": stage,
        "words": _WORDS,
        "sdk": hub.runner.describe(repo)["sdk"],
        "fidelity": own.get("fidelity"),
        "differences": own.get("differences", []),
        "faults": own.get("faults", []),
        "serving": own.get("serving") or runtime.get("sha"),
        "colors": _colors(card),
        "app_url": hub.gateway.app_url(repo),
        "browser_url": hub.gateway.browser_url(repo),
    }


def _frame(request: Request, repo: Repo, card: dict[str, Any]) -> str:
    """Return the address that the app's frame shows."""
    hub = local_hub(request)
    base = card.get("base_path")
    path = base if isinstance(base, str) and base.startswith("/") and not base.startswith("//") else "/"
    signed = f"&__sign={hub.gateway.sign(repo)}" if repo.private else ""
    return f"{hub.gateway.browser_url(repo)}{path}?__theme=system{signed}"


def _listed(request: Request, repo: Repo) -> Listed:
    hub = local_hub(request)
    readme = hub.repos.snapshot(repo).text("README.md")
    card = dict(card_data(readme or "") or {})
    is_space = repo.kind is RepoKind.SPACE
    stage = Stage(hub.runner.runtime(repo)["stage"]) if is_space else None
    about = card.get("short_description") if is_space else card.get("pipeline_tag")
    return Listed(
        repo=repo,
        title=_text(card.get("title")) or repo.id.name,
        about=_text(about),
        emoji=_text(card.get("emoji"))[:8],
        colors=_colors(card),
        tags=[tag for tag in tags(card) if ":" not in tag][:3],
        stage=stage,
    )


def _colors(card: dict[str, Any]) -> tuple[str, str]:
    first, second = (card.get(key) for key in ("colorFrom", "colorTo"))
    return (first if first in _COLORS else "gray", second if second in _COLORS else "blue")


def _about(endpoint: object) -> str:
    function = getattr(endpoint, "func", endpoint)  # a functools.partial
    return (getattr(function, "__doc__", None) or "").strip().partition("\n")[0]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# Last in the Hub's table: the general `/{owner}/{name}` must not answer for what is special.
routes: list[BaseRoute] = [
    Route("/", listing),
    Route("/-/routes", all_routes),
    Route("/-/{file}", static),
    Route("/models", partial(listing, kind=RepoKind.MODEL)),
    Route("/datasets", partial(listing, kind=RepoKind.DATASET)),
    Route("/spaces", partial(listing, kind=RepoKind.SPACE)),
    *buckets.routes,
    *repository.routes_of(RepoKind.SPACE),
    *repository.routes_of(RepoKind.DATASET),
    *repository.routes_of(RepoKind.MODEL),
    Route("/spaces/{owner:account}/{name}", space),
    Route("/spaces/{owner:account}/{name}/logs", logs),
    Route("/spaces/{owner:account}/{name}/settings", settings),
    Route("/datasets/{owner:account}/{name}", partial(model, kind=RepoKind.DATASET)),
    Route("/{owner:account}/{name}", partial(model, kind=RepoKind.MODEL)),
    Route("/{owner:account}", listing),
]
