"""A Hub over HTTP whose Spaces really run, as plain processes, without installing anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from huggingface_hub import CommitOperationAdd, HfApi

from spacehand.ids import RepoKind
from spacehand.localhub.app import create_app
from spacehand.localhub.faults.desk import FaultDesk
from spacehand.localhub.hub import LocalHub
from spacehand.localhub.runner.engines.process import ProcessEngine
from spacehand.localhub.runner.life.launch import Launcher
from spacehand.localhub.runner.life.reconciler import Crew
from spacehand.localhub.runner.life.state import RunStates
from spacehand.localhub.runner.runner import Runner
from spacehand.localhub.server import Running, listen
from spacehand.localhub.store.place import Place
from tests.localhub.runner.conftest import server
from tests.localhub.runner.workshop import QUICK, BareBuilder

README = "---\ntitle: Demo\nsdk: gradio\nsdk_version: 6.31.0\n---\n"


@dataclass
class Stage:
    """The Hub, its address, and what a rehearsal does with it."""

    hub: LocalHub
    url: str

    @property
    def token(self) -> str:
        return self.hub.place.token_file.read_text().strip()

    @property
    def api(self) -> HfApi:
        """The unmodified official client, with the owner's token."""
        return HfApi(endpoint=self.url, token=self.token)

    @property
    def desk(self) -> FaultDesk:
        return FaultDesk(Running(self.url, 0, self.token))

    def fault(self, kind: str, **more: Any) -> str:
        """Switch a fault on and return its id."""
        return str(self.desk.add({"kind": kind, **more})["id"])

    @property
    def builder(self) -> BareBuilder:
        """What builds here: it keeps a list of the commits it was given."""
        return self.hub.runner._crew.launcher.builder  # type: ignore[return-value]

    def log(self, space: str, kind: str) -> list[str]:
        """Return the lines of a log as they are kept."""
        repo = self.hub.repos.find(RepoKind.SPACE, *space.split("/"))
        return [entry.data for entry in self.hub.runner.log(repo, kind).lines()]

    def push(self, space: str, text: str = "hello") -> str:
        """Push an app that answers *text*, and return the commit."""
        files = {"README.md": README, "app.py": server(f'self.say("{text}")')}
        operations = [CommitOperationAdd(name, body.encode()) for name, body in files.items()]
        return str(self.api.create_commit(space, operations, repo_type="space", commit_message="change").oid)

    def space(self, name: str) -> str:
        """Make a Space of ada's with nothing in it yet."""
        self.api.create_repo(f"ada/{name}", repo_type="space", space_sdk="gradio", exist_ok=True)
        return f"ada/{name}"


@contextmanager
def open_stage(folder: Path) -> Iterator[Stage]:
    """Serve a Hub in a thread until the end of the block."""
    listener = listen(0)
    listener.listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    hub = LocalHub.open(Place(folder), owner="ada", endpoint=url)
    launcher = Launcher(hub, BareBuilder(), (ProcessEngine(),))
    hub.runner = Runner(hub, crew=Crew(launcher, RunStates(hub.database), pace=QUICK))
    hub.pushed[-1] = hub.runner.pushed
    front = create_app(hub)
    config = uvicorn.Config(front, http="httptools", log_level="warning", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Stage(hub, url)
    finally:
        running.should_exit = True
        thread.join(20)
        listener.close()
        hub.close()
