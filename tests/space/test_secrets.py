"""Where secrets are read, and that they are read nowhere else."""

import pickle
import sys
from pathlib import Path

import pytest

from spacehand.errors import ConfigError
from spacehand.space.secrets import Secret
from spacehand.space.spec import SpaceSpec

VALUE = "correct horse battery"


def test_each_reader_reads_its_place(tmp_path):
    """
    A value comes from the environment, a file or a command, without the newline at its end.
    """
    (tmp_path / "token.txt").write_text(f"{VALUE}\n")
    command = f"{sys.executable} -c \"print('{VALUE}')\""

    assert Secret("A", "env", "PLACE", tmp_path).read({"PLACE": VALUE}) == VALUE
    assert Secret("A", "file", "token.txt", tmp_path).read() == VALUE
    assert Secret("A", "command", command, tmp_path).read() == VALUE


def test_loading_a_spec_reads_no_secret(space, monkeypatch):
    """
    A described Space holds names and places: its text, even pickled, never has the value.
    """
    monkeypatch.setenv("MY_TOKEN", VALUE)
    spec = SpaceSpec.load(space(toml='[secrets]\nHF_TOKEN = { env = "MY_TOKEN" }\n'))

    assert VALUE not in repr(spec)
    assert VALUE.encode() not in pickle.dumps(spec)
    assert spec.secrets[0].read() == VALUE


@pytest.mark.parametrize(
    ("reader", "place"),
    [
        ("env", "NOT_SET"),
        ("file", "absent.txt"),
        ("command", "no-such-command-here"),
        ("command", f"{sys.executable} -c \"import sys; print('{VALUE}'); sys.exit('{VALUE}')\""),
        ("command", f'{sys.executable} -c ""'),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_not_shown(tmp_path, reader, place):
    """
    The error tells name and place; what a failing command printed is not repeated.
    """
    secret = Secret("HF_TOKEN", reader, place, tmp_path)

    with pytest.raises(ConfigError) as refused:
        secret.read({})

    message = str(refused.value).replace(place, "")
    assert "`HF_TOKEN`" in message
    assert VALUE not in message
    assert refused.value.__cause__ is None or VALUE not in repr(refused.value.__cause__)


def test_a_value_in_the_file_is_refused_without_repeating_it(space):
    """
    A secret written into spacehand.toml by mistake is not copied into an error message.
    """
    with pytest.raises(ConfigError) as refused:
        SpaceSpec.load(space(toml=f'[secrets]\nHF_TOKEN = "{VALUE}"\n'))

    assert VALUE not in str(refused.value.to_json())
    assert str(refused.value.where).endswith("spacehand.toml:2")
    assert "{ env = " in str(refused.value.hint)


@pytest.mark.parametrize(
    "line",
    [
        'K = { vault = "x" }',
        'K = { env = "A", file = "b" }',
        "K = { env = 3 }",
        'K = { keyring = "x" }',
        'k-v = { env = "A" }',
    ],
)
def test_impossible_readers_are_refused(space, line):
    """
    One known reader with a text, under a name that can be an environment variable; nothing else passes.
    """
    with pytest.raises(ConfigError) as refused:
        SpaceSpec.load(space(toml=f"[secrets]\n{line}\n"))

    assert str(refused.value.where).endswith("spacehand.toml:2")


def test_a_relative_file_starts_at_the_authors_folder(space):
    """
    `file = "token.txt"` means the one beside spacehand.toml, wherever the command was run.
    """
    folder = space({"token.key": VALUE}, toml='[secrets]\nHF_TOKEN = { file = "token.key" }\n')

    (secret,) = SpaceSpec.load(folder).secrets

    assert secret.folder == Path(folder)
    assert secret.read() == VALUE
