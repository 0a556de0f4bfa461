from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from tests.conftest import HubProcess


@pytest.fixture
def repo(official: HfApi, name: str) -> str:
    return str(official.create_repo(name).repo_id)


def upload(official: HfApi, repo: str, content: bytes, revision: str | None = None) -> str:
    info = official.upload_file(path_or_fileobj=content, path_in_repo="a", repo_id=repo, revision=revision)
    return str(info.oid)


def read(official: HfApi, repo: str, revision: str) -> bytes:
    return Path(official.hf_hub_download(repo, "a", revision=revision)).read_bytes()


def status_of(refused: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return int(refused.value.response.status_code)


def test_branches_and_tags_are_listed(official: HfApi, repo: str) -> None:
    """What was made is listed with the commit it names, ``main`` first; there are no pull requests."""
    sha = upload(official, repo, b"1")
    official.create_branch(repo, branch="a/b")
    official.create_tag(repo, tag="plain")
    official.create_tag(repo, tag="told", tag_message="why")

    refs = official.list_repo_refs(repo, include_pull_requests=True)

    assert [(branch.name, branch.ref) for branch in refs.branches] == [
        ("main", "refs/heads/main"),
        ("a/b", "refs/heads/a/b"),
    ]
    assert [(tag.name, tag.ref) for tag in refs.tags] == [
        ("plain", "refs/tags/plain"),
        ("told", "refs/tags/told"),
    ]
    assert {ref.target_commit for ref in (*refs.branches, *refs.tags)} == {sha}
    assert (refs.converts, refs.pull_requests) == ([], [])


def test_branch_starts_where_it_is_told(official: HfApi, repo: str) -> None:
    """A branch starts at ``main``, or at a commit, a branch or a tag; and goes its own way."""
    first = upload(official, repo, b"1")
    official.create_tag(repo, tag="v1")
    upload(official, repo, b"2")

    official.create_branch(repo, branch="now")
    official.create_branch(repo, branch="then", revision=first)
    official.create_branch(repo, branch="tagged", revision="v1")
    upload(official, repo, b"3", "then")

    assert [read(official, repo, branch) for branch in ("now", "then", "tagged", "main")] == [
        b"2",
        b"3",
        b"1",
        b"2",
    ]


def test_branch_errors(official: HfApi, repo: str) -> None:
    """What cannot be made or removed has the status that the official client turns into its own errors."""
    official.create_branch(repo, branch="there")
    official.create_branch(repo, branch="there", exist_ok=True)

    with pytest.raises(HfHubHTTPError, match="Reference refs/heads/there already exists") as refused:
        official.create_branch(repo, branch="there")
    assert status_of(refused) == 409
    with pytest.raises(RevisionNotFoundError):
        official.create_branch(repo, branch="new", revision="nowhere")
    with pytest.raises(HfHubHTTPError, match="Invalid reference for a branch: refs/pr/5") as refused:
        official.create_branch(repo, branch="refs/pr/5")
    assert status_of(refused) == 400
    with pytest.raises(HfHubHTTPError, match="Cannot delete refs/heads/main") as refused:
        official.delete_branch(repo, branch="main")
    assert status_of(refused) == 403
    with pytest.raises(RevisionNotFoundError):
        official.delete_branch(repo, branch="nowhere")

    official.delete_branch(repo, branch="there")
    assert [branch.name for branch in official.list_repo_refs(repo).branches] == ["main"]


@pytest.mark.parametrize("branch", ["a..b", "-x", "a/-x", "a b", "x.lock", "a~1", "ab" * 20, ".a", "a:b"])
def test_names_that_git_would_not_take(official: HfApi, repo: str, branch: str) -> None:
    """A name that git refuses, or that looks like an option or a commit, is refused with 400."""
    for create in (official.create_branch, official.create_tag):
        with pytest.raises(HfHubHTTPError) as refused:
            create(repo, **{"branch" if create == official.create_branch else "tag": branch})
        assert status_of(refused) == 400


def test_tag_errors(official: HfApi, repo: str) -> None:
    """A tag is made once, and only at a commit that is there."""
    official.create_tag(repo, tag="v1")
    official.create_tag(repo, tag="v1", exist_ok=True)

    for message in (None, "why"):
        with pytest.raises(HfHubHTTPError) as refused:
            official.create_tag(repo, tag="v1", tag_message=message)
        assert status_of(refused) == 409
    with pytest.raises(RevisionNotFoundError):
        official.create_tag(repo, tag="v2", revision="nowhere")
    with pytest.raises(RevisionNotFoundError):
        official.create_tag(repo, tag="no name for a tag", revision="nowhere")
    with pytest.raises(RevisionNotFoundError):
        official.delete_tag(repo, tag="v2")

    official.delete_tag(repo, tag="v1")
    assert official.list_repo_refs(repo).tags == []


def test_tag_stays_when_the_branch_moves(official: HfApi, repo: str) -> None:
    """A tag names the same files for ever, also when it has a message of its own."""
    upload(official, repo, b"1")
    official.create_tag(repo, tag="plain")
    official.create_tag(repo, tag="told", tag_message="why")
    upload(official, repo, b"2")

    assert [read(official, repo, tag) for tag in ("plain", "told", "main")] == [b"1", b"1", b"2"]


def test_empty_and_overwritten_branches(repo: str, official: HfApi, local_hub: HubProcess) -> None:
    """A branch may start without files or history, and be moved to another commit on request."""
    upload(official, repo, b"1")
    headers = {"Authorization": f"Bearer {local_hub.token}"}
    url = f"{local_hub.url}/api/models/{repo}/branch/fresh"

    assert httpx.post(url, json={"emptyBranch": True}, headers=headers).status_code == 200
    assert official.list_repo_files(repo, revision="fresh") == []
    assert len(official.list_repo_commits(repo, revision="fresh")) == 1
    assert httpx.post(url, json={"startingPoint": "main"}, headers=headers).status_code == 409
    overwrite = {"startingPoint": "main", "overwrite": True}
    assert httpx.post(url, json=overwrite, headers=headers).status_code == 200
    assert read(official, repo, "fresh") == b"1"


def test_strangers_may_look_but_not_touch(repo: str, local_hub: HubProcess) -> None:
    """Without a token the refs of a public repository are read, and none is made or removed."""
    base = f"{local_hub.url}/api/models/{repo}"

    assert httpx.get(f"{base}/refs").status_code == 200
    assert httpx.post(f"{base}/branch/x", json={}).status_code == 401
    assert httpx.delete(f"{base}/branch/main").status_code == 401
    assert httpx.post(f"{base}/tag/main", json={"tag": "x"}).status_code == 401
    assert httpx.delete(f"{base}/tag/x").status_code == 401


def test_refs_of_nothing(official: HfApi) -> None:
    """A repository that is not there has no refs."""
    with pytest.raises(RepositoryNotFoundError):
        official.list_repo_refs("ada/nothing-here")
