"""Templates: Space folders that come with spacehand, each for certain kinds of model."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import spacehand
from spacehand.errors import ConfigError, NotFoundError
from spacehand.space.settings_file import Table, merged, settings_document


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a template has to know about the model it will serve; nothing in it is guessed."""

    repo: str  # owner/name
    kind: str  # full, sharded, lora, ctranslate2, onnx
    revision: str | None = None  # sha1; the Space serves this commit and no other
    name: str | None = None
    subfolder: str | None = None
    base_model: str | None = None
    dtype: str | None = None  # float32, bfloat16: what numbers are loaded as
    quantization: str | None = None  # int8, nf4
    task: str | None = None  # the Hub's pipeline tag; None where nobody knows

    def variables(self) -> dict[str, str]:
        """Return the environment that tells the app which model to serve."""
        pairs = {
            "HF_MODEL_ID": self.repo,
            "MODEL_REVISION": self.revision,
            "MODEL_NAME": self.name,
            "MODEL_SUBFOLDER": self.subfolder,
            "BASE_MODEL_ID": self.base_model,
            "MODEL_DTYPE": self.dtype,
            "MODEL_QUANTIZATION": self.quantization,
        }
        return {name: value for name, value in pairs.items() if value}


@dataclass(frozen=True, slots=True)
class Template:
    """One bundled Space folder and the kinds of model each of its engines serves."""

    name: str
    folder: Path
    description: str
    engines: Mapping[str, tuple[str, ...]]  # engine -> kinds of model
    tasks: tuple[str, ...] = ()  # what the models are for; empty: anything

    def engine(self, model: ModelFacts) -> str:
        """
        Return the engine that serves *model*; one whose task nobody knows is taken at its word.

        Raises:
            ConfigError: none does, or the model is for something else.
        """
        if self.tasks and model.task and model.task not in self.tasks:
            raise ConfigError(
                f"The template `{self.name}` is for {' and '.join(self.tasks)}, "
                f"and `{model.repo}` is a model for {model.task}",
                where=str(self.folder),
                hint="Bring an app of your own: `spacehand ship MODEL_DIR --app FOLDER`",
            )
        kind = model.kind
        for name, kinds in self.engines.items():
            if kind in kinds:
                return name
        served = sorted({kind for kinds in self.engines.values() for kind in kinds})
        raise ConfigError(
            f"The template `{self.name}` does not serve models of the kind `{kind}`",
            where=str(self.folder),
            hint=f"It serves: {', '.join(f'`{k}`' for k in served) or 'none'}; for others bring an app of "
            "your own: `spacehand ship MODEL_DIR --app FOLDER`",
        )


def template(name: str) -> Template:
    """
    Return the bundled template *name*.

    Raises:
        NotFoundError: there is none of that name.
    """
    folder = _home() / name
    names = template_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(f'`{n}`' for n in names)}"
        raise NotFoundError(f"There is no template `{name}`", hint=hint)
    document = settings_document(folder)
    table = merged([document] if document else []).table("template")
    return Template(name, folder, table.text("description") or "", engines_of(table), table.texts("tasks"))


def template_names() -> tuple[str, ...]:
    """Return the names of all bundled templates."""
    home = _home()
    if not home.is_dir():
        return ()
    return tuple(sorted(folder.name for folder in home.iterdir() if (folder / "README.md").is_file()))


def engines_of(table: Table) -> dict[str, tuple[str, ...]]:
    """Return the ``engines`` of a ``[template]`` table: engine name to the kinds of model it serves."""
    engines = table.table("engines")
    return {name: engines.texts(name) for name in engines.values}


def bundled(name: str) -> Path | None:
    """Return the folder *name* that came inside the installed wheel, None in a checkout."""
    folder = Path(spacehand.__file__).parent / "bundled" / name
    return folder if folder.is_dir() else None


def _home() -> Path:
    checkout = Path(spacehand.__file__).parents[2] / "apps"
    return bundled("apps") or checkout
