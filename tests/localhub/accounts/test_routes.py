"""Accounts over HTTP, as the official client and a browser see them."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session
from starlette.testclient import TestClient

from spacehand.hub.remote import RemoteHub
from spacehand.localhub.accounts.store import SESSION_COOKIE
from spacehand.localhub.hub import LocalHub
from tests.conftest import HubProcess
from tests.localhub.conftest import web_client


def test_whoami(official: HfApi):
    """
    The client learns the owner's name and that its token may write.
    """
    me = official.whoami()

    assert (me["type"], me["name"], me["orgs"], me["isPro"]) == ("user", "ada", [], False)
    assert me["auth"]["accessToken"]["role"] == "write"


@pytest.mark.parametrize(
    ("role", "repos", "may_change"),
    [
        ("read", None, ()),
        ("write", None, ("everything its owner may",)),
        ("fineGrained", ["ada/tiny"], ("repo.write of ada/tiny",)),
        ("fineGrained", [], ()),
    ],
)
def test_a_token_tells_what_it_may_change(
    local_hub: HubProcess, role: str, repos: list[str] | None, may_change: tuple[str, ...]
):
    """
    The tool reads from this Hub's answer, shaped like huggingface.co's, whether a token only reads.
    """
    body = {"name": "space", "role": role} | ({} if repos is None else {"repos": repos})
    headers = {"Authorization": f"Bearer {local_hub.token}"}
    answer = get_session().post(f"{local_hub.url}/api/spacehand/tokens", json=body, headers=headers)
    made = answer.json()["token"]
    hub = RemoteHub(local_hub.url, local_hub.token)

    rights = hub.rights(made)

    assert rights is not None
    assert (rights.role, rights.may_change) == (role, may_change)
    assert hub.rights("hf_" + "x" * 34) is None


def test_a_wrong_token_is_401(local_hub: HubProcess):
    """
    The client says that the token is wrong, not that something is missing.
    """
    with pytest.raises(HfHubHTTPError) as raised:
        HfApi(endpoint=local_hub.url, token="hf_wrong").whoami()

    assert raised.value.response.status_code == 401


def test_nobody_is_nobody(anonymous: TestClient):
    """
    Without a token there is no answer to who one is.
    """
    assert anonymous.get("/api/whoami-v2").status_code == 401


def test_users_and_organisations(owner: TestClient, opened_hub: LocalHub):
    """
    Users and organisations have a page, which counts what the caller may see.
    """
    opened_hub.accounts.add_organization("lab", ["ada"])
    owner.post("/api/repos/create", json={"name": "one", "organization": "lab"})
    owner.post("/api/repos/create", json={"name": "two", "organization": "lab", "visibility": "private"})
    anonymous = web_client(opened_hub)

    assert owner.get("/api/organizations/LAB/overview").json()["numModels"] == 2
    assert anonymous.get("/api/organizations/lab/overview").json()["numModels"] == 1
    assert [each["user"] for each in anonymous.get("/api/organizations/lab/members").json()] == ["ada"]
    assert anonymous.get("/api/users/ada/overview").json()["orgs"][0]["user"] == "lab"
    assert [org["name"] for org in owner.get("/api/whoami-v2").json()["orgs"]] == ["lab"]
    assert anonymous.get("/api/users/lab/overview").status_code == 404
    assert anonymous.get("/api/users/nobody/overview").status_code == 404


def test_a_link_signs_a_browser_in_once(owner: TestClient, anonymous: TestClient):
    """
    The link works once, leads to the page asked for, and sets a cookie closed to scripts and other sites.
    """
    url = owner.post("/api/spacehand/sign-in-link", json={"next": "/spaces/ada/demo?a=1&b=2"}).json()["url"]
    path = url.removeprefix("http://127.0.0.1:7870")

    first = anonymous.get(path)

    assert (first.status_code, first.headers["Location"]) == (303, "/spaces/ada/demo?a=1&b=2")
    assert "httponly" in first.headers["Set-Cookie"].lower()
    assert "samesite=strict" in first.headers["Set-Cookie"].lower()
    assert anonymous.get("/api/whoami-v2").json()["name"] == "ada"
    anonymous.cookies.clear()
    assert anonymous.get(path).status_code == 403
    assert SESSION_COOKIE not in anonymous.cookies


@pytest.mark.parametrize("page", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\nb"])
def test_a_link_never_leads_away(owner: TestClient, anonymous: TestClient, page: str):
    """
    A sign-in link leads to pages of this Hub alone, also when somebody changes it on the way.
    """
    assert owner.post("/api/spacehand/sign-in-link", json={"next": page}).status_code == 400

    url = owner.post("/api/spacehand/sign-in-link").json()["url"]
    changed = anonymous.get(urlsplit(url).path, params={"next": page})
    assert changed.headers["Location"] == "/"


def test_only_a_token_that_may_write_makes_links(opened_hub: LocalHub, anonymous: TestClient):
    """
    A link is made for those with full rights.
    """
    reader = web_client(opened_hub, opened_hub.accounts.add_token("ada", role="read"))

    assert anonymous.post("/api/spacehand/sign-in-link").status_code == 401
    assert reader.post("/api/spacehand/sign-in-link").status_code == 403


def test_tokens_are_given_out_once_and_revoked(owner: TestClient, opened_hub: LocalHub):
    """
    A token's value is seen when it is made and never again; once revoked it opens nothing.
    """
    made = owner.post("/api/spacehand/tokens", json={"name": "ci", "role": "read"}).json()["token"]
    listed = owner.get("/api/spacehand/tokens")

    assert web_client(opened_hub, made).get("/api/whoami-v2").status_code == 200
    assert made not in listed.text
    [row] = [each for each in listed.json() if each["name"] == "ci"]
    assert row["role"] == "read"
    assert owner.delete(f"/api/spacehand/tokens/{row['id']}").status_code == 200
    assert web_client(opened_hub, made).get("/api/whoami-v2").status_code == 401
    assert owner.delete(f"/api/spacehand/tokens/{row['id']}").status_code == 404


def test_a_reading_token_changes_nothing(owner: TestClient, opened_hub: LocalHub):
    """
    The role `read` sees what is private, and is refused everything else.
    """
    owner.post("/api/repos/create", json={"name": "tiny", "visibility": "private"})
    reader = web_client(opened_hub, opened_hub.accounts.add_token("ada", role="read"))

    assert reader.get("/api/models/ada/tiny").status_code == 200
    assert reader.post("/api/repos/create", json={"name": "other"}).status_code == 403
    assert reader.put("/api/models/ada/tiny/settings", json={}).status_code == 403
    assert reader.request("DELETE", "/api/repos/delete", json={"name": "tiny"}).status_code == 403


def test_a_token_for_one_repository_reaches_no_other(owner: TestClient):
    """
    A `fineGrained` token writes to the repositories it names, and does not see other private ones.
    """
    for name in ("mine", "other"):
        owner.post("/api/repos/create", json={"name": name, "visibility": "private"})
    body = {"role": "fineGrained", "repos": ["Ada/Mine"]}
    token = owner.post("/api/spacehand/tokens", json=body).json()["token"]
    narrow = {"Authorization": f"Bearer {token}"}

    assert owner.get("/api/models/ada/mine/auth-check/write", headers=narrow).status_code == 200
    assert owner.get("/api/models/ada/other", headers=narrow).status_code == 404
    assert [row["id"] for row in owner.get("/api/models", headers=narrow).json()] == ["ada/mine"]
    assert owner.post("/api/repos/create", json={"name": "x"}, headers=narrow).status_code == 403
    gone = owner.request("DELETE", "/api/repos/delete", json={"name": "mine"}, headers=narrow)
    assert gone.status_code == 403


def test_only_the_owner_adds_users(owner: TestClient, stranger: TestClient):
    """
    The Hub's owner makes tokens for further users; they make tokens for themselves alone.
    """
    made = owner.post("/api/spacehand/tokens", json={"user": "eve", "role": "write"})

    assert made.status_code == 200
    assert stranger.post("/api/spacehand/tokens", json={"user": "ada", "role": "write"}).status_code == 403
    assert stranger.post("/api/spacehand/tokens", json={"role": "write"}).status_code == 200


@pytest.mark.parametrize("role", ["admin", "fineGrained", ""])
def test_unknown_roles_are_refused(owner: TestClient, role: str):
    """
    A token without a meaning is not made.
    """
    assert owner.post("/api/spacehand/tokens", json={"role": role}).status_code == 400
