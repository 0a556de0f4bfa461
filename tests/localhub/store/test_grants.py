"""Permissions in addresses: for one thing, for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacehand.localhub.errors import HubError
from spacehand.localhub.store.grants import Grants
from spacehand.localhub.store.keys import Keys


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_permission_says_what_was_given(tmp_path: Path) -> None:
    """
    The facts in a permission come back, also after a restart of the Hub.
    """
    permission, expires = Grants(Keys(tmp_path / "key"), Clock()).give("read", {"repo": "a"}, seconds=60)

    facts = Grants(Keys(tmp_path / "key"), Clock()).check(("write", "read"), permission)

    assert facts["repo"] == "a"
    assert expires == 1060


def test_permission_ends_and_is_for_one_thing(tmp_path: Path) -> None:
    """
    Too old, for something else, of another Hub or made up: all are answered 403.
    """
    clock = Clock()
    grants = Grants(Keys(tmp_path / "key"), clock)
    permission, _ = grants.give("read", {}, seconds=60)
    foreign, _ = Grants(Keys(tmp_path / "other"), clock).give("read", {}, seconds=60)

    refusals = []
    for purpose, text, time in [
        ("write", permission, 1000.0),
        ("read", permission, 1061.0),
        ("read", foreign, 1000.0),
        ("read", "hello", 1000.0),
    ]:
        clock.time = time
        with pytest.raises(HubError) as refused:
            grants.check(purpose, text)
        refusals.append(refused.value.status)

    assert refusals == [403] * 4
