"""Secrets of a Space: a name and where to read the value; the value exists only while it is sent."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spacehand.errors import ConfigError
from spacehand.space.settings_file import Table

READERS = ("env", "file", "keyring", "command")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_COMMAND_TIMEOUT = 60.0  # seconds; a password manager may ask for a touch or a PIN


@dataclass(frozen=True, slots=True)
class Secret:
    """
    A secret by *name*, and the one place its value is read from at apply time.

    *reader* is one of :data:`READERS`; *place* is the variable, the path, ``service/user`` or the command.
    """

    name: str
    reader: str
    place: str
    folder: Path  # a relative file or a command starts here

    def describe(self) -> str:
        """Return where the value comes from, for people."""
        words = {
            "env": "environment variable",
            "file": "file",
            "keyring": "keyring entry",
            "command": "command",
        }
        return f"`{self.name}` from the {words[self.reader]} `{self.place}`"

    def read(self, environ: Mapping[str, str] = os.environ) -> str:
        """
        Return the value.

        Raises:
            ConfigError: it is not there, or empty; the message holds no part of it.
        """
        value = {
            "env": lambda: environ.get(self.place, ""),
            "file": self._from_file,
            "keyring": self._from_keyring,
            "command": self._from_command,
        }[self.reader]()
        if not value:
            hint = f"Set it before you deploy: `export {self.place}=…`" if self.reader == "env" else None
            raise self._unreadable("there is nothing", hint)
        return value

    def _from_file(self) -> str:
        try:
            text = (self.folder / Path(self.place).expanduser()).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(type(error).__name__) from error
        return text.rstrip("\r\n")

    def _from_keyring(self) -> str:
        try:
            import keyring  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise self._unreadable(
                "the package `keyring` is not installed", "Run `pip install keyring`"
            ) from error
        service, _, user = self.place.rpartition("/")
        return str(keyring.get_password(service, user) or "")

    def _from_command(self) -> str:
        try:
            done = subprocess.run(
                shlex.split(self.place),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_COMMAND_TIMEOUT,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            # `from None`: TimeoutExpired carries the output, which may be the value.
            raise self._unreadable(type(error).__name__) from None
        if done.returncode:
            raise self._unreadable(f"the command ended with exit code {done.returncode}")
        return done.stdout.rstrip("\r\n")

    def _unreadable(self, why: str, hint: str | None = None) -> ConfigError:
        return ConfigError(
            f"The secret {self.describe()} cannot be read: {why}", where=str(self.folder), hint=hint
        )


def secrets(table: Table, folder: Path) -> tuple[Secret, ...]:
    """
    Return the secrets that the ``[secrets]`` *table* names.

    Raises:
        ConfigError: a name the Hub refuses, an unknown reader, or a value where only a reader may stand.
    """
    return tuple(_secret(table, name, folder) for name in sorted(table.values))


def _secret(table: Table, name: str, folder: Path) -> Secret:
    value = table.values[name]
    example = f'Write it as `{name} = {{ env = "{name}" }}`; readers: {", ".join(READERS)}'
    check_name(name, table.where(name))
    if not isinstance(value, Mapping):
        # Not even its type or length is told: it is most likely the secret itself.
        raise ConfigError(
            f"`secrets.{name}` must say where the value is read, never the value",
            where=table.where(name),
            hint=example,
        )
    if len(value) != 1:
        raise ConfigError(f"`secrets.{name}` must have one reader", where=table.where(name), hint=example)
    reader, place = next(iter(value.items()))
    if reader not in READERS:
        raise ConfigError(f"`secrets.{name}` has an unknown reader", where=table.where(name), hint=example)
    if isinstance(place, list) and all(isinstance(word, str) for word in place):
        place = shlex.join(place)
    if not isinstance(place, str) or not place:
        raise ConfigError(f"`secrets.{name}.{reader}` must be a text", where=table.where(name), hint=example)
    if reader == "keyring" and "/" not in place:
        raise ConfigError(f"`secrets.{name}.keyring` must be `service/user`", where=table.where(name))
    return Secret(name, reader, place, folder)


def check_name(name: str, where: str | None) -> None:
    """
    Check that *name* can be an environment variable.

    Raises:
        ConfigError: it cannot.
    """
    if not _NAME.match(name):
        raise ConfigError(
            f"`{name}` cannot be the name of a variable or secret",
            where=where,
            hint="Letters, digits and `_`, not starting with a digit",
        )
