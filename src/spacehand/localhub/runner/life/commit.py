"""What one commit of a Space says is to be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacehand.localhub.errors import HubError
from spacehand.localhub.runner.build.interpreter import Choice, choose, current
from spacehand.localhub.runner.build.plan import (
    PACKAGES,
    PRE_REQUIREMENTS,
    README,
    REQUIREMENTS,
    BuildPlan,
    plan,
)
from spacehand.localhub.runner.card import CannotBuildError, Sdk, SpaceCard
from spacehand.stage import Stage

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.snapshot import Snapshot
    from spacehand.localhub.repos.store import Repo

_LARGEST_FILE = 1024 * 1024  # bytes of a README, or of a list of requirements


def plan_of(hub: LocalHub, repo: Repo, sha: str) -> BuildPlan:
    """
    Return how commit *sha* of *repo* is built.

    Raises:
        CannotBuildError: the header is wrong, a file is too large, or the app's own is missing.
    """
    try:
        snapshot = hub.repos.snapshot(repo, sha)
    except HubError as error:
        raise CannotBuildError(Stage.NO_APP_FILE, error.message) from error
    card = SpaceCard.parse(_file(snapshot, README))
    files = {name: _file(snapshot, name) for name in (REQUIREMENTS, PRE_REQUIREMENTS, PACKAGES)}
    found = {name: content for name, content in files.items() if content is not None}
    entry = snapshot.entry(card.app_file)
    if entry is not None and not entry.is_dir:
        # Of an app, that it is there is all that a plan asks.
        found[card.app_file] = (_file(snapshot, card.app_file) or b"") if card.sdk is Sdk.DOCKER else b""
    own = card.sdk is Sdk.STATIC or card.sdk.needs_image
    choice = Choice(current()) if own else choose(card.python_version, any_python=hub.any_python)
    return plan(sha, card, found, choice)


def _file(snapshot: Snapshot, path: str) -> bytes | None:
    entry = snapshot.entry(path)
    if entry is None or entry.is_dir:
        return None
    if entry.size > _LARGEST_FILE:
        raise CannotBuildError(Stage.CONFIG_ERROR, f"`{path}` is larger than 1 MiB")
    return snapshot.read(path)
