from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.hub.fake_hub import FakeHub

from spacehand.deploy.apply import apply
from spacehand.deploy.steps import Change, CreateSpace, SetSecret
from spacehand.errors import AuthError, ConfigError
from spacehand.hub._protocol import Hub
from spacehand.ids import RepoId, Visibility
from spacehand.progress import Progress
from spacehand.space.secrets import Secret

SPACE = RepoId.parse("ada/demo")


@dataclass
class Step:
    name: str
    done: list[str] = field(default_factory=list)
    fails: bool = False

    def describe(self) -> str:
        return f"do {self.name}"

    def changes(self) -> list[Change]:
        return []

    def apply(self, hub: Hub) -> None:
        if self.fails:
            raise AuthError("no")
        self.done.append(self.name)


def test_steps_are_done_in_order_and_told(hub: FakeHub) -> None:
    """Each is said before it is done, and yielded after."""
    done: list[str] = []
    said: list[Progress] = []

    steps = [Step("one", done), Step("two", done)]
    applied = [item.step for item in apply(steps, hub, said.append)]

    assert done == ["one", "two"]
    assert applied == steps
    assert [progress.message for progress in said] == ["Do one", "Do two"]


def test_the_first_failure_ends_it(hub: FakeHub) -> None:
    """What comes after a failed step is not done."""
    done: list[str] = []
    steps = [Step("one", done), Step("two", done, fails=True), Step("three", done)]

    with pytest.raises(AuthError):
        list(apply(steps, hub))

    assert done == ["one"]


def test_nothing_is_done_ahead(hub: FakeHub) -> None:
    """A caller that stops looking stops the work."""
    done: list[str] = []
    next(apply([Step("one", done), Step("two", done)], hub))
    assert done == ["one"]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_missing_secret_stops_it_before_it_is_told(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    """Nobody reads that a Space is being created which is not."""
    monkeypatch.delenv("NOT_THERE", raising=False)
    secret = Secret("HF_TOKEN", "env", "NOT_THERE", tmp_path)
    create = CreateSpace(SPACE, "gradio", Visibility.PUBLIC, None, secrets=(secret,))
    said: list[Progress] = []

    with pytest.raises(ConfigError, match="there is nothing"):
        list(apply([create if is_new else SetSecret(SPACE, secret, is_new=True)], hub, said.append))

    assert said == []
    assert hub.calls == []


def test_a_secret_is_read_once(hub: FakeHub, tmp_path: Path) -> None:
    """A password manager asks for a touch each time."""
    command = Secret("HF_TOKEN", "command", "sh -c 'echo read >> reads; echo value'", tmp_path)
    list(apply([CreateSpace(SPACE, "gradio", Visibility.PUBLIC, None, secrets=(command,))], hub))

    assert (tmp_path / "reads").read_text() == "read\n"
    assert hub.space(SPACE).secrets == {"HF_TOKEN": "value"}
