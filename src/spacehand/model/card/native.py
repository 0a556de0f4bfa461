"""
Card templates in Jinja2, sandboxed and strict.

Each block at the top of a template is a region of the card; a template without blocks is one region. A fact
that nobody gave is false in a condition, and an error where it would be printed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from spacehand.errors import ConfigError
from spacehand.model.artifact import ModelKind
from spacehand.model.card import placeholders
from spacehand.model.card.escape import FILTERS, prose
from spacehand.model.card.facts import Facts, figure
from spacehand.model.card.older_names import older_names
from spacehand.model.card.use import snippet

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_KINDS = {
    ModelKind.FULL: "full model",
    ModelKind.SHARDED: "full model, in several files",
    ModelKind.LORA: "LoRA adapter",
    ModelKind.CTRANSLATE2: "CTranslate2 model",
    ModelKind.ONNX: "ONNX model",
}
_OLDER = older_names(Facts(repo="", title=""), {}).keys()


def render(
    facts: Facts, source: str, given: Mapping[str, Any], *, where: str, trim: bool = False
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """
    Return the keys of the template's own header (None: it has none), and the text of each region.

    With *trim* a line that holds nothing but a tag leaves no line, as Jinja's `trim_blocks` does.

    Raises:
        ConfigError: the template is wrong, or prints what nobody said.
    """
    from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError

    top, body = placeholders.split(source, where)
    context = _context(facts, given)
    try:
        keys = placeholders.keys(lambda show: _header(top, context, show), where) if top else None
        texts = _regions(body, context, trim=trim)
    except TemplateSyntaxError as error:
        said = f"The card template is wrong: {error.message}"
        raise ConfigError(said, where=f"{where}:{error.lineno}") from error
    except UndefinedError as error:
        raise ConfigError(
            f"The card template asks for what nobody said: {error.message}",
            where=where,
            hint="Put it between `{% if … %}` and `{% endif %}`",
        ) from error
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise ConfigError(f"The card template cannot be filled in: {error}", where=where) from error
    tidy = {name: re.sub(r"\n{3,}", "\n\n", text).strip() for name, text in texts.items()}
    return keys, {name: text for name, text in tidy.items() if text}


def _environment(*, trim: bool = False) -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=trim,
        lstrip_blocks=trim,
        keep_trailing_newline=True,
        # What no filter has made harmless is at least neither a template nor a fence.
        finalize=lambda value: prose(value) if isinstance(value, str) else value,
    )
    environment.filters |= {**FILTERS, "shown": _shown}
    return environment


def _header(top: str, context: Mapping[str, Any], show: Callable[[Any], str]) -> str:
    from jinja2 import Undefined

    def mark(value: Any) -> Any:
        return value if isinstance(value, Undefined) else show(value)

    return _environment().overlay(finalize=mark).from_string(top).render(context)


@functools.lru_cache(maxsize=4)
def _compiled(body: str, *, trim: bool) -> tuple[Template, bool]:
    """Return the template, and whether it is made of blocks and nothing else."""
    from jinja2 import nodes

    def is_blank(node: nodes.Node) -> bool:
        return isinstance(node, nodes.Output) and all(
            isinstance(part, nodes.TemplateData) and not part.data.strip() for part in node.nodes
        )

    environment = _environment(trim=trim)
    parsed = environment.parse(body).body
    return environment.from_string(body), all(
        isinstance(node, nodes.Block) or is_blank(node) for node in parsed
    )


def _regions(body: str, context: Mapping[str, Any], *, trim: bool) -> dict[str, str]:
    template, is_blocks = _compiled(body, trim=trim)
    if is_blocks:
        return {name: _block(template, name, context) for name in template.blocks}
    return {"card": template.render(context)}


def _block(template: Template, name: str, context: Mapping[str, Any]) -> str:
    return "".join(template.blocks[name](template.new_context(dict(context))))


def _context(facts: Facts, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that a template may ask for; what is known by name, but was not said, is `Absent`."""
    from jinja2 import StrictUndefined

    class Absent(StrictUndefined):
        """A fact that nobody gave."""

        __slots__ = ()

        def __bool__(self) -> bool:  # type: ignore[override]
            return False

    weights = facts.weight_facts
    own: dict[str, Any] = {field.name: getattr(facts, field.name) for field in fields(facts)}
    own |= {
        "base_model": facts.base_model_name,
        "kind_text": _KINDS[facts.kind] if facts.kind else None,
        "snippet": snippet(facts),
        "parameters": weights.parameters if weights else None,
        "dtypes": list(weights.dtypes) if weights else [],
        "weight_bytes": weights.bytes if weights else None,
    }
    known = {**dict.fromkeys(_OLDER), **older_names(facts, given), **own}
    return {name: Absent(name=name) if value is None else value for name, value in known.items()}


def _shown(value: Any) -> str:
    """Return a value as a card shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return figure(value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
