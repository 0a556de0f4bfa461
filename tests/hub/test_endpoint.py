from __future__ import annotations

import json
from pathlib import Path

import pytest

from spacehand.errors import UsageError
from spacehand.hub.endpoint import HUGGING_FACE, LOCAL, Target, choose

HF_TOKEN = "hf_canaryCANARYcanary"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a local Hub that runs on port 7999 with a token of its own."""
    (tmp_path / "token").write_text("hf_local\n")
    description = {"url": "http://127.0.0.1:7999", "pid": 1, "token_file": str(tmp_path / "token")}
    (tmp_path / "hub.json").write_text(json.dumps(description))
    return tmp_path


def test_the_order_is_flag_environment_file_local(data: Path) -> None:
    """`--to` wins over HF_ENDPOINT, that over spacehand.toml, and with none of them it is the local Hub."""
    environ = {"HF_ENDPOINT": "https://env.example"}

    def chosen(to: str | None, settings: str | None, environ: dict[str, str]) -> tuple[str, str]:
        target = choose(to, settings=settings, data=data, environ=environ)
        return target.endpoint, target.chosen_by

    assert chosen("https://flag.example", "https://file.example", environ) == ("https://flag.example", "--to")
    assert chosen(None, "https://file.example", environ) == ("https://env.example", "HF_ENDPOINT")
    assert chosen(None, "https://file.example", {}) == ("https://file.example", "spacehand.toml")
    assert chosen(None, None, {}) == ("http://127.0.0.1:7999", "default")
    assert chosen("local", "hf", environ) == ("http://127.0.0.1:7999", "--to")


def test_a_token_never_chooses_the_target(data: Path) -> None:
    """With HF_TOKEN in the environment it is still the local Hub, and the token does not go there."""
    target = choose(data=data, environ={"HF_TOKEN": HF_TOKEN})

    assert target.is_local
    assert target.token == "hf_local"


def test_hf_token_goes_only_where_it_was_sent(data: Path) -> None:
    """To huggingface.co or an address that was chosen, never to the default."""
    environ = {"HF_TOKEN": HF_TOKEN}

    assert choose("hf", data=data, environ=environ).token == HF_TOKEN
    assert choose("https://hub.example", data=data, environ=environ).token == HF_TOKEN
    assert choose("https://hub.example", data=data, environ={}).token is None
    assert choose("local", data=data, environ=environ).token == "hf_local"


def test_the_local_hub_is_known_by_all_its_names(data: Path) -> None:
    """`http://localhost:PORT` is the same Hub, with the token found by itself."""
    target = choose("http://localhost:7999/", data=data, environ={})

    assert target.is_local
    assert target.token == "hf_local"


def test_no_local_hub_was_ever_started(tmp_path: Path) -> None:
    """The usual address is meant; a command may start a Hub there."""
    assert choose(data=tmp_path, environ={}) == Target(
        LOCAL, None, is_local=True, chosen_by="default", data=tmp_path
    )


def test_a_token_given_with_the_local_address_is_used(data: Path) -> None:
    """HF_ENDPOINT and HF_TOKEN belong together, also when they name the local Hub."""
    environ = {"HF_ENDPOINT": "http://127.0.0.1:7999", "HF_TOKEN": HF_TOKEN}

    assert choose(data=data, environ=environ).token == HF_TOKEN


def test_hf_is_huggingface(data: Path) -> None:
    """`hf` and the address mean the same."""
    environ = {"HF_TOKEN": HF_TOKEN}
    assert choose("hf", data=data, environ=environ) == choose(HUGGING_FACE + "/", data=data, environ=environ)


@pytest.mark.parametrize("word", ["huggingface", "ftp://x", "ada/demo"])
def test_a_word_that_names_no_hub(data: Path, word: str) -> None:
    """A typo is refused before anything is sent anywhere."""
    with pytest.raises(UsageError, match="names no Hub"):
        choose(word, data=data, environ={})


def test_the_first_line_names_the_target_and_no_token(data: Path) -> None:
    """People see where it goes and as whom; nobody sees the token, not in a repr either."""
    local, remote = choose(data=data, environ={}), choose("hf", data=data, environ={"HF_TOKEN": HF_TOKEN})

    assert local.describe("ada") == "→ local Hub http://127.0.0.1:7999 as ada"
    assert remote.describe("ada") == "→ huggingface.co as ada"
    assert HF_TOKEN not in repr(remote) + remote.describe()
