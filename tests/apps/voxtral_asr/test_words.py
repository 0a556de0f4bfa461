"""From a long recording to pieces, and from tokens to words."""

import itertools
import math

import numpy as np
import pytest
from asr.engines import SAMPLE_RATE
from asr.pieces import pieces
from asr.words import spoken


def test_a_long_recording_is_cut_in_its_pauses():
    """
    No piece is longer than the model hears, none is lost, and a pause near the end is where it is cut.
    """
    audio = np.ones(70 * SAMPLE_RATE, np.float32)
    audio[27 * SAMPLE_RATE : 28 * SAMPLE_RATE] = 0

    found = list(pieces(audio))

    assert sum(len(samples) for _, samples in found) == len(audio)
    assert all(len(samples) <= 30 * SAMPLE_RATE for _, samples in found)
    assert found[0][0] == 0.0
    assert 27 <= found[1][0] <= 28
    assert [len(list(pieces(audio[:length]))) for length in (0, 1, 30 * SAMPLE_RATE)] == [0, 1, 1]


def test_silence_within_a_recording_is_left_out():
    """
    A model would make words up in a piece without sound; the pieces around it keep their times.
    """
    audio = np.ones(70 * SAMPLE_RATE, np.float32)
    audio[20 * SAMPLE_RATE : 65 * SAMPLE_RATE] = 0

    found = list(pieces(audio))

    assert found[0][0] == 0.0
    assert found[-1][0] + len(found[-1][1]) / SAMPLE_RATE == 70.0
    assert len(found) == 2


def hear(*parts):
    """Return text and words of tokens, given as their bytes and their probability."""
    tokens = list(range(len(parts)))

    def decode(some):
        return b"".join(parts[number][0] for number in some).decode(errors="replace").strip()

    return spoken(tokens, [math.log(sure) for _, sure in parts], decode, 10.0, 20.0)


def test_a_word_is_as_sure_as_its_tokens():
    """
    The geometric mean of the probabilities of just the tokens the word is made of.
    """
    text, words = hear((b" Op", 0.9), (b"en", 0.4), (b" the", 1.0), (b" do", 0.5), (b"or", 0.5), (b".", 0.5))

    assert text == "Open the door."
    assert [word.text for word in words] == ["Open", "the", "door."]
    assert [word.confidence for word in words] == [pytest.approx(sure, abs=1e-3) for sure in (0.6, 1.0, 0.5)]
    assert (words[0].start, words[-1].end) == (10.0, 20.0)
    assert all(a.end <= b.start for a, b in itertools.pairwise(words))


def test_a_character_may_take_several_tokens():
    """
    Half a character counts for the word that the whole one stands in.
    """
    first, second = "é".encode()[:1], "é".encode()[1:]

    text, words = hear((b"caf", 1.0), (first, 0.5), (second, 0.5), (b" au", 1.0))

    assert text == "café au"
    assert words[0].confidence == pytest.approx(0.25 ** (1 / 3), abs=1e-3)
    assert words[1].confidence == 1.0


def test_without_spaces_every_character_is_a_word():
    """
    Chinese and Japanese are written without spaces.
    """
    _, words = hear(("开门".encode(), 0.5), (b" ok", 1.0))

    assert [(word.text, word.confidence) for word in words] == [("开", 0.5), ("门", 0.5), ("ok", 1.0)]


def test_nothing_heard_is_no_word():
    """
    No token, or none but spaces, is an empty answer and no error.
    """
    assert hear() == ("", ())
    assert hear((b" ", 0.5)) == ("", ())
