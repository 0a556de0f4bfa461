"""
Which files of a model folder are uploaded: what belongs to a model, and nothing else.

The list says what belongs; whatever it does not know stays at home and is reported with the reason, so that
neither an optimizer state nor somebody's notes go public because nobody thought of excluding them.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from spacehand.errors import ModelError
from spacehand.hub._protocol import LocalFile
from spacehand.hub.leaks import is_secret_file
from spacehand.model.artifact import Model, variants

RESULTS_FOLDER = "training_results"

# Results and settings of the training; wherever they lie at the top, they go to training_results/.
RESULTS = re.compile(
    r"(?:[a-z]+_)?results\.json|trainer_state\.json|train(?:ing)?(?:_log)?\.(?:log|txt)|metrics\.json|"
    r"training_(?:config|args)\.(?:json|ya?ml)|args\.(?:json|ya?ml)|config\.ya?ml|h(?:yper)?param(?:eter)?s\.(?:json|ya?ml)"
)
_BELONGS = re.compile(
    r"(?:config|generation_config|quantize_config|quantization_config|adapter_config|modules|labels?|id2label|"
    r"(?:pre)?processor_config|image_processor|feature_extractor|video_preprocessor_config|model_index|"
    r"tokenizer|tokenizer_config|tekken|special_tokens_map|added_tokens|normalizer|chat_template|params|"
    r"config_sentence_transformers|sentence_bert_config|sentence_xlm-roberta_config|hotwords|"
    r"[a-z_0-9-]*vocab(?:ulary)?|model\.safetensors\.index)\.json|"
    r"[a-z_0-9-]*vocab(?:ulary)?\.(?:txt|bpe|spm)|merges\.txt|bpe\.codes|labels?\.txt|[a-z_0-9.-]*\.(?:tiktoken|spm|model)|"
    r"chat_template\.jinja|(?:readme|licen[cs]e|notice|copying|citation|use_policy)(?:[.\-_][\w.-]*)?|"
    r"[a-z_][a-z_0-9]*\.py|requirements\.txt|handler\.py"
)
_MEDIA = re.compile(r"(?s).*\.(?:png|jpe?g|svg|gif|webp|wav|flac|mp3|ogg|md|json|txt)")
_MEDIA_FOLDERS = frozenset(
    {"assets", "images", "figures", "plots", "examples", "samples", "audio", RESULTS_FOLDER}
)
# Folders whose files are parts of the model: ONNX exports, sentence-transformers' modules, chat templates.
_PART_FOLDERS = re.compile(r"onnx|openvino|tokenizer|additional_chat_templates|[0-9]+_[A-Z][A-Za-z]+")
_PART_WEIGHTS = re.compile(r".*\.(?:onnx|onnx_data(?:_[0-9]+)?|safetensors)")

_UNKNOWN = "no known part of a model"
_HIDDEN = "hidden files are no part of a model"
_STAYS_OUT = tuple(
    (re.compile(pattern), why)
    for pattern, why in (
        (r"(?:checkpoint|global_step|epoch|step)[-_]?[0-9]+/", "a checkpoint of the training"),
        (
            r"(?:optimizer|scheduler|scaler|rng_state|random_states?|zero_pp|mp_rank)[\w.-]*",
            "state of the training, not of the model",
        ),
        (r"training_args\.bin", "a pickle of settings, which may hold tokens"),
        (
            r"(?:runs|logs?|wandb|mlruns|lightning_logs|tensorboard|tb_logs)/|events\.out\.tfevents\..*",
            "a log of the training",
        ),
        (r"__pycache__/|.*\.py[co]|node_modules/|venv/|[\w.-]+\.egg-info/|.*_cache/|cache/", "a cache"),
        (
            r".*\.(?:tmp|temp|bak|orig|swp|lock|part|incomplete)|.*~|thumbs\.db|desktop\.ini",
            "a temporary file",
        ),
        (
            r".*\.(?:csv|tsv|jsonl|parquet|arrow|xlsx?)|data(?:set)?s?/",
            "data, which belongs in a dataset repository",
        ),
    )
)
_OTHER_WEIGHTS = re.compile(
    r".*\.(?:safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf|onnx|onnx_data|pkl|pickle|npz|nemo)"
)
_REFUSED = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder (with a final ``/``) that stays at home, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What is uploaded, by its path in the repository, and what is not."""

    files: tuple[LocalFile, ...]  # sorted by path; without README.md, which the card takes up
    skipped: tuple[Skipped, ...]
    readme: Path | None


def select(model: Model, *, include: Sequence[str] = ()) -> Selection:
    """
    Return the files of *model*'s folder that are uploaded; *include* are globs of further ones.

    Raises:
        ModelError: a file that belongs is a link that leaves the folder, or has a name the Hub refuses.
    """
    found: dict[str, LocalFile] = {}
    skipped: list[Skipped] = []
    readme: Path | None = None
    for name, variant in model.beside.items():
        for part in select(variant).files:
            found[f"{name}/{part.path}"] = LocalFile(f"{name}/{part.path}", source=part.source)
    weights = _weights(model)
    parts = set(variants(model))
    for path, file in _walk(model.folder, skipped):
        why = (
            None
            if any(fnmatch.fnmatchcase(path, glob) for glob in include)
            else _why_not(path, weights, parts)
        )
        if is_secret_file(path):
            why = "a file of this name is there to hold secrets"
        if why is not None:
            skipped.append(Skipped(path, why))
            continue
        _check(model.folder, path, file)
        if path == "README.md":
            readme = file
            continue
        target = f"{RESULTS_FOLDER}/{path}" if RESULTS.fullmatch(path) else path
        found.setdefault(target, LocalFile(target, source=file))
    files = tuple(found[path] for path in sorted(found))
    return Selection(files, tuple(sorted(skipped, key=lambda entry: entry.path)), readme)


def _weights(model: Model) -> Mapping[str, Path]:
    here = variants(replace(model, beside={}))
    models = {"": model, **{f"{name}/": variant for name, variant in here.items()}}
    return {
        prefix + file.relative_to(owner.folder).as_posix(): file
        for prefix, owner in models.items()
        for file in owner.weights
    }


def _walk(folder: Path, skipped: list[Skipped]) -> Iterator[tuple[str, Path]]:
    """Yield the files of the folders that may belong; folders that cannot are skipped as a whole."""
    for directory, names, files in os.walk(folder):
        here = Path(directory)
        for name in sorted(names):
            path = (here / name).relative_to(folder).as_posix()
            if why := _why_not_folder(here / name):
                skipped.append(Skipped(f"{path}/", why))
                names.remove(name)
        names.sort()
        for name in sorted(files):
            yield (here / name).relative_to(folder).as_posix(), here / name


def _why_not_folder(folder: Path) -> str | None:
    if folder.name.startswith("."):
        return _HIDDEN
    if folder.is_symlink():
        return "a link to a folder"
    if why := _stays_out(f"{folder.name.lower()}/"):
        return why
    return None  # looked into even if unknown: `include` may name a file in it


def _why_not(path: str, weights: Mapping[str, Path], parts: set[str]) -> str | None:
    if path in weights:
        return None
    pure = PurePosixPath(path)
    name, top = pure.name.lower(), pure.parts[0] if len(pure.parts) > 1 else ""
    if name.startswith("."):
        return _HIDDEN
    if not top and RESULTS.fullmatch(name):
        return None
    if why := _stays_out(name):
        return why
    if top in _MEDIA_FOLDERS:
        return None if _MEDIA.fullmatch(name) else _UNKNOWN
    if top and top not in parts and not _PART_FOLDERS.fullmatch(top):
        return "in a folder that is no known part of a model"
    if top and top not in parts and _PART_WEIGHTS.fullmatch(name):
        return None
    if _OTHER_WEIGHTS.fullmatch(name) and not _BELONGS.fullmatch(name):
        return "weights that are no part of this model"
    return None if _BELONGS.fullmatch(name) or _is_picture(top, name) else _UNKNOWN


def _is_picture(top: str, name: str) -> bool:
    return not top and bool(re.fullmatch(r"(?s).*\.(?:png|jpe?g|svg|gif|webp)", name))


def _stays_out(name: str) -> str | None:
    return next((why for pattern, why in _STAYS_OUT if pattern.fullmatch(name)), None)


def _check(folder: Path, path: str, file: Path) -> None:
    if _REFUSED.search(path):
        raise ModelError(
            f"The Hub refuses the file name {path!r}",
            where=str(folder),
            hint="Rename the file, or move it away",
        )
    if not file.is_symlink():
        return
    target, home = file.resolve(), folder.resolve()
    # A snapshot in the official client's cache is made of links to the blobs beside it, which are its own.
    if not target.is_relative_to(home) and target.parent != home.parent.parent / "blobs":
        raise ModelError(
            f"`{path}` is a link to a file outside the model folder",
            where=str(file),
            hint="Copy the file into the folder, or remove the link",
        )
    if not target.is_file():
        raise ModelError(f"`{path}` is a link that leads nowhere", where=str(file), hint="Remove the link")
