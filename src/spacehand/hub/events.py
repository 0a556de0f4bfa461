"""Follow a Space's runtime: by the event stream where there is one, else by looking slowly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from spacehand.errors import HubUnreachableError
from spacehand.hub._protocol import SpaceRuntime
from spacehand.stage import Stage

# Looks are this far apart at least: 100 in five minutes, of the 1,000 calls a free account has.
SLOWLY = 3.0  # seconds
# An event stream that is silent for so long is looked behind: proxies drop streams without a word.
SILENCE = 20.0  # seconds
_BAD_LOOKS = 8  # in a row; with the pauses between them about half a minute


class NoStreamError(Exception):
    """The Hub has no event stream here."""


Look = Callable[[], SpaceRuntime]
Stream = Callable[[float], Iterator[str]]  # seconds of silence after which it ends -> data of each event


def following(
    look: Look,
    stream: Stream,
    *,
    timeout: float,
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[SpaceRuntime]:
    """
    Yield the runtime at first, then whenever it changes, for *timeout* seconds at most.

    A look that fails is tried again; only a Hub that stays away for half a minute ends it.

    Raises:
        HubUnreachableError: the Hub stays away.
    """
    end = now() + timeout
    last: SpaceRuntime | None = None
    streaming = True
    while True:
        looked = now()
        seen = _patient_look(look, sleep)
        if seen != last:
            yield seen
            last = seen
        left = end - now()
        if left <= 0:
            return
        if streaming:
            try:
                for seen in _streamed(stream(min(left, SILENCE)), look):
                    if seen != last:
                        yield seen
                        last = seen
                    if now() >= end:
                        return
            except NoStreamError:
                streaming = False
            except HubUnreachableError:
                pass  # the stream broke: look again, then follow a new one
        sleep(max(0.0, min(SLOWLY - (now() - looked), end - now())))


def parse_runtime(raw: dict[str, Any]) -> SpaceRuntime:
    """Return the runtime that a Hub's JSON describes; what is unknown stays in ``raw``."""
    hardware = raw.get("hardware") or {}
    if not isinstance(hardware, dict):
        hardware = {"current": hardware, "requested": hardware}
    word = str(raw.get("stage") or "")
    return SpaceRuntime(
        stage=Stage(word),
        raw_stage=word,
        revision=raw.get("sha"),
        hardware=hardware.get("current"),
        requested_hardware=hardware.get("requested"),
        sleep_seconds=raw.get("gcTimeout"),
        error=raw.get("errorMessage"),
        raw=raw,
    )


def _streamed(events: Iterator[str], look: Look) -> Iterator[SpaceRuntime]:
    for data in events:
        try:
            body = json.loads(data)
        except ValueError:
            continue
        if isinstance(body, dict) and "stage" in body:
            yield parse_runtime(body)
        else:
            yield look()  # something happened, told in words we do not know


def _patient_look(look: Look, sleep: Callable[[float], None]) -> SpaceRuntime:
    for attempt in range(1, _BAD_LOOKS):
        try:
            return look()
        except HubUnreachableError:
            sleep(min(8.0, float(attempt)))
    return look()
