"""A Space's controls on a Hub that really runs, with its real runner and gateway."""

from __future__ import annotations

import time
from typing import Any

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import BadRequestError
from huggingface_hub.utils import get_session

PAGE = b"<!doctype html><html><head><title>Hi</title></head><body>Hello</body></html>"


@pytest.fixture
def static_space(official: HfApi, name: str) -> str:
    """A static Space that runs."""
    space = f"ada/{name}"
    official.create_repo(space, repo_type="space", space_sdk="static")
    official.upload_file(path_or_fileobj=PAGE, path_in_repo="index.html", repo_id=space, repo_type="space")
    assert official.wait_for_space(space, timeout=30, poll_interval=0.1).stage == "RUNNING"
    return space


def test_a_static_space_is_served_at_its_host(official: HfApi, static_space: str) -> None:
    """
    What was pushed answers at the host that `space_info` names, with its variables set, and nothing to pause.
    """
    official.add_space_variable(static_space, "GREETING", "hi")
    info = official.space_info(static_space)
    answer = get_session().get(f"{info.host}/")
    assert answer.status_code == 200
    assert "Hello" in answer.text
    deadline = time.monotonic() + 30
    while '"GREETING": "hi"' not in get_session().get(f"{info.host}/").text:  # once it has restarted
        assert time.monotonic() < deadline, "the variable never reached the page"
    with pytest.raises(BadRequestError, match="static"):
        official.pause_space(static_space)


def test_a_private_space_follows_its_visibility(official: HfApi, local_hub: Any, static_space: str) -> None:
    """
    The moment it is private, strangers get 404 and the owner's token still opens it.
    """
    host = official.space_info(static_space).host
    assert get_session().get(f"{host}/").status_code == 200
    official.update_repo_settings(static_space, repo_type="space", private=True)
    assert get_session().get(f"{host}/").status_code == 404
    headers = {"Authorization": f"Bearer {local_hub.token}"}
    assert get_session().get(f"{host}/", headers=headers).status_code == 200


def test_a_deleted_space_gives_its_port_back(official: HfApi, static_space: str) -> None:
    """
    Nobody listens at the host of a Space that is gone.
    """
    host = official.space_info(static_space).host
    assert host is not None
    official.delete_repo(static_space, repo_type="space")
    with pytest.raises(Exception, match="refused"):
        get_session().get(f"{host}/")


def test_a_space_keeps_its_host_when_the_hub_is_killed(fresh_hub: Any) -> None:
    """
    After `kill -9` and a new start the address, the settings and the app are as before.
    """
    fresh_hub.start()
    api = fresh_hub.api
    api.create_repo("ada/demo", repo_type="space", space_sdk="static")
    api.upload_file(path_or_fileobj=PAGE, path_in_repo="index.html", repo_id="ada/demo", repo_type="space")
    api.wait_for_space("ada/demo", timeout=30, poll_interval=0.1)
    api.add_space_secret("ada/demo", "KEY", "value")
    host = api.space_info("ada/demo").host
    fresh_hub.kill()
    fresh_hub.start()
    assert api.space_info("ada/demo").host == host
    assert set(api.get_space_secrets("ada/demo")) == {"KEY"}
    assert api.wait_for_space("ada/demo", timeout=30, poll_interval=0.1).stage == "RUNNING"
    assert "Hello" in get_session().get(f"{host}/").text
