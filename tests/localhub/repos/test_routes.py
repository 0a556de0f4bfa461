"""Repositories, driven by the official client."""

from __future__ import annotations

import http.client
import json
from itertools import islice
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session
from starlette.testclient import TestClient

from spacehand.localhub.hub import LocalHub
from tests.conftest import HubProcess
from tests.localhub.conftest import web_client

CARD = """---
license: mit
library_name: transformers
pipeline_tag: automatic-speech-recognition
language: [en, de]
tags: [tiny, speech]
datasets: [ada/clips]
measured: 2026-11-21
---
# Tiny
"""


@pytest.fixture(scope="module")
def bob(local_hub: HubProcess) -> HfApi:
    """Another user of the same Hub."""
    connection = http.client.HTTPConnection("127.0.0.1", local_hub.port)
    body = json.dumps({"user": "bob", "role": "write"})
    connection.request("POST", "/api/spacehand/tokens", body, {"Authorization": f"Bearer {local_hub.token}"})
    token = json.loads(connection.getresponse().read())["token"]
    connection.close()
    return HfApi(endpoint=local_hub.url, token=token)


@pytest.fixture
def nobody(local_hub: HubProcess) -> HfApi:
    return HfApi(endpoint=local_hub.url, token=False)


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_repository_is_made_once(official: HfApi, local_hub: HubProcess, name: str, kind: str):
    """
    Making it returns its address; making it again is an error, unless that is expected.
    """
    url = official.create_repo(name, repo_type=kind)

    prefix = "" if kind == "model" else "datasets/"
    assert url == f"{local_hub.url}/{prefix}ada/{name}"
    assert official.create_repo(f"ada/{name}", repo_type=kind, exist_ok=True) == url
    with pytest.raises(HfHubHTTPError, match=f"You already created this {kind} repo: ada/{name}") as raised:
        official.create_repo(name, repo_type=kind)
    assert raised.value.response.status_code == 409


def test_a_new_repository_knows_which_files_are_large(official: HfApi, name: str):
    """
    Its first commit holds the patterns of files that git should not store itself.
    """
    official.create_repo(name)

    attributes = official.hf_hub_download(f"ada/{name}", ".gitattributes")

    assert "*.safetensors filter=lfs diff=lfs merge=lfs -text\n" in Path(attributes).read_text()
    assert [commit.title for commit in official.list_repo_commits(f"ada/{name}")] == ["initial commit"]


@pytest.mark.parametrize("sdk", ["gradio", "docker", "static"])
def test_a_new_space_has_a_valid_header(official: HfApi, name: str, sdk: str):
    """
    A Space is born with a README that the Hub itself accepts.
    """
    official.create_repo(name, repo_type="space", space_sdk=sdk)

    found = official.space_info(f"ada/{name}")

    assert (found.sdk, found.subdomain) == (sdk, f"ada-{name}")
    assert found.card_data is not None
    assert found.card_data.sdk == sdk
    assert found.runtime is not None  # what it says is the runner's business


def test_a_space_is_made_with_all_its_settings(official: HfApi, name: str):
    """
    Variables are there from the first moment; what makes no sense makes no Space.
    """
    space = f"ada/{name}"
    official.create_repo(
        space,
        repo_type="space",
        space_sdk="static",
        space_variables=[{"key": "GREETING", "value": "hello"}],
        space_secrets=[{"key": "KEY", "value": "s3cret"}],
    )
    assert official.get_space_variables(space)["GREETING"].value == "hello"

    with pytest.raises(HfHubHTTPError):
        official.create_repo(
            f"{space}-2", repo_type="space", space_sdk="static", space_variables=[{"key": "a b", "value": ""}]
        )
    assert not official.repo_exists(f"{space}-2", repo_type="space")


def test_info_tells_what_the_card_says(official: HfApi, name: str):
    """
    Header, tags, files with sizes and dates come as the client's own types.
    """
    official.create_repo(name)
    official.upload_file(path_or_fileobj=CARD.encode(), path_in_repo="README.md", repo_id=f"ada/{name}")
    found = official.model_info(f"ada/{name}", files_metadata=True)

    assert (found.id, found.author, found.private, found.gated) == (f"ada/{name}", "ada", False, False)
    assert (found.library_name, found.pipeline_tag) == ("transformers", "automatic-speech-recognition")
    assert found.card_data is not None
    assert found.card_data["measured"] == "2026-11-21"
    assert found.tags is not None
    assert {"tiny", "license:mit", "dataset:ada/clips", "en", "transformers"} <= set(found.tags)
    assert found.siblings is not None
    sizes = {file.rfilename: file.size for file in found.siblings}
    assert sizes["README.md"] == len(CARD)
    assert found.created_at is not None
    assert found.last_modified is not None
    assert found.created_at < found.last_modified
    assert found.used_storage == sum(size or 0 for size in sizes.values())


def test_info_of_an_earlier_revision(official: HfApi, name: str):
    """
    Any commit, branch or tag can be described; one that is not there is named.
    """
    official.create_repo(name)
    first = official.model_info(f"ada/{name}").sha
    official.upload_file(path_or_fileobj=CARD.encode(), path_in_repo="README.md", repo_id=f"ada/{name}")
    official.create_branch(f"ada/{name}", branch="a/b", revision=first)

    for revision in (first, "a/b", first[:12] if first else ""):
        found = official.model_info(f"ada/{name}", revision=revision)
        assert found.sha == first
        assert [file.rfilename for file in found.siblings or ()] == [".gitattributes"]
    with pytest.raises(RevisionNotFoundError):
        official.model_info(f"ada/{name}", revision="nowhere")


def test_expand_brings_what_is_asked_for_and_nothing_else(official: HfApi, name: str):
    """
    With `expand` the answer holds the id and the asked keys alone.
    """
    official.create_repo(name)

    found = official.model_info(f"ada/{name}", expand=["sha", "downloadsAllTime", "gguf"])

    assert found.sha is not None
    assert found.downloads_all_time == 0
    assert (found.siblings, found.tags, found.author, found.gguf) == (None, None, None, None)


def test_names_are_found_in_any_case(official: HfApi, name: str):
    """
    Whatever the case asked for, the answer has the name as it was given.
    """
    official.create_repo(name)

    assert official.model_info(f"Ada/{name.upper()}").id == f"ada/{name}"
    with pytest.raises(HfHubHTTPError, match="already"):
        official.create_repo(f"ada/{name.upper()}")


def test_what_is_private_exists_for_its_owner_alone(official: HfApi, bob: HfApi, nobody: HfApi, name: str):
    """
    A stranger cannot tell a private repository from one that was never made.
    """
    official.create_repo(name, private=True)

    assert official.model_info(f"ada/{name}").private
    for other in (bob, nobody):
        answers = []
        for wanted in (name, f"{name}-never-made"):
            with pytest.raises(RepositoryNotFoundError) as raised:
                other.model_info(f"ada/{wanted}")
            response = raised.value.response
            answers.append((response.status_code, response.json(), response.headers["X-Error-Code"]))
        assert answers[0] == answers[1]
        assert not list(other.list_models(author="ada", search=name))

    official.update_repo_settings(f"ada/{name}", private=False)
    assert not bob.model_info(f"ada/{name}").private


def test_a_gated_repository_shows_itself_but_not_its_files(official: HfApi, bob: HfApi, name: str):
    """
    Others see that a gated repository is there; its files they do not get.
    """
    official.create_repo(name)
    official.update_repo_settings(f"ada/{name}", gated="manual")

    assert bob.model_info(f"ada/{name}").gated == "manual"
    with pytest.raises(GatedRepoError):
        bob.auth_check(f"ada/{name}")
    with pytest.raises(GatedRepoError):
        bob.hf_hub_download(f"ada/{name}", ".gitattributes")
    official.auth_check(f"ada/{name}")
    official.update_repo_settings(f"ada/{name}", gated=False)
    bob.auth_check(f"ada/{name}")


def test_others_may_not_write(official: HfApi, bob: HfApi, nobody: HfApi, name: str):
    """
    What is somebody else's can neither be changed, moved, taken nor deleted.
    """
    official.create_repo(name)
    repo = f"ada/{name}"

    for other, status in ((bob, 403), (nobody, 401)):
        for attempt in (
            lambda api: api.create_repo(f"{repo}-mine"),
            lambda api: api.update_repo_settings(repo, private=True),
            lambda api: api.move_repo(repo, f"bob/{name}"),
            lambda api: api.delete_repo(repo),
        ):
            with pytest.raises(HfHubHTTPError) as raised:
                attempt(other)
            assert raised.value.response.status_code == status
    with pytest.raises(HfHubHTTPError, match="rights"):
        official.move_repo(repo, f"bob/{name}")
    assert official.repo_exists(repo)


def test_a_moved_repository_is_found_under_both_names(official: HfApi, name: str):
    """
    The old name leads to the new one, until somebody else takes it.
    """
    official.create_repo(name)
    official.move_repo(f"ada/{name}", f"ada/{name}-b")
    official.move_repo(f"ada/{name}-b", f"ada/{name}-c")

    for old in (name, f"{name}-b", f"{name}-c"):
        assert official.model_info(f"ada/{old}").id == f"ada/{name}-c"
    assert official.hf_hub_download(f"ada/{name}", ".gitattributes")
    official.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=f"ada/{name}")
    assert official.file_exists(f"ada/{name}-c", "a")

    official.create_repo(name)
    assert official.model_info(f"ada/{name}").id == f"ada/{name}"
    with pytest.raises(HfHubHTTPError, match=f"A model repository called ada/{name} already exists"):
        official.move_repo(f"ada/{name}-c", f"ada/{name}")


def test_a_deleted_repository_is_gone(official: HfApi, name: str):
    """
    Nothing of it is found any more, and its name is free.
    """
    official.create_repo(name)
    official.delete_repo(f"ada/{name}")

    assert not official.repo_exists(f"ada/{name}")
    with pytest.raises(RepositoryNotFoundError):
        official.delete_repo(f"ada/{name}")
    official.delete_repo(f"ada/{name}", missing_ok=True)
    official.create_repo(name)


def test_lists_are_filtered_sorted_and_paged(official: HfApi, name: str):
    """
    Author, search, tags, order and limit do what the client says.
    """
    for number in range(3):
        official.create_repo(f"{name}-{number}")
    official.upload_file(path_or_fileobj=CARD.encode(), path_in_repo="README.md", repo_id=f"ada/{name}-1")

    def ids(**query: object) -> list[str]:
        return [model.id.removeprefix(f"ada/{name}-") for model in official.list_models(search=name, **query)]

    assert ids() == ["1", "2", "0"]  # the last changed first
    assert ids(sort="created_at") == ["2", "1", "0"]
    assert ids(limit=2, sort="created_at") == ["2", "1"]
    assert ids(filter="speech") == ["1"]
    assert ids(filter=["speech", "nothing"]) == []
    assert ids(pipeline_tag="automatic-speech-recognition") == ["1"]
    assert ids(author="ADA") == ["1", "2", "0"]
    assert ids(author="bob") == []
    with pytest.raises(HfHubHTTPError):
        ids(sort="colour")


def test_each_page_of_a_list_names_the_next(owner: TestClient):
    """
    `Link` leads through all pages, each repository once, with the query kept.
    """
    for number in range(5):
        owner.post("/api/repos/create", json={"name": f"m{number}"})

    url, pages = "/api/models?limit=2&search=m&filter=region:us", []
    while url:
        answer = owner.get(url)
        pages.append([row["id"] for row in answer.json()])
        url = answer.links.get("next", {}).get("url", "")

    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(each for page in pages for each in page) == [f"ada/m{number}" for number in range(5)]
    assert owner.get("/api/models?limit=x").status_code == 400


def test_full_lists_hold_files_and_cards(official: HfApi, name: str):
    """
    A list is short unless more is asked for.
    """
    official.create_repo(name, repo_type="space", space_sdk="static")

    [short] = official.list_spaces(search=name)
    [full] = official.list_spaces(search=name, full=True)
    [expanded] = official.list_spaces(search=name, expand=["runtime", "sdk"])

    assert (short.sdk, short.siblings, short.card_data) == ("static", None, None)
    assert full.siblings
    assert full.card_data
    assert expanded.runtime
    assert expanded.sdk == "static"
    assert expanded.likes is None


def test_likes(official: HfApi, bob: HfApi, name: str):
    """
    A like is counted once per user, listed, and taken back.
    """
    official.create_repo(name)
    repo, before = f"ada/{name}", bob.list_liked_repos("bob").total
    for _ in range(2):  # the client itself only takes likes back
        url = f"{bob.endpoint}/api/models/{repo}/like"
        assert get_session().post(url, headers=bob._build_hf_headers()).is_success

    assert official.model_info(repo).likes == 1
    assert [user.username for user in official.list_repo_likers(repo)] == ["bob"]
    assert repo in bob.list_liked_repos("bob").models
    bob.unlike(repo)
    assert official.model_info(repo).likes == 0
    assert bob.list_liked_repos("bob").total == before


def test_a_copy_has_the_files_the_history_and_the_settings(official: HfApi, name: str):
    """
    A duplicate of a Space lives on its own, with the commits and variables of the original.
    """
    source, copy = f"ada/{name}", f"ada/{name}-copy"
    official.create_repo(
        source,
        repo_type="space",
        space_sdk="static",
        private=True,
        space_variables=[{"key": "A", "value": "1"}],
        space_secrets=[{"key": "S", "value": "s3cret"}],
    )
    official.upload_file(
        path_or_fileobj=bytes(100_000), path_in_repo="model.bin", repo_id=source, repo_type="space"
    )

    official.duplicate_repo(source, copy, repo_type="space", space_variables=[{"key": "B", "value": "2"}])
    official.delete_repo(source, repo_type="space")

    assert official.space_info(copy).private
    assert len(official.list_repo_commits(copy, repo_type="space")) == 2
    assert set(official.get_space_variables(copy)) == {"A", "B"}
    path = official.hf_hub_download(copy, "model.bin", repo_type="space")
    assert Path(path).read_bytes() == bytes(100_000)
    with pytest.raises(HfHubHTTPError):
        official.duplicate_repo(copy, copy, repo_type="space")
    assert official.duplicate_repo(copy, copy, repo_type="space", exist_ok=True).endswith(copy)


def test_storage_of_all_ones_repositories(official: HfApi, name: str):
    """
    The owner sees the bytes that each repository holds.
    """
    official.create_repo(name)

    [row] = [row for row in official.list_user_repos() if row.id == f"ada/{name}"]

    assert (row.type, row.visibility) == ("model", "public")
    assert row.storage == official.model_info(f"ada/{name}").used_storage


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a b"},
        {"name": ".."},
        {"name": "x", "organization": "../ada"},
        {"name": "x.git"},
        {"name": "a--b"},
        {"name": "x", "type": "bucket"},
        {"name": "x", "visibility": "secret"},
        {"name": "x", "visibility": "protected"},
        {"name": "x", "type": "space"},
        {"name": "x", "type": "space", "sdk": "shiny"},
    ],
)
def test_senseless_repositories_are_not_made(owner: TestClient, opened_hub: LocalHub, body: dict[str, str]):
    """
    A name, kind, visibility or SDK that makes no sense is refused, and leaves nothing behind.
    """
    assert owner.post("/api/repos/create", json=body).status_code in (400, 403)
    assert opened_hub.repos.list() == []
    assert list(opened_hub.place.repos.iterdir()) == []


def test_a_protected_space_hides_its_files(owner: TestClient, stranger: TestClient):
    """
    Of a protected Space strangers see the app alone; the Hub's API knows it only for its owner.
    """
    body = {"name": "demo", "type": "space", "sdk": "static", "visibility": "protected"}
    owner.post("/api/repos/create", json=body)

    assert owner.get("/api/spaces/ada/demo").json()["visibility"] == "protected"
    assert stranger.get("/api/spaces/ada/demo").status_code == 404


def test_an_old_private_name_tells_nothing(owner: TestClient, opened_hub: LocalHub):
    """
    The redirect from an old name is for those who may see the repository.
    """
    owner.post("/api/repos/create", json={"name": "a", "visibility": "private"})
    owner.post("/api/repos/move", json={"fromRepo": "ada/a", "toRepo": "ada/b", "type": "model"})

    moved = owner.get("/api/models/ada/a?blobs=true")
    assert (moved.status_code, moved.headers["Location"]) == (307, "/api/models/ada/b?blobs=true")
    assert web_client(opened_hub).get("/api/models/ada/a").status_code == 401


def test_a_long_list_is_lazy(official: HfApi, name: str):
    """
    Whoever takes one row asks for one page.
    """
    official.create_repo(name)

    assert len(list(islice(official.list_models(search=name), 1))) == 1
