"""The real command, as a process of its own, against a real Hub."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import HubProcess

SPACEHAND = Path(sys.executable).with_name("spacehand")
# What differs from run to run, and what stands for it.
_VARIABLE = (
    (re.compile(r"http://127\.0\.0\.1:[0-9]+"), "http://HUB"),
    (re.compile(r"\b127\.0\.0\.1:[0-9]{5}\b"), "HOST:PORT"),
    (re.compile(r"\bport [0-9]{5}\b", re.IGNORECASE), "Port N"),
    (re.compile(r"^ +[0-9.]+ s  .*\n", re.MULTILINE), ""),  # progress
)


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        body = json.loads(self.out)
        assert isinstance(body, dict)
        return body

    @property
    def told(self) -> str:
        """What stderr says, without what differs from run to run."""
        text = self.err.replace(f"{self.folder}/", "").replace(str(self.folder), ".")
        for pattern, word in _VARIABLE:
            text = pattern.sub(word, text)
        return text.strip()


Spacehand = Callable[..., Ran]


@pytest.fixture
def spacehand(local_hub: HubProcess, tmp_path: Path) -> Spacehand:
    """Run `spacehand WORDS` in a folder of its own; the session's Hub is chosen by HF_ENDPOINT."""

    def run(*words: str | Path, **environment: str) -> Ran:
        chosen = {"HF_ENDPOINT": local_hub.url, "HF_TOKEN": local_hub.token, "NO_COLOR": "1"}
        done = subprocess.run(
            [str(SPACEHAND), *map(str, words)],
            cwd=tmp_path,
            env=os.environ | chosen | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr, tmp_path)

    return run
