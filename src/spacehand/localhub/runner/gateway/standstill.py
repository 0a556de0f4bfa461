"""What a visitor gets where no app answers."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from spacehand.localhub.runner.gateway.forwarding import RawHeaders
from spacehand.localhub.runner.gateway.websocket import refuse_websocket
from spacehand.stage import Stage

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

# The Hub's edge says this for every stage without an app; programs look for it.
_EDGE_TEXT = "Your space is in error, check its status on hf.co"
_WORDS = {
    Stage.NO_APP_FILE: "has no application file yet",
    Stage.CONFIG_ERROR: "has an error in its configuration",
    Stage.BUILDING: "is being built",
    Stage.BUILD_ERROR: "could not be built",
    Stage.APP_STARTING: "is starting",
    Stage.RUNTIME_ERROR: "has stopped with an error",
    Stage.SLEEPING: "is asleep",
    Stage.PAUSED: "was paused by its owner",
    Stage.STOPPED: "is stopped",
    Stage.DELETING: "is being deleted",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{space}</title>{refresh}
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; min-height: 100vh; display: grid; place-content: center; justify-items: center; gap: .5rem;
  padding: 2rem; box-sizing: border-box; text-align: center; font: 1rem/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.25rem; font-weight: 600; margin: 0; }}
p {{ margin: 0; opacity: .75; max-width: 38rem; overflow-wrap: anywhere; }}
</style></head>
<body><main><h1>{space} {words}</h1>{reason}
<p><a href="{page}" target="_top">Its page on the Hub</a></p></main></body></html>
"""


@dataclass(frozen=True)
class Standstill:
    """An ASGI app that answers for a Space that cannot."""

    status: int
    text: str  # the Space's id; or, without a stage, all there is to say
    stage: Stage | None = None
    reason: str | None = None
    page: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await refuse_websocket(scope, send, self.status, self._plain())
            return
        wants_page = any(n == b"accept" and b"text/html" in v for n, v in scope["headers"])
        as_page = self.stage is not None and wants_page
        body = (self._page() if as_page else self._plain()).encode()
        kind = b"text/html; charset=utf-8" if as_page else b"text/plain; charset=utf-8"
        headers: RawHeaders = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *self.headers,
        ]
        if self.stage is not None:
            headers.append((b"x-space-stage", self.stage.value.encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})

    def _plain(self) -> str:
        if self.stage is None:
            return self.text
        lines = [_EDGE_TEXT, f"{self.text}: {self.stage.value}"]
        if self.reason:
            lines.append(self.reason)
        return "\n".join([*lines, self.page, ""])

    def _page(self) -> str:
        stage = self.stage or Stage.UNKNOWN
        # Moving stages end by themselves: a visitor who stays sees the app as soon as it answers.
        refresh = '<meta http-equiv="refresh" content="2">' if stage.is_moving else ""
        return _PAGE.format(
            space=escape(self.text),
            words=_WORDS.get(stage, "does not answer"),
            refresh=refresh,
            reason=f"<p>{escape(self.reason)}</p>" if self.reason else "",
            page=escape(self.page),
        )


def stand_in(status: int, text: str, headers: RawHeaders | None = None) -> Standstill:
    """Return an answer that needs no app at all."""
    return Standstill(status, text, headers=tuple(headers or ()))
