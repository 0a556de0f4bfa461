from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from tests.conftest import HubProcess


@pytest.fixture
def repo(official: HfApi, name: str) -> str:
    return str(official.create_repo(name).repo_id)


def add(path: str, content: bytes = b"content") -> CommitOperationAdd:
    return CommitOperationAdd(path, content)


def read(official: HfApi, repo: str, path: str, revision: str | None = None) -> bytes:
    return Path(official.hf_hub_download(repo, path, revision=revision)).read_bytes()


def test_one_commit_adds_copies_and_deletes(official: HfApi, repo: str) -> None:
    """All operations of a commit become visible together, and the answer names the commit."""
    official.create_commit(repo, [add("old/a"), add("old/b"), add("c", b"see")], commit_message="first")

    operations = [
        add("new/ü ü.txt", b"new"),
        CommitOperationCopy("c", "copied/c"),
        CommitOperationDelete("old/"),
        CommitOperationDelete("c"),
    ]
    info = official.create_commit(repo, operations, commit_message="second", commit_description="why\n\nnot")

    assert set(official.list_repo_files(repo)) == {".gitattributes", "new/ü ü.txt", "copied/c"}
    assert read(official, repo, "copied/c") == b"see"
    assert read(official, repo, "new/ü ü.txt") == b"new"
    assert info.commit_url == f"{official.endpoint}/{repo}/commit/{info.oid}"
    [newest, *_] = official.list_repo_commits(repo, formatted=True)
    assert (newest.commit_id, newest.title, newest.message) == (info.oid, "second", "why\n\nnot")
    assert newest.authors == ["ada"]
    assert newest.formatted_message is not None


def test_nothing_new_makes_no_commit(official: HfApi, repo: str) -> None:
    """The same content again, or a commit without operations, leaves the branch where it is."""
    first = official.create_commit(repo, [add("a")], commit_message="first")
    again = official.create_commit(repo, [add("a")], commit_message="again")
    empty = official.create_commit(repo, [], commit_message="empty")
    large = [os.urandom(200_000)]
    once = official.create_commit(repo, [add("a.bin", large[0])], commit_message="large")
    twice = official.create_commit(repo, [add("a.bin", large[0])], commit_message="large")

    assert first.oid == again.oid == empty.oid
    assert once.oid == twice.oid
    assert len(official.list_repo_commits(repo)) == 3


def test_parent_conflict(official: HfApi, repo: str) -> None:
    """A commit made for an older head is refused with 412, and nothing changes."""
    first = official.create_commit(repo, [add("a", b"1")], commit_message="1")
    second = official.create_commit(repo, [add("a", b"2")], commit_message="2", parent_commit=first.oid)

    with pytest.raises(HfHubHTTPError) as refused:
        official.create_commit(repo, [add("a", b"3")], commit_message="3", parent_commit=first.oid)
    with pytest.raises(RevisionNotFoundError):
        official.create_commit(repo, [add("a", b"3")], commit_message="3", parent_commit="f" * 40)

    assert refused.value.response.status_code == 412
    assert "The branch was updated since you opened this page" in str(refused.value)
    assert official.model_info(repo).sha == second.oid


def test_only_branches_take_commits(official: HfApi, repo: str) -> None:
    """A commit to a tag or a commit is forbidden; to nothing at all, not found."""
    official.create_tag(repo, tag="v1")
    sha = official.model_info(repo).sha

    for revision in ("v1", sha):
        with pytest.raises(HfHubHTTPError) as refused:
            official.create_commit(repo, [add("a")], commit_message="a", revision=revision)
        assert refused.value.response.status_code == 403
    with pytest.raises(RevisionNotFoundError):
        official.create_commit(repo, [add("a")], commit_message="a", revision="nowhere")


def test_commit_to_another_branch(official: HfApi, repo: str) -> None:
    """A branch whose name holds a slash takes commits, and ``main`` does not move."""
    official.create_branch(repo, branch="feature/x")
    official.create_commit(repo, [add("a", b"there")], commit_message="a", revision="feature/x")

    assert read(official, repo, "a", "feature/x") == b"there"
    assert not official.file_exists(repo, "a")


def test_deleting_what_is_not_there(official: HfApi, repo: str) -> None:
    """A file that is not there cannot be deleted."""
    with pytest.raises(EntryNotFoundError):
        official.delete_file("nothing.txt", repo)


def test_deleting_everything(official: HfApi, repo: str) -> None:
    """A folder goes with all that is in it, also when it is called a file."""
    official.create_commit(repo, [add("a/b/c"), add("a/d"), add("e")], commit_message="a")

    official.create_commit(
        repo, [CommitOperationDelete("a", is_folder=False), CommitOperationDelete("e")], commit_message="b"
    )

    assert official.list_repo_files(repo) == [".gitattributes"]


def test_invalid_readme_is_refused(official: HfApi, repo: str, local_hub: HubProcess) -> None:
    """Front matter that is no YAML keeps the whole commit out."""
    line = {"key": "file", "value": {"path": "README.md", "content": "---\na: [\n---\n", "encoding": "utf-8"}}

    answer = send(local_hub, repo, line)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid metadata in README.md.")


@pytest.mark.parametrize("path", ["../a", "a/../../b", ".git/hooks/x", "a\\b", "a\nb", "", "/etc/passwd"])
def test_hostile_path_is_refused(repo: str, local_hub: HubProcess, path: str) -> None:
    """A path that would leave the repository is refused with 422, and nothing is committed."""
    before = local_hub.api.model_info(repo).sha

    answer = send(local_hub, repo, {"key": "file", "value": {"path": path, "content": "x"}})

    assert answer.status_code == 422
    assert local_hub.api.model_info(repo).sha == before


def test_large_file_must_have_been_uploaded(repo: str, local_hub: HubProcess) -> None:
    """A commit may not name bytes that this repository was never given, nor lie about their size."""
    value = {"path": "a.bin", "algo": "sha256", "oid": "ab" * 32, "size": 5}
    answer = send(local_hub, repo, {"key": "lfsFile", "value": value})
    assert answer.status_code == 400
    assert "does not exist" in answer.json()["error"]

    local_hub.api.upload_file(path_or_fileobj=b"12345", path_in_repo="real.bin", repo_id=repo)
    [info] = local_hub.api.get_paths_info(repo, ["real.bin"])
    wrong = {"path": "b.bin", "algo": "sha256", "oid": info.lfs.sha256, "size": 6}
    assert send(local_hub, repo, {"key": "lfsFile", "value": wrong}).status_code == 400


def test_large_file_is_covered_by_git_attributes(official: HfApi, repo: str, tmp_path: Path) -> None:
    """A large file that no rule covers gets a rule of its own, so that git treats it alike."""
    content = os.urandom(11 * 1024 * 1024)
    official.create_commit(
        repo, [add("data/big file.dat", content), add("x.bin", b"12")], commit_message="big"
    )

    rules = read(official, repo, ".gitattributes").decode().splitlines()
    assert rules[-1] == "data/big[[:space:]]file.dat filter=lfs diff=lfs merge=lfs -text"
    assert sum("x.bin" in rule for rule in rules) == 0
    assert read(official, repo, "data/big file.dat") == content


def test_ignored_files_stay_out(official: HfApi, repo: str, tmp_path: Path) -> None:
    """The repository's ``.gitignore`` holds for uploads, and so does one in the folder that is uploaded."""
    official.upload_file(path_or_fileobj=b"*.log\n!keep.log\n", path_in_repo=".gitignore", repo_id=repo)
    for file in ("a.log", "keep.log", "sub/b.log", "c.txt"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("x")

    official.upload_folder(repo_id=repo, folder_path=tmp_path)
    assert set(official.list_repo_files(repo)) == {".gitattributes", ".gitignore", "keep.log", "c.txt"}

    (tmp_path / ".gitignore").write_text("c.txt\nkeep.log\n")
    other = official.create_repo(f"{repo}-other").repo_id
    official.upload_folder(repo_id=other, folder_path=tmp_path)
    assert set(official.list_repo_files(other)) == {".gitattributes", ".gitignore", "a.log", "sub/b.log"}


def test_pull_requests_are_told_apart(official: HfApi, repo: str) -> None:
    """A pull request is answered with 501 and a sentence, at once."""
    with pytest.raises(HfHubHTTPError, match="Pull requests are not on the local Hub yet") as refused:
        official.create_commit(repo, [add("a")], commit_message="a", create_pr=True)

    assert refused.value.response.status_code == 501


def test_committers_at_the_same_time(official: HfApi, repo: str) -> None:
    """Eight committers at once lose nothing: each commit is there, one after the other."""
    failures: list[Exception] = []

    def commit(number: int) -> None:
        try:
            official.create_commit(repo, [add(f"file{number}", b"%d" % number)], commit_message=str(number))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert {f"file{number}" for number in range(8)} <= set(official.list_repo_files(repo))
    assert len(official.list_repo_commits(repo)) == 9


def test_thousand_files(official: HfApi, repo: str, local_hub: HubProcess) -> None:
    """A thousand files in one commit are one pack, which git finds sound."""
    operations = [add(f"folder{number % 20}/file{number}.txt", b"%d" % number) for number in range(1000)]

    official.create_commit(repo, operations, commit_message="many")

    assert len(list(official.list_repo_tree(repo, recursive=True))) == 1 + 20 + 1000
    for git_dir in (local_hub.data / "repos").glob("*.git"):
        subprocess.run(["git", "-C", git_dir, "fsck", "--full", "--strict"], check=True, capture_output=True)


def test_history_page_by_page(official: HfApi, repo: str) -> None:
    """A history longer than a page comes whole, the latest first."""
    for number in range(60):
        official.create_commit(repo, [add("a", b"%d" % number)], commit_message=str(number))

    titles = [commit.title for commit in official.list_repo_commits(repo)]

    assert titles == [*(str(number) for number in reversed(range(60))), "initial commit"]


def test_super_squash(official: HfApi, repo: str) -> None:
    """Squashed, a branch has one commit with the same files; a tag or a commit is no branch."""
    official.create_commit(repo, [add("a")], commit_message="a")
    official.create_tag(repo, tag="v1")

    official.super_squash_history(repo, commit_message="one")

    assert [commit.title for commit in official.list_repo_commits(repo)] == ["one"]
    assert read(official, repo, "a") == b"content"
    assert len(official.list_repo_commits(repo, revision="v1")) == 2
    with pytest.raises(HfHubHTTPError):
        official.super_squash_history(repo, branch="v1")


def test_strangers_may_not_commit(repo: str, local_hub: HubProcess) -> None:
    """Without a token a commit is refused, and so is asking how to upload."""
    for route, body in (("commit", b"{}"), ("preupload", b'{"files": []}')):
        answer = httpx.post(f"{local_hub.url}/api/models/{repo}/{route}/main", content=body)
        assert answer.status_code == 401


def test_killed_hub_keeps_what_it_acknowledged(fresh_hub: HubProcess, name: str) -> None:
    """After ``kill -9`` in the middle of commits, every acknowledged one is there, and commits go on."""
    fresh_hub.start()
    api = fresh_hub.api
    repo = api.create_repo(name).repo_id
    acknowledged: list[str] = []
    enough = threading.Event()

    def commit_on() -> None:
        for number in range(1000):
            line = {"key": "file", "value": {"path": "a", "content": str(number)}}
            try:
                acknowledged.append(send(fresh_hub, repo, line).json()["commitOid"])
            except httpx.HTTPError:
                return
            if number == 20:
                enough.set()

    thread = threading.Thread(target=commit_on)
    thread.start()
    assert enough.wait(60)
    fresh_hub.kill()
    thread.join()
    [git_dir] = (fresh_hub.data / "repos").glob("*.git")
    (git_dir / "refs" / "heads" / "main.lock").touch()  # as if killed while it held the branch
    fresh_hub.start()

    history = [commit.commit_id for commit in fresh_hub.api.list_repo_commits(repo)]
    assert set(acknowledged) <= set(history)
    fresh_hub.api.create_commit(repo, [add("b")], commit_message="after")
    subprocess.run(["git", "-C", git_dir, "fsck", "--full"], check=True, capture_output=True)


def send(hub: HubProcess, repo: str, *lines: dict[str, object]) -> httpx.Response:
    """Send a commit that the official client would not make."""
    header = {"key": "header", "value": {"summary": "by hand"}}
    body = "\n".join(json.dumps(line) for line in [header, *lines])
    headers = {"Authorization": f"Bearer {hub.token}", "Content-Type": "application/x-ndjson"}
    return httpx.post(f"{hub.url}/api/models/{repo}/commit/main", content=body, headers=headers)
