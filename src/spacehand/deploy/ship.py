"""A trained folder to a model repository, and to a live Space that serves exactly those weights."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacehand.deploy.deploy import Deployed, Prover, deploy
from spacehand.deploy.plan import DEFAULT_CHOICES, Choices, Plan
from spacehand.deploy.probe import Answer, Probe
from spacehand.deploy.room import check_room
from spacehand.deploy.timing import DEFAULT_TIMING, Timing
from spacehand.deploy.tokens import refuse_writing_early
from spacehand.errors import ConfigError, SpacehandError, UnhealthyError
from spacehand.history import History
from spacehand.hub._protocol import Hub
from spacehand.hub.digests import Digests
from spacehand.ids import RepoId, Visibility
from spacehand.model.artifact import Model, ModelKind, variants
from spacehand.model.card.facts import is_hub_id
from spacehand.model.publish import Published, publish
from spacehand.model.training import Training
from spacehand.progress import Report, silent
from spacehand.space.build import build
from spacehand.space.spec import SpaceSpec
from spacehand.space.template import ModelFacts

if TYPE_CHECKING:
    from spacehand.model.card.facts import CardWords

# The process before may answer for some seconds after the new one was reported.
_SWAP = 30.0  # seconds
_BETWEEN = 2.0


@dataclass(frozen=True, slots=True)
class Shipment:
    """What is shipped, and where to; *app* is the name of a template, or a folder of one's own."""

    model: Model
    repo: RepoId
    space: RepoId
    app: str | Path
    card: CardWords | None = None
    training_config: Mapping[str, Any] | Path | None = None
    results: Mapping[str, Any] | Path | None = None
    subfolder: str | None = None  # serve the variant there, in place of the model itself
    dtype: str | None = None  # auto, float32, bfloat16: what numbers the app loads it as
    quantization: str | None = None  # none, int8, nf4: how the app loads it
    visibility: Visibility = Visibility.PUBLIC  # of the model
    overrides: Mapping[str, Any] = field(default_factory=dict)  # of the Space, shaped like spacehand.toml

    def spec(self, revision: str | None) -> SpaceSpec:
        """
        Return the Space that serves the model at *revision*.

        Raises:
            NotFoundError: there is no such template.
            ConfigError: it does not serve a model of this kind.
        """
        facts = self._facts(revision)
        if isinstance(self.app, str):
            return SpaceSpec.for_template(self.app, model=facts, repo=self.space, overrides=self.overrides)
        space = {**self.overrides.get("space", {}), "repo": str(self.space)}
        return SpaceSpec.load(self.app, model=facts, overrides={**self.overrides, "space": space})

    def on(self, hardware: str | None) -> Shipment:
        """Return the same with a Space on *hardware*; None leaves it as it is."""
        if hardware is None:
            return self
        space = {**self.overrides.get("space", {}), "hardware": [hardware]}
        return replace(self, overrides={**self.overrides, "space": space})

    @property
    def served(self) -> Model:
        """
        The model that the Space serves: the whole one, or a variant in its subfolder.

        Raises:
            ConfigError: there is no such variant.
        """
        if self.subfolder is None:
            return self.model
        there = variants(self.model)
        if self.subfolder not in there:
            raise ConfigError(
                f"There is no model in the subfolder `{self.subfolder}`",
                where=str(self.model.folder),
                hint=f"There are: {', '.join(f'`{name}`' for name in there)}"
                if there
                else "Make one: `--variant int8`",
            )
        return there[self.subfolder]

    def _facts(self, revision: str | None) -> ModelFacts:
        return ModelFacts(
            repo=str(self.repo),
            kind=self.served.kind.value,
            revision=revision,
            name=self._title(),
            subfolder=self.subfolder,
            base_model=self._base_model(),
            dtype=self.dtype,
            quantization=self.quantization,
            task=self.model.task,
        )

    def _title(self) -> str | None:
        if self.card and self.card.title:
            return self.card.title
        said = Training.load(self.model.folder, config=self.training_config).settings.get("title")
        return str(said) if said else None

    def _base_model(self) -> str | None:
        """Return what an adapter is loaded on, where that is a model a Space can fetch."""
        if self.served.kind is not ModelKind.LORA:
            return None
        said = (self.card.base_model if self.card else None) or self.served.adapter.get(
            "base_model_name_or_path"
        )
        if isinstance(said, str) and is_hub_id(said):
            return said
        if not isinstance(self.app, str):
            return None  # an app of one's own may know its base
        raise ConfigError(
            f"The adapter was trained on `{said}`, which no Space can fetch"
            if said
            else "The adapter does not say which model it was trained on",
            where=str(self.served.folder / "adapter_config.json"),
            hint="Publish that model, too, and name it: `--base-model OWNER/NAME`",
        )


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model that is published, and a Space that was seen to serve it."""

    published: Published
    deployed: Deployed
    seconds: float
    subfolder: str | None = None  # of the variant that is served

    @property
    def answer(self) -> Any:
        """What the app gave to the probe, None when it was not called."""
        return self.deployed.answer.value if self.deployed.answer else None

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``ship --json`` prints."""
        said = self.answer if isinstance(self.answer, Mapping) else {}
        return {
            **self.deployed.to_json(),
            "model_url": self.published.url,
            "model_revision": self.published.commit.revision,
            "weights_sha256": self.published.sha256_of(self.subfolder),
            "uploaded_bytes": self.published.commit.uploaded_bytes,
            "changed": self.published.commit.changed or self.deployed.changed,
            "transcript": said.get("transcript"),
            "confidence": said.get("confidence"),
            "seconds": round(self.seconds, 3),
            "notes": [*self.published.notes, *self.deployed.notes],
        }


def ship(
    shipment: Shipment,
    *,
    hub: Hub,
    history: History,
    digests: Digests,
    choices: Choices = DEFAULT_CHOICES,
    prover: Callable[[Probe], Prover] | None = None,
    review: Callable[[Plan], None] = lambda _plan: None,
    report: Report = silent,
    timing: Timing = DEFAULT_TIMING,
) -> Shipped:
    """
    Publish the model, bring its Space to life, and return once that was seen to serve these weights.

    Whether the app fits the model, and can be built, is known before a byte moves. The Space is told the
    model's commit, so a new publish restarts it; a Space that then serves other weights has failed, and is
    undone. *prover* replaces the probe over HTTP.

    Raises:
        ConfigError: the app does not serve this kind of model, its hardware is too small for it, or a file
            holds a secret.
        UnhealthyError: the Space works, but serves other weights, or gives a wrong answer.
        SpacehandError: as :func:`~spacehand.model.publish.publish` and :func:`deploy` raise.
    """
    began = timing.now()
    with tempfile.TemporaryDirectory(prefix="spacehand-ship-") as folder:
        # The model's commit is told by a variable: no file of the Space depends on it.
        unpublished = shipment.spec(None)
        if isinstance(shipment.app, str):  # how an app of one's own loads a model, only its author knows
            shipment = shipment.on(check_room(shipment.served, unpublished, hub))
            unpublished = shipment.spec(None)
        if not choices.allow_write_token:
            refuse_writing_early(unpublished.secrets, hub)
        built = build(unpublished, Path(folder) / "space")
        published = publish(
            shipment.model,
            shipment.repo,
            hub=hub,
            digests=digests,
            training_config=shipment.training_config,
            results=shipment.results,
            card=shipment.card,
            visibility=shipment.visibility,
            report=report,
        )
        spec = shipment.spec(published.commit.revision)
        headers = hub.app_headers() if spec.visibility is Visibility.PRIVATE else {}
        probe = Probe.from_spec(spec.probe, built.folder, headers)
        with _telling(published):
            deployed = deploy(
                spec,
                hub=hub,
                history=history,
                digests=digests,
                built=built,
                choices=replace(choices, call_unchanged=True),
                prover=ServesWeights(
                    prover(probe) if prover else probe,
                    published.sha256_of(shipment.subfolder),
                    timing.now,
                    timing.sleep,
                ),
                review=review,
                report=report,
                timing=timing,
            )
    return Shipped(published, deployed, timing.now() - began, shipment.subfolder)


@contextmanager
def _telling(published: Published) -> Iterator[None]:
    """Say with whatever goes wrong that what was trained is there, whatever becomes of its demo."""
    try:
        yield
    except SpacehandError as error:
        told = f"The model itself is published: {published.url}"
        error.hint = f"{told}. {error.hint}" if error.hint else told
        raise


@dataclass(frozen=True, slots=True)
class ServesWeights:
    """Proves an app as *inner* does, and that the answer came from the weights with *sha256*."""

    inner: Prover
    sha256: str
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def page(self, app_url: str, *, report: Report = silent) -> None:
        self.inner.page(app_url, report=report)

    def call(self, app_url: str, *, report: Report = silent) -> Answer | None:
        """
        Return the app's answer; an app that does not tell its weights is believed.

        Raises:
            UnhealthyError: it serves other weights, and goes on to.
        """
        end = self.now() + _SWAP
        while True:
            answer = self.inner.call(app_url, report=report)
            served = answer.weights_sha256 if answer else None
            if served is None or served == self.sha256:
                return answer
            if self.now() >= end:
                raise UnhealthyError(
                    f"The Space serves other weights: sha256 {served[:12]}…, published {self.sha256[:12]}…",
                    where=app_url,
                    hint="Does the app load `HF_MODEL_ID` at `MODEL_REVISION`? See its run log",
                )
            self.sleep(_BETWEEN)
