"""A model card: facts and a person's words, through a template, into the README.md of a repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spacehand.errors import ConfigError
from spacehand.model.card import header, legacy, native, placeholders, regions
from spacehand.model.card.escape import clean, prose
from spacehand.model.card.facts import Facts, from_training
from spacehand.model.card.older_names import older_names
from spacehand.model.training import Training

_BUNDLED = Path(__file__).parent / "templates" / "model.md.j2"
# Cards that trainers write and nobody has filled in; they hold no word of a person.
_UNFILLED = re.compile(
    r"\[More Information Needed\](?:.*\[More Information Needed\]){2}|"
    r"generated automatically according to the information the Trainer had access to",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Card:
    """The text of README.md, and what a person's edits kept as it was."""

    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Parts:
    """One README, taken apart."""

    header: str  # YAML
    body: regions.Body
    record: regions.Record | None
    digest: str
    keys: Mapping[str, Any] = field(default_factory=dict)  # that a new README in the folder brings

    @classmethod
    def of(cls, text: str) -> _Parts:
        yaml_text, behind = header.split(clean(text))
        body_text, record = regions.read_record(behind)
        body = regions.parse(body_text)
        if record is None and _UNFILLED.search(body_text):
            body = []
        return cls(yaml_text, body, record, regions.digest(text))


def build(
    facts: Facts,
    *,
    template: Path | None = None,
    given: Mapping[str, Any] | None = None,
    folder_readme: str | None = None,
    remote_readme: str | None = None,
) -> Card:
    """
    Return the card for *facts*; the same input gives the same text.

    *folder_readme* is the README.md in the model's folder, *remote_readme* the one on the Hub; what a person
    wrote in them stays. *given* are further variables for a *template* of one's own.

    Raises:
        ConfigError: the template is wrong, or asks for what nobody said.
        FrontMatterError: the header of a README is not valid YAML.
    """
    keys, blocks = _render(facts, template, given or {})
    folder = _Parts.of(folder_readme) if folder_readme is not None else None
    folder = folder and replace(folder, header=header.without_local_bases(folder.header))
    remote = _Parts.of(remote_readme) if remote_readme is not None else None
    old, notes = _base(folder, remote)
    known = old.record.blocks if old.record else ()
    fences = [regions.fenced(name, text) for name, text in _untitled(blocks, old.body).items()]
    body, kept = regions.merge(old.body, fences, known=known)
    notes += [f"The card's section `{name}` was edited by hand and is left as it is" for name in kept]
    written = regions.Record(
        blocks=tuple(block.name for block in fences),
        header={key: header.fingerprint(value) for key, value in keys.items()},
        folder=folder.digest if folder else old.record.folder if old.record else "",
        outside=regions.digest(regions.outside(body)),
    )
    top = header.merge(old.header, {**keys, **old.keys}, old.record.header if old.record else None)
    return Card(f"{top}\n{regions.write(body)}\n{written}\n".lstrip("\n"), tuple(notes))


def from_variables(variables: Mapping[str, Any], *, template: str | None = None) -> str:
    """
    Return the card that an older project's *variables* make, with its *template* or the bundled one.

    Raises:
        ConfigError: the template is wrong.
    """
    if template is not None:
        keys, body = _render_legacy(template, variables, "template")
        return f"{header.dump(keys)}\n{body.strip()}\n".lstrip("\n")
    results = {ours: variables[theirs] for ours, theirs in _OLD_METRICS.items() if theirs in variables}
    facts = from_training(str(variables.get("repo_name") or "model"), Training.of(variables, results))
    keys, blocks = _render(facts, None, {})
    body = "\n\n".join(blocks.values())
    return f"{header.dump(keys)}\n{body}\n".lstrip("\n")


_OLD_METRICS = {"train_loss": "training_loss", "eval_loss": "validation_loss", "perplexity": "perplexity"}


def _base(folder: _Parts | None, remote: _Parts | None) -> tuple[_Parts, list[str]]:
    """Return the README whose words are kept, and what to tell about it."""
    if remote is None:
        return folder or _Parts("", [], None, ""), []
    if folder is None or (remote.record and remote.record.folder == folder.digest):
        return remote, []
    words = regions.outside(remote.body)
    if not remote.body or (remote.record and remote.record.outside == regions.digest(words)):
        return _replaced(remote, folder), []
    if words.strip() == regions.outside(folder.body).strip():
        return remote, []
    return remote, [
        "`README.md` on the Hub was edited by hand and is kept; the one in the folder was not used"
    ]


def _replaced(remote: _Parts, folder: _Parts) -> _Parts:
    """Return the card on the Hub with the words, and the person's keys, of the folder's new README."""
    ours = folder.record.header if folder.record else {}
    keys = {
        key: value
        for key, value in header.parse(folder.header).items()
        if header.fingerprint(value) != ours.get(key)
    }
    blocks = [piece for piece in remote.body if isinstance(piece, regions.Fenced)]
    record = remote.record
    if record is not None:
        there = header.parse(remote.header)
        replaceable = {key: header.fingerprint(there[key]) for key in keys if key in there}
        record = replace(record, header={**record.header, **replaceable})
    words = [piece for piece in folder.body if isinstance(piece, str)]
    return replace(remote, body=[*words, *blocks], record=record, keys=keys)


def _untitled(blocks: Mapping[str, str], body: regions.Body) -> dict[str, str]:
    """Return *blocks* without their title where the person's own text has one."""
    if not regions.has_heading(body):
        return dict(blocks)
    texts = {name: re.sub(r"\A\s*# .*\n?", "", text) for name, text in blocks.items()}
    return {name: text for name, text in texts.items() if text.strip()}


def _render(
    facts: Facts, template: Path | None, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the keys of the header and the text of each block."""
    where = str(template or _BUNDLED)
    source = _read(template or _BUNDLED)
    if template is not None and template.suffix != ".j2" and legacy.is_legacy(source):
        keys, body = _render_legacy(source, older_names(facts, given), where)
        return keys or header.header(facts), {"card": body.strip()}
    own_keys, blocks = native.render(facts, source, given, where=where, trim=template is None)
    return header.header(facts) if own_keys is None else own_keys, blocks


def _render_legacy(template: str, variables: Mapping[str, Any], where: str) -> tuple[dict[str, Any], str]:
    top, body = placeholders.split(template, where)
    keys = placeholders.keys(lambda show: legacy.render(top, variables, show=show, where=where), where)
    return keys, legacy.render(body, variables, show=prose, where=where)


def _read(template: Path) -> str:
    try:
        return template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The card template `{template}` cannot be read", where=str(template)) from error
