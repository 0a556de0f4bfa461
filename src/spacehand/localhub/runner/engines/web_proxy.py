"""The way from sandboxes to the web: to the ports that the Hub lets apps use, and to nobody near."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

PORTS = frozenset({80, 443, 8080})
_LONGEST_HEAD = 64 * 1024  # bytes
_PATIENCE = 30.0  # seconds for a head, and for a connection
_BLOCK = 64 * 1024


class RefusedError(Exception):
    """The proxy does not lead there; *status* is its answer."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def is_public(address: str) -> bool:
    """Whether *address* is somebody else's: not this machine's, nor one of the network it is in."""
    return ipaddress.ip_address(address.partition("%")[0]).is_global


@dataclass(frozen=True, slots=True)
class Request:
    """What an app asked the proxy for."""

    method: str
    host: str
    port: int
    opening: bytes  # what the other side is sent first

    @classmethod
    def parse(cls, head: bytes) -> Request:
        """
        Return the request that begins with *head*.

        Raises:
            RefusedError: it is none that a proxy gets.
        """
        line, _, rest = head.partition(b"\r\n")
        try:
            method, target, version = line.decode("ascii").split(" ")
            address = urlsplit(f"//{target}" if method == "CONNECT" else target)
            port = address.port or 80
        except ValueError:
            raise RefusedError("400 Bad Request", "This is no request to a proxy") from None
        if not address.hostname or (method != "CONNECT" and address.scheme != "http"):
            raise RefusedError("400 Bad Request", "This is no request to a proxy")
        if method == "CONNECT":
            return cls(method, address.hostname, port, b"")
        path = address._replace(scheme="", netloc="").geturl() or "/"
        # One request for one connection: the next may be for somebody else.
        fields = [
            one for one in rest.split(b"\r\n") if not one.lower().startswith((b"proxy-", b"connection:"))
        ]
        opening = b"\r\n".join([f"{method} {path} {version}".encode(), b"Connection: close", *fields])
        return cls(method, address.hostname, port, opening)


@dataclass
class WebProxy:
    """Listens on a unix socket that sandboxes see."""

    path: Path
    ports: frozenset[int] = PORTS
    may_reach: Callable[[str], bool] = is_public
    _server: asyncio.Server | None = field(default=None, init=False)

    async def start(self) -> None:
        """Listen from now on; whoever sees the socket may ask."""
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.path, limit=_LONGEST_HEAD)
        self.path.chmod(0o666)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                request = Request.parse(await reader.readuntil(b"\r\n\r\n"))
                there, back = await self._connect(request)
        except RefusedError as refused:
            await _answer(writer, refused.status, refused.message)
            return
        except asyncio.LimitOverrunError:
            await _answer(writer, "431 Request Header Fields Too Large", "The request's head is too long")
            return
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            await _answer(writer, "502 Bad Gateway", f"The other side could not be reached: {error}")
            return
        try:
            if request.method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back.write(request.opening)
            await asyncio.gather(_pour(reader, back), _pour(there, writer))
        finally:
            back.close()
            writer.close()

    async def _connect(self, request: Request) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if request.port not in self.ports:
            allowed = ", ".join(str(port) for port in sorted(self.ports))
            raise RefusedError("403 Forbidden", f"Apps reach the ports {allowed}, and not {request.port}")
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(request.host, request.port, type=socket.SOCK_STREAM)
        # The address that was looked at is the one connected to: a name may mean something else in a moment.
        addresses = [one[4][0] for one in found]
        if not all(self.may_reach(str(address)) for address in addresses):
            raise RefusedError("403 Forbidden", f"`{request.host}` is no address of the web")
        error: OSError = OSError(f"`{request.host}` has no address")
        for address in addresses:
            try:
                return await asyncio.open_connection(str(address), request.port)
            except OSError as failed:
                error = failed
        raise error


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await source.read(_BLOCK):
            sink.write(block)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


async def _answer(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = [
        f"HTTP/1.1 {status}",
        "Content-Type: text/plain",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    with contextlib.suppress(OSError):
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()
    writer.close()
