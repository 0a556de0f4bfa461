"""Plain HTTP to an app, with one deadline for all of it."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from spacehand.errors import UnhealthyError, WaitTimeoutError

_BODY = 8 << 20  # bytes of an answer that are read
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Web:
    """
    Requests to the app at *base*, all of which must be over *timeout* seconds from now.

    An app on this machine is never reached through a proxy; *headers* go to *base* only. Cookies are sent
    back: of several replicas only the one that took a call knows its result.
    """

    def __init__(
        self,
        base: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base = base.rstrip("/")
        self.timeout = timeout
        self._headers = dict(headers or {})
        self._now = now
        self._end = now() + timeout
        is_here = urlsplit(base).hostname in _LOOPBACK
        handlers = [urllib.request.ProxyHandler({})] if is_here else []
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(), *handlers)

    @property
    def left(self) -> float:
        """Seconds until the deadline; negative once it has passed."""
        return self._end - self._now()

    def get(self, path: str) -> tuple[int, bytes]:
        """
        Return the status and the body of an answer, whatever the status.

        Raises:
            UnhealthyError: nobody answers.
            WaitTimeoutError: no answer by the deadline.
        """
        return self._ask(self._request(path))

    def post(self, path: str, body: bytes, *, content_type: str = "application/json") -> tuple[int, bytes]:
        """Return the status and the body of the answer to *body*; errors as :meth:`get`."""
        return self._ask(self._request(path, body, {"Content-Type": content_type}))

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[str]]:
        """Open *path* and give its lines as they come; errors as :meth:`get`, also while reading."""
        with self._explained(), self._open(self._request(path)) as answer:
            yield self._lines(answer)

    def _lines(self, answer: http.client.HTTPResponse) -> Iterator[str]:
        # A heartbeat every few seconds would keep a socket's own time-out from ever ending it.
        while self.left > 0:
            line = answer.readline(_BODY)
            if not line:
                return
            yield line.decode("utf-8", errors="replace")
        raise TimeoutError

    def _ask(self, request: urllib.request.Request) -> tuple[int, bytes]:
        with self._explained():
            try:
                with self._open(request) as answer:
                    return answer.status, answer.read(_BODY)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read(_BODY)

    def _request(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> urllib.request.Request:
        address = self.base + path
        if not address.startswith(("http://", "https://")):
            raise UnhealthyError(f"`{address}` is no web address", where=self.base)
        return urllib.request.Request(address, data=body, headers={**self._headers, **(headers or {})})  # noqa: S310

    def _open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        if self.left <= 0:
            raise TimeoutError
        answer: http.client.HTTPResponse = self._opener.open(request, timeout=max(0.1, self.left))
        return answer

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except urllib.error.HTTPError as error:
            with error:
                raise UnhealthyError(f"The app answers {error.code}", where=error.url) from None
        except TimeoutError as error:
            raise self._late() from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._late() from error
            raise UnhealthyError(f"Nobody answers: {error.reason}", where=self.base) from error
        except (OSError, http.client.HTTPException) as error:
            raise UnhealthyError(
                f"The connection broke: {error or type(error).__name__}", where=self.base
            ) from error

    def _late(self) -> WaitTimeoutError:
        return WaitTimeoutError(
            f"The app gave no answer within {self.timeout:.0f} s",
            where=self.base,
            hint="Give it longer with `timeout` in `[probe]`, if its first answer loads a model",
        )
