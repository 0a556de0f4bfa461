from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.deploy.conftest import App, FakeProver
from tests.hub.fake_hub import FakeHub

from spacehand.deploy.deploy import Deployed, deploy
from spacehand.deploy.drift import OnDrift
from spacehand.deploy.plan import Choices
from spacehand.deploy.timing import Timing
from spacehand.errors import BuildError, ConflictError, PaymentError, SpacehandError, UnhealthyError
from spacehand.history import History, SpaceKey
from spacehand.ids import RepoId, RepoKind
from spacehand.stage import Stage

SPACE = RepoId("ada", "demo")
CANARY = "hf_canaryCANARYcanaryCANARYcanary"
BROKEN = (Stage.BUILDING, Stage.BUILD_ERROR)


Run = Callable[..., Deployed]


@pytest.fixture
def run(app: App, hub: FakeHub, history: History, prover: FakeProver, timing: Timing) -> Run:
    def run(**choices: object) -> Deployed:
        return deploy(
            app.spec(),
            hub=hub,
            history=history,
            prover=prover,
            timing=timing,
            choices=Choices(**choices),  # type: ignore[arg-type]
        )

    return run


def test_a_deploy_creates_pushes_follows_proves(
    run: Run, hub: FakeHub, prover: FakeProver, history: History
) -> None:
    """In this order: create, one commit, that commit RUNNING, page, call; then it is a healthy release."""
    prover.answers = [{"weights_sha256": "ab" * 32}]

    made = run()

    order = [call for call in hub.calls if call in ("create_space", "commit", "events", "set_hardware")]
    assert order == ["create_space", "commit", "events"]
    assert made.changed
    assert made.stage is Stage.RUNNING
    assert made.revision == hub.head(RepoKind.SPACE, SPACE)
    assert made.served_weights_sha256 == "ab" * 32
    assert (prover.pages, prover.calls) == (1, 1)
    release = history.last_healthy(SpaceKey(hub.endpoint, SPACE))
    assert release is not None
    assert release.revision == made.revision


def test_a_second_deploy_does_nothing_but_look(run: Run, hub: FakeHub, prover: FakeProver) -> None:
    """Nothing changed: no commit, no restart, `changed` is false, and the page is still asked for."""
    first = run()
    hub.calls.clear()
    prover.pages = prover.calls = 0

    again = run()

    assert not again.changed
    assert again.revision == first.revision
    assert not {"create_space", "commit", "restart", "set_variable"} & set(hub.calls)
    assert (prover.pages, prover.calls) == (1, 0)


def test_a_version_that_failed_its_proof_fails_it_again(run: Run, prover: FakeProver) -> None:
    """A plain retry never turns a failure into success; once the app answers rightly, it does."""
    prover.failure = UnhealthyError("wrong answer")
    for _ in range(2):
        with pytest.raises(UnhealthyError, match="wrong answer"):
            run()
    assert prover.calls == 2

    prover.failure = None
    assert not run().changed
    assert prover.calls == 3
    run()
    assert prover.calls == 3  # proved now


def test_an_interrupted_deploy_is_proved_by_the_next_or_undone(
    run: Run, app: App, hub: FakeHub, prover: FakeProver, history: History
) -> None:
    """After Ctrl-C the next deploy proves what was pushed, and goes back to what worked if it fails."""
    good = run()
    app.write("app.py", "bad edit")
    prover.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run()
    interrupted = hub.head(RepoKind.SPACE, SPACE)
    assert interrupted != good.revision

    prover.failure = UnhealthyError("wrong answer")
    with pytest.raises(UnhealthyError) as caught:
        run()

    assert f"{good.revision[:7]}, is back" in str(caught.value.hint)
    assert hub.text(RepoKind.SPACE, SPACE, "app.py") != "bad edit"
    healthy = history.last_healthy(SpaceKey(hub.endpoint, SPACE))
    assert healthy is not None
    assert healthy.revision == hub.head(RepoKind.SPACE, SPACE)


def test_a_sleeping_space_is_not_woken_to_find_nothing_changed(
    run: Run, hub: FakeHub, prover: FakeProver
) -> None:
    """Waking costs money; nothing to do is no reason for it."""
    run()
    hub.pause(SPACE)
    prover.pages = 0

    assert run().stage is Stage.PAUSED
    assert prover.pages == 0


def test_paid_hardware_comes_only_after_the_proof(
    run: Run, app: App, hub: FakeHub, prover: FakeProver
) -> None:
    """A version that does not work never costs a cent."""
    app.settings = {"space": {"hardware": ["t4-small"]}}
    hub.builds = [BROKEN]
    with pytest.raises(BuildError):
        run()
    assert "set_hardware" not in hub.calls

    app.write("app.py", "fixed")
    run()
    assert hub.space(SPACE).hardware == "t4-small"
    assert prover.pages == 2  # before and after the move


def test_a_failed_version_is_undone_by_a_new_commit(
    run: Run, app: App, hub: FakeHub, history: History
) -> None:
    """The files and variables of the version before come back, on top; the error says so."""
    app.settings = {"variables": {"A": "1"}}
    first = run()
    app.write("app.py", "broken")
    app.write("new.txt", "new")
    app.settings = {"variables": {"A": "2"}}
    hub.builds = [BROKEN]

    with pytest.raises(BuildError) as caught:
        run()

    head = hub.head(RepoKind.SPACE, SPACE)
    assert head != first.revision
    assert hub.files(RepoKind.SPACE, SPACE) == hub.files(RepoKind.SPACE, SPACE, first.revision)
    assert hub.variables(SPACE) == {"A": "1"}
    assert hub.runtime(SPACE).revision == head
    assert first.revision[:7] in str(caught.value.hint)
    assert [r.result.partition(":")[0] for r in history.releases(SpaceKey(hub.endpoint, SPACE))] == [
        "healthy",
        "SH0007",
        "healthy",
    ]


def test_after_an_undone_version_the_next_one_is_no_drift(run: Run, app: App, hub: FakeHub) -> None:
    """The commit that restored the old version is ours, not somebody else's change."""
    run()
    app.write("app.py", "broken")
    hub.builds = [BROKEN]
    with pytest.raises(BuildError):
        run()

    app.write("app.py", "good again")
    assert run().changed


def test_a_first_version_that_fails_can_be_mended(run: Run, app: App, hub: FakeHub) -> None:
    """There is nothing to go back to; the next try goes on top."""
    hub.builds = [BROKEN]
    with pytest.raises(BuildError):
        run()

    app.write("app.py", "fixed")
    assert run().stage is Stage.RUNNING


def test_an_app_that_fails_its_proof_on_paid_hardware_leaves_it(
    run: Run, app: App, hub: FakeHub, prover: FakeProver
) -> None:
    """What costs money is reverted first."""
    run()
    app.settings = {"space": {"hardware": ["t4-small"]}}
    prover.answers = [UnhealthyError("no CUDA")]

    with pytest.raises(UnhealthyError, match="no CUDA") as caught:
        run()

    assert hub.space(SPACE).hardware == "cpu-basic"
    assert "back on `cpu-basic`" in str(caught.value.hint)


def test_replicas_come_after_the_proof_and_go_first(
    run: Run, app: App, hub: FakeHub, prover: FakeProver
) -> None:
    """The app is proved on its hardware, then with its replicas; when that fails, they go before it does."""
    run()
    app.settings = {"space": {"hardware": ["t4-small"], "replicas": 2}}
    prover.answers = [{"ok": True}, UnhealthyError("lost the session")]
    hub.calls.clear()
    with pytest.raises(UnhealthyError, match="lost the session") as caught:
        run()
    assert [call for call in hub.calls if call in ("set_hardware", "set_replicas")] == [
        "set_hardware",
        "set_replicas",
        "set_replicas",
        "set_hardware",
    ]
    assert (hub.space(SPACE).hardware, hub.space(SPACE).replicas) == ("cpu-basic", 1)
    assert "back at 1 replica. The Space is back on `cpu-basic`" in str(caught.value.hint)

    assert run().usd_per_hour == pytest.approx(0.80)
    assert hub.space(SPACE).replicas == 2
    assert not run().changed


def test_a_wrong_proof_undoes_the_version(run: Run, app: App, hub: FakeHub, prover: FakeProver) -> None:
    """A Space that runs and gives a wrong answer has failed as much as one that does not build."""
    first = run()
    app.write("app.py", "wrong")
    prover.answers = [UnhealthyError("The answer does not contain `door`")]

    with pytest.raises(UnhealthyError, match="door"):
        run()

    assert hub.files(RepoKind.SPACE, SPACE) == hub.files(RepoKind.SPACE, SPACE, first.revision)


def test_drift_is_refused_and_overwritten_only_on_request(run: Run, app: App, hub: FakeHub) -> None:
    """Somebody's change in the browser survives a deploy that does not ask for it."""
    run()
    theirs = hub.edit(RepoKind.SPACE, SPACE, "app.py", "theirs")

    with pytest.raises(ConflictError, match=r"`app\.py` was changed") as caught:
        run()
    assert "--adopt" in str(caught.value.hint)
    assert hub.head(RepoKind.SPACE, SPACE) == theirs

    run(on_drift=OnDrift.OVERWRITE)
    assert hub.text(RepoKind.SPACE, SPACE, "app.py") == "import gradio\n"


def test_a_push_in_between_is_a_conflict(run: Run, app: App, hub: FakeHub) -> None:
    """Between plan and push somebody else pushed: their commit stays, and it is said."""
    run()
    app.write("app.py", "ours")
    hub.before["commit"] = lambda: hub.edit(RepoKind.SPACE, SPACE, "other.txt", "theirs")

    with pytest.raises(ConflictError):
        run()

    assert hub.text(RepoKind.SPACE, SPACE, "other.txt") == "theirs"


def test_a_deploy_that_was_killed_goes_on(run: Run, app: App, hub: FakeHub) -> None:
    """After the push and before the record the tool died: the next run finds its own files, and no drift."""

    def die() -> None:
        raise KeyboardInterrupt

    hub.before["events"] = die
    with pytest.raises(KeyboardInterrupt):
        run()

    again = run()
    assert not again.changed
    assert again.stage is Stage.RUNNING


def test_a_free_account_is_led_to_the_hardware_it_named(
    app: App, history: History, prover: FakeProver, timing: Timing
) -> None:
    """Where the Hub refuses free hardware with 402, the Space is created on what the person will pay for."""
    hub = FakeHub(pays=False)
    with pytest.raises(PaymentError):
        deploy(app.spec(), hub=hub, history=history, prover=prover, timing=timing)

    app.settings = {"space": {"hardware": ["cpu-upgrade"]}}
    hub.calls.clear()
    deploy(app.spec(), hub=hub, history=history, prover=prover, timing=timing)
    assert hub.calls.count("create_space") == 2
    assert "set_hardware" not in hub.calls
    assert hub.space(SPACE).hardware == "cpu-upgrade"


def test_no_error_holds_a_secret(
    app: App,
    hub: FakeHub,
    history: History,
    prover: FakeProver,
    timing: Timing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither message, hint nor repr of what goes wrong, nor the history on disk, hold a value."""
    monkeypatch.setenv("SOME_TOKEN", CANARY)
    app.settings = {"secrets": {"HF_TOKEN": {"env": "SOME_TOKEN"}}}
    hub.builds = [BROKEN]
    said: list[str] = []

    with pytest.raises(SpacehandError) as caught:
        deploy(
            app.spec(),
            hub=hub,
            history=history,
            prover=prover,
            timing=timing,
            report=lambda progress: said.append(repr(progress)),
        )

    assert hub.space(SPACE).secrets == {"HF_TOKEN": CANARY}
    told = repr(caught.value) + repr(caught.value.to_json()) + "".join(said)
    assert CANARY not in told
    assert CANARY.encode() not in history.path.read_bytes()
