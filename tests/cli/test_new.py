"""`spacehand new`: the list, the folder, and what is wrong."""

from __future__ import annotations

from tests.cli.conftest import Spacehand


def test_templates_are_listed_and_written(spacehand: Spacehand) -> None:
    """Without a template there is a list; with one a folder, and the next command beside it."""
    listed = spacehand("new", "--json").json["templates"]
    assert {"gradio", "gradio-stream", "static", "voxtral-asr"} <= {one["name"] for one in listed}
    assert all(one["sdk"] and one["description"] for one in listed)

    made = spacehand("new", "static", "page")
    assert (made.code, made.out.strip()) == (0, "page")
    assert "spacehand deploy page" in made.err
    assert (made.folder / "page/index.html").is_file()


def test_a_template_without_a_place_is_a_wrong_command(spacehand: Spacehand) -> None:
    """The folder is never guessed."""
    ran = spacehand("new", "static")
    assert ran.code == 2
    assert "hint: `spacehand new static DIR`" in ran.told
