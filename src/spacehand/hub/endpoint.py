"""Which Hub a command speaks to, and with which token; a token never decides it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from spacehand.errors import AuthError, UsageError
from spacehand.home import home

HUGGING_FACE = "https://huggingface.co"
LOCAL = "http://127.0.0.1:7870"

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Target:
    """
    The Hub of one command.

    *chosen_by* says what decided: ``--to``, ``HF_ENDPOINT``, ``spacehand.toml`` or ``default``.
    """

    endpoint: str  # without a trailing slash
    token: str | None = field(repr=False)
    is_local: bool  # the Hub of this machine, which a command may start when it does not answer
    chosen_by: str
    data: Path | None = None  # the local Hub's data folder

    @property
    def label(self) -> str:
        """The Hub's name for people."""
        if self.is_local:
            return "local Hub"
        return "huggingface.co" if self.endpoint == HUGGING_FACE else "Hub"

    def describe(self, account: str | None = None) -> str:
        """Return the line every command begins with: which Hub, and as whom."""
        address = "" if self.label == "huggingface.co" else f" {self.endpoint}"
        who = f" as {account}" if account else "" if self.token else " without a token"
        return f"→ {self.label}{address}{who}"


def choose(
    to: str | None = None,
    *,
    settings: str | None = None,
    data: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Target:
    """
    Return the Hub that *to* names, else HF_ENDPOINT, else *settings* (of spacehand.toml), else the local one.

    *to* is ``local``, ``hf`` or an address; *data* is the local Hub's data folder. HF_TOKEN and a stored
    login go to huggingface.co only when it was chosen; HF_TOKEN goes to another address only when that was
    chosen; the local Hub's own token is found in its data folder.

    Raises:
        UsageError: *to* is no address.
        AuthError: the CI's identity was asked for and cannot be had.
    """
    folder = data or home()
    for by, word in (("--to", to), ("HF_ENDPOINT", environ.get("HF_ENDPOINT")), ("spacehand.toml", settings)):
        if word:
            return _target(word, by, folder, environ)
    return _local(folder, "default")


def running_at(data: Path) -> str | None:
    """Return the address that the local Hub in *data* wrote down, None when none has; it may be gone."""
    url = _description(data).get("url")
    return url.rstrip("/") if isinstance(url, str) else None


def _target(word: str, by: str, data: Path, environ: Mapping[str, str]) -> Target:
    if word == "local":
        return _local(data, by)
    endpoint = _address(word, by)
    if _same(endpoint, running_at(data) or LOCAL):
        return _local(data, by, endpoint, environ.get("HF_TOKEN") if by == "HF_ENDPOINT" else None)
    if endpoint == HUGGING_FACE:
        return Target(endpoint, _login(environ), is_local=False, chosen_by=by)
    # The stored login belongs to huggingface.co and is never sent elsewhere.
    return Target(endpoint, environ.get("HF_TOKEN") or None, is_local=False, chosen_by=by)


def _address(word: str, by: str) -> str:
    if word in ("hf", "huggingface.co", "https://www.huggingface.co"):
        return HUGGING_FACE
    parts = urlsplit(word)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"`{word}` names no Hub", where=by, hint="Write `local`, `hf`, or an address with http(s)://"
        )
    return word.rstrip("/")


def _local(data: Path, by: str, endpoint: str | None = None, given: str | None = None) -> Target:
    """Return the Hub of this machine; a token *given* together with its address comes before its own."""
    address = running_at(data) or endpoint or LOCAL
    return Target(address, given or _local_token(data), is_local=True, chosen_by=by, data=data)


def _local_token(data: Path) -> str | None:
    file = _description(data).get("token_file")
    try:
        return (data / file).read_text(encoding="utf-8").strip() or None if isinstance(file, str) else None
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise AuthError(
            "The local Hub's token belongs to somebody else",
            where=str(data),
            hint="Start your own with `--data DIR`",
        ) from error


def _description(data: Path) -> dict[str, object]:
    try:
        body = json.loads((data / "hub.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def _login(environ: Mapping[str, str]) -> str | None:
    if token := environ.get("HF_TOKEN"):
        return token
    from spacehand.hub.client import login_token

    return login_token()


def _same(one: str, other: str) -> bool:
    """Whether two addresses mean one server; loopback has several names."""
    a, b = urlsplit(one), urlsplit(other)
    hosts = a.hostname == b.hostname or (a.hostname in _LOOPBACK and b.hostname in _LOOPBACK)
    return hosts and a.port == b.port and a.scheme == b.scheme
