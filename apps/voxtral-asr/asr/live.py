"""Text while somebody speaks: one talk for each open microphone, and one thread that hears them in turn."""

from __future__ import annotations

import secrets
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from asr.agreement import Agreement, joined
from asr.engines import SAMPLE_RATE, LiveEngine
from asr.errors import AudioError, TooManyError

EVERY = 0.5  # seconds of new sound that are worth another hearing
WINDOW = 14.0  # seconds that are heard at once, at most
IDLE = 15.0  # seconds without sound, after which nobody is there
_COMFORTABLE = 7.0  # seconds; a longer window is cut at the last kept word

# Returns, for a rate in Hz, what makes 16-bit samples at SAMPLE_RATE of each piece of one talk's sound.
Reader = Callable[[int], Callable[[bytes], Any]]


class Talk:
    """
    What one person says now. It holds *longest* seconds of 16-bit sound, and no more.

    The page adds sound and reads words, the ear below hears; each may be in a thread of its own.
    """

    def __init__(
        self,
        language: str | None,
        longest: float,
        read: Callable[[bytes], Any],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.language = language
        self._longest = int(longest * SAMPLE_RATE)
        self._read, self._now = read, now
        self._pieces: list[Any] = []
        self._samples = 0
        self._heard = 0  # samples that were there at the last hearing
        self._start = 0.0  # of the window, seconds
        self._words = Agreement()
        self._changed = threading.Condition()
        self._hearings = 0
        self._last_sound = now()
        self.is_over = False

    @property
    def seconds(self) -> float:
        """How long the sound is."""
        return self._samples / SAMPLE_RATE

    @property
    def unheard(self) -> float:
        """Seconds of sound that came after the last hearing."""
        return 0.0 if self.is_over else (self._samples - self._heard) / SAMPLE_RATE

    @property
    def is_idle(self) -> bool:
        """Nothing has come for so long that nobody is there."""
        return self._now() - self._last_sound > IDLE

    def add(self, sound: bytes) -> None:
        """Add *sound*; when it is longer than allowed, the rest is dropped and the talk is over."""
        with self._changed:
            self._last_sound = self._now()
            if self.is_over:
                return
            samples = self._read(sound)[: self._longest - self._samples]
            self._pieces.append(samples)
            self._samples += len(samples)
            if self._samples >= self._longest:
                self.end()

    def end(self) -> None:
        """Hear no more; who waits for news is told."""
        with self._changed:
            self.is_over = True
            self._changed.notify_all()

    def text(self, patience: float = 0.0) -> tuple[str, str]:
        """Return what is certain and what may still change, after the next hearing or *patience* seconds."""
        with self._changed:
            seen = self._hearings
            self._changed.wait_for(lambda: self._hearings != seen or self.is_over, patience)
            return joined(self._words.kept), joined(self._words.open)

    def sound(self) -> Any:
        """Return all of it as engines hear it: mono float32."""
        return self._since(0)

    def hear(self, engine: LiveEngine) -> None:
        """Hear the window once more, and keep what two hearings agree on."""
        with self._changed:
            until = self._samples
        words = engine.glimpse(self._since(int(self._start * SAMPLE_RATE)), self.language, self._start)
        with self._changed:
            self._heard = until
            if words is not None:
                self._words.hear(words)
            self._move(until / SAMPLE_RATE, is_quiet=words is not None and not words)
            self._hearings += 1
            self._changed.notify_all()

    def _move(self, end: float, *, is_quiet: bool) -> None:
        """Let the window begin later where all before is settled; hold it below its longest."""
        if is_quiet:
            self._words.settle()
            self._start = max(self._start, end - 1.0)  # a word may begin just now
        elif end - self._start > WINDOW - EVERY:
            self._words.settle()
            self._start = max(self._start, self._words.until)
        elif end - self._start > _COMFORTABLE:
            self._start = max(self._start, self._words.until)

    def _since(self, sample: int) -> Any:
        with self._changed:
            pieces = list(self._pieces)
        whole = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
        return whole[sample:].astype(np.float32) / 32768.0


class Live:
    """All who speak now, at most *most* of them, each known by a name that cannot be guessed."""

    def __init__(
        self, most: int, longest: float, reader: Reader, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._longest, self._reader, self._now = most, longest, reader, now
        self._talks: dict[str, Talk] = {}
        self._news = threading.Condition()
        self._ear: threading.Thread | None = None

    @property
    def speaking(self) -> int:
        """How many talks are held now."""
        return len(self._talks)

    def begin(self, language: str | None, rate: int, engine: LiveEngine) -> str:
        """
        Return the name of a new talk, whose sound has *rate* samples in a second.

        Raises:
            TooManyError: too many speak already.
        """
        with self._news:
            self._forget_idle()
            if len(self._talks) >= self._most:
                people = "Somebody else speaks" if self._most == 1 else f"{self._most} people speak"
                raise TooManyError(f"{people} now, as many as this Space can follow; try again soon", IDLE)
            name = secrets.token_urlsafe(16)
            self._talks[name] = Talk(language, self._longest, self._reader(rate), self._now)
            if self._ear is None:
                self._ear = threading.Thread(target=self._listen, args=(engine,), name="live", daemon=True)
                self._ear.start()
        return name

    def talk(self, name: str) -> Talk:
        """
        Return the talk of *name*.

        Raises:
            AudioError: there is none, or none any more.
        """
        talk = self._talks.get(name)
        if talk is None:
            raise AudioError("This talk is over: nothing was heard from the microphone for a while")
        return talk

    def add(self, name: str, sound: bytes) -> Talk:
        """
        Add *sound* to the talk of *name*, and return it.

        Raises:
            AudioError: there is none, or none any more.
        """
        talk = self.talk(name)
        talk.add(sound)
        with self._news:
            self._news.notify_all()
        return talk

    def forget(self, name: str) -> None:
        """Forget the talk of *name* and all that was said; a name that is not known is ignored."""
        with self._news:
            talk = self._talks.pop(name, None)
            if talk is not None:
                talk.end()
            self._news.notify_all()

    def _forget_idle(self) -> None:
        for name in [name for name, talk in self._talks.items() if talk.is_idle]:
            self._talks.pop(name).end()

    def _listen(self, engine: LiveEngine) -> None:
        """Hear whoever has most to be heard, until nobody speaks."""
        while (talk := self._next()) is not None:
            try:
                talk.hear(engine)
            except Exception:
                # The last hearing, of all that was said, is yet to come, and tells the speaker what is wrong.
                traceback.print_exc()
                talk.end()

    def _next(self) -> Talk | None:
        with self._news:
            while self._talks:
                talk = max(self._talks.values(), key=lambda talk: talk.unheard)
                if talk.unheard >= EVERY:
                    return talk
                self._news.wait(IDLE)
                self._forget_idle()
            self._ear = None
            return None
