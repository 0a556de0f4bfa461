"""What the app does, without any web page: load once in the background, then transcribe within limits."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from asr import engines, languages, weights
from asr.engines import SAMPLE_RATE, Engine, Heard, LiveEngine, Word
from asr.errors import AppError, AudioError, TooManyError, TooSlowError, WeightsError
from asr.live import Live, Reader
from asr.settings import Settings
from asr.weights import Weights
from spacehand_runtime import Metrics, RateLimit

_LOAD_TIMEOUT = 900.0  # seconds a request waits for the model; a large one is fetched first


@dataclass(frozen=True)
class Model:
    """A model that is served."""

    weights: Weights
    engine: Engine


class Service:
    """
    One model, and who may use it how much.

    *fetch*, *load* and *read_audio* are arguments so that a test needs neither a Hub nor a model.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        read_audio: Callable[[str, float], Any],
        reader: Reader,
        fetch: Callable[[Settings], Weights] = weights.fetch,
        load: Callable[[Weights, Settings], Engine] = engines.load,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.model: Model | None = None
        self.failure: str | None = None
        self._read_audio = read_audio
        self._fetch, self._load, self._now = fetch, load, now
        self._limit = RateLimit.parse(settings.rate_limit, now=now)
        self.live = Live(settings.live_speakers, settings.max_seconds, reader, now=now)
        self._settled = threading.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="transcribe")

    def refuse(self, why: str) -> None:
        """Serve nothing, and say *why* to everybody."""
        self.failure = why
        _log(f"ERROR {why}")
        self._settled.set()

    def start(self) -> None:
        """Begin to load the model, and return at once: the page is up while the model is fetched."""
        if self.is_settled:
            return
        threading.Thread(target=self._prepare, name="load-model", daemon=True).start()

    @property
    def is_settled(self) -> bool:
        """The model is loaded, or will never be."""
        return self._settled.is_set()

    def transcribe(self, path: str | None, language: str | None, client: str) -> dict[str, Any]:
        """
        Return what is said in the recording at *path*, as the endpoint ``/transcribe`` answers.

        Raises:
            AppError: it cannot be done; the message says why.
        """
        with self.metrics.request():
            self._count(client)
            model = self._ready()
            if not path:
                raise AudioError("There is no recording yet: record something, or choose a file")
            audio = self._read_audio(path, self.settings.max_seconds)
            code = languages.spoken(language, model.engine.languages)
            return self._answered(model, audio, code)

    @property
    def is_live(self) -> bool:
        """Whether text can be read while somebody speaks."""
        return (
            self.settings.live_speakers > 0
            and self.model is not None
            and isinstance(self.model.engine, LiveEngine)
        )

    def listen(self, language: str | None, rate: int, client: str) -> str:
        """
        Return the name of a new talk, whose words appear while it goes on.

        Raises:
            AppError: this cannot be done now, or not with this model; the message says why.
        """
        self._count(client)
        if not self.is_settled:
            raise WeightsError("The model is still being loaded; try again soon")
        model = self._ready()
        if not isinstance(model.engine, LiveEngine) or self.settings.live_speakers < 1:
            raise AudioError("This Space does not write along; record first, and transcribe then")
        return self.live.begin(languages.spoken(language, model.engine.languages), rate, model.engine)

    def conclude(self, name: str) -> dict[str, Any]:
        """
        Return the answer for all of the talk *name*, as if it had been a file, and forget the talk.

        Raises:
            AppError: nothing was said, or it cannot be understood in time.
        """
        with self.metrics.request():
            talk = self.live.talk(name)
            self.live.forget(name)
            sound = talk.sound()
            if len(sound) < SAMPLE_RATE // 10:
                raise AudioError("Nothing was recorded: is the microphone on?")
            return self._answered(self._ready(), sound, talk.language)

    def _prepare(self) -> None:
        try:
            found = self._fetch(self.settings)
            self.model = Model(found, self._load(found, self.settings))
            _log(f"Serving {found.model_id} at {found.revision}, weights sha256 {found.sha256}")
        except AppError as error:
            self.failure = str(error)
        except Exception as error:
            self.failure = f"The model could not be loaded: {type(error).__name__}: {error}"
        finally:
            if self.failure:
                _log(f"ERROR {self.failure}")
            self._settled.set()

    def _count(self, client: str) -> None:
        wait = self._limit.take(client) if self._limit is not None else 0.0
        if wait:
            seconds = math.ceil(wait)
            message = f"That was one too many: {self._limit} are allowed. Try again in {seconds} s"
            raise TooManyError(message, wait)

    def _ready(self) -> Model:
        if not self._settled.wait(_LOAD_TIMEOUT):
            raise WeightsError("The model is still being loaded; try again later")
        if self.model is None:
            raise WeightsError(self.failure or "The model could not be loaded")
        return self.model

    def _answered(self, model: Model, audio: Any, language: str | None) -> dict[str, Any]:
        began = self._now()
        heard = self._within_time(model.engine, audio, language)
        if not heard.words:
            raise AudioError("No speech was found in the recording")
        return _answer(model, heard, self._now() - began, len(audio) / SAMPLE_RATE)

    def _within_time(self, engine: Engine, audio: Any, language: str | None) -> Heard:
        late = threading.Event()
        work = self._worker.submit(engine.transcribe, audio, language, late.is_set)
        try:
            return work.result(self.settings.timeout)
        except FutureTimeoutError as error:
            late.set()  # the worker stops at its next segment, or does not begin at all
            work.cancel()
            raise TooSlowError(
                f"This took longer than {self.settings.timeout:g} s and was stopped; try a shorter recording"
            ) from error


def confidence(words: tuple[Word, ...]) -> float:
    """Return how sure the model is of the whole: the geometric mean of its words' probabilities."""
    if not words:
        return 0.0
    return math.exp(sum(math.log(max(word.confidence, 1e-6)) for word in words) / len(words))


def _answer(model: Model, heard: Heard, seconds: float, audio_seconds: float) -> dict[str, Any]:
    base = model.weights.base
    about_base = {
        "base_model_id": base.model_id,
        "base_revision": base.revision,
        "base_weights_sha256": base.sha256,
    } if base else {}  # fmt: skip
    return {
        "transcript": heard.text,
        "language": heard.language,
        "confidence": round(confidence(heard.words), 4),
        "words": [
            {"text": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
            for word in heard.words
        ],
        "word_times": "measured" if heard.times_are_measured else "estimated",
        "seconds": round(seconds, 3),
        "audio_seconds": round(audio_seconds, 3),
        "model_id": model.weights.model_id,
        "revision": model.weights.revision,
        "engine": model.engine.name,
        "weights_sha256": model.weights.sha256,
        **about_base,
    }


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
