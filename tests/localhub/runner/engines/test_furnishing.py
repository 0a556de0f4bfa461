"""What a container is furnished with, in docker and in buildah: the same as a sandbox."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import Volume
from tests.conftest import HubProcess
from tests.localhub.runner.engines.conftest import engine_for
from tests.localhub.runner.engines.test_docker import DOCKERFILE, app, push, settled
from tests.localhub.runner.workshop import workshop

from spacehand.localhub.runner.address import free_port
from spacehand.localhub.runner.environment import Hardware
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

pytestmark = pytest.mark.slow


ENGINES = pytest.mark.parametrize(
    "hub",
    [
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("buildah", marks=pytest.mark.buildah),
    ],
    indirect=True,
)


@pytest.fixture
def hub(fresh_hub: HubProcess, request: pytest.FixtureRequest) -> HubProcess:
    """A Hub that has one engine for images, and is not started yet."""
    fresh_hub.arguments = ("--engine", request.param)
    if request.param == "docker":
        fresh_hub.environment = {"DOCKER_HOST": request.getfixturevalue("dockerd").host}
    else:
        images = fresh_hub.data / "images"
        images.mkdir(parents=True)
        (images / "buildah").symlink_to(request.getfixturevalue("buildah"))
    return fresh_hub


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


@ENGINES
def test_a_container_has_its_volumes(hub: HubProcess, tmp_path: Path):
    """
    A model is seen at its commit and cannot be changed; what uid 1000 writes to a bucket is there after a
    restart, and for the client; where the image's own links lead elsewhere, the bucket is where they lead
    inside the image.
    """
    api = hub.start().api
    api.create_repo("ada/tiny")
    first = api.upload_file(path_or_fileobj=b"old", path_in_repo="config.json", repo_id="ada/tiny").oid
    api.upload_file(path_or_fileobj=b"new", path_in_repo="new.bin", repo_id="ada/tiny")
    api.create_bucket("ada/kept")
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
    (notes,) = (hub.data / "buckets").glob("*/notes")
    assert notes.stat().st_uid == 1000
    api.download_bucket_files("ada/kept", [("notes", tmp_path / "notes")])
    assert (tmp_path / "notes").read_text() == "more more "
    told = runtime["spacehand"]["differences"]
    assert "the bucket `ada/kept` is a folder of this Hub, and not on huggingface.co" in told
    assert not any("is not mounted" in difference for difference in told)
    build = "".join(api.fetch_space_logs("ada/volumes", build=True))
    assert "[spacehand] `preload_from_hub` changes nothing beside a Dockerfile" in build


# Tells what the proxy says to who asks for a port that is not the web's.
ASKING = """
import urllib.error, urllib.request
def asked():
    try:
        return urllib.request.urlopen("http://8.8.8.8:25/", timeout=10).read()
    except urllib.error.HTTPError as refused:
        return refused.read().decode()
"""


@ENGINES
def test_a_container_reaches_the_web_through_its_hub(hub: HubProcess):
    """
    With `--egress web` its environment names a proxy, which leads to the web's ports and to no others.
    """
    hub.arguments += ("--egress", "web")
    hub.start()
    networks = "[line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line]"
    answer = app(f"asked() if self.path == '/asked' else {networks}", before=ASKING)
    sha = push(hub, "ada/web", app_py=answer)
    runtime = settled(hub, "ada/web", sha)
    assert runtime["stage"] == "RUNNING", runtime
    assert ask(hub, "ada/web", "/asked") == "Apps reach the ports 80, 443, 8080, and not 25\n"
    assert ask(hub, "ada/web", "/") == "['lo']"
    told = "the container reaches the web through a proxy, named in `http_proxy` and `https_proxy`"
    assert told in runtime["spacehand"]["differences"]


@ENGINES
def test_in_the_machines_network_a_port_serves_one_space(hub: HubProcess):
    """
    With `--egress host` a new version takes the port of the one before it, the next Hub adopts that, and
    another Space on the same port is told why it does not start.
    """
    hub.arguments += ("--egress", "host")
    hub.start()
    port = free_port()
    header = f"app_port: {port}\n"
    for version in ("first", "second"):
        sha = push(hub, "ada/host", header, app_py=app(f"['{version}', reach({hub.port})]", port=port))
        runtime = settled(hub, "ada/host", sha)
        assert runtime["stage"] == "RUNNING", runtime
        assert ask(hub, "ada/host", "/") == f"['{version}', True]"
    told = "a port serves one Space: a new version starts when the one before has ended"
    assert told in runtime["spacehand"]["differences"]

    hub.kill()
    hub.start()
    push(hub, "ada/other", header, app_py=app(port=port))

    message = settled(hub, "ada/other")["errorMessage"]
    assert message.startswith(f"Scheduling failure: unable to schedule. Port {port} of this machine is taken")
    assert ask(hub, "ada/host", "/") == "['second', True]"


FILLING = """
def fill():
    for path in ("/tmp/half", "/kept/half"):
        open(path, "wb").write(os.urandom(15_000_000))
    return "full"
"""
VOLUME = "RUN mkdir -m 777 /kept\nVOLUME /kept"


def test_a_container_that_fills_the_disk_is_evicted(kind: tuple[str, str], place: Place):
    """
    What it writes to its own layer and to its image's volumes is more than the hardware has: exit code 137.
    """

    async def story() -> tuple[str, str]:
        engine = engine_for(*kind, place.root)
        small = Hardware("cpu-basic", memory="200Mi", disk="20M")
        async with workshop(place, containers=(engine,), hardware=lambda _flavor: small) as shop:
            repo = shop.space()
            answer = app("fill() if self.path == '/fill' else 'up'", before=FILLING)
            image = {"README": "---\nsdk: docker\n---\n", "Dockerfile": DOCKERFILE.format(more=VOLUME)}
            shop.push(repo, answer, **image)
            await shop.until(repo, Stage.RUNNING)
            assert await shop.get(repo, "/fill") == (200, "full")
            runtime = await shop.until(repo, Stage.RUNTIME_ERROR)
            return runtime["errorMessage"], shop.log(repo)

    message, log = asyncio.run(story())
    assert message == "Workload evicted, storage limit exceeded (20M)"
    assert "exit code 137" in log
