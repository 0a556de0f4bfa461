"""Control groups of both versions, on trees of plain files, and this machine's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacehand.localhub.runner.engines import fence
from spacehand.localhub.runner.engines.fence import Bounds, Fence, FirstVersion, SecondVersion

BOUNDS = Bounds(memory_bytes=300 << 20, cores=1.5, processes=100)
SCOPE = "user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope"


def second_version(mounts: Path, *, processes: str, given: str = "") -> Path:
    """Return a scope as systemd hands it over, in a tree of the second version."""
    scope = mounts / SCOPE
    scope.mkdir(parents=True)
    (mounts / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
    (scope / "cgroup.controllers").write_text("cpu memory pids\n")
    (scope / "cgroup.subtree_control").write_text(given)
    (scope / "cgroup.procs").write_text(processes)
    return scope


def held(group: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in group.iterdir()}


def test_a_scope_of_its_own_is_used(tmp_path: Path):
    """
    In a scope that holds the Hub alone it moves aside, hands the controllers down, and fences each app.
    """
    scope = second_version(tmp_path, processes=f"{os.getpid()}\n")

    found = fence.find(tmp_path, f"0::/{SCOPE}\n")

    assert found == SecondVersion(scope)
    assert held(scope / "spacehand-hub") == {"cgroup.procs": str(os.getpid())}
    for group in (scope, scope / "spacehand"):
        assert (group / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"
    around = found.raise_around("a1", BOUNDS)
    assert around.groups == (scope / "spacehand/a1",)
    assert held(around.groups[0]) == {
        "memory.max": str(300 << 20),
        "memory.oom.group": "1",
        "memory.swap.max": "0",
        "cpu.max": "150000 100000",
        "pids.max": "100",
    }


def test_a_hub_that_comes_back_stays_beside_its_apps(tmp_path: Path):
    """
    A Hub that is in its own group already uses the tree above it.
    """
    scope = second_version(tmp_path, processes="", given="cpu memory pids\n")
    assert fence.find(tmp_path, f"0::/{SCOPE}/spacehand-hub\n") == SecondVersion(scope)


def test_a_scope_that_others_share_is_left_alone(tmp_path: Path):
    """
    Where a shell or a desktop is in the same group nothing is moved, and there is no fence.
    """
    scope = second_version(tmp_path, processes=f"1\n{os.getpid()}\n")
    assert fence.find(tmp_path, f"0::/{SCOPE}\n") is None
    assert (scope / "cgroup.subtree_control").read_text() == ""


def test_the_first_version_has_a_group_for_each_controller(tmp_path: Path):
    """
    Memory, processor time and processes are held in trees of their own; in a container, from their top.
    """
    for name in ("memory", "cpu", "pids"):
        (tmp_path / name).mkdir()
    (tmp_path / "memory/own").mkdir()

    found = fence.find(
        tmp_path, "4:memory:/own\n3:cpu,cpuacct:/docker/77\n2:pids:/\n1:name=systemd:/\n0::/\n"
    )

    assert found == FirstVersion(tmp_path / "memory/own", tmp_path / "cpu", tmp_path / "pids")
    memory, cpu, pids = found.raise_around("a1", BOUNDS).groups
    assert held(memory) == dict.fromkeys(
        ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"], str(300 << 20)
    )
    assert held(cpu) == {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000"}
    assert held(pids) == {"pids.max": "100"}


@pytest.mark.parametrize(
    ("file", "told", "killed"),
    [
        ("memory.events", "low 0\nhigh 0\nmax 31\noom 1\noom_kill 1\n", True),
        ("memory.events", "low 0\nhigh 0\nmax 31\noom 0\noom_kill 0\n", False),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", True),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", False),
    ],
)
def test_the_kernel_says_whom_it_killed(tmp_path: Path, file: str, told: str, killed: bool):
    """
    An app counts as out of memory when the kernel says so, in either version's words, and not otherwise.
    """
    (tmp_path / file).write_text(told)
    assert Fence((tmp_path,)).killed_for_memory is killed


EAT = "hold = bytearray(200 << 20)"
FORK = """
import os, time
try:
    for _ in range(60):
        if not os.fork():
            time.sleep(60)
except BlockingIOError:
    os.killpg(0, 10)
"""


@pytest.mark.parametrize(("greed", "signal", "for_memory"), [(EAT, 9, True), (FORK, 10, False)])
def test_this_machines_own_kernel_holds(greed: str, signal: int, for_memory: bool):
    """
    A process in the fence that takes more memory is killed, and the fence tells; one that forks is refused.
    """
    fences = fence.usual()
    if fences is None:
        pytest.skip("this machine lets nobody make control groups")
    around = fences.raise_around(f"test-{os.getpid()}", Bounds(50 << 20, 1, processes=40))
    enter = "import sys\nfor path in sys.argv[1:]: open(path, 'w').write('0')\n"
    try:
        done = subprocess.run(
            [sys.executable, "-c", enter + greed, *around.entrances], check=False, start_new_session=True
        )
        assert done.returncode == -signal
        assert around.killed_for_memory is for_memory
    finally:
        while any(group.exists() for group in around.groups):
            around.remove()
