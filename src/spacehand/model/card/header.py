"""The YAML header of a model card: made from facts, always valid, and a person's own keys kept."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

from spacehand.errors import FrontMatterError
from spacehand.model.artifact import ModelKind
from spacehand.model.card import licenses
from spacehand.model.card.escape import clean
from spacehand.model.card.facts import Facts, is_hub_id

# What no version of YAML takes for anything but a text; all else is quoted.
_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9 _./()-]*[A-Za-z0-9_)])?")
_MARK = "spacehandmark"
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*|multilingual|code")
# Measured on held-out data, by the names trainers give; what is measured on the training data is no result.
_METRIC = re.compile(r"(?:(?:eval|test|val|validation|predict)_)?(?P<type>[a-z0-9_.@-]+)")
_METRIC_TYPES = {
    "wer": "WER",
    "cer": "CER",
    "accuracy": "Accuracy",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "perplexity": "Perplexity",
    "bleu": "BLEU",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougel": "ROUGE-L",
    "dice": "Dice",
    "mse": "MSE",
    "mae": "MAE",
    "loss": "Loss",
}


def header(facts: Facts) -> dict[str, Any]:
    """Return the keys of the header and their values; a key whose value the Hub would refuse is left out."""
    license_id, license_name = _license(facts.license)
    languages = [language for language in facts.language if _LANGUAGE.fullmatch(language)]
    datasets = [dataset for dataset in facts.datasets if is_hub_id(dataset)]
    keys: dict[str, Any] = {
        "model_name": facts.title if facts.title != facts.repo.rpartition("/")[2] else None,
        "author": facts.author,
        "language": languages[0] if len(languages) == 1 else languages,
        "license": license_id,
        "license_name": license_name,
        "library_name": facts.library,
        "pipeline_tag": facts.task,
        "base_model": facts.base_model_id,
        "base_model_relation": "adapter" if facts.base_model_id and facts.kind is ModelKind.LORA else None,
        "datasets": datasets,
        "tags": _tags(facts),
        "model-index": _model_index(facts),
    }
    return {name: value for name, value in keys.items() if value}


def dump(keys: Mapping[str, Any]) -> str:
    """Return *keys* as YAML between its two lines of ``---``."""
    if not keys:
        return ""
    odd: dict[str, str] = {}
    text = yaml.safe_dump(
        _marked(keys, odd), sort_keys=False, allow_unicode=True, width=math.inf, default_flow_style=False
    )
    return f"---\n{_unmarked(text, odd)}---\n"


def split(text: str) -> tuple[str, str]:
    """
    Return the YAML of a README's header (without ``---``) and the text behind it.

    Raises:
        FrontMatterError: the header has no end.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not re.match(r"---[ \t]*\n", text):
        return "", text
    parts = re.split(r"^---[ \t]*$\n?", text, maxsplit=2, flags=re.MULTILINE)
    if len(parts) < 3:
        raise FrontMatterError(
            "The header of `README.md` has no end", where="README.md:1", hint="Close it with a line of `---`"
        )
    return parts[1], parts[2]


def parse(yaml_text: str, *, where: str = "README.md") -> dict[str, Any]:
    """
    Return the keys in the YAML of a header.

    Raises:
        FrontMatterError: it is not valid YAML, or no mapping.
    """
    try:
        keys = yaml.safe_load(yaml_text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise _invalid(error.problem or "it cannot be parsed", f"{where}:{line}") from error
    except yaml.YAMLError as error:
        raise _invalid("it cannot be parsed", where) from error
    if keys is None:
        return {}
    if not isinstance(keys, dict):
        raise _invalid("it holds no keys", where)
    return {str(key): value for key, value in keys.items()}


def merge(old: str, new: Mapping[str, Any], record: Mapping[str, str] | None) -> str:
    """
    Return the header *old* (YAML) brought up to *new*, between its lines of ``---``.

    *record* holds the `fingerprint` of each key as spacehand last wrote it, None where it never did. A key
    somebody wrote, changed or took out stays as they left it; a key that nothing feeds any more goes.
    """
    there = parse(old)
    if not there:
        kept = {key: value for key, value in new.items() if key not in (record or {})}
        return dump(kept)
    wanted = dict(there)
    for key in [*new, *(record or {})]:
        ours = record is not None and key in record
        edited = fingerprint(there[key]) != (record or {}).get(key) if key in there else ours
        if edited:
            continue
        if key in new:
            wanted[key] = new[key]
        else:
            wanted.pop(key, None)
    if record is None and isinstance(there.get("tags"), list) and new.get("tags"):
        wanted["tags"] = [*there["tags"], *(tag for tag in new["tags"] if tag not in there["tags"])]
    return f"---\n{old.rstrip()}\n---\n" if wanted == there else _rewrite(old, wanted)


def without_local_bases(old: str) -> str:
    """
    Return the header *old* (YAML) without base models that are no ids on the Hub, and without their tags.

    PEFT writes there whatever the base was loaded from: a folder of this machine, or nothing. The Hub refuses
    both.
    """
    there = parse(old)
    bases = there.get("base_model")
    if bases is None and "base_model" not in there:
        return old
    listed = bases if isinstance(bases, list) else [bases]
    kept = [base for base in listed if isinstance(base, str) and is_hub_id(base)]
    if len(kept) == len(listed):
        return old
    wanted = dict(there)
    wanted["base_model"] = kept
    if isinstance(there.get("tags"), list):
        wanted["tags"] = [tag for tag in there["tags"] if _names_a_hub_id(tag)]
    wanted = {key: value for key, value in wanted.items() if key not in ("base_model", "tags") or value}
    return _rewrite(old, wanted).removeprefix("---\n").removesuffix("---\n") if wanted else ""


def _names_a_hub_id(tag: object) -> bool:
    """Whether *tag* is not one like ``base_model:adapter:/home/ada/base``."""
    kind, _, base = str(tag).rpartition(":")
    return not kind.startswith("base_model:") or is_hub_id(base)


def fingerprint(value: object) -> str:
    """Return a short hash of one key's value."""
    said = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _rewrite(old: str, wanted: Mapping[str, Any]) -> str:
    """Change in *old* only what differs, so that comments and order stay."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 1 << 20
    editor.allow_unicode = True
    tree = editor.load(old)
    for key in [key for key in tree if key not in wanted]:
        del tree[key]
    plain = parse(old)
    odd: dict[str, str] = {}
    for key, value in wanted.items():
        # The editor would write braces as they are, which the first card did not.
        if key not in plain or plain[key] != value or "{{" in str(value):
            tree[key] = _marked(value, odd)
    out = io.StringIO()
    editor.dump(tree, out)
    return f"---\n{_unmarked(out.getvalue(), odd).rstrip()}\n---\n"


def _invalid(problem: str, where: str) -> FrontMatterError:
    return FrontMatterError(
        f"The header of `README.md` is not valid YAML: {problem}",
        where=where,
        hint="Mend the lines between `---`",
    )


def _marked(value: Any, odd: dict[str, str]) -> Any:
    """Return *value* with a plain word for each text that some YAML might read as anything but itself."""
    if isinstance(value, Mapping):
        return {str(key): _marked(inner, odd) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(inner, odd) for inner in value]
    if not isinstance(value, str):
        return value
    if _PLAIN.fullmatch(value) and value.lower() not in _YAML_WORDS and _MARK not in value:
        return value
    mark = f"{_MARK}{len(odd)}x"
    odd[mark] = "".join(letter for letter in value if not 0xD800 <= ord(letter) <= 0xDFFF)
    return mark


def _unmarked(text: str, odd: Mapping[str, str]) -> str:
    # An editor that keeps quotes puts them around the mark where the value before had them.
    return re.sub(rf"([\"']?)({_MARK}[0-9]+x)\1", lambda match: _quoted(odd[match[2]]), text)


def _quoted(value: str) -> str:
    return '"' + "".join(_letter(letter) for letter in value) + '"'


def _letter(letter: str) -> str:
    point = ord(letter)
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable() and letter != "{":
        return letter
    if point <= 0xFF:
        return f"\\x{point:02X}"
    return f"\\u{point:04X}" if point <= 0xFFFF else f"\\U{point:08X}"


def _license(given: str | None) -> tuple[str | None, str | None]:
    if given is None:
        return None, None
    slug = re.sub(r"[\s_]+", "-", given.strip().lower())
    if slug in licenses.KNOWN:
        return slug, None
    return "other", re.sub(r"[^a-z0-9.+-]+", "-", clean(slug)).strip("-") or None


def _tags(facts: Facts) -> list[str]:
    tags = list(facts.tags)
    if facts.kind is ModelKind.LORA:
        tags.append("lora")
    if facts.is_whisper:
        tags.append("whisper")
    return list(dict.fromkeys(tags))


def _model_index(facts: Facts) -> list[dict[str, Any]] | None:
    """Return the measured results in the Hub's form, which wants a task and a data set beside each figure."""
    metrics = [entry for name, value in facts.metrics.items() if (entry := _measured(name, value))]
    if not metrics or not facts.task or not facts.datasets:
        return None
    dataset = {"name": facts.datasets[0], "type": facts.datasets[0]}
    result = {"task": {"type": facts.task}, "dataset": dataset, "metrics": metrics}
    return [{"name": facts.title, "results": [result]}]


def _measured(name: str, value: float) -> dict[str, Any] | None:
    match = _METRIC.fullmatch(name.lower())
    known = _METRIC_TYPES.get(match["type"]) if match else None
    if match is None or known is None or not math.isfinite(value) or name in ("loss", "train_loss"):
        return None
    return {"type": match["type"], "value": value, "name": f"{known} ({name})"}
