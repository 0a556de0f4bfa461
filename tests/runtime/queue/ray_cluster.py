"""Drives a queue on a Ray cluster of two machines, of which one is lost; prints what happened as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from spacehand_runtime import JobState, Queue, report_progress


def where(gate: str, folder: str) -> str:
    """Write down on which node this runs, and wait there until *gate* exists."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    report_progress(0.5, node)
    (Path(folder) / f"{node}-{os.getpid()}").touch()
    while not Path(gate).exists():
        time.sleep(0.05)
    return node


def die_once(path: str) -> str:
    if not Path(path).exists():
        Path(path).touch()
        os._exit(7)
    return "alive"


def fail() -> None:
    raise ValueError("no such analysis")


def for_ever() -> None:
    while True:
        time.sleep(0.1)


def main(folder: Path, second: int) -> None:
    with Queue(workers=2, engine="ray", retries=2) as queue:
        found: dict[str, object] = {"sum": queue.submit(np.sum, np.ones(12_500_000)).result(120)}
        try:
            queue.submit(fail).result(60)
        except ValueError as error:
            found["error"] = str(error)
        found["retried"] = queue.submit(die_once, str(folder / "died")).result(60)
        endless = queue.submit(for_ever)
        _until(lambda: endless.state is JobState.RUNNING)
        found["cancelled"] = endless.cancel()
        found |= _lose_a_machine(queue, folder, second)
        print(json.dumps(found))


def _lose_a_machine(queue: Queue, folder: Path, second: int) -> dict[str, object]:
    """Run a job on each machine, end the second one, and let both jobs finish."""
    gate, notes = folder / "gate", folder / "notes"
    notes.mkdir()
    jobs = [queue.submit(where, str(gate), str(notes)) for _ in range(2)]
    _until(lambda: all(job.progress.text for job in jobs))
    nodes = {job.progress.text for job in jobs}
    machine = psutil.Process(second)
    for process in [*machine.children(recursive=True), machine]:
        process.kill()
    lost = queue.status()["workers_lost"]
    _until(lambda: queue.status()["workers_lost"] > lost)
    gate.touch()
    results = {job.result(120) for job in jobs}
    return {"nodes": len(nodes), "left": len(results), "lost": queue.status()["workers_lost"]}


def _until(holds: object) -> None:
    deadline = time.monotonic() + 120
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
