"""App folders to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacehand.errors import NotFoundError, UsageError
from spacehand.space.build import build
from spacehand.space.spec import SpaceSpec
from spacehand.space.starter import begin, sdk_of, templates
from spacehand.space.template import template_names

# What shows the same three things in each starter: a variable, a secret's name, and what it runs on.
MACHINE = ("SPACE_ID", "CPU_CORES", "MEMORY")
# Apps to use as they are and to read: they need no secret.
WHOLE_APPS = ("shiny-statistics", "stroke-lesion")
STARTERS = tuple(one.name for one in templates() if not one.engines and one.name not in WHOLE_APPS)


@pytest.mark.parametrize("name", template_names())
def test_every_template_begins_a_folder_that_builds(name: str, tmp_path: Path) -> None:
    """
    The copy holds what the template holds, its settings are valid, and it is described in one sentence.
    """
    started = begin(name, tmp_path / "app")

    chosen = next(one for one in templates() if one.name == name)
    assert chosen.description
    assert "." not in chosen.description
    assert started.sdk == sdk_of(chosen)
    assert {"README.md", "spacehand.toml"} <= set(started.files)
    assert ("[template]" in (started.folder / "spacehand.toml").read_text()) == bool(chosen.engines)
    if not chosen.engines:
        spec = SpaceSpec.load(started.folder)
        pushed = {file.path for file in build(spec, tmp_path / "out").files}
        own = {path for path in pushed if not path.startswith(tuple(f"{name}/" for name in spec.vendor))}
        kept_back = {path for path in started.files if path not in own}
        assert own <= set(started.files)
        assert kept_back == {"spacehand.toml"} or (name in WHOLE_APPS and spec.exclude)


@pytest.mark.parametrize("name", STARTERS)
def test_every_starter_has_a_variable_and_names_a_secret_without_a_value(name: str, tmp_path: Path) -> None:
    """
    A starter shows how both are set; the file says only where a secret is read.
    """
    folder = begin(name, tmp_path / "app").folder
    settings = folder / "spacehand.toml"
    assert SpaceSpec.load(folder).variables
    if name == "static":  # what a static page knows, every visitor knows
        assert "secret" not in settings.read_text()
        return
    settings.write_text(settings.read_text().replace("# [secrets]", "[secrets]").replace("\n# ", "\n"))
    (secret,) = SpaceSpec.load(folder).secrets
    code = "".join(path.read_text() for path in folder.rglob("*.py"))
    assert all(f'"{word}"' in code for word in (secret.name, *MACHINE))


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    """
    A folder that holds something, and a file, are refused and left as they are; an empty folder will do.
    """
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        begin("static", full)
    with pytest.raises(UsageError, match="is a file"):
        begin("static", full / "mine.txt")
    assert [path.name for path in full.iterdir()] == ["mine.txt"]

    empty = tmp_path / "empty"
    empty.mkdir()
    assert begin("static", empty).folder == empty


def test_a_mistyped_template_names_the_nearest(tmp_path: Path) -> None:
    """
    Nothing is written for a template that does not exist.
    """
    with pytest.raises(NotFoundError) as caught:
        begin("gradoi", tmp_path / "app")
    assert caught.value.hint == "Did you mean `gradio`?"
    assert not (tmp_path / "app").exists()
