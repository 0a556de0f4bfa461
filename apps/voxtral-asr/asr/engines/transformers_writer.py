"""Models that write what they hear token by token: Voxtral, Whisper and their kin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers

from asr.engines import SAMPLE_RATE, Heard, Word
from asr.pieces import pieces
from asr.words import spoken

# Nobody says more than about six words in a second; a model that goes on has lost its way.
_TOKENS_PER_SECOND = 15
_TOKENS_AT_LEAST = 16


class WriterModel:
    """A model such as Whisper: an encoder that hears, a decoder that writes."""

    def __init__(self, model: Any, processor: Any, name: str, about: str, languages: Sequence[str]) -> None:
        self._model, self._processor = model, processor
        self.name, self.model = name, about
        self.languages = self._known(tuple(languages))

    def transcribe(self, audio: Any, language: str | None, stop: Callable[[], bool]) -> Heard:
        """Return what is said; *stop* is asked before each token."""
        texts: list[str] = []
        words: list[Word] = []
        heard = language
        for start, samples in pieces(audio):
            seconds = len(samples) / SAMPLE_RATE
            tokens, logprobs, heard = self._write(samples, heard, _limit(seconds), _until(stop))
            text, found = spoken(tokens, logprobs, self._decode, start, start + seconds)
            texts.append(text.strip())
            words += found
            if stop():
                break
        return Heard(" ".join(filter(None, texts)), heard or "", tuple(words), times_are_measured=False)

    def _write(
        self, samples: Any, language: str | None, most: int, until: Any
    ) -> tuple[list[int], list[float], str | None]:
        heard = self._processor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        inputs = self._placed(heard)
        options: dict[str, Any] = {}
        if self._codes:
            language = language or self._detected(inputs)
            options = {"language": language, "task": "transcribe"}
        room = getattr(self._model.config, "max_target_positions", None)
        if room:
            most = min(most, room - 8)  # the prompt has its place there too
        tokens, logprobs = self._generate(inputs, most, until, **options)
        return tokens, logprobs, language

    def _generate(self, inputs: Any, most: int, until: Any, **options: Any) -> tuple[list[int], list[float]]:
        with torch.inference_mode():
            written = self._model.generate(
                **inputs,
                **options,
                max_new_tokens=most,
                do_sample=False,
                num_beams=1,
                return_dict_in_generate=True,
                output_scores=True,
                stopping_criteria=until,
            )
        # Without chance and beams, the token that was written is the one with the highest score.
        best = [torch.log_softmax(step[0].float(), dim=-1).max(dim=-1) for step in written.scores]
        tokens = [int(each.indices) for each in best]
        ends = self._ends()
        kept = next((at for at, token in enumerate(tokens) if token in ends), len(tokens))
        return tokens[:kept], [float(each.values) for each in best[:kept]]

    def _placed(self, inputs: Any) -> dict[str, Any]:
        return {
            name: value.to(self._model.device, self._model.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._processor.decode(list(tokens), skip_special_tokens=True))

    def _ends(self) -> set[int]:
        ends = self._model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends}

    def _known(self, stated: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(self._codes)) or stated

    @property
    def _codes(self) -> dict[str, int]:
        """Language codes and their tokens, of a model that is told or detects the language."""
        known = getattr(self._model.generation_config, "lang_to_id", None) or {}
        return {token.strip("<|>"): number for token, number in known.items()}

    def _detected(self, inputs: dict[str, Any]) -> str | None:
        with torch.inference_mode():
            found = int(self._model.detect_language(inputs["input_features"])[0])
        return next((code for code, number in self._codes.items() if number == found), None)


class VoxtralModel(WriterModel):
    """Voxtral: a language model that hears; asked through its own request for a transcription."""

    def __init__(
        self, model: Any, processor: Any, name: str, about: str, languages: Sequence[str], folder: str
    ) -> None:
        super().__init__(model, processor, name, about, languages)
        self._folder = folder

    def _write(
        self, samples: Any, language: str | None, most: int, until: Any
    ) -> tuple[list[int], list[float], str | None]:
        request = self._processor.apply_transcription_request(
            audio=[samples],
            language=language,
            sampling_rate=SAMPLE_RATE,
            format=["WAV"],
            model_id=self._folder,
        )
        return (*self._generate(self._placed(request), most, until), language)


def _limit(seconds: float) -> int:
    return _TOKENS_AT_LEAST + int(seconds * _TOKENS_PER_SECOND)


def _until(stop: Callable[[], bool]) -> Any:
    class Stopped(transformers.StoppingCriteria):
        def __call__(self, input_ids: Any, _scores: Any, **_: Any) -> Any:
            return torch.full((input_ids.shape[0],), stop(), dtype=torch.bool, device=input_ids.device)

    return transformers.StoppingCriteriaList([Stopped()])
