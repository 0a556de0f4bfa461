"""
The Python interface of older tools: the same classes and arguments, over spacehand's own way of doing it.

Which Hub is spoken to follows the one rule there is: HF_ENDPOINT, else the Hub on this machine; a token never
decides it. Arguments that have no meaning any more are accepted, and named on stderr as ignored.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spacehand.errors import DiskFullError, NotFoundError, SpacehandError, UsageError
from spacehand.ids import Visibility
from spacehand.session import connect

if TYPE_CHECKING:
    from spacehand.deploy.published import PublishedModel
    from spacehand.model.card.facts import CardWords
    from spacehand.progress import Progress

__all__ = ["DemoSpaceDeployer", "HuggingFacePusher", "ModelCardGenerator"]

_NO_SPACE = 28  # errno ENOSPC
# Arguments that say something about the training, as a training configuration would.
_SETTINGS: Final = (
    "experiment_name",
    "training_config_type",
    "trainer_type",
    "batch_size",
    "gradient_accumulation_steps",
    "learning_rate",
    "max_epochs",
    "max_seq_length",
)
_TEMPLATES: Final = {"voxtral": "voxtral-asr"}  # demo type: template
_SPACE_TOKEN = "SPACEHAND_COMPAT_SPACE_TOKEN"  # noqa: S105  the variable's name


class HuggingFacePusher:
    """Publishes a model folder with its card; *repo_name* is ``owner/name``, or a name of one's own."""

    def __init__(
        self,
        model_path: str | Path,
        repo_name: str,
        token: str | None = None,
        private: bool = False,
        author_name: str | None = None,
        model_description: str | None = None,
        model_name: str | None = None,  # what it was trained from
        dataset_name: str | None = None,
        hf_token: str | None = None,
        **others: Any,
    ) -> None:
        self.model_path = Path(model_path)
        self.repo_name = repo_name
        self.private = private
        self.author_name = author_name
        self.model_description = model_description
        self.model_name = model_name
        self.dataset_name = dataset_name
        self._token = token or hf_token
        self._settings = {name: others.pop(name) for name in _SETTINGS if name in others}
        _ignore("HuggingFacePusher", others)

    def push_model(
        self, training_config: Mapping[str, Any] | None = None, results: Mapping[str, Any] | None = None
    ) -> bool:
        """
        Publish the folder in one commit and return True; on failure say why on stderr and return False.

        What *training_config* says comes before what the constructor was told.
        """
        return _succeeds(lambda: self._push(training_config or {}, results))

    def _push(self, training_config: Mapping[str, Any], results: Mapping[str, Any] | None) -> None:
        from spacehand.hub.digests import Digests
        from spacehand.model.artifact import Model
        from spacehand.model.publish import publish

        model = Model.open(self.model_path)
        connection = connect(None, say=_say, token=self._token)
        with Digests.default() as digests:
            published = publish(
                model,
                connection.repo(self.repo_name),
                hub=connection.hub,
                digests=digests,
                training_config={**self._unsaid(training_config), **training_config} or None,
                results=results,
                card=self._words(),
                visibility=Visibility.PRIVATE if self.private else Visibility.PUBLIC,
                report=_reporter(),
            )
        for skipped in published.skipped:
            _say(f"stays at home: {skipped.path} ({skipped.why})")
        for note in published.notes:
            _say(f"note: {note}")
        _say(published.url)

    def _unsaid(self, training_config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of the constructor that *training_config* does not give, by whatever name."""
        from spacehand.model.training import Training

        given = Training.of(training_config, {}).settings
        return {
            name: value
            for name, value in self._settings.items()
            if value is not None and not Training.of({name: value}, {}).settings.keys() & given.keys()
        }

    def _words(self) -> CardWords:
        from spacehand.model.card.facts import CardWords

        return CardWords(
            description=self.model_description,
            author=self.author_name,
            base_model=self.model_name,
            datasets=(self.dataset_name,) if self.dataset_name else (),
        )


class ModelCardGenerator:
    """Writes a card from variables, with the older *template_path* or the bundled template."""

    def __init__(self, template_path: str | Path | None = None) -> None:
        self.template_path = Path(template_path) if template_path is not None else None

    def generate_model_card(self, variables: Mapping[str, Any]) -> str:
        """
        Return the card's text; what is not among *variables* is absent from it.

        Raises:
            NotFoundError: there is no such template.
            ConfigError: the template is wrong.
        """
        from spacehand.model.card.card import from_variables

        return from_variables(variables, template=self._template())

    def save_model_card(self, content: str, output_path: str | Path) -> bool:
        """Write *content* to *output_path* and return True; on failure say why on stderr and return False."""
        return _succeeds(lambda: _write(Path(output_path), content))

    def _template(self) -> str | None:
        if self.template_path is None:
            return None
        try:
            return self.template_path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NotFoundError(
                f"The card template `{self.template_path}` cannot be read",
                where=str(self.template_path.absolute()),
                hint="Name the file, or leave the template out for the bundled one",
            ) from error


class DemoSpaceDeployer:
    """Shows a model that is on the Hub already in a Space of its own."""

    def __init__(
        self,
        hf_token: str | None = None,
        hf_username: str | None = None,
        model_id: str = "",
        subfolder: str | None = None,
        space_name: str | None = None,
        demo_type: str | None = None,
        space_secret_token: str | None = None,
        disable_examples: bool | str | None = None,
        examples_json: str | None = None,
        **others: Any,
    ) -> None:
        self.hf_username = hf_username
        self.model_id = model_id
        self.subfolder = subfolder or ""
        self.space_name = space_name
        self.demo_type = demo_type
        self._token = hf_token
        self._space_token = space_secret_token
        brand = {name: others.pop(name) for name in list(others) if name.startswith("brand_")}
        examples = {
            "DISABLE_EXAMPLES": "true" if str(disable_examples).lower() in ("1", "true", "yes", "on") else "",
            "EXAMPLES_JSON": examples_json or "",
        }
        self._variables = {name: value for name, value in {**examples, **_brand(brand)}.items() if value}
        _ignore("DemoSpaceDeployer", others)

    def deploy(self, skip_creation: bool = False) -> bool:
        """
        Return True once the Space was seen to serve these very weights; else say why and return False.

        *skip_creation* has no meaning any more: a Space that is there already is never created again.
        """
        _ignore("deploy", {"skip_creation": skip_creation or None})
        return _succeeds(self._deploy)

    def _deploy(self) -> None:
        from spacehand.deploy.published import PublishedModel, show
        from spacehand.history import History
        from spacehand.hub.digests import Digests
        from spacehand.space.spec import SpaceSpec

        template = _template_of(self.demo_type)
        connection = connect(None, say=_say, token=self._token)
        model = PublishedModel.find(connection.hub, connection.repo(self.model_id), self.subfolder)
        space = connection.repo(self._space(model))
        with _space_token(self._space_token) as secrets, Digests.default() as digests:
            overrides = {"variables": self._variables, "secrets": secrets}
            spec = SpaceSpec.for_template(template, model=model.facts, repo=space, overrides=overrides)
            deployed = show(
                spec,
                model,
                hub=connection.hub,
                history=History.default(),
                digests=digests,
                report=_reporter(),
            )
        _say(f"space  {deployed.space_url}")
        _say(deployed.app_url)

    def _space(self, model: PublishedModel) -> str:
        name = self.space_name or f"{model.repo.name}-demo"
        return name if "/" in name or not self.hf_username else f"{self.hf_username}/{name}"


def _template_of(demo_type: str | None) -> str:
    if demo_type is None or demo_type in _TEMPLATES:
        return _TEMPLATES[demo_type or "voxtral"]
    raise UsageError(
        f"There is no demo of the type `{demo_type}`",
        hint="There is `voxtral`, for speech; `spacehand deploy` brings an app folder of your own to a Space",
    )


@contextlib.contextmanager
def _space_token(value: str | None) -> Iterator[dict[str, Any]]:
    """Lend the Space's secret to the environment, where its reader finds it, and take it away again."""
    if not value:
        yield {}
        return
    os.environ[_SPACE_TOKEN] = value
    try:
        yield {"HF_TOKEN": {"env": _SPACE_TOKEN}}
    finally:
        os.environ.pop(_SPACE_TOKEN, None)


def _brand(said: Mapping[str, Any]) -> dict[str, str]:
    """Return what was said of the people behind a demo as the variables of today's templates."""
    import json

    brand = {name.removeprefix("brand_"): str(value).strip() for name, value in said.items() if value}
    links = {
        "Discord": brand.get("discord_url"),
        brand.get("hf_label", brand.get("hf_org", "Hugging Face")): _address(
            brand, "hf", "https://huggingface.co/"
        ),
        brand.get("gh_label", brand.get("gh_org", "GitHub")): _address(brand, "gh", "https://github.com/"),
        brand.get("project_name", "Project"): brand.get("project_url"),
    }
    shown = {label: address for label, address in links.items() if address}
    return {
        "BRAND_DESCRIPTION": " · ".join(brand[key] for key in ("owner_name", "team_name") if key in brand),
        "BRAND_LINKS": json.dumps(shown, ensure_ascii=False) if shown else "",
    }


def _address(brand: Mapping[str, str], place: str, home: str) -> str | None:
    organisation = brand.get(f"{place}_org")
    return brand.get(f"{place}_url") or (f"{home}{organisation}" if organisation else None)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"`{path}` cannot be written: {error.strerror}", where=str(path)) from error


def _succeeds(work: Callable[[], None]) -> bool:
    """Return whether *work* went well; say on stderr what went wrong, where, and what to do."""
    try:
        work()
    except SpacehandError as error:
        _say(_described(error))
        return False
    except OSError as error:
        if error.errno != _NO_SPACE:
            raise
        _say(_described(DiskFullError("There is no space left on the disk", where=error.filename)))
        return False
    return True


def _described(error: SpacehandError) -> str:
    lines = [f"error: {error.message}"]
    lines += [f"  at {error.where}"] if error.where else []
    return "\n".join([*lines, *(["", f"hint: {error.hint}"] if error.hint else [])])


def _ignore(who: str, said: Mapping[str, Any]) -> None:
    for name in sorted(name for name, value in said.items() if value is not None):
        _say(f"note: `{who}` ignores `{name}`: it has no meaning any more")


def _reporter() -> Callable[[Progress], None]:
    last = ""

    def report(progress: Progress) -> None:
        nonlocal last
        if progress.message != last:
            _say(f"{progress.phase:8}  {progress.message}")
        last = progress.message

    return report


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
