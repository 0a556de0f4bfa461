"""
The desk between pages and workers: takes orders, knows every visitor's jobs, and clears up.

A visitor is known by an unguessable word that only their browser keeps. What they upload and what comes of
it lies in a folder of their own, which is deleted when they say so, or after a time.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from spacehand_runtime import Cache, Job, Metrics, Queue, content_key

from .. import __version__
from ..data import Case, open_dataset
from ..engines import ENGINES, engine_called
from ..errors import DatasetError, EngineError
from ..segmentation import Result
from ..settings import Settings
from ..work import Order, carry_out
from .traces import delete_copies, delete_older_copies

_LOOK_EVERY = 60.0  # seconds, or a quarter of the time that is kept


class Desk:
    """Takes orders for the queue; *now* is the time in seconds, as files have it."""

    def __init__(self, settings: Settings, *, now: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._now = now
        self._queue = Queue(
            settings.workers,
            max_pending=200,
            keep=256,
            timeout=settings.timeout,
            memory=None,
            preload=["stroke_deepisles_demo.work"],
        )
        self._cohorts: dict[str, dict[str, str]] = {}  # visitor -> case -> id of its job
        self._done = Cache(ttl=settings.keep_minutes * 30, max_bytes="20MB")  # half as long as the files
        self.metrics.watch(cache=self._done, queue=self._queue)
        self.dataset = open_dataset(settings.dataset, cache=self._cases)
        self._sweeper: threading.Thread | None = None

    @property
    def _cases(self) -> Path:
        return self.settings.folder / "cases"

    def start(self) -> None:
        """Start the workers, and look every minute for what is too old."""
        self._queue.start()
        if self._sweeper is None:
            self._sweeper = threading.Thread(target=self._keep_sweeping, name="sweeper", daemon=True)
            self._sweeper.start()

    def engines(self) -> list[tuple[str, str, str | None]]:
        """Return name, description and, where there is one, refusal of each engine."""
        made = [engine_called(name) for name in ENGINES]
        return [(engine.name, engine.about, engine.refusal()) for engine in made]

    @property
    def preferred(self) -> str:
        """The engine that is chosen until somebody chooses another."""
        able = [name for name, _, refusal in self.engines() if refusal is None]
        wanted = self.settings.engine
        if wanted is not None:
            return engine_called(wanted).name
        return "voxel" if "voxel" in able else "threshold"

    def order_case(self, visitor: str, case_id: str | None, engine: str) -> Job[str]:
        """
        Take an order for a case of the dataset; whoever orders the same joins it.

        Raises:
            DatasetError: there is no such case.
            EngineError: the engine cannot run here.
            QueueFullError: too many wait.
        """
        if not case_id or case_id not in self.dataset.ids():
            raise DatasetError(f"There is no case `{case_id or ''}`", hint="Choose one of the list")
        self._check(engine)
        order = Order(
            engine,
            str(self.settings.folder / "results"),
            case_id,
            dataset=self.settings.dataset,
            cache=str(self._cases),
        )
        return self._queue.submit(_known_or_done, order, self._known(order), user=visitor, key=_key(order))

    def order_own(self, visitor: str, dwi: str | None, adc: str | None, engine: str) -> Job[str]:
        """
        Take an order for a visitor's own images, which are moved to the visitor's folder.

        Raises:
            DatasetError: one is missing.
            EngineError: the engine cannot run here.
            QueueFullError: too many wait.
        """
        if not dwi or not adc:
            missing = "DWI" if not dwi else "ADC map"
            raise DatasetError(f"The {missing} is missing", hint="Choose both files, `.nii` or `.nii.gz`")
        self._check(engine)
        folder = self.folder_of(visitor) / secrets.token_hex(8)
        folder.mkdir(parents=True, mode=0o700)
        dwi_here, adc_here = (_moved(path, folder / role) for path, role in ((dwi, "dwi"), (adc, "adc")))
        order = Order(engine, str(folder), "own-images", dwi=dwi_here, adc=adc_here)
        return self._queue.submit(carry_out, order, user=visitor)

    def order_cohort(self, visitor: str, count: int, engine: str) -> dict[str, Job[str]]:
        """
        Take orders for the first *count* cases, in the place of the visitor's cohort before; return them
        by case.

        Raises:
            EngineError: the engine cannot run here.
            QueueFullError: too many wait.
        """
        for job in self.cohort(visitor).values():
            job.cancel()
        ordered = {}
        for case_id in self.dataset.ids()[:count]:
            ordered[case_id] = self.order_case(f"{visitor} cohort", case_id, engine)
        self._cohorts[visitor] = {case_id: job.id for case_id, job in ordered.items()}
        return ordered

    def cohort(self, visitor: str) -> dict[str, Job[str]]:
        """Return the jobs of the visitor's cohort by case, as far as they are not forgotten."""
        known = {job.id: job for job in self._queue.jobs(f"{visitor} cohort")}
        wanted = self._cohorts.get(visitor, {})
        return {case_id: known[id_] for case_id, id_ in wanted.items() if id_ in known}

    def job(self, visitor: str) -> Job[str] | None:
        """Return the visitor's last job, also after their page was loaded anew."""
        jobs = self._queue.jobs(visitor)
        return jobs[-1] if jobs else None

    def jobs(self, visitor: str) -> list[Job[str]]:
        """Return all jobs of *visitor* that are not forgotten, the oldest first."""
        return self._queue.jobs(visitor)

    def find(self, job_id: str) -> Job[str]:
        """
        Return the job *job_id*.

        Raises:
            UnknownJobError: there is none.
        """
        return self._queue.job(job_id)

    def result(self, job: Job[str]) -> Result:
        """
        Return the result of a job that is settled.

        Raises:
            StrokeError: it failed, and this is why.
            DatasetError: it was deleted meanwhile.
            JobProblem: it was cancelled, took too long, or its process died.
        """
        folder = Path(job.result(timeout=0))
        try:
            result = Result.read(folder)
        except FileNotFoundError:
            raise DatasetError("This result was deleted", hint="Run the case once more") from None
        if job.key is not None:
            self._done.put(job.key, str(folder))
        return result

    def case(self, result: Result) -> Case:
        """Return the case that *result* is of, with its files as they are shown."""
        case_id = result.facts["case"]
        if case_id == "own-images":
            uploads = {path.name.split(".")[0]: path for path in result.folder.parent.glob("*.nii*")}
            return Case(case_id, uploads["dwi"], uploads["adc"])
        return self.dataset.case(case_id)

    def forget(self, visitor: str, uploads: Sequence[str] = ()) -> int:
        """
        Cancel what *visitor* waits for, delete their images and results, and return how many files went.
        """
        for job in (*self._queue.jobs(visitor), *self.cohort(visitor).values()):
            job.cancel()
        self._cohorts.pop(visitor, None)
        folder = self.folder_of(visitor)
        delete_copies([*folder.rglob("*"), *map(Path, uploads)])
        return _delete(folder)

    def sweep(self) -> int:
        """Delete what is older than is kept, and return how many files went."""
        oldest = self._now() - self.settings.keep_minutes * 60
        homes = [*self.settings.folder.glob("visitors/*/*"), *self.settings.folder.glob("results/*")]
        old = [home for home in homes if home.stat().st_mtime < oldest]
        # A copy may be younger than what it is a copy of: it was made when somebody looked once more.
        delete_copies(path for home in old for path in home.rglob("*"))
        return sum(map(_delete, old)) + delete_older_copies(self.settings.copies, oldest)

    def folder_of(self, visitor: str) -> Path:
        """Return where the images of *visitor* lie; the name does not give the visitor's word away."""
        name = hashlib.sha256(visitor.encode()).hexdigest()[:32]
        return self.settings.folder / "visitors" / name

    def close(self) -> None:
        """Cancel everything, and end the workers."""
        self._queue.close()

    def _check(self, engine: str) -> None:
        if refusal := engine_called(engine).refusal():
            raise EngineError(f"The engine `{engine}` cannot run here: {refusal}")

    def _known(self, order: Order) -> str | None:
        """Return the folder of a result that is there already."""
        folder: Any = self._done.get(_key(order))
        return folder if folder and (Path(folder) / "result.json").is_file() else None

    def _keep_sweeping(self) -> None:
        while True:
            time.sleep(min(_LOOK_EVERY, self.settings.keep_minutes * 15))
            with suppress(OSError):  # somebody deleted theirs meanwhile; the rest goes the next time
                self.sweep()


def _known_or_done(order: Order, known: str | None) -> str:
    return known or carry_out(order)


def _key(order: Order) -> str:
    """Return what results that may be shared are found by: dataset, case, engine and version of this app."""
    asked = replace(order, output="", cache=None)
    return content_key((__version__, asked.dataset, asked.case_id, asked.engine))


def _moved(path: str, target: Path) -> str:
    """Move an uploaded file to *target* with its own ending, and return where it is."""
    name = Path(path).name.lower()
    ending = next((end for end in (".nii.gz", ".nii") if name.endswith(end)), Path(name).suffix)
    moved = target.with_name(target.name + ending)
    shutil.copyfile(path, moved)
    return str(moved)


def _delete(folder: Path) -> int:
    count = sum(1 for path in folder.rglob("*") if path.is_file())
    shutil.rmtree(folder, ignore_errors=True)
    return count
