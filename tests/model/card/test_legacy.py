"""Card templates of older projects render, completely, and claim nothing that nobody said."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spacehand.errors import ConfigError, FrontMatterError
from spacehand.model.card import legacy
from spacehand.model.card.card import from_variables
from spacehand.model.card.escape import clean

# The constructs of the older projects' own templates, which their own generators could not render.
TEMPLATE = """\
---
language:
- en
license: apache-2.0
base_model: {{base_model}}
author: {{author_name}}
learning_rate: {{learning_rate}}
{{#if quantized_models}}
tags: [quantized]
{{else}}
tags: [full]
{{/if}}
---

# {{model_name}}

{{model_description}}

- Batch size: {{batch_size}}
- Epochs: {{max_epochs|default:'N/A'}}
- Hardware: {{hardware_info|default:"not told"}}
- Loss: {{training_loss}} / {{validation_loss}}

{{#if quantized_models}}
## Quantized

{{#if int8}}
int8: `{{{repo_name}}}/int8`
{{else}}
int4: `{{{repo_name}}}/int4`
{{/if}}
{{else}}
## Full precision
{{/if}}
{{! a comment }}
"""


def _split(card: str) -> tuple[dict[str, object], str]:
    _, top, body = card.split("---\n", 2)
    return yaml.safe_load(top), body


def test_all_constructs_render():
    """
    Conditions with else, nesting, defaults and triple braces are filled in; no brace remains.
    """
    card = from_variables(
        {
            "model_name": "Tiny",
            "model_description": "A tiny model",
            "repo_name": "ada/tiny",
            "base_model": "a/b",
            "author_name": 'Ann: "the" #1',
            "learning_rate": "5e-6",
            "batch_size": 2,
            "training_loss": 0.11,
            "validation_loss": 0.22,
            "quantized_models": True,
        },
        template=TEMPLATE,
    )
    keys, body = _split(card)

    assert keys == {
        "language": ["en"],
        "license": "apache-2.0",
        "base_model": "a/b",
        "author": 'Ann: "the" #1',
        "learning_rate": "5e-6",
        "tags": ["quantized"],
    }
    assert body.split("\n\n") == [
        "\n# Tiny",
        "A tiny model",
        "- Batch size: 2\n- Epochs: N/A\n- Hardware: not told\n- Loss: 0.11 / 0.22",
        "## Quantized",
        "int4: `ada/tiny/int4`\n",
    ]


def test_what_is_not_known_leaves_no_line():
    """
    A line whose variables are all unknown goes; in a line that knows one, the other is empty.
    """
    keys, body = _split(from_variables({"model_name": "Tiny", "training_loss": 0.11}, template=TEMPLATE))

    assert keys == {"language": ["en"], "license": "apache-2.0", "tags": ["full"]}
    assert "Batch size" not in body
    assert "- Loss: 0.11 / \n" in body
    assert "## Full precision" in body


@pytest.mark.parametrize("no", [False, "False", "false", "no", "0", "", None, 0, []])
def test_what_stood_on_a_command_line_is_understood(no: object):
    """
    `--quantized-models False` means no.
    """
    assert legacy.render("{{#if q}}yes{{else}}no{{/if}}", {"q": no}) == "no"


def test_each_and_unless():
    """
    Lists are gone through, and `unless` is the opposite of `if`.
    """
    template = (
        "{{#each files}}{{this}},{{/each}}{{#unless none}}end{{/unless}}{{#each rows}}{{name}}{{/each}}"
    )

    assert legacy.render(template, {"files": ["a", "b"], "rows": [{"name": "x"}]}) == "a,b,endx"


def test_values_are_not_templates():
    """
    A value that looks like a tag is text, and is not filled in.
    """
    card = from_variables({"a": "{{b}} {{#if b}}", "b": "secret"}, template="Say {{a}}\n")

    assert "{{" not in card
    assert "secret" not in card


@pytest.mark.parametrize(
    ("template", "said", "line"),
    [
        ("a\n{{#if x}}\nb", "has no", 2),
        ("a\n\n{{/if}}", "closes nothing", 3),
        ("{{#if x}}{{/each}}", "closes nothing", 1),
        ("{{else}}", "no tag", 1),
        ("\n{{#with x}}{{/with}}", "no tag", 2),
        ("{{x | upper}}", "no tag", 1),
    ],
)
def test_a_wrong_template_is_named_with_its_line(template: str, said: str, line: int):
    """
    A block without an end, an end without a block, or an unknown tag is an error.
    """
    with pytest.raises(ConfigError, match=said) as raised:
        legacy.render(template, {"x": 1}, where="card.md")

    assert raised.value.where == f"card.md:{line}"


def test_a_header_without_end_is_an_error():
    """
    A template whose header is never closed is not taken for text.
    """
    with pytest.raises(FrontMatterError, match="has no end"):
        from_variables({}, template="---\nlicense: mit\n")


@given(
    st.dictionaries(
        st.sampled_from(["author_name", "base_model", "model_name", "learning_rate"]), st.text(min_size=1)
    )
)
def test_no_value_breaks_the_header(variables: dict[str, str]):
    """
    Whatever a name holds, the header is valid YAML that gives it back, and no brace pair remains.
    """
    card = from_variables(variables, template=TEMPLATE)
    keys, _ = _split(card)

    assert "{{" not in card
    for name, key in (("author_name", "author"), ("base_model", "base_model")):
        if name in variables:
            assert str(keys.get(key, "")) == clean(variables[name])
