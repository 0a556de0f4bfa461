"""What the fields of a Space's header may be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from spacehand.localhub.metadata.rules import (
    Rule,
    each_text,
    list_of_texts,
    matching,
    one_of,
    repo_ids,
    text,
    truth,
    whole_number,
)

COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
SDKS = ("gradio", "docker", "static", "streamlit")  # the last is kept for Spaces made before April 2025
SHORT_DESCRIPTION = 60  # characters
_HEADERS = ("cross-origin-embedder-policy", "cross-origin-opener-policy", "cross-origin-resource-policy")
_PYTHON = re.compile(r"3(?:\.\d{1,2}){1,2}\Z")
_VERSION = re.compile(r"\d+(?:\.\d+)*(?:[a-z0-9.+-]*)\Z")
_SPAN = re.compile(r"(?:\d+\s*(?:h|m|min|s)\s*)+\Z")
_FLAVOR = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


def python_version(value: object) -> Iterator[str]:
    """Python 3.x or 3.x.x; unquoted, YAML turns 3.10 into 3.1."""
    if isinstance(value, float) and value == 3.1:
        yield 'must be quoted: YAML reads 3.10 as 3.1; write "3.10"'
    elif isinstance(value, bool) or not _PYTHON.match(str(value)):
        yield 'must be a Python version such as "3.11" or "3.11.9"'


def sdk_version(value: object) -> Iterator[str]:
    """A version such as ``6.31.0``."""
    if isinstance(value, bool) or not _VERSION.match(str(value)):
        yield "must be a version such as 6.31.0"


def emoji(value: object) -> Iterator[str]:
    """Emoji, no letters: text that was read in the wrong encoding shows up here."""
    plain = isinstance(value, str) and value and len(value) <= 16
    if not plain or any(each.isalnum() and not _keycap(str(value)) for each in str(value)):
        yield "must be an emoji"


def short_description(value: object) -> Iterator[str]:
    """At most 60 characters."""
    yield from text(value)
    if isinstance(value, str) and len(value) > SHORT_DESCRIPTION:
        yield f"length must be less than or equal to {SHORT_DESCRIPTION} characters long"


def app_file(value: object) -> Iterator[str]:
    """A path inside the repository."""
    yield from text(value)
    if isinstance(value, str) and (value.startswith("/") or ".." in value.split("/")):
        yield "must be a path inside the repository"


def custom_headers(value: object) -> Iterator[str]:
    """Three headers may be set, all in lower case."""
    if not isinstance(value, Mapping):
        yield "must be an object"
        return
    for name, content in value.items():
        if name not in _HEADERS:
            yield f'.{name}" is not allowed'
        elif not isinstance(content, str) or content != content.lower():
            yield f'.{name}" must be a string in lower case'


def _keycap(value: str) -> bool:
    return "\u20e3" in value  # 1️⃣ holds a digit


SPACE_RULES: Mapping[str, Rule] = {
    "title": text,
    "emoji": emoji,
    "colorFrom": one_of(COLOURS),
    "colorTo": one_of(COLOURS),
    "sdk": one_of(SDKS),
    "sdk_version": sdk_version,
    "python_version": python_version,
    "app_file": app_file,
    "app_build_command": text,
    "app_port": whole_number(1, 65535),
    "base_path": matching(re.compile("/"), "must start with /"),
    "fullWidth": truth,
    "header": one_of(("default", "mini")),
    "short_description": short_description,
    "pinned": truth,
    "models": repo_ids,
    "datasets": repo_ids,
    "tags": list_of_texts,
    "suggested_hardware": matching(_FLAVOR, "must be a hardware flavor such as cpu-upgrade"),
    "startup_duration_timeout": matching(_SPAN, "must be a duration such as 30m or 1h"),
    "custom_headers": custom_headers,
    "disable_embedding": truth,
    "hf_oauth": truth,
    "hf_oauth_scopes": list_of_texts,
    "hf_oauth_expiration_minutes": whole_number(1, 43200),
    "hf_oauth_authorized_org": each_text,
    "preload_from_hub": list_of_texts,
}
