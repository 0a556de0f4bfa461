"""CTC models, which say for every moment which letter or word they hear: Wav2Vec2, Wav2Vec2-BERT, HuBERT."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from asr.engines import SAMPLE_RATE, Heard, Word
from asr.pieces import pieces

_SENTENCEPIECE = "▁"  # what stands for the space before a word


@dataclass(frozen=True)
class _Token:
    """One token that was heard, and when (seconds)."""

    text: str
    start: float
    end: float
    confidence: float


class CtcModel:
    """A CTC model; its times are measured, by the frames in which it heard each token."""

    def __init__(self, model: Any, processor: Any, name: str, about: str, languages: Sequence[str]) -> None:
        self._model, self._processor = model, processor
        self.name, self.model, self.languages = name, about, tuple(languages)
        self._tokenizer = processor.tokenizer
        self._special = set(self._tokenizer.all_special_ids) | {self._blank}
        self._delimiter = getattr(self._tokenizer, "word_delimiter_token", None)
        ordinary = [
            token
            for token, number in self._tokenizer.get_vocab().items()
            if number not in self._special and token != self._delimiter
        ]
        self._has_pieces = any(token.startswith(_SENTENCEPIECE) for token in ordinary)
        # With letters a delimiter parts the words; otherwise every token is a whole word.
        self._has_letters = all(len(token) == 1 for token in ordinary)

    def transcribe(self, audio: Any, language: str | None, stop: Callable[[], bool]) -> Heard:
        """Return what is said; *stop* is asked after each piece of 30 s at most."""
        words: list[Word] = []
        for start, samples in pieces(audio):
            words += self._words(self._hear(samples), start)
            if stop():
                break
        only = self.languages[0] if len(self.languages) == 1 else ""
        return Heard(" ".join(word.text for word in words), language or only, tuple(words))

    @property
    def _blank(self) -> int:
        return int(self._model.config.pad_token_id)

    def _hear(self, samples: Any) -> Iterator[_Token]:
        inputs = self._processor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        placed = {
            name: value.to(self._model.device, self._model.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }
        with torch.inference_mode():
            shares, numbers = self._model(**placed).logits[0].float().softmax(dim=-1).max(dim=-1)
        frame = len(samples) / SAMPLE_RATE / len(numbers)
        path = numbers.tolist()
        at = 0
        while at < len(path):
            end = at + 1
            while end < len(path) and path[end] == path[at]:
                end += 1
            if path[at] not in self._special:
                text = str(self._tokenizer.convert_ids_to_tokens(path[at]))
                yield _Token(text, at * frame, end * frame, float(shares[at:end].max()))
            at = end

    def _words(self, tokens: Iterator[_Token], start: float) -> Iterator[Word]:
        group: list[_Token] = []
        for token in tokens:
            if self._parts(token.text):
                yield from _word(group, start)
                group = []
            if token.text != self._delimiter:
                group.append(token)
        yield from _word(group, start)

    def _parts(self, text: str) -> bool:
        """Whether a word is over when *text* comes."""
        if text == self._delimiter:
            return True
        if self._has_pieces:
            return text.startswith(_SENTENCEPIECE)
        return not self._has_letters


def _word(group: list[_Token], start: float) -> Iterator[Word]:
    # Tokens that are whole words may end with the space that parts them.
    text = "".join(token.text for token in group).removeprefix(_SENTENCEPIECE).strip()
    if not text:
        return
    # The geometric mean: one doubtful letter is felt.
    sure = math.exp(sum(math.log(max(token.confidence, 1e-6)) for token in group) / len(group))
    first, last = start + group[0].start, start + group[-1].end
    yield Word(text, round(first, 2), round(last, 2), round(min(1.0, sure), 4))
