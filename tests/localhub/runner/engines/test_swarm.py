"""Spaces on a Docker Swarm of two machines, one of which is lost."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2 as httpx
import pytest
from tests import needs
from tests.conftest import HubProcess
from tests.dockerd import Dockerd
from tests.localhub.replicas import scale, until_all_answer
from tests.localhub.runner.engines.test_docker import app, page, push, settled

from spacehand.localhub.runner.engines.swarm import HOST_LABEL
from spacehand.localhub.runner.engines.swarm_watch import exit_code, running_at, why_nowhere
from spacehand.localhub.store.place import Place

NAMESPACE = f"spacehand-{os.getpid()}"
NEAR, FAR = "10.77.0.1", "10.77.0.2"
WHERE = "'far' if 'far0' in os.listdir('/sys/class/net') else 'near'"


def task(
    state: str, node: str = "a", desired: str = "running", code: int = 0, at: str = "1"
) -> dict[str, object]:
    status = {"State": state, "ContainerStatus": {"ExitCode": code}, "Err": "no suitable node"}
    return {"Status": status, "NodeID": node, "DesiredState": desired, "CreatedAt": at}


def test_requests_go_to_machines_that_are_ready_and_should_run_it():
    """
    What a lost machine ran, and what is on its way out, is asked no more.
    """
    tasks = [
        task("running", "a"),
        task("running", "lost"),
        task("running", "b", "shutdown"),
        task("new", "b"),
    ]
    assert running_at(tasks, {"a": "10.0.0.1", "b": "10.0.0.2"}) == ("10.0.0.1",)


def test_a_service_is_over_when_nothing_of_it_is_to_run():
    """
    The newest task's exit code is the app's; while a task may still run there is none.
    """
    lost = task("running", "lost", "shutdown")
    assert exit_code([lost, task("pending", at="2")]) is None
    assert exit_code([lost, task("failed", code=137, desired="shutdown", at="2")]) == 137
    assert exit_code([task("rejected", at="2")]) == 1
    assert exit_code([task("complete")]) == 0
    assert exit_code([]) == 1
    assert why_nowhere([task("failed"), task("pending")]) == "no suitable node"
    assert why_nowhere([task("running")]) == ""


@dataclass
class Swarm:
    """This machine, which manages, and another one behind a cable."""

    near: Dockerd
    far: Dockerd

    def join(self) -> None:
        beat = ("--dispatcher-heartbeat", "1s")
        self.near.run("swarm", "init", "--advertise-addr", NEAR, "--listen-addr", f"{NEAR}:2377", *beat)
        token = self.near.run("swarm", "join-token", "--quiet", "worker").stdout.strip()
        there = ("--advertise-addr", FAR, "--listen-addr", f"{FAR}:2377")
        self.far.run("swarm", "join", "--token", token, *there, f"{NEAR}:2377")
        self.near.run("node", "update", "--label-add", f"{HOST_LABEL}={self.far.host}", self.node(self.far))

    def node(self, daemon: Dockerd) -> str:
        return daemon.run("info", "--format", "{{.Swarm.NodeID}}").stdout.strip()


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


@pytest.fixture
def swarm() -> Iterator[Swarm]:
    needs.docker()
    ip("netns", "add", NAMESPACE)
    # `ip netns exec` would hide /sys/fs/cgroup.
    found = Swarm(Dockerd(), Dockerd(inside=("nsenter", f"--net=/run/netns/{NAMESPACE}")))
    try:
        ip("link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", NAMESPACE)
        ip("address", "add", f"{NEAR}/24", "dev", "near0")
        ip("link", "set", "near0", "up")
        ip("-n", NAMESPACE, "address", "add", f"{FAR}/24", "dev", "far0")
        for link in ("far0", "lo"):
            ip("-n", NAMESPACE, "link", "set", link, "up")
        found.near.start()
        found.far.start(bases=False)
        found.join()
        yield found
    finally:
        found.far.stop()
        found.near.stop()
        ip("netns", "delete", NAMESPACE, check=False)
        ip("link", "delete", "near0", check=False)
        ip("link", "delete", "docker_gwbridge", check=False)


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.timeout(600)
def test_another_machine_takes_over_from_a_lost_one(swarm: Swarm, fresh_hub: HubProcess):
    """
    Two replicas have a machine each. A Space whose machine loses its power answers again from another, which
    has had its image all along.
    """
    fresh_hub.environment = {"DOCKER_HOST": swarm.near.host}
    fresh_hub.arguments = ("--engine", "swarm")
    hub = fresh_hub.start()
    near = swarm.node(swarm.near)
    swarm.near.run("node", "update", "--availability", "drain", near)
    hub.api.create_repo("ada/demo", repo_type="space", space_sdk="docker", space_hardware="cpu-upgrade")
    sha = push(hub, "ada/demo", app_py=app(WHERE))
    runtime = settled(hub, "ada/demo", sha)
    assert runtime["stage"] == "RUNNING", runtime
    differences = " ".join(runtime["spacehand"]["differences"])
    assert "a port serves one Space on each machine" in differences
    assert "disk space is not limited" in differences
    assert page(hub, "ada/demo") == "far"
    swarm.near.run("node", "update", "--availability", "active", near)

    scale(hub, "ada/demo", 2)
    until_all_answer(hub, "ada/demo", 2)
    assert {asked(hub) for _ in range(4)} == {"near", "far"}
    scale(hub, "ada/demo", 1)
    until_all_answer(hub, "ada/demo", 1)
    assert {asked(hub) for _ in range(4)} == {"far"}

    swarm.far.kill()
    lost = time.monotonic()

    while (answer := asked(hub)) != "near":
        assert time.monotonic() - lost < 120, (answer, "".join(hub.api.fetch_space_logs("ada/demo")))
    print(f"answered again after {time.monotonic() - lost:.1f} s")
    assert hub.api.get_space_runtime("ada/demo").stage == "RUNNING"
    hub.stop()
    ours = f"label=spacehand.hub={Place(hub.data).mark}"
    assert not swarm.near.run("service", "ls", "--quiet", "--filter", ours).stdout.strip()


def asked(hub: HubProcess) -> str:
    """Return what the Space answers now, or why it does not."""
    try:
        answer = httpx.get(str(hub.api.space_info("ada/demo").host), timeout=5)
    except httpx.HTTPError as error:
        return type(error).__name__
    return answer.text if answer.status_code == 200 else str(answer.status_code)
