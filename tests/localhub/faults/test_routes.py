"""A Hub that fails on request, met by the unmodified official client."""

from __future__ import annotations

import pytest
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session

from spacehand.errors import NotFoundError, UsageError
from tests.localhub.faults.stage import Stage


def test_off_by_default_and_only_the_owner_s(stage: Stage) -> None:
    """
    A fresh Hub rehearses nothing; without the owner's token nobody may make it fail.
    """
    assert stage.desk.all() == []
    refused = get_session().post(f"{stage.url}/api/spacehand/faults", json={"kind": "unavailable"})
    assert refused.status_code == 401
    bob = stage.hub.accounts.add_user("bob")
    headers = {"Authorization": f"Bearer {stage.hub.accounts.add_token(bob.name)}"}
    refused = get_session().delete(f"{stage.url}/api/spacehand/faults", headers=headers)
    assert refused.status_code == 403


def test_wrong_words_are_told(stage: Stage) -> None:
    """
    A kind that does not exist, seconds where there are none, an id that is gone.
    """
    with pytest.raises(UsageError, match=r"there are: slow-build, stuck-start"):
        stage.fault("earthquake")
    with pytest.raises(UsageError, match="`payment` has no seconds"):
        stage.fault("payment", seconds=3)
    with pytest.raises(UsageError, match="`times` must be a number"):
        stage.fault("payment", times="often")
    with pytest.raises(NotFoundError, match="No fault has the id"):
        stage.desk.remove("nope")


def test_a_429_is_waited_for_by_the_official_client(stage: Stage) -> None:
    """
    Its own retry reads the header, comes back, and is answered.
    """
    stage.space("limited")
    stage.fault("rate-limit", times=1, seconds=0)
    assert list(stage.api.list_models(author="ada")) == []
    assert stage.desk.all() == []  # it did act, once


def test_a_429_says_when_to_come_back(stage: Stage) -> None:
    """
    A call that is not tried again fails with the Hub's numbers.
    """
    stage.fault("rate-limit", seconds=42)
    with pytest.raises(HfHubHTTPError) as caught:
        stage.api.whoami()
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "42"
    assert "t=42" in caught.value.response.headers["RateLimit"]


def test_a_space_that_runs_has_to_be_paid_for(stage: Stage) -> None:
    """
    402 for a Gradio Space and for paid hardware; a static Space and free hardware stay free.
    """
    kept = stage.space("kept")
    stage.fault("payment")
    with pytest.raises(HfHubHTTPError, match="402"):
        stage.api.create_repo("ada/paid", repo_type="space", space_sdk="gradio")
    stage.api.create_repo("ada/free", repo_type="space", space_sdk="static")
    with pytest.raises(HfHubHTTPError, match="402"):
        stage.api.request_space_hardware(kept, "t4-small")
    assert stage.api.request_space_hardware(kept, "cpu-basic").requested_hardware == "cpu-basic"


def test_a_fault_of_a_name_without_an_owner_is_the_owner_s(stage: Stage) -> None:
    """
    `--space demo` means one's own, as everywhere.
    """
    stage.fault("dead-port", space="demo")
    assert [fault["space"] for fault in stage.desk.all()] == ["ada/demo"]
