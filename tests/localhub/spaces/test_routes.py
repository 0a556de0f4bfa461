"""Every call that controls a Space, made by the unmodified official client."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from huggingface_hub import HfApi, Volume
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status
from tests.localhub.spaces.scripted import ScriptedHub

from spacehand.localhub.faults.kind import FaultKind
from spacehand.localhub.faults.store import Fault
from spacehand.localhub.runner.logs import LogEntry
from spacehand.localhub.wire_time import from_unix, now
from spacehand.stage import Stage


def stream(scripted: ScriptedHub, path: str, **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {scripted.token}"} | options.pop("headers", {})
    return get_session().stream("GET", f"{scripted.url}/api/spaces/{path}", headers=headers, **options)


def test_variables_are_always_told_as_the_whole_map(scripted: ScriptedHub) -> None:
    """
    Adding, changing and deleting a variable each answer all variables with values, descriptions and times.
    """
    space, api = scripted.space(), scripted.api
    api.add_space_variable(space, "MODEL", "ada/tiny")
    after = api.add_space_variable(space, "LANGUAGE", "de", description="What is spoken")
    assert {key: (each.value, each.description) for key, each in after.items()} == {
        "MODEL": ("ada/tiny", None),
        "LANGUAGE": ("de", "What is spoken"),
    }
    assert after["MODEL"].updated_at is not None
    assert api.add_space_variable(space, "MODEL", "ada/large")["MODEL"].value == "ada/large"
    assert set(api.delete_space_variable(space, "MODEL")) == {"LANGUAGE"}
    assert set(api.get_space_variables(space)) == {"LANGUAGE"}
    assert scripted.runner.told == [("settings", space, False)] * 4


def test_a_docker_space_is_built_anew_for_a_variable(scripted: ScriptedHub) -> None:
    """
    Variables are build arguments of a Dockerfile, so a change has to reach the image.
    """
    scripted.runner.sdk = "docker"
    space = scripted.space()
    scripted.api.add_space_variable(space, "A", "1")
    scripted.api.add_space_secret(space, "B", "1")
    assert scripted.runner.told == [("settings", space, True), ("settings", space, False)]


def test_secrets_are_never_told(scripted: ScriptedHub) -> None:
    """
    No answer holds a secret's value, and neither does any file of the Hub; only the runner's settings do.
    """
    space, api, value = scripted.space(), scripted.api, "correct-horse-battery"
    api.add_space_secret(space, "KEY", value, description="for the door")
    listed = api.get_space_secrets(space)
    assert listed["KEY"].description == "for the door"
    assert listed["KEY"].updated_at is not None
    for path in ("secrets", "runtime", "variables"):
        with stream(scripted, f"{space}/{path}") as answer:
            assert value not in answer.read().decode()
    repo = scripted.hub.repos.list()[0]
    assert scripted.hub.spaces.environment(repo) == {"KEY": value}
    assert value not in repr(scripted.hub.spaces.settings(repo))
    for file in scripted.hub.place.root.rglob("*"):
        if file.is_file():
            assert value.encode() not in file.read_bytes(), file
    api.delete_space_secret(space, "KEY")
    assert api.get_space_secrets(space) == {}


@pytest.mark.parametrize("key", ["", "1ST", "WITH SPACE", "A=B", "A-B"])
def test_a_name_that_no_environment_can_hold_is_refused(scripted: ScriptedHub, key: str) -> None:
    """
    400 names the key, and nothing is kept.
    """
    space = scripted.space()
    with pytest.raises(BadRequestError, match="no name for an environment variable"):
        scripted.api.add_space_variable(space, key, "x")
    assert scripted.api.get_space_variables(space) == {}


def test_everything_can_be_said_at_creation(scripted: ScriptedHub) -> None:
    """
    Hardware, sleep time, secrets, variables and volumes of `create_repo` hold before the first build.
    """
    space = scripted.space(
        space_hardware="t4-small",
        space_sleep_time=600,
        space_secrets=[{"key": "TOKEN", "value": "s"}],
        space_variables=[{"key": "MODEL", "value": "ada/tiny", "description": "which"}],
        space_volumes=[Volume(type="bucket", source="ada/data", mount_path="/data")],
    )
    runtime = scripted.api.get_space_runtime(space)
    assert (runtime.requested_hardware, runtime.sleep_time) == ("t4-small", 600)
    assert runtime.volumes == [Volume(type="bucket", source="ada/data", mount_path="/data", read_only=False)]
    assert scripted.api.get_space_variables(space)["MODEL"].description == "which"
    assert set(scripted.api.get_space_secrets(space)) == {"TOKEN"}


def test_a_creation_that_makes_no_sense_creates_nothing(scripted: ScriptedHub) -> None:
    """
    A variable without a valid name makes the whole `create_repo` 400.
    """
    with pytest.raises(BadRequestError):
        scripted.space(space_variables=[{"key": "NOT VALID", "value": "x"}])
    assert not scripted.api.repo_exists("ada/demo", repo_type="space")


def test_a_duplicate_takes_variables_and_no_secrets(scripted: ScriptedHub) -> None:
    """
    As on the Hub: variables are copied, secrets have to be given anew.
    """
    space, api = scripted.space(), scripted.api
    api.add_space_variable(space, "A", "1")
    api.add_space_variable(space, "B", "1")
    api.add_space_secret(space, "S", "x")
    api.duplicate_repo(space, "ada/copy", repo_type="space", space_variables=[{"key": "B", "value": "2"}])
    copied = api.get_space_variables("ada/copy")
    assert {key: each.value for key, each in copied.items()} == {"A": "1", "B": "2"}
    assert api.get_space_secrets("ada/copy") == {}


def test_any_hardware_may_be_asked_for(scripted: ScriptedHub) -> None:
    """
    Also a flavour that is newer than our table; asking restarts the app and resets the sleep time.
    """
    space, api = scripted.space(), scripted.api
    assert api.request_space_hardware(space, "t4-small", sleep_time=60).sleep_time == 60
    runtime = api.request_space_hardware(space, "b300x2")  # type: ignore[arg-type]
    assert (runtime.requested_hardware, runtime.sleep_time) == ("b300x2", None)
    assert scripted.runner.told == [("settings", space, False)] * 2


def test_free_hardware_sleeps_after_two_days(scripted: ScriptedHub) -> None:
    """
    On `cpu-basic` the 48 hours stay, whatever is asked; on other hardware any number of seconds holds.
    """
    space, api = scripted.space(), scripted.api
    with pytest.warns(UserWarning, match="48 hours"):
        assert api.set_space_sleep_time(space, 60).sleep_time == 172_800
    api.request_space_hardware(space, "cpu-upgrade")
    assert api.set_space_sleep_time(space, 60).sleep_time == 60
    assert api.set_space_sleep_time(space, -1).sleep_time is None
    with pytest.raises(BadRequestError, match="no sleep time"):
        api.set_space_sleep_time(space, 0)


def test_replicas_are_for_paid_hardware(scripted: ScriptedHub) -> None:
    """
    Paid hardware has from one to ten; free hardware one, and so does a Space that goes back to it, or a copy.
    """
    space, api = scripted.space(), scripted.api

    def scale(replicas: object) -> dict[str, Any]:
        answer = get_session().post(
            f"{scripted.url}/api/spaces/{space}/replicas",
            json={"replicas": replicas},
            headers=build_hf_headers(token=scripted.token),
        )
        hf_raise_for_status(answer)
        runtime: dict[str, Any] = answer.json()
        return runtime

    with pytest.raises(BadRequestError, match="`cpu-basic` is free"):
        scale(2)
    api.request_space_hardware(space, "cpu-upgrade")
    assert scale(10)["replicas"]["requested"] == 10
    for wrong in (0, 11, True, "2", None):
        with pytest.raises(BadRequestError, match="no number of replicas; it is from 1 to 10"):
            scale(wrong)
    with pytest.raises(HfHubHTTPError, match="does not scale"):
        scale("auto")
    scripted.hub.faults.add(Fault(FaultKind.PAYMENT))
    with pytest.raises(HfHubHTTPError, match="402"):
        scale(2)
    assert scale(1)["replicas"]["requested"] == 1
    scripted.hub.faults.clear()
    assert scale(3)["replicas"]["requested"] == 3
    assert ("replicas", space) in scripted.runner.told

    api.duplicate_repo(space, "ada/copy", repo_type="space", space_hardware="cpu-upgrade")
    assert api.get_space_runtime("ada/copy").raw["replicas"]["requested"] == 1
    for flavor in ("cpu-basic", "cpu-upgrade"):
        assert api.request_space_hardware(space, flavor).raw["replicas"]["requested"] == 1


def test_pause_and_restart(scripted: ScriptedHub) -> None:
    """
    Each answers the runtime as it is afterwards; a factory restart is told apart.
    """
    space, api = scripted.space(), scripted.api
    assert api.pause_space(space).stage == "PAUSED"
    assert api.restart_space(space).stage == "RUNNING"
    api.restart_space(space, factory_reboot=True)
    assert scripted.runner.told == [
        ("pause", space),
        ("restart", space, False),
        ("restart", space, True),
    ]


def test_volumes_are_set_replaced_and_removed(scripted: ScriptedHub) -> None:
    """
    Repositories are always read-only; removing where there is nothing is 400.
    """
    space, api = scripted.space(), scripted.api
    api.set_space_volumes(space, [Volume(type="model", source="ada/tiny", mount_path="/models")])
    mounted = api.get_space_runtime(space).volumes
    assert mounted is not None
    assert mounted[0].read_only is True
    api.set_space_volumes(
        space, [Volume(type="bucket", source="ada/b", mount_path="/data", path="sub", revision=None)]
    )
    mounted = api.get_space_runtime(space).volumes
    assert mounted is not None
    assert (len(mounted), mounted[0].path) == (1, "sub")
    api.delete_space_volumes(space)
    assert api.get_space_runtime(space).volumes is None
    with pytest.raises(BadRequestError, match="No volumes attached"):
        api.delete_space_volumes(space)
    twice = [Volume(type="model", source="ada/tiny", mount_path="/m")] * 2
    with pytest.raises(BadRequestError, match="same `mountPath`"):
        api.set_space_volumes(space, twice)
    with pytest.raises(BadRequestError, match="no mount path"):
        api.set_space_volumes(space, [Volume(type="model", source="ada/tiny", mount_path="/a/../..")])


def test_a_token_for_one_space_opens_nothing_else_by_it(scripted: ScriptedHub) -> None:
    """
    A token for single repositories mounts these, and what everybody may read; nothing else of its owner's.
    """
    space, owner = scripted.space(), scripted.api
    for name, private in (("kept", True), ("given", True), ("open", False)):
        owner.create_bucket(f"ada/{name}", private=private)
    owner.create_repo("ada/secret", private=True)
    owner.create_repo("ada/free")
    token = scripted.hub.accounts.add_token("ada", role="fineGrained", repos=[space, "ada/given"])
    api = HfApi(endpoint=scripted.url, token=token)

    def mount(kind: str, source: str, *, read_only: bool = True) -> None:
        api.set_space_volumes(
            space, [Volume(type=kind, source=source, mount_path="/data", read_only=read_only)]
        )

    mount("bucket", "ada/given", read_only=False)
    mount("bucket", "ada/open")
    mount("model", "ada/free")
    for kind, source, read_only in (
        ("bucket", "ada/kept", True),
        ("bucket", "ada/open", False),
        ("bucket", "ada/none", True),
        ("model", "ada/secret", True),
    ):
        with pytest.raises(HfHubHTTPError, match="does not open"):
            mount(kind, source, read_only=read_only)


def test_a_static_space_has_nothing_to_control(scripted: ScriptedHub) -> None:
    """
    It runs nowhere, so pausing, restarting, hardware, sleep and volumes are 400.
    """
    scripted.runner.sdk = "static"
    space, api = scripted.space(), scripted.api
    for call in (
        lambda: api.pause_space(space),
        lambda: api.restart_space(space),
        lambda: api.request_space_hardware(space, "t4-small"),
        lambda: api.set_space_sleep_time(space, 60),
        lambda: api.set_space_volumes(space, []),
        lambda: api.delete_space_volumes(space),
        lambda: api.enable_space_dev_mode(space),
    ):
        with pytest.raises(BadRequestError, match="static Space"):
            call()
    assert scripted.runner.told == []


def test_dev_mode_is_refused_with_words(scripted: ScriptedHub) -> None:
    """
    501, which the client does not try again, and a text that says why.
    """
    space = scripted.space()
    with pytest.raises(HfHubHTTPError, match="has no dev mode") as refusal:
        scripted.api.enable_space_dev_mode(space)
    assert refusal.value.response.status_code == 501


def test_hardware_has_prices_per_minute(scripted: ScriptedHub) -> None:
    """
    The table parses as the client's own rows, and 52 minutes of a T4 cost 35 cents.
    """
    table = {row.name: row for row in scripted.api.list_spaces_hardware()}
    assert table["cpu-basic"].unit_cost_micro_usd == 0
    small = table["t4-small"]
    assert (small.pretty_name, small.cpu, small.ram) == ("Nvidia T4 - small", "4 vCPU", "15 GB")
    assert small.accelerator is not None
    assert (small.accelerator.model, small.accelerator.vram) == ("T4", "16 GB")
    assert small.unit_label == "minute"
    assert round(52 * small.unit_cost_usd, 2) == 0.35
    assert "h100" not in table


def test_zero_gpu_quota(scripted: ScriptedHub) -> None:
    """
    Nothing is ever used up here, and a token is needed as on the Hub.
    """
    quota = scripted.api.get_zero_gpu_quota()
    assert quota.base == quota.remaining
    with pytest.raises(HfHubHTTPError, match="401"):
        scripted.api.get_zero_gpu_quota(token=False)


def test_a_space_is_found_by_its_subdomain(scripted: ScriptedHub) -> None:
    """
    As Gradio's JavaScript client asks; a private Space is found by its owner alone.
    """
    space = scripted.space("My.Demo", private=True)
    with stream(scripted, "by-subdomain/ada-my-demo") as answer:
        found = json.loads(answer.read())
        assert (found["id"], found["subdomain"]) == (space, "ada-my-demo")
    with get_session().stream("GET", f"{scripted.url}/api/spaces/by-subdomain/ada-my-demo") as answer:
        assert answer.status_code == 404


def test_only_its_owner_controls_a_space(scripted: ScriptedHub) -> None:
    """
    A reader is refused each change, and strangers see neither secrets' names, variables nor logs.
    """
    space = scripted.space()
    reader, stranger = scripted.api_of("ada", "read"), scripted.api_of("bob")
    for api in (reader, stranger):
        for call in (
            lambda api=api: api.add_space_secret(space, "A", "1"),
            lambda api=api: api.delete_space_variable(space, "A"),
            lambda api=api: api.pause_space(space),
            lambda api=api: api.restart_space(space),
            lambda api=api: api.request_space_hardware(space, "t4-small"),
            lambda api=api: api.set_space_volumes(space, []),
        ):
            with pytest.raises(HfHubHTTPError) as refusal:
                call()
            assert refusal.value.response.status_code == 403
    assert reader.get_space_secrets(space) == {}
    for call in (
        lambda: stranger.get_space_secrets(space),
        lambda: stranger.get_space_variables(space),
        lambda: list(stranger.fetch_space_logs(space)),
    ):
        with pytest.raises(HfHubHTTPError) as refusal:
            call()
        assert refusal.value.response.status_code == 403
    assert stranger.get_space_runtime(space).stage == "RUNNING"
    assert scripted.runner.told == []


def test_a_private_space_does_not_exist_for_strangers(scripted: ScriptedHub) -> None:
    """
    404 as for a Space that is not there.
    """
    space = scripted.space(private=True)
    with pytest.raises(RepositoryNotFoundError):
        scripted.api_of("bob").get_space_runtime(space)


def test_logs_that_are_not_followed_come_complete(scripted: ScriptedHub) -> None:
    """
    The client gets every line kept, up to one that was written the moment before it asked.
    """
    scripted.runner.lines = [LogEntry(f"line {i}\n", now()) for i in range(500)]
    scripted.runner.ended = True
    space = scripted.space()
    lines = list(scripted.api.fetch_space_logs(space, build=True))
    assert lines == [f"line {i}\n" for i in range(500)]
    assert scripted.runner.told == [("logs", "build"), ("left", "build")]


def test_logs_that_are_not_followed_end_at_the_first_later_line(scripted: ScriptedHub) -> None:
    """
    A busy app cannot keep the client: it stops at the first line from after its request.
    """
    scripted.runner.lines = [LogEntry("before\n", now()), LogEntry("after\n", from_unix(time.time() + 60))]
    space = scripted.space()
    assert list(scripted.api.fetch_space_logs(space)) == ["before\n"]
    assert scripted.runner.told[0] == ("logs", "run")


def test_tail_sends_the_last_lines_first(scripted: ScriptedHub) -> None:
    """
    ``?tail=3`` leaves out what came before the last three lines kept.
    """
    scripted.runner.lines = [LogEntry(f"line {i}\n", now()) for i in range(500)]
    space = scripted.space()
    with stream(scripted, f"{space}/logs/run?tail=3") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        events = answer.iter_lines()
        seen = []
        while len(seen) < 3:
            if (line := next(events)).startswith("data: {"):
                seen.append(json.loads(line.removeprefix("data: "))["data"])
    assert seen == ["line 497\n", "line 498\n", "line 499\n"]


def test_a_reader_who_leaves_is_forgotten(scripted: ScriptedHub) -> None:
    """
    The runner's side of a followed log ends when its reader closes the connection.
    """
    scripted.runner.lines = [LogEntry("line\n", now())]
    space = scripted.space()
    with stream(scripted, f"{space}/logs/run") as answer:
        next(answer.iter_lines())
    deadline = time.monotonic() + 10
    while ("left", "run") not in scripted.runner.told:
        assert time.monotonic() < deadline
        scripted.api.get_space_runtime(space)


def test_events_tell_each_change(scripted: ScriptedHub) -> None:
    """
    The present runtime comes first, then each change; anybody who sees the Space may listen.
    """
    space = scripted.space()
    scripted.runner.stage = Stage.BUILDING
    with get_session().stream("GET", f"{scripted.url}/api/spaces/{space}/events") as answer:
        events = (line for line in answer.iter_lines() if line.startswith("data: {"))
        assert json.loads(next(events).removeprefix("data: "))["stage"] == "BUILDING"
        scripted.runner.stage = Stage.RUNNING
        scripted.runner.changed.ring()
        assert json.loads(next(events).removeprefix("data: "))["stage"] == "RUNNING"


def test_metrics_are_501_while_nothing_is_measured(scripted: ScriptedHub) -> None:
    """
    Never another 5xx: the client would try again and again.
    """
    space = scripted.space()
    with stream(scripted, f"{space}/metrics") as answer:
        assert answer.status_code == 501


def test_a_deleted_space_is_forgotten(scripted: ScriptedHub) -> None:
    """
    Made again under the same name, it has neither the secrets nor the variables of before.
    """
    space, api = scripted.space(), scripted.api
    api.add_space_secret(space, "A", "1")
    api.add_space_variable(space, "B", "1")
    api.delete_repo(space, repo_type="space")
    scripted.space()
    assert api.get_space_secrets(space) == {}
    assert api.get_space_variables(space) == {}


def test_settings_follow_a_rename(scripted: ScriptedHub) -> None:
    """
    Secrets, variables and the port belong to the Space, not to its name.
    """
    space, api = scripted.space(), scripted.api
    api.add_space_variable(space, "B", "1")
    host = api.space_info(space).host
    api.move_repo(space, "ada/renamed", repo_type="space")
    assert set(api.get_space_variables("ada/renamed")) == {"B"}
    assert api.space_info("ada/renamed").host == host
