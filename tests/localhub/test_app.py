"""What surrounds every answer of the local Hub."""

from __future__ import annotations

import errno
import re
from email.utils import parsedate_to_datetime
from time import time

import pytest
from starlette.testclient import TestClient

from spacehand.localhub.app import TABLE
from spacehand.localhub.hub import LocalHub


def test_a_route_nobody_has_answers_501_and_names_itself(owner: TestClient):
    """
    An unknown API route says so, with a status that the client does not try again.
    """
    answer = owner.post("/api/models/ada/tiny/discussions/7/merge")

    assert answer.status_code == 501
    assert answer.json()["error"] == (
        "The local Hub does not have `POST /api/models/ada/tiny/discussions/7/merge` yet"
    )
    assert "discussions/7/merge" in answer.headers["X-Error-Message"]


def test_a_wrong_method_on_a_known_route_is_an_unknown_route(owner: TestClient):
    """
    A method that a route does not take answers 501 like a route that is not there.
    """
    assert owner.put("/api/whoami-v2").status_code == 501


def test_an_unknown_page_is_404(anonymous: TestClient):
    """
    Outside the API what is not there is 404.
    """
    assert anonymous.get("/no/such/page/at/all").status_code == 404


@pytest.mark.parametrize(
    "path", ["/api/models/gpt2", "/api/models/gpt2/revision/main", "/gpt2/resolve/main/config.json"]
)
def test_a_name_without_owner_is_a_repository_that_is_not_there(owner: TestClient, path: str):
    """
    Names from before there were owners are answered as repositories that do not exist, not as unknown routes.
    """
    answer = owner.get(path)

    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RepoNotFound")
    assert owner.delete("/api/models/gpt2/like").headers["X-Error-Code"] == "RepoNotFound"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7870", "127.0.0.1.evil.example", ""])
def test_other_hosts_are_refused(owner: TestClient, host: str):
    """
    A site that points its own name at 127.0.0.1 learns nothing, even with a token.
    """
    answer = owner.get("/api/whoami-v2", headers={"Host": host})

    assert answer.status_code == 421
    assert "ada" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:7870", "localhost:1", "LOCALHOST", "[::1]:7870"])
def test_this_machine_is_answered_by_any_of_its_names(owner: TestClient, host: str):
    """
    Loopback names are answered, whatever the port says.
    """
    assert owner.get("/api/whoami-v2", headers={"Host": host}).status_code == 200


def test_each_answer_has_an_id_and_the_time(anonymous: TestClient):
    """
    Every answer, also a refusal, carries a request id and the accurate time.
    """
    before = int(time())

    for path in ("/api/agent-harnesses", "/api/nothing", "/"):
        answer = anonymous.get(path)
        assert re.match(r"Root=1-[0-9a-f-]{36}$", answer.headers["X-Request-Id"])
        assert before <= parsedate_to_datetime(answer.headers["Date"]).timestamp() <= time()


def test_the_client_chooses_the_request_id(anonymous: TestClient):
    """
    The id that the client sends comes back, so that both logs name the same request.
    """
    answer = anonymous.get("/api/agent-harnesses", headers={"X-Amzn-Trace-Id": "my-very-own"})

    assert answer.headers["X-Request-Id"] == "my-very-own"


def test_a_full_disk_is_named(owner: TestClient, opened_hub: LocalHub, monkeypatch: pytest.MonkeyPatch):
    """
    A full disk answers 507, which the client does not try again, and says what is wrong.
    """

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(opened_hub.repos, "create", full)
    answer = owner.post("/api/repos/create", json={"name": "big"})

    assert (answer.status_code, answer.json()) == (507, {"error": "No space left on device"})


def test_a_fault_of_ours_tells_nothing_else(
    owner: TestClient, opened_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
):
    """
    A fault is answered 500 without a word of what was in the program's hands.
    """

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("hf_thisIsASecretValue")

    monkeypatch.setattr(opened_hub.repos, "list", broken)
    answer = owner.get("/api/models")

    assert answer.status_code == 500
    assert "hf_this" not in answer.text
    assert answer.headers["X-Request-Id"]


def test_every_route_of_the_table_is_listed_with_what_it_does(anonymous: TestClient):
    """
    `GET /api/spacehand/routes` lists the whole table, each route with its sentence.
    """
    listed = anonymous.get("/api/spacehand/routes").json()

    assert {row["path"] for row in listed} == {route.path for route in TABLE}  # type: ignore[attr-defined]
    assert [row["path"] for row in listed if not row["about"]] == []
