"""`spacehand hub engines`: what Spaces run in here, and why in nothing better."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Spacehand

BARE = {"PATH": "/nowhere", "DOCKER_HOST": "unix:///nowhere/docker.sock"}


def test_each_kind_of_space_is_told_its_engine_and_the_others_their_reason(
    spacehand: Spacehand, tmp_path: Path
) -> None:
    """Where nothing is installed Gradio runs as a process, and for a Dockerfile it says what to install."""
    ran = spacehand("hub", "engines", "--data", tmp_path / "hub", **BARE)

    assert ran.code == 0
    assert ran.out.splitlines() == [
        "gradio             process",
        "                   sandbox: bubblewrap is not installed",
        "static             the Hub itself",
        "docker, streamlit  nothing here",
        "                   docker: no docker daemon answers at unix:///nowhere/docker.sock",
        "                   buildah: buildah is not installed",
        "                   swarm: no docker daemon answers at unix:///nowhere/docker.sock",
    ]
    assert "apt-get install docker.io" in ran.err


def test_engines_as_json(spacehand: Spacehand, tmp_path: Path) -> None:
    """A program reads which engine works, which is taken, and how it differs from huggingface.co."""
    told = spacehand("hub", "engines", "--data", tmp_path / "hub", "--json", **BARE).json

    gradio, static, docker = told["spaces"]
    assert (gradio["sdks"], gradio["engine"], gradio["fidelity"]) == (["gradio"], "process", "process")
    assert gradio["engines"][0]["why_not"] == "bubblewrap is not installed"
    assert [one["volumes"] for one in gradio["engines"]] == [False, False]
    assert gradio["differences"][0].startswith("no sandbox")
    assert (static["engine"], static["fidelity"]) == (None, "static")
    assert (docker["engine"], docker["fidelity"]) == (None, None)
    assert [one["works"] for one in docker["engines"]] == [False, False, False]
