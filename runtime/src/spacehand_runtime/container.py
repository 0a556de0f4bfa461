"""What memory this container may use and does use: the smallest of all limits that apply counts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED = 1 << 60  # bytes; cgroup v1 writes "no limit" as a number near 2**63


@dataclass(frozen=True)
class Bound:
    """One limit and what counts against it, both in bytes; *name* says who set it."""

    name: str
    limit: int
    used: int

    @property
    def share(self) -> float:
        """How much of the limit is used, from 0.0; never more than 1.0."""
        return min(1.0, self.used / self.limit) if self.limit else 1.0


@dataclass(frozen=True)
class Container:
    """Where the system says so; tests give folders of their own."""

    cgroup: Path = Path("/sys/fs/cgroup")
    proc: Path = Path("/proc")

    def bounds(self) -> list[Bound]:
        """Return every limit that applies to this process, the smallest first."""
        found = [*self._cgroup_bounds(), *self._process_bounds(), *self._machine_bounds()]
        return sorted(found, key=lambda bound: bound.limit)

    def oom_kills(self) -> int:
        """Return how many processes the system has ended so far because memory ran out."""
        count = 0
        for folder, file in self._groups():
            events = "memory.events" if file == "memory.max" else "memory.oom_control"
            count += _fields(folder / events).get("oom_kill", 0)
        return count + _fields(self.proc / "vmstat").get("oom_kill", 0)

    def resident(self, pid: int) -> int | None:
        """Return what the process *pid* holds in memory of its own, without files; None if it is gone."""
        if not self.proc.is_dir():
            return _by_ps(pid)
        fields = _fields(self.proc / str(pid) / "status")
        if "RssAnon" not in fields:
            return None
        return (fields["RssAnon"] + fields.get("RssShmem", 0)) * 1024

    def _groups(self) -> Iterator[tuple[Path, str]]:
        """Yield each control group that this process is in, outer ones too, and its limit's file."""
        try:
            lines = (self.proc / "self/cgroup").read_text().splitlines()
        except OSError:
            return
        for line in lines:
            number, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                yield from _upwards(self.cgroup / "memory", path, "memory.limit_in_bytes")
            elif number == "0" and not controllers:
                yield from _upwards(self.cgroup, path, "memory.max")

    def _cgroup_bounds(self) -> Iterator[Bound]:
        for folder, file in self._groups():
            version_2 = file == "memory.max"
            with suppress(OSError, ValueError):  # gone, or the limit is "max"
                limit = int((folder / file).read_text())
                used = int(
                    (folder / ("memory.current" if version_2 else "memory.usage_in_bytes")).read_text()
                )
                if limit < _UNLIMITED:
                    used -= _page_cache(_fields(folder / "memory.stat"), "" if version_2 else "total_")
                    yield Bound("cgroup v2" if version_2 else "cgroup v1", limit, max(0, used))

    def _process_bounds(self) -> Iterator[Bound]:
        try:
            import resource
        except ImportError:  # Windows
            return
        status = _fields(self.proc / "self/status")
        for name, field in (("RLIMIT_AS", "VmSize"), ("RLIMIT_DATA", "VmData")):
            limit, _ = resource.getrlimit(getattr(resource, name))
            if limit != resource.RLIM_INFINITY and field in status:
                yield Bound(name, limit, status[field] * 1024)

    def _machine_bounds(self) -> Iterator[Bound]:
        fields = _fields(self.proc / "meminfo")
        if "MemTotal" in fields:
            total = fields["MemTotal"]
            available = fields.get("MemAvailable", fields.get("MemFree", 0))
            yield Bound("physical memory", total * 1024, max(0, total - available) * 1024)
        elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            yield Bound("physical memory", total, self.resident(os.getpid()) or 0)


def oom_kills() -> int:
    """Return :meth:`Container.oom_kills` of this container."""
    return Container().oom_kills()


def resident(pid: int) -> int | None:
    """Return :meth:`Container.resident` of a process here."""
    return Container().resident(pid)


def _upwards(root: Path, path: str, file: str) -> Iterator[tuple[Path, str]]:
    folder = root / path.lstrip("/")
    if ".." in folder.parts or not (folder / file).exists():
        # The path is the host's, and what is mounted here is our own group.
        folder = root
    while True:
        if (folder / file).exists():
            yield folder, file
        if folder == root:
            return
        folder = folder.parent


def _page_cache(stat: dict[str, int], prefix: str) -> int:
    """Return the bytes of files in memory, which the system gives back when others need them."""
    return sum(stat.get(f"{prefix}{kind}", 0) for kind in ("inactive_file", "active_file"))


def _fields(path: Path) -> dict[str, int]:
    """Return the numbers in a file of lines like ``name: 12 kB`` or ``name 12``; empty if it is not there."""
    found: dict[str, int] = {}
    with suppress(OSError):
        for line in path.read_text().splitlines():
            words = line.replace(":", " ").split()
            if len(words) > 1 and words[1].isdigit():
                found[words[0]] = int(words[1])
    return found


def _by_ps(pid: int) -> int | None:
    if sys.platform == "win32":
        return None
    done = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return int(done.stdout) * 1024 if done.stdout.strip().isdigit() else None
