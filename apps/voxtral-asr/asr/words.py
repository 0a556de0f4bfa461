"""From a model's tokens to words, each as sure as the tokens it is made of."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from asr.engines import Word

# Thai, Lao, Burmese, Chinese and Japanese are written without spaces: every character is a word there.
_SPACELESS = r"\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_SPACELESS}]|[^\s{_SPACELESS}]+")
_SPACELESS_LETTER = re.compile(f"[{_SPACELESS}]")
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"  # a decoder's word for the first half of a character


def spoken(
    tokens: Sequence[int],
    logprobs: Sequence[float],
    decode: Callable[[Sequence[int]], str],
    start: float,
    end: float,
) -> tuple[str, tuple[Word, ...]]:
    """
    Return the text of *tokens* and its words; *logprobs* says how sure the model was of each token.

    A word's confidence is the geometric mean of its tokens' probabilities. Its times are estimated: the
    words are spread from *start* to *end* by their lengths.
    """
    text = decode(tokens)
    ends = _ends(tokens, text, decode)
    begins = [0, *ends[:-1]]
    words = []
    for match in _WORD.finditer(text):
        of_word = [
            logprob
            for begin, token_end, logprob in zip(begins, ends, logprobs, strict=True)
            if begin < match.end() and (token_end > match.start() or match.start() <= begin)
        ]
        first, last = (start + (end - start) * place / len(text) for place in match.span())
        sure = math.exp(sum(of_word) / len(of_word))
        words.append(Word(match[0], round(first, 2), round(last, 2), round(min(1.0, sure), 4)))
    return text, tuple(words)


def is_spaceless(letter: str) -> bool:
    """Whether *letter* belongs to a script that is written without spaces."""
    return _SPACELESS_LETTER.match(letter) is not None


def _ends(tokens: Sequence[int], text: str, decode: Callable[[Sequence[int]], str]) -> list[int]:
    """Return for each token where in *text* it ends; half a character ends where the whole one begins."""
    ends, reached = [], 0
    for count in range(1, len(tokens) + 1):
        so_far = decode(tokens[:count]).rstrip(_UNFINISHED)
        reached = max(reached, min(len(so_far), len(text)))
        ends.append(reached)
    return ends
