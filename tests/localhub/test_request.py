"""What handlers learn from a request."""

from __future__ import annotations

import base64

import pytest
from starlette.testclient import TestClient

from spacehand.localhub.accounts.store import SESSION_COOKIE
from spacehand.localhub.hub import LocalHub


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_a_token_may_come_as_a_password(opened_hub: LocalHub, anonymous: TestClient):
    """
    git sends the token as the password of a user; the user's name does not matter.
    """
    token = opened_hub.place.token_file.read_text().strip()

    assert anonymous.get("/api/whoami-v2", headers=basic("anybody", token)).json()["name"] == "ada"


@pytest.mark.parametrize(
    "header",
    ["Bearer hf_wrong", "Bearer ", "Basic !!!", "Digest x", basic("ada", "wrong")["Authorization"]],
)
def test_a_wrong_token_is_told_in_the_words_the_client_knows(anonymous: TestClient, header: str):
    """
    An unknown token is 401 with the one text that the client does not take for a missing repository.
    """
    answer = anonymous.get("/api/models/ada/tiny", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.headers["X-Error-Message"] == "Invalid credentials in Authorization header"


@pytest.mark.parametrize("body", ["{", "[]", '"text"', "\x00"])
def test_a_body_that_is_no_json_object_is_refused(owner: TestClient, body: str):
    """
    Handlers get a JSON object or nothing.
    """
    answer = owner.post("/api/repos/create", content=body)

    assert answer.status_code == 400
    assert "body is not" in answer.json()["error"]


def test_a_missing_field_is_named(owner: TestClient):
    """
    What the body lacks is said by name.
    """
    assert owner.post("/api/repos/create", json={}).json()["error"] == "`name` must be a text"


def test_a_session_may_look_but_not_touch(opened_hub: LocalHub, anonymous: TestClient):
    """
    A browser's cookie reads what is private and changes nothing: other sites can make browsers send requests.
    """
    code = opened_hub.accounts.one_time_link().split("/")[2].split("?")[0]
    anonymous.cookies.set(SESSION_COOKIE, opened_hub.accounts.sign_in(code))

    assert anonymous.get("/api/whoami-v2").json()["name"] == "ada"
    assert anonymous.post("/api/repos/create", json={"name": "x"}).status_code == 401


def test_slashes_of_a_revision_stay_in_their_part(owner: TestClient):
    """
    `refs%2Fheads%2Fmain` is one part of the path, not three.
    """
    owner.post("/api/repos/create", json={"name": "tiny"})

    assert owner.get("/api/models/ada/tiny/revision/refs%2Fheads%2Fmain").json()["id"] == "ada/tiny"


def test_addresses_in_answers_use_the_name_the_client_used(owner: TestClient):
    """
    The client refuses addresses that do not begin with its own HF_ENDPOINT.
    """
    answer = owner.post("/api/repos/create", json={"name": "t"}, headers={"Host": "localhost:7870"})

    assert answer.json()["url"] == "http://localhost:7870/ada/t"
