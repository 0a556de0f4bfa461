"""The memory guard: the smallest limit counts, the page cache does not, and states do not flicker."""

from pathlib import Path

import pytest

from spacehand_runtime import MemoryGuard, MemoryState, OverloadedError
from spacehand_runtime.container import Bound, Container

MB = 1 << 20


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        self.time += 1.0  # each look is a fresh one
        return self.time


def _guard(uses: list[int], **settings: object) -> MemoryGuard:
    """Return a guard that finds each of *uses*, of 100 bytes, in turn."""
    return MemoryGuard(
        probe=lambda: [Bound("test", 100, uses.pop(0) if len(uses) > 1 else uses[0])],
        now=Clock().now,
        **settings,  # type: ignore[arg-type]
    )


def _system(folder: Path, groups: str, **files: str) -> Container:
    """Write what a system shows, as *files* by path with ``__`` for a slash."""
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(groups)
    (folder / "proc/meminfo").write_text("MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n")
    for name, text in files.items():
        path = folder / "cgroup" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Container(folder / "cgroup", folder / "proc")


def test_version_2_of_control_groups(tmp_path: Path):
    """
    The limit of an outer group counts if it is smaller, and files in the page cache are not use.
    """
    container = _system(
        tmp_path,
        "0::/outer/inner\n",
        outer__memory_dot_max=str(400 * MB),
        outer__memory_dot_current=str(300 * MB),
        outer__memory_dot_stat=f"anon 1\ninactive_file {150 * MB}\nactive_file {50 * MB}\n",
        outer__inner__memory_dot_max="max",
        outer__inner__memory_dot_current=str(250 * MB),
    )

    assert container.bounds()[0] == Bound("cgroup v2", 400 * MB, 100 * MB)


def test_version_1_of_control_groups(tmp_path: Path):
    """
    In a container the path is the host's: the group that is mounted counts.
    """
    container = _system(
        tmp_path,
        "5:cpu:/x\n4:memory:/docker/0123\n",
        memory__memory_dot_limit_in_bytes=str(512 * MB),
        memory__memory_dot_usage_in_bytes=str(500 * MB),
        memory__memory_dot_stat=f"total_inactive_file {300 * MB}\ninactive_file 7\n",
        memory__memory_dot_oom_control="oom_kill_disable 0\noom_kill 3\n",
    )

    assert container.bounds()[0] == Bound("cgroup v1", 512 * MB, 200 * MB)
    assert container.oom_kills() == 3


def test_without_a_limit_the_machine_is_the_limit(tmp_path: Path):
    """
    A huge number is version 1's way to say that there is no limit.
    """
    container = _system(
        tmp_path,
        "4:memory:/\n",
        memory__memory_dot_limit_in_bytes=str(2**63 - 4096),
        memory__memory_dot_usage_in_bytes="1",
    )

    assert container.bounds() == [Bound("physical memory", 1 << 34, 1 << 33)]


def test_this_machine_tells():
    """
    Whatever this is, it has memory, and uses some of it.
    """
    status = MemoryGuard().status()

    assert 0 < status["used"] < status["limit"]
    assert 0 < status["share"] <= 1
    assert status["state"] in {state.value for state in MemoryState}


def test_states_rise_at_once_and_fall_late():
    """
    A state is left only when use is well below where the state began.
    """
    guard = _guard([50, 72, 83, 95, 86, 84, 79, 76, 74, 66, 64])

    seen = [guard.state.value for _ in range(11)]

    assert seen == [
        "ok", "shed", "queue_only", "refuse", "refuse", "queue_only",
        "queue_only", "queue_only", "shed", "shed", "ok",
    ]  # fmt: skip


def test_caches_are_asked_for_what_is_too_much():
    """
    When memory is short, each cache is told how many bytes would help.
    """
    asked: list[int] = []
    guard = _guard([50, 85], shed=[asked.append])

    assert guard.state is MemoryState.OK
    assert asked == []
    assert guard.state is MemoryState.QUEUE_ONLY
    assert asked == [20]


def test_what_may_be_begun():
    """
    First work of the server's own process is refused, then jobs too, with a message for the user.
    """
    guard = _guard([85, 85, 95])

    with pytest.raises(OverloadedError, match=r"short of memory .* Try again in a minute"):
        guard.admit()
    guard.admit_job()
    with pytest.raises(OverloadedError):
        guard.admit_job()


def test_what_was_measured_is_good_for_a_moment():
    """
    Asking often does not read the system's files often.
    """
    looks: list[None] = []

    def probe() -> list[Bound]:
        looks.append(None)
        return [Bound("test", 100, 10)]

    guard = MemoryGuard(probe=probe, now=lambda: 0.0)
    assert [guard.state for _ in range(5)] == [MemoryState.OK] * 5
    assert len(looks) == 1


def test_a_machine_that_tells_nothing_is_no_reason_to_refuse():
    """
    Where nothing is known, work goes on, and the status says that nothing is known.
    """
    guard = MemoryGuard(probe=list)
    guard.admit()

    assert guard.status()["state"] == "unknown"
    assert "not known" in guard.message()


def test_thresholds_must_rise():
    """
    Thresholds in the wrong order are an error at the start.
    """
    with pytest.raises(ValueError, match="must rise"):
        MemoryGuard(thresholds=(0.9, 0.8, 0.7))
