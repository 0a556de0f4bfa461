"""The proof that a Space works: its page answers twice, and a real call gives what was expected."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacehand.deploy.gradio_call import GradioApp
from spacehand.deploy.web import Web
from spacehand.errors import UnhealthyError, WaitTimeoutError
from spacehand.progress import Progress, Report, silent
from spacehand.space.spec import Expect, ProbeSpec

_BETWEEN = 0.25  # seconds between two looks at the page
_SHOWN = 200  # characters of an answer in a message


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app gave to a real call."""

    value: Any
    seconds: float

    @property
    def weights_sha256(self) -> str | None:
        """The digest of the weights that made the answer, where the app tells it."""
        found = self.value.get("weights_sha256") if isinstance(self.value, Mapping) else None
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Probe:
    """How to prove one Space."""

    spec: ProbeSpec
    folder: Path  # where the files among the inputs lie
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # of a private Space

    @classmethod
    def from_spec(cls, spec: ProbeSpec, folder: Path, headers: Mapping[str, str] | None = None) -> Probe:
        """Return the proof that ``[probe]`` describes, with inputs from the built *folder*."""
        return cls(spec, folder, dict(headers or {}))

    def page(
        self,
        app_url: str,
        *,
        report: Report = silent,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """
        Return once the page has answered with success twice in a row.

        Raises:
            UnhealthyError: it did not within the probe's time-out; the last answer is in the message.
        """
        report(Progress("probe", f"Asking for {self.spec.path}"))
        end = now() + self.spec.timeout
        good, seen = 0, "nothing"
        last: Exception | None = None
        while good < 2:
            left = end - now()
            if left <= 0:
                raise self._no_page(app_url, seen) from last
            web = Web(app_url, timeout=min(left, max(5.0, self.spec.timeout / 4)), headers=self.headers)
            try:
                status, _ = web.get(self.spec.path)
                good, seen = (good + 1, "") if 200 <= status < 300 else (0, f"status {status}")
            except (UnhealthyError, WaitTimeoutError) as error:
                good, seen, last = 0, str(error), error
            if good < 2:
                sleep(_BETWEEN)

    def call(
        self,
        app_url: str,
        *,
        report: Report = silent,
        now: Callable[[], float] = time.monotonic,
    ) -> Answer | None:
        """
        Make a real call and return the answer; None when ``[probe]`` names no endpoint.

        Raises:
            UnhealthyError: the app failed, or the answer is not the expected one.
            WaitTimeoutError: there was none within the probe's time-out.
        """
        if self.spec.api is None:
            return None
        report(Progress("probe", f"Calling {self.spec.api}"))
        began = now()
        app = GradioApp(Web(app_url, timeout=self.spec.timeout, headers=self.headers, now=now))
        value = app.predict(self.spec.api, [self._input(item) for item in self.spec.inputs])
        if self.spec.expect is not None:
            check(value, self.spec.expect, where=app_url)
        return Answer(value, now() - began)

    def _input(self, item: object) -> object:
        """Return *item*, or the file of the built folder that it names."""
        if not isinstance(item, str) or not item:
            return item
        try:
            file = (self.folder / item).resolve()
            is_file = file.is_relative_to(self.folder.resolve()) and file.is_file()
        except (OSError, ValueError):
            return item  # a long text is no path
        return file if is_file else item

    def _no_page(self, app_url: str, seen: str) -> UnhealthyError:
        return UnhealthyError(
            f"The Space says it runs, but `{self.spec.path}` does not answer: {seen}",
            where=app_url,
            hint="Does the app listen on 0.0.0.0 and on the right port? See its run log",
        )


def check(value: Any, expect: Expect, *, where: str) -> None:
    """
    Check that *value* holds what is expected.

    Raises:
        UnhealthyError: it does not; the message shows what is there instead.
    """
    found = value
    for key in filter(None, expect.path.split(".")):
        try:
            found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError, TypeError, ValueError):
            raise UnhealthyError(f"The answer has no `{expect.path}`: {_shown(value)}", where=where) from None
    if expect.contains is not None and expect.contains.lower() not in _text(found).lower():
        raise UnhealthyError(f"The answer does not contain `{expect.contains}`: {_shown(found)}", where=where)
    if expect.equals is not None and found != expect.equals:
        raise UnhealthyError(f"The answer is not `{expect.equals}`: {_shown(found)}", where=where)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _shown(value: Any) -> str:
    text = _text(value)
    return f"`{text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}`"
