"""`spacehand hub fault`: switched on, told everywhere, switched off."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Spacehand
from tests.conftest import HubProcess

from spacehand.cli.fault import _KINDS
from spacehand.localhub.faults.kind import FaultKind


def test_the_command_knows_every_fault() -> None:
    """The list in the help is the Hub's."""
    assert tuple(kind.value for kind in FaultKind) == _KINDS


def test_a_fault_is_told_and_ends(spacehand: Spacehand, local_hub: HubProcess) -> None:
    """While one is on, `hub status` says so; its id removes it, and wrong words are told."""
    here = ("--data", Path(local_hub.data))
    added = spacehand("hub", "fault", "add", "dead-port", "--space", "none", "--for", "5m", *here, "--json")
    fault = added.json["fault"]
    assert (fault["kind"], fault["space"]) == ("dead-port", "ada/none")
    status = spacehand("hub", "status", *here).out
    assert f"rehearsing  {fault['id']}  dead-port  ada/none" in status
    assert spacehand("hub", "fault", "remove", fault["id"], *here).code == 0
    assert spacehand("hub", "fault", "remove", fault["id"], *here).code == 6
    wrong = spacehand("hub", "fault", "add", "payment", "--seconds", "3", *here)
    assert (wrong.code, "`payment` has no seconds" in wrong.told) == (2, True)
