"""What is said where nothing shields the machine from an app."""

from __future__ import annotations

import io
from typing import Any

import pytest
from tests.hub.fake_hub import FakeHub

from spacehand.cli.deploy import warn_of_no_sandbox
from spacehand.cli.terminal import Terminal
from spacehand.hub._protocol import SpaceRuntime
from spacehand.ids import RepoId
from spacehand.stage import Stage


class RunsAs(FakeHub):
    """A Hub that tells *local* of how it runs its Spaces."""

    def __init__(self, local: Any) -> None:
        super().__init__()
        self.raw = {} if local is None else {"spacehand": local}

    def runtime(self, space: RepoId) -> SpaceRuntime:
        return SpaceRuntime(Stage.RUNNING, "RUNNING", None, None, None, None, None, self.raw)


def said(local: Any) -> str:
    errors = io.StringIO()
    warn_of_no_sandbox(Terminal("deploy", stderr=errors), RunsAs(local), RepoId.parse("ada/demo"))
    return errors.getvalue()


def test_a_plain_process_is_told_with_the_reason() -> None:
    """One line, and it ends with why there is no sandbox."""
    differences = ["no sandbox: the app runs as your user", "another port", "no sandbox: there is no bwrap"]

    assert said({"fidelity": "process", "differences": differences}) == (
        "note: the app runs as a plain process, with your files and network: no sandbox: there is no bwrap\n"
    )
    assert said({"fidelity": "process"}).count("\n") == 1


@pytest.mark.parametrize("local", [None, {"fidelity": None}, {"fidelity": "sandbox", "differences": []}])
def test_elsewhere_nothing_is_said(local: Any) -> None:
    """Neither in a sandbox, nor on a Hub of others."""
    assert said(local) == ""
