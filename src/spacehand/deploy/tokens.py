"""Tokens that a Space is given: what visitors reach may read, and has no business to write."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping

from spacehand.errors import ConfigError
from spacehand.hub._protocol import Hub
from spacehand.space.secrets import Secret

_TOKEN = re.compile(r"hf_[A-Za-z0-9]{20,}")
# They can be read at any time; a keyring or a password manager may ask a person, who is asked once.
_UNATTENDED = frozenset({"env", "file"})


def refuse_writing(values: Mapping[str, str], hub: Hub) -> None:
    """
    Refuse secrets (*values* by name) that are tokens of *hub* with more than the right to read.

    Whoever finds a way into the app has its secrets. A token that *hub* does not know is another Hub's, and
    nothing can be said of it.

    Raises:
        ConfigError: one may change something; the message says what, and never the value.
    """
    for name, value in values.items():
        rights = hub.rights(value) if _TOKEN.fullmatch(value) else None
        if rights is None or not rights.may_change:
            continue
        raise ConfigError(
            f"The secret `{name}` is a token with the role `{rights.role}`, which may change "
            f"{_listed(rights.may_change)}: who breaks into the Space could, too",
            where=hub.endpoint,
            hint="Give it a token that may only read (on the local Hub: `spacehand hub token --read`), or, "
            "where the app has to write, say so with `--allow-write-token`",
        )


def refuse_writing_early(secrets: Iterable[Secret], hub: Hub) -> None:
    """
    Do the same for those *secrets* that can be read without asking anybody, before anything is uploaded.

    One that cannot be read is passed by: the Space may have it already.

    Raises:
        ConfigError: as `refuse_writing`.
    """
    values = {}
    for secret in secrets:
        if secret.reader in _UNATTENDED:
            with contextlib.suppress(ConfigError):
                values[secret.name] = secret.read()
    refuse_writing(values, hub)


def _listed(rights: tuple[str, ...]) -> str:
    more = f" and {len(rights) - 2} more" if len(rights) > 2 else ""
    return f"{', '.join(rights[:2])}{more}"
