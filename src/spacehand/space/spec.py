"""A Space as its author describes it: spacehand.toml, a template, and the README's front matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacehand.errors import ConfigError, SpacehandError, UsageError
from spacehand.ids import RepoId, Visibility
from spacehand.space import hardware as words
from spacehand.space.front_matter import FrontMatter, check_fields
from spacehand.space.secrets import Secret, check_name, secrets
from spacehand.space.settings_file import (
    Document,
    Table,
    check_names,
    for_environment,
    given,
    merged,
    settings_document,
)
from spacehand.space.template import ModelFacts, engines_of, template

# Every table and what may stand in it; None where the author chooses the names.
_SCHEMA: Mapping[str, Sequence[str] | None] = {
    "hub": ("endpoint",),
    "model": ("path", "repo"),
    "space": (
        "repo",
        "template",
        "sdk",
        "title",
        "hardware",
        "sleep",
        "replicas",
        "visibility",
        "vendor",
        "volumes",
        "exclude",
        "engine",
        "front_matter",
    ),
    "variables": None,
    "secrets": None,
    "probe": ("path", "api", "inputs", "expect", "timeout"),
    "budget": ("monthly_usd", "action"),
    "template": ("description", "engines", "tasks"),
}
_PROBE_TIMEOUT = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Expect:
    """What the probe's answer must hold at *path* (dots between keys)."""

    path: str = ""  # empty: the whole answer
    contains: str | None = None
    equals: str | int | float | bool | None = None


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """How to prove that the app works: GET *path*, then call *api* with *inputs*."""

    path: str = "/"
    api: str | None = None  # None: the page alone is the proof
    inputs: tuple[object, ...] = ()  # a text that names a file of the built folder is uploaded
    expect: Expect | None = None
    timeout: float = _PROBE_TIMEOUT  # seconds, for one proof


@dataclass(frozen=True, slots=True)
class Budget:
    """What the Space may cost in a month, and what happens then."""

    monthly_usd: float
    action: str = "pause"  # or "warn"


@dataclass(frozen=True, slots=True)
class Volume:
    """A repository or bucket that the app sees as a folder."""

    source: str  # models/owner/name
    mount: str  # absolute
    read_only: bool = True

    def to_wire(self) -> dict[str, object]:
        """Return the volume as the Hub's API takes it."""
        kind, _, repo = self.source.partition("/")
        return {"type": kind.rstrip("s"), "source": repo, "mountPath": self.mount, "readOnly": self.read_only}


@dataclass(frozen=True, slots=True)
class SpaceSpec:
    """
    All that is known about a Space before it is built; it holds no secret, only where to read them.

    *folder* has the app's files: the author's folder, or a template's.
    """

    folder: Path
    front_matter: FrontMatter  # as it will be pushed, but not yet written
    sdk: str  # gradio, docker, static
    repo: RepoId | None = None
    endpoint: str | None = None  # `[hub] endpoint`
    model_path: str | None = None  # `[model] path`: a folder or an fsspec URL
    model_repo: RepoId | None = None
    template: str | None = None
    engine: str | None = None  # picks requirements/<engine>.txt
    hardware: tuple[str, ...] = ()  # in order of preference
    sleep_seconds: int | None = None  # None: the Hub's default; -1: never
    replicas: int | None = None  # None: as many as it has
    visibility: Visibility = Visibility.PUBLIC
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    volumes: tuple[Volume, ...] = ()
    vendor: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()  # gitignore patterns
    probe: ProbeSpec = ProbeSpec()
    budget: Budget | None = None
    environment: str | None = None

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        environment: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        model: ModelFacts | None = None,
    ) -> SpaceSpec:
        """
        Return the Space that *folder* describes; *overrides* has the shape of spacehand.toml and wins.

        A folder without any settings is taken as it is: its README's front matter says enough. *model* is
        what a template serves; its facts become variables, unless the author set them.

        Raises:
            UsageError: *folder* is no folder.
            NotFoundError: it names a template that does not exist.
            ConfigError: a setting is unknown, of the wrong type, or impossible.
        """
        folder = folder.expanduser()
        if not folder.is_dir():
            raise UsageError(f"There is no folder `{folder}`", hint="Give the folder that holds the app")
        return _Loader(folder, environment, overrides or {}, model).spec()

    @classmethod
    def for_template(
        cls,
        name: str,
        *,
        model: ModelFacts,
        repo: RepoId | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> SpaceSpec:
        """
        Return the Space that shows *model* with the bundled template *name*.

        Raises:
            NotFoundError: there is no such template.
            ConfigError: it does not serve a model of this kind.
        """
        wanted = dict(overrides or {})
        space = {"template": name, **({"repo": str(repo)} if repo else {}), **wanted.get("space", {})}
        return _Loader(template(name).folder, None, {**wanted, "space": space}, model).spec()


class _Loader:
    """The steps from files to a SpaceSpec."""

    def __init__(
        self, folder: Path, environment: str | None, overrides: Mapping[str, Any], model: ModelFacts | None
    ) -> None:
        self.model = model
        self.environment = environment
        self.author = folder
        own = settings_document(folder)
        own_parts = for_environment(own, environment, _SCHEMA) if own else []
        if environment and not own:
            raise ConfigError(f"There is no environment `{environment}`: `{folder}` has no spacehand.toml")
        flags = given(overrides, "command line")
        named = merged([*own_parts, flags]).table("space").text("template")
        self.template = template(named) if named else None
        self.folder = self.template.folder if self.template else folder
        base: list[Document] = []
        if self.template and self.folder != folder:
            document = settings_document(self.folder)
            base = [document] if document else []
        facts = [given({"variables": model.variables()}, "the model")] if model else []
        # A template that is its own author has its defaults in `own`; the model's facts still win over those.
        is_own = self.folder == folder and self.template is not None
        order = [*own_parts, *facts, flags] if is_own else [*base, *facts, *own_parts, flags]
        self.table = merged(order)

    def spec(self) -> SpaceSpec:
        table = self.table
        check_names(table, _SCHEMA)
        space, hub, model = table.table("space"), table.table("hub"), table.table("model")
        front_matter = self._front_matter(space)
        return SpaceSpec(
            folder=self.folder,
            front_matter=front_matter,
            sdk=str(front_matter.values["sdk"]),
            repo=_repo(space),
            endpoint=_endpoint(hub),
            model_path=model.text("path"),
            model_repo=_repo(model),
            template=self.template.name if self.template else None,
            engine=self._engine(space),
            hardware=_hardware(space),
            sleep_seconds=_sleep(space),
            replicas=_replicas(space),
            visibility=Visibility(space.choice("visibility", [v.value for v in Visibility], "public")),
            variables=_variables(table.table("variables")),
            secrets=secrets(table.table("secrets"), self.author),
            volumes=_volumes(space),
            vendor=space.texts("vendor"),
            exclude=space.texts("exclude"),
            probe=_probe(table.table("probe")),
            budget=_budget(table.table("budget")),
            environment=self.environment,
        )

    def _front_matter(self, space: Table) -> FrontMatter:
        front_matter = FrontMatter.read(self.folder / "README.md")
        changes = dict(space.table("front_matter").values)
        for key in ("sdk", "title"):
            if (value := space.text(key)) is not None:
                changes[key] = value
        if self.model and "/" in self.model.repo and not Path(self.model.repo).is_absolute():
            listed = front_matter.values.get("models")
            others = [item for item in listed if item != self.model.repo] if isinstance(listed, list) else []
            changes.setdefault("models", [*others, self.model.repo])
        changed = front_matter.with_values(changes)
        check_fields(changed, self.folder)
        return changed

    def _engine(self, space: Table) -> str | None:
        chosen = space.text("engine")
        if chosen or not self.model:
            return chosen
        if self.template:
            return self.template.engine(self.model) if self.template.engines else None
        engines = engines_of(self.table.table("template"))
        return next((name for name, kinds in engines.items() if self.model.kind in kinds), None)


def _repo(table: Table) -> RepoId | None:
    text = table.text("repo")
    if text is None:
        return None
    try:
        return RepoId.parse(text)
    except SpacehandError as error:
        raise ConfigError(error.message, where=table.where("repo"), hint=error.hint) from error


def _endpoint(table: Table) -> str | None:
    text = table.text("endpoint")
    if text is not None and not text.startswith(("http://", "https://")) and text not in ("local", "hf"):
        raise table.wrong("endpoint", "`local`, `hf` or an address that starts with http:// or https://")
    return text


def _hardware(space: Table) -> tuple[str, ...]:
    where = space.where("hardware")
    return tuple(words.flavor(name, name="space.hardware", where=where) for name in space.texts("hardware"))


def _sleep(space: Table) -> int | None:
    value = space.values.get("sleep")
    return (
        None if value is None else words.sleep_seconds(value, name="space.sleep", where=space.where("sleep"))
    )


def _replicas(space: Table) -> int | None:
    value = space.values.get("replicas")
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ConfigError(
        "`space.replicas` must be a whole number from 1 on",
        where=space.where("replicas"),
        hint="Say how many equal apps share the requests; paid hardware may have several",
    )


def _variables(table: Table) -> dict[str, str]:
    variables = {}
    for name, value in table.values.items():
        check_name(name, table.where(name))
        if isinstance(value, bool):
            value = "true" if value else "false"
        if not isinstance(value, (str, int, float)):
            raise table.wrong(name, "a text, a number, true or false")
        variables[name] = str(value)
    return dict(sorted(variables.items()))


_VOLUME_KINDS = ("models", "datasets", "spaces", "buckets")


def _volumes(space: Table) -> tuple[Volume, ...]:
    value = space.values.get("volumes", [])
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise space.wrong("volumes", "a list of tables")
    return tuple(_volume(space, item) for item in value)


def _volume(space: Table, item: object) -> Volume:
    where = space.where("volumes")
    example = 'Write it as `{ source = "models/owner/name", mount = "/models/name", read_only = true }`'
    if not isinstance(item, Mapping):
        raise ConfigError("Each of `space.volumes` must be a table", where=where, hint=example)
    table = Table(("space", "volumes"), item, {("space", "volumes"): where or ""})
    table.only("source", "mount", "read_only")
    source, mount = table.text("source") or "", table.text("mount") or ""
    kind, _, repo = source.partition("/")
    if kind not in _VOLUME_KINDS or "/" not in repo:
        raise ConfigError(f"`{source}` is no source of a volume", where=where, hint=example)
    if not mount.startswith("/") or mount == "/" or ".." in mount.split("/"):
        raise ConfigError(
            f"`{mount}` is no place to mount a volume: it must start with `/`", where=where, hint=example
        )
    read_only = item.get("read_only", True)
    if not isinstance(read_only, bool):
        raise table.wrong("read_only", "true or false")
    if not read_only and kind != "buckets":
        raise ConfigError(
            f"`{source}` can only be mounted read-only", where=where, hint="Only buckets can be written"
        )
    return Volume(source, mount, read_only)


def _probe(table: Table) -> ProbeSpec:
    path, api = table.text("path") or "/", table.text("api")
    for name, value in (("path", path), ("api", api)):
        if value is not None and not value.startswith("/"):
            raise table.wrong(name, "a path that starts with `/`")
    inputs = table.values.get("inputs", [])
    if not isinstance(inputs, list):
        raise table.wrong("inputs", "a list")
    timeout = words.duration(
        table.values.get("timeout", _PROBE_TIMEOUT), name="probe.timeout", where=table.where("timeout")
    )
    return ProbeSpec(path, api, tuple(inputs), _expect(table), timeout)


def _expect(probe: Table) -> Expect | None:
    if "expect" not in probe.values:
        return None
    table = probe.table("expect")
    table.only("path", "contains", "equals")
    if ("contains" in table.values) == ("equals" in table.values):
        raise ConfigError(
            "`probe.expect` must have either `contains` or `equals`", where=probe.where("expect")
        )
    return Expect(table.text("path") or "", table.text("contains"), table.values.get("equals"))


def _budget(table: Table) -> Budget | None:
    if not table.values:
        return None
    usd = table.values.get("monthly_usd")
    if not isinstance(usd, (int, float)) or isinstance(usd, bool) or usd < 0:
        raise table.wrong("monthly_usd", "a number of dollars")
    return Budget(float(usd), table.choice("action", ("pause", "warn"), "pause"))
