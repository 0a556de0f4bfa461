"""
Ten people with the statistics app for as long as one likes, while workers are killed or get no more memory.

    python -m benchmarks.soak --minutes 60

Ends with 1 if a page was lost, or 0.5 % of the analyses failed, or results took 200 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import psutil

from benchmarks.statistics_app import Served, Visitor, all_of, served

PEOPLE = 10
MOST_ERRORS, MOST_BYTES = 0.005, 200_000_000
LOOK_EVERY = 15.0  # seconds
GROUPS = ("horTh", "menostat", "tgrade")


@dataclass
class Soak:
    """What happened so far; times are seconds, sizes are bytes."""

    answers: int = 0
    failed: list[str] = field(default_factory=list)
    lost: int = 0
    killed: int = 0
    starved: int = 0
    echoes: list[float] = field(default_factory=list)
    most_bytes: int = 0
    most_memory: int = 0
    server_memory: list[int] = field(default_factory=list)  # of the server's process alone, at each look
    seconds: float = 0.0
    known: int = 0

    @property
    def error_rate(self) -> float:
        """The share of the analyses, between 0 and 1, that ended without a result."""
        return len(self.failed) / max(1, self.answers)

    @property
    def echo_p99(self) -> float:
        """The seconds within which 99 % of the small questions were answered."""
        echoes = sorted(self.echoes) or [0.0]
        return echoes[min(len(echoes) - 1, int(0.99 * len(echoes)))]

    @property
    def server_growth(self) -> tuple[int, int]:
        """The most that the server's process held in the second tenth of the time, and in the last tenth."""
        looks = self.server_memory or [0]
        tenth = max(1, len(looks) // 10)
        return max(looks[tenth : 2 * tenth] or looks), max(looks[-tenth:])

    @property
    def is_good(self) -> bool:
        """It is as promised."""
        return not self.lost and self.error_rate < MOST_ERRORS and self.most_bytes < MOST_BYTES

    def told(self) -> str:
        """Return it in words."""
        first, last = self.server_growth
        rows = [
            ("lasted", f"{self.seconds / 60:.1f} minutes, {PEOPLE} people"),
            ("analyses asked for", f"{self.answers}, of which {self.known} were known"),
            ("failed", f"{len(self.failed)} ({100 * self.error_rate:.2f} %)"),
            ("workers killed", str(self.killed)),
            ("workers refused more memory", str(self.starved)),
            ("pages lost", str(self.lost)),
            ("an echo's p99", f"{self.echo_p99:.2f} s"),
            ("most bytes of results", f"{self.most_bytes / 1e6:.1f} MB"),
            ("most memory of all processes", f"{self.most_memory / 1e6:.0f} MB"),
            (
                "the server's own, in the first minutes and in the last",
                f"{first / 1e6:.0f}, {last / 1e6:.0f} MB",
            ),
        ]
        return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def soak(seconds: float, *, rounds: int = 40, kill_every: float = 60.0, starve_every: float = 300.0) -> Soak:
    """Run it for so many *seconds*; *rounds* are the resamples of each bootstrap."""
    found = Soak()
    with served() as app:
        began = time.monotonic()
        end = began + seconds
        harm = (_kill(app, found, end, kill_every), _starve(app, found, end, starve_every))
        asyncio.run(_together(app, found, end, rounds, harm))
        found.seconds = time.monotonic() - began
    return found


async def _together(
    app: Served, found: Soak, end: float, rounds: int, harm: Iterable[Coroutine[Any, Any, None]]
) -> None:
    visitors = [await Visitor.open(app) for _ in range(PEOPLE)]
    tasks = [_visit(visitor, found, end, rounds, random.Random(n)) for n, visitor in enumerate(visitors)]  # noqa: S311
    await asyncio.gather(*tasks, *harm, _look(app, found, end))
    found.lost += sum(visitor.is_lost for visitor in visitors)
    await all_of(visitors)


async def _visit(visitor: Visitor, found: Soak, end: float, rounds: int, chance: random.Random) -> None:
    while time.monotonic() < end and not visitor.is_lost:
        found.echoes.append(await visitor.echo("lung"))
        found.echoes.append(await visitor.echo("gbsg2"))
        if chance.random() < 0.5:
            # A few seeds are asked for by many, as an analysis in the news would be.
            answer = await visitor.validate(rounds, seed=int(chance.paretovariate(0.8)))
        else:
            answer = await visitor.survival(chance.choice(GROUPS))
        found.answers += 1
        found.known += answer.startswith("Known")
        if not answer.startswith(("Computed", "Known")):
            found.failed.append(answer)
        await asyncio.sleep(chance.uniform(0.5, 3.0))


async def _kill(app: Served, found: Soak, end: float, every: float) -> None:
    """Kill the worker that computes most, as the kernel does when memory is short."""
    while time.monotonic() + every < end:
        await asyncio.sleep(every)
        worker = await asyncio.to_thread(app.busiest_worker)
        worker.kill()
        found.killed += 1


async def _starve(app: Served, found: Soak, end: float, every: float) -> None:
    """Let the worker that computes most have no more memory than it has; between two kills."""
    wait = every / 2
    while time.monotonic() + wait < end:
        await asyncio.sleep(wait)
        wait = every
        worker = await asyncio.to_thread(app.busiest_worker)
        held = worker.memory_info().vms
        worker.rlimit(psutil.RLIMIT_AS, (held, held))
        found.starved += 1


async def _look(app: Served, found: Soak, end: float) -> None:
    while time.monotonic() < end:
        told = await asyncio.to_thread(lambda: app.metrics)
        found.most_bytes = max(found.most_bytes, told["cache"]["bytes"])
        found.most_memory = max(found.most_memory, await asyncio.to_thread(_memory, app.process))
        found.server_memory.append(app.process.memory_info().rss)
        _show(found, end - time.monotonic())
        await asyncio.sleep(LOOK_EVERY)


def _show(found: Soak, left: float) -> None:
    """Say how it stands, on standard error: an hour is long."""
    line = (
        f"{max(0.0, left) / 60:5.1f} minutes left, {found.answers} analyses, {len(found.failed)} failed, "
        f"{found.killed} workers killed, echo p99 {found.echo_p99:.2f} s, "
        f"server {found.server_memory[-1] / 1e6:.0f} MB"
    )
    print(line, file=sys.stderr, end="\r" if sys.stderr.isatty() else "\n", flush=True)


def _memory(process: psutil.Process) -> int:
    """Return the bytes that *process* and those below it hold, shared ones counted once for each."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_full_info().uss
        except psutil.Error:  # it has ended
            continue
    return total


def main() -> int:
    """Soak, print the report, and say by the exit code whether it is as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    found = soak(parser.parse_args().minutes * 60)
    print(found.told())
    for text in found.failed:
        print(f"- {text}")
    return 0 if found.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
