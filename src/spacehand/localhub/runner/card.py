"""The README's header of a Space, as far as it decides how the Space is built and run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

import yaml

from spacehand.errors import UsageError
from spacehand.ids import RepoId
from spacehand.localhub.repos.card import read_yaml
from spacehand.localhub.runner.address import APP_PORT
from spacehand.stage import Stage

_HEADER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_VERSION = re.compile(r"\d+(\.\d+)*([a-z0-9.+-]*)\Z")
_PYTHON = re.compile(r"3\.\d{1,2}(\.\d{1,2})?\Z")
_SPAN = re.compile(r"(?:(\d+)h)?\s*(?:(\d+)m(?:in)?)?\s*(?:(\d+)s)?\Z")
_HEADERS = ("cross-origin-embedder-policy", "cross-origin-opener-policy", "cross-origin-resource-policy")
_STARTUP_SECONDS = 30 * 60.0
_APP_FILES = {"static": "index.html", "docker": "Dockerfile"}
_PORTS = {"streamlit": 8501}  # the only one that Streamlit Spaces ever had


class Sdk(StrEnum):
    """What runs the Space, spelled as the Hub spells it."""

    GRADIO = "gradio"
    STATIC = "static"
    DOCKER = "docker"
    STREAMLIT = "streamlit"

    @property
    def needs_image(self) -> bool:
        """The Space is built into a container image, and runs in a container."""
        return self in (Sdk.DOCKER, Sdk.STREAMLIT)


class CannotBuildError(Exception):
    """The Space can not be built or run as it is; *stage* is what the Hub shows."""

    def __init__(self, stage: Stage, message: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.message = message


@dataclass(frozen=True, slots=True)
class Preload:
    """Some files of one model, or all."""

    model: RepoId
    files: frozenset[str] = frozenset()  # none named: all
    revision: str = "main"

    @classmethod
    def parse(cls, line: str) -> Preload:
        """
        Return what *line* asks for: ``owner/name``, then perhaps ``file,file``, then perhaps a revision.

        Raises:
            ValueError: it asks for nothing that can be understood.
        """
        words = line.split()
        if not 1 <= len(words) <= 3:
            raise ValueError(f"`{line}` is not `owner/name`, with files and a revision behind it or without")
        try:
            model = RepoId.parse(words[0])
        except UsageError as error:
            raise ValueError(error.message) from error
        files = frozenset(filter(None, words[1].split(","))) if len(words) > 1 else frozenset()
        if ".." in line:
            raise ValueError(f"`{line}` leaves the model")
        return cls(model, files, *words[2:])


@dataclass(frozen=True, slots=True)
class SpaceCard:
    """The header's fields that the builder and the runner obey."""

    sdk: Sdk
    sdk_version: str | None
    python_version: str | None
    app_file: str
    app_build_command: str = ""  # makes the app's file and what lies beside it, of a static Space
    app_port: int = APP_PORT
    title: str = ""
    base_path: str = "/"
    startup_seconds: float = _STARTUP_SECONDS
    headers: Mapping[str, str] = field(default_factory=dict)
    may_be_embedded: bool = True  # in other websites
    preload: tuple[Preload, ...] = ()
    differences: tuple[str, ...] = ()  # what the header asks for and this Hub does not do

    @classmethod
    def parse(cls, readme: bytes | None) -> SpaceCard:
        """
        Return the card that *readme* holds.

        Raises:
            CannotBuildError: no header, no valid YAML, or a value that no Space can have.
        """
        header = _header(readme)
        sdk = _sdk(header)
        return cls(
            sdk=sdk,
            sdk_version=_version(header),
            python_version=_python(header),
            app_file=_app_file(header, sdk),
            app_build_command=_build_command(header, sdk),
            app_port=_app_port(header, sdk),
            title=str(header.get("title") or ""),
            base_path=_base_path(header),
            startup_seconds=_startup(header),
            headers=_custom_headers(header),
            may_be_embedded=header.get("disable_embedding") is not True,
            preload=_preload(header),
            differences=_differences(header, sdk),
        )


def _header(readme: bytes | None) -> dict[str, Any]:
    found = _HEADER.match((readme or b"").decode("utf-8", "replace"))
    if found is None:
        raise CannotBuildError(Stage.CONFIG_ERROR, "Missing configuration in README")
    try:
        header = read_yaml(found.group(1))
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise CannotBuildError(
            Stage.CONFIG_ERROR, f"Missing configuration in README: the header is not valid YAML ({reason})"
        ) from error
    if not isinstance(header, dict) or not header.get("sdk"):
        raise CannotBuildError(Stage.CONFIG_ERROR, "Missing configuration in README")
    return header


def _sdk(header: Mapping[str, Any]) -> Sdk:
    try:
        sdk = Sdk(str(header["sdk"]))
    except ValueError:
        raise CannotBuildError(
            Stage.CONFIG_ERROR,
            f"`sdk: {header['sdk']}` in README is none that a Space can have: gradio, docker, static",
        ) from None
    return sdk


def _version(header: Mapping[str, Any]) -> str | None:
    value = header.get("sdk_version")
    if value is None:
        return None
    if not _VERSION.match(str(value)):
        raise CannotBuildError(Stage.CONFIG_ERROR, f"`sdk_version: {value}` in README is no version")
    return str(value)


def _python(header: Mapping[str, Any]) -> str | None:
    value = header.get("python_version")
    if value is None:
        return None
    if not _PYTHON.match(str(value)):
        raise CannotBuildError(
            Stage.CONFIG_ERROR, f'`python_version: {value}` in README is none; write it as `"3.11"`'
        )
    return str(value)


def _app_file(header: Mapping[str, Any], sdk: Sdk) -> str:
    if sdk is Sdk.DOCKER:
        return _APP_FILES[sdk]  # the Hub knows no other name
    value = str(header.get("app_file") or _APP_FILES.get(sdk, "app.py"))
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        raise CannotBuildError(Stage.CONFIG_ERROR, f"`app_file: {value}` in README leaves the repository")
    return str(path)


def _build_command(header: Mapping[str, Any], sdk: Sdk) -> str:
    value = header.get("app_build_command")
    if sdk is not Sdk.STATIC or not value:
        return ""
    if not isinstance(value, str) or not value.isprintable():
        raise CannotBuildError(Stage.CONFIG_ERROR, "`app_build_command` in README is no command of one line")
    return value.strip()


def _app_port(header: Mapping[str, Any], sdk: Sdk) -> int:
    value = header.get("app_port")
    if sdk is not Sdk.DOCKER or value is None:
        return _PORTS.get(sdk, APP_PORT)
    if isinstance(value, bool) or not str(value).isdecimal() or not 0 < int(value) < 65536:
        raise CannotBuildError(Stage.CONFIG_ERROR, f"`app_port: {value}` in README is no port")
    return int(value)


def _base_path(header: Mapping[str, Any]) -> str:
    value = str(header.get("base_path") or "/")
    if not value.startswith("/"):
        raise CannotBuildError(Stage.CONFIG_ERROR, f"`base_path: {value}` in README must start with `/`")
    return value


def _startup(header: Mapping[str, Any]) -> float:
    """Return ``startup_duration_timeout`` in seconds: ``1h``, ``30m``, ``1h30m``, ``90s``."""
    value = header.get("startup_duration_timeout")
    if value is None:
        return _STARTUP_SECONDS
    found = _SPAN.match(str(value).strip())
    if not found or not any(found.groups()):
        raise CannotBuildError(
            Stage.CONFIG_ERROR,
            f"`startup_duration_timeout: {value}` in README is no time span; write `1h` or `30m`",
        )
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def _custom_headers(header: Mapping[str, Any]) -> dict[str, str]:
    value = header.get("custom_headers")
    if not isinstance(value, dict):
        return {}
    return {name: str(text) for name, text in value.items() if name in _HEADERS and str(text).isprintable()}


def _preload(header: Mapping[str, Any]) -> tuple[Preload, ...]:
    value = header.get("preload_from_hub") or []
    try:
        return tuple(Preload.parse(str(line)) for line in ([value] if isinstance(value, str) else value))
    except (TypeError, ValueError) as error:
        raise CannotBuildError(Stage.CONFIG_ERROR, f"`preload_from_hub` in README: {error}") from error


def _differences(header: Mapping[str, Any], sdk: Sdk) -> tuple[str, ...]:
    found = []
    if _build_command(header, sdk):
        found.append(
            "`app_build_command` ran on this machine; huggingface.co runs it as a job, and keeps what it "
            "makes in `refs/convert/build`"
        )
    if header.get("hf_oauth"):
        found.append("`hf_oauth`: there is no sign-in with a Hugging Face account here")
    return tuple(found)
