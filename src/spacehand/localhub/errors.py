"""What the local Hub says no with: a status, a code and one line, as the official client expects them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class HubError(Exception):
    """
    Answered as ``{"error": message}`` with ``X-Error-Message`` and, where there is one, ``X-Error-Code``.

    The client retries 429 and 5xx, so "not supported" is 404 or 501, never another 5xx.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})
        self.body = dict(body or {})  # further keys beside "error", e.g. "url" of a 409

    @property
    def in_header(self) -> str:
        """The message as a header may hold it; what a client wrote must not begin a header of its own."""
        return _CONTROL.sub(" ", self.message.encode("ascii", "replace").decode())


def repo_not_found() -> HubError:
    """Also for a private repository that the caller may not see."""
    return HubError(404, "Repository not found", code="RepoNotFound")


def revision_not_found(revision: str) -> HubError:
    """No branch, tag or commit of that name."""
    return HubError(404, f"Invalid rev id: {revision}", code="RevisionNotFound")


def entry_not_found(path: str, headers: Mapping[str, str] | None = None) -> HubError:
    """No such file at this revision."""
    return HubError(404, f"Entry not found: {path}", code="EntryNotFound", headers=headers)


def invalid_token() -> HubError:
    """The client recognises this very text."""
    return HubError(401, "Invalid credentials in Authorization header")


def login_needed() -> HubError:
    """No token was sent, and without one the answer is no."""
    return HubError(401, "Invalid username or password.")


def forbidden(message: str) -> HubError:
    """The token is known, but has no right to do this."""
    return HubError(403, message)
