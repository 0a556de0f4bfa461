from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest
from huggingface_hub import CommitOperationAdd, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile, RepoFolder

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from tests.conftest import HubProcess

LARGE = os.urandom(300_000)
FILES = {
    "a.txt": b"hello world",
    "empty": b"",
    "folder/inner/b.txt": b"b",
    "folder/ü #?%.txt": "ü".encode(),
    "weights.bin": LARGE,
}


@pytest.fixture(scope="module")
def repo(local_hub: HubProcess) -> str:
    """A repository that the tests here only read."""
    api = local_hub.api
    repo_id = api.create_repo(f"files-{os.getpid()}").repo_id
    operations = [CommitOperationAdd(path, content) for path, content in FILES.items()]
    api.create_commit(repo_id, operations, commit_message="files")
    return str(repo_id)


def url(hub: HubProcess, repo: str, path: str, revision: str | None = None) -> str:
    return str(hf_hub_url(repo, path, revision=revision, endpoint=hub.url))


def test_every_byte_comes_back(official: HfApi, repo: str, tmp_path: Path) -> None:
    """Single files and the whole snapshot are what was uploaded, byte for byte."""
    for path, content in FILES.items():
        assert Path(official.hf_hub_download(repo, path)).read_bytes() == content

    folder = Path(official.snapshot_download(repo, local_dir=tmp_path))
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES


def test_tree_of_one_folder_and_of_all(official: HfApi, repo: str) -> None:
    """A folder lists what lies in it; recursively, what lies below too; large files have their own size."""
    top = {entry.path: entry for entry in official.list_repo_tree(repo)}
    everything = {entry.path for entry in official.list_repo_tree(repo, recursive=True)}
    inner = [entry.path for entry in official.list_repo_tree(repo, "folder")]

    assert set(top) == {".gitattributes", "a.txt", "empty", "folder", "weights.bin"}
    assert isinstance(top["folder"], RepoFolder)
    assert everything == {".gitattributes", "folder", "folder/inner", *FILES}
    assert inner == ["folder/inner", "folder/ü #?%.txt"]
    weights = top["weights.bin"]
    assert isinstance(weights, RepoFile)
    assert weights.size == weights.lfs.size == len(LARGE)
    assert weights.lfs.pointer_size < 200
    assert weights.xet_hash is not None


def test_tree_errors(official: HfApi, repo: str) -> None:
    """A folder, a revision or a repository that is not there is told apart."""
    with pytest.raises(EntryNotFoundError):
        list(official.list_repo_tree(repo, "nothing"))
    with pytest.raises(EntryNotFoundError):
        list(official.list_repo_tree(repo, "a.txt"))
    with pytest.raises(RevisionNotFoundError):
        list(official.list_repo_tree(repo, revision="nothing"))
    with pytest.raises(RepositoryNotFoundError):
        list(official.list_repo_tree("ada/nothing-here"))


def test_last_commit_of_each_path(official: HfApi, name: str) -> None:
    """Expanded, each file and folder names the commit that changed it last, merged history included."""
    repo = official.create_repo(name).repo_id

    def commit(title: str, **files: bytes) -> None:
        operations = [CommitOperationAdd(path.replace("__", "/"), data) for path, data in files.items()]
        official.create_commit(repo, operations, commit_message=title)

    commit("one", a=b"1", folder__b=b"1", folder__c=b"1")
    commit("two", folder__b=b"2")
    commit("three", a=b"3", d=b"3")
    commit("four", a=b"1")

    tree = official.list_repo_tree(repo, recursive=True, expand=True)
    asked = official.get_paths_info(repo, ["folder", "a", "nothing"], expand=True)

    assert {entry.path: entry.last_commit.title for entry in tree} == {
        ".gitattributes": "initial commit",
        "a": "four",
        "d": "three",
        "folder": "two",
        "folder/b": "two",
        "folder/c": "one",
    }
    assert {entry.path: entry.last_commit.title for entry in asked} == {"folder": "two", "a": "four"}


def test_tree_page_by_page(official: HfApi, name: str) -> None:
    """A tree longer than a page comes whole, expanded or not."""
    repo = official.create_repo(name).repo_id
    operations = [CommitOperationAdd(f"f{number:04}", b"%d" % number) for number in range(1100)]
    official.create_commit(repo, operations, commit_message="many")

    assert len(list(official.list_repo_tree(repo))) == 1101
    expanded = [entry.path for entry in official.list_repo_tree(repo, expand=True)]
    assert len(set(expanded)) == 1101


def test_paths_info(official: HfApi, repo: str) -> None:
    """Paths that are not there are left out; a folder is a folder."""
    found = official.get_paths_info(repo, ["a.txt", "folder", "folder/ü #?%.txt", "nothing"])

    assert [entry.path for entry in found] == ["a.txt", "folder", "folder/ü #?%.txt"]
    assert [type(entry) for entry in found] == [RepoFile, RepoFolder, RepoFile]


def test_headers_of_small_and_large_files(local_hub: HubProcess, repo: str) -> None:
    """What the official client reads before a download is there: hash, commit, size, the way to Xet."""
    sha = local_hub.api.model_info(repo).sha

    small = get_hf_file_metadata(url(local_hub, repo, "a.txt"))
    large = get_hf_file_metadata(url(local_hub, repo, "weights.bin"))

    assert (small.commit_hash, small.size, small.xet_file_data) == (sha, 11, None)
    assert small.etag == "95d09f2b10159347eece71399a7e2e907ea3df4f"
    assert (large.commit_hash, large.size) == (sha, len(LARGE))
    [info] = local_hub.api.get_paths_info(repo, ["weights.bin"])
    assert large.etag == info.lfs.sha256
    assert large.xet_file_data.file_hash == info.xet_hash
    assert large.xet_file_data.refresh_route.endswith(f"/api/models/{repo}/xet-read-token/{sha}")


@pytest.mark.parametrize("path", ["a.txt", "weights.bin"])
def test_parts_of_a_file(local_hub: HubProcess, repo: str, path: str) -> None:
    """Ranges give exactly the bytes asked for; past the end there is nothing; nonsense gives everything."""
    content, address = FILES[path], url(local_hub, repo, path)
    size = len(content)

    def get(span: str, **headers: str) -> httpx.Response:
        return httpx.get(address, headers={"Range": span, "Accept-Encoding": "gzip", **headers})

    for span, start, end in [("bytes=0-0", 0, 1), ("bytes=3-", 3, size), ("bytes=-4", size - 4, size)]:
        answer = get(span)
        assert (answer.status_code, answer.content) == (206, content[start:end])
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert "content-encoding" not in answer.headers
    assert get("bytes=5-9999999").content == content[5:]
    assert get(f"bytes={size}-").status_code == 416
    for span in ("bytes=9-5", "bytes=-", "lines=1-2", "bytes=0-1,3-4"):
        assert (get(span).status_code, get(span).content) == (200, content)
    etag = httpx.head(address).headers["etag"]
    assert get("bytes=0-0", **{"If-Range": etag}).status_code == 206
    assert get("bytes=0-0", **{"If-Range": '"old"'}).content == content
    assert httpx.get(address, headers={"If-None-Match": etag}).status_code == 304


def test_head_says_what_get_gives(local_hub: HubProcess, repo: str) -> None:
    """HEAD has the headers of GET and no body."""
    for path in FILES:
        head, get = (httpx.request(verb, url(local_hub, repo, path)) for verb in ("HEAD", "GET"))
        varying = {"date", "x-request-id"}
        assert {k: v for k, v in head.headers.items() if k not in varying} == {
            k: v for k, v in get.headers.items() if k not in varying
        }
        assert int(head.headers["content-length"]) == len(get.content)


def test_revisions_with_a_slash(official: HfApi, name: str) -> None:
    """A branch called ``a/b`` is found by ``a%2Fb``, and a commit by the start of its id."""
    repo = official.create_repo(name).repo_id
    official.create_branch(repo, branch="a/b")
    official.upload_file(path_or_fileobj=b"x", path_in_repo="sub/x", repo_id=repo, revision="a/b")
    sha = official.model_info(repo, revision="a/b").sha

    for revision in ("a/b", "refs/heads/a/b", sha, sha[:8]):
        assert Path(official.hf_hub_download(repo, "sub/x", revision=revision)).read_bytes() == b"x"


def test_missing_files_name_the_commit(official: HfApi, local_hub: HubProcess, repo: str) -> None:
    """The client remembers per commit that a file is not there; a folder is no file."""
    for path in ("nothing", "folder"):
        answer = httpx.get(url(local_hub, repo, path))
        assert answer.status_code == 404
        assert answer.headers["x-error-code"] == "EntryNotFound"
        assert answer.headers["x-repo-commit"] == official.model_info(repo).sha
        with pytest.raises(EntryNotFoundError):
            official.hf_hub_download(repo, path)
    with pytest.raises(RevisionNotFoundError):
        official.hf_hub_download(repo, "a.txt", revision="nothing")
    with pytest.raises(RepositoryNotFoundError):
        official.hf_hub_download("ada/nothing-here", "a.txt")


def test_private_files_are_private(official: HfApi, local_hub: HubProcess, name: str) -> None:
    """Without the token, a private repository's files, tree and paths are not even there."""
    repo = official.create_repo(name, private=True).repo_id
    official.upload_file(path_or_fileobj=b"secret", path_in_repo="a", repo_id=repo)

    assert Path(official.hf_hub_download(repo, "a")).read_bytes() == b"secret"
    assert httpx.get(url(local_hub, repo, "a")).status_code == 401
    assert httpx.get(f"{local_hub.url}/{repo}/raw/main/a").status_code == 401
    assert httpx.get(f"{local_hub.url}/api/models/{repo}/tree/main").status_code == 401
    assert httpx.post(f"{local_hub.url}/api/models/{repo}/paths-info/main").status_code == 401
    with pytest.raises(RepositoryNotFoundError):
        get_hf_file_metadata(url(local_hub, repo, "a"), token=False)


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("a.html", b"<script>alert(1)</script>", "text/plain; charset=utf-8"),
        ("a.svg", b"<svg onload='alert(1)'/>", "text/plain; charset=utf-8"),
        ("a.js", b"alert(1)", "text/plain; charset=utf-8"),
        ("a.xhtml", b"<html/>", "text/plain; charset=utf-8"),
        ("a.png", b"\x89PNG", "image/png"),
        ("a.unknown", b"\0\1", "application/octet-stream"),
        ("a.pdf", b"%PDF\0", "application/octet-stream"),
    ],
)
def test_nothing_runs_on_the_hubs_origin(
    official: HfApi, local_hub: HubProcess, name: str, path: str, content: bytes, kind: str
) -> None:
    """A file that a browser would run is served as text, and no browser may guess otherwise."""
    repo = official.create_repo(name).repo_id
    official.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo)

    for route in ("resolve", "raw"):
        answer = httpx.get(f"{local_hub.url}/{repo}/{route}/main/{path}")
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]


def test_name_of_the_download(local_hub: HubProcess, repo: str) -> None:
    """A file keeps its name, whatever is in it, and is saved on request."""
    answer = httpx.get(url(local_hub, repo, "folder/ü #?%.txt") + "?download=true")

    assert answer.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''%C3%BC%20%23%3F%25.txt; filename=\"? #?%.txt\";"
    )
    assert answer.content == "ü".encode()


def test_raw_gives_what_git_holds(local_hub: HubProcess, repo: str) -> None:
    """Of a large file, ``raw`` gives the pointer; of others, the content."""
    raw = httpx.get(f"{local_hub.url}/{repo}/raw/main/weights.bin")

    assert raw.text.startswith("version https://git-lfs.github.com/spec/v1\noid sha256:")
    assert httpx.get(f"{local_hub.url}/{repo}/raw/main/a.txt").content == FILES["a.txt"]


def test_only_pages_of_this_machine_read_files(local_hub: HubProcess, repo: str) -> None:
    """A static Space here may fetch a file with JavaScript; a site on the internet may not."""

    def allowed(origin: str) -> str | None:
        answer = httpx.get(url(local_hub, repo, "a.txt"), headers={"Origin": origin})
        found: str | None = answer.headers.get("access-control-allow-origin")
        return found

    here = ["http://ada-space.localhost:7870", "http://127.0.0.1:9999", "http://localhost"]
    assert [allowed(origin) for origin in here] == here
    assert [
        allowed(origin) for origin in ("https://evil.example", "http://localhost.evil.example", "null")
    ] == [None] * 3


def test_other_kinds_have_their_own_addresses(official: HfApi, name: str) -> None:
    """Files of datasets and Spaces are found under their own kind."""
    for kind in ("dataset", "space"):
        sdk = "static" if kind == "space" else None
        repo = official.create_repo(name, repo_type=kind, space_sdk=sdk).repo_id
        official.upload_file(path_or_fileobj=kind.encode(), path_in_repo="a", repo_id=repo, repo_type=kind)
        assert Path(official.hf_hub_download(repo, "a", repo_type=kind)).read_bytes() == kind.encode()


def test_download_that_is_given_up(local_hub: HubProcess, repo: str) -> None:
    """A reader that leaves in the middle harms nobody after it."""
    with httpx.stream("GET", url(local_hub, repo, "weights.bin")) as answer:
        next(answer.iter_raw(1000))

    assert httpx.get(url(local_hub, repo, "weights.bin")).content == LARGE
