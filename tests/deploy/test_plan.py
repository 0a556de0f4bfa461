from __future__ import annotations

import json
import os

import pytest
from tests.deploy.conftest import App
from tests.hub.fake_hub import FakeHub

from spacehand.deploy.drift import OnDrift
from spacehand.deploy.plan import Choices, Plan, plan
from spacehand.deploy.steps import CreateSpace, PushFiles, SetHardware, SetReplicas
from spacehand.errors import ConfigError, ConflictError
from spacehand.history import History, SpaceKey
from spacehand.hub._protocol import LocalFile, SpaceSettings
from spacehand.ids import RepoId, RepoKind

SPACE = RepoId("ada", "demo")
CANARY = "hf_canaryCANARYcanaryCANARYcanary"


def planned(app: App, hub: FakeHub, history: History, **choices: object) -> Plan:
    return plan(app.built(), app.spec(), hub, history, choices=Choices(**choices))  # type: ignore[arg-type]


def released(app: App, hub: FakeHub, history: History) -> None:
    """Apply the plan and record it, as a deploy does when all is well."""
    import dataclasses

    made = planned(app, hub, history)
    for step in (*made.steps, *made.afterwards):
        step.apply(hub)
    head = hub.head(RepoKind.SPACE, SPACE) or ""
    history.add_release(dataclasses.replace(made.release, revision=head, result="healthy"), at=0)


def test_a_new_space_is_created_with_everything_before_its_first_commit(
    app: App, hub: FakeHub, history: History
) -> None:
    """Secrets, variables and volumes go into the one call that creates the Space, on the free hardware."""
    volume = {"source": "models/ada/tiny", "mount": "/models/tiny"}
    app.settings = {
        "variables": {"A": "1"},
        "secrets": {"HF_TOKEN": {"env": "SOME_TOKEN"}},
        "space": {"hardware": ["t4-small"], "volumes": [volume]},
    }

    create, push = planned(app, hub, history).steps

    assert isinstance(create, CreateSpace)
    assert isinstance(push, PushFiles)
    assert create.hardware is None
    assert dict(create.variables) == {"A": "1"}
    assert [secret.name for secret in create.secrets] == ["HF_TOKEN"]
    assert create.volumes[0]["mountPath"] == "/models/tiny"
    assert create.describe().endswith(", variable `A`, secret `HF_TOKEN`")
    assert [type(step) for step in planned(app, hub, history).afterwards] == [SetHardware]


def test_planning_changes_nothing(app: App, hub: FakeHub, history: History) -> None:
    """A plan only asks."""
    planned(app, hub, history)

    assert not {"create_space", "commit", "set_variable", "set_secret", "set_hardware"} & set(hub.calls)


def test_a_plan_never_holds_a_secret(
    app: App, hub: FakeHub, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its JSON, nor its words, nor its repr hold a value; reading waits until it is applied."""
    monkeypatch.setenv("SOME_TOKEN", CANARY)
    app.settings = {"secrets": {"HF_TOKEN": {"env": "SOME_TOKEN"}}}

    made = planned(app, hub, history)

    everything = json.dumps(made.to_json()) + repr(made) + "\n".join(made.describe())
    assert "HF_TOKEN" in everything
    assert CANARY not in everything
    made.steps[0].apply(hub)
    assert hub.space(SPACE).secrets == {"HF_TOKEN": CANARY}


def test_a_secret_that_cannot_be_read_creates_nothing(app: App, hub: FakeHub, history: History) -> None:
    """The value is read before the Hub is asked for anything."""
    os.environ.pop("NOT_THERE", None)
    app.settings = {"secrets": {"HF_TOKEN": {"env": "NOT_THERE"}}}

    with pytest.raises(ConfigError, match="HF_TOKEN"):
        planned(app, hub, history).steps[0].apply(hub)

    assert hub.head(RepoKind.SPACE, SPACE) is None


def test_a_second_plan_is_empty(app: App, hub: FakeHub, history: History) -> None:
    """Nothing was changed, so nothing is planned, and no byte would move."""
    app.settings = {"variables": {"A": "1"}, "space": {"hardware": ["t4-small"], "sleep": "30m"}}
    released(app, hub, history)

    again = planned(app, hub, history)

    assert not again.has_changes
    assert again.bytes == 0
    assert again.describe() == ["nothing to change"]


def test_only_what_changed_is_planned(app: App, hub: FakeHub, history: History) -> None:
    """One file changed, one gone, one variable new, one removed: four changes, with their targets."""
    app.settings = {"variables": {"A": "1", "B": "2"}}
    app.write("old.txt", "old")
    released(app, hub, history)
    app.write("app.py", "import gradio as gr\n")
    app.remove("old.txt")
    app.settings = {"variables": {"A": "1", "C": "3"}}

    changes = {(c.kind, c.target, c.before, c.after) for c in planned(app, hub, history).changes()}

    assert changes == {
        ("file", "app.py", "there", "new bytes"),
        ("file", "old.txt", "there", None),
        ("variable", "B", "2", None),
        ("variable", "C", None, "3"),
    }


def test_variables_of_somebody_else_stay(app: App, hub: FakeHub, history: History) -> None:
    """A variable that no release of ours ever set is not ours to remove."""
    released(app, hub, history)
    hub.set_variable(SPACE, "THEIRS", "x")

    assert not planned(app, hub, history).has_changes


def test_secrets_are_set_when_missing_or_asked_for(app: App, hub: FakeHub, history: History) -> None:
    """Values cannot be compared, so an existing secret is only set again on request."""
    app.settings = {"secrets": {"HF_TOKEN": {"env": "HOME"}}}
    released(app, hub, history)

    assert not planned(app, hub, history).has_changes
    assert [c.kind for c in planned(app, hub, history, set_secrets=True).changes()] == ["secret"]
    hub.delete_secret(SPACE, "HF_TOKEN")
    assert [c.kind for c in planned(app, hub, history).changes()] == ["secret"]


def test_a_file_changed_in_the_browser_is_drift(app: App, hub: FakeHub, history: History) -> None:
    """What somebody changed on the Hub since the release is shown, with what it was."""
    released(app, hub, history)
    hub.edit(RepoKind.SPACE, SPACE, "app.py", "theirs")

    drift = planned(app, hub, history).drift

    assert [(item.kind, item.target) for item in drift] == [("file", "app.py")]
    assert drift[0].before != drift[0].after


def test_adopting_keeps_their_change_now_and_later(app: App, hub: FakeHub, history: History) -> None:
    """With ADOPT their file stays; the next plan does not bring ours back in silence."""
    import dataclasses

    released(app, hub, history)
    hub.edit(RepoKind.SPACE, SPACE, "app.py", "theirs")
    hub.set_variable(SPACE, "A", "theirs")
    app.settings = {"variables": {"A": "ours"}}
    app.write("new.txt", "new")

    with pytest.raises(ConflictError, match="`A`"):
        planned(app, hub, history, on_drift=OnDrift.ADOPT)
    hub.delete_variable(SPACE, "A")
    made = planned(app, hub, history, on_drift=OnDrift.ADOPT)
    assert {c.target for c in made.changes()} == {"new.txt", "A"}

    for step in made.steps:
        step.apply(hub)
    head = hub.head(RepoKind.SPACE, SPACE) or ""
    history.add_release(dataclasses.replace(made.release, revision=head), at=0)
    assert [item.target for item in planned(app, hub, history).drift] == ["app.py"]
    app.write("app.py", "theirs")
    assert planned(app, hub, history).drift == ()


def test_a_change_on_both_sides_is_a_conflict_to_adopt(app: App, hub: FakeHub, history: History) -> None:
    """Nobody can keep both: the file is named, and nothing is planned."""
    released(app, hub, history)
    hub.edit(RepoKind.SPACE, SPACE, "app.py", "theirs")
    app.write("app.py", "ours")

    with pytest.raises(ConflictError, match=r"`app\.py`"):
        planned(app, hub, history, on_drift=OnDrift.ADOPT)


def test_the_same_change_on_both_sides_is_none(app: App, hub: FakeHub, history: History) -> None:
    """Their edit, brought into the folder, is no drift any more."""
    released(app, hub, history)
    hub.edit(RepoKind.SPACE, SPACE, "app.py", "theirs")
    app.write("app.py", "theirs")

    assert planned(app, hub, history).drift == ()
    assert not planned(app, hub, history).has_changes


def test_a_space_without_a_record_is_not_taken_over_in_silence(
    app: App, hub: FakeHub, history: History
) -> None:
    """An existing Space that no release here knows of: every file that would be lost is drift."""
    hub.create_space(SPACE, SpaceSettings("gradio"))
    theirs = [LocalFile("app.py", content=b"theirs"), LocalFile("data.csv", content=b"1,2")]
    hub.commit(RepoKind.SPACE, SPACE, files=theirs, delete=[], message="m", parent=None)

    assert {item.target for item in planned(app, hub, history).drift} >= {"app.py", "data.csv"}
    adopting = planned(app, hub, history, on_drift=OnDrift.ADOPT)
    assert ("data.csv", None) not in {(c.target, c.after) for c in adopting.changes()}


def test_hardware_moved_in_the_browser_is_drift(app: App, hub: FakeHub, history: History) -> None:
    """Moving it back would cost or stop something: it is shown, and adopted on request."""
    app.settings = {"space": {"hardware": ["t4-small"]}}
    released(app, hub, history)
    hub.set_hardware(SPACE, "l4x1", None)

    assert [item.kind for item in planned(app, hub, history).drift] == ["hardware"]
    assert not planned(app, hub, history, on_drift=OnDrift.ADOPT).has_changes


def test_the_price_is_shown_before_and_after(app: App, hub: FakeHub, history: History) -> None:
    """The plan tells dollars an hour from the Hub's own table."""
    released(app, hub, history)
    app.settings = {"space": {"hardware": ["t4-small"], "sleep": "30m"}}

    shown = planned(app, hub, history).to_json()

    assert shown["usd_per_hour"] == {"before": 0.0, "after": 0.40}
    assert {"kind": "hardware", "target": "ada/demo", "before": "cpu-basic", "after": "t4-small"} in shown[
        "changes"
    ]


def test_replicas_come_last_and_cost_as_many_times(app: App, hub: FakeHub, history: History) -> None:
    """They follow the hardware, are left alone unless they are asked for, and free hardware has one."""
    app.settings = {"space": {"hardware": ["t4-small"], "replicas": 3}}
    made = planned(app, hub, history)
    assert [type(step) for step in made.afterwards] == [SetHardware, SetReplicas]
    assert (made.usd_before, made.usd_after) == (0.0, pytest.approx(1.20))
    assert "run 3 replicas ($1.20 an hour)" in made.describe()

    released(app, hub, history)
    assert not planned(app, hub, history).has_changes
    app.settings = {"space": {"hardware": ["t4-small"]}}
    made = planned(app, hub, history)
    assert not made.has_changes
    assert made.usd_after == pytest.approx(1.20)

    app.settings = {"space": {"hardware": ["cpu-basic"], "replicas": 2}}
    made = planned(app, hub, history)
    assert [type(step) for step in made.afterwards] == [SetHardware]
    assert "`cpu-basic` has one replica" in made.notes[0]


def test_replicas_set_in_the_browser_are_drift(app: App, hub: FakeHub, history: History) -> None:
    """Ending them would turn visitors away: it is shown, and adopted on request."""
    app.settings = {"space": {"hardware": ["t4-small"], "replicas": 2}}
    released(app, hub, history)
    hub.set_replicas(SPACE, 4)

    (found,) = planned(app, hub, history).drift
    assert (found.kind, found.before, found.after) == ("replicas", "2", "4")
    assert not planned(app, hub, history, on_drift=OnDrift.ADOPT).has_changes


def test_hardware_the_hub_does_not_have(app: App, hub: FakeHub, history: History) -> None:
    """The first of the preferred flavors that exists is taken; when none does, the list is shown."""
    app.settings = {"space": {"hardware": ["a100-large", "t4-small"]}}
    (move,) = planned(app, hub, history).afterwards
    assert isinstance(move, SetHardware)
    assert move.flavor == "t4-small"

    app.settings = {"space": {"hardware": ["a100-large"]}}
    with pytest.raises(ConfigError, match="a100-large") as caught:
        planned(app, hub, history)
    assert "`t4-small`" in str(caught.value.hint)


def test_sleep_on_free_hardware_is_a_note(app: App, hub: FakeHub, history: History) -> None:
    """The Hub refuses a sleep time there, so it is not tried; the plan says so."""
    app.settings = {"space": {"sleep": "30m"}}
    made = planned(app, hub, history)

    assert made.afterwards == ()
    assert "48 hours" in made.notes[0]


def test_a_space_deleted_and_made_anew_has_no_past(app: App, hub: FakeHub, history: History) -> None:
    """A release of a Space that is gone is no drift of the one to be created."""
    released(app, hub, history)

    assert planned(app, FakeHub(), history).drift == ()
    assert history.last_release(SpaceKey(hub.endpoint, SPACE)) is not None
