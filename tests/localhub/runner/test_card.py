"""The header of a README decides how a Space runs, or says why it cannot."""

from __future__ import annotations

import pytest

from spacehand.localhub.runner.card import CannotBuildError, Sdk, SpaceCard
from spacehand.stage import Stage


def card(text: str) -> SpaceCard:
    return SpaceCard.parse(f"---\n{text}\n---\n# A Space\n".encode())


def test_what_is_not_said_has_the_hubs_default():
    """
    A header with only an SDK is a Gradio app in app.py at / with half an hour to start.
    """
    found = card("sdk: gradio")
    assert (found.sdk, found.app_file, found.base_path) == (Sdk.GRADIO, "app.py", "/")
    assert (found.sdk_version, found.python_version, found.startup_seconds) == (None, None, 1800)
    assert card("sdk: static").app_file == "index.html"


def test_every_field_is_read():
    """
    Version numbers that YAML takes for numbers, time spans and headers come out as they were meant.
    """
    found = card(
        "sdk: gradio\nsdk_version: 6.0\npython_version: '3.10'\nstartup_duration_timeout: 1h30m\n"
        "title: 'A: b'\n"
        "custom_headers:\n  cross-origin-embedder-policy: require-corp\n  x-other: no"
    )
    assert (found.sdk_version, found.python_version, found.startup_seconds) == ("6.0", "3.10", 5400)
    assert found.title == "A: b"
    assert found.headers == {"cross-origin-embedder-policy": "require-corp"}


@pytest.mark.parametrize(
    "readme", [None, b"", b"# no header", b"---\ntitle: x\n---\n", b"---\n- a\n---\n", b"---\nsdk: gradio\n"]
)
def test_no_header_is_missing_configuration(readme: bytes | None):
    """
    Without a header that names an SDK the Hub says `Missing configuration in README`.
    """
    with pytest.raises(CannotBuildError) as caught:
        SpaceCard.parse(readme)
    assert (caught.value.stage, caught.value.message) == (
        Stage.CONFIG_ERROR,
        "Missing configuration in README",
    )


@pytest.mark.parametrize(
    "line",
    [
        "app_file: ../../etc/passwd",
        "app_file: /etc/passwd",
        "base_path: here",
        "python_version: two",
        "sdk_version: '6.0 --index-url=x'",
        "startup_duration_timeout: soon",
        "sdk: docker\napp_port: 70000",
    ],
)
def test_a_value_no_space_can_have_is_refused(line: str):
    """
    A path that leaves the repository, a version that is an option and a time that is none are CONFIG_ERRORs.
    """
    with pytest.raises(CannotBuildError) as caught:
        card(f"sdk: gradio\n{line}")
    assert caught.value.stage is Stage.CONFIG_ERROR
    assert line.splitlines()[-1].split(":")[0] in caught.value.message


def test_windows_line_ends_and_byte_order_mark_are_no_fault():
    """
    A header written on Windows is a header.
    """
    assert SpaceCard.parse(b"\xef\xbb\xbf---\r\nsdk: static\r\n---\r\ntext").sdk is Sdk.STATIC


def test_a_container_is_asked_at_its_own_port():
    """
    `app_port` counts for Docker Spaces, 7860 is what all others have, and Streamlit's is its own.
    """
    assert card("sdk: docker").app_port == 7860
    assert card("sdk: docker\napp_port: 8080").app_port == 8080
    assert card("sdk: gradio\napp_port: 8080").app_port == 7860
    assert card("sdk: streamlit").app_port == 8501
