"""Many new versions under load."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from tests import needs
from tests.localhub.runner.conftest import server
from tests.localhub.runner.workshop import workshop

from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

PUSHES = 20


@pytest.mark.slow
@pytest.mark.sandbox
def test_twenty_pushes_fail_no_request(place: Place):
    """
    While twenty versions replace each other, some before the one under way is up, every request is answered,
    each asker sees versions in the order they were pushed, and the last one serves in the end.
    """
    needs.bwrap()

    async def story() -> tuple[list[int], list[list[int]]]:
        async with workshop(place, engine=SandboxEngine()) as shop:
            repo = shop.space()
            shop.push(repo, server('self.say("0")'))
            await shop.until(repo, Stage.RUNNING)
            failed: list[int] = []
            seen: list[list[int]] = [[] for _ in range(4)]

            async def ask(versions: list[int]) -> None:
                while not versions or versions[-1] != PUSHES:
                    status, text = await shop.get(repo)
                    if status == 200:
                        versions.append(int(text))
                    else:
                        failed.append(status)

            asking = [asyncio.create_task(ask(versions)) for versions in seen]
            for number in range(1, PUSHES + 1):
                sha = shop.push(repo, server(f'self.say("{number}")'))
                if number % 3:  # every third is overtaken by the next
                    await shop.until(repo, Stage.RUNNING, sha=sha)
            await asyncio.gather(*asking)
            return failed, seen

    failed, seen = asyncio.run(story())
    assert failed == []
    assert all(before <= after for versions in seen for before, after in itertools.pairwise(versions))
    assert all(len(set(versions)) > PUSHES // 2 for versions in seen)
