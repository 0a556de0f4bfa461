"""How long a visitor's images and results are kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio.processing_utils import save_file_to_cache
from stroke_deepisles_demo.errors import DatasetError
from stroke_deepisles_demo.settings import Settings
from stroke_deepisles_demo.ui.desk import Desk
from tests.apps.stroke_lesion.images import head, save

KEPT = 60 * 60  # seconds


class Clock:
    """The time, which tests move."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    settings = Settings(folder=tmp_path / "stroke", keep_minutes=KEPT / 60)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(settings.copies))
    desk = Desk(settings, now=clock.now)
    yield desk
    desk.close()


def files(desk: Desk) -> list[Path]:
    return [path for path in desk.settings.folder.rglob("*") if path.is_file() and "cases" not in path.parts]


def test_what_a_visitor_brought_goes_in_time(desk: Desk, clock: Clock, tmp_path: Path):
    """
    Images, result and the server's copies of them lie there until `KEEP_MINUTES` have passed; then no file is
    left, nor one of a life before, and the page says so.
    """
    made = head()
    dwi, adc = save(made.dwi, tmp_path / "dwi.nii.gz"), save(made.adc, tmp_path / "adc.nii.gz")
    job = desk.order_own("a visitor", str(dwi), str(adc), "threshold")
    job.result(timeout=120)

    clock.ahead = KEPT - 120
    assert desk.sweep() == 0
    result = desk.result(job)
    assert result.facts["volume_ml"] > 0
    assert len(files(desk)) >= 4
    copies = [save_file_to_cache(path, str(desk.settings.copies)) for path in (dwi, result.prediction)]
    left = desk.settings.copies / "of-a-life-before" / "adc.nii.gz"
    left.parent.mkdir()
    left.write_bytes(adc.read_bytes())
    assert desk.sweep() == 0
    assert all(Path(copy).is_file() for copy in copies)

    clock.ahead = KEPT + 120
    assert desk.sweep() >= 4
    assert files(desk) == []
    with pytest.raises(DatasetError, match="was deleted"):
        desk.result(job)


def test_a_visitor_may_delete_at_once(desk: Desk, tmp_path: Path):
    """
    What one visitor deletes is gone, and another's stays.
    """
    made = head()
    dwi, adc = save(made.dwi, tmp_path / "dwi.nii.gz"), save(made.adc, tmp_path / "adc.nii.gz")
    jobs = [desk.order_own(who, str(dwi), str(adc), "threshold") for who in ("one", "another")]
    for job in jobs:
        job.result(timeout=120)

    desk.forget("one")

    assert not desk.folder_of("one").exists()
    assert desk.result(jobs[1]).facts["case"] == "own-images"
    with pytest.raises(DatasetError, match="was deleted"):
        desk.result(jobs[0])
