from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tests.hub.fake_hub import FakeHub

from spacehand.deploy.apply import apply
from spacehand.deploy.steps import Change
from spacehand.errors import AuthError
from spacehand.hub._protocol import Hub
from spacehand.progress import Progress


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
