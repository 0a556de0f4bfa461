"""
From one hearing of the last seconds to the next: what stays is kept, what may still change is shown as such.

A word is kept once two hearings in a row agree on it and on all before it (local agreement, Macháček, Dabre
and Bojar 2023, "Turning Whisper into Real-Time Transcription System"). So the text does not flicker: kept
words never change, and only the last few of a sentence do.
"""

from __future__ import annotations

from collections.abc import Sequence

from asr.engines import Word
from asr.words import is_spaceless

_SLACK = 0.15  # seconds; a model places a word it has kept already a little later at times
_REPEATED = 5  # words at most that are looked at for having been kept already


class Agreement:
    """The words of one talk so far; all times are seconds since it began."""

    def __init__(self) -> None:
        self.kept: list[Word] = []
        self.open: list[Word] = []  # heard last, and not yet agreed upon

    @property
    def until(self) -> float:
        """When the last kept word ended."""
        return self.kept[-1].end if self.kept else 0.0

    def hear(self, words: Sequence[Word]) -> None:
        """Take *words*, the newest hearing of what was said since some moment before :attr:`until`."""
        new = self._unheard(words)
        agreed = 0
        while agreed < min(len(new), len(self.open)) and _same(new[agreed], self.open[agreed]):
            agreed += 1
        self.kept += new[:agreed]
        self.open = new[agreed:]

    def settle(self) -> None:
        """Keep all that was heard: nothing more will be known about it."""
        self.kept += self.open
        self.open = []

    def _unheard(self, words: Sequence[Word]) -> list[Word]:
        new = [
            word
            for word in words
            if word.end > self.until + _SLACK
            and word.start > self.until - 1.0
            and any(map(str.isalnum, word.text))  # not a full stop that stands alone
        ]
        for count in range(min(_REPEATED, len(new), len(self.kept)), 0, -1):
            said_before = zip(self.kept[-count:], new[:count], strict=True)
            if new[0].start < self.until + _SLACK and all(_same(one, other) for one, other in said_before):
                return new[count:]
        return new


def joined(words: Sequence[Word]) -> str:
    """Return *words* as a text: with spaces, except in scripts that have none."""
    text = ""
    for word in words:
        gap = "" if not text or (is_spaceless(text[-1]) and is_spaceless(word.text[0])) else " "
        text += gap + word.text
    return text


def _same(one: Word, other: Word) -> bool:
    return bare(one.text) == bare(other.text)


def bare(text: str) -> str:
    """Return *text* as it sounds: without capitals and punctuation, which change as a sentence goes on."""
    return "".join(letter for letter in text.casefold() if letter.isalnum()) or text
