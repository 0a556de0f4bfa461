"""What a person wrote or changed survives; what is still ours is brought up to date."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spacehand.model.card import regions
from spacehand.model.card.regions import Fenced, fenced

OLD = [fenced("summary", "# Title"), fenced("use", "old use"), fenced("weights", "old weights")]
NEW = [fenced("summary", "# Title"), fenced("use", "new use"), fenced("weights", "new weights")]
NAMES = ("summary", "use", "weights")


def _merged(text: str, new: list[Fenced] = NEW, known: tuple[str, ...] = NAMES) -> tuple[str, list[str]]:
    body, kept = regions.merge(regions.parse(text), new, known=known)
    return regions.write(body), kept


def test_untouched_blocks_are_replaced():
    """
    Blocks whose text is as it was written get the new text.
    """
    text, kept = _merged(regions.write([*OLD]))

    assert text == regions.write([*NEW])
    assert kept == []


def test_an_edited_block_stays_and_is_told():
    """
    A block that somebody changed is left as it is, and its name reported.
    """
    text, kept = _merged(regions.write([*OLD]).replace("old use", "my own words"))

    assert "my own words" in text
    assert "new use" not in text
    assert "new weights" in text
    assert kept == ["use"]


def test_text_around_the_blocks_stays_in_its_place():
    """
    What a person wrote before, between and behind the blocks stays there.
    """
    before = regions.write(["Hello.", OLD[0], OLD[1], "In between.", OLD[2], "The end."])

    text, _ = _merged(before)

    assert text == regions.write(["Hello.", NEW[0], NEW[1], "In between.", NEW[2], "The end."])


def test_a_block_that_was_taken_out_stays_out():
    """
    A block that an earlier publish wrote and a person deleted does not come back.
    """
    text, kept = _merged(regions.write([OLD[0], OLD[2]]))

    assert "use" not in text.replace("summary", "")
    assert kept == ["use"]


def test_a_block_that_is_new_stands_behind_its_neighbour():
    """
    A block that no publish wrote before goes where the template has it.
    """
    text, kept = _merged(regions.write(["Hi.", OLD[0], "Mine.", OLD[2]]), known=("summary", "weights"))

    assert text == regions.write(["Hi.", NEW[0], NEW[1], "Mine.", NEW[2]])
    assert kept == []


def test_a_block_that_nothing_feeds_any_more_goes():
    """
    An untouched block without new text is removed.
    """
    text, _ = _merged(regions.write([*OLD]), new=NEW[:2])

    assert text == regions.write(NEW[:2])


def test_line_ends_and_blanks_at_their_end_are_no_edit():
    """
    An editor that writes other line ends has changed nothing.
    """
    block = regions.parse(regions.write([fenced("use", "a\nb")]).replace("b\n", "b  \n"))[0]

    assert isinstance(block, Fenced)
    assert not block.is_edited


def test_a_broken_fence_is_text():
    """
    A fence without its other half goes, and what stood behind it is kept.
    """
    text, _ = _merged("<!-- spacehand:begin use sha256=00 -->\nmy words\n", known=())

    assert text.startswith("my words\n")
    assert text.count("spacehand:begin use") == 1


def test_the_record_comes_back():
    """
    What the last publish left for the next one is read as it was written.
    """
    record = regions.Record(("a", "b"), {"model-index": "12", "tags": "34"}, "56", "78")

    assert regions.read_record(f"text\n\n{record}\n") == ("text", record)
    assert regions.read_record("text\n") == ("text\n", None)


@given(st.lists(st.one_of(st.sampled_from(OLD), st.text(alphabet="ab\n#-<> ")), max_size=6))
def test_merging_twice_is_merging_once(pieces: list[str | Fenced]):
    """
    A second publish finds nothing to change.
    """
    once, _ = _merged(regions.write(pieces), known=())
    twice, _ = _merged(once)

    assert once == twice
