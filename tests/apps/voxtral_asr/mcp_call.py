"""
Ask an app through the official MCP client, with a Python that has it: ``mcp_call.py URL RECORDING``.

Prints one JSON object: the names of the tools, and what the first of them answered.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def ask(url: str, recording: bytes) -> dict[str, object]:
    sound = "data:audio/wav;base64," + base64.b64encode(recording).decode()
    async with (
        streamablehttp_client(f"{url}/gradio_api/mcp/") as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = (await session.list_tools()).tools
        answer = await session.call_tool(tools[0].name, {"audio": sound, "language": "en"})
    text = "".join(getattr(part, "text", "") for part in answer.content)
    return {"tools": [tool.name for tool in tools], "failed": answer.isError, "text": text}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(sys.argv[1], Path(sys.argv[2]).read_bytes()))))
