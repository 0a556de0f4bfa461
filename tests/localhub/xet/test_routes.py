"""Large files by Xet, through the unmodified official client."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest
from tests.localhub.xet.packing import Described, pack, shard

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from tests.conftest import HubProcess


@pytest.fixture
def repo(official: HfApi, name: str) -> str:
    return official.create_repo(name).repo_id


@pytest.fixture
def private_repo(official: HfApi, name: str) -> str:
    return official.create_repo(f"{name}-private", private=True).repo_id


def connection(hub: HubProcess, repo: str, right: str = "read", *, token: bool = True) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {hub.token}"} if token else {}
    answer = httpx.get(f"{hub.url}/api/models/{repo}/xet-{right}-token/main", headers=headers)
    return {"status": answer.status_code, **answer.json()}


def ask(found: dict[str, Any], method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {found['accessToken']}", **more.pop("headers", {})}
    return httpx.request(method, f"{found['casUrl']}{path}", headers=headers, **more)


def content_of_all_kinds() -> bytes:
    """Bytes that do not compress, bytes that do, and both again: repeated chunks."""
    noise, weights = os.urandom(2_000_000), bytes(range(256)) * 4000
    return noise + weights + noise + bytes(300_000) + noise[:1_000_000]


def upload(api: HfApi, repo: str, content: bytes, tmp_path: Path, path: str = "weights.bin") -> str:
    source = tmp_path / "source.bin"
    source.write_bytes(content)
    api.upload_file(repo_id=repo, path_in_repo=path, path_or_fileobj=source)
    return hashlib.sha256(content).hexdigest()


def test_file_comes_back_by_xet_and_by_plain_http(
    local_hub: HubProcess, official: HfApi, repo: str, tmp_path: Path
) -> None:
    """
    A file sent by Xet is the same when fetched by Xet, and when fetched whole or in part by plain HTTP.
    """
    content = content_of_all_kinds()
    sha256 = upload(official, repo, content, tmp_path)

    (row,) = official.get_paths_info(repo, ["weights.bin"])
    fetched = official.hf_hub_download(repo, "weights.bin", cache_dir=tmp_path / "cache")
    plain = httpx.get(f"{local_hub.url}/{repo}/resolve/main/weights.bin")
    part = httpx.get(
        f"{local_hub.url}/{repo}/resolve/main/weights.bin", headers={"Range": "bytes=1999990-4000000"}
    )

    assert (row.lfs.sha256, row.size) == (sha256, len(content))
    assert row.xet_hash is not None
    assert Path(fetched).read_bytes() == content
    assert plain.content == content
    assert (part.status_code, part.content) == (206, content[1999990:4000001])


def test_second_upload_sends_nothing(
    local_hub: HubProcess, official: HfApi, repo: str, name: str, tmp_path: Path
) -> None:
    """
    The same content under another name, or in another repository, adds no byte to the store.
    """
    content = content_of_all_kinds()
    upload(official, repo, content, tmp_path)
    before = {path.name for path in (local_hub.data / "xorbs").rglob("*") if path.is_file()}
    other = official.create_repo(f"{name}-other").repo_id

    upload(official, repo, content, tmp_path, "copy.bin")
    upload(official, other, content, tmp_path)

    fetched = official.hf_hub_download(other, "weights.bin", cache_dir=tmp_path / "cache")
    assert Path(fetched).read_bytes() == content
    assert {path.name for path in (local_hub.data / "xorbs").rglob("*") if path.is_file()} == before


def test_changed_file_shares_what_did_not_change(
    local_hub: HubProcess, official: HfApi, repo: str, tmp_path: Path
) -> None:
    """
    A small change in a large file sends its neighbourhood, and the new version is whole all the same.
    """
    content = os.urandom(6_000_000)
    upload(official, repo, content, tmp_path)
    before = size_of(local_hub.data / "xorbs")
    changed = content[:3_000_000] + b"changed" + content[3_000_000:]

    upload(official, repo, changed, tmp_path)

    fetched = official.hf_hub_download(repo, "weights.bin", cache_dir=tmp_path / "cache")
    assert Path(fetched).read_bytes() == changed
    assert size_of(local_hub.data / "xorbs") - before < 1_000_000


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_store_survives_kill(fresh_hub: HubProcess, tmp_path: Path) -> None:
    """
    After ``kill -9`` right behind an upload the file is there, and its chunks still spare the next upload.
    """
    api = fresh_hub.start().api
    repo = api.create_repo("thing").repo_id
    content = content_of_all_kinds()
    upload(api, repo, content, tmp_path)
    before = size_of(fresh_hub.data / "xorbs")

    fresh_hub.kill()
    api = fresh_hub.start().api

    upload(api, repo, content, tmp_path, "copy.bin")
    for path in ("weights.bin", "copy.bin"):
        fetched = api.hf_hub_download(repo, path, cache_dir=tmp_path / "cache")
        assert Path(fetched).read_bytes() == content
    assert size_of(fresh_hub.data / "xorbs") == before


def test_ranges_of_a_reconstruction_cover_what_is_asked(
    local_hub: HubProcess, official: HfApi, repo: str, tmp_path: Path
) -> None:
    """
    A range of a file is described by fewer chunks than the whole, in sorted ranges that do not touch.
    """
    upload(official, repo, content_of_all_kinds(), tmp_path)
    (row,) = official.get_paths_info(repo, ["weights.bin"])
    found = connection(local_hub, repo)
    path = f"/v1/reconstructions/{row.xet_hash}"

    whole = ask(found, "GET", path).json()
    part = ask(found, "GET", path, headers={"Range": "bytes=1000000-1500000"}).json()
    beyond = ask(found, "GET", path, headers={"Range": "bytes=99000000-"})

    assert sum(term["unpacked_length"] for term in whole["terms"]) == row.size
    assert part["offset_into_first_range"] < 128 * 1024
    assert 500_001 <= sum(term["unpacked_length"] for term in part["terms"]) < 800_000
    assert beyond.status_code == 416
    for fetches in whole["fetch_info"].values():
        ends = [fetch["range"]["end"] for fetch in fetches[:-1]]
        starts = [fetch["range"]["start"] for fetch in fetches[1:]]
        assert all(end < start for end, start in zip(ends, starts, strict=True))


def test_bytes_of_a_private_repository_need_its_token(
    local_hub: HubProcess, official: HfApi, repo: str, private_repo: str, tmp_path: Path
) -> None:
    """
    Without a right to the private repository, no token and no address of another one opens its files.
    """
    upload(official, private_repo, os.urandom(500_000), tmp_path)
    (row,) = official.get_paths_info(private_repo, ["weights.bin"])
    path = f"/v1/reconstructions/{row.xet_hash}"
    ours = connection(local_hub, private_repo)
    (fetch,) = [one for many in ask(ours, "GET", path).json()["fetch_info"].values() for one in many]
    xorb = fetch["url"].partition("?")[0]

    answers = {
        "no token": connection(local_hub, private_repo, token=False)["status"],
        "token of a public repository": ask(connection(local_hub, repo), "GET", path).status_code,
        "no permission": httpx.get(xorb).status_code,
        "false permission": httpx.get(f"{xorb}?permission=x").status_code,
        "the owner": httpx.get(fetch["url"]).status_code,
    }

    assert answers == {
        "no token": 401,
        "token of a public repository": 404,
        "no permission": 403,
        "false permission": 403,
        "the owner": 200,
    }


def test_address_of_some_chunks_opens_no_others(
    local_hub: HubProcess, official: HfApi, repo: str, tmp_path: Path
) -> None:
    """
    A xorb may hold chunks of several files: an address gives the chunks of one of them.
    """
    upload(official, repo, os.urandom(1_000_000), tmp_path)
    (row,) = official.get_paths_info(repo, ["weights.bin"])
    path = f"/v1/reconstructions/{row.xet_hash}"
    found = connection(local_hub, repo)
    answer = ask(found, "GET", path, headers={"Range": "bytes=0-10"}).json()
    ((fetch,),) = answer["fetch_info"].values()
    last = fetch["url_range"]["end"]

    inside = httpx.get(fetch["url"], headers={"Range": f"bytes=0-{last}"})
    outside = httpx.get(fetch["url"], headers={"Range": f"bytes=0-{last + 1}"})

    assert (inside.status_code, len(inside.content), outside.status_code) == (206, last + 1, 403)


def test_false_xorbs_and_shards_are_refused(local_hub: HubProcess, repo: str) -> None:
    """
    Damaged xorbs, shards with unknown xorbs, false hashes, and a reader's token for writing are refused.
    """
    xorb = pack([os.urandom(2000), os.urandom(3000)])
    file = Described([(xorb, 0, 2)], sha256="0" * 64)
    writer = connection(local_hub, repo, "write")
    path = f"/v1/xorbs/default/{xorb.hash}"

    answers = [
        ask(writer, "POST", path, content=xorb.data[:-1]),
        ask(writer, "POST", "/v1/shards", content=shard(file)),
        ask(connection(local_hub, repo), "POST", path, content=xorb.data),
        ask(writer, "POST", path, content=xorb.data),
        ask(writer, "POST", "/v1/shards", content=shard(file)),
        ask(writer, "POST", "/v1/shards", content=b"no shard"),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 403, 200, 400, 400]


def test_other_store_is_not_this_one(local_hub: HubProcess, repo: str) -> None:
    """
    An address that names another store, one that was wiped, is answered 404, so that the client sends again.
    """
    found = connection(local_hub, repo, "write")
    gone = found | {"casUrl": found["casUrl"][:-4] + "0000"}

    answer = ask(gone, "POST", "/v1/shards", content=shard())

    assert answer.status_code == 404


@pytest.mark.slow
def test_gibibyte_comes_back_byte_for_byte(official: HfApi, repo: str, tmp_path: Path) -> None:
    """
    A file of 1 GiB goes up and down by Xet unchanged.
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
