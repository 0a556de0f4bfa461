"""
What the client's tests expect around them, written anew for a local Hub.

The client's source distribution holds its tests without their ``conftest.py``. This file takes its place. It
points the tests at the Hub, gives the fixtures that they name, and notes whether a test asked the Hub. The
process that starts the tests says the rest in the environment variable ``CONFORMANCE`` (JSON).
"""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import os
import sys
import types
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from huggingface_hub import HfApi, RepoUrl, constants
from huggingface_hub.cli._output import out
from huggingface_hub.utils import _detect_agent

# One test of a file that asks the Hub wants jedi; without it, that test alone is left out.
if importlib.util.find_spec("jedi") is None:
    sys.modules["jedi"] = types.ModuleType("jedi")

from . import testing_constants, testing_utils

GIVEN = json.loads(os.environ["CONFORMANCE"])
HUB = urlsplit(GIVEN["constants"]["ENDPOINT_STAGING"])
RepoFactory = Callable[..., RepoUrl]

for _name, _value in GIVEN["constants"].items():
    setattr(testing_constants, _name, _value)

collect_ignore = GIVEN["ignored"]
_asked = 0
_BEFORE = pytest.StashKey[int]()


def _count_requests() -> None:
    """Count every request of this process that goes to the Hub."""
    send = httpx2.Client.send

    def counted(client: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
        global _asked
        _asked += request.url.port == HUB.port
        return send(client, request, **options)

    httpx2.Client.send = counted  # type: ignore[method-assign]


_count_requests()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what has no place on a local Hub, saying why."""
    for item in items:
        reason = _inapplicable(item)
        if reason:
            item.add_marker(pytest.mark.skip(reason=f"not applicable: {reason}"))


def _inapplicable(item: pytest.Item) -> str | None:
    for marker, reason in GIVEN["markers"].items():
        if item.get_closest_marker(marker):
            return str(reason)
    inside = item.nodeid.rpartition("tests/")[2]
    return next((reason for glob, reason in GIVEN["excluded"] if _matches(inside, glob)), None)


def _matches(test: str, glob: str) -> bool:
    return fnmatch.fnmatchcase(test, glob.replace("[", "[[]"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember what was asked before the test's own fixtures ask."""
    item.stash[_BEFORE] = _asked


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell with each report how many requests the test has sent to the Hub."""
    report = yield
    report.user_properties = [("asked", _asked - item.stash.get(_BEFORE, _asked))]
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write how each part of a test ended, one JSON object a line, for whoever started the run."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    asked = dict(report.user_properties).get("asked", 0)
    row = {"test": report.nodeid.rpartition("tests/")[2], "when": report.when, "outcome": report.outcome}
    _write(row | {"asked": asked}, report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Write that a file could not even be read, as a failure of its own."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        _write(
            {"test": report.nodeid.rpartition("tests/")[2], "when": "collect", "outcome": "failed"}, report
        )


def _write(row: dict[str, object], report: pytest.TestReport | pytest.CollectReport) -> None:
    row |= {"why": _why(report), "asked": row.get("asked", 0), "seconds": getattr(report, "duration", 0.0)}
    with Path(GIVEN["report"]).open("a") as file:
        file.write(json.dumps(row) + "\n")


def _why(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(getattr(crash, "message", "") or "")


@pytest.fixture(autouse=True)
def _environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_EXPERIMENTAL_WARNING", True)
    # Which programs drive the client is looked up in a registry on the Hub: none here.
    monkeypatch.setattr(_detect_agent, "_registry", {"standardEnvVars": [], "harnesses": {}})
    out.set_mode()  # a command's `--quiet` would stay for the next test
    if request.node.get_closest_marker("no_xet"):
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.fixture(autouse=True)
def _deprecations(request: pytest.FixtureRequest) -> Iterator[None]:
    with warnings.catch_warnings():
        if request.node.get_closest_marker("deprecated"):
            warnings.simplefilter("ignore", FutureWarning)
        yield


@pytest.fixture(scope="session")
def api() -> HfApi:
    """The client, with the token of the user whom most tests speak for."""
    return HfApi(endpoint=testing_constants.ENDPOINT_STAGING, token=testing_constants.TOKEN)


@pytest.fixture
def repo_factory(api: HfApi) -> Iterator[RepoFactory]:
    """Make repositories that are deleted after the test."""
    made: list[tuple[RepoUrl, str | None]] = []

    def make(
        repo_type: str = "model", *, repo_id: str | None = None, token: str | None = None, **options: Any
    ) -> RepoUrl:
        name = repo_id or testing_utils.repo_name()
        url = api.create_repo(name, repo_type=repo_type, token=token, **options)
        made.append((url, token))
        return url

    yield make
    for url, token in made:
        api.delete_repo(url.repo_id, repo_type=url.repo_type, token=token, missing_ok=True)


@pytest.fixture
def new_repo_id(api: HfApi) -> Iterator[str]:
    """A name of a repository that is not there yet, deleted after the test."""
    name = f"{testing_constants.USER}/{testing_utils.repo_name()}"
    yield name
    api.delete_repo(name, missing_ok=True)
