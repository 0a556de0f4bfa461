"""A Space's life on a Hub, told by what a person would do and see."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.localhub.runner.conftest import server
from tests.localhub.runner.workshop import QUICK, Workshop, workshop

from spacehand.ids import RepoId
from spacehand.localhub.runner.environment import Hardware
from spacehand.localhub.runner.life.health import Pace
from spacehand.localhub.spaces.store import Entry
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

ERRORS = (Stage.RUNTIME_ERROR, Stage.BUILD_ERROR, Stage.CONFIG_ERROR, Stage.NO_APP_FILE)
CRASH = 'os._exit(9) if self.path == "/crash" else self.say("up")'


def in_workshop(place: Place, story: Callable[[Workshop], Awaitable[Any]], **settings: Any) -> Any:
    """Run *story* in a fresh event loop, for a minute at most."""

    async def told() -> Any:
        async with workshop(place, **settings) as shop, asyncio.timeout(60):
            return await story(shop)

    return asyncio.run(told())


def test_push_leads_to_a_running_app_that_names_its_commit(place: Place):
    """
    After a push the stages are BUILDING, APP_STARTING, RUNNING, and RUNNING names the pushed commit.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        sha = shop.push(repo, server('self.say(os.environ["SPACE_ID"])'))
        assert shop.runner.runtime(repo)["stage"] == "BUILDING"
        runtime = await shop.until(repo, Stage.RUNNING)
        assert runtime["sha"] == sha
        assert runtime["hardware"] == {"current": "cpu-basic", "requested": "cpu-basic"}
        assert runtime["spacehand"]["fidelity"] == "process"
        assert await shop.get(repo) == (200, "ada/demo")
        assert [stage for _, stage in shop.runner.stages(repo)] == ["BUILDING", "APP_STARTING", "RUNNING"]
        assert shop.log(repo).startswith("===== Application Startup at ")

    in_workshop(place, story)


def test_swap_fails_no_request(place: Place):
    """
    While a new commit is built and started the old one answers, and not one request fails in between.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        first = shop.push(repo, server('self.say("one")'))
        await shop.until(repo, Stage.RUNNING)
        answers: list[tuple[int, str]] = []

        async def load() -> None:
            while not answers or answers[-1][1] != "two":
                answers.append(await shop.get(repo))

        loads = [asyncio.create_task(load()) for _ in range(4)]
        second = shop.push(repo, server('self.say("two")'))
        runtime = shop.runner.runtime(repo)
        assert (runtime["stage"], runtime["sha"]) == ("RUNNING_BUILDING", first)
        await shop.until(repo, Stage.RUNNING, sha=second)
        await asyncio.gather(*loads)
        assert set(answers) == {(200, "one"), (200, "two")}

    in_workshop(place, story)


def test_newer_push_ends_an_older_build(place: Place):
    """
    Of two pushes in a row only the second is ever served, however long the first would build.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        first = shop.push(repo, server('self.say("one")'), requirements_txt="wait")
        second = shop.push(repo, server('self.say("two")'))
        await shop.until(repo, Stage.RUNNING, sha=second)
        shop.builder.go.set()
        assert first not in shop.builder.built
        assert await shop.get(repo) == (200, "two")

    in_workshop(place, story)


def test_stale_failure_is_never_shown(place: Place):
    """
    Once a newer commit is expected, an older build that fails says nothing any more.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, server('self.say("one")'), requirements_txt="wait fail")
        shop.builder.go.set()
        second = shop.push(repo, server('self.say("two")'))
        await shop.until(repo, Stage.RUNNING, sha=second)
        assert "BUILD_ERROR" not in [stage for _, stage in shop.runner.stages(repo)]

    in_workshop(place, story)


def test_failed_build_leaves_the_old_app_serving(place: Place):
    """
    A build that fails is told as BUILD_ERROR; requests still get the commit from before.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        first = shop.push(repo, server('self.say("one")'))
        await shop.until(repo, Stage.RUNNING)
        shop.push(repo, server('self.say("two")'), requirements_txt="fail")
        runtime = await shop.until(repo, Stage.BUILD_ERROR)
        assert runtime["errorMessage"].startswith("Job failed with exit code: 1. Reason: ")
        assert runtime["spacehand"]["serving"] == first
        assert await shop.get(repo) == (200, "one")
        assert "ERROR: no such thing" in shop.log(repo, "build")

    in_workshop(place, story)


@pytest.mark.parametrize(
    ("readme", "app", "stage", "message"),
    [
        ("no header", "", Stage.CONFIG_ERROR, "Missing configuration in README"),
        (
            "---\nsdk: [\n---\n",
            "",
            Stage.CONFIG_ERROR,
            "Missing configuration in README: the header is not valid",
        ),
        ("---\nsdk: docker\n---\n", "", Stage.NO_APP_FILE, "No application file: `Dockerfile`"),
        (
            "---\nsdk: streamlit\n---\n",
            "",
            Stage.CONFIG_ERROR,
            "A Space with a Dockerfile needs docker (`apt-get install docker.io`",
        ),
        ("---\nsdk: gradio\n---\n", None, Stage.NO_APP_FILE, "No application file: `app.py`"),
        (
            '---\nsdk: gradio\npython_version: "3.99"\n---\n',
            "",
            Stage.CONFIG_ERROR,
            "`python_version: 3.99` in README: this machine has no Python 3.99, only",
        ),
    ],
)
def test_what_can_not_be_built_says_why(
    place: Place, readme: str, app: str | None, stage: Stage, message: str
):
    """
    A wrong header and a missing app file end in the Hub's own stages, with a text that names the fault.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, app, README=readme)
        runtime = await shop.until(repo, stage)
        assert runtime["errorMessage"].startswith(message)
        assert message in shop.log(repo, "build")

    in_workshop(place, story)


def test_app_that_exits_at_start_tells_its_last_words(place: Place):
    """
    An app that ends before it answers is a RUNTIME_ERROR with its exit code and the end of its log.
    """

    async def story(shop: Workshop) -> str:
        repo = shop.space()
        shop.push(repo, "import sys; print('no model here'); sys.exit(3)")
        return str((await shop.until(repo, Stage.RUNTIME_ERROR))["errorMessage"])

    assert in_workshop(place, story) == "Exit code: 3. Reason: no model here"


def test_log_of_an_app_that_exits_ends_with_why(place: Place):
    """
    The log's last line repeats the traceback's last line, which says why, not its first.
    """

    async def story(shop: Workshop) -> str:
        repo = shop.space()
        shop.push(repo, "import no_such_thing")
        await shop.until(repo, Stage.RUNTIME_ERROR)
        return shop.log(repo, "run").rstrip().splitlines()[-1]

    reason = "ModuleNotFoundError: No module named 'no_such_thing'"
    assert in_workshop(place, story) == f"[spacehand] Exit code: 1. Reason: {reason}"


def test_one_good_answer_is_no_health(place: Place):
    """
    An app that answers 200 once and then dies of it never counts as running.
    """
    source = server(
        'self.say("hello"); self.wfile.flush(); threading.Timer(0.05, lambda: os._exit(7)).start()',
        before="import threading",
    )

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, source)
        runtime = await shop.until(repo, Stage.RUNTIME_ERROR)
        assert runtime["errorMessage"].startswith("Exit code: 7.")
        assert "RUNNING" not in [stage for _, stage in shop.runner.stages(repo)]

    in_workshop(place, story, pace=Pace(0.02, 0.5))


def test_wrong_port_is_told_long_before_the_time_is_up(place: Place):
    """
    An app that waits at another port is a RUNTIME_ERROR that names both ports.
    """

    async def story(shop: Workshop) -> str:
        repo = shop.space()
        shop.push(repo, server(port="8123"))
        return str((await shop.until(repo, Stage.RUNTIME_ERROR))["errorMessage"])

    assert in_workshop(place, story) == "The app listens on port 8123, but the Space expects 7860"


def test_start_ends_with_the_time_the_header_gives(place: Place):
    """
    `startup_duration_timeout` bounds the start of an app that never listens.
    """

    async def story(shop: Workshop) -> str:
        repo = shop.space()
        shop.push(repo, "import time; time.sleep(600)", more="startup_duration_timeout: 1s\n")
        return str((await shop.until(repo, Stage.RUNTIME_ERROR))["errorMessage"])

    assert in_workshop(place, story) == "Launch timed out, workload was not healthy after 1 s"


def test_crashed_app_comes_back_a_few_times(place: Place):
    """
    An app that ends while running is started again; one that keeps ending becomes a RUNTIME_ERROR.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        sha = shop.push(repo, server(CRASH))
        await shop.until(repo, Stage.RUNNING, sha=sha)
        for times in (2, 3):
            await shop.get(repo, "/crash")
            await shop.until_times(repo, Stage.RUNNING, times)
        await shop.get(repo, "/crash")
        runtime = await shop.until(repo, Stage.RUNTIME_ERROR)
        assert runtime["errorMessage"].startswith("Exit code: 9.")
        assert (await shop.get(repo))[0] == 503

    in_workshop(place, story)


def test_too_much_memory_is_137_and_hurts_nobody_else(place: Place):
    """
    The app that outgrows its hardware is killed and says so; its neighbour goes on answering.
    """
    small = Hardware("cpu-basic", memory="200Mi")
    greedy = 'self.say(str(len(hold := bytearray(400_000_000))) if self.path == "/eat" else "up")'

    async def story(shop: Workshop) -> None:
        hog, neighbour = shop.space("hog"), shop.space("neighbour")
        for repo in (hog, neighbour):
            shop.push(repo, server(f"global hold; {greedy}" if repo is hog else 'self.say("up")'))
            await shop.until(repo, Stage.RUNNING)
        await shop.get(hog, "/eat")
        runtime = await shop.until(hog, Stage.RUNTIME_ERROR)
        assert runtime["errorMessage"] == "Memory limit exceeded (200Mi)"
        assert "exit code 137" in shop.log(hog)
        assert await shop.get(neighbour) == (200, "up")

    in_workshop(place, story, hardware=lambda _flavor: small)


def test_pause_stops_until_restart(place: Place):
    """
    A paused Space answers 503 and only remembers pushes; restart brings the newest commit.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, server('self.say("one")'))
        await shop.until(repo, Stage.RUNNING)
        await shop.runner.pause(repo)
        runtime = shop.runner.runtime(repo)
        assert (runtime["stage"], runtime["hardware"]["current"]) == ("PAUSED", None)
        assert (await shop.get(repo))[0] == 503
        second = shop.push(repo, server('self.say("two")'))
        assert shop.runner.runtime(repo)["stage"] == "PAUSED"
        await shop.runner.restart(repo)
        await shop.until(repo, Stage.RUNNING, sha=second)
        assert await shop.get(repo) == (200, "two")

    in_workshop(place, story)


def test_factory_restart_builds_anew(place: Place):
    """
    A plain restart keeps what is built; a factory one builds without it.
    """

    async def story(shop: Workshop) -> list[bool]:
        repo = shop.space()
        sha = shop.push(repo, server())
        await shop.until(repo, Stage.RUNNING, sha=sha)
        for factory, stage in ((False, "RUNNING_APP_STARTING"), (True, "RUNNING_BUILDING")):
            await shop.runner.restart(repo, factory=factory)
            await shop.until(repo, Stage.RUNNING, sha=sha)
            assert stage in [seen for _, seen in shop.runner.stages(repo)][-3:]
        return shop.builder.factory

    assert in_workshop(place, story) == [False, False, True]


def test_changed_secret_reaches_the_app_and_nothing_else(place: Place):
    """
    A new secret restarts the app with it; no log, state or file of the Hub holds its value.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, server('self.say(os.environ.get("TOKEN", "none"))'))
        await shop.until(repo, Stage.RUNNING)
        assert await shop.get(repo) == (200, "none")
        shop.hub.spaces.set_secret(repo, Entry("TOKEN", "s3cr3t-value"))
        await shop.runner.settings_changed(repo)
        assert shop.runner.runtime(repo)["stage"] == "RUNNING_APP_STARTING"
        await shop.until(repo, Stage.RUNNING)
        assert await shop.get(repo) == (200, "s3cr3t-value")
        assert "s3cr3t" not in shop.log(repo) + shop.log(repo, "build") + str(shop.runner.runtime(repo))
        for path in (path for path in place.root.rglob("*") if path.is_file()):
            assert b"s3cr3t-value" not in path.read_bytes(), path

    in_workshop(place, story)


def test_name_that_is_variable_and_secret_is_refused(place: Place):
    """
    The Hub does not start a Space whose variable and secret share a name.
    """

    async def story(shop: Workshop) -> str:
        repo = shop.space()
        shop.hub.spaces.set_secret(repo, Entry("KEY", "a"))
        shop.hub.spaces.set_variable(repo, Entry("KEY", "b"))
        shop.push(repo, server())
        return str((await shop.until(repo, Stage.CONFIG_ERROR))["errorMessage"])

    assert in_workshop(place, story) == "Collision on variables and secrets names: KEY"


def test_hub_that_comes_back_brings_its_spaces(place: Place):
    """
    After a stop, what ran runs again, what was paused is paused, what failed still says why.
    """

    async def before(shop: Workshop) -> list[tuple[Any, Any]]:
        repos = [shop.space(name) for name in ("runs", "rests", "fails")]
        for repo in repos:
            shop.push(repo, server() if repo is not repos[2] else "raise SystemExit(5)")
        await shop.until(repos[0], Stage.RUNNING)
        await shop.until(repos[1], Stage.RUNNING)
        await shop.until(repos[2], Stage.RUNTIME_ERROR)
        await shop.runner.pause(repos[1])
        return [(repo, shop.log(repo)) for repo in repos]

    async def after(shop: Workshop) -> None:
        (runs, _), (rests, log), (fails, words) = kept
        await shop.until(runs, Stage.RUNNING)
        assert await shop.get(runs) == (200, "hello")
        assert shop.runner.runtime(rests)["stage"] == "PAUSED"
        assert shop.log(rests) == log
        assert shop.runner.runtime(fails)["errorMessage"].startswith("Exit code: 5.")
        assert shop.log(fails) == words

    kept = in_workshop(place, before)
    in_workshop(place, after)


def test_push_that_the_runner_never_heard_of_is_built(place: Place):
    """
    A Hub killed between a commit and its announcement builds that commit when it starts.
    """

    async def before(shop: Workshop) -> Any:
        repo = shop.space()
        shop.push(repo, server('self.say("one")'))
        await shop.until(repo, Stage.RUNNING)
        shop.hub.pushed = []
        shop.push(repo, server('self.say("two")'))
        return repo

    async def after(shop: Workshop) -> None:
        await shop.until(repo, Stage.RUNNING)
        assert await shop.get(repo) == (200, "two")

    repo = in_workshop(place, before)
    in_workshop(place, after)


def test_static_space_is_served_without_a_process(place: Place):
    """
    A static Space is its files; its runtime names no commit, as on the Hub.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(
            repo, None, README="---\nsdk: static\napp_file: page.html\n---\n", **{"page.html": "<p>still</p>"}
        )
        runtime = await shop.until(repo, Stage.RUNNING)
        assert "sha" not in runtime
        assert shop.runner.describe(repo)["sdk"] == "static"
        status, text = await shop.get(repo)
        assert (status, "<p>still</p>" in text) == (200, True)

    in_workshop(place, story)


@pytest.mark.parametrize("sdk", ["static", "gradio"])
def test_other_websites_do_not_embed_what_forbids_it(place: Place, sdk: str):
    """
    With `disable_embedding` only the Space's own page has the app in a frame; an app's own policy and the
    card's `custom_headers` go with it.
    """
    policy = "default-src *"
    said = f'self.send_header("Content-Security-Policy", "{policy}")'
    answer = f"self.send_response(204); {said}; self.end_headers()"
    app = server(answer) if sdk == "gradio" else None
    card = "disable_embedding: true\ncustom_headers:\n  cross-origin-opener-policy: same-origin\n"
    readme = f"---\nsdk: {sdk}\nsdk_version: 6.31.0\n{card}---\n"

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, app, README=readme, **{"index.html": "ok"})
        await shop.until(repo, Stage.RUNNING)
        async with shop.web.get(shop.runner.app_url(repo)) as answer:
            policies = answer.headers.getall("Content-Security-Policy")
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert policies.pop() == "frame-ancestors 'self' http://127.0.0.1:7870 http://localhost:7870"
        assert policies == ([policy] if app else [])

    in_workshop(place, story)


def test_rename_takes_the_app_and_its_logs_along(place: Place):
    """
    After a move the app runs under the new name, and knows it.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, server('self.say(os.environ["SPACE_ID"])'))
        await shop.until(repo, Stage.RUNNING)
        moved = shop.hub.repos.move(repo, RepoId("ada", "other"))
        shop.runner.renamed(repo, moved)
        for _ in itertools.count():
            status, text = await shop.get(moved)
            if (status, text) == (200, "ada/other"):
                break
            await asyncio.sleep(0.02)
        assert "Build Queued" in shop.log(moved, "build")
        assert not place.space(repo.id).exists()

    in_workshop(place, story)


def test_delete_leaves_no_process_and_no_file(place: Place):
    """
    Deleting a Space ends its app and removes its folder.
    """

    async def story(shop: Workshop) -> Path:
        others = set(psutil.Process().children(recursive=True))  # a Hub that other tests share
        repo = shop.space()
        shop.push(repo, server())
        await shop.until(repo, Stage.RUNNING)
        assert set(psutil.Process().children(recursive=True)) - others
        shop.hub.repos.delete(repo)
        await shop.runner.delete(repo)
        assert set(psutil.Process().children(recursive=True)) <= others
        return place.space(repo.id)

    assert not in_workshop(place, story).exists()


def test_no_start_leaves_its_files_behind(place: Place):
    """
    After three starts and a stop, no replica's folder or socket is left.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        for number in range(3):
            sha = shop.push(repo, server(f'self.say("{number}")'))
            await shop.until(repo, Stage.RUNNING, sha=sha)

    in_workshop(place, story)
    assert list(place.spaces.glob("*/*/replicas/*")) == []
    assert list(place.sockets.iterdir()) == []


def test_since_tells_when_the_stage_of_this_commit_began(place: Place):
    """
    `since` moves with the stage and with each push, and stays while nothing changes.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, server(), requirements_txt="wait")
        first = shop.runner.runtime(repo)["spacehand"]["since"]
        await asyncio.sleep(0.005)  # the clock shows milliseconds
        shop.push(repo, server('self.say("two")'), requirements_txt="wait")
        second = shop.runner.runtime(repo)["spacehand"]["since"]
        shop.builder.go.set()
        running = (await shop.until(repo, Stage.RUNNING))["spacehand"]["since"]
        assert first < second < running
        await shop.runner.settings_changed(shop.space("other"))
        assert shop.runner.runtime(repo)["spacehand"]["since"] == running

    in_workshop(place, story)


def test_metrics_tell_what_the_app_uses(place: Place):
    """
    A hundred megabytes and a busy processor are seen; the limit is the hardware's.
    """
    busy = "import threading\nhold = b'x' * 100_000_000\ndef spin():\n    while True: pass\n"
    busy += "threading.Thread(target=spin, daemon=True).start()"

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, server(before=busy))
        await shop.until(repo, Stage.RUNNING)
        found = await anext(aiter(shop.runner.metrics(repo)))
        assert found["cpu_usage_pct"] > 5
        assert 100_000_000 < found["memory_used_bytes"] < found["memory_total_bytes"] == 16 << 30
        assert found["cpu_millicores"] == 2000

    in_workshop(place, story, pace=replace(QUICK, between_measures=0.2))
