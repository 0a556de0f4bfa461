"""How a Hub is spoken to over HTTP: by the official client's session, with errors of ours."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from spacehand import __version__
from spacehand.errors import AuthError, HubUnreachableError, SpacehandError
from spacehand.hub._protocol import LogLine
from spacehand.hub.events import NoStreamError
from spacehand.hub.refusal import broken_upload, curable, one_line, refusal, said, unreachable
from spacehand.hub.retry import CurableError, retried
from spacehand.hub.sse import event_data, is_after, log_line, replay_end

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_TIMEOUT = 60.0  # seconds; the official client's own session has none at all
_LOG_SILENCE = 2.0  # seconds without a line: what was buffered has been sent


@dataclass(frozen=True)
class HubClient:
    """
    Requests to the Hub at *endpoint*, with *token*, and what they are answered.

    The address is given with every call because the official client reads HF_ENDPOINT once, at import;
    without a *token* it is told to send none, else it would send a stored login to any address.
    """

    endpoint: str
    token: str | None = field(default=None, repr=False)
    sleep: Callable[[float], None] = time.sleep

    @cached_property
    def api(self) -> HfApi:
        """The official client for this Hub, which prints nothing of its own."""
        from huggingface_hub import HfApi

        if not _client().are_progress_bars_disabled():
            _client().disable_progress_bars()
        # "No files have been modified" and its like are results here, told by whoever asked.
        if "HF_HUB_VERBOSITY" not in os.environ:
            _client().logging.set_verbosity_error()
        if self.endpoint.startswith(("http://127.", "http://localhost", "http://[::1]")):
            # On one machine a refusal is no hiccup of a network: hf_xet would try for two minutes.
            os.environ.setdefault("HF_XET_CLIENT_RETRY_MAX_ATTEMPTS", "2")
        return HfApi(
            endpoint=self.endpoint,
            token=self.token or False,
            library_name="spacehand",
            library_version=__version__,
        )

    def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Return the JSON that a :meth:`request` is answered with; empty when the answer is."""
        response = self.request(method, path, **options)
        body: dict[str, Any] = response.json() if response.content else {}
        return body

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        hidden: Sequence[str] = (),
    ) -> Any:
        """
        Return the answer to a request, asked once and again: every call made here may safely be made twice.

        Texts in *hidden* are cut out of what an error says.

        Raises:
            SpacehandError: the Hub refuses, in its own words, or cannot be reached.
        """

        def ask() -> Any:
            try:
                response = (
                    _client()
                    .get_session()
                    .request(
                        method,
                        self.endpoint + path,
                        headers=self._headers(),
                        json=json,
                        params=params,
                        timeout=_TIMEOUT,
                    )
                )
            except _client().httpx.TransportError as error:
                raise self._broken(error) from error
            if response.status_code >= 400:
                raise self._explained(response, path, hidden)
            return response

        return retried(ask, sleep=self.sleep)

    def events(self, path: str, silence: float) -> Iterator[str]:
        """
        Yield the data of each event until the Hub is silent for *silence* seconds or hangs up.

        Raises:
            NoStreamError: the Hub has no such stream.
        """
        with self._stream(path, silence) as response:
            if response.status_code != 200:
                raise NoStreamError
            try:
                yield from event_data(response.iter_lines())
            except _client().httpx.ReadTimeout:
                return

    def log(self, address: str, *, follow: bool) -> Iterator[LogLine]:
        """Yield the lines of a log: those there are, or with *follow* also those that come."""
        with self._stream(address, _TIMEOUT * 2 if follow else _LOG_SILENCE) as response:
            if response.status_code >= 400:
                response.read()
                failure = self._explained(response, address, ())
                raise failure.final if isinstance(failure, CurableError) else failure
            end = None if follow else replay_end(response.headers.get("date"))
            try:
                for data in event_data(response.iter_lines()):
                    line = log_line(data)
                    if line is None:
                        continue
                    if end is not None and is_after(line.at, end):
                        return
                    yield line
            except _client().httpx.ReadTimeout:
                return  # silence: what was buffered has been sent

    @contextmanager
    def _stream(self, path: str, silence: float) -> Iterator[Any]:
        headers = self._headers() | {"Accept": "text/event-stream"}
        timeout = _client().httpx.Timeout(_TIMEOUT, read=max(0.1, silence))
        try:
            with (
                _client()
                .get_session()
                .stream("GET", self.endpoint + path, headers=headers, timeout=timeout) as response
            ):
                yield response
        except _client().httpx.TransportError as error:
            raise unreachable(self.endpoint, one_line(str(error))) from error

    def _headers(self) -> dict[str, str]:
        token = self.token or False
        headers = _client().build_hf_headers(
            token=token, library_name="spacehand", library_version=__version__
        )
        return dict(headers)

    @contextmanager
    def speaking(self, where: str, hidden: Sequence[str] = ()) -> Iterator[None]:
        """Turn what the official client raises into errors of ours; *hidden* texts are cut out."""
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        try:
            yield
        except HfHubHTTPError as error:
            failure = self._explained(error.response, where, hidden)
            raise (failure.final if isinstance(failure, CurableError) else failure) from None
        except OfflineModeIsEnabled as error:
            raise HubUnreachableError("HF_HUB_OFFLINE is set", where=where, hint="Unset it") from error
        except _client().httpx.TransportError as error:
            raise unreachable(self.endpoint, one_line(str(error))) from error
        except (RuntimeError, ConnectionError, TimeoutError) as error:  # hf_xet knows no narrower ones
            raise broken_upload(error, where, self.endpoint) from error

    def _broken(self, error: Exception) -> Exception:
        failure = unreachable(self.endpoint, one_line(str(error)) or type(error).__name__)
        # Nobody listens: no pause cures that. A connection that broke is another matter.
        return failure if isinstance(error, _client().httpx.ConnectError) else CurableError(failure)

    def _explained(self, response: Any, where: str, hidden: Sequence[str]) -> SpacehandError | CurableError:
        message = said(response)
        for value in hidden:
            message = message.replace(value, "…") if value else message
        error = refusal(
            response.status_code,
            message,
            headers=response.headers,
            where=_place(where),
            endpoint=self.endpoint,
        )
        return curable(error, response.status_code, response.headers)


def _client() -> Any:
    """The official client's own HTTP: its session, its headers, and its httpx, which is httpx2 today."""
    import huggingface_hub.utils

    return huggingface_hub.utils


def login_token() -> str | None:
    """
    Return the token for huggingface.co: HF_TOKEN, a CI's identity (OIDC), or ``hf auth login``.

    Raises:
        AuthError: HF_OIDC_RESOURCE asks for an identity that cannot be had.
    """
    from huggingface_hub import get_token
    from huggingface_hub.errors import OIDCError

    try:
        return get_token()
    except OIDCError as error:
        raise AuthError(f"No token by OIDC: {error}", where="HF_OIDC_RESOURCE") from error


def _place(where: str) -> str:
    return where.removeprefix("/api/")
