"""One Hub for the tests of a file; whatever a test rehearsed is over at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.localhub.faults.stage import Stage, open_stage


@pytest.fixture(scope="module")
def the_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("rehearsal") / "data") as stage:
        yield stage


@pytest.fixture
def stage(the_stage: Stage) -> Iterator[Stage]:
    yield the_stage
    the_stage.desk.clear()
