from __future__ import annotations

from pathlib import Path

import pytest
from tests.deploy.conftest import App
from tests.hub.fake_hub import FakeHub

from spacehand.deploy.apply import apply
from spacehand.deploy.plan import Choices, plan
from spacehand.deploy.steps import CreateSpace, SetSecret
from spacehand.deploy.tokens import refuse_writing, refuse_writing_early
from spacehand.errors import ConfigError
from spacehand.history import History
from spacehand.hub._protocol import TokenRights
from spacehand.ids import RepoId, Visibility
from spacehand.space.secrets import Secret

SPACE = RepoId("ada", "demo")
TOKEN = "hf_canaryCANARYcanaryCANARYcanary"


@pytest.fixture
def secret(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Secret:
    """A token that may write, in an environment variable."""
    hub.known_tokens[TOKEN] = TokenRights("write", ("everything its owner may",))
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    return Secret("HF_TOKEN", "env", "MY_TOKEN", tmp_path)


@pytest.mark.parametrize("is_new", [True, False])
def test_a_space_gets_no_token_that_may_write(hub: FakeHub, secret: Secret, is_new: bool) -> None:
    """Neither when it is created nor later; the reason is told, and the value is not."""
    create = CreateSpace(SPACE, "gradio", Visibility.PUBLIC, None, secrets=(secret,))

    with pytest.raises(ConfigError, match="may change everything its owner may") as refused:
        list(apply([create if is_new else SetSecret(SPACE, secret, is_new=True)], hub))

    assert TOKEN not in f"{refused.value} {refused.value.hint} {refused.value.where}"
    assert "--allow-write-token" in (refused.value.hint or "")
    assert not {"create_space", "set_secret"} & set(hub.calls)


def test_a_token_that_may_write_is_given_when_told_so(
    hub: FakeHub, history: History, app: App, secret: Secret
) -> None:
    """An app that writes needs one; somebody has to have said so."""
    app.write("spacehand.toml", '[secrets]\nHF_TOKEN = { env = "MY_TOKEN" }\n')
    decided = plan(app.built(), app.spec(), hub, history, choices=Choices(allow_write_token=True))

    list(apply(decided.steps, hub))

    assert hub.space(SPACE).secrets == {"HF_TOKEN": TOKEN}


@pytest.mark.parametrize("rights", [TokenRights("read"), TokenRights("fineGrained"), None])
def test_what_only_reads_or_is_another_hubs_is_given(hub: FakeHub, rights: TokenRights | None) -> None:
    """A token this Hub does not know, or that only reads, is nobody's business here."""
    if rights:
        hub.known_tokens[TOKEN] = rights

    refuse_writing({"HF_TOKEN": TOKEN, "PASSWORD": "open sesame"}, hub)


def test_a_secret_that_cannot_be_read_yet_is_not_refused_early(
    hub: FakeHub, secret: Secret, tmp_path: Path
) -> None:
    """The Space may have it from before; a password manager is not asked twice."""
    command = Secret("OTHER", "command", "sh -c 'echo read >> reads; echo value'", tmp_path)
    refuse_writing_early([Secret("GONE", "env", "NOT_THERE_AT_ALL", tmp_path), command], hub)

    assert not (tmp_path / "reads").exists()
    with pytest.raises(ConfigError, match="HF_TOKEN"):
        refuse_writing_early([command, secret], hub)
