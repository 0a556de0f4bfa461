"""What the documentation says is what the code does; a name that is missing on either side fails here."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml

import spacehand
from spacehand import errors
from spacehand.cli.main import COMMANDS, main
from spacehand.space.secrets import READERS
from spacehand.space.settings_file import check_names, given, merged
from spacehand.space.spec import _SCHEMA, Expect, SpaceSpec, Volume

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
GENERATED = ("cli.md", "coverage.md", "errors.md")
BY_HAND = [ROOT / "README.md", *(page for page in PAGES if page.name not in GENERATED)]
TEXTS = [*sorted(ROOT.glob("*.md")), *PAGES]
SETTINGS = DOCS / "guides" / "spacehand-toml.md"


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The script that writes the reference."""
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_fresh(generate: ModuleType):
    """
    The reference says what the code says today; `make docs` writes it anew.
    """
    pages = generate.pages()

    assert set(pages) == set(GENERATED)
    for page, text in pages.items():
        assert (DOCS / "reference" / page).read_text() == text, f"{page} is stale: run `make docs`"


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command by the words that call it."""
    context = click.Context(main)
    for word in COMMANDS:
        found = main.get_command(context, word)
        assert found is not None
        yield from inner_commands(word, found)


def inner_commands(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield *command*, or of a group the commands in it."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    for name, found in command.commands.items():
        yield from inner_commands(f"{words} {name}", found)


@pytest.mark.parametrize("words", [words for words, _ in commands()])
def test_every_command_is_told_by_a_person(words: str):
    """
    Each command is in a page that was written for people, not only in the generated list.
    """
    assert any(f"spacehand {words}" in page.read_text() for page in BY_HAND)


def test_every_option_is_in_the_reference():
    """
    Each option of each command is in the list of commands.
    """
    sections = re.split(r"^#{2,3} spacehand ", (DOCS / "reference/cli.md").read_text(), flags=re.MULTILINE)
    told = {section.partition("\n")[0]: section for section in sections}
    for words, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[-1] in told[words], f"{words} {parameter.opts[-1]}"


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Yield what the pages call: each `spacehand …` in code, and where it stands."""
    for page in BY_HAND:
        for number, line in enumerate(page.read_text().splitlines(), start=1):
            for said in re.findall(r"`(spacehand [a-z][^`]*)`", line):
                yield f"{name(page)}:{number}", _words(said)
            plain = line.strip().removeprefix("$ ")
            if plain.startswith("spacehand "):
                yield f"{name(page)}:{number}", _words(plain)


def _words(line: str) -> list[str]:
    return shlex.split(line.partition(" | ")[0], comments=True)[1:]


def test_the_pages_call_only_what_exists():
    """
    A command line in the documentation names a command that exists, with options that it has.
    """
    known = dict(commands())
    seen = 0
    for where, words in command_lines():
        if not words[0].islower() or words[0] not in COMMANDS:
            # Prose that goes on after the name, such as "spacehand says".
            assert not any(word.startswith("--") for word in words), f"{where}: {words}"
            continue
        called = next((" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in known), "nothing")
        if words == ["hub"]:
            continue
        assert called in known, f"{where}: `spacehand {called}`"
        there = {option for parameter in known[called].params for option in parameter.opts} | {"--help"}
        for word in words:
            if word.startswith("-"):
                assert word in there, f"{where}: `spacehand {called}` has no `{word}`"
        seen += 1
    assert seen > 20


def test_every_error_has_a_code_of_its_own_and_a_line():
    """
    Each error has its own code, and the list of errors tells name, code and exit code.
    """
    page = (DOCS / "reference/errors.md").read_text()
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.SpacehandError)
    ]

    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        row = next(line for line in page.splitlines() if f'id="{kind.code.lower()}"' in line)
        assert f"| {kind.exit_code} | `{kind.__name__}` |" in row
    assert page.count("<a id=") == len(kinds)


def documented_settings() -> dict[str, set[str]]:
    """Return the keys that the guide lists under each table's heading."""
    tables: dict[str, set[str]] = {}
    for section in re.split(r"^## ", SETTINGS.read_text(), flags=re.MULTILINE)[1:]:
        if heading := re.match(r"\[([a-z]+)\]", section):
            tables[heading[1]] = set(re.findall(r"^\| `([a-z_]+)` \|", section, flags=re.MULTILINE))
    return tables


def test_every_setting_of_spacehand_toml_is_explained():
    """
    The guide to spacehand.toml has exactly the tables and keys that the code takes.
    """
    wanted = {table: set(keys or ()) for table, keys in _SCHEMA.items()}
    wanted["space"] |= {field.name for field in fields(Volume)}
    wanted["probe"] |= {field.name for field in fields(Expect)}
    wanted["secrets"] |= set(READERS)

    assert documented_settings() == wanted


def toml_blocks() -> list[tuple[str, str]]:
    """Return every block of TOML in the documentation, and where it is."""
    found = []
    for page in TEXTS:
        for match in re.finditer(r"^```toml[^\n]*\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
            found.append((f"{name(page)}:{page.read_text()[: match.start()].count(chr(10)) + 1}", match[1]))
    return found


@pytest.mark.parametrize(("where", "text"), toml_blocks())
def test_examples_of_settings_are_valid(where: str, text: str):
    """
    Every example of spacehand.toml has only settings that exist.
    """
    values = tomllib.loads(text)
    environments = values.pop("env", {})
    for tables in (values, *environments.values()):
        check_names(merged([given(tables, where)]), _SCHEMA)


def test_the_complete_example_is_a_space(tmp_path: Path):
    """
    The guide's complete example can be loaded as it stands, and names every table a person may write.
    """
    text = next(text for where, text in toml_blocks() if "spacehand-toml" in where)
    (tmp_path / "spacehand.toml").write_text(text)
    (tmp_path / "README.md").write_text("# Mine\n")

    spec = SpaceSpec.load(tmp_path, environment="staging")

    assert str(spec.repo) == "ada/voxtral-tiny-demo-staging"
    assert {secret.reader for secret in spec.secrets} == set(READERS)
    assert set(tomllib.loads(text)) == {*_SCHEMA, "env"} - {"template"}


def variables() -> set[str]:
    """Return the environment variables of ours that the code names."""
    found: set[str] = set()
    for folder in ("src", "runtime/src", "apps", "scripts", "tests"):
        for file in (ROOT / folder).rglob("*.py"):
            if file != Path(__file__):
                found |= set(re.findall(r"SPACEHAND_[A-Z_]+", file.read_text()))
    return found


def test_every_environment_variable_of_ours_is_told():
    """
    Each SPACEHAND_… that the code or the tests look at is in the list of environment variables.
    """
    page = (DOCS / "reference/settings.md").read_text()
    found = variables()

    assert "SPACEHAND_HOME" in found
    assert not [variable for variable in sorted(found) if f"`{variable}" not in page]
    told = set(re.findall(r"`(SPACEHAND_[A-Z_]+)", page))
    assert not told - found, "these are told, but nothing looks at them"


def anchors(page: Path) -> set[str]:
    """Return the places in *page* that a link may name."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'id="([^"]+)"', text))


@pytest.mark.parametrize("page", TEXTS, ids=name)
def test_links_lead_somewhere(page: Path):
    """
    No link between pages is dead, and none names a heading that is not there.
    """
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{name(page)} links to {link}"


def test_every_page_is_in_the_menu():
    """
    The menu of the documentation has each page, once, and no page that is not there.
    """

    def entries(menu: object) -> Iterator[str]:
        if isinstance(menu, str):
            yield menu
        for inner in menu.values() if isinstance(menu, dict) else menu if isinstance(menu, list) else ():
            yield from entries(inner)

    menu = list(entries(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))

    assert sorted(menu) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


def test_the_changelog_has_this_version():
    """
    The version that is released is told of in the changelog.
    """
    assert re.search(
        rf"^## {re.escape(spacehand.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
