"""Who may come in through a Space's door, and what of the Hub's own stays outside of it."""

from __future__ import annotations

import base64
import json
import time
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.fernet import InvalidToken

from spacehand.ids import Visibility
from spacehand.localhub.accounts.store import SESSION_COOKIE
from spacehand.localhub.errors import HubError

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Scope

    from spacehand.localhub.accounts.store import Accounts, Caller
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.store.keys import Keys

SIGN = "__sign"
_COOKIE = "spacehand_space_"
REPLICA_COOKIE = "spacehand_replica_"
# 127.0.0.1 has one cookie jar for all ports: no Space may have another's cookies, nor the Hub's.
HUB_COOKIES = (SESSION_COOKIE, _COOKIE, REPLICA_COOKIE)  # how their names begin
_LINK_SECONDS = 3600
_COOKIE_SECONDS = 12 * 3600
# gradio_client sends the Hub's token in the second, and leaves the first to the app.
_TOKEN_HEADERS = ("authorization", "x-hf-authorization")


class Entrance:
    """Opens private Spaces to tokens, and to browsers that the Hub's own page has sent."""

    def __init__(self, accounts: Accounts, keys: Keys) -> None:
        self._accounts = accounts
        self._keys = keys

    def may_enter(self, scope: Scope, headers: Headers, repo: Repo) -> bool:
        """Whether a token of the Hub, a signed link or its cookie opens the private *repo*."""
        for caller in self._callers(headers).values():
            if caller.can_read_repo(repo.id):
                return True
        return self._opens(_sign_in(scope), repo) or self._opens(self._cookie_in(headers, repo), repo)

    def sign(self, repo: Repo, seconds: int = _LINK_SECONDS) -> str:
        """Return a value that opens *repo* for *seconds*; it can be neither made nor changed elsewhere."""
        text = json.dumps({"space": repo.uid, "until": time.time() + seconds})
        return self._keys.encrypt(text).decode()

    def cookie(self, repo: Repo) -> str:
        """The cookie's name; 127.0.0.1 has one cookie jar for all ports, so each Space has its own."""
        return f"{_COOKIE}{repo.uid[:12]}"

    def admit(self, scope: Scope, repo: Repo) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """Return the query as the app shall see it, and the cookie that takes the place of a signed link."""
        query: bytes = scope.get("query_string", b"")
        if SIGN.encode() not in query:
            return query, []
        signed = _sign_in(scope)
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        cleaned = urlencode([(name, value) for name, value in pairs if name != SIGN]).encode()
        if not self._opens(signed, repo):
            return cleaned, []
        # In a page of another site (the Hub's) a cookie needs SameSite=None, hence Secure: browsers count
        # localhost as secure. Partitioned: it is only sent below that page.
        attributes = f"Max-Age={_COOKIE_SECONDS}; Path=/; HttpOnly; Secure; SameSite=None; Partitioned"
        value = f"{self.cookie(repo)}={self.sign(repo, _COOKIE_SECONDS)}; {attributes}"
        return cleaned, [(b"set-cookie", value.encode())]

    def tokens_in(self, headers: Headers) -> list[bytes]:
        """Return the names of the headers that hold a token of this Hub: an app never sees one."""
        return [name.encode() for name in self._callers(headers)]

    def shared(self, repo: Repo, headers: Headers) -> list[tuple[bytes, bytes]]:
        """Return the CORS headers: any origin, as at the Hub's edge; for a private Space only a local one."""
        origin = headers.get("origin")
        if origin is None or (repo.visibility is Visibility.PRIVATE and not _is_local_origin(origin)):
            return []
        answer = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", b"*"),
            (b"vary", b"Origin"),
        ]
        if method := headers.get("access-control-request-method"):
            wanted = headers.get("access-control-request-headers", "*")
            answer += [
                (b"access-control-allow-methods", method.encode("latin-1")),
                (b"access-control-allow-headers", wanted.encode("latin-1")),
                (b"access-control-max-age", b"600"),
            ]
        return answer

    def _callers(self, headers: Headers) -> dict[str, Caller]:
        known: dict[str, Caller] = {}
        for name in _TOKEN_HEADERS:
            token = _token_in(headers.get(name, ""))
            if not token:
                continue
            try:
                known[name] = self._accounts.caller(token)
            except HubError:
                continue  # the app's own token: none of the Hub's business
        return known

    def _opens(self, signed: str | None, repo: Repo) -> bool:
        if not signed:
            return False
        try:
            told = json.loads(self._keys.decrypt(signed.encode()))
        except (InvalidToken, ValueError):
            return False
        return bool(told.get("space") == repo.uid and told["until"] > time.time())

    def _cookie_in(self, headers: Headers, repo: Repo) -> str | None:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.cookie(repo))
        except CookieError:
            return None
        return morsel.value if morsel else None


def is_local_name(host: str) -> bool:
    """Whether *host* (no port) can only be this machine; another name may be a rebinding attack."""
    bare = host.lower().strip("[]")
    return bare in ("127.0.0.1", "localhost", "::1") or bare.endswith(".localhost")


def _is_local_origin(origin: str) -> bool:
    return is_local_name(urlsplit(origin).hostname or "")


def _sign_in(scope: Scope) -> str | None:
    query = scope.get("query_string", b"").decode("latin-1")
    return dict(parse_qsl(query)).get(SIGN)


def _token_in(header: str) -> str:
    """Return the token of a ``Bearer`` header, or the password of a ``Basic`` one."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return value.strip() if scheme.lower() == "bearer" else ""
    try:
        return base64.b64decode(value).decode().partition(":")[2]
    except ValueError:
        return ""
