"""The queue on a Ray cluster: two machines with a token, one of which is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.environments import environment_with
from tests.ray_machines import RAY_VERSION, closed_cluster, head_at, machine

from spacehand_runtime import Queue, QueueProblem

RAY = (RAY_VERSION, "numpy==2.4.6", "psutil")
DRIVER = Path(__file__).parent / "ray_cluster.py"


@pytest.mark.slow
def test_jobs_finish_though_a_machine_is_lost(tmp_path: Path):
    """
    On a cluster that asks for a token: 100 MB, a failure, a lost worker, a cancelled job, a lost machine.
    """
    python = environment_with(*RAY, "./runtime")
    address, environment = closed_cluster(tmp_path)
    with (
        machine(python, *head_at(address), environment=environment),
        machine(python, f"--address={address}", environment=environment) as second,
    ):
        done = subprocess.run(
            [str(python), str(DRIVER), str(tmp_path), str(second)],
            env=os.environ | environment | {"RAY_ADDRESS": address},
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
