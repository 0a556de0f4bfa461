"""Ten Spaces on one machine, and one that wants everything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from tests import needs
from tests.localhub.runner.conftest import server
from tests.localhub.runner.workshop import Workshop, workshop

from spacehand.localhub.repos.store import Repo
from spacehand.localhub.runner.engines import fence
from spacehand.localhub.runner.engines.process import ProcessEngine
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.runner.environment import Hardware
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

SMALL = Hardware("cpu-basic", memory="200Mi", disk="20M")
APP = server(
    'global hold; self.say(eat() if self.path == "/eat" else fill() if self.path == "/fill" else "up")',
    before="""
def eat():
    return str(len(hold := bytearray(400_000_000)))
def fill():
    open("/tmp/all", "wb").write(os.urandom(40_000_000))
    return "full"
""",
)


@dataclass
class Load:
    """One who asks every Space of some again and again, and what was answered otherwise than it should."""

    shop: Workshop
    spaces: list[Repo]
    asked: int = 0
    wrong: list[object] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            for repo in self.spaces:
                answer = await self.shop.get(repo)
                self.asked += 1
                if answer != (200, "up"):
                    self.wrong.append((repo.id, answer))
            await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/eat", "Memory limit exceeded (200Mi)"),
        ("/fill", "Workload evicted, storage limit exceeded (20M)"),
    ],
)
def test_ten_spaces_and_a_hog(place: Place, path: str, said: str):
    """
    The one that takes more than its hardware has ends with 137 and is not started again; ten others answer
    throughout.
    """
    needs.bwrap()

    async def story() -> None:
        async with workshop(place, engine=SandboxEngine(), hardware=lambda _flavor: SMALL) as shop:
            spaces = [shop.space(f"space-{number}") for number in range(11)]
            for repo in spaces:
                shop.push(repo, APP)
            for repo in spaces:
                await shop.until(repo, Stage.RUNNING)
            hog, *others = spaces
            load = Load(shop, others)
            asking = asyncio.create_task(load.run())
            greed = asyncio.create_task(shop.get(hog, path))

            runtime = await shop.until(hog, Stage.RUNTIME_ERROR)

            before = load.asked
            while load.asked < before + 2 * len(others):  # noqa: ASYNC110 - the load counts, nobody rings
                await asyncio.sleep(0.01)
            asking.cancel()
            assert runtime["errorMessage"] == said
            assert "exit code 137" in shop.log(hog)
            assert load.wrong == []
            await asyncio.gather(greed, asking, return_exceptions=True)

    asyncio.run(story())


def test_fidelity_tells_what_nothing_holds(monkeypatch: pytest.MonkeyPatch):
    """
    Where control groups cannot be made, the Space's differences say so.
    """
    monkeypatch.setattr(fence, "usual", lambda: None)
    told = asyncio.run(ProcessEngine().capabilities()).differences
    assert any("watched and not fenced" in difference for difference in told)


def test_a_gpu_that_is_not_there_is_refused_or_pretended(place: Place):
    """
    A flavour with a GPU does not start where no engine has one, unless the Hub may pretend; that shows.
    """

    async def story() -> None:
        async with workshop(place) as shop:
            repo = shop.space()
            shop.hub.spaces.request_hardware(repo, "l4x4")
            shop.push(repo, server())
            runtime = await shop.until(repo, Stage.RUNTIME_ERROR)
            assert runtime["errorMessage"].startswith(
                "Scheduling failure: unable to schedule. `l4x4` has 4 x L4, and no engine of this Hub gives"
            )
            assert "--pretend-hardware" in runtime["errorMessage"]

            shop.hub.pretend_hardware = True
            await shop.runner.restart(repo)

            runtime = await shop.until(repo, Stage.RUNNING)
            assert runtime["hardware"]["current"] == "l4x4"
            label = "`l4x4` is pretended: the app runs on this machine's processor"
            assert label in runtime["spacehand"]["differences"]
            assert f"[spacehand] {label}" in shop.log(repo)

    asyncio.run(story())
