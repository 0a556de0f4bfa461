"""How a build tool's output becomes the Hub's build log."""

from __future__ import annotations

from spacehand.localhub.runner.images.transcript import Transcript

BUILDKIT = """#1 [internal] load build definition from Dockerfile
#1 sha256:12f692b7b832c25961b0f407b7bf1783c184b6be721170ab97f9291d905caa53
#1 transferring dockerfile: 225B done
#1 DONE 0.0s

#4 [1/4] FROM docker.io/library/python:3.11
#4 sha256:44df114132b34c4007ed397ac7ab15bbcd8a330b806b727011de90fe07d312ea
#4 CACHED

#5 [2/4] RUN echo "said hello"
#5 sha256:830b6a6daf38833e11168d4fba520e8b9000a896abd3b3b9a0f870b58b088e15
#5 0.083 said hello
#5 0.084 0.5 is a number of its own
#5 DONE 0.3s
"""


def told(text: str) -> tuple[Transcript, list[str]]:
    lines: list[str] = []
    transcript = Transcript(lines.append)
    transcript(text)
    return transcript, lines


def test_steps_and_what_they_said_are_shown():
    """
    Of BuildKit's output the steps, their output and their end are shown, as the Hub shows them.
    """
    assert told(BUILDKIT)[1] == [
        "--> FROM docker.io/library/python:3.11",
        "CACHED",
        '--> RUN echo "said hello"',
        "said hello",
        "0.5 is a number of its own",
        "DONE 0.3s",
    ]


def test_a_failed_step_is_told_once_in_the_hubs_words():
    """
    BuildKit's old and new wording of a failed step, and its repetitions, become the Hub's one line.
    """
    for said in (
        "#5 ERROR: executor failed running [/bin/sh -c make all]: exit code: 2",
        '#5 ERROR: process "/bin/sh -c make all" did not complete successfully: exit code: 2',
    ):
        transcript, lines = told(
            f"#5 [2/4] RUN make all\n{said}\n------\n > [2/4] RUN make all:\n------\n{said[4:]}\n"
        )
        assert lines == [
            "--> RUN make all",
            '--> ERROR: process "/bin/sh -c make all" did not complete successfully: exit code: 2',
        ]
        assert transcript.failure() == "Job failed with exit code: 1. Reason: cache miss: [RUN make all]"


def test_a_step_killed_for_its_memory_is_137():
    """
    A step that the kernel killed is the Hub's `Job failed with exit code: 137`.
    """
    said = "#5 [2/4] RUN make\n#5 ERROR: executor failed running [/bin/sh -c make]: exit code: 137"
    assert told(said)[0].failure() == "Job failed with exit code: 137. Reason: OOMKilled"


def test_a_failure_without_a_step_is_told_as_it_is():
    """
    What is wrong before any step, as a base image that is not there, is told in the tool's own words.
    """
    said = "#3 [internal] load metadata for nope:1\n#3 ERROR: docker.io/library/nope:1: not found"
    transcript, lines = told(said)
    assert lines == ["--> ERROR: docker.io/library/nope:1: not found"]
    assert "nope:1: not found" in transcript.failure()
