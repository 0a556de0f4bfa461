"""The app's engines, commands and cohorts, in an environment as a user has it after `pip install`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.environments import environment_with
from tests.ray_machines import RAY_VERSION

ROOT = Path(__file__).parents[3]
INSIDE = Path(__file__).with_name("inside")
REQUIREMENTS = ROOT / "apps" / "stroke-lesion" / "requirements.txt"

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(900)]


@pytest.fixture(scope="session")
def python() -> Path:
    """Return a Python with the app, the runtime and the viewer installed."""
    folders = [str(ROOT / name) for name in ("apps/stroke-lesion", "runtime", "viewer")]
    tools = ["gradio[mcp]==6.31.0", "onnx", "scikit-learn", "pytest", "hatchling", RAY_VERSION]
    return environment_with(*tools, *folders, files=[REQUIREMENTS])


@pytest.mark.parametrize("name", sorted(path.name for path in INSIDE.glob("test_*.py")))
def test_inside(python: Path, name: str, tmp_path: Path):
    """
    Every test of this file passes where the app is installed.
    """
    words = [
        python,
        "-m",
        "pytest",
        "-q",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
    ]
    words += [
        "--rootdir",
        str(ROOT),
        "--confcutdir",
        str(INSIDE),
        "--basetemp",
        str(tmp_path / "inside"),
        str(INSIDE / name),
    ]
    path = f"{python.parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_command_is_installed(python: Path, tmp_path: Path):
    """
    `pip install` brings `stroke-demo`; it makes a case, lists it, and prints the line with the figure.
    """

    def demo(*words: str) -> str:
        command = [python.parent / "stroke-demo", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    demo("synth", "1", "--output", "cases")
    assert json.loads(demo("list", "--dataset", "cases", "--json"))["cases"] == ["sub-stroke0001"]
    lines = demo("run", "--dataset", "cases", "--case", "sub-stroke0001", "--output", "out").splitlines()
    assert lines[0] == "Not for clinical use."
    (dice,) = [line for line in lines if line.startswith("Dice Score: ")]
    assert 0.4 < float(dice.removeprefix("Dice Score: ")) < 1
    (result,) = (tmp_path / "out").glob("*/result.json")
    assert result.with_name("report.html").read_text().count("Not for clinical use") >= 1
    sidecar = tmp_path / "cases/sub-stroke0001/ses-01/dwi/sub-stroke0001_ses-01_dwi.json"
    assert json.loads(sidecar.read_text())["Synthetic"] is True
