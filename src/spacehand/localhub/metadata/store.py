"""Front matter, checked as the Hub checks it before it takes a README."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from spacehand.ids import RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.metadata.model_index import check_model_index
from spacehand.localhub.metadata.rules import (
    Rule,
    each_text,
    licence_names,
    list_of_texts,
    pipeline,
    repo_ids,
    text,
)
from spacehand.localhub.metadata.space_rules import SPACE_RULES
from spacehand.localhub.repos.card import header, read_yaml

_COMMON: Mapping[str, Rule] = {
    "license": licence_names,
    "language": each_text,
    "tags": list_of_texts,
    "datasets": repo_ids,
    "thumbnail": text,
}
_OF_KIND: Mapping[RepoKind, Mapping[str, Rule]] = {
    RepoKind.MODEL: {
        "base_model": repo_ids,
        "library_name": text,
        "metrics": each_text,
        "model-index": check_model_index,
        "pipeline_tag": pipeline,
    },
    RepoKind.DATASET: {"size_categories": each_text, "task_categories": each_text, "pretty_name": text},
    RepoKind.SPACE: SPACE_RULES,
}


@dataclass
class Findings:
    """What is wrong with a header; an error keeps the README out, a warning does not."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def validate_front_matter(readme: str, kind: RepoKind) -> Findings:
    """Return what is wrong with the header of *readme* in a repository of *kind*."""
    source = header(readme)
    if source is None:
        return _without_header(readme)
    try:
        card = read_yaml(source, _Loader)
    except yaml.YAMLError as error:
        return Findings(errors=[f"YAML Metadata Error: {_in_one_line(error)}"])
    if card is None:
        return Findings(warnings=["empty or missing yaml metadata in repo card"])
    if not isinstance(card, dict):
        return Findings(errors=["YAML Metadata Error: the header must hold `key: value` lines"])
    return _checked(card, kind)


def require_valid_readme(readme: str, kind: RepoKind) -> None:
    """
    Let a README pass whose header has no error.

    Raises:
        HubError: 400.
    """
    found = validate_front_matter(readme, kind)
    if found.errors:
        raise HubError(400, "Invalid metadata in README.md.\n" + "\n".join(f"- {e}" for e in found.errors))


class _Loader(yaml.SafeLoader):
    """The safe loader, but a key that comes twice is an error, as it is on the Hub."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of *node*."""
        seen: set[object] = set()
        for key_node, _value in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"duplicated mapping key `{key_node.value}`", problem_mark=key_node.start_mark
                    )
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _checked(card: Mapping[Any, Any], kind: RepoKind) -> Findings:
    found = Findings()
    for key, value in card.items():
        rule = _OF_KIND[kind].get(key) or _COMMON.get(key)
        if rule is None or value is None:
            continue
        for message in rule(value):
            found.errors.append(
                f'"{key}{message}' if message.startswith(("[", ".")) else f'"{key}" {message}'
            )
    if kind is RepoKind.SPACE and "sdk" not in card:
        found.warnings.append('"sdk" is missing: the Space cannot be built without it')
    if kind is RepoKind.SPACE and card.get("sdk") == "streamlit":
        found.warnings.append('"sdk" streamlit is no longer one of huggingface.co; use docker')
    if kind is RepoKind.MODEL and "license" not in card:
        found.warnings.append("no license is given")
    return found


def _without_header(readme: str) -> Findings:
    if re.match(r"\A\ufeff?\s*---[ \t]*\r?\n", readme):
        return Findings(errors=["YAML Metadata Error: the header has no closing `---` line"])
    return Findings(warnings=["empty or missing yaml metadata in repo card"])


def _in_one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        # The mark counts from 0, and the header begins after the README's first line.
        return f"{error.problem} (line {error.problem_mark.line + 2})"
    return " ".join(str(error).split())
