"""Text that grows, and does not flicker."""

from asr.agreement import Agreement, joined
from asr.engines import Word
from hypothesis import given
from hypothesis import strategies as st


def said(text, start=0.0):
    """Return the words of *text*, each half a second long."""
    return [Word(word, start + n / 2, start + n / 2 + 0.5, 0.9) for n, word in enumerate(text.split())]


def hearings(*texts):
    agreement = Agreement()
    for text in texts:
        agreement.hear(said(text))
    return joined(agreement.kept), joined(agreement.open)


def test_a_word_is_kept_once_two_hearings_agree():
    """
    What only the newest hearing has may still change; a change of capitals or points is none.
    """
    assert hearings("Open the") == ("", "Open the")
    assert hearings("Open the", "Open the door") == ("Open the", "door")
    assert hearings("open the", "Open the, drawer", "Open the door") == ("Open the,", "door")


def test_a_window_that_begins_later_repeats_nothing():
    """
    Words that were kept already are heard again at its beginning, a little later each, and are not doubled.
    """
    agreement = Agreement()
    agreement.hear(said("one two three"))
    agreement.hear(said("one two three four"))

    agreement.hear(said("three four five", start=1.1))

    assert (joined(agreement.kept), joined(agreement.open)) == ("one two three four", "five")


def test_a_full_stop_alone_is_no_word():
    """
    A model writes one into silence.
    """
    assert hearings("Open .") == ("", "Open")


def test_what_was_heard_last_is_kept_when_nothing_more_comes():
    """
    In a pause nothing will be known better.
    """
    agreement = Agreement()
    agreement.hear(said("Open the door"))

    agreement.settle()

    assert (joined(agreement.kept), agreement.open) == ("Open the door", [])


def test_scripts_without_spaces_get_none():
    """
    Chinese words stand beside each other, and English ones among them do not.
    """
    assert joined(said("打 开 door")) == "打开 door"
    assert joined([]) == ""


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "."]), max_size=6), max_size=8))
def test_kept_words_never_change(texts):
    """
    Whatever a model hears, in whatever order: what the reader was promised stays as it is.
    """
    agreement, promised = Agreement(), ""
    for words in texts:
        agreement.hear(said(" ".join(words)))
        assert joined(agreement.kept).startswith(promised)
        promised = joined(agreement.kept)
