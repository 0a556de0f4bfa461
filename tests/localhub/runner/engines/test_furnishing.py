"""What a container is furnished with, in docker and in buildah: the same as a sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2 as httpx
import pytest
from huggingface_hub import Volume
from tests.conftest import HubProcess
from tests.localhub.runner.engines.test_docker import DOCKERFILE, app, push, settled

pytestmark = pytest.mark.slow


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("buildah", marks=pytest.mark.buildah),
    ],
)
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A Hub that has one engine for images."""
    found = HubProcess(tmp_path_factory.mktemp("furnishing") / "hub", arguments=("--engine", request.param))
    if request.param == "docker":
        found.environment = {"DOCKER_HOST": request.getfixturevalue("dockerd").host}
    else:
        images = found.data / "images"
        images.mkdir(parents=True)
        (images / "buildah").symlink_to(request.getfixturevalue("buildah"))
    yield found.start()
    found.stop()


def ask(hub: HubProcess, space: str, path: str) -> str:
    answer = httpx.get(f"{hub.api.space_info(space).host}{path}", timeout=60)
    return answer.raise_for_status().text


VOLUMES = """
def tried(path, mode="r"):
    try:
        with open(path, mode) as file:
            return file.read() if mode == "r" else file.write("more ")
    except OSError as error:
        return type(error).__name__
def seen():
    told = [tried("/models/old/" + name) for name in ("config.json", "new.bin")]
    written = [tried("/models/old/config.json", "w"), tried("/data/notes", "a"), tried("/closed/notes", "w")]
    return [*told, *written, tried("/linked/notes")]
"""
LINKED = "RUN ln -s ../opt/spacehand /linked"


def test_a_container_has_its_volumes(hub: HubProcess):
    """
    A model is seen at its commit and cannot be changed; what uid 1000 writes to a bucket is there after a
    restart; where the image's own links lead elsewhere, the bucket is where they lead inside the image.
    """
    api = hub.api
    api.create_repo("ada/tiny")
    first = api.upload_file(path_or_fileobj=b"old", path_in_repo="config.json", repo_id="ada/tiny").oid
    api.upload_file(path_or_fileobj=b"new", path_in_repo="new.bin", repo_id="ada/tiny")
    bucket = {"type": "bucket", "source": "ada/kept"}
    api.create_repo(
        "ada/volumes",
        repo_type="space",
        space_sdk="docker",
        space_volumes=[
            Volume(type="model", source="ada/tiny", mount_path="/models/old", revision=first),
            Volume(**bucket, mount_path="/data"),
            Volume(**bucket, mount_path="/closed", read_only=True),
            Volume(**bucket, mount_path="/linked"),
        ],
    )
    answer = app("seen() if self.path == '/seen' else 'up'", before=VOLUMES)
    header = "preload_from_hub:\n- ada/tiny\n"
    sha = push(hub, "ada/volumes", header, Dockerfile=DOCKERFILE.format(more=LINKED), app_py=answer)
    runtime = settled(hub, "ada/volumes", sha)
    assert runtime["stage"] == "RUNNING", runtime

    first_time = ask(hub, "ada/volumes", "/seen")
    api.restart_space("ada/volumes")
    api.wait_for_space("ada/volumes")
    second_time = ask(hub, "ada/volumes", "/seen")

    expected = ["old", "FileNotFoundError", "OSError", 5, "OSError", "more "]
    assert first_time == str(expected)
    assert second_time == str([*expected[:-1], "more more "])
    assert (hub.data / "buckets/ada/kept/notes").stat().st_uid == 1000
    told = runtime["spacehand"]["differences"]
    assert "the bucket `ada/kept` is a folder of this Hub, and not on huggingface.co" in told
    assert not any("is not mounted" in difference for difference in told)
    build = "".join(api.fetch_space_logs("ada/volumes", build=True))
    assert "[spacehand] `preload_from_hub` changes nothing beside a Dockerfile" in build
