"""What is private stays private by every road, and no road writes without the right to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient
from tests.localhub.conftest import web_client

from spacehand.localhub.app import TABLE
from spacehand.localhub.hub import LocalHub

NDJSON = {"Content-Type": "application/x-ndjson"}
CANARY = "canary-4711"
LARGE = CANARY.encode() * 1000
SHA = hashlib.sha256(LARGE).hexdigest()
DOWNLOAD = {"operation": "download", "objects": [{"oid": SHA, "size": len(LARGE)}], "content": ""}
# They belong to nobody, or act on what the body names, and have tests of their own.
OPEN = re.compile(
    r"/api/(whoami-v2|agent-harnesses|telemetry|validate-yaml|spacehand/(alive|routes|sign-in-link|tokens)|"
    r"repos/|settings/|users/|organizations/|spaces/(hardware|zero-gpu))|/(sign-in|lfs/objects|cas|-)/|/(-/.*)?\Z"
)
ENDLESS = ("/events", "/metrics", "/logs/run", "/logs/build")  # streams: to the owner they go on


@pytest.fixture(autouse=True)
def hidden(owner: TestClient) -> None:
    """A private model, dataset and Space, each with a file, a large file and a secret in it."""
    for kind in ("model", "dataset", "space"):
        body = {"name": "hidden", "type": kind, "sdk": "static", "private": True}
        body["variables"] = [{"key": "WHERE", "value": CANARY}]
        assert owner.post("/api/repos/create", json=body).status_code == 200
        prefix = {"model": "", "dataset": "datasets/", "space": "spaces/"}[kind]
        batch = {"operation": "upload", "objects": [{"oid": SHA, "size": len(LARGE)}]}
        (row,) = owner.post(f"/{prefix}ada/hidden.git/info/lfs/objects/batch", json=batch).json()["objects"]
        assert owner.put(row["actions"]["upload"]["href"], content=LARGE).status_code == 200
        text = f"---\ntitle: {CANARY}\nsdk: static\nlicense: mit\n---\n{CANARY}\n"
        lines: list[dict[str, object]] = [
            {"key": "header", "value": {"summary": CANARY}},
            {"key": "file", "value": {"path": "README.md", "content": text}},
            {"key": "lfsFile", "value": {"path": "a.bin", "oid": SHA, "size": len(LARGE), "algo": "sha256"}},
        ]
        sent = "\n".join(json.dumps(line) for line in lines)
        answer = owner.post(f"/api/{kind}s/ada/hidden/commit/main", content=sent, headers=NDJSON)
        assert answer.status_code == 200


def addresses() -> Iterator[tuple[str, str]]:
    """Yield method and address of every route there is, with the hidden repositories in it."""
    words = {"owner": "ada", "name": "hidden", "rev": "main", "path": "a.bin", "branch": "new"}
    words |= {"subdomain": "ada-hidden", "account": "ada", "hash": "0" * 64, "store": "x", "sha256": SHA}
    for route in TABLE:
        assert isinstance(route, Route)
        for plural in ("models", "datasets", "spaces") if "{kind:plural}" in route.path else ("",):
            address = route.path.replace("{kind:plural}", plural)
            address = re.sub(r"{(\w+)(?::\w+)?}", lambda found: words.get(found[1], "x"), address)
            for method in sorted(route.methods or ()):
                yield method, address


@pytest.mark.parametrize("who", ["anonymous", "stranger", "limited", "other session"])
def test_no_road_leads_to_what_is_private(opened_hub: LocalHub, stranger: TestClient, who: str):
    """
    Every route of the table, asked by somebody without the right, shows nothing of a private repository.
    """
    client = web_client(opened_hub)
    if who == "stranger":
        client = stranger
    elif who == "limited":
        token = opened_hub.accounts.add_token("ada", role="fineGrained", repos=["ada/other"])
        client = web_client(opened_hub, token)
    elif who == "other session":
        cookie = opened_hub.accounts.sign_in(
            opened_hub.accounts.one_time_link(user="bob").split("/")[2].split("?")[0]
        )
        client.cookies.set("spacehand_session", cookie)
    asked = 0
    for method, address in addresses():
        if address.endswith(ENDLESS) and method == "GET":
            assert client.head(address).status_code in (401, 403, 404, 501)
        answer = client.request(method, address, json=None if method in ("GET", "HEAD") else DOWNLOAD)
        assert answer.status_code < 500 or answer.status_code == 501, f"{method} {address}"
        assert CANARY not in answer.text, f"{method} {address}"
        assert CANARY not in str(answer.headers), f"{method} {address}"
        if not OPEN.match(address) and "hidden" in address:
            assert answer.status_code in (401, 403, 404, 501), f"{method} {address}: {answer.status_code}"
        asked += 1
    assert asked > 150


def test_the_owner_finds_it(owner: TestClient):
    """
    The same roads lead the owner to it: what the test above does not see is there to be seen.
    """
    shown = [
        address
        for method, address in addresses()
        if method == "GET" and not address.endswith(ENDLESS) and CANARY in owner.get(address).text
    ]
    assert len(shown) > 15


def test_a_token_to_read_writes_nothing(opened_hub: LocalHub):
    """
    Every route that changes something refuses the owner's own token when it may only read.
    """
    reader = web_client(opened_hub, opened_hub.accounts.add_token("ada", role="read"))
    before = [(repo.id, repo.visibility, repo.gated) for repo in opened_hub.repos.list()]
    harmless = re.compile(
        r"/paths-info/|/git-upload-pack|/telemetry|/validate-yaml|/like\Z|/lfs/objects/batch|/cas/"
    )
    for method, address in addresses():
        if method in ("GET", "HEAD") or harmless.search(address):
            continue
        body = {"name": "hidden", "type": "model", "fromRepo": "ada/hidden", "toRepo": "ada/moved"}
        body |= {"repository": "ada/copy", "key": "A", "value": "b", "flavor": "t4-small"}
        body |= DOWNLOAD | {"operation": "upload"}
        answer = reader.request(method, address, json=body)
        assert answer.status_code in (400, 401, 403, 404, 422, 501), (
            f"{method} {address}: {answer.status_code}"
        )
        assert answer.status_code != 400 or "lfs" in address or "cas" in address, f"{method} {address}"
    assert [(repo.id, repo.visibility, repo.gated) for repo in opened_hub.repos.list()] == before
    for question in ("", "?create_pr=1"):
        answer = reader.get(f"/api/models/ada/hidden/xet-write-token/main{question}")
        assert answer.status_code == 403


def test_nobody_gives_himself_a_token_for_what_is_not_his(opened_hub: LocalHub, stranger: TestClient):
    """
    Only who may write to a repository makes tokens for it, be it for himself or for somebody else.
    """
    wanted = {"role": "fineGrained", "repos": ["ada/hidden"]}
    assert stranger.post("/api/spacehand/tokens", json=wanted).status_code == 403
    mine = {"role": "fineGrained", "repos": ["bob/mine", "Ada/Hidden"]}
    assert stranger.post("/api/spacehand/tokens", json=mine).status_code == 403
    owner = web_client(opened_hub, opened_hub.place.token_file.read_text().strip())
    given = owner.post("/api/spacehand/tokens", json=wanted | {"user": "bob"}).json()["token"]
    assert web_client(opened_hub, given).get("/api/models/ada/hidden").status_code == 200


def test_nobody_takes_what_is_not_his(stranger: TestClient):
    """
    A stranger neither creates in another's name, nor moves, nor copies what he may not see.
    """
    move = {"fromRepo": "ada/hidden", "toRepo": "bob/hidden", "type": "model"}
    assert stranger.post("/api/repos/create", json={"name": "ada/new", "type": "model"}).status_code == 403
    assert stranger.post("/api/repos/move", json=move).status_code == 404
    copy = {"repository": "bob/hidden"}
    assert stranger.post("/api/models/ada/hidden/duplicate", json=copy).status_code == 404


def test_a_session_reads_and_does_nothing_else(opened_hub: LocalHub):
    """
    The session's cookie, which another site could make a browser send, opens no route that changes anything.
    """
    client = web_client(opened_hub)
    code = opened_hub.accounts.one_time_link().split("/")[2].split("?")[0]
    client.cookies.set("spacehand_session", opened_hub.accounts.sign_in(code))
    assert CANARY in client.get("/ada/hidden").text
    assert client.post("/api/spaces/ada/hidden/restart").status_code == 401
    assert client.post("/api/repos/create", json={"name": "mine"}).status_code == 401
    assert client.request("DELETE", "/api/repos/delete", json={"name": "hidden"}).status_code == 401
    assert client.get("/ada/hidden/info/refs?service=git-receive-pack").status_code in (401, 403)
    assert client.get("/api/models/ada/hidden/xet-write-token/main").status_code == 403
    assert client.post("/api/spacehand/tokens", json={"role": "write"}).status_code == 401
    assert client.get("/api/spacehand/tokens").status_code == 403


def test_knowing_a_hash_opens_nothing(opened_hub: LocalHub, stranger: TestClient):
    """
    Who names the sha256 of a file in a private repository neither fetches it nor commits a pointer to it.
    """
    stranger.post("/api/repos/create", json={"name": "mine", "type": "model"})
    (row,) = stranger.post("/bob/mine.git/info/lfs/objects/batch", json=DOWNLOAD).json()["objects"]
    assert row["error"]["code"] == 404
    lines: list[dict[str, object]] = [
        {"key": "header", "value": {"summary": "x"}},
        {"key": "lfsFile", "value": {"path": "a.bin", "oid": SHA, "size": len(LARGE), "algo": "sha256"}},
    ]
    sent = "\n".join(json.dumps(line) for line in lines)
    answer = stranger.post("/api/models/bob/mine/commit/main", content=sent, headers=NDJSON)
    assert answer.status_code == 400
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize {len(LARGE)}\n"
    lines[1] = {"key": "file", "value": {"path": "a.bin", "content": pointer}}
    sent = "\n".join(json.dumps(line) for line in lines)
    answer = stranger.post("/api/models/bob/mine/commit/main", content=sent, headers=NDJSON)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://ada-demo.localhost:7870", "http://127.0.0.1:21000"]
)
def test_no_page_elsewhere_reads_the_hub(owner: TestClient, origin: str):
    """
    Pages and API answers carry no CORS header; files do for this machine's origins, never with cookies.
    """
    for path in ("/", "/ada/hidden", "/api/models", "/api/whoami-v2", "/api/spaces/ada/hidden/variables"):
        answer = owner.get(path, headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers
    answer = owner.get("/ada/hidden/resolve/main/README.md", headers={"Origin": origin})
    assert "access-control-allow-credentials" not in answer.headers
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == (None if "evil" in origin else origin)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "0.0.0.0"]
)
def test_no_other_name_is_answered(owner: TestClient, host: str):
    """
    A name that somebody else's DNS points at this machine is refused before anything is looked at.
    """
    for path in ("/", "/api/models", "/api/spacehand/alive"):
        assert owner.get(path, headers={"Host": host}).status_code == 421
