"""The README's header: read strictly, changed gently."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from tests.space.conftest import README

from spacehand.errors import FrontMatterError
from spacehand.space.front_matter import FrontMatter, check_fields


def test_without_changes_the_readme_stays_as_it_is():
    """
    Reading and writing back is the identity, byte for byte.
    """
    assert FrontMatter.parse(README).text() == README
    assert FrontMatter.parse("# no header\n").text() == "# no header\n"


def test_a_change_keeps_comments_unknown_keys_and_the_body():
    """
    Only the changed line differs.
    """
    changed = FrontMatter.parse(README).with_values({"title": "Windows", "models": ["ada/tiny"]}).text()

    lines = changed.splitlines()
    (title,) = [line for line in lines if line.startswith("title: Windows")]
    assert title.endswith("# shown in the gallery")
    assert "# why this colour: the talk's slides" in lines
    assert "x-own: kept" in lines
    assert 'sdk_version: "6.31.0"' in lines
    assert changed.endswith("---\n\n# Doors\n")
    assert FrontMatter.parse(changed).values["models"] == ["ada/tiny"]


def test_a_value_that_is_there_already_changes_nothing():
    """
    A second deploy of the same settings makes no new README.
    """
    assert FrontMatter.parse(README).with_values({"title": "Doors"}).text() == README


@example("Yes")
@example("null")
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_title_survives_the_way_through_yaml(title):
    """
    Hostile names (quotes, colons, `#`, emoji) come back as they went in.
    """
    text = FrontMatter.parse(README).with_values({"title": title}).text()

    assert FrontMatter.parse(text).values["title"] == title


@pytest.mark.parametrize("version", ["3.10", "3.9", "3.11.9"])
def test_versions_are_written_quoted(version):
    """
    YAML reads an unquoted 3.10 as 3.1.
    """
    text = FrontMatter.parse("---\nsdk: gradio\n---\n").with_values({"python_version": version}).text()

    assert f'python_version: "{version}"' in text
    assert yaml.safe_load(text.split("---")[1])["python_version"] == version


def test_a_readme_without_header_gets_one():
    """
    A folder that is no Space yet becomes one; its text stays.
    """
    text = FrontMatter.parse("# Mine\n").with_values({"sdk": "static"}).text()

    assert text == "---\nsdk: static\n---\n# Mine\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("---\ntitle: a: b\n---\n", 2),
        ("---\nsdk: static\ntitle: [\n---\n", 4),
        ("---\nsdk: static\nsdk: gradio\n---\n", 3),
        ("---\n- a\n---\n", 2),
        ("---\nsdk: static\n", 1),
        ("---\nsdk: static\n\ttitle: x\n---\n", 3),
    ],
)
def test_broken_yaml_is_refused_with_its_line(text, line):
    """
    The author is sent to the line, counted in the README, where the Hub would only say "invalid".
    """
    with pytest.raises(FrontMatterError) as refused:
        FrontMatter.parse(text, "README.md")

    assert refused.value.where == f"README.md:{line}"


def test_windows_line_ends_are_understood():
    """
    A README that was written on Windows has a header too.
    """
    front_matter = FrontMatter.parse(README.replace("\n", "\r\n"))

    assert front_matter.values["title"] == "Doors"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("colorFrom: teal", "no colour"),
        ("python_version: 3.10", "Quote it"),
        ("sdk_version: 6.0", "Quote it"),
        ('python_version: "2.7"', "no version"),
        ('app_port: "7860"', "no port"),
        ("app_port: 70000", "no port"),
        (f"short_description: {'x' * 61}", "the Hub takes 60"),
        ("title: 42", "must be a text"),
        ("tags: one", "must be a list"),
    ],
)
def test_what_the_hub_would_refuse_is_refused_here(tmp_path, line, says):
    """
    Each field rule names its line, before anything is pushed.
    """
    front_matter = FrontMatter.parse(f"---\nsdk: gradio\n{line}\n---\n", "README.md")

    with pytest.raises(FrontMatterError) as refused:
        check_fields(front_matter, tmp_path)

    assert refused.value.where == "README.md:3"
    assert says in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize(
    ("sdk", "hint"), [("streamlit", "sdk: docker"), ("gradoi", "gradio, docker, static")]
)
def test_an_unknown_sdk_is_refused_with_the_way_out(tmp_path, sdk, hint):
    """
    Streamlit was an SDK once: its authors learn what to write now.
    """
    with pytest.raises(FrontMatterError) as refused:
        check_fields(FrontMatter.parse(f"---\nsdk: {sdk}\n---\n"), tmp_path)

    assert hint in str(refused.value.hint)


def test_no_sdk_is_refused_in_the_hubs_words(tmp_path):
    """
    The message is one people can search for.
    """
    with pytest.raises(FrontMatterError, match="Missing configuration in README"):
        check_fields(FrontMatter.parse("# nothing\n"), tmp_path)


def test_docker_needs_its_file(tmp_path):
    """
    A Docker Space without a Dockerfile cannot be built.
    """
    front_matter = FrontMatter.parse("---\nsdk: docker\n---\n")
    with pytest.raises(FrontMatterError, match="needs a `Dockerfile`"):
        check_fields(front_matter, tmp_path)

    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    check_fields(front_matter, tmp_path)
