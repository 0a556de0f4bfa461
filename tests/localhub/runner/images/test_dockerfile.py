"""What is read in a Dockerfile."""

from __future__ import annotations

import pytest

from spacehand.localhub.runner.images.dockerfile import Dockerfile, DockerfileError, instructions


def test_the_last_stage_is_what_counts():
    """
    Ports and user are the last stage's, with those of the stage it begins with; bases are images, not stages.
    """
    found = Dockerfile.parse(
        """
        ARG VERSION=3.11
        FROM node:20 AS web
        EXPOSE 3000
        FROM python:${VERSION}-slim AS base
        USER 1000
        EXPOSE 8000/tcp 9000-9002 53/udp
        FROM base
        COPY --from=web /dist /dist
        """
    )
    assert found.bases == ("node:20", "python:3.11-slim")
    assert found.exposed == (8000, 9000, 9001, 9002)
    assert found.user == "1000"


def test_arguments_and_variables_are_filled_in():
    """
    A port may come from ENV, from an ARG's default, or from a build argument that is given.
    """
    text = (
        "FROM x\nARG PORT=7860\nARG OTHER\nENV A=1 SECOND=${OTHER:-8080}\nEXPOSE $PORT ${SECOND} $NOWHERE\n"
    )
    assert Dockerfile.parse(text).exposed == (7860, 8080)
    assert Dockerfile.parse(text, {"PORT": "9000", "OTHER": "1"}).exposed == (9000, 1)
    assert Dockerfile.parse(text).arguments == {"PORT", "OTHER"}


def test_continued_lines_comments_and_heredocs_are_one_instruction():
    """
    What stands between the lines of one instruction, or inside a heredoc, is no instruction.
    """
    text = (
        "# syntax=docker/dockerfile:1\n"
        "FROM x\n"
        "RUN one && \\\n"
        "  # a comment\n"
        "\n"
        "  two\n"
        "RUN <<EOF cat\n"
        "gcc is no instruction\n"
        "EOF\n"
        'CMD ["a"]\n'
    )
    assert [(one.line, one.name) for one in instructions(text)] == [
        (2, "FROM"),
        (3, "RUN"),
        (7, "RUN"),
        (10, "CMD"),
    ]


def test_another_escape_is_obeyed():
    """
    With `# escape` a backslash is only a backslash.
    """
    text = "# escape=`\nFROM x\nWORKDIR C:\\\nRUN a `\n  b\n"
    assert [(one.name, one.value) for one in instructions(text)][1:] == [
        ("WORKDIR", "C:\\"),
        ("RUN", "a   b"),
    ]


def test_secrets_that_are_mounted_are_known():
    """
    The ids of secret mounts are told, wherever they stand in the mount.
    """
    text = "FROM x\nRUN --mount=type=secret,id=TOKEN --mount=id=KEY,type=secret,required=true true\n"
    assert Dockerfile.parse(text).secrets == {"TOKEN", "KEY"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM x\n\ngcc -o a\n", "dockerfile parse error on line 3: unknown instruction: gcc"),
        ("RUN true\n", "dockerfile parse error on line 1: no build stage in current context"),
        ("FROM x\nRUN <<END\nnever\n", "dockerfile parse error on line 2: unterminated heredoc"),
        ("FROM x y\n", "dockerfile parse error on line 1: FROM requires either one or three arguments"),
        ("FROM x\nEXPOSE http\n", "dockerfile parse error on line 2: invalid port in EXPOSE: http"),
        ("FROM x\nRUN\n", "dockerfile parse error on line 2: RUN requires at least one argument"),
        ("# nothing\n", "the Dockerfile has no instruction FROM"),
    ],
)
def test_what_no_builder_takes_is_refused_with_its_line(text: str, said: str):
    """
    A fault is told before any build, with the line and the builder's words.
    """
    with pytest.raises(DockerfileError) as caught:
        Dockerfile.parse(text)
    assert str(caught.value) == said
