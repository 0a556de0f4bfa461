"""Call a Gradio app's endpoint over plain HTTP, as its own clients do: upload, call, read the result."""

from __future__ import annotations

import json
import mimetypes
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacehand.deploy.web import Web
from spacehand.errors import UnhealthyError
from spacehand.hub.sse import events

_PREFIXES = ("/gradio_api", "")  # Gradio 5 and 6; Gradio 4 and older


class GradioApp:
    """A running Gradio app; all calls together may take until the Web's deadline."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.prefix, self.endpoints = self._described()

    def predict(self, api: str, inputs: Sequence[object]) -> Any:
        """
        Return what the endpoint *api* gives for *inputs*; a Path among them is uploaded.

        One output is returned as it is, several as a list.

        Raises:
            UnhealthyError: there is no such endpoint, or the app raised an error.
            WaitTimeoutError: no answer by the deadline.
        """
        data = [self._upload(value) if isinstance(value, Path) else value for value in inputs]
        name = api.strip("/")
        status, body = self.web.post(f"{self.prefix}/call/{name}", json.dumps({"data": data}).encode())
        if status != 200:
            raise self._no_endpoint(api, status, body)
        event = json.loads(body)["event_id"]
        with self.web.stream(f"{self.prefix}/call/{name}/{event}") as lines:
            for kind, text in events(lines):
                if kind == "complete":
                    return _outputs(text)
                if kind == "error":
                    raise self._app_error(api, text)
        raise UnhealthyError(
            f"The app hung up on `{api}` without a result", where=self.web.base, hint="Read its run log"
        )

    def _described(self) -> tuple[str, frozenset[str]]:
        for prefix in _PREFIXES:
            status, body = self.web.get(f"{prefix}/info")
            if status == 200:
                try:
                    return prefix, frozenset(json.loads(body)["named_endpoints"])
                except (ValueError, KeyError, TypeError):
                    continue  # a page of another app that happens to be called so
        raise UnhealthyError(
            "The app answers, but is no Gradio app: it has no `/gradio_api/info`",
            where=self.web.base,
            hint="Take `api` out of `[probe]`; `path` alone is a proof too",
        )

    def _upload(self, file: Path) -> Mapping[str, object]:
        boundary = uuid.uuid4().hex
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{file.name}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        )
        body = head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        status, answer = self.web.post(
            f"{self.prefix}/upload", body, content_type=f"multipart/form-data; boundary={boundary}"
        )
        if status != 200:
            raise UnhealthyError(
                f"The app refuses the upload of `{file.name}` ({status})", where=self.web.base
            )
        path = json.loads(answer)[0]
        return {"path": path, "orig_name": file.name, "mime_type": kind, "meta": {"_type": "gradio.FileData"}}

    def _no_endpoint(self, api: str, status: int, body: bytes) -> UnhealthyError:
        if api in self.endpoints:
            told = body.decode(errors="replace")[:200]
            return UnhealthyError(f"The app refuses `{api}` ({status}): {told}", where=self.web.base)
        named = ", ".join(f"`{name}`" for name in sorted(self.endpoints)) or "none"
        hint = f"It has: {named}. Name one with `api_name` in the app, or change `api` in `[probe]`"
        return UnhealthyError(f"The app has no endpoint `{api}` ({status})", where=self.web.base, hint=hint)

    def _app_error(self, api: str, text: str) -> UnhealthyError:
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        told = body.get("error") if isinstance(body, dict) else body
        if told:
            return UnhealthyError(f"The app failed its probe of `{api}`: {told}", where=self.web.base)
        return UnhealthyError(
            f"The app raised an error at `{api}`, and does not say which",
            where=self.web.base,
            hint="Read the traceback in its run log, or launch the app with `show_error=True`",
        )


def _outputs(text: str) -> Any:
    data = json.loads(text)
    return data[0] if isinstance(data, list) and len(data) == 1 else data
