"""The queue on a Ray cluster: two machines with a token, one of which is lost."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.environments import environment_with

from spacehand_runtime import Queue, QueueProblem

RAY = ("ray==2.60.0", "numpy==2.4.6", "psutil")
DRIVER = Path(__file__).parent / "ray_cluster.py"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _machine(python: Path, *arguments: str, environment: dict[str, str]) -> Iterator[int]:
    """Run ``ray start``, and yield the process above all others of that machine."""
    command = [str(python.parent / "ray"), "start", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1"]
    process = _started([*command, "--object-store-memory=300000000", *arguments], environment)
    try:
        yield process.pid
    finally:
        if process.poll() is None:
            above = psutil.Process(process.pid)
            for each in [*above.children(recursive=True), above]:
                each.kill()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def _started(command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    """Return the process that blocks; Ray gives up after 30 seconds, which a busy machine may need."""
    said = ""
    for _ in range(3):
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if "--block" in line:  # "This command will now block until terminated by a signal"
                return process
        process.wait()
        process.stdout.close()
    raise AssertionError(f"Ray did not start: {said}")


@pytest.mark.slow
def test_jobs_finish_though_a_machine_is_lost(tmp_path: Path):
    """
    On a cluster that asks for a token: 100 MB, a failure, a lost worker, a cancelled job, a lost machine.
    """
    python = environment_with(*RAY, "./runtime")
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    address = f"127.0.0.1:{_free_port()}"
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    # Two machines on one: each has a raylet, an object store and workers of its own.
    head = ("--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false")
    with (
        _machine(python, *head, environment=environment),
        _machine(python, f"--address={address}", environment=environment) as second,
    ):
        done = subprocess.run(
            [str(python), str(DRIVER), str(tmp_path), str(second)],
            env=environment | {"RAY_ADDRESS": address},
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )

    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "sum": 12_500_000.0,
        "error": "no such analysis",
        "retried": "alive",
        "cancelled": True,
        "nodes": 2,
        "left": 1,
        "lost": 2,
    }


_ALONE = """
import os, stat, sys
from spacehand_runtime import Queue

if __name__ == "__main__":
    with Queue(workers=1, engine="ray", retries=4) as queue:
        assert queue.submit(abs, -3).result(180) == 3
        path = os.environ["RAY_AUTH_TOKEN_PATH"]
        print(os.environ["RAY_AUTH_MODE"], oct(stat.S_IMODE(os.stat(path).st_mode)), path)
"""


@pytest.mark.slow
def test_a_cluster_of_our_own_has_a_token(tmp_path: Path):
    """
    Without a cluster, one is started here, with a token that only this user can read, and that goes with it.
    """
    python = environment_with(*RAY, "./runtime")
    (tmp_path / "app.py").write_text(_ALONE)
    free = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [str(python), "app.py"],
        cwd=tmp_path,
        env=free,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    mode, rights, path = done.stdout.splitlines()[-1].split()
    assert (mode, rights) == ("token", "0o600")
    assert not Path(path).exists()


@pytest.mark.skipif("ray" in sys.modules, reason="Ray is here")
def test_without_ray_the_engine_says_what_to_do():
    """
    The engine is optional, and its absence is told when the queue is made.
    """
    with pytest.raises(QueueProblem, match=r"needs Ray.*requirements"):
        Queue(engine="ray")
    with pytest.raises(ValueError, match="choose `process` or `ray`"):
        Queue(engine="threads")
