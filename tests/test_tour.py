"""The README's tour, run as a new user would: every command, in order, on a machine that knows no Hub yet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
ACTIVATE = "source .venv/bin/activate"
TIMEOUT = 240  # seconds, for all of it


def tour() -> str:
    """Return the README's block of commands."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1, "the README has one tour"
    return blocks[0]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A folder that looks like the checkout, and a home that nobody has used."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copytree(ROOT / "examples", folder / "examples")
    yield folder
    environment = _environment(tmp_path)
    subprocess.run([BIN / "spacehand", "hub", "stop"], env=environment, capture_output=True, check=False)


def _environment(home: Path) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "SPACEHAND_"))}
    return given | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "SPACEHAND_HOME": str(home / "data"),
        "HF_HOME": str(home / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def test_every_command_of_the_tour_works_in_order(checkout: Path, tmp_path: Path):
    """
    A new user who pastes the README's tour gets through it, and sees what the README says.
    """
    script = tour()
    assert script.startswith(ACTIVATE)
    script = script.removeprefix(ACTIVATE)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=checkout,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "started one" in done.stderr
    assert done.stderr.count("Nothing changed: no commit, no build") == 1
    assert done.stderr.count("Published in one commit") == 1
    assert done.stderr.count("Nothing changed: no commit\n") == 1
    assert "<h1>Good evening</h1>" in done.stdout
    assert "**Parameters:** 4577" in done.stdout
    assert (checkout / "copy" / "config.json").read_bytes() == (
        checkout / "keys" / "config.json"
    ).read_bytes()
    assert (checkout / "hello-again" / "index.html").read_text() == "<h1>Good evening</h1>\n"
    assert "RUNNING" in done.stdout
    assert "Stopped http://127.0.0.1:" in done.stdout
