"""What a sandboxed app reaches, for each way that a Hub can be told."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from dataclasses import replace

import pytest
from tests import needs
from tests.localhub.runner.conftest import Stand, ask, server
from tests.localhub.runner.engines.conftest import MARK, build, engine_for

from spacehand.localhub.egress import Egress
from spacehand.localhub.runner.address import free_port
from spacehand.localhub.runner.engines._protocol import Capabilities, HubAccess
from spacehand.localhub.runner.engines.docker import Network, network_for
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.runner.engines.web_proxy import WebProxy, is_public
from spacehand.localhub.runner.images.builder import Image
from spacehand.localhub.store.place import Place

APP = server(
    "self.say(json.dumps([direct(int(os.environ['HUB'])), direct(int(os.environ['WEB'])), fetched()]))",
    before="""
import json, socket, urllib.request
def direct(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 3) as it:
            it.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            return it.makefile().read().rpartition("\\n")[2]
    except OSError:
        return "refused"
def fetched():
    proxy = os.environ.get("http_proxy")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy} if proxy else {}))
    try:
        return opener.open("http://127.0.0.1:" + os.environ["WEB"] + "/page?a=b", timeout=5).read().decode()
    except OSError as error:
        return "refused"
""",
)


async def _serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: str) -> None:
    line = await _reader.readline()
    text = f"{body} {line.split()[1].decode()}" if body == "web" else body
    writer.write(f"HTTP/1.0 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
    await writer.drain()
    writer.close()


MODES = pytest.mark.parametrize(
    ("egress", "reached"),
    [
        (Egress.NONE, ["refused", "refused", "refused"]),
        (Egress.HUB_ONLY, ["hub", "refused", "refused"]),
        (Egress.WEB, ["hub", "refused", "web /page?a=b"]),
        (Egress.HOST, ["hub", "web /", "web /page?a=b"]),
    ],
)


def what_it_reaches(
    stand: Stand, place: Place, egress: Egress, image: Image | None = None
) -> tuple[list[str], Capabilities]:
    """Return what APP, or *image* with APP in it, reaches: the Hub, the web directly, the web by a proxy."""

    async def story() -> tuple[list[str], Capabilities]:
        capabilities = await stand.engine.capabilities()
        assert capabilities.works, capabilities.why_not
        inner = await asyncio.start_unix_server(lambda r, w: _serve(r, w, "hub"), place.socket)
        place.socket.chmod(0o666)
        outer = await asyncio.start_server(lambda r, w: _serve(r, w, "hub"), "127.0.0.1", 0)
        web = await asyncio.start_server(lambda r, w: _serve(r, w, "web"), "127.0.0.1", 0)
        hub_port, web_port = (one.sockets[0].getsockname()[1] for one in (outer, web))
        stand.hub = HubAccess(f"http://127.0.0.1:{hub_port}", hub_port, place.socket)
        # "Elsewhere" can only be this machine here.
        proxy = WebProxy(place.web_socket, frozenset({web_port}), lambda _address: True)
        if egress is Egress.WEB:
            await proxy.start()
        spec = stand.spec(APP)
        usual = {"HOST": "127.0.0.1", "PORT": str(image.port)} if image else spec.environment
        ports = {"HUB": str(hub_port), "WEB": str(web_port)}
        spec = replace(spec, environment={**usual, **ports, "http_proxy": spec.layout.proxy}, image=image)
        app = await stand.engine.start(spec, stand.lines)
        found: list[str] = json.loads(await ask(app))
        await app.stop()
        await proxy.stop()
        for one in (inner, outer, web):
            one.close()
        return found, capabilities

    return asyncio.run(story())


@pytest.mark.sandbox
@MODES
def test_an_app_reaches_what_its_hub_lets_it(egress: Egress, reached: list[str], place: Place):
    """
    The Hub, a server elsewhere directly, and the same by the proxy: each as the mode says, nothing more.
    """
    needs.bwrap()
    stand = Stand(SandboxEngine(egress=egress), place.root)
    found, capabilities = what_it_reaches(stand, place, egress)
    assert found == reached
    assert egress.difference("sandbox") in capabilities.differences


@pytest.mark.slow
@MODES
def test_a_container_reaches_what_its_hub_lets_it(
    kind: tuple[str, str], egress: Egress, reached: list[str], place: Place
):
    """
    As a sandboxed app does; in this machine's own network it has to share the ports.
    """
    engine = engine_for(*kind, place.root, egress)
    image = Image(f"spacehand-{MARK}/egress:1", free_port())
    asyncio.run(build(engine, image.tag, APP, place.root / "builds" / "egress"))
    found, capabilities = what_it_reaches(Stand(engine, place.root), place, egress, image)
    assert found == reached
    assert egress.difference("container") in capabilities.differences
    assert capabilities.shares_ports is (egress is Egress.HOST)


@pytest.mark.parametrize(
    ("egress", "kernel", "may_enter", "network"),
    [
        (Egress.HUB_ONLY, os.uname().release, True, Network.OWN),
        (Egress.NONE, os.uname().release, True, Network.OWN),
        (Egress.HOST, os.uname().release, True, Network.MACHINES),
        (Egress.HOST, os.uname().release, False, Network.MACHINES),
        (Egress.WEB, os.uname().release, False, Network.DOCKERS),
        (Egress.HOST, "6.10.14-linuxkit", True, Network.DOCKERS),
    ],
)
def test_a_container_is_in_a_network_that_the_hub_may_enter(
    egress: Egress, kernel: str, may_enter: bool, network: Network
):
    """
    In its own where a relay can be put into that, else in docker's; in this machine's when that is asked for.
    """
    assert network_for(egress, {"KernelVersion": kernel}, may_enter=may_enter) is network


def answer(place: Place, request: str, proxy: WebProxy | None = None) -> str:
    """Return the first line of what the proxy says to *request*."""

    async def asked() -> str:
        it = proxy or WebProxy(place.web_socket)
        await it.start()
        reader, writer = await asyncio.open_unix_connection(place.web_socket)
        writer.write(request.encode())
        line = (await reader.readline()).decode().strip()
        writer.close()
        await it.stop()
        return line

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("CONNECT 127.0.0.1:443", "403 Forbidden"),
        ("CONNECT localhost:80", "403 Forbidden"),
        ("CONNECT 169.254.169.254:80", "403 Forbidden"),
        ("CONNECT 192.168.1.1:8080", "403 Forbidden"),
        ("CONNECT [::1]:443", "403 Forbidden"),
        ("GET http://10.0.0.1/", "403 Forbidden"),
        ("CONNECT 8.8.8.8:22", "403 Forbidden"),
        ("CONNECT 8.8.8.8:25", "403 Forbidden"),
        ("GET /", "400 Bad Request"),
        ("GET ftp://example.org/", "400 Bad Request"),
        ("CONNECT nonsense:port", "400 Bad Request"),
    ],
)
def test_the_way_to_the_web_leads_nowhere_else(request_line: str, status: str, place: Place):
    """
    Addresses of this machine and its network, other ports, and what is no request to a proxy are refused.
    """
    assert answer(place, f"{request_line} HTTP/1.1\r\nHost: x\r\n\r\n") == f"HTTP/1.1 {status}"


def test_a_head_without_end_is_refused(place: Place):
    """
    More than the proxy reads before it knows where to is answered, and not left to fail.
    """
    status = "HTTP/1.1 431 Request Header Fields Too Large"
    assert answer(place, "GET http://x/ HTTP/1.1\r\nx: " + "x" * 100_000) == status


def test_a_tunnel_is_led_through(place: Place):
    """
    After CONNECT every byte passes both ways.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        proxy = WebProxy(place.web_socket, frozenset({port}), lambda _address: True)
        assert answer(place, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n", proxy) == (
            "HTTP/1.1 200 Connection established"
        )


@pytest.mark.parametrize(
    ("address", "public"), [("1.1.1.1", True), ("::1", False), ("fe80::1%eth0", False), ("100.64.0.1", False)]
)
def test_what_is_near_is_not_the_web(address: str, public: bool):
    """
    Loopback, link-local, private and shared addresses belong to the machine's own surroundings.
    """
    assert is_public(address) is public
