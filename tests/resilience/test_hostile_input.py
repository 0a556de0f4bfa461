"""Requests and files made to do harm: each is answered at once, with a refusal and never with a fault."""

from __future__ import annotations

import json
import time
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from spacehand.localhub.commits.attributes import LfsRules
from spacehand.localhub.hub import LocalHub

NDJSON = {"Content-Type": "application/x-ndjson"}
SHA = "0" * 64


@pytest.fixture(autouse=True)
def thing(owner: TestClient) -> None:
    owner.post("/api/repos/create", json={"name": "thing", "type": "model"})
    owner.post("/api/repos/create", json={"name": "demo", "type": "space", "sdk": "static"})


def commit(client: TestClient, **files: str) -> int:
    """Commit *files* (``a__b`` is ``a.b``) and return the status."""
    lines: list[dict[str, object]] = [{"key": "header", "value": {"summary": "x"}}]
    for name, text in files.items():
        lines.append({"key": "file", "value": {"path": name.replace("__", "."), "content": text}})
    body = "\n".join(json.dumps(line) for line in lines)
    return client.post("/api/models/ada/thing/commit/main", content=body, headers=NDJSON).status_code


def bomb(levels: int = 12) -> str:
    """A header of some hundred bytes that stands for 10 to the power of *levels* values."""
    lines = [f"a0: &a0 [{','.join('x' * 10)}]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "---\n" + "\n".join(lines) + "\n---\n"


def test_a_header_that_explodes_is_refused(owner: TestClient):
    """
    Aliases of aliases in a README are counted before they are loaded.
    """
    began = time.monotonic()
    assert commit(owner, README__md=bomb()) == 400
    assert time.monotonic() - began < 5
    checked = owner.post("/api/validate-yaml", json={"content": bomb(), "repoType": "space"})
    assert "100000 values" in checked.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "body",
    ["[" * 100_000, '{"a":' * 100_000, '{"name": "\\ud800"}', '{"name": "a", "x": ' + "9" * 10_000 + "}"],
)
def test_json_that_nobody_can_keep_is_refused(owner: TestClient, body: str):
    """
    JSON of any depth, half of a character, or a number without end is 400 wherever JSON is taken.
    """
    assert owner.post("/api/repos/create", content=body).status_code == 400
    assert owner.post("/api/spaces/ada/demo/secrets", content=body).status_code == 400
    answer = owner.post("/api/models/ada/thing/commit/main", content=body, headers=NDJSON)
    assert answer.status_code == 400
    asked = {"Content-Type": "application/json"}
    answer = owner.post("/api/models/ada/thing/paths-info/main", content=body, headers=asked)
    assert answer.status_code in (200, 400)


def test_a_line_without_end_is_refused_while_it_comes(owner: TestClient):
    """
    A line of a commit longer than any file may be is refused without keeping it.
    """
    body = b'{"key": "header", "value": {"summary": "' + b"x" * 15_000_000
    assert owner.post("/api/models/ada/thing/commit/main", content=body, headers=NDJSON).status_code == 413
    assert owner.post("/api/repos/create", content=b"x" * 34_000_000).status_code == 413


@pytest.mark.parametrize(
    "pattern", ["*a*a*a*a*a*a*a*a*b", "**/a/**/a/**/a/**/a/**/a/**/a/**/b", "*?*?*?*?*?*?*?*?b"]
)
def test_attributes_are_matched_at_once(pattern: str):
    """
    A pattern with many wild cards does not hold the Hub up.
    """
    rules = LfsRules.parse(f"{pattern} filter=lfs -text\n".encode())
    began = time.monotonic()
    assert not rules.covers("a" * 250)
    assert not rules.covers("a/" * 120 + "a")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("*a*b*", "xxaxxbxx", True),
        ("*a*b", "aabab", True),
        ("*a*b", "ba", False),
        ("*.tar.*", "x/y.tar.gz.tar.xz", True),
        ("a*/b*c/*d", "ax/bxcxc/xdd", True),
        ("a*/b*c/*d", "ax/bxc/y/xdd", False),
        ("**/x/**/y/*.bin", "x/x/y/y/a.bin", True),
        ("**/x/**/y/*.bin", "y/x/a.bin", False),
        ("a/**/b/**/c", "a/b/c", True),
        ("a/**/b/**/c", "a/1/b/2/b/3/c", True),
        ("a/**", "a/b/c", True),
        ("*[ab]*[0-9]*z", "__a__a9__z", True),
    ],
)
def test_wild_cards_match_as_before(pattern: str, path: str, covered: bool):
    """
    Taking the first fit finds all that git finds.
    """
    assert LfsRules.parse(f"{pattern} filter=lfs -text\n".encode()).covers(path) is covered


@pytest.mark.parametrize("ignore", ["*a*a*a*a*b", "**/a/**/b/**/c/**/d", "***["])
def test_ignore_rules_that_take_for_ever_are_refused(owner: TestClient, ignore: str):
    """
    A `.gitignore` with more wild cards than anybody needs is 400, and so is one that is none.
    """
    body = {"gitIgnore": ignore, "files": [{"path": "a" * 200, "size": 1, "sample": ""}]}
    began = time.monotonic()
    answer = owner.post("/api/models/ada/thing/preupload/main", json=body)
    assert answer.status_code in (200, 400)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "path",
    [
        "/api/models?limit=" + "9" * 5000,
        "/api/models?cursor=" + "9" * 5000,
        "/api/spaces/ada/demo/logs/run?tail=" + "9" * 5000,
        f"/cas/STORE/xorbs/{SHA}?permission=SIGNED",
        f"/lfs/objects/{SHA}?permission=SIGNED",
        f"/cas/STORE/xorbs/{SHA}?permission=%ff",
        "/api/models/ada/thing/revision/" + "a" * 5000,
        "/api/models/ada/thing/tree/main/%00",
        "/ada/thing/resolve/main/%ff%fe",
    ],
)
def test_no_address_is_a_fault_of_ours(owner: TestClient, opened_hub: LocalHub, path: str):
    """
    Numbers without end, seals made for something else and names that are none are refused.
    """
    (demo,) = [repo for repo in opened_hub.repos.list() if repo.id.name == "demo"]
    signed = opened_hub.gateway.sign(demo)
    path = path.replace("STORE", opened_hub.objects.store_id).replace("SIGNED", signed)
    assert 400 <= owner.get(path).status_code < 500


def test_a_batch_that_is_none_is_refused(owner: TestClient):
    """
    git-lfs' JSON with other types in it is 422.
    """
    for wrong in ({"transfers": 5}, {"transfers": {"basic": 1}}, {"objects": "x"}):
        body = {"operation": "upload", "objects": [{"oid": SHA, "size": 1}], **wrong}
        assert owner.post("/ada/thing.git/info/lfs/objects/batch", json=body).status_code == 422


@pytest.mark.parametrize("end", ["%0d", "%0a", "%0d%0a", "%0b", "%00", "%1e"])
def test_no_header_begins_in_what_a_client_wrote(owner: TestClient, end: str):
    """
    A line's end in a revision does not end the header that tells of it.
    """
    for path in (f"/api/models/ada/thing/revision/x{end}Set-Cookie:a=b", f"/ada/thing/tree/x{end}Y:z"):
        answer = owner.get(path)
        assert answer.status_code == 404
        assert answer.headers["X-Error-Message"].isprintable()


def test_no_header_begins_in_a_files_name(owner: TestClient, opened_hub: LocalHub):
    """
    git takes a line's end in a file's name; the header that names the file stays one.
    """
    (repo,) = [repo for repo in opened_hub.repos.list() if repo.id.name == "thing"]
    git = opened_hub.repos.git(repo)
    tree = git.TreeBuilder()
    tree.insert("a\r\nX-Evil: 1\r\n\r\n.txt", git.create_blob(b"x"), 0o100644)
    head = git.references["refs/heads/main"]
    author = git[head.target].author
    git.create_commit("refs/heads/main", author, author, "x", tree.write(), [head.target])

    answer = owner.get("/ada/thing/resolve/main/a%0d%0aX-Evil:%201%0d%0a%0d%0a.txt")

    assert (answer.status_code, answer.content) == (200, b"x")
    assert "X-Evil" not in answer.headers
    assert answer.headers["Content-Disposition"].isprintable()


@pytest.mark.parametrize(
    "path",
    [
        "..%2f..%2fhub.sqlite",
        "%2e%2e/%2e%2e/token",
        "%2fetc%2fpasswd",
        ".git/config",
        "..%5c..%5ctoken",
        "a//b",
    ],
)
@pytest.mark.parametrize(
    "where", ["/ada/thing/resolve", "/ada/thing/raw", "/api/models/ada/thing/tree", "/ada/thing/blob"]
)
def test_no_path_leaves_its_repository(owner: TestClient, where: str, path: str):
    """
    Whatever the path, only what a commit holds is shown.
    """
    assert owner.get(f"{where}/main/{path}").status_code == 404


@pytest.mark.parametrize(
    "name", ["--upload-pack=x", "-x", "a%2F-x", "a..b", "x.lock", "a%0ab", "refs%2Fheads%2Fx", "HEAD"]
)
def test_no_branch_is_an_option(owner: TestClient, name: str):
    """
    Names that git, on somebody's command line, would take for something else are refused.
    """
    assert owner.post(f"/api/models/ada/thing/branch/{name}", json={}).status_code == 400
    answer = owner.post("/api/models/ada/thing/tag/main", json={"tag": unquote(name)})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "shape",
    ['["a", 1e400]', "[[1], 10000000000]", '["a", 10000000000]', "[" * 5000, "[-1]", '"x"', "{}"],
)
def test_a_page_survives_any_shape_of_a_tensor(owner: TestClient, shape: str):
    """
    A model's page multiplies numbers alone: texts and lists times a number would fill the memory.
    """
    header = f'{{"w": {{"dtype": "F32", "shape": {shape}}}}}'
    header = header.ljust(-(-len(header) // 256) * 256)  # so that its length can be written as text
    content = len(header).to_bytes(8, "little").decode() + header
    assert commit(owner, model__safetensors=content) == 200
    assert owner.get("/ada/thing", headers={"Accept": "text/html"}).status_code == 200


def test_a_page_shows_a_long_card_in_part(owner: TestClient):
    """
    A card of many MiB is shown as far as a page goes.
    """
    assert commit(owner, README__md="# One\n" + "word " * 1_500_000 + "the very end") == 200
    page = owner.get("/ada/thing", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "the very end" not in page.text


@pytest.mark.parametrize(
    "header",
    [
        "a: .nan",
        "a: [-.inf]",
        "a: !!int x",
        "a: !!timestamp x",
        "a: 2001-99-99",
        "2001-01-01: a",
        "? [1, 2]\n: a",
        "a: 9" + "9" * 5000,
        'a: "\\uD800"',
        "? null\n: a",
        "a: &a [*a]",
    ],
)
def test_no_header_spoils_a_list(owner: TestClient, opened_hub: LocalHub, header: str):
    """
    Whatever a README's header says, and however it came in, the repository and the list it is in are shown.
    """
    assert commit(owner, README__md=f"---\n{header}\n---\n") in (200, 400)
    (repo,) = [repo for repo in opened_hub.repos.list() if repo.id.name == "thing"]
    git = opened_hub.repos.git(repo)
    tree = git.TreeBuilder()
    tree.insert("README.md", git.create_blob(f"---\n{header}\n---\n".encode()), 0o100644)
    head = git.references["refs/heads/main"]
    author = git[head.target].author
    git.create_commit("refs/heads/main", author, author, "x", tree.write(), [head.target])

    for path in ("/api/models/ada/thing", "/api/models?full=1", "/ada/thing", "/models", "/"):
        assert owner.get(path, headers={"Accept": "text/html"}).status_code == 200, path


def test_wrong_types_are_refused(owner: TestClient):
    """
    JSON of another shape than a route wants is the caller's fault and not ours.
    """
    for path, body in (
        ("/ada/thing.git/info/lfs/objects/batch", {"operation": ["x"], "objects": []}),
        ("/api/models/ada/thing/paths-info/main", {"paths": 5}),
        ("/api/repos/create", {"name": "s", "type": "space", "sdk": "static", "sleepTimeSeconds": 10**30}),
        ("/api/repos/create", {"name": "s", "type": ["space"]}),
        ("/api/repos/create", {"name": "s", "type": "space", "sdk": "static", "volumes": [5]}),
        ("/api/models/ada/thing/preupload/main", {"files": [{"path": "a", "size": 1, "sample": 5}]}),
    ):
        assert 400 <= owner.post(path, json=body).status_code < 500, path
