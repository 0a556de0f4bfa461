"""
What the kernel holds an app to: memory, processor time, number of processes.

By control groups, in their second version or their first, where this Hub may make some: as root, or in a
group that systemd has handed over. Elsewhere the Hub watches the app's memory, and nothing holds the rest.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

MOST_PROCESSES = 4096  # threads count as well
_PERIOD = 100_000  # microseconds that processor time is counted out in
_OWN = "spacehand-hub"  # where the Hub moves: a group of the second version holds processes, or groups
_APPS = "spacehand"
_CONTROLLERS = ("memory", "cpu", "pids")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one app may take."""

    memory_bytes: int
    cores: float
    processes: int = MOST_PROCESSES


@dataclass(frozen=True, slots=True)
class Fence:
    """One app's control groups; without any, it holds nothing."""

    groups: tuple[Path, ...] = ()

    @property
    def entrances(self) -> list[str]:
        """The files that a process writes "0" to in order to be held, with all it starts."""
        return [str(group / "cgroup.procs") for group in self.groups]

    @property
    def killed_for_memory(self) -> bool:
        """Whether the kernel has killed one of the processes because they took too much."""
        for group in self.groups:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    told = dict(line.split() for line in (group / name).read_text().splitlines())
                    if int(told.get("oom_kill", 0)):
                        return True
        return False

    def remove(self) -> None:
        """Remove the groups, once nothing is left in them."""
        for group in self.groups:
            with contextlib.suppress(OSError):
                group.rmdir()


class Fences(Protocol):
    """A way to hold apps."""

    def raise_around(self, name: str, bounds: Bounds) -> Fence:
        """
        Return a new fence, *name*, that nobody is in yet.

        Raises:
            OSError: the system refuses.
        """
        ...


@dataclass(frozen=True, slots=True)
class FirstVersion:
    """One tree of groups for each controller."""

    memory: Path
    cpu: Path | None = None
    pids: Path | None = None

    def raise_around(self, name: str, bounds: Bounds) -> Fence:
        groups = [_group(self.memory / _APPS / name)]
        _write(groups[0] / "memory.limit_in_bytes", bounds.memory_bytes)
        with contextlib.suppress(OSError):  # a kernel that does not count swap has no such file
            _write(groups[0] / "memory.memsw.limit_in_bytes", bounds.memory_bytes)
        if self.cpu is not None:
            groups.append(_group(self.cpu / _APPS / name))
            _write(groups[-1] / "cpu.cfs_period_us", _PERIOD)
            _write(groups[-1] / "cpu.cfs_quota_us", int(bounds.cores * _PERIOD))
        if self.pids is not None:
            groups.append(_group(self.pids / _APPS / name))
            _write(groups[-1] / "pids.max", bounds.processes)
        return Fence(tuple(groups))


@dataclass(frozen=True, slots=True)
class SecondVersion:
    """One tree of groups for all controllers."""

    tree: Path

    def raise_around(self, name: str, bounds: Bounds) -> Fence:
        group = _group(self.tree / _APPS / name)
        _write(group / "memory.max", bounds.memory_bytes)
        _write(group / "memory.oom.group", 1)  # as in a container: all of the app, or nothing
        others = {
            "memory.swap.max": 0,
            "cpu.max": f"{int(bounds.cores * _PERIOD)} {_PERIOD}",
            "pids.max": bounds.processes,
        }
        for name, value in others.items():
            with contextlib.suppress(OSError):  # not handed down, or not in this kernel
                _write(group / name, value)
        return Fence((group,))


@cache
def usual() -> Fences | None:
    """Return this machine's way to hold apps, tried and not guessed; None where there is none."""
    return find(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup").read_text())


def find(mounts: Path, membership: str) -> Fences | None:
    """Return the way that works under *mounts* for a process of *membership*, as the kernel tells both."""
    for choice in (_second_version, _first_version):
        with contextlib.suppress(OSError):
            fences = choice(mounts, _own_groups(membership))
            if fences is not None:
                fences.raise_around(f"probe-{uuid.uuid4().hex}", Bounds(1 << 30, 1)).remove()
                return fences
    return None


def _own_groups(membership: str) -> dict[str, str]:
    """Return the group of this process by controller; that of the second version has no name."""
    found = {}
    for line in membership.splitlines():
        _, names, path = line.split(":", 2)
        found.update(dict.fromkeys(names.split(","), path))
    return found


def _second_version(mounts: Path, groups: dict[str, str]) -> Fences | None:
    if "" not in groups or not (mounts / "cgroup.controllers").exists():
        return None
    own = mounts / groups[""].lstrip("/")
    tree = own.parent if own.name == _OWN else own
    wanted = [name for name in _CONTROLLERS if name in (tree / "cgroup.controllers").read_text().split()]
    if "memory" not in wanted:
        return None
    if "memory" not in (tree / "cgroup.subtree_control").read_text().split():
        if tree != mounts:
            _move_aside(tree)
        _hand_down(tree, wanted)
    _group(tree / _APPS)
    _hand_down(tree / _APPS, wanted)
    return SecondVersion(tree)


def _move_aside(tree: Path) -> None:
    """Move this process to a group of its own below *tree*, if nobody else is in it."""
    others = {int(pid) for pid in (tree / "cgroup.procs").read_text().split()} - {os.getpid()}
    if others:
        raise OSError(f"{tree} is not this Hub's alone")
    _write(_group(tree / _OWN) / "cgroup.procs", os.getpid())


def _hand_down(group: Path, controllers: Iterable[str]) -> None:
    _write(group / "cgroup.subtree_control", " ".join(f"+{name}" for name in controllers))


def _first_version(mounts: Path, groups: dict[str, str]) -> Fences | None:
    found = {name: _tree(mounts / name, groups[name]) for name in _CONTROLLERS if name in groups}
    memory = found.get("memory")
    return FirstVersion(memory, found.get("cpu"), found.get("pids")) if memory is not None else None


def _tree(mount: Path, path: str) -> Path | None:
    """Return the group *path*; in a container, which may not see where it is, the topmost there is."""
    own = mount / path.lstrip("/")
    return next((one for one in (own, mount) if one.is_dir() and os.access(one, os.W_OK)), None)


def _group(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _write(path: Path, value: object) -> None:
    path.write_text(str(value))
