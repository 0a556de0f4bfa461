"""The folder that is pushed."""

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from spacehand.errors import ConfigError, LeakedSecretError, UsageError
from spacehand.space.build import LARGE, build
from spacehand.space.spec import SpaceSpec
from spacehand.space.template import ModelFacts


def built(folder: Path, output: Path, **overrides):
    return build(SpaceSpec.load(folder, overrides={"space": overrides}), output)


def paths(output: Path) -> set[str]:
    return {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}


def test_what_belongs_is_there_and_nothing_else(space, tmp_path):
    """
    Caches, environments, keys and our own settings stay at home.
    """
    junk = [
        ".env",
        ".env.local",
        ".git/HEAD",
        "__pycache__/app.pyc",
        "lib/__pycache__/a.pyc",
        ".venv/x",
        "id_rsa",
    ]
    junk += [
        ".DS_Store",
        "node_modules/a/b.js",
        ".ipynb_checkpoints/x",
        ".pytest_cache/v",
        "a.egg-info/PKG-INFO",
    ]
    kept = ["lib/a.py", ".gitattributes", ".streamlit/config.toml", ".env.example", "empty.txt"]
    folder = space({**dict.fromkeys(junk, "x"), **dict.fromkeys(kept, "")}, toml='[space]\nrepo = "ada/x"\n')

    result = built(folder, tmp_path / "out")

    assert paths(tmp_path / "out") == {"README.md", "app.py", *kept}
    assert [file.path for file in result.files] == sorted(paths(tmp_path / "out"))
    assert result.left_out == (".env", ".env.local", "id_rsa")


def test_the_same_input_gives_the_same_bytes(space, tmp_path):
    """
    Two builds are equal down to the digest; one changed byte is seen in it.
    """
    folder = space({"a.txt": "a", "b/c.txt": "c"})
    first = built(folder, tmp_path / "one")
    (folder / "app.py").touch()
    second = built(folder, tmp_path / "two")
    (folder / "a.txt").write_text("A")
    third = built(folder, tmp_path / "three")

    assert first.digest == second.digest != third.digest
    one = tmp_path / "one"
    hashes = {path: hashlib.sha256((one / path).read_bytes()).hexdigest() for path in sorted(paths(one))}
    lines = "".join(f"{sha256}  {path}\n" for path, sha256 in hashes.items())
    assert first.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert first.bytes == sum((tmp_path / "one" / path).stat().st_size for path in paths(tmp_path / "one"))


def test_the_front_matter_is_the_merged_one(space, tmp_path):
    """
    The pushed README has the settings in it; the author's own file is not touched.
    """
    folder = space()
    before = (folder / "README.md").read_bytes()

    result = built(folder, tmp_path / "out", title="Windows")

    assert "title: Windows" in (tmp_path / "out" / "README.md").read_text()
    assert result.front_matter.values["title"] == "Windows"
    assert (folder / "README.md").read_bytes() == before


def test_a_readme_is_made_where_there_is_none(space, tmp_path):
    """
    The Hub needs a header; the settings are enough to write one.
    """
    folder = space({"README.md": None, "index.html": "hi"})

    built(folder, tmp_path / "out", sdk="static", title="Doors")

    assert (tmp_path / "out" / "README.md").read_text() == "---\nsdk: static\ntitle: Doors\n---\n"


def test_patterns_leave_files_out(space, tmp_path):
    """
    `exclude` takes the patterns of .gitignore.
    """
    folder = space({"data/a.csv": "", "data/keep.csv": "", "notes.ipynb": ""})

    built(folder, tmp_path / "out", exclude=["*.ipynb", "data/*", "!data/keep.csv"])

    assert paths(tmp_path / "out") == {"README.md", "app.py", "data/keep.csv"}


def test_a_secret_in_a_file_stops_the_build(space, tmp_path):
    """
    Nothing is written when a file holds a token; file and line are named, the token is not.
    """
    token = "hf_" + "aZ3kQ9xLw7" * 3 + "Rt5V"
    folder = space({"lib/call.py": f"import os\nTOKEN = '{token}'\n"})

    with pytest.raises(LeakedSecretError) as refused:
        built(folder, tmp_path / "out")

    assert "lib/call.py:2" in f"{refused.value} {refused.value.where}"
    assert token not in str(refused.value.to_json())
    assert not (tmp_path / "out").exists()


def test_a_vendored_package_comes_as_a_folder(space, tmp_path):
    """
    The Hub installs from an index where the runtime is not: its folder is pushed instead.
    """
    built(space(), tmp_path / "out", vendor=["spacehand_runtime"])

    package = Path(str(find_spec("spacehand_runtime").origin)).parent
    whole = {f"spacehand_runtime/{path.relative_to(package)}" for path in package.rglob("*.py")}
    assert whole <= set(paths(tmp_path / "out"))
    assert "spacehand_runtime/queue/process/zygote.py" in whole  # folders inside it too
    assert not [path for path in paths(tmp_path / "out") if path.endswith(".pyc")]


@pytest.mark.parametrize(
    ("name", "says"),
    [("no_such_package", "not installed"), ("a-b", "not the name"), ("numpy", "compiled parts")],
)
def test_what_cannot_be_vendored_is_refused(space, tmp_path, name, says):
    """
    A Space never lacks a package silently, nor gets one that only runs on this machine.
    """
    with pytest.raises(ConfigError, match=says):
        built(space(), tmp_path / "out", vendor=[name])


def test_a_folder_of_the_same_name_is_not_overwritten(space, tmp_path):
    """
    An author's own copy of a package is theirs.
    """
    with pytest.raises(ConfigError, match="has one already"):
        built(space({"spacehand_runtime/__init__.py": ""}), tmp_path / "out", vendor=["spacehand_runtime"])


def test_the_engine_picks_the_requirements(tmp_path):
    """
    Of `requirements/<engine>.txt` the chosen one becomes requirements.txt, and the others stay at home.
    """
    spec = SpaceSpec.for_template("voxtral-asr", model=ModelFacts("ada/x", "ctranslate2"))

    build(spec, tmp_path / "out")

    assert "faster-whisper==" in (tmp_path / "out" / "requirements.txt").read_text()
    assert not (tmp_path / "out" / "requirements").exists()


def test_a_choice_of_engines_needs_a_word(space, tmp_path):
    """
    Nothing is guessed when two engines could run the Space.
    """
    folder = space({"requirements/a.txt": "x", "requirements/b.txt": "y", "requirements/notes.md": "z"})

    with pytest.raises(ConfigError, match="`a`, `b`"):
        built(folder, tmp_path / "out")
    built(folder, tmp_path / "out", engine="b")

    assert (tmp_path / "out" / "requirements.txt").read_text() == "y"
    assert (tmp_path / "out" / "requirements" / "notes.md").is_file()


def test_an_engine_without_a_list_is_refused(space, tmp_path):
    """
    A mistyped engine does not give a Space without requirements.
    """
    with pytest.raises(ConfigError, match=r"no `requirements/c\.txt`"):
        built(space({"requirements/a.txt": "x"}), tmp_path / "out", engine="c")


def test_large_files_are_named(space, tmp_path):
    """
    What the Hub takes only by LFS or Xet is known before the push.
    """
    folder = space()
    with (folder / "big.bin").open("wb") as stream:
        stream.truncate(LARGE + 1)

    assert built(folder, tmp_path / "out").large == ("big.bin",)


def test_links_stay_inside(space, tmp_path):
    """
    A link to a file of the Space is pushed as that file; one that leads out of it is refused.
    """
    folder = space({"data/a.txt": "a"})
    (folder / "b.txt").symlink_to("data/a.txt")
    built(folder, tmp_path / "out")
    assert (tmp_path / "out" / "b.txt").read_text() == "a"
    assert not (tmp_path / "out" / "b.txt").is_symlink()

    (folder / "c.txt").symlink_to("/etc/hostname")
    with pytest.raises(ConfigError, match=r"`c\.txt` is a link that leads out"):
        built(folder, tmp_path / "out2")


@pytest.mark.parametrize("link", ["/etc", "absent"])
def test_linked_folders_and_dead_links_are_refused(space, tmp_path, link):
    """
    Neither somebody else's folder nor nothing at all is pushed.
    """
    folder = space()
    (folder / "link").symlink_to(link)

    with pytest.raises(ConfigError, match="`link` is a link"):
        built(folder, tmp_path / "out")


def test_a_pipe_is_refused_instead_of_read_for_ever(space, tmp_path):
    """
    Only plain files can be pushed.
    """
    folder = space()
    os.mkfifo(folder / "pipe")

    with pytest.raises(ConfigError, match="`pipe` is not a plain file"):
        built(folder, tmp_path / "out")


@pytest.mark.parametrize("output", [".", "inside", ".."])
def test_the_output_is_never_in_the_input(space, output):
    """
    A build neither copies itself nor deletes what it was made from.
    """
    folder = space()

    with pytest.raises(UsageError, match="lie in one another"):
        build(SpaceSpec.load(folder), folder / output, replace=True)

    assert (folder / "app.py").is_file()


def test_a_folder_that_holds_something_is_left_alone(space, tmp_path):
    """
    Only `replace` empties an output folder.
    """
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years")
    spec = SpaceSpec.load(space())

    with pytest.raises(UsageError, match="is not empty"):
        build(spec, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years"

    build(spec, tmp_path / "out", replace=True)
    assert paths(tmp_path / "out") == {"README.md", "app.py"}
