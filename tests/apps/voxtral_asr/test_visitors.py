"""One transcript, one thumb."""

from asr.visitors import Unjudged


def test_a_transcript_is_judged_once():
    """
    A second click counts nothing; the next transcript may be judged again.
    """
    unjudged = Unjudged()
    unjudged.answered("ann")

    assert [unjudged.judged("ann"), unjudged.judged("ann"), unjudged.judged("bob")] == [True, False, False]
    unjudged.answered("ann")
    assert unjudged.judged("ann")


def test_who_left_is_forgotten():
    """
    Memory is bounded, by leaving and by number.
    """
    unjudged = Unjudged(most=2)
    for session in ("ann", "bob", "cid"):
        unjudged.answered(session)
    unjudged.left("bob")

    assert [unjudged.judged(session) for session in ("ann", "bob", "cid")] == [False, False, True]
