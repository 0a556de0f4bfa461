"""Large files go from one repository to another without being sent again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from tests.conftest import HubProcess


@pytest.fixture
def repos(official: HfApi, name: str) -> tuple[str, str]:
    """A private model that holds one large file, and an empty dataset."""
    source = official.create_repo(name, private=True).repo_id
    return source, official.create_repo(name, repo_type="dataset").repo_id


def share(hub: HubProcess, source: str, target: object, sha256: object, token: str) -> httpx.Response:
    return httpx.post(
        f"{hub.url}/api/models/{source}/lfs-files/duplicate",
        json={"target": target, "files": [{"sha256": sha256}]},
        headers={"Authorization": f"Bearer {token}"},
    )


def test_copy_files_between_repositories(official: HfApi, repos: tuple[str, str], tmp_path: Path):
    """The official client's `copy_files` puts a model's large file into a dataset, byte for byte."""
    source, target = repos
    content = os.urandom(300_000)
    official.upload_file(repo_id=source, path_in_repo="a/weights.bin", path_or_fileobj=content)

    official.copy_files(f"hf://{source}/a/", f"hf://datasets/{target}/b/")

    fetched = official.hf_hub_download(target, "b/weights.bin", repo_type="dataset", cache_dir=tmp_path)
    assert Path(fetched).read_bytes() == content


def test_a_hash_alone_gives_no_file(local_hub: HubProcess, official: HfApi, repos: tuple[str, str]):
    """Who may not read the source or not write to the target gets nothing, and a file not there is named."""
    source, target = repos
    content = os.urandom(100_000)
    sha256 = hashlib.sha256(content).hexdigest()
    official.upload_file(repo_id=source, path_in_repo="weights.bin", path_or_fileobj=content)
    known = {"type": "dataset", "name": target}
    stranger = httpx.post(
        f"{local_hub.url}/api/spacehand/tokens",
        json={"role": "write", "user": "eve"},
        headers={"Authorization": f"Bearer {local_hub.token}"},
    ).json()["token"]
    open_source = official.create_repo(f"{target.partition('/')[2]}-open").repo_id

    assert share(local_hub, source, known, sha256, stranger).status_code == 404
    assert share(local_hub, open_source, known, sha256, stranger).status_code == 403
    assert share(local_hub, source, {"type": "bucket"}, sha256, local_hub.token).status_code == 400
    assert share(local_hub, source, known, 7, local_hub.token).status_code == 400
    absent = share(local_hub, open_source, known, sha256, local_hub.token).json()
    assert [row["sha256"] for row in absent["failed"]] == [sha256]
    assert share(local_hub, source, known, sha256, local_hub.token).json() == {"failed": []}
