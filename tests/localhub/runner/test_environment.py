"""An app's environment is what the Hub documents."""

from __future__ import annotations

from spacehand.ids import RepoId
from spacehand.localhub.runner.engines._protocol import Layout
from spacehand.localhub.runner.environment import Hardware, Surroundings, environment

LAYOUT = Layout("/app", "/home/user", "/tmp", "/opt/venv/bin", "0.0.0.0", 7860)


def made(variables: dict[str, str] | None = None, secrets: dict[str, str] | None = None) -> dict[str, str]:
    around = Surroundings(
        RepoId("ada", "demo"),
        "Demo",
        "ada-demo.localhost:7870",
        Hardware("t4-small", "4", "15Gi", "t4-small"),
        "http://127.0.0.1:7870",
        "ada",
        variables or {},
        secrets or {},
    )
    return environment(around, LAYOUT)


def test_documented_variables_are_there():
    """
    SYSTEM, SPACE_* and the hardware are set; Gradio's analytics are off.
    """
    found = made()
    expected = {
        "SYSTEM": "spaces",
        "SPACE_ID": "ada/demo",
        "SPACE_AUTHOR_NAME": "ada",
        "SPACE_REPO_NAME": "demo",
        "SPACE_TITLE": "Demo",
        "ACCELERATOR": "t4-small",
        "CPU_CORES": "4",
        "MEMORY": "15Gi",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": "7860",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_ENDPOINT": "http://127.0.0.1:7870",
        "PYTHONUNBUFFERED": "1",
        "HOME": "/home/user",
    }
    assert expected.items() <= found.items()
    assert "PYTHONDONTWRITEBYTECODE" not in found


def test_owner_may_change_defaults_but_not_who_the_space_is():
    """
    A variable may change GRADIO_THEME, a secret may add HF_TOKEN, neither may change SPACE_ID.
    """
    found = made({"GRADIO_THEME": "soft", "SPACE_ID": "eve/demo"}, {"HF_TOKEN": "x"})
    assert (found["GRADIO_THEME"], found["HF_TOKEN"], found["SPACE_ID"]) == ("soft", "x", "ada/demo")


def test_values_do_not_show_when_printed():
    """
    The representation of an app's surroundings leaves its secrets out.
    """
    around = Surroundings(RepoId("a", "b"), "", "", Hardware(), "", "", secrets={"T": "s3cr3t"})
    assert "s3cr3t" not in repr(around)


def test_memory_is_read_as_the_hub_writes_it():
    """
    16Gi is 16 times 2 to the 30 bytes.
    """
    assert Hardware(memory="16Gi").memory_bytes == 16 << 30
    assert Hardware(memory="300Mi").memory_bytes == 300 << 20
