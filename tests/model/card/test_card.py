"""A card says what is known, invents nothing, and is the same for the same input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.model import make

from spacehand.errors import ConfigError, FrontMatterError
from spacehand.hub.digests import Digests
from spacehand.model.artifact import Model, variants
from spacehand.model.card import header
from spacehand.model.card.card import build, from_variables
from spacehand.model.card.facts import CardWords, Facts, from_training, gather
from spacehand.model.training import Training


def _facts(folder: Path, words: CardWords | None = None, **training: Any) -> Facts:
    model = Model.open(folder)
    digests = Digests()
    files = [*model.weights, *(file for variant in variants(model).values() for file in variant.weights)]
    hashes = {file.relative_to(folder).as_posix(): digests.sha256(file) for file in files}
    return gather("ada/tiny", model, Training.load(folder, **training), hashes=hashes, words=words)


def _size(folder: Path) -> int:
    return (folder / "int8" / "model.safetensors").stat().st_size


def _parts(card: str) -> tuple[dict[str, Any], str]:
    top, body = header.split(card)
    return yaml.safe_load(top) or {}, re.sub(r"<!-- spacehand:.*?-->", "", body)


def test_a_bare_model_claims_nothing(tmp_path: Path):
    """
    Without configuration and results, no training, no result, no licence and no base model is named.
    """
    (tmp_path / "x").mkdir()
    card = build(_facts(make.full(tmp_path / "x"))).text

    keys, body = _parts(card)

    assert keys == {"library_name": "transformers"}
    assert re.findall(r"^#+ .*", body, re.MULTILINE) == ["# tiny", "## Weights"]
    assert "None" not in card


def test_a_model_whose_parameters_no_header_tells_has_a_card(tmp_path: Path):
    """
    Where the number of parameters is not known, as of one model in ONNX for several devices, the card is
    silent on it, and has files and hashes.
    """
    for name in ("cpu", "gpu"):
        make.onnx(tmp_path / "onnx" / f"{name}.onnx")

    _, body = _parts(build(_facts(tmp_path)).text)

    assert "Parameters" not in body
    assert "| `onnx/cpu.onnx` |" in body


def test_what_the_older_generator_got_wrong_is_right(tmp_path: Path):
    """
    Settings and results that are handed over stand in the card, and no default of a tool does.
    """
    config = {
        "batch_size": 2,
        "learning_rate": "5e-6",
        "epochs": 7,
        "base_model": "mistralai/Voxtral-Mini-3B-2507",
    }
    folder = make.full(
        tmp_path, {"architectures": ["VoxtralForConditionalGeneration"], "model_type": "voxtral"}
    )

    keys, body = _parts(
        build(_facts(folder, config=config, results={"train_loss": 0.11, "eval_loss": 0.22})).text
    )

    assert keys["base_model"] == "mistralai/Voxtral-Mini-3B-2507"
    assert keys["pipeline_tag"] == "automatic-speech-recognition"
    for row in ("| batch size | `2` |", "| learning rate | `5e-06` |", "| epochs | `7` |"):
        assert row in body
    for row in ("| `train_loss` | 0.11 |", "| `eval_loss` | 0.22 |"):
        assert row in body
    assert "SmolLM" not in body
    assert "2048" not in body
    assert "Whisper" not in body


def test_whisper_is_called_whisper(whisper: Path):
    """
    A card of Whisper says so plainly, tells how to run it, and names the hash of its weights.
    """
    keys, body = _parts(build(_facts(whisper)).text)

    assert "This model is **Whisper**" in body
    assert "`WhisperSpec`" in body
    assert 'model = WhisperModel("ada/tiny")' in body
    assert "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a" in body
    assert "- **Parameters:** 37764864" in body
    assert keys == {
        "library_name": "ctranslate2",
        "pipeline_tag": "automatic-speech-recognition",
        "tags": ["whisper"],
    }


def test_a_lora_tells_its_base_and_how_to_load_it(tmp_path: Path):
    """
    An adapter's card is made from its own configuration.
    """
    make.lora(tmp_path, auto_mapping={"base_model_class": "VoxtralForConditionalGeneration"}, lora_alpha=32)

    keys, body = _parts(build(_facts(tmp_path)).text)

    assert keys["base_model"] == "mistralai/Voxtral-Mini-3B-2507"
    assert keys["base_model_relation"] == "adapter"
    assert "from transformers import VoxtralForConditionalGeneration" in body
    assert "| lora rank | `16` |" in body
    assert "| lora alpha | `32` |" in body


def test_a_path_on_somebodys_disk_is_not_told(tmp_path: Path):
    """
    A base model that lies on the author's disk is named without the way to it.
    """
    keys, body = _parts(
        build(_facts(make.full(tmp_path), config={"base_model": "/home/ada/private/whisper-x"})).text
    )

    assert "base_model" not in keys
    assert "`whisper-x`" in body
    assert "/home/ada" not in body


def test_a_quantization_and_further_models_are_told(tmp_path: Path):
    """
    The quantization comes from the configuration; quantized copies in subfolders are told with their hashes.
    """
    make.full(tmp_path)
    make.full(tmp_path / "int8", {"quantization_config": {"quant_method": "torchao", "load_in_8bit": True}})
    digest = Digests().sha256(tmp_path / "int8" / "model.safetensors")

    _, body = _parts(build(_facts(tmp_path, results={"eval_wer": 0.1})).text)

    assert "- **In `int8/`:** quant\\_method torchao, load\\_in\\_8bit True" in body
    assert f"| `int8/model.safetensors` | {_size(tmp_path)} | `{digest}` |" in body
    assert "none of them on a quantized copy" in body

    assert (
        "- **Also here, in `int8/`:** full, quant\\_method torchao, load\\_in\\_8bit True, BF16, F32" in body
    )


def test_the_words_of_a_person_come_first(tmp_path: Path):
    """
    What a person says is preferred to what the training's configuration says.
    """
    words = CardWords(
        title="My Tiny", license="mit", description="Made *with care*.", limitations="English only."
    )
    config = {"model_title": "other", "license": "apache-2.0", "description": "x", "intended_use": "Notes."}

    keys, body = _parts(build(_facts(make.full(tmp_path), words, config=config)).text)

    assert (keys["license"], keys["model_name"]) == ("mit", "My Tiny")
    assert "# My Tiny\n\nMade *with care*." in body
    assert "## Intended use\n\nNotes.\n\n## Limitations\n\nEnglish only." in body


_TEXT = st.text(min_size=1, max_size=12)
_FIGURES = st.one_of(st.integers(0, 10**6), st.floats(1e-6, 1e6).map(lambda value: float(f"{value:.6g}")))
_SETTINGS = {
    **dict.fromkeys(
        ("author", "description", "base_model", "license", "language", "dataset", "hardware", "title"), _TEXT
    ),
    **dict.fromkeys(("learning_rate", "batch_size", "epochs", "seed", "weight_decay", "max_steps"), _FIGURES),
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries({}, optional=_SETTINGS),
    st.dictionaries(st.sampled_from(["eval_loss", "eval_wer"]), _FIGURES),
)
def test_every_figure_comes_from_the_input(config: dict[str, Any], results: dict[str, Any]):
    """
    However hostile the input: each figure in the card was given, and none that was given is missing.
    """
    facts = from_training("ada/tiny", Training.of(config, results))
    card = build(facts).text
    keys, body = _parts(card)

    assert "{{" not in card
    assert card.count("spacehand:begin") == card.count("spacehand:end")
    given_numbers = {
        name: value for name, value in {**config, **results}.items() if isinstance(value, int | float)
    }
    told = re.findall(r"^\| (?:`(\w+)`|([a-z ]+)) \| `?([-+0-9.e]+)`? \|$", body, re.MULTILINE)
    figures = {(measured or said.replace(" ", "_")): value for measured, said, value in told}
    figures.pop("hardware", None)  # a text, which may look like a number
    assert {name: float(value) for name, value in figures.items()} == {
        name: float(value) for name, value in given_numbers.items()
    }
    if (
        isinstance(config.get("author"), str)
        and config["author"].strip().isprintable()
        and config["author"].strip()
    ):
        assert keys["author"] == config["author"].strip()


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({}, optional=_SETTINGS), st.text(max_size=60))
def test_a_second_card_is_the_first(config: dict[str, Any], readme: str):
    """
    With the card of the last publish on the Hub, the next card is the same to the letter.
    """
    facts = from_training("ada/tiny", Training.of(config, {}))
    try:
        first = build(facts, folder_readme=readme).text
    except FrontMatterError:
        return

    assert build(facts, folder_readme=readme, remote_readme=first).text == first
    assert build(facts, remote_readme=first).text == first


def test_a_readme_of_ones_own_is_kept(tmp_path: Path):
    """
    The folder's README stands first, with its title and header; the facts follow it.
    """
    readme = "---\nlicense: gpl-3.0\nthumbnail: a.png\n---\n\n# My own title\n\nMy own words.\n"

    keys, body = _parts(build(_facts(make.full(tmp_path)), folder_readme=readme).text)

    assert keys == {"license": "gpl-3.0", "thumbnail": "a.png", "library_name": "transformers"}
    assert re.findall(r"^#+ .*", body, re.MULTILINE) == ["# My own title", "## Weights"]
    assert "My own words." in body


def test_a_card_that_nobody_filled_in_is_replaced(tmp_path: Path):
    """
    A trainer's empty form is no word of a person; its header still counts.
    """
    form = (
        "---\nbase_model: a/b\n---\n# Model Card for Model ID\n" + "- **By:** [More Information Needed]\n" * 5
    )

    card = build(_facts(make.full(tmp_path)), folder_readme=form).text

    assert "More Information" not in card
    assert _parts(card)[0]["base_model"] == "a/b"


def test_edits_on_the_hub_survive_the_next_publish(tmp_path: Path):
    """
    A changed block, added text, and keys a person added or changed stay; the rest follows the facts.
    """
    folder = make.full(tmp_path)
    first = build(
        _facts(folder, config={"learning_rate": 1, "license": "mit"}, results={"eval_loss": 1})
    ).text
    edited = first.replace("| `eval_loss` | 1 |", "| `eval_loss` | 1, measured twice |")
    edited = edited.replace("license: mit", "license: apache-2.0\nthumbnail: x.png") + "\nThanks to all.\n"

    card = build(
        _facts(folder, config={"learning_rate": 2, "license": "mit"}, results={"eval_loss": 9}),
        remote_readme=edited,
    )

    keys, body = _parts(card.text)
    assert "1, measured twice" in body
    assert "| learning rate | `2` |" in body
    assert "Thanks to all." in body
    assert (keys["license"], keys["thumbnail"]) == ("apache-2.0", "x.png")
    assert card.notes == ("The card's section `results` was edited by hand and is left as it is",)


def test_a_new_readme_in_the_folder_replaces_the_old_one(tmp_path: Path):
    """
    Where only the folder's README changed since the last publish, the card follows it.
    """
    facts = _facts(make.full(tmp_path))
    first = build(facts, folder_readme="# One\n").text

    card = build(facts, folder_readme="# Two\n", remote_readme=first)

    assert "# Two" in card.text
    assert "# One" not in card.text
    assert card.notes == ()


def test_a_new_header_in_the_folder_is_taken_up(tmp_path: Path):
    """
    Keys that the folder's README brings are in the card, and those that only the facts give stay.
    """
    facts = _facts(make.full(tmp_path), config={"author": "Ada"})
    first = build(facts, folder_readme="---\nlicense: mit\n---\n# One\n").text

    second = build(facts, folder_readme="---\nlicense: gpl-3.0\n---\n# Two\n", remote_readme=first).text
    keys, _ = _parts(second)

    assert keys == {"license": "gpl-3.0", "author": "Ada", "library_name": "transformers"}
    assert (
        build(facts, folder_readme="---\nlicense: gpl-3.0\n---\n# Two\n", remote_readme=second).text == second
    )


def test_when_both_changed_the_hub_wins_and_says_so(tmp_path: Path):
    """
    Where the card was edited on the Hub and in the folder, the one on the Hub is kept and the other named.
    """
    facts = _facts(make.full(tmp_path))
    first = build(facts, folder_readme="# One\n").text

    card = build(facts, folder_readme="# Two\n", remote_readme=first.replace("# One", "# Edited"))

    assert "# Edited" in card.text
    assert "# Two" not in card.text
    assert "the one in the folder was not used" in card.notes[0]


def test_a_template_of_ones_own(tmp_path: Path):
    """
    A Jinja template makes header and text; its variables are the facts, by their own or the older names.
    """
    template = tmp_path / "card.md.j2"
    template.write_text(
        "---\nauthor: {{ author }}\nlicense: {{ license }}\n---\n# {{ title }} by {{ author | text }}\n"
        "{% if learning_rate %}rate {{ learning_rate }}{% endif %}{% if license %}never{% endif %}\n"
        "{{ weights[0].sha256[:4] }} {{ repo_name }}\n"
    )
    (tmp_path / "m").mkdir()
    facts = _facts(make.full(tmp_path / "m"), config={"author": 'Ann: "the" #1', "learning_rate": 0.5})

    with pytest.raises(ConfigError, match="'license' is undefined"):
        build(facts, template=template)
    template.write_text(template.read_text().replace("license: {{ license }}\n", ""))
    keys, body = _parts(build(facts, template=template).text)

    assert keys == {"author": 'Ann: "the" #1'}
    assert f'# tiny by Ann: "the" \\#1\nrate 0.5\n{facts.weights[0].sha256[:4]} ada/tiny' in body


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ nothing_of_that_name }}", "is undefined"),
        ("{% if %}", "The card template is wrong"),
        ("{{ author }}", "is undefined"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ title.append(1) }}", "has no attribute"),
        ("{% include '/etc/passwd' %}", "cannot be filled in"),
        ("{{ 1 / 0 }}", "cannot be filled in"),
    ],
)
def test_a_wrong_template_is_an_error(tmp_path: Path, template: str, said: str):
    """
    A template that asks for the unknown, or for more than facts, is refused.
    """
    (tmp_path / "card.j2").write_text(template)

    with pytest.raises(ConfigError, match=said) as raised:
        build(Facts("ada/tiny", "tiny"), template=tmp_path / "card.j2")

    assert raised.value.where
    assert "card.j2" in raised.value.where


def test_a_template_of_an_older_project_is_filled_with_facts(tmp_path: Path):
    """
    A template in the older language gets the facts by the older names.
    """
    template = tmp_path / "model_card.md"
    template.write_text(
        "---\nbase_model: {{base_model}}\n---\n"
        "# {{model_name}}\n{{#if perplexity}}never{{/if}}\n- lr {{learning_rate}}\n"
    )
    (tmp_path / "m").mkdir()
    facts = _facts(make.full(tmp_path / "m"), config={"base_model": "a/b", "learning_rate": 5e-6})

    keys, body = _parts(build(facts, template=template).text)

    assert keys == {"base_model": "a/b"}
    assert "# tiny\n\n- lr 5e-06" in body


def test_older_variables_make_a_card_without_a_template():
    """
    The variables of the older generator make a whole card, with nothing in it that they do not say.
    """
    keys, body = _parts(
        from_variables({"repo_name": "ada/tiny", "model_name": "Tiny", "training_loss": 0.5, "batch_size": 8})
    )

    assert keys == {"model_name": "Tiny"}
    assert re.findall(r"^.*[0-9].*$", body, re.MULTILINE) == [
        "| batch size | `8` |",
        "| `train_loss` | 0.5 |",
    ]


@pytest.mark.parametrize("base", ["''", "", "/home/ada/runs/base", "../base", "[ada/base, '']"])
@pytest.mark.parametrize("given", [None, "mistralai/Voxtral-Mini-3B-2507"])
def test_the_readme_of_an_adapter_names_no_base_the_hub_would_refuse(
    tmp_path: Path, base: str, given: str | None
):
    """
    PEFT writes where the base was loaded from, or nothing: dropped, or replaced by the base that is known.
    """
    make.lora(tmp_path, base_model_name_or_path=given or "")
    tag = "base_model:adapter:/home/ada/runs/base"
    readme = (
        f"---\nbase_model: {base}\nlibrary_name: peft\ntags:\n- lora\n- '{tag}'\n---\n# Ours\n\nMy words.\n"
    )

    keys, body = _parts(build(_facts(tmp_path), folder_readme=readme).text)

    expected = ["ada/base"] if "ada/base" in base else given
    assert keys.get("base_model") == expected
    assert keys["tags"] == ["lora"]
    assert "My words." in body
    assert "/home/ada" not in "".join(map(str, keys.values()))
