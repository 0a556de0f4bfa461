"""Buckets, driven by the unmodified official client, while something else writes to the same folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi, HfFileSystem, constants
from huggingface_hub._bucket_live_follow import parse_follow_event
from huggingface_hub.errors import BucketBatchError, BucketNotFoundError, EntryNotFoundError, HfHubHTTPError
from huggingface_hub.utils import get_session

if TYPE_CHECKING:
    from tests.conftest import HubProcess


@pytest.fixture
def bucket(official: HfApi, name: str) -> str:
    return str(official.create_bucket(name).bucket_id)


@pytest.fixture
def folder(local_hub: HubProcess, official: HfApi, bucket: str) -> Path:
    """What an app that mounts the bucket sees."""
    return folder_of(local_hub, official, bucket)


def folder_of(local_hub: HubProcess, official: HfApi, bucket: str) -> Path:
    (found,) = (local_hub.data / "buckets").glob(f"{official.bucket_info(bucket)._id}*")  # type: ignore[attr-defined]
    return found


def paths(official: HfApi, bucket: str, prefix: str | None = None, **options: Any) -> list[str]:
    return [entry.path for entry in official.list_bucket_tree(bucket, prefix, **options)]


def fetched(official: HfApi, bucket: str, path: str, target: Path) -> bytes:
    official.download_bucket_files(bucket, [(path, target)], raise_on_missing_files=True)
    return target.read_bytes()


def client_of(hub: HubProcess, user: str, role: str) -> HfApi:
    body = {"name": "test", "user": user, "role": role}
    token = get(hub, "/api/spacehand/tokens", hub.token, "POST", json=body).json()["token"]
    return HfApi(endpoint=hub.url, token=token)


def get(hub: HubProcess, path: str, token: str | None = None, method: str = "GET", **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return get_session().request(method, hub.url + path, headers=headers, **options)


def test_what_the_client_puts_lies_in_the_folder_and_the_other_way_round(
    official: HfApi, bucket: str, folder: Path, tmp_path: Path
) -> None:
    """There is one truth: a file sent is a plain file with its time, and a plain file is fetched by Xet."""
    large = os.urandom(300_000)
    source = tmp_path / "model.bin"
    source.write_bytes(large)
    os.utime(source, (1_700_000_000.5, 1_700_000_000.5))
    official.batch_bucket_files(bucket, add=[(source, "sent/model.bin"), (b"", "sent/empty")])
    assert (folder / "sent/model.bin").read_bytes() == large
    assert (folder / "sent/model.bin").stat().st_mtime == 1_700_000_000.5
    assert (folder / "sent/empty").read_bytes() == b""

    (folder / "sent/model.bin").write_bytes(large[:200_000])
    (folder / "own").mkdir()
    (folder / "own/ü.bin").write_bytes(large[100_000:] * 3)
    assert fetched(official, bucket, "sent/model.bin", tmp_path / "a") == large[:200_000]
    assert fetched(official, bucket, "own/ü.bin", tmp_path / "b") == large[100_000:] * 3
    info = official.bucket_info(bucket)
    assert (info.size, info.total_files) == (800_000, 3)
    (row,) = [row for row in official.list_user_repos() if row.id == bucket]
    assert (row.type, row.storage) == ("bucket", 800_000)


@pytest.mark.slow
def test_a_file_of_an_app_is_fetched_from_several_packs(
    official: HfApi, bucket: str, folder: Path, tmp_path: Path
) -> None:
    """A file of more than one pack of 64 MiB, whose parts are alike, comes back whole."""
    content = (os.urandom(1_000_003) * 80)[: 70 * 1024 * 1024 + 5]
    (folder / "big").write_bytes(content)
    assert fetched(official, bucket, "big", tmp_path / "big") == content


def test_the_tree_is_told_by_prefix_and_by_level(official: HfApi, bucket: str) -> None:
    """A prefix is the beginning of a path; one level has its folders; an unknown prefix has nothing."""
    sent = ["logs/a", "logs/sub/b", "logs.json", "logs_old/c", "other"]
    official.batch_bucket_files(bucket, add=[(b"x", path) for path in sent])
    assert paths(official, bucket) == sorted(sent)
    assert paths(official, bucket, "logs") == ["logs.json", "logs/a", "logs/sub/b", "logs_old/c"]
    assert paths(official, bucket, "logs", recursive=False) == ["logs.json", "logs/a", "logs/sub", "logs_old"]
    assert paths(official, bucket, "logs/", recursive=False) == ["logs/a", "logs/sub"]
    assert paths(official, bucket, "../") == paths(official, bucket, "none/") == []


def test_copies_name_a_hash_that_their_source_has(
    official: HfApi, local_hub: HubProcess, bucket: str, folder: Path, tmp_path: Path
) -> None:
    """Files are copied from buckets and repositories without being sent; a hash opens nothing by itself."""
    (folder / "own").write_bytes(b"an app's")
    repo = official.create_repo(f"{bucket}-repo").repo_id
    weights = os.urandom(20_000)
    official.upload_file(path_or_fileobj=weights, path_in_repo="w.safetensors", repo_id=repo)
    official.copy_files(f"hf://buckets/{bucket}/own", f"hf://buckets/{bucket}/copy/own")
    official.copy_files(f"hf://{repo}/w.safetensors", f"hf://buckets/{bucket}/w")
    assert (folder / "copy/own").read_bytes() == b"an app's"
    assert fetched(official, bucket, "w", tmp_path / "w") == weights

    secret = official.create_bucket(f"{bucket}-secret", private=True).bucket_id
    official.batch_bucket_files(secret, add=[(b"nobody's business", "s")])
    (info,) = official.get_bucket_paths_info(secret, ["s"])
    stranger = client_of(local_hub, "bob", "write")
    mine = stranger.create_bucket("taken").bucket_id
    for source in (secret, mine):
        with pytest.raises(BucketBatchError) as told:
            stranger.batch_bucket_files(mine, copy=[("bucket", source, info.xet_hash, "s")])
        assert told.value.response.status_code == 422


def test_operations_fail_one_by_one(official: HfApi, bucket: str, folder: Path) -> None:
    """What makes no sense fails with words, and the rest of the batch is done."""
    (folder / "file").write_text("a file")
    (folder / "dir").mkdir()
    (folder / "out").symlink_to(folder.parent)
    senseless = ["../x", "/x", "a//b", "a/./b", "nul\0", "file/below", "dir", "out/x", "n" * 300]
    with pytest.raises(BucketBatchError) as told:
        official.batch_bucket_files(bucket, add=[(b"x", path) for path in [*senseless, "good"]])
    assert [failure["path"] for failure in told.value.failures] == senseless
    assert told.value.response.status_code == 200
    assert (folder / "good").read_bytes() == b"x"
    assert sorted(path.name for path in folder.iterdir()) == ["dir", "file", "good", "out"]
    with pytest.raises(BucketBatchError, match="Entry not found"):
        official.batch_bucket_files(bucket, delete=["out/hub.sqlite", "good"])
    assert not (folder / "good").exists()


def test_links_and_pipes_of_an_app_lead_nowhere(
    official: HfApi, bucket: str, folder: Path, local_hub: HubProcess
) -> None:
    """What an app planted is neither listed nor fetched, and a file put in its place replaces it alone."""
    secret = folder.parent.parent / "token"
    (folder / "link").symlink_to(secret)
    (folder / "all").symlink_to(folder.parent.parent)
    os.mkfifo(folder / "pipe")
    (folder / os.fsdecode(b"\xff")).write_text("no text")
    (folder / "real").write_text("real")
    assert paths(official, bucket) == paths(official, bucket, recursive=False) == ["real"]
    assert list(official.get_bucket_paths_info(bucket, ["link", "all/token", "pipe"])) == []
    for path in ("link", "all/token", "pipe", "..%2F..%2Ftoken"):
        assert get(local_hub, f"/buckets/{bucket}/resolve/{path}", local_hub.token).status_code == 404
    before = secret.read_text()
    official.batch_bucket_files(bucket, add=[(b"mine", "link")])
    assert secret.read_text() == before
    assert (folder / "link").read_bytes() == b"mine"


def test_who_may_not_see_a_bucket_is_not_told_of_it(
    official: HfApi, local_hub: HubProcess, bucket: str
) -> None:
    """Private is 404 to strangers and 401 to nobody; public is read by all; only its owner writes."""
    official.batch_bucket_files(bucket, add=[(b"x", "x")])
    stranger, reader = client_of(local_hub, "bob", "write"), client_of(local_hub, "ada", "read")
    assert stranger.bucket_info(bucket).id == bucket
    for api in (stranger, reader):
        for attempt in (
            lambda api=api: api.batch_bucket_files(bucket, add=[(b"y", "y")]),
            lambda api=api: api.batch_bucket_files(bucket, delete=["x"]),
            lambda api=api: api.delete_bucket(bucket),
            lambda api=api: api.update_bucket_settings(bucket, private=True),
            lambda api=api: api.create_bucket(f"{bucket}-more"),
        ):
            with pytest.raises(Exception, match=r"403|permission|rights"):
                attempt()
    official.update_bucket_settings(bucket, private=True)
    with pytest.raises(BucketNotFoundError):
        stranger.bucket_info(bucket)
    assert bucket not in [each.id for each in stranger.list_buckets("ada")]
    assert bucket in [each.id for each in reader.list_buckets("ada", search=bucket.partition("/")[2])]
    assert get(local_hub, f"/buckets/{bucket}/resolve/x").status_code == 401
    assert get(local_hub, f"/api/buckets/{bucket}/tree").status_code == 401
    assert get(local_hub, f"/api/buckets/{bucket}/xet-write-token", str(reader.token)).status_code == 403


def test_a_bucket_is_made_moved_and_deleted(
    official: HfApi, local_hub: HubProcess, bucket: str, folder: Path
) -> None:
    """A name is taken once; an old name leads to the new one; what is deleted is gone from the disk."""
    (folder / "kept").write_text("kept")
    with pytest.raises(HfHubHTTPError) as told:
        official.create_bucket(bucket)
    assert told.value.response.status_code == 409
    assert official.create_bucket(bucket, exist_ok=True).bucket_id == bucket
    other = official.create_bucket(f"{bucket}-other").bucket_id
    with pytest.raises(HfHubHTTPError, match="already exists"):
        official.move_bucket(bucket, other)
    official.move_bucket(bucket, f"{bucket}-new")
    assert official.bucket_info(bucket).id == f"{bucket}-new"
    assert paths(official, bucket) == ["kept"]
    official.delete_bucket(f"{bucket}-new")
    assert not folder.exists()
    with pytest.raises(BucketNotFoundError):
        official.bucket_info(bucket)
    bad = get(local_hub, "/api/buckets/ada/a..b", local_hub.token, "POST", json={})
    assert bad.status_code == 400
    assert get(local_hub, f"/api/buckets/{other}", local_hub.token, "DELETE").status_code == 200


def test_a_range_and_the_same_again(
    official: HfApi, local_hub: HubProcess, bucket: str, folder: Path
) -> None:
    """A file is fetched in part, not again when it is the same, and never runs in a browser."""
    (folder / "page.html").write_text("<script>0123456789</script>")
    address = f"/buckets/{bucket}/resolve/page.html"
    headers = {"Range": "bytes=8-12"}
    answer = get_session().get(local_hub.url + address, headers=headers)
    assert (answer.status_code, answer.content) == (206, b"01234")
    again = get_session().get(local_hub.url + address, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Xet-Hash"] in answer.headers["ETag"]
    meta = official.get_bucket_file_metadata(bucket, "page.html")
    assert meta.size == 27
    with pytest.raises(EntryNotFoundError):
        official.get_bucket_file_metadata(bucket, "none")


def test_the_file_system_reads_and_writes(official: HfApi, bucket: str) -> None:
    """`hf://buckets/…` is a file system to pandas and its like."""
    files = HfFileSystem(endpoint=official.endpoint, token=official.token, skip_instance_cache=True)
    root = f"buckets/{bucket}"
    with files.open(f"{root}/data/table.csv", "w") as file:
        file.write("a,b\n1,2\n")
    assert files.ls(f"{root}/data", detail=False) == [f"{root}/data/table.csv"]
    assert files.cat(f"{root}/data/table.csv") == b"a,b\n1,2\n"
    files.rm(f"{root}/data", recursive=True)
    assert not files.exists(f"{root}/data")
    assert files.ls(root) == []


@pytest.fixture
def command(local_hub: HubProcess, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The client's own command line."""
    from huggingface_hub.cli.hf import app

    monkeypatch.setenv("HF_TOKEN", local_hub.token)
    monkeypatch.setattr(constants, "ENDPOINT", local_hub.url)  # read from the environment at import

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["buckets", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_the_commands_of_the_client(
    official: HfApi, bucket: str, folder: Path, tmp_path: Path, command: Callable[..., str]
) -> None:
    """`hf buckets` lists, syncs both ways and removes; what is the same is not sent again."""
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "sub").mkdir(parents=True)
    (here / "one.txt").write_text("one")
    (here / "sub/two.txt").write_text("two")
    command("sync", str(here), f"hf://buckets/{bucket}/in")
    (folder / "in/three.txt").write_text("three")
    listed = command("list", f"{bucket}/in", "--recursive", "--quiet")
    assert listed.split() == ["in/one.txt", "in/sub/two.txt", "in/three.txt"]
    command("sync", f"hf://buckets/{bucket}/in", str(there))
    assert (there / "three.txt").read_text() == "three"
    plan = json.loads(command("sync", str(here), f"hf://buckets/{bucket}/in", "--dry-run").splitlines()[0])
    assert plan["summary"] | {"uploads": 0, "skips": 2} == plan["summary"]
    command("rm", f"{bucket}/in", "--recursive", "--yes")
    assert list(folder.iterdir()) == []


def test_changes_are_told_as_they_happen(local_hub: HubProcess, bucket: str, folder: Path) -> None:
    """Who follows a bucket is told of what an app adds and removes; who was away is told to look again."""
    (folder / "old").write_text("old")
    address = f"{local_hub.url}/api/buckets/{bucket}/events"
    with get_session().stream("GET", address, timeout=30) as answer:
        events = parsed(answer.iter_lines())
        assert type(next(events)).__name__ == "_Ready"
        (folder / "new").write_text("new")
        (folder / "old").unlink()
        told: dict[str, str] = {}
        deadline = time.monotonic() + 30
        while len(told) < 2 and time.monotonic() < deadline:
            told |= {change.path: change.op for change in next(events).changes}
    assert told == {"new": "add", "old": "delete"}
    with get_session().stream("GET", address, params={"cursor": "1"}, timeout=30) as answer:
        assert [type(event).__name__ for event in parsed(answer.iter_lines())] == ["_Reset"]
    assert get(local_hub, f"/api/buckets/{bucket}/events?since=yesterday").status_code == 400


def parsed(lines: Iterator[str]) -> Iterator[Any]:
    """Yield the events in *lines* as the client understands them."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield parse_follow_event(name, line[6:])


@pytest.mark.slow
def test_what_was_acknowledged_is_there_after_a_kill(fresh_hub: HubProcess, tmp_path: Path) -> None:
    """Killed at any moment, the Hub has each file whole, with its hash; what nobody knows of is swept up."""
    api = fresh_hub.start().api
    bucket = str(api.create_bucket("data").bucket_id)
    content = os.urandom(3_000_000)
    api.batch_bucket_files(bucket, add=[(content, "a/b")])
    (before,) = api.list_bucket_tree(bucket)
    (folder_of(fresh_hub, api, bucket) / "own").write_bytes(content)
    half_deleted = fresh_hub.data / "buckets" / ("0" * 32)
    half_deleted.mkdir()
    (half_deleted / "left").write_text("left")
    fresh_hub.kill()
    api = fresh_hub.start().api
    told = {entry.path: entry for entry in api.list_bucket_tree(bucket)}
    assert list(told) == ["a/b", "own"]
    assert (told["a/b"].xet_hash, told["a/b"].mtime) == (before.xet_hash, before.mtime)
    assert (
        fetched(api, bucket, "a/b", tmp_path / "b") == fetched(api, bucket, "own", tmp_path / "o") == content
    )
    assert not half_deleted.exists()


def test_the_rest_of_an_earlier_file_is_not_given(local_hub: HubProcess, bucket: str, folder: Path) -> None:
    """Who resumes a download of what is another file by now gets the whole of it; of the same, the rest."""
    (folder / "log").write_text("one two")
    address = f"/buckets/{bucket}/resolve/log"
    first = get(local_hub, address)

    def rest() -> tuple[int, str]:
        headers = {"Range": "bytes=4-", "If-Range": first.headers["ETag"]}
        answer = get_session().get(local_hub.url + address, headers=headers)
        return answer.status_code, answer.text

    assert rest() == (206, "two")
    (folder / "log").write_text("three four")
    assert rest() == (200, "three four")


@pytest.mark.slow
def test_ten_thousand_files_come_in_pages(official: HfApi, bucket: str, folder: Path) -> None:
    """A long list comes a page at a time, nothing twice and nothing left out, while files come and go."""
    for number in range(10_000):
        (folder / f"{number:05}").write_bytes(b"%d" % number)
    found = []
    for entry in official.list_bucket_tree(bucket):
        if len(found) == 1500:
            (folder / "00000").unlink()  # told already
            (folder / "00000b").write_text("too late")
        found.append(entry.path)
    assert found == [f"{number:05}" for number in range(10_000)]
