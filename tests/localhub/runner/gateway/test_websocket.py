"""WebSockets through the gateway."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from tests.localhub.runner.door import echo_socket, open_door, run


def test_a_websocket_passes_both_ways(tmp_path: Path) -> None:
    """
    Subprotocol, text, a large binary message and the app's close code reach the other side.
    """
    large = bytes(range(256)) * 16 * 1024

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app(handler=echo_socket))
            async with door.client.ws_connect(
                door.url(repo, "/_stcore/stream"), protocols=("streamlit",), max_msg_size=0
            ) as visitor:
                assert visitor.protocol == "streamlit"
                await visitor.send_str("grüezi")
                assert await visitor.receive_str() == "grüezi"
                await visitor.send_bytes(large)
                assert await visitor.receive_bytes() == large
                await visitor.send_str("bye")
                assert (await visitor.receive()).type is WSMsgType.CLOSE
                assert visitor.close_code == 4321

    run(story())


def test_a_websocket_that_the_app_refuses_is_refused(tmp_path: Path) -> None:
    """
    The app's status for the handshake is the visitor's.
    """

    async def refuses(_request: web.Request) -> web.Response:
        return web.Response(status=403, text="no")

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app(handler=refuses))
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await door.client.ws_connect(door.url(repo))
            assert refusal.value.status == 403

    run(story())
