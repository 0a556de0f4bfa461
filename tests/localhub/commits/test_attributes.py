import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacehand.localhub.commits.attributes import LfsRules
from spacehand.localhub.repos.first_commit import GIT_ATTRIBUTES

LFS = "filter=lfs diff=lfs merge=lfs -text"


def git_covers(folder: Path, paths: list[str]) -> dict[str, bool]:
    """What git itself says, from the ``.gitattributes`` in *folder*."""
    command = ["git", "-C", folder, "check-attr", "-z", "--stdin", "filter"]
    done = subprocess.run(command, input="\0".join(paths).encode(), capture_output=True, check=True)
    fields = done.stdout.decode().split("\0")[:-1]
    return {path: value == "lfs" for path, _attribute, value in zip(*[iter(fields)] * 3, strict=True)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("attributes")
    subprocess.run(["git", "init", "-q", made], check=True)
    return made


PATHS = [
    "model.safetensors", "deep/er/model.bin", "a.lfs.x", "saved_model/a", "saved_model/b/c",
    "x/saved_model/a", "tfevents", "events.out.tfevents.1",
    "events.tfevents/readme.md", "a.txt", "bin", "x.tar.gz", "x.tar",
]  # fmt: skip


def test_new_repositories_rules_mean_what_git_means(folder: Path) -> None:
    """The list that every new repository starts with covers the same files here and in git."""
    (folder / ".gitattributes").write_text(GIT_ATTRIBUTES)
    rules = LfsRules.parse(GIT_ATTRIBUTES.encode())

    assert {path: rules.covers(path) for path in PATHS} == git_covers(folder, PATHS)


@pytest.mark.parametrize(
    "lines",
    [
        "*.bin filter=lfs\nkeep.bin -filter",
        "*.bin filter=lfs\n*.bin !filter\n",
        "*.bin filter=lfs\n*.bin filter=other",
        "a/** filter=lfs\n",
        "**/a filter=lfs",
        "a/**/b filter=lfs",
        "/*.bin filter=lfs",
        "[ab].bin filter=lfs",
        "[!a].bin filter=lfs",
        "[[:digit:]]*.bin filter=lfs",
        "a\\*.bin filter=lfs",
        '"with blank.bin" filter=lfs',
        "with[[:space:]]blank.bin filter=lfs",
        "a? filter=lfs",
        "a/ filter=lfs",
        "# a filter=lfs",
        "   *.bin\t filter=lfs  ",
        "a/*.bin filter=lfs text\r",
    ],
)
def test_patterns_mean_what_git_means(folder: Path, lines: str) -> None:
    """Each kind of pattern covers the same files here and in git."""
    paths = [
        "a.bin", "b.bin", "c.bin", "keep.bin", "a/b", "a/x.bin", "a/b/c.bin", "a", "x/a", "a/x/y/b", "1x.bin",
        "a*.bin", "with blank.bin", "ab", "x/a.bin",
    ]  # fmt: skip
    (folder / ".gitattributes").write_text(lines)
    rules = LfsRules.parse(lines.encode())

    assert {path: rules.covers(path) for path in paths} == git_covers(folder, paths)


globs = st.lists(st.sampled_from(["a", "b", "*", "**", "/", "?", ".", "[ab]", "[!a]", "\\*"]), max_size=6)
names = st.lists(st.sampled_from(["a", "b", ".", "/", "*", "ab"]), min_size=1, max_size=6)


def is_plain(path: str) -> bool:
    return not {"", ".", ".."} & set(path.split("/"))  # git would mend such a path before it looks


def is_clear(glob: str) -> bool:
    # git reads `a**/b` as if a slash stood before the stars; nobody writes that.
    return not re.search(r"[^/]\*\*|\*\*[^/]", glob)


@settings(max_examples=30, deadline=None)
@given(
    globs.map("".join).filter(is_clear), st.lists(names.map("".join).filter(is_plain), min_size=1, max_size=8)
)
def test_any_pattern_means_what_git_means(folder: Path, glob: str, paths: list[str]) -> None:
    """Whatever the pattern, git agrees about what it covers."""
    (folder / ".gitattributes").write_text(f"{glob} {LFS}\n")
    rules = LfsRules.parse(f"{glob} {LFS}\n".encode())

    assert {path: rules.covers(path) for path in paths} == git_covers(folder, paths)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.text(
            st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="/\\"),
            min_size=1,
            max_size=8,
        ).filter(lambda name: name.strip(".")),
        min_size=1,
        max_size=3,
    ).map("/".join)
)
def test_extended_rules_cover_the_very_file(folder: Path, path: str) -> None:
    """A file that is added to the rules is covered, here and in git, whatever its name."""
    content = LfsRules.parse(b"*.txt text").extended([path])
    (folder / ".gitattributes").write_bytes(content)

    assert content.startswith(b"*.txt text\n")
    assert LfsRules.parse(content).covers(path)
    assert git_covers(folder, [path]) == {path: True}
