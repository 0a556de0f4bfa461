"""What a Hub's refusal means for people: a status and a message become one of our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spacehand.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    DiskFullError,
    HubUnreachableError,
    NotFoundError,
    PaymentError,
    QuotaError,
    SpacehandError,
)
from spacehand.hub.retry import CurableError

ROUTES = (
    'Four ways lead on: a static Space (free); a Gradio Space on ZeroGPU (`hardware = "zero-a10g"`; a free'
    ' account may host two); a PRO account; or prepaid credits on paid hardware (`hardware = "cpu-upgrade"`,'
    " $0.03 an hour). On the Hub of this machine (`--to local`) every Space runs free of charge"
)
_TRANSIENT = frozenset({408, 500, 502, 503, 504})
_UNTIL_RESET = re.compile(r";\s*t=(\d+)")


def refusal(
    status: int, message: str, *, headers: Mapping[str, str], where: str, endpoint: str
) -> SpacehandError:
    """
    Return the error for an answer with *status* of 400 or more.

    *message* is what the Hub said about it, *where* the repository or address that was asked for.
    """
    if "no space left" in message.lower() or status == 507:
        return DiskFullError(
            "The Hub has no room left on its disk", where=where, hint="Free some space and try again"
        )
    if status in (401, 403):
        return _no_right(status, message, where, endpoint)
    if status == 402:
        return PaymentError(f"The Hub asks for payment: {message}", where=where, hint=ROUTES)
    if status == 404:
        return NotFoundError(message or "Not found", where=where, hint=_signed_in_hint(endpoint))
    if status in (409, 412):
        return ConflictError(
            message or "Somebody else changed it", where=where, hint="Look again with `spacehand plan`"
        )
    if status == 429:
        return _quota(message, headers, where)
    if status in (400, 413, 422):
        return ConfigError(f"The Hub refuses it: {message}", where=where)
    if status == 501:
        return NotFoundError(message or "The Hub does not know this request", where=where)
    return HubUnreachableError(
        f"The Hub answered {status}: {message}", where=where, hint="Try again in a minute"
    )


def curable(error: SpacehandError, status: int, headers: Mapping[str, str]) -> SpacehandError | CurableError:
    """Return *error* as something to try again when time alone can cure a *status*."""
    if status == 429:
        return CurableError(error, after=asked_pause(headers))
    return CurableError(error, after=asked_pause(headers)) if status in _TRANSIENT else error


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that ``RateLimit`` or ``Retry-After`` ask to wait, None when neither does."""
    lower = {name.lower(): value for name, value in headers.items()}
    limit = lower.get("ratelimit", "")
    if "r=0" in limit.replace(" ", "") and (found := _UNTIL_RESET.search(limit)):
        return float(found[1]) + 1  # rounding: one second early is one more refusal
    try:
        return max(0.0, float(lower["retry-after"]))
    except (KeyError, ValueError):
        return None  # Retry-After may also be a date, which nobody's Hub sends


def unreachable(endpoint: str, why: str) -> HubUnreachableError:
    """Return the error for a Hub that does not answer at all."""
    local = re.match(r"http://(127\.|localhost|\[::1\])", endpoint)
    hint = (
        "Start it with `spacehand hub serve --detach`"
        if local
        else "Is the address right, and the network up?"
    )
    return HubUnreachableError(f"No Hub answers at {endpoint}: {why}", where=endpoint, hint=hint)


def _no_right(status: int, message: str, where: str, endpoint: str) -> AuthError:
    if status == 401:
        return AuthError(
            f"The Hub does not accept the token: {message}" if message else "The Hub wants a valid token",
            where=where,
            hint=_token_hint(endpoint),
        )
    return AuthError(
        f"The token has no right to do this: {message}",
        where=where,
        hint="It has to be a token with the role `write`, of somebody who may write there",
    )


def _quota(message: str, headers: Mapping[str, str], where: str) -> QuotaError:
    pause = asked_pause(headers)
    when = f"Try again in {pause:.0f} s" if pause is not None else "Try again in five minutes"
    return QuotaError(f"The Hub's rate limit or a quota is used up: {message}", where=where, hint=when)


def _token_hint(endpoint: str) -> str:
    if endpoint.startswith("https://huggingface.co"):
        return "Sign in with `hf auth login`, or set HF_TOKEN to a token of this Hub"
    return "Set HF_TOKEN to a token of this Hub, or unset it: the local Hub's own is found by itself"


def _signed_in_hint(endpoint: str) -> str:
    if endpoint.startswith("https://huggingface.co"):
        return "Sign in with `hf auth login`, or set HF_TOKEN; what is private looks absent without a token"
    return "See what is there with `spacehand open`; what is private looks absent without a token"


def said(response: Any) -> str:
    """Return the Hub's own words about a refusal, in one line."""
    try:
        body = response.json()
    except Exception:  # not JSON, or a stream nobody read: the header has to do
        body = None
    text = body.get("error") if isinstance(body, dict) else None
    text = text or response.headers.get("X-Error-Message") or response.reason_phrase
    return one_line(str(text))


def one_line(text: str) -> str:
    return " ".join(text.split())


def broken_upload(error: Exception, where: str, endpoint: str) -> SpacehandError:
    text = one_line(str(error))
    for status in (507, 401, 403, 402):
        if re.search(rf"\b{status}\b", text):
            return refusal(status, text, headers={}, where=where, endpoint=endpoint)
    if "no space left" in text.lower():
        return refusal(507, text, headers={}, where=where, endpoint=endpoint)
    hint = "Run the same command again: what has arrived is not sent twice"
    return HubUnreachableError(f"The upload broke off: {text}", where=where, hint=hint)
