"""What a Hub has acknowledged, and whether it still knows it after a disaster."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx2 as httpx
import psutil
from tests.conftest import HubProcess

PREFIX = {"model": "", "dataset": "datasets/", "space": "spaces/"}


@dataclass
class Ledger:
    """All that *hub* said yes to."""

    hub: HubProcess
    # by kind, repository and commit: path → sha256 of its content
    commits: dict[tuple[str, str, str], dict[str, str]] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)  # by Space
    secrets: dict[str, set[str]] = field(default_factory=dict)  # names by Space

    def note(self, kind: str, repo: str, oid: str, **files: bytes) -> None:
        """Remember an acknowledged commit, with *files* (``a__b`` is ``a.b``)."""
        named = {name.replace("__", "."): content for name, content in files.items()}
        self.note_files(kind, repo, oid, named)

    def note_files(self, kind: str, repo: str, oid: str, files: dict[str, bytes]) -> None:
        digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
        self.commits[kind, repo, oid] = digests

    def check(self, *, deep: bool = True) -> None:
        """Fail unless everything is there; *deep* also reads every file."""
        with closing(self._client()) as client:
            for (kind, repo, oid), files in self.commits.items():
                told = client.get(f"/api/{kind}s/{repo}/revision/{oid}")
                assert (told.status_code, told.json()["sha"]) == (200, oid), f"{repo} lost {oid}"
                for path, digest in files.items() if deep else ():
                    answer = client.get(f"/{PREFIX[kind]}{repo}/resolve/{oid}/{quote(path)}")
                    assert answer.status_code == 200, f"{repo} lost {path}: {answer.text}"
                    assert hashlib.sha256(answer.content).hexdigest() == digest, f"{path} was changed"
            for space, variables in self.variables.items():
                found = client.get(f"/api/spaces/{space}/variables").json()
                assert {row["key"]: row["value"] for row in _rows(found)} == variables
            for space, names in self.secrets.items():
                assert {
                    row["key"] for row in _rows(client.get(f"/api/spaces/{space}/secrets").json())
                } == names

    def _client(self) -> httpx.Client:
        token = {"Authorization": f"Bearer {self.hub.token}"}
        return httpx.Client(base_url=self.hub.url, headers=token, timeout=60)


def require_sound(data: Path) -> None:
    """Fail unless rows and folders agree, every repository is sound, and nothing is half received."""
    with closing(sqlite3.connect(f"file:{data / 'hub.sqlite'}?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        known = {uid for (uid,) in database.execute("SELECT uid FROM repos")}
        settings = {uid for (uid,) in database.execute("SELECT uid FROM space_settings")}
    assert {path.name for path in (data / "repos").iterdir()} == {f"{uid}.git" for uid in known}
    assert settings <= known
    for folder in (data / "repos").iterdir():
        checked = subprocess.run(
            ["git", "--git-dir", str(folder), "fsck", "--full", "--strict"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
        left = [*folder.rglob("*.lock"), *folder.rglob("tmp_*")]
        assert left == [], f"left behind: {left}"
    assert [path.name for path in (data / "incoming").iterdir() if path.name != "hooks"] == []


def orphans(hub: HubProcess) -> list[str]:
    """Return every process that works in the Hub's folder and is neither the Hub's own nor adopted by it."""
    seen = [one for one in psutil.process_iter() if any(str(hub.data) in trace for trace in traces(one))]
    # Looked at afterwards: what the Hub started meanwhile is its own.
    ours = {psutil.Process().pid, hub.pid, *(child.pid for child in family(hub))}
    return [f"{one.pid}: {one.name()}" for one in seen if one.pid not in ours and one.is_running()]


def family(hub: HubProcess) -> list[psutil.Process]:
    """Return the Hub's descendants, and the apps that it knows with all below them."""
    with closing(sqlite3.connect(f"file:{hub.data / 'hub.sqlite'}?mode=ro", uri=True)) as database:
        known = [json.loads(text) for (text,) in database.execute("SELECT record FROM space_replicas")]
    found = psutil.Process(hub.pid).children(recursive=True)
    for record in known:
        with contextlib.suppress(psutil.Error):
            keeper = psutil.Process(record["app"]["pid"])
            found += [keeper, *keeper.children(recursive=True)]
    return found


def builds(hub: HubProcess) -> list[psutil.Process]:
    """Return what belongs to the Hub and to no app: it has to end with it."""
    apps: set[psutil.Process] = set()
    found = psutil.Process(hub.pid).children(recursive=True)
    for process in found:
        with contextlib.suppress(psutil.Error):
            if any(word.endswith("/keeper.py") for word in process.cmdline()):
                apps |= {process, *process.children(recursive=True)}
    return [process for process in found if process not in apps]


def traces(process: psutil.Process) -> Iterator[str]:
    """Yield where a process can be seen to work: arguments, folder, open files, a sandbox's mounts."""
    try:
        yield " ".join(process.cmdline())
        yield process.cwd()
        yield from (file.path for file in process.open_files())
        yield Path(f"/proc/{process.pid}/mountinfo").read_text()
    except (psutil.Error, OSError):
        return  # gone meanwhile


def _rows(found: object) -> list[dict[str, str]]:
    """Return what the Hub tells of variables or secrets: a list, or a map by name."""
    if isinstance(found, dict):
        return [{"key": key, **value} for key, value in found.items()]
    return list(json.loads(json.dumps(found)))
