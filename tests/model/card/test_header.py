"""The header of a card is valid YAML whatever people are called, and what they wrote in it stays."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from spacehand.errors import FrontMatterError
from spacehand.model.artifact import ModelKind
from spacehand.model.card import header
from spacehand.model.card.facts import Facts

HOSTILE = [
    'Ann: "the" #1',
    "O'Neill",
    "- dash",
    "# comment",
    "a: b",
    "line\nbreak\n---\nnext",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "🦆 Ünï",
    "null",
    "yes",
    "1e3",
    "@at `tick`",
    "%percent",
    "&anchor *alias",
    "!!python/object:x",
    "trailing: ",
    "\ttab",
    "\x85\u2028\ufeff",
    "💥\x00\x07",
    "[list]",
    "'",
    '"',
    "\\",
]


def _facts(**more: Any) -> Facts:
    return Facts(repo="ada/tiny", title="tiny", **more)


def _keys(text: str) -> Any:
    yaml_text, behind = header.split(text)
    assert behind == ""
    parsed = yaml.safe_load(yaml_text)
    assert YAML(typ="safe").load(yaml_text) == parsed  # another parser of another YAML version agrees
    return parsed


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_come_back(name: str):
    """
    Quotes, colons, comments, line breaks, emoji, words of YAML: each is written so that it comes back.
    """
    keys = {"author": name, "tags": [name], "model-index": [{"name": name}]}

    text = header.dump(keys)

    assert _keys(text) == keys
    assert "{{" not in text
    assert "{%" not in text
    assert text.count("\n---") == 1


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
@example("{{{{")
@example("\u2029{{\r\n")
def test_any_text_comes_back(name: str):
    """
    Every text there is makes a valid header that gives it back.
    """
    text = header.dump({"author": name})

    assert _keys(text) == {"author": name}
    assert "{{" not in text


@given(st.text())
def test_a_lone_surrogate_is_dropped(name: str):
    """
    What no encoder takes is left out, and nothing else.
    """
    text = header.dump({"author": f"a\ud800{name}"})

    assert text.encode()
    assert _keys(text)["author"] == "a" + "".join(c for c in name if not 0xD800 <= ord(c) <= 0xDFFF)


def test_only_what_is_known_is_a_key():
    """
    Without facts there is no key at all.
    """
    assert header.header(_facts()) == {}


def test_the_facts_of_an_adapter():
    """
    A LoRA's header names its base model, its library and its task.
    """
    facts = _facts(
        kind=ModelKind.LORA,
        library="peft",
        task="text-generation",
        base_model="a/b",
        license="Apache 2.0",
        tags=("x",),
    )

    assert header.header(facts) == {
        "license": "apache-2.0",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "base_model": "a/b",
        "base_model_relation": "adapter",
        "tags": ["x", "lora"],
    }


@pytest.mark.parametrize(
    "base", ["/home/ada/models/whisper", "./out", "our own: v1", "C:\\models\\x", "a/b/c"]
)
def test_what_the_hub_would_refuse_is_no_key(base: str):
    """
    A path or a phrase is no id of a model, a data set or a language; the Hub refuses a header that says so.
    """
    assert header.header(_facts(base_model=base, datasets=(base,), language=("English",))) == {}


def test_an_unknown_licence_is_other_by_its_name():
    """
    A licence that the Hub does not know is `other`, with its name beside it.
    """
    assert header.header(_facts(license="Our Licence v2")) == {
        "license": "other",
        "license_name": "our-licence-v2",
    }


def test_results_need_a_measurement_a_task_and_a_data_set():
    """
    model-index holds what was measured on held-out data, and only when the Hub can say on what.
    """
    metrics = {"eval_wer": 0.1, "train_loss": 0.5, "eval_loss": float("nan"), "eval_custom": 3}
    facts = _facts(metrics=metrics, task="automatic-speech-recognition", datasets=("a/b",))

    (entry,) = header.header(facts)["model-index"]

    assert entry["results"][0]["metrics"] == [{"type": "wer", "value": 0.1, "name": "WER (eval_wer)"}]
    assert "model-index" not in header.header(_facts(metrics=metrics, datasets=("a/b",)))
    assert "model-index" not in header.header(_facts(metrics=metrics, task="text-generation"))


def _published(keys: dict[str, Any]) -> tuple[str, dict[str, str]]:
    return header.split(header.dump(keys))[0], {key: header.fingerprint(value) for key, value in keys.items()}


def test_a_persons_keys_and_comments_stay():
    """
    Keys, values and comments of a person survive; what is still ours is brought up to date.
    """
    old, record = _published({"license": "mit", "tags": ["a"], "pipeline_tag": "x"})
    edited = "# mine\n" + old.replace("license: mit", "license: apache-2.0  # agreed") + "thumbnail: t.png\n"

    merged = header.merge(edited, {"license": "mit", "tags": ["b"]}, record)

    assert _keys(merged) == {"license": "apache-2.0", "tags": ["b"], "thumbnail": "t.png"}
    assert "# mine" in merged
    assert "# agreed" in merged


def test_a_key_that_was_taken_out_stays_out():
    """
    A key that a person deleted does not come back.
    """
    old, record = _published({"license": "mit", "tags": ["a"]})

    merged = header.merge(old.replace("license: mit\n", ""), {"license": "mit", "tags": ["a"]}, record)

    assert _keys(merged) == {"tags": ["a"]}


def test_a_readme_of_somebody_else_wins():
    """
    On the first publish the header of the folder's README comes first; tags are joined.
    """
    merged = header.merge("license: gpl-3.0\ntags: [mine]\n", {"license": "mit", "tags": ["ours"]}, None)

    assert _keys(merged) == {"license": "gpl-3.0", "tags": ["mine", "ours"]}


def test_nothing_new_changes_no_letter():
    """
    A header that says it all already stays as it is, to the letter.
    """
    old = "tags:   [a]   # mine\nlicense: 'mit'\n"

    assert header.merge(old, {"license": "mit", "tags": ["a"]}, None) == f"---\n{old}---\n"


@pytest.mark.parametrize(
    "broken", ["a: [", "a: b: c", "- list", "just text", "a: 'b", "\tx: 1", "a: !!python/name:os.system x"]
)
def test_a_broken_header_is_named(broken: str):
    """
    A header that is no YAML mapping is an error, never thrown away.
    """
    with pytest.raises(FrontMatterError) as raised:
        header.merge(broken, {"license": "mit"}, None)

    assert raised.value.where
    assert raised.value.where.startswith("README.md")


@given(st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=3), st.sampled_from(HOSTILE))
def test_merging_keeps_the_header_valid(tags: list[str], author: str):
    """
    Whatever changed, the merged header parses and holds what is wanted.
    """
    old, record = _published({"author": author, "tags": tags})

    merged = header.merge(old + "mine: 1  # note\n", {"author": author + "!", "tags": [author]}, record)

    assert _keys(merged) == {"author": author + "!", "tags": [author], "mine": 1}
    assert "{{" not in merged
