"""Large files by git-lfs, through the official client without Xet and through git-lfs itself."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from tests import needs

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from tests.conftest import HubProcess

# The official client itself uses a word that its HTTP library has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(autouse=True)
def without_xet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_HUB_DISABLE_XET=1 does, which the client reads at import."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)


@pytest.fixture
def repo(official: HfApi, name: str) -> str:
    return official.create_repo(name).repo_id


@pytest.fixture
def private_repo(official: HfApi, name: str) -> str:
    return official.create_repo(f"{name}-private", private=True).repo_id


def upload(api: HfApi, repo: str, content: bytes, tmp_path: Path, path: str = "weights.bin") -> str:
    source = tmp_path / "source.bin"
    source.write_bytes(content)
    api.upload_file(repo_id=repo, path_in_repo=path, path_or_fileobj=source)
    return hashlib.sha256(content).hexdigest()


def batch(
    hub: HubProcess, repo: str, operation: str, sha256: str, size: int, *, token: str | None = None
) -> httpx.Response:
    body = {"operation": operation, "transfers": ["basic"], "objects": [{"oid": sha256, "size": size}]}
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.post(f"{hub.url}/{repo}.git/info/lfs/objects/batch", json=body, headers=headers)


def address(answer: httpx.Response, action: str) -> str:
    (row,) = answer.json()["objects"]
    href: str = row["actions"][action]["href"]
    return href


def test_file_comes_back(local_hub: HubProcess, official: HfApi, repo: str, tmp_path: Path) -> None:
    """
    A file sent by LFS is the same when fetched, has no Xet hash, and lies in one piece on disk.
    """
    content = os.urandom(5_000_000)
    sha256 = upload(official, repo, content, tmp_path)

    (row,) = official.get_paths_info(repo, ["weights.bin"])
    fetched = official.hf_hub_download(repo, "weights.bin", cache_dir=tmp_path / "cache")

    assert Path(fetched).read_bytes() == content
    assert (row.lfs.sha256, row.xet_hash) == (sha256, None)
    assert (local_hub.data / "lfs" / sha256[:2] / sha256[2:4] / sha256).read_bytes() == content


def test_second_upload_sends_nothing(
    local_hub: HubProcess, official: HfApi, repo: str, tmp_path: Path
) -> None:
    """
    A file that the repository holds already has no upload address.
    """
    content = os.urandom(200_000)
    sha256 = upload(official, repo, content, tmp_path)

    answer = batch(local_hub, repo, "upload", sha256, len(content), token=local_hub.token)
    upload(official, repo, content, tmp_path, "copy.bin")

    assert answer.headers["content-type"] == "application/vnd.git-lfs+json"
    assert "actions" not in answer.json()["objects"][0]
    assert {"weights.bin", "copy.bin"} <= set(official.list_repo_files(repo))


def test_empty_file_comes_back(local_hub: HubProcess, repo: str) -> None:
    """
    A file without content can be sent and fetched like any other.
    """
    sha256 = hashlib.sha256().hexdigest()
    upload_to = address(batch(local_hub, repo, "upload", sha256, 0, token=local_hub.token), "upload")

    assert httpx.put(upload_to, content=b"").status_code == 200
    fetched = httpx.get(address(batch(local_hub, repo, "download", sha256, 0), "download"))
    assert (fetched.status_code, fetched.content) == (200, b"")


def test_range_is_answered(local_hub: HubProcess, official: HfApi, repo: str, tmp_path: Path) -> None:
    """
    A part of a file can be fetched; one behind its end is answered 416.
    """
    content = os.urandom(2_500_000)
    sha256 = upload(official, repo, content, tmp_path)
    url = address(batch(local_hub, repo, "download", sha256, len(content)), "download")

    parts = {
        asked: httpx.get(url, headers={"Range": asked})
        for asked in ("bytes=0-0", "bytes=1000000-2100000", "bytes=-10", "bytes=2500000-")
    }

    assert [part.status_code for part in parts.values()] == [206, 206, 206, 416]
    assert parts["bytes=0-0"].content == content[:1]
    assert parts["bytes=1000000-2100000"].content == content[1_000_000:2_100_001]
    assert parts["bytes=-10"].headers["content-range"] == "bytes 2499990-2499999/2500000"


def test_other_bytes_than_promised_are_refused(local_hub: HubProcess, repo: str) -> None:
    """
    Bytes that do not have the announced size and hash are answered 400, and the file has not arrived.
    """
    content = os.urandom(100_000)
    sha256 = hashlib.sha256(content).hexdigest()
    answer = batch(local_hub, repo, "upload", sha256, len(content), token=local_hub.token)
    upload_to, verify_at = address(answer, "upload"), address(answer, "verify")

    refused = [httpx.put(upload_to, content=bad).status_code for bad in (content[:-1], content[::-1])]
    missing = httpx.post(verify_at, json={"oid": sha256, "size": len(content)})
    accepted = httpx.put(upload_to, content=content)
    verified = httpx.post(verify_at, json={"oid": sha256, "size": len(content)})
    wrong_size = httpx.post(verify_at, json={"oid": sha256, "size": 7})

    assert refused == [400, 400]
    statuses = [answer.status_code for answer in (missing, accepted, verified, wrong_size)]
    assert statuses == [404, 200, 200, 404]


def test_bytes_of_a_private_repository_need_its_token(
    local_hub: HubProcess, official: HfApi, repo: str, private_repo: str, tmp_path: Path
) -> None:
    """
    Knowing the sha256 of a private file opens it neither at its own address nor through a public repository.
    """
    content = os.urandom(100_000)
    sha256 = upload(official, private_repo, content, tmp_path)
    size = len(content)
    owners = address(
        batch(local_hub, private_repo, "download", sha256, size, token=local_hub.token), "download"
    )
    bare = owners.partition("?")[0]
    through_public = batch(local_hub, repo, "download", sha256, size).json()["objects"][0]
    upload_to = address(batch(local_hub, repo, "upload", sha256, size, token=local_hub.token), "upload")

    assert batch(local_hub, private_repo, "download", sha256, size).status_code == 401
    assert through_public["error"]["code"] == 404
    assert [httpx.get(url).status_code for url in (bare, upload_to, owners)] == [403, 403, 200]
    assert commit_pointer(local_hub, repo, sha256, size).status_code == 400


def commit_pointer(hub: HubProcess, repo: str, sha256: str, size: int) -> httpx.Response:
    file = {"path": "stolen.bin", "algo": "sha256", "oid": sha256, "size": size}
    lines = [
        {"key": "header", "value": {"summary": "take it", "description": ""}},
        {"key": "lfsFile", "value": file},
    ]
    headers = {"Authorization": f"Bearer {hub.token}", "Content-Type": "application/x-ndjson"}
    url = f"{hub.url}/api/models/{repo}/commit/main"
    return httpx.post(url, content="\n".join(map(json.dumps, lines)), headers=headers)


def test_anonymous_upload_is_asked_for_a_password(local_hub: HubProcess, repo: str) -> None:
    """
    git-lfs sends its user's token only after the server has asked for it.
    """
    answer = batch(local_hub, repo, "upload", "0" * 64, 1)

    assert (answer.status_code, answer.headers["www-authenticate"][:5]) == (401, "Basic")


@pytest.mark.parametrize(
    "body",
    [
        {"operation": "steal", "objects": []},
        {"operation": "upload", "objects": [{"oid": "../../etc/passwd", "size": 1}]},
        {"operation": "upload", "objects": [{"oid": "0" * 64, "size": -1}]},
        {"operation": "upload", "objects": ["x"]},
        {"operation": "upload", "objects": [], "hash_algo": "md5"},
        {"operation": "upload", "objects": [], "transfers": ["carrier pigeon"]},
    ],
)
def test_senseless_batch_is_refused(local_hub: HubProcess, repo: str, body: dict[str, Any]) -> None:
    """
    A batch that is not understood is answered 422.
    """
    headers = {"Authorization": f"Bearer {local_hub.token}"}
    answer = httpx.post(f"{local_hub.url}/{repo}.git/info/lfs/objects/batch", json=body, headers=headers)

    assert answer.status_code == 422


def test_upload_cut_off_leaves_nothing(local_hub: HubProcess, repo: str) -> None:
    """
    A client that goes away in the middle of an upload leaves no file behind.
    """
    content = os.urandom(3_000_000)
    sha256 = hashlib.sha256(content).hexdigest()
    url = address(batch(local_hub, repo, "upload", sha256, len(content), token=local_hub.token), "upload")

    def half() -> Any:
        yield content[:1_500_000]
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        httpx.put(url, content=half(), headers={"Content-Length": str(len(content))})

    # The next request on a fresh connection is answered after the Hub has noticed.
    assert httpx.put(url, content=content).status_code == 200
    assert not [path for path in (local_hub.data / "incoming").iterdir() if path.stat().st_size == 1_500_000]


def test_kill_in_the_middle_of_an_upload_leaves_nothing(fresh_hub: HubProcess) -> None:
    """
    A Hub that was killed while it wrote a file starts without it, and takes it when it is sent again.
    """
    api = fresh_hub.start().api
    repo = api.create_repo("thing").repo_id
    content = os.urandom(4_000_000)
    sha256 = hashlib.sha256(content).hexdigest()
    token = fresh_hub.token
    url = address(batch(fresh_hub, repo, "upload", sha256, len(content), token=token), "upload")
    target = urlsplit(url)
    incoming = fresh_hub.data / "incoming"

    with socket.create_connection((target.hostname, target.port)) as wire:
        head = f"PUT {target.path}?{target.query} HTTP/1.1\r\nHost: {target.netloc}\r\n"
        wire.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content[:3_000_000])
        deadline = time.monotonic() + 30
        while not any(path.stat().st_size for path in incoming.iterdir()):
            assert time.monotonic() < deadline, "the Hub wrote nothing"
        fresh_hub.kill()
    fresh_hub.start()

    assert not list(incoming.iterdir())
    answer = batch(fresh_hub, repo, "download", sha256, len(content), token=token)
    assert answer.json()["objects"][0]["error"]["code"] == 404
    assert httpx.put(url, content=content).status_code == 200


@pytest.mark.gitlfs
def test_git_lfs_pushes_and_clones(local_hub: HubProcess, repo: str, tmp_path: Path) -> None:
    """
    A file pushed with git and git-lfs is in the repository, and in a clone of it.
    """
    needs.git_lfs()
    content = os.urandom(1_000_000)
    url = f"http://ada:{local_hub.token}@{local_hub.url.removeprefix('http://')}/{repo}"
    git(tmp_path, "clone", "--quiet", url, "work")
    work = tmp_path / "work"
    (work / "weights.bin").write_bytes(content)
    git(work, "lfs", "install", "--local")
    git(work, "lfs", "track", "*.bin")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "weights")
    git(work, "push", "--quiet")

    git(tmp_path, "clone", "--quiet", url, "again")
    git(tmp_path / "again", "lfs", "install", "--local")
    git(tmp_path / "again", "lfs", "pull")

    assert (tmp_path / "again" / "weights.bin").read_bytes() == content
    assert httpx.get(f"{local_hub.url}/{repo}/resolve/main/weights.bin").content == content


def git(folder: Path, *words: str) -> None:
    environment = {
        **os.environ,
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@localhost",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@localhost",
    }
    subprocess.run(["git", *words], cwd=folder, env=environment, check=True, capture_output=True)


@pytest.mark.slow
def test_gibibyte_comes_back_byte_for_byte(official: HfApi, repo: str, tmp_path: Path) -> None:
    """
    A file of 1 GiB goes up and down by LFS unchanged.
    """
    source = tmp_path / "source.bin"
    digest = hashlib.sha256()
    with source.open("wb") as file:
        for _ in range(1024):
            block = os.urandom(1024 * 1024)
            digest.update(block)
            file.write(block)
    official.upload_file(repo_id=repo, path_in_repo="big.bin", path_or_fileobj=source)
    source.unlink()

    fetched = official.hf_hub_download(repo, "big.bin", cache_dir=tmp_path / "cache")

    with Path(fetched).open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest.hexdigest()
