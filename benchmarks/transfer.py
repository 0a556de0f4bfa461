"""
One large file up and down, by Xet and by LFS, through the official client.

The peer is the same client against a server that drops what it gets and sends zeros; each client is a process
of its own with empty caches, and only the transfer itself is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import figure
from benchmarks.figure import Figure, in_turn
from benchmarks.hubs import BenchHub, local_hub

ROUNDS = 3
GOAL = 1.3
_MIB = 1024 * 1024


def run(size_mib: int = 1024, rounds: int = ROUNDS) -> list[Figure]:
    """Measure a file of *size_mib* in both directions and both protocols."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="spacehand-bench-") as folder:
        for protocol in ("xet", "lfs"):
            with local_hub() as hub, _null_server(size_mib * _MIB, protocol) as null:
                bench = _Bench(hub, null, protocol, size_mib, Path(folder))
                figures += [bench.upload(rounds), bench.download(rounds)]
    return figures


@dataclass(frozen=True)
class _Server:
    url: str
    token: str
    pid: int
    repo: str


class _Bench:
    """One protocol against both servers."""

    def __init__(self, hub: BenchHub, null: _Server, protocol: str, size_mib: int, folder: Path) -> None:
        self.api = hub.api
        self.ours = _Server(hub.url, hub.token, hub.pid, "")
        self.null = null
        self.protocol = protocol
        self.size_mib = size_mib
        self.folder = folder
        self.processor: list[float] = []
        self.file = folder / "file.bin"
        self.uploads = 0

    def upload(self, rounds: int) -> Figure:
        self.processor = []
        mine, theirs = in_turn(rounds, self._upload_ours, self._upload_null)
        return self._figure("up", mine, theirs)

    def download(self, rounds: int) -> Figure:
        self.processor = []
        mine, theirs = in_turn(rounds, self._download_ours, lambda: self._client("download", self.null))
        return self._figure("down", mine, theirs)

    def _figure(self, way: str, mine: list[float], theirs: list[float]) -> Figure:
        gib = self.size_mib / 1024
        processor = sorted(self.processor)[len(self.processor) // 2] / gib
        return Figure(
            f"{self.size_mib} MiB {way} by {'Xet' if self.protocol == 'xet' else 'LFS'}",
            "the same client, null server",
            mine,
            theirs,
            goal=GOAL,
            note=f"Server: {processor:.2f} processor seconds per GiB",
        )

    def _upload_ours(self) -> float:
        # A repository and bytes of its own: nothing is there already.
        self.uploads += 1
        repo = f"bench/{self.protocol}-{self.uploads}"
        self.api.create_repo(repo)
        _random_file(self.file, self.size_mib)
        self.ours = _Server(self.ours.url, self.ours.token, self.ours.pid, repo)
        return self._timed("upload")

    def _upload_null(self) -> float:
        _random_file(self.file, self.size_mib)
        return self._client("upload", self.null)

    def _download_ours(self) -> float:
        return self._timed("download")

    def _timed(self, way: str) -> float:
        before = _processor_seconds(self.ours.pid)
        seconds = self._client(way, self.ours)
        self.processor.append(_processor_seconds(self.ours.pid) - before)
        return seconds

    def _client(self, way: str, server: _Server) -> float:
        with tempfile.TemporaryDirectory(dir=self.folder) as home:
            environment = os.environ | {
                "HF_ENDPOINT": server.url,
                "HF_TOKEN": server.token,
                "HF_HOME": home,
                "HF_XET_CACHE": f"{home}/xet",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HUB_DISABLE_XET": "0" if self.protocol == "xet" else "1",
            }
            command = [sys.executable, "-m", "benchmarks.transfer", way, server.repo, str(self.file)]
            answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return float(json.loads(answer.stdout.splitlines()[-1]))


def _processor_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _random_file(path: Path, size_mib: int) -> None:
    with path.open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(_MIB))
        file.flush()
        os.fsync(file.fileno())  # not during the measurement


@contextmanager
def _null_server(size: int, protocol: str) -> Iterator[_Server]:
    command = [sys.executable, "-m", "benchmarks.null_server", str(size), protocol]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield _Server(process.stdout.readline().strip(), "hf_none", process.pid, "bench/file")
        finally:
            process.terminate()


def _be_the_client(way: str, repo: str, file: str) -> float:
    """Return how many seconds the transfer took; everything is imported before."""
    import hf_xet  # noqa: F401
    from huggingface_hub import HfApi, _commit_api, file_download  # noqa: F401

    api = HfApi()
    start = time.perf_counter()
    if way == "upload":
        api.upload_file(repo_id=repo, path_in_repo="file.bin", path_or_fileobj=file)
    else:
        api.hf_hub_download(repo, "file.bin")
    return time.perf_counter() - start


def main() -> None:
    """Measure and print a table; the client's own processes come through here as well."""
    if len(sys.argv) > 1 and sys.argv[1] in ("upload", "download"):
        print(json.dumps(_be_the_client(*sys.argv[1:4])))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    figures = run(options.size_mib, options.rounds)
    figure.save("transfer", figures)
    print(figure.table(figures))


if __name__ == "__main__":
    main()
