"""A Hub in this very process, for rules that need no second one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from spacehand.localhub.app import create_app
from spacehand.localhub.hub import LocalHub
from spacehand.localhub.store.place import Place


@pytest.fixture
def opened_hub(tmp_path: Path) -> Iterator[LocalHub]:
    """A Hub of the user ``ada`` that runs no Spaces."""
    with closing(
        LocalHub.open(Place(tmp_path / "hub"), owner="ada", endpoint="http://127.0.0.1:7870")
    ) as hub:
        yield hub


@pytest.fixture
def anonymous(opened_hub: LocalHub) -> TestClient:
    """Somebody without a token."""
    return web_client(opened_hub)


@pytest.fixture
def owner(opened_hub: LocalHub) -> TestClient:
    """The Hub's owner, with the right to write."""
    return web_client(opened_hub, opened_hub.place.token_file.read_text().strip())


@pytest.fixture
def stranger(opened_hub: LocalHub) -> TestClient:
    """Another user, ``bob``, with the right to write to what is his."""
    opened_hub.accounts.add_user("bob")
    return web_client(opened_hub, opened_hub.accounts.add_token("bob"))


def web_client(hub: LocalHub, token: str | None = None) -> TestClient:
    """Return a client of *hub* that follows no redirects."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return TestClient(
        create_app(hub),
        base_url=hub.endpoint,
        headers=headers,
        follow_redirects=False,
        raise_server_exceptions=False,
    )
