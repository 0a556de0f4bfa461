"""
Run the official client's own tests against a fresh local Hub, and compare with what is expected.

The tests come from the client's source distribution, of the version in requirements.lock, which the
configured package index gives; they run from a temporary folder, and none of them enters this repository.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance import client, expectations, hub, outcome
from conformance.expectations import Expected

_HERE = Path(__file__).parent
_PROXY = "http://127.0.0.1:9"  # nobody listens: the way out of this machine


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when nothing got worse, 1 when something did, 2 when the tests cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("--processes", default="2", help="run so many tests at once (%(default)s)")
    parser.add_argument("--report", type=Path, help="keep how each test ended, as JSON lines")
    parser.add_argument(
        "tests", nargs="*", help="only these, such as `test_lfs.py`; all count as expected to run"
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        try:
            tests = client.unpack(client.locked_version(), Path(folder))
        except client.SourceUnavailableError as error:
            _say(f"error: the client's tests cannot be had from the package index: {error}")
            return 2
        return _run(tests, given)


def _run(tests: Path, given: argparse.Namespace) -> int:
    expected = expectations.read()
    work = tests.parent.parent
    report = given.report or work / "report.jsonl"
    report.unlink(missing_ok=True)
    started = time.monotonic()
    with hub.served(work / "hub") as served:
        _pytest(tests, given, _environment(work, expected, report, served))
    if not report.exists():
        _say("error: no test ran; what pytest said is above")
        return 1
    found = outcome.read(report, expected)
    for group in expected.ignored:
        found.inapplicable[group.why] += _count(tests, group.tests)
    _say(f"\nhuggingface_hub {client.locked_version()}, {time.monotonic() - started:.0f} s\n")
    _say(found.table(expected))
    worse = [line for line in found.regressions(expected) if not (given.tests and "did before" in line)]
    _say("\n".join(["", *(f"worse: {line}" for line in worse)]) if worse else "\nnothing got worse")
    if worse and "Traceback" in (log := hub.log(work / "hub").read_text()):
        _say(f"\nthe Hub had a fault:\n{log[-4000:]}")
    return 1 if worse else 0


def _pytest(tests: Path, given: argparse.Namespace, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-c", str(_HERE / "client_pytest.ini")]
    command += ["--rootdir", str(tests.parent), "-n", given.processes, "--dist", "loadscope"]
    command += [f"tests/{name}" for name in given.tests] or ["tests"]
    subprocess.run(command, cwd=tests.parent, env=environment, check=False)


def _environment(work: Path, expected: Expected, report: Path, served: hub.Served) -> dict[str, str]:
    """Return an environment that knows this Hub alone: no token, no way out, a home of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"HF_|HUGGING|SPACEHAND|PYTEST_|.*_proxy", name, re.IGNORECASE)
    }
    told = {
        "constants": served.constants,
        "markers": dict(expected.markers),
        "ignored": [file for group in expected.ignored for file in group.tests],
        "excluded": [(glob, group.why) for group in expected.excluded for glob in group.tests],
        "report": str(report.absolute()),
    }
    home = work / "home"
    home.mkdir()
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), _PROXY)
    return (
        kept
        | proxies
        | {
            "NO_PROXY": "127.0.0.1,localhost",
            "HOME": str(home),
            "HF_HOME": str(home / "hf"),
            "HF_ENDPOINT": served.url,
            "HF_HUB_DISABLE_PROGRESS_BARS": "0",
            "CONFORMANCE": json.dumps(told),
        }
    )


def _count(tests: Path, files: tuple[str, ...]) -> int:
    """Return how many tests the files define, parametrised ones counted once."""
    return sum(
        len(re.findall(r"^\s*(?:async )?def test_", (tests / file).read_text(), re.MULTILINE))
        for file in files
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
