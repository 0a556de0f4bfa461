"""Ten open pages while somebody runs long jobs, as the benchmark of the sessions does it, in less time."""

import pytest
from benchmarks.sessions import CLIENTS, Load, measure

pytestmark = pytest.mark.slow

# The job lasts for longer than a client pings and then waits for its answer.
SHORT = Load(job=14, ping=6.0)


@pytest.mark.parametrize("framework", ["gradio", "shiny"])
def test_no_page_is_lost_to_a_long_job(framework):
    """
    While a C call holds the GIL of a worker, and another worker runs out of memory, the others are answered.
    """
    seen = measure(framework, "queue", SHORT)

    assert seen.dropped == 0
    assert seen.answers[0] == "held"
    assert seen.answers[1].startswith("refused: The job")
    # With the server held up, each gets only what it asked for before that, or when it is over.
    assert len(seen.meanwhile) == CLIENTS - 1
    assert min(seen.meanwhile) >= 6


@pytest.mark.parametrize("framework", ["gradio", "shiny"])
def test_without_the_queue_every_page_is_lost(framework):
    """
    The same app with a thread in the queue's place loses them: the test above could fail.
    """
    seen = measure(framework, "thread", SHORT)

    assert seen.dropped == CLIENTS
    assert max(seen.meanwhile) <= 4
