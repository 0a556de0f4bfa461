"""Several replicas of one Space."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil
import pytest
from tests.localhub.runner.conftest import ask, server
from tests.localhub.runner.workshop import Workshop, workshop

from spacehand.localhub.repos.store import Repo
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

PID = "self.say(str(os.getpid()))"


def in_workshop(place: Place, story: Callable[[Workshop], Awaitable[Any]], **options: Any) -> None:
    async def told() -> None:
        async with workshop(place, **options) as shop:
            await story(shop)

    asyncio.run(told())


async def running(shop: Workshop, replicas: int, source: str = "") -> Repo:
    """Return a Space on paid hardware of which *replicas* answer."""
    repo = shop.space()
    shop.hub.spaces.request_hardware(repo, "cpu-upgrade")
    shop.hub.spaces.set_replicas(repo, replicas)
    shop.push(repo, source or server(PID))
    await until(shop, repo, replicas)
    return repo


async def scale(shop: Workshop, repo: Repo, replicas: int) -> None:
    shop.hub.spaces.set_replicas(repo, replicas)
    await shop.runner.replicas_changed(repo)
    await until(shop, repo, replicas)


async def until(shop: Workshop, repo: Repo, replicas: int, *, without: str = "") -> dict[str, Any]:
    """Return the runtime once so many answer, none of them the one called *without*."""
    async for _ in shop.runner.events(repo):
        state = shop.runner._space(repo).state
        assert not state.stage.is_error, state
        is_up = state.stage is Stage.RUNNING and len(state.replicas) == replicas
        if is_up and without not in state.replicas:
            runtime = shop.runner.runtime(repo)
            assert runtime["replicas"] == {"current": replicas, "requested": replicas}
            return runtime
    raise AssertionError


async def pids(shop: Workshop, repo: Repo) -> dict[str, int]:
    """Return the processes of those who serve, by the replicas' names, oldest first; each is asked itself."""
    fleet = shop.runner._space(repo)._duty.serving
    assert fleet is not None
    return {one.token: int(await ask(one.app)) for one in fleet.members if one.app is not None}


@dataclass
class Load:
    """Visitors who ask and ask, and what they saw."""

    failed: list[tuple[int, str]] = field(default_factory=list)
    moves: list[list[str]] = field(default_factory=list)  # of each visitor, who answered in turn
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, url: str, met: list[str]) -> None:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            while True:
                async with client.get(url) as answer:
                    text = await answer.text()
                if answer.status != 200:
                    self.failed.append((answer.status, text))
                elif met[-1:] != [text]:
                    met.append(text)
                self.news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return once *is_so*."""
        while not is_so():
            self.news.clear()
            await self.news.wait()


@asynccontextmanager
async def under_load(shop: Workshop, repo: Repo, visitors: int = 4) -> Any:
    load = Load(moves=[[] for _ in range(visitors)])
    asking = [asyncio.create_task(load.ask(shop.runner.app_url(repo), met)) for met in load.moves]
    try:
        yield load
    finally:
        for task in asking:
            task.cancel()
        for task in asking:
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.slow
def test_replicas_come_and_go_without_a_failed_request(place: Place):
    """
    From one to three and, after a push, back to one: only the difference starts or ends, no request fails,
    and a visitor moves only when his replica does.
    """

    async def story(shop: Workshop) -> None:
        repo = await running(shop, 1)
        (first,) = (await pids(shop, repo)).values()
        async with under_load(shop, repo) as load:
            await scale(shop, repo, 3)
            three = list((await pids(shop, repo)).values())
            assert three[0] == first
            assert load.moves == [[str(first)]] * 4
            assert {int((await shop.get(repo))[1]) for _ in range(20)} >= set(three[1:])

            sha = shop.push(repo, server("self.say(str(os.getpid()))  # two"))
            await shop.until(repo, Stage.RUNNING, sha=sha)
            last, *others = (await pids(shop, repo)).values()
            assert len(others) == 2
            assert {last, *others}.isdisjoint(three)

            await scale(shop, repo, 1)
            assert list((await pids(shop, repo)).values()) == [last]
            await load.until(lambda: all(met[-1] == str(last) for met in load.moves))
        assert load.failed == []
        assert all(len(met) <= 3 for met in load.moves)
        assert "APP_STARTING" not in [stage for _, stage in shop.runner.stages(repo)][3:]
        await shop.runner._space(repo)._duty.finish()
        assert [psutil.pid_exists(pid) for pid in others] == [False, False]

    in_workshop(place, story)


@pytest.mark.slow
def test_a_killed_replica_fails_no_request_and_is_replaced(place: Place):
    """
    One of two is killed with SIGKILL: the Space stays RUNNING, its visitors go to the other, all requests are
    answered, and another takes its place.
    """

    async def story(shop: Workshop) -> None:
        repo = await running(shop, 2)
        (token, one), (_, two) = (await pids(shop, repo)).items()
        stages = shop.runner.stages(repo)
        async with under_load(shop, repo) as load:
            await load.until(lambda: all(load.moves))
            assert sorted(met[0] for met in load.moves) == sorted(map(str, (one, one, two, two)))
            psutil.Process(one).kill()
            await until(shop, repo, 2, without=token)
            kept, another = (await pids(shop, repo)).values()
            assert kept == two
            assert another != one
            await load.until(lambda: all(met[-1] != str(one) for met in load.moves))
        assert load.failed == []
        assert sorted(load.moves) == sorted([[str(one), str(two)]] * 2 + [[str(two)]] * 2)
        assert shop.runner.stages(repo) == stages
        assert "a replica ended, 1 left" in shop.log(repo)

    in_workshop(place, story)


@pytest.mark.slow
def test_the_last_replica_that_ends_is_brought_back_with_the_others(place: Place):
    """
    When all replicas are killed the Space starts again, as with one, and has as many as before.
    """

    async def story(shop: Workshop) -> None:
        repo = await running(shop, 2)
        for pid in (await pids(shop, repo)).values():
            psutil.Process(pid).kill()
        await shop.until_times(repo, Stage.APP_STARTING, 2)
        await until(shop, repo, 2)
        assert len(await pids(shop, repo)) == 2

    in_workshop(place, story)


@pytest.mark.slow
def test_all_replicas_sleep_wake_and_pause_together(place: Place):
    """
    Both are frozen, both answer when one is asked for, as the same processes, and none is left of a pause;
    what was set meanwhile holds when they wake.
    """

    async def story(shop: Workshop) -> None:
        repo = await running(shop, 2)
        both = await pids(shop, repo)
        await shop.runner.sleep(repo)
        assert shop.runner.runtime(repo)["replicas"] == {"current": None, "requested": 2}
        for pid in both.values():
            # The signal is sent; the kernel delivers it a moment later.
            while psutil.Process(pid).status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        assert (await shop.get(repo))[0] == 200
        assert await pids(shop, repo) == both

        await shop.runner.sleep(repo)
        shop.hub.spaces.set_replicas(repo, 3)
        await shop.runner.replicas_changed(repo)
        assert (await shop.get(repo))[0] == 200
        await until(shop, repo, 3)
        three = await pids(shop, repo)
        assert both.items() < three.items()

        found = set()
        async for told in shop.runner.metrics(repo):
            found.add(told["replica"])
            if len(found) == 3:
                break
        assert found == set(three)

        await shop.runner.pause(repo)
        assert shop.runner.runtime(repo)["replicas"] == {"current": None, "requested": 3}
        assert not any(psutil.pid_exists(pid) for pid in three.values())

    in_workshop(place, story)


@pytest.mark.slow
def test_free_hardware_has_one_replica(place: Place):
    """
    A Space that goes back to `cpu-basic` has one replica there, and also afterwards.
    """

    async def story(shop: Workshop) -> None:
        repo = await running(shop, 2)
        for flavor in ("cpu-basic", "cpu-upgrade"):
            shop.hub.spaces.request_hardware(repo, flavor)
            await shop.runner.settings_changed(repo)
            runtime = await until(shop, repo, 1)
            assert runtime["hardware"]["current"] == flavor
            assert runtime["replicas"] == {"current": 1, "requested": 1}

    in_workshop(place, story)
