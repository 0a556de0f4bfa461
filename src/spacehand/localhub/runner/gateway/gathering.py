"""Connections that send together what is written to them in one turn of the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class GatheringProtocol(HttpToolsProtocol):
    """Uvicorn's connection, but the head of an answer and a body that is there already leave as one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Gathering(transport))  # type: ignore[arg-type]


class _Gathering:
    """The transport *carrier*, whose `write` waits for the end of the turn."""

    def __init__(self, carrier: asyncio.Transport) -> None:
        self._carrier = carrier
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._carrier, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._carrier.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._carrier.is_closing():
            self._carrier.writelines(parts)
