"""What people install is the wheel, not this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_built_wheel_runs_the_demo(tmp_path: Path):
    """
    Built, installed in an empty environment and run far from the sources, the main job still proves itself.
    """
    subprocess.run([uv.find_uv_bin(), "build", "--wheel", "--quiet", "-o", tmp_path, ROOT], check=True)
    wheel = next(tmp_path.glob("spacehand-*.whl"))
    venv = tmp_path / "venv"
    subprocess.run([uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, venv], check=True)
    install = [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", venv / "bin" / "python"]
    subprocess.run([*install, "-r", ROOT / "requirements.lock"], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["SPACEHAND_HOME"] = str(tmp_path / "home")
    spacehand = venv / "bin" / "spacehand"
    run = subprocess.run(
        [spacehand, "demo", "--once", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    subprocess.run([spacehand, "hub", "stop"], env=environment, check=False)

    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["word_error_rate"] <= 0.10
    assert result["weights_sha256"] == result["served_weights_sha256"]
