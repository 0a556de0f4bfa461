"""A model folder, published: one commit, nothing but what belongs, nothing at all where nothing changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spacehand.errors import ConflictError, ModelError
from spacehand.hub import leaks
from spacehand.hub._protocol import Commit, Hub, LocalFile, RemoteFile
from spacehand.hub.changes import FileChanges, changes
from spacehand.hub.digests import Digests
from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.model.artifact import Model, naming_files, variants
from spacehand.model.card import plot
from spacehand.model.card.card import Card, build
from spacehand.model.card.facts import CardWords, Facts, gather
from spacehand.model.selection import RESULTS_FOLDER, Selection, Skipped, select
from spacehand.model.training import Training
from spacehand.model.weights import combined_sha256
from spacehand.progress import Progress, Report, silent

_README = "README.md"
_ATTEMPTS = 3  # when somebody commits to the same repository at the same moment
# A row of the table of weights in a card that an earlier publish wrote.
_ROW = re.compile(r"^\| `(?P<path>[^`\n]+)` \| [0-9]+ \| `[0-9a-f]{64}` \|$", re.MULTILINE)
_INDEX = "model.safetensors.index.json"
_OWN_PLOT = re.compile(re.escape(RESULTS_FOLDER) + r"/loss-[0-9a-f]{12}\.png")


@dataclass(frozen=True, slots=True)
class Published:
    """What a publish left behind."""

    repo: RepoId
    url: str
    commit: Commit  # `changed` is False where everything was there already
    weights_sha256: str
    variants: Mapping[str, str] = field(default_factory=dict)  # the weights_sha256 of each, by subfolder
    uploaded: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()  # what of the folder stayed at home, and why
    notes: tuple[str, ...] = ()  # what a person should know: kept edits, a pickle

    def sha256_of(self, subfolder: str | None) -> str:
        """Return the hash of the weights in *subfolder*, of the model itself where that is None."""
        return self.weights_sha256 if subfolder is None else self.variants[subfolder]


def preview(
    model: Model,
    repo: RepoId,
    *,
    digests: Digests,
    training_config: Mapping[str, Any] | Path | None = None,
    results: Mapping[str, Any] | Path | None = None,
    card: CardWords | None = None,
    report: Report = silent,
) -> Card:
    """
    Return the card that a first :func:`publish` with these arguments would write; no Hub is asked.

    Raises:
        ModelError, LeakedSecretError, ConfigError: as `publish` does.
    """
    words = card or CardWords()
    prepared = _prepare(
        model, repo, digests, training_config, results, words=words, include=(), report=report
    )
    return _card(prepared, None)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that is known before the Hub is asked."""

    selection: Selection
    training: Training
    facts: Facts
    words: CardWords
    files: tuple[LocalFile, ...]  # all but the card and the loss curve
    variants: Mapping[str, str]  # the weights_sha256 of each, by subfolder


def publish(
    model: Model,
    repo: RepoId,
    *,
    hub: Hub,
    digests: Digests,
    training_config: Mapping[str, Any] | Path | None = None,
    results: Mapping[str, Any] | Path | None = None,
    card: CardWords | None = None,
    visibility: Visibility = Visibility.PUBLIC,
    include: Sequence[str] = (),
    report: Report = silent,
) -> Published:
    """
    Upload *model* with its card to *repo*, which is created if need be, in one commit.

    *include* are globs of files that are uploaded though they are no known part of a model.

    Raises:
        ModelError: a file cannot be read or published, or changed while it was uploaded.
        LeakedSecretError: a file holds a secret; the Hub was not touched.
        ConfigError: a training's file or the card's template is wrong.
        ConflictError: others kept committing to the repository.
    """
    prepared = _prepare(
        model,
        repo,
        digests,
        training_config,
        results,
        words=card or CardWords(),
        include=include,
        report=report,
    )
    if hub.head(RepoKind.MODEL, repo) is None:
        hub.create_model(repo, visibility)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            commit, moved, written = _commit(prepared, repo, hub, digests, report)
        except ConflictError:
            if attempt == _ATTEMPTS:
                raise
            report(Progress("upload", f"Somebody else committed to `{repo}`; looking again"))
        else:
            break
    return Published(
        repo=repo,
        url=hub.page_url(RepoKind.MODEL, repo),
        commit=commit,
        weights_sha256=prepared.facts.weights_sha256 or "",
        variants=prepared.variants,
        uploaded=tuple(file.path for file in moved.add),
        skipped=prepared.selection.skipped,
        notes=(*model.warnings, *written.notes),
    )


@naming_files()
def _prepare(
    model: Model,
    repo: RepoId,
    digests: Digests,
    training_config: Mapping[str, Any] | Path | None,
    results: Mapping[str, Any] | Path | None,
    *,
    words: CardWords,
    include: Sequence[str],
    report: Report,
) -> _Prepared:
    selection = select(model, include=include)
    left_out = f", {len(selection.skipped)} stay at home" if selection.skipped else ""
    report(
        Progress("select", f"{len(selection.files)} files of `{model.folder}` belong to the model{left_out}")
    )
    training = Training.load(model.folder, config=training_config, results=results)
    files = (*selection.files, *_given(selection, training_config, results))
    readme = (LocalFile(_README, source=selection.readme),) if selection.readme else ()
    leaks.refuse((*files, *readme))
    hashes = _hashes(model, digests, report)
    facts = gather(str(repo), model, training, hashes=hashes, words=words)
    sums = {name: _sum(name, variant, hashes) for name, variant in variants(model).items()}
    return _Prepared(selection, training, facts, words, files, sums)


def _given(
    selection: Selection,
    training_config: Mapping[str, Any] | Path | None,
    results: Mapping[str, Any] | Path | None,
) -> list[LocalFile]:
    """Return what was handed over beside the folder, as files of training_results/."""
    there = {file.path for file in selection.files}
    files = []
    for name, given in (("training_config", training_config), ("results", results)):
        if isinstance(given, Path):
            file = LocalFile(f"{RESULTS_FOLDER}/{name}{given.suffix}", source=given)
        elif given:
            text = json.dumps(given, indent=2, ensure_ascii=False, default=str)
            file = LocalFile(f"{RESULTS_FOLDER}/{name}.json", content=f"{text}\n".encode(errors="replace"))
        else:
            continue
        if file.path not in there:
            files.append(file)
    return files


def _hashes(model: Model, digests: Digests, report: Report) -> dict[str, str]:
    """Return the sha256 of each weights file, variants' too, by its path, telling how far the reading is."""
    models = {"": model, **{f"{name}/": variant for name, variant in variants(model).items()}}
    files = {
        prefix + file.relative_to(each.folder).as_posix(): file
        for prefix, each in models.items()
        for file in each.weights
    }
    total = sum(file.stat().st_size for file in files.values())
    done = 0

    def count(read: int) -> None:
        nonlocal done
        done += read
        report(Progress("hash", "Reading the weights", done, total, "bytes"))

    return {path: digests.digest(file, progress=count).sha256 for path, file in files.items()}


def _sum(name: str, variant: Model, hashes: Mapping[str, str]) -> str:
    """Return the one hash of a variant's weights, as an app that serves the subfolder tells it."""
    paths = [file.relative_to(variant.folder).as_posix() for file in variant.weights]
    return combined_sha256({path: hashes[f"{name}/{path}"] for path in paths})


def _commit(
    prepared: _Prepared, repo: RepoId, hub: Hub, digests: Digests, report: Report
) -> tuple[Commit, FileChanges, Card]:
    parent = hub.head(RepoKind.MODEL, repo)
    revision = parent or "main"
    remote = hub.files(RepoKind.MODEL, repo, revision)
    content = hub.read(RepoKind.MODEL, repo, _README, revision) if _README in remote else None
    remote_readme = None if content is None else _text(content)
    written = _card(prepared, remote_readme)
    report(Progress("card", f"The card of `{repo}` is written"))
    local = [*prepared.files, LocalFile(_README, content=written.text.encode())]
    leaks.refuse(local[-1:])
    moved = changes([*local, *_plot(prepared, remote)], remote, digests)
    moved = replace(moved, delete=tuple(filter(_left_over(prepared, remote_readme), moved.delete)))
    if not moved:
        report(Progress("upload", f"`{repo}` has all of it already; nothing moves"))
        url = hub.page_url(RepoKind.MODEL, repo)
        return Commit(revision, f"{url}/commit/{revision}", changed=False, uploaded_bytes=0), moved, written
    report(Progress("upload", f"Uploading {len(moved.add)} files to `{repo}`", 0, moved.bytes, "bytes"))
    commit = hub.commit(
        RepoKind.MODEL,
        repo,
        files=moved.add,
        delete=moved.delete,
        message=f"Publish {prepared.facts.title}"[:200].splitlines()[0],
        parent=parent,
    )
    _verify(prepared, hub.files(RepoKind.MODEL, repo, commit.revision), repo)
    report(Progress("upload", f"`{repo}` is at {commit.revision[:10]}", moved.bytes, moved.bytes, "bytes"))
    return commit, moved, written


def _card(prepared: _Prepared, remote_readme: str | None) -> Card:
    folder_readme = prepared.selection.readme
    return build(
        prepared.facts,
        template=prepared.words.template,
        given=prepared.training.given,
        folder_readme=_text(folder_readme.read_bytes()) if folder_readme else None,
        remote_readme=remote_readme,
    )


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig", errors="replace")


def _plot(prepared: _Prepared, remote: Mapping[str, RemoteFile]) -> list[LocalFile]:
    """Return the loss curve; its name follows from its points, so one that is there is not drawn again."""
    path = prepared.facts.plot
    if path is None or path in remote:
        return []
    return [LocalFile(path, content=plot.draw(prepared.training.history))]


def _left_over(prepared: _Prepared, remote_readme: str | None) -> Callable[[str], bool]:
    """
    Return whether a file on the Hub is one that an earlier publish wrote and this one replaces.

    Only weights that the card there names are, and what lies in a subfolder beside such weights of a
    variant; whatever else people keep in the repository is theirs.
    """
    earlier = {match["path"] for match in _ROW.finditer(remote_readme or "")}
    gone = earlier - {file.path for file in prepared.files}
    folders = {path.partition("/")[0] for path in gone if "/" in path and not path.startswith("onnx/")}
    if gone:
        earlier.add(_INDEX)

    def is_left_over(path: str) -> bool:
        is_plot = path != prepared.facts.plot and bool(_OWN_PLOT.fullmatch(path))
        return path in earlier or is_plot or path.partition("/")[0] in folders

    return is_left_over


def _verify(prepared: _Prepared, remote: Mapping[str, RemoteFile], repo: RepoId) -> None:
    """Make sure that the Hub holds the weights that the card names."""
    copies = (file for copy in prepared.facts.quantized for file in copy.files)
    for file in (*prepared.facts.weights, *copies):
        there = remote.get(file.path)
        if there is None or (there.sha256 is not None and there.sha256 != file.sha256):
            raise ModelError(
                f"`{file.path}` changed while it was uploaded to `{repo}`, so the card names another hash",
                where=file.path,
                hint="Wait until the training is done, then publish again",
            )
