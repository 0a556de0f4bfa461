"""What a build will do is known before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacehand.localhub.runner.build.interpreter import Choice, Interpreter
from spacehand.localhub.runner.build.plan import BuildPlan, plan, sdk_requirements
from spacehand.localhub.runner.card import CannotBuildError, SpaceCard
from spacehand.stage import Stage

PYTHON = Interpreter(Path("/usr/bin/python3.11"), "3.11.2", Path("/usr"))


def planned(header: str = "sdk: gradio\nsdk_version: 6.31.0", **files: str) -> BuildPlan:
    content = {"app.py": b""} | {name.replace("_txt", ".txt"): text.encode() for name, text in files.items()}
    return plan("c515370", SpaceCard.parse(f"---\n{header}\n---\n".encode()), content, Choice(PYTHON))


def test_sdk_and_requirements_are_one_command():
    """
    The command is the one the Hub's log shows, SDK pin and requirements in a single solve.
    """
    assert planned(requirements_txt="torch").install_command == (
        "pip install --no-cache-dir -r /tmp/requirements.txt gradio[oauth,mcp]==6.31.0 "
        '"uvicorn>=0.14.0" "websockets>=10.4" spaces'
    )


def test_gradio_4_gets_its_own_pins():
    """
    Gradio before 5 has no MCP extra and needs an old FastAPI.
    """
    assert sdk_requirements("4.44.1") == (
        "gradio[oauth]==4.44.1",
        "uvicorn>=0.14.0",
        "websockets>=10.4",
        "spaces",
        "fastapi<0.113.0",
    )


def test_same_question_same_key():
    """
    Whatever changes the solve changes its key, and nothing else does.
    """
    first = planned(requirements_txt="numpy")
    assert first.solve_key == planned(requirements_txt="numpy", packages_txt="ffmpeg").solve_key
    others = [
        planned(requirements_txt="numpy\npandas"),
        planned(requirements_txt="", **{"pre-requirements_txt": "numpy"}),
        planned("sdk: gradio\nsdk_version: 6.30.0", requirements_txt="numpy"),
    ]
    assert len({first.solve_key, *(other.solve_key for other in others)}) == 4
    assert first.layer_key("numpy==1") != first.layer_key("numpy==2")


def test_where_to_look_is_kept_for_the_installation():
    """
    Indexes that requirements name reach the installer; packages do not, nor paths of this machine.
    """
    found = planned(
        requirements_txt="--extra-index-url https://download.pytorch.org/whl/cpu\ntorch\n-i /srv/x\n"
    )
    assert found.index_options == "--extra-index-url https://download.pytorch.org/whl/cpu\n"


def test_packages_are_names_and_no_options():
    """
    packages.txt lists Debian packages; an option for apt-get in it is refused.
    """
    assert planned(packages_txt="ffmpeg libgl1\nlibsm6=2:1.2\n").apt_packages == (
        "ffmpeg",
        "libgl1",
        "libsm6=2:1.2",
    )
    with pytest.raises(CannotBuildError, match=r"packages\.txt"):
        planned(packages_txt="-oDpkg::Pre-Invoke::=sh")


def test_missing_app_file_is_a_stage_of_its_own():
    """
    Without its app file a Space is NO_APP_FILE, whatever else it holds.
    """
    with pytest.raises(CannotBuildError) as caught:
        planned("sdk: gradio\napp_file: main.py")
    assert caught.value.stage is Stage.NO_APP_FILE


def test_static_space_needs_no_layer():
    """
    Requirements beside a static page are not installed.
    """
    found = plan(
        "c5",
        SpaceCard.parse(b"---\nsdk: static\n---\n"),
        {"index.html": b"", "requirements.txt": b"x"},
        Choice(PYTHON),
    )
    assert not found.needs_layer


def test_a_streamlit_space_gets_a_dockerfile_and_the_reason():
    """
    An SDK that the Hub no longer has becomes an image: version, Python, packages and port as the header says.
    """
    files = {"app.py": b"", "requirements.txt": b"pandas", "packages.txt": b"ffmpeg"}
    header = b"---\nsdk: streamlit\nsdk_version: 1.40.0\npython_version: '3.12'\n---\n"
    build = plan("0" * 40, SpaceCard.parse(header), files, Choice(PYTHON))
    assert build.recipe is not None
    assert build.recipe.dockerfile.bases == ("python:3.12",)
    assert build.recipe.dockerfile.exposed == (8501,)
    assert build.recipe.dockerfile.user == "1000"
    assert "-r /tmp/requirements.txt streamlit==1.40.0" in build.recipe.text
    assert "apt-get install -y ffmpeg" in build.recipe.text
    assert "is no SDK of huggingface.co any more" in build.recipe.warnings[0]
    assert not build.needs_layer


def test_a_dockerfile_that_exposes_another_port_is_told_before_the_build():
    """
    What the Hub would only find out by waiting for half an hour is a warning of the build.
    """
    files = {"Dockerfile": b"FROM x\nEXPOSE 8000\n"}
    build = plan("0" * 40, SpaceCard.parse(b"---\nsdk: docker\n---\n"), files, Choice(PYTHON))
    assert build.recipe is not None
    assert "the Dockerfile exposes 8000, but the Space expects 7860" in build.recipe.warnings[0]
    assert "`app_port: 8000`" in build.recipe.warnings[0]
