"""Secrets are found by file, line and rule, and their value goes nowhere."""

from __future__ import annotations

import json
import random
import string
import time
from pathlib import Path

import pytest

from spacehand.errors import LeakedSecretError
from spacehand.hub._protocol import LocalFile
from spacehand.hub.leaks import Leak, is_secret_file, refuse, scan

_LETTERS = string.ascii_letters + string.digits


def _random(length: int, letters: str = _LETTERS, seed: int = 7) -> str:
    chance = random.Random(seed)  # noqa: S311
    return "".join(chance.choice(letters) for _ in range(length))


_HEX = "0123456789abcdef"
_UPPER = string.ascii_uppercase + string.digits
# Each is made here, from pieces, so that this file itself holds none.
CANARIES = {
    "hugging-face-token": "hf" + "_" + _random(34),
    "anthropic-key": "sk-" + "ant-api03-" + _random(93),
    "openrouter-key": "sk-" + "or-v1-" + _random(64, _HEX),
    "openai-key": "sk-" + "proj-" + _random(48),
    "github-token": "gh" + "p_" + _random(36),
    "github-fine-grained-token": "github" + "_pat_" + _random(82),
    "gitlab-token": "gl" + "pat-" + _random(20),
    "aws-access-key": "AK" + "IA" + _random(16, _UPPER),
    "google-api-key": "AI" + "za" + _random(35),
    "google-oauth-secret": "GOC" + "SPX-" + _random(28),
    "slack-token": "xo" + "xb-" + _random(12, string.digits) + "-" + _random(24),
    "slack-webhook": "https://hooks.slack" + ".com/services/" + f"T{_random(8)}/B{_random(8)}/{_random(24)}",
    "discord-webhook": "https://discord.com/api/web" + f"hooks/{_random(18, string.digits)}/{_random(68)}",
    "telegram-bot-token": _random(10, string.digits) + ":A" + "A" + _random(33),
    "npm-token": "np" + "m_" + _random(36),
    "pypi-token": "py" + "pi-AgEIcHlwaS5vcmc" + _random(120),
    "stripe-key": "sk_" + "live_" + _random(24),
    "sendgrid-key": "S" + "G." + _random(22) + "." + _random(43),
    "replicate-token": "r" + "8_" + _random(37),
    "groq-key": "gs" + "k_" + _random(52),
    "xai-key": "xa" + "i-" + _random(80),
    "databricks-token": "da" + "pi" + _random(32, _HEX),
    "digitalocean-token": "do" + "p_v1_" + _random(64, _HEX),
    "azure-storage-key": "Account" + "Key=" + _random(86) + "==",
    "age-secret-key": "AGE-SECRET-" + "KEY-1" + _random(58, _UPPER),
    "json-web-token": "ey" + f"J{_random(20)}.ey" + f"J{_random(60)}.{_random(43)}",
    "private-key": "-----BEGIN RSA " + "PRIVATE KEY-----\n" + _random(64) + "\n",
    "password-in-url": "postgres://ada:" + _random(14) + "@db.internal:5432/app",
}


def _scan(path: str, text: str) -> list[Leak]:
    return scan([LocalFile(path, content=text.encode())])


@pytest.mark.parametrize("rule", CANARIES)
@pytest.mark.parametrize("path", ["notes.md", "app.py", "config.json"])
def test_a_key_is_found_where_it_stands(rule: str, path: str):
    """
    A maker's key is found by its own rule, in prose, code and data.
    """
    canary = CANARIES[rule]
    text = {
        "notes.md": f"first line\nuse {canary} to log in\n",
        "app.py": f"import os\nVALUE = '{canary}'\n",
        "config.json": "{\n" + json.dumps({"value": canary})[1:],
    }[path]

    assert _scan(path, text) == [Leak(path, 2, rule)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".env", "DB_PASSWORD={}"),
        ("config.yaml", "hub:\n  token: {}"),
        ("config.json", '{{"api_key": "{}"}}'),
        ("app.py", 'login(token="{}")'),
        ("app.py", "client_secret: str = '{}'"),
        ("notes.ipynb", '{{"source": ["api_key = \\"{}\\"\\n"]}}'),
        ("Dockerfile", "FROM python:3.11\nENV API_KEY {}"),
        ("Dockerfile", "ARG WANDB_TOKEN={}"),
        ("settings.toml", 'secret_key = "{}"'),
    ],
)
def test_a_random_value_beside_a_telling_word_is_found(path: str, text: str):
    """
    Whatever its maker, a random value given to a password, key or token is a secret.
    """
    found = _scan(path, text.format(_random(32)))

    assert [(leak.file, leak.rule) for leak in found] == [(path, "secret-value")]


@pytest.mark.parametrize(
    "text",
    [
        'token = "hf_' + "x" * 34 + '"',
        "export HF_TOKEN=hf_...",
        "HF_TOKEN=hf_your_token_here",
        "HF_TOKEN=<your token>",
        "token: ${{ secrets.HF_TOKEN }}",
        "password: ${DATABASE_PASSWORD_1}",
        'token = os.environ["SPACE_READ_TOKEN_2"]',
        "api_key = get_secret_from_keyring_v2(name)",
        'HF_TOKEN = { env = "SPACE_READ_TOKEN" }',
        "AWS_ACCESS_KEY_ID=AK" + "IAIOSFODNN7EXAMPLE",
        '"eos_token": "<|im_end|>", "pad_token": "<|reserved_special_token_250|>"',
        'pad_token = "reserved_special_token_250"',
        '"tokenizer_class": "PreTrainedTokenizerFast2"',
        '"primary_key": "a81bc81b-dead-4e5d-abff-90865d1e13b1"',
        "postgres://user:password@localhost/db",
        "-----BEGIN PRIVATE KEY----- is how such a file starts",
        "sk-ssh-ed25519-cert-v01@openssh.com",
        'API_KEY = "' + _random(32) + '"  # spacehand: not a secret',
        'key_hash = "' + _random(40, _HEX) + '"',
    ],
)
@pytest.mark.parametrize("path", ["app.py", "README.md"])
def test_what_only_looks_like_a_secret_is_left_alone(path: str, text: str):
    """
    Placeholders, names of variables, special tokens of a tokenizer and marked lines are no secrets.
    """
    assert _scan(path, text) == []


def test_one_secret_is_one_finding():
    """
    `HF_TOKEN=hf_…` is named once, by its maker's rule, however it is seen.
    """
    text = f"HF_TOKEN={CANARIES['hugging-face-token']}\nPASSWORD={_random(20)}\n"

    assert [(leak.line, leak.rule) for leak in _scan(".env", text)] == [
        (1, "hugging-face-token"),
        (2, "secret-value"),
    ]


def test_refusal_names_the_place_and_keeps_the_value_to_itself():
    """
    The error names every file and line, and nowhere the value, a piece of it, or its length.
    """
    secrets = [CANARIES["hugging-face-token"], CANARIES["aws-access-key"], _random(29, seed=3)]
    files = [
        LocalFile("train.py", content=f"\n\nTOKEN = '{secrets[0]}'\n".encode()),
        LocalFile("a/b.yaml", content=f"id: {secrets[1]}\npassword: {secrets[2]}\n".encode()),
    ]

    with pytest.raises(LeakedSecretError) as raised:
        refuse(files)

    said = f"{raised.value} {raised.value.where} {raised.value.hint} {raised.value.to_json()} {scan(files)!r}"
    assert "train.py:3" in said
    assert "a/b.yaml:1" in said
    assert "a/b.yaml:2" in said
    for secret in secrets:
        assert not any(secret[start : start + 6] in said for start in range(len(secret) - 6))
        assert str(len(secret)) not in said


def test_the_metadata_of_safetensors_is_read(tmp_path: Path):
    """
    A key in the metadata of a weights file is found, though the weights themselves are passed over.
    """
    header = json.dumps({"__metadata__": {"made_by": CANARIES["hugging-face-token"]}}).encode()
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(1 << 30)

    started = time.perf_counter()
    found = scan([LocalFile("model.safetensors", source=file)])

    assert found == [Leak("model.safetensors", 0, "hugging-face-token")]
    assert time.perf_counter() - started < 5  # a gigabyte of zeros was not read


def test_small_binaries_are_read_and_large_ones_are_not(tmp_path: Path):
    """
    A pickle of training arguments may hold a token; a large binary is weights.
    """
    secret = CANARIES["hugging-face-token"].encode()
    (tmp_path / "training_args.bin").write_bytes(b"\x80\x02\0\0" + secret + b"\0")
    with (tmp_path / "model.bin").open("wb") as stream:
        stream.write(b"\0\0" + secret)
        stream.truncate(1 << 30)
    files = [LocalFile(name, source=tmp_path / name) for name in ("training_args.bin", "model.bin")]

    assert scan(files) == [Leak("training_args.bin", 0, "hugging-face-token")]


def test_a_key_across_two_pieces_of_a_long_file_is_found_once(tmp_path: Path):
    """
    Long text is read in pieces; no secret falls between two, and its line number is right.
    """
    secret = CANARIES["hugging-face-token"]
    lines = (8 << 20) // 10 - 2
    file = tmp_path / "data.jsonl"
    file.write_text("123456789\n" * lines + f"at the border {secret}\n" + "123456789\n" * lines + secret)

    assert [leak.line for leak in scan([LocalFile("data.jsonl", source=file)])] == [lines + 1, 2 * lines + 2]


def test_text_of_another_encoding_is_read(tmp_path: Path):
    """
    A file that an editor saved as UTF-16 is text too.
    """
    file = tmp_path / "keys.txt"
    file.write_text("first\n" + CANARIES["github-token"], encoding="utf-16")

    assert scan([LocalFile("keys.txt", source=file)]) == [Leak("keys.txt", 2, "github-token")]


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "app/.env.local",
        "prod.env",
        "id_rsa",
        "certs/server.pem",
        ".streamlit/secrets.toml",
        "kaggle.json",
    ],
)
def test_files_that_are_made_for_secrets(path: str):
    """
    Such a file is known by its name.
    """
    assert is_secret_file(path)


@pytest.mark.parametrize(
    "path", [".env.example", "environment.yml", "tokenizer.json", "keys.py", "id_rsa.md"]
)
def test_files_that_are_not(path: str):
    """
    An example, and a file that only sounds like one, may be uploaded.
    """
    assert not is_secret_file(path)
