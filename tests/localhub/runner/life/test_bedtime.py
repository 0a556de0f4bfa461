"""Sleep in two steps, and waking once for everybody."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import psutil
import pytest
from tests.localhub.runner.conftest import server
from tests.localhub.runner.workshop import Workshop, workshop

from spacehand.localhub.repos.store import Repo
from spacehand.localhub.runner.life.bedtime import Bedtime, Rest
from spacehand.localhub.spaces.store import Entry
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

PID = "self.say(str(os.getpid()))"


@dataclass
class Night:
    """The clock and the memory that decide about sleep."""

    time: float = 1e12
    free: float = 1.0

    @property
    def rest(self) -> Rest:
        return Rest(3600, 60, 0.1, lambda: self.free, lambda: self.time)


def in_workshop(place: Place, story: Callable[[Workshop], Awaitable[Any]]) -> None:
    async def told() -> None:
        async with workshop(place) as shop:
            await story(shop)

    asyncio.run(told())


async def running(shop: Workshop, source: str = "") -> tuple[Repo, psutil.Process]:
    """Return a Space and the process that answers for it."""
    repo = shop.space()
    shop.push(repo, source or server(PID))
    await shop.until(repo, Stage.RUNNING)
    return repo, psutil.Process(int((await shop.get(repo))[1]))


def starts(shop: Workshop, repo: Repo) -> int:
    return [stage for _, stage in shop.runner.stages(repo)].count("APP_STARTING")


@pytest.mark.parametrize("is_deep", [False, True])
def test_fifty_requests_wake_a_sleeping_space_once(place: Place, is_deep: bool):
    """
    Fifty requests to a sleeping Space are all answered, by the same app if it was frozen, else by one start.
    """

    async def story(shop: Workshop) -> None:
        repo, app = await running(shop)
        await shop.runner.sleep(repo)
        if is_deep:
            await shop.runner._space(repo).deepen()
        assert shop.runner.runtime(repo)["stage"] == "SLEEPING"
        assert app.is_running() is not is_deep

        answers = await asyncio.gather(*(shop.get(repo) for _ in range(50)))

        assert len(set(answers)) == 1
        assert answers[0][0] == 200
        assert (answers[0][1] == str(app.pid)) is not is_deep
        assert starts(shop, repo) == 1 + is_deep
        assert shop.runner.runtime(repo)["stage"] == "RUNNING"

    in_workshop(place, story)


def test_paused_while_it_wakes_nothing_goes_on(place: Place):
    """
    A Space that is paused just while a request wakes its frozen app is paused, and the app ends.
    """

    async def story(shop: Workshop) -> None:
        repo, app = await running(shop)
        await shop.runner.sleep(repo)
        space = shop.runner._space(repo)

        woken, _ = await asyncio.gather(space.rouse(), space.rest(Stage.PAUSED))

        assert not woken
        assert shop.runner.runtime(repo)["stage"] == "PAUSED"
        assert not space.is_serving
        assert not app.is_running()
        assert (await shop.get(repo))[0] == 503

    in_workshop(place, story)


def test_settings_changed_while_it_wakes_are_the_apps(place: Place):
    """
    Settings that change just while a request wakes a frozen app are those of the app that goes on.
    """

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, server('self.say(os.environ.get("TOLD", "nothing"))'))
        await shop.until(repo, Stage.RUNNING)
        await shop.runner.sleep(repo)
        shop.hub.spaces.set_variable(repo, Entry("TOLD", "something"))
        await asyncio.gather(shop.runner._space(repo).rouse(), shop.runner.settings_changed(repo))
        await shop.until(repo, Stage.RUNNING)
        assert await shop.get(repo) == (200, "something")

    in_workshop(place, story)


def test_who_waits_for_a_space_that_is_deleted_is_told(place: Place):
    """
    A Space that is deleted while a request wakes it keeps nobody waiting.
    """

    async def story(shop: Workshop) -> None:
        shop.builder.go.set()
        repo = shop.space()
        shop.push(repo, server(PID), requirements_txt="wait")
        await shop.until(repo, Stage.RUNNING)
        shop.builder.go.clear()
        await shop.runner.sleep(repo)
        await shop.runner._space(repo).deepen()
        asking = asyncio.create_task(shop.get(repo))
        await shop.until(repo, Stage.APP_STARTING)

        await shop.runner.delete(repo)

        assert (await asyncio.wait_for(asking, 30))[0] == 503

    in_workshop(place, story)


def test_an_idle_app_is_frozen_and_ended_later(place: Place):
    """
    An idle app is frozen, keeps its memory for a while, and is ended then; the Space sleeps all the time.
    """

    async def story(shop: Workshop) -> None:
        repo, app = await running(shop)
        night = Night()
        bedtime = Bedtime(shop.hub, lambda: [shop.runner._space(repo)], night.rest)
        await bedtime.look()
        assert shop.runner.runtime(repo)["stage"] == "SLEEPING"
        night.time += 59
        await bedtime.look()
        assert app.is_running()
        night.time += 1
        await bedtime.look()
        assert not app.is_running()
        assert shop.runner.runtime(repo)["stage"] == "SLEEPING"

    in_workshop(place, story)


def test_one_that_cannot_be_frozen_keeps_nobody_awake(place: Place, monkeypatch: pytest.MonkeyPatch):
    """
    Where freezing an app fails, the other Spaces sleep all the same, and it is tried again at the next look.
    """

    async def story(shop: Workshop) -> None:
        repo, app = await running(shop)
        other = shop.space("other")
        shop.push(other, server())
        await shop.until(other, Stage.RUNNING)
        spaces = [shop.runner._space(one) for one in (repo, other)]
        bedtime = Bedtime(shop.hub, lambda: spaces, Night().rest)
        with monkeypatch.context() as broken:
            nobody = 2**22 + 1  # no process has such a number
            broken.setattr(spaces[0], "sleep", lambda: asyncio.to_thread(os.kill, nobody, 0))
            await bedtime.look()
        stages = [shop.runner.runtime(one)["stage"] for one in (repo, other)]
        assert stages == ["RUNNING", "SLEEPING"]
        await bedtime.look()
        assert shop.runner.runtime(repo)["stage"] == "SLEEPING"
        assert app.is_running()

    in_workshop(place, story)


def test_frozen_apps_give_their_memory_up_when_it_is_short(place: Place):
    """
    While the machine has little memory left, what is frozen is ended at once; what answers is left alone.
    """

    async def story(shop: Workshop) -> None:
        repo, app = await running(shop)
        other = shop.space("other")
        shop.push(other, server())
        await shop.until(other, Stage.RUNNING)
        await shop.runner.sleep(repo)
        night = replace(Night(), time=0, free=0.05)
        spaces = [shop.runner._space(one) for one in (repo, other)]
        await Bedtime(shop.hub, lambda: spaces, night.rest).look()
        assert not app.is_running()
        assert (await shop.get(other))[0] == 200

    in_workshop(place, story)


def test_a_frozen_app_never_wakes_with_old_settings(place: Place):
    """
    A variable that changes while the app is frozen is there when the Space wakes.
    """

    async def story(shop: Workshop) -> None:
        repo, _ = await running(shop, server("self.say(os.environ.get('WORD', str(os.getpid())))"))
        await shop.runner.sleep(repo)
        shop.hub.spaces.set_variable(repo, Entry("WORD", "new"))
        await shop.runner.settings_changed(repo)
        assert shop.runner.runtime(repo)["stage"] == "SLEEPING"
        assert await shop.get(repo) == (200, "new")

    in_workshop(place, story)


def test_a_push_replaces_a_frozen_app(place: Place):
    """
    A push to a Space that sleeps builds and runs it, and the frozen app of before is ended.
    """

    async def story(shop: Workshop) -> None:
        repo, app = await running(shop)
        await shop.runner.sleep(repo)
        sha = shop.push(repo, server("self.say('two')"))
        await shop.until(repo, Stage.RUNNING, sha=sha)
        assert await shop.get(repo) == (200, "two")
        assert not app.is_running()

    in_workshop(place, story)


def test_a_frozen_app_that_was_killed_is_started_anew(place: Place):
    """
    When something else kills a frozen app, the Space goes on sleeping and starts when it is asked for.
    """

    async def story(shop: Workshop) -> None:
        repo, app = await running(shop)
        await shop.runner.sleep(repo)
        app.kill()
        space = shop.runner._space(repo)
        while space.is_dozing:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        assert shop.runner.runtime(repo)["stage"] == "SLEEPING"
        assert (await shop.get(repo))[0] == 200
        assert starts(shop, repo) == 2

    in_workshop(place, story)


def test_pause_ends_a_frozen_app(place: Place):
    """
    A Space that is paused while it sleeps has no process left, and no request wakes it.
    """

    async def story(shop: Workshop) -> None:
        repo, app = await running(shop)
        await shop.runner.sleep(repo)
        await shop.runner.pause(repo)
        assert not app.is_running()
        assert (await shop.get(repo))[0] == 503

    in_workshop(place, story)


@pytest.mark.slow
def test_a_hub_that_stops_sends_home_who_waits(place: Place, caplog: pytest.LogCaptureFixture):
    """
    Whoever waits for an app that is just waking gets 503 when the Hub stops; nothing is left, nor logged.
    """
    slow = server(PID, before="import time\nif os.environ.get('SLOW'): time.sleep(600)")

    async def story(shop: Workshop) -> None:
        repo, _ = await running(shop, slow)
        await shop.runner.sleep(repo)
        shop.hub.spaces.set_variable(repo, Entry("SLOW", "1"))
        await shop.runner.settings_changed(repo)
        visit = asyncio.create_task(shop.get(repo))
        await shop.until(repo, Stage.APP_STARTING)
        await shop.hub.stop()
        assert (await visit)[0] == 503
        assert [said.getMessage() for said in caplog.records if said.exc_info] == []

    in_workshop(place, story)
