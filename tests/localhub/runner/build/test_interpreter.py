"""A Space gets the Python it asks for, or is told which ones there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacehand.localhub.runner.build.interpreter import Interpreter, available, choose, current
from spacehand.localhub.runner.card import CannotBuildError


def python(version: str) -> Interpreter:
    return Interpreter(Path(f"/opt/{version}/bin/python"), version, Path(f"/opt/{version}"))


THERE = (python("3.9.18"), python("3.10.13"), python("3.12.1"), python("3.12.4"))
OWN = python("3.11.7")


@pytest.mark.parametrize(
    ("wanted", "version", "differs"),
    [
        ("3.11", "3.11.7", False),
        ("3.12", "3.12.4", False),
        ("3.12.1", "3.12.1", False),
        ("3.12.9", "3.12.4", True),
        (None, "3.11.7", True),
    ],
)
def test_the_nearest_of_the_right_minor_version_is_taken(wanted: str | None, version: str, differs: bool):
    """
    A minor version is obeyed, a patch version where it is there; every difference is named.
    """
    choice = choose(wanted, there=THERE, own=OWN)
    assert choice.interpreter.version == version
    assert bool(choice.differences) is differs


def test_a_version_that_is_not_there_is_an_error_that_names_those_that_are():
    """
    Without --any-python another minor version never runs silently.
    """
    with pytest.raises(
        CannotBuildError, match=r"has no Python 3\.13, only 3\.9\.18, 3\.10\.13, 3\.11\.7, 3\.12\.1, 3\.12\.4"
    ):
        choose("3.13", there=THERE, own=OWN)
    choice = choose("3.13", there=THERE, own=OWN, any_python=True)
    assert choice.interpreter.version == "3.12.4"
    assert choice.differences == ("Python 3.12.4 runs instead of 3.13, which is not here",)


def test_this_machines_own_are_found_outside_virtual_environments():
    """
    What is offered really starts, and no virtual environment of the Hub's is among it.
    """
    found = [current(), *available()]
    assert all(one.path.exists() and one.prefix.exists() for one in found)
    assert not any((one.prefix / "pyvenv.cfg").exists() for one in found)
