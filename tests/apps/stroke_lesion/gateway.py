"""A gateway that cuts every request after some seconds, as those in front of apps do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class CuttingGateway:
    """Passes requests on to *target*; *cut* has the paths of those that took longer than *seconds*."""

    target: str
    seconds: float
    cut: list[str] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Yield the URL it answers at."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        runner, url = asyncio.run_coroutine_threadsafe(self._start(), loop).result(30)
        try:
            yield url
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)
            loop.close()

    async def _start(self) -> tuple[web.AppRunner, str]:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        app.cleanup_ctx.append(self._connected)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return runner, f"http://{host}:{port}"

    async def _connected(self, _app: web.Application):
        async with aiohttp.ClientSession(auto_decompress=False) as self._session:
            yield

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        try:
            async with asyncio.timeout(self.seconds):
                await self._exchange(request, answer)
        except TimeoutError:
            self.cut.append(request.path)
            if not answer.prepared:
                return web.Response(status=504)
            assert request.transport is not None
            request.transport.abort()
        return answer

    async def _exchange(self, request: web.Request, answer: web.StreamResponse) -> None:
        async with self._session.request(
            request.method,
            self.target + request.path_qs,
            headers=_forwarded(request.headers),
            data=await request.read(),
            allow_redirects=False,
        ) as inner:
            answer.set_status(inner.status)
            answer.headers.extend(_forwarded(inner.headers))
            await answer.prepare(request)
            async for piece in inner.content.iter_any():
                await answer.write(piece)
            await answer.write_eof()


def _forwarded(headers) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP]
