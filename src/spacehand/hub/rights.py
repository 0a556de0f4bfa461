"""What a token may do, read from the Hub's answer to ``whoami``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from spacehand.hub._protocol import TokenRights

# Rights of fine-grained tokens that change something, or cost money, end in these words.
_CHANGES = re.compile(r".*\.(?:write|manage|admin|delete)")
# They are spelled as writes, but only ask a model something: what many Spaces are there for.
_HARMLESS = frozenset({"inference.serverless.write", "inference.endpoints.infer.write"})


def parse_rights(body: Mapping[str, Any]) -> TokenRights:
    """
    Return the rights in *body*, an answer of ``/api/whoami-v2``.

    A fine-grained token lists its rights by user, organization or repository (``scoped``) and everywhere
    (``global``). A token whose rights are not told counts as one that may write.
    """
    token = (body.get("auth") or {}).get("accessToken") or {}
    role = str(token.get("role") or "unknown")
    if role == "read":
        return TokenRights(role)
    if role == "fineGrained":
        return TokenRights(role, tuple(_changes(token.get("fineGrained"))))
    return TokenRights(role, ("everything its owner may",))


def _changes(rights: object) -> Iterator[str]:
    if not isinstance(rights, Mapping):
        yield "what it does not tell"
        return
    for right in rights.get("global") or ():
        if _is_change(right):
            yield f"{right} everywhere"
    for scope in rights.get("scoped") or ():
        name = (scope.get("entity") or {}).get("name", "unknown")
        for right in scope.get("permissions") or ():
            if _is_change(right):
                yield f"{right} of {name}"


def _is_change(right: object) -> bool:
    return bool(_CHANGES.fullmatch(str(right))) and right not in _HARMLESS
