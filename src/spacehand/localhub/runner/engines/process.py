"""Runs apps as plain processes: works everywhere, shields nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spacehand.localhub.runner.address import PortAddress, free_port
from spacehand.localhub.runner.build.interpreter import Interpreter
from spacehand.localhub.runner.engines._protocol import (
    Capabilities,
    Fidelity,
    Folders,
    Layout,
    Output,
    RunSpec,
)
from spacehand.localhub.runner.engines.supervised import RELAY, SupervisedApp, differences

_DIFFERENCES = (
    "no sandbox: the app runs as your user, and sees your files and your network",
    "the app is given a free port in GRADIO_SERVER_PORT and PORT, instead of 7860",
    "the app is told to bind 127.0.0.1; on huggingface.co it has to bind 0.0.0.0",
)


class ProcessEngine:
    """The engine of last resort."""

    name = "process"
    fidelity = Fidelity.PROCESS

    async def capabilities(self) -> Capabilities:
        return Capabilities(works=True, differences=(*_DIFFERENCES, *differences()))

    def layout(self, folders: Folders, venv: Path | None, interpreter: Interpreter) -> Layout:
        return Layout(
            app=str(folders.app),
            home=str(folders.home),
            temporary=str(folders.temporary),
            programs=str(venv / "bin" if venv else interpreter.path.parent),
            host="127.0.0.1",
            port=free_port(),
        )

    async def start(self, spec: RunSpec, output: Output) -> SupervisedApp:
        python = spec.venv / "bin/python" if spec.venv else spec.interpreter.path
        order = {
            "command": [str(python), *spec.command],
            "environment": dict(spec.environment),
            "folder": spec.layout.app,
            "grace": spec.grace_seconds,
        }
        command = [str(spec.interpreter.path), "-I", "-S", str(RELAY)]
        address = PortAddress(spec.layout.port)
        return await SupervisedApp.start(command, spec, order, address, output, own_network=False)

    async def adopt(self, record: Mapping[str, Any], spec: RunSpec, output: Output) -> SupervisedApp | None:
        address = PortAddress(record["port"])
        return await SupervisedApp.adopt(record, spec, address, output, own_network=False)
