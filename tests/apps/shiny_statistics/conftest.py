"""The statistics app's own environment, and its functions as tests ask for them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.statistics_app import Served, served
from tests.environments import environment_with

ROOT = Path(__file__).parents[3]
APP = ROOT / "apps" / "shiny-statistics"
PATHS = os.pathsep.join([str(APP), str(ROOT / "runtime" / "src"), str(Path(__file__).parent)])


class StudyProblemError(Exception):
    """What the app would have shown to its user."""

    def __init__(self, answer: dict[str, str]) -> None:
        super().__init__(answer["message"])
        self.kind, self.hint = answer["error"], answer["hint"]


class Study:
    """The app's analyses, in a process of its own environment."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, name: str, *arguments: Any) -> Any:
        """Return what the function called *name* (``module:function``) returns."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"call": name, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise StudyProblemError(answer)
        return answer["found"]

    def analyse(self, name: str, table: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Return the numbers of an analysis."""
        numbers: dict[str, Any] = self.call(f"study.{name}:{name}", table, options)["numbers"]
        return numbers


@pytest.fixture(scope="session")
def app_python() -> Path:
    """A Python with what the app asks for."""
    return environment_with(files=[APP / "requirements.txt"])


@pytest.fixture(scope="session")
def app_environment() -> dict[str, str]:
    """The environment variables with which that Python finds the app."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_"))}
    return kept | {"PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="session")
def study(app_python: Path, app_environment: dict[str, str]) -> Iterator[Study]:
    """The analyses, loaded once."""
    process = subprocess.Popen(
        [app_python, "-W", "ignore", "-m", "study_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=app_environment,
    )
    assert process.stdin
    assert process.stdout
    yield Study(process)
    process.kill()  # it has nothing to put in order
    process.wait()
    process.stdin.close()
    process.stdout.close()


@pytest.fixture(scope="session")
def app() -> Iterator[Served]:
    """The app as a Space serves it, for all tests that only need visitors of their own."""
    with served() as app:
        yield app
