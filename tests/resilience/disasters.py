"""Work that a Hub is killed in the middle of; each begins with a Hub that runs and leaves it dead."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
from tests.conftest import HubProcess
from tests.resilience.ledger import Ledger

MIB = 1024 * 1024
_BY_CLIENT = """
import sys
from huggingface_hub import HfApi
endpoint, token, repo, path, name = sys.argv[1:]
print(HfApi(endpoint=endpoint, token=token).upload_file(
    repo_id=repo, path_in_repo=name, path_or_fileobj=path).oid)
"""


@dataclass
class Scene:
    """A Hub, what it has acknowledged, and the chance that says when it dies."""

    hub: HubProcess
    ledger: Ledger
    chance: random.Random
    folder: Path  # for the test's own files
    mebibytes: int = 64  # of a file by LFS
    number: int = 0

    @property
    def repo(self) -> str:
        return "ada/thing"

    def fresh(self, size: int) -> tuple[str, bytes]:
        """Return a new name and *size* bytes that no file had before."""
        self.number += 1
        return f"file-{self.number}.bin", self.chance.randbytes(size)


def in_mid_upload(scene: Scene) -> None:
    """A file by LFS: so many bytes of it were sent; then the same upload is done again, in peace."""
    name, content = scene.fresh(scene.mebibytes * MIB)
    sent = scene.chance.randrange(1, scene.mebibytes + 1)
    _put(scene, content, sent)
    scene.hub.start()
    scene.ledger.check(deep=False)
    _put(scene, content, None)
    sha256 = hashlib.sha256(content).hexdigest()
    oid = _commit(scene, [{"key": "lfsFile", "value": _lfs(name, sha256, len(content))}])
    scene.ledger.note_files("model", scene.repo, oid, {name: content})
    scene.hub.kill()


def in_mid_xet(scene: Scene) -> None:
    """48 MiB by Xet, with the official client: the Hub dies when so many bytes are on its disk."""
    name, content = scene.fresh(48 * MIB)
    source = scene.folder / name
    source.write_bytes(content)
    enough = scene.chance.randrange(1, 46) * MIB
    before = _xet_bytes(scene.hub.data)
    upload = _client(scene, source, name)
    _until(lambda: _xet_bytes(scene.hub.data) - before >= enough or upload.poll() is not None)
    scene.hub.kill()
    upload.kill()
    upload.communicate()
    scene.hub.start()
    again = _client(scene, source, name)
    oid, complaints = again.communicate(timeout=120)
    assert again.returncode == 0, complaints
    scene.ledger.note_files("model", scene.repo, oid.strip(), {name: content})
    source.unlink()
    scene.hub.kill()


def in_mid_commit(scene: Scene) -> None:
    """A commit of 300 files: the Hub dies after so many lines, or right behind the last one."""
    files = {f"many-{scene.number}/{number}.txt": scene.chance.randbytes(2000) for number in range(300)}
    scene.number += 1
    lines = _lines([_file(path, content) for path, content in files.items()])
    sent = scene.chance.choice([scene.chance.randrange(1, len(lines)), len(lines)])
    connection = _post_begun(scene, sum(map(len, lines)))
    for line in lines[:sent]:
        connection.send(line)
    if sent == len(lines):  # it may die before, in or after the commit: whole, or not at all
        moment = time.monotonic() + scene.chance.uniform(0, 0.2)
        _until(lambda: time.monotonic() > moment)
    scene.hub.kill()
    connection.close()
    scene.hub.start()
    _require_whole_or_nothing(scene, files)
    oid = _commit(scene, [_file(path, content) for path, content in files.items()])
    scene.ledger.note_files("model", scene.repo, oid, dict(list(files.items())[:20]))
    scene.hub.kill()


def in_mid_push(scene: Scene) -> None:
    """A push of 24 MiB by git: the Hub dies when so many bytes are in the repository's folder."""
    clone = scene.folder / "clone"
    if not clone.exists():
        _git(scene, scene.folder, "clone", "-q", _address(scene), str(clone))
        _git(scene, clone, "config", "user.email", "ada@example.org")
        _git(scene, clone, "config", "user.name", "Ada")
    _git(scene, clone, "pull", "-q", "--no-rebase", _address(scene), "main")
    name, content = scene.fresh(8 * MIB)
    for part in range(3):
        (clone / f"{part}-{name}").write_bytes(content if not part else scene.chance.randbytes(8 * MIB))
    _git(scene, clone, "add", "-A")
    _git(scene, clone, "commit", "-q", "-m", "more")
    before, enough = _size(scene.hub.data / "repos"), scene.chance.randrange(1, 26) * MIB
    push = _start_git(scene, clone, "push", "-q", _address(scene), "HEAD:main")
    _until(lambda: _size(scene.hub.data / "repos") - before >= enough or push.poll() is not None)
    scene.hub.kill()
    push.communicate(timeout=60)
    head = _git(scene, clone, "rev-parse", "HEAD")
    if push.returncode == 0:  # it was told that the push is done
        scene.ledger.note_files("model", scene.repo, head, {f"0-{name}": content})
    scene.hub.start()
    scene.ledger.check(deep=False)
    _git(scene, clone, "push", "-q", _address(scene), "HEAD:main")
    scene.ledger.note_files("model", scene.repo, head, {f"0-{name}": content})
    scene.hub.kill()


def _put(scene: Scene, content: bytes, blocks: int | None) -> None:
    """Send *content* to the address of an LFS batch; after so many MiB kill the Hub, if any are named."""
    sha256, size = hashlib.sha256(content).hexdigest(), len(content)
    body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": sha256, "size": size}]}
    answer = _ask(scene, "POST", f"/{scene.repo}.git/info/lfs/objects/batch", json=body)
    (row,) = answer.json()["objects"]
    if "actions" not in row:
        assert blocks is None  # the upload that was cut off had arrived whole, and said so
        return
    target = row["actions"]["upload"]["href"].removeprefix(scene.hub.url)
    connection = http.client.HTTPConnection("127.0.0.1", scene.hub.port, timeout=60)
    connection.putrequest("PUT", target)
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    for number in range(size // MIB):
        if number == blocks:
            break
        connection.send(content[number * MIB : (number + 1) * MIB])
    if blocks is None:
        assert connection.getresponse().status == 200
    else:
        scene.hub.kill()
    connection.close()


def _commit(scene: Scene, operations: list[dict[str, object]]) -> str:
    kind = {"Content-Type": "application/x-ndjson"}
    path = f"/api/models/{scene.repo}/commit/main"
    answer = _ask(scene, "POST", path, content=b"".join(_lines(operations)), headers=kind)
    return str(answer.json()["commitOid"])


def _require_whole_or_nothing(scene: Scene, files: dict[str, bytes]) -> None:
    folder = next(iter(files)).partition("/")[0]
    path = f"/api/models/{scene.repo}/tree/main/{folder}"
    answer = _ask(scene, "GET", path, allowed=(200, 404))
    found = answer.json() if answer.status_code == 200 else []
    assert len(found) in (0, len(files)), f"{len(found)} of {len(files)} files were committed"


def _lines(operations: list[dict[str, object]]) -> list[bytes]:
    header = {"key": "header", "value": {"summary": "all at once"}}
    return [json.dumps(line).encode() + b"\n" for line in [header, *operations]]


def _file(path: str, content: bytes) -> dict[str, object]:
    text = base64.b64encode(content).decode()
    return {"key": "file", "value": {"path": path, "content": text, "encoding": "base64"}}


def _lfs(path: str, sha256: str, size: int) -> dict[str, object]:
    return {"path": path, "algo": "sha256", "oid": sha256, "size": size}


def _post_begun(scene: Scene, size: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", scene.hub.port, timeout=60)
    connection.putrequest("POST", f"/api/models/{scene.repo}/commit/main")
    connection.putheader("Authorization", f"Bearer {scene.hub.token}")
    connection.putheader("Content-Type", "application/x-ndjson")
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    return connection


def _ask(
    scene: Scene, method: str, path: str, *, allowed: tuple[int, ...] = (200,), **options: object
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {scene.hub.token}", **options.pop("headers", {})}  # type: ignore[dict-item]
    answer = httpx.request(method, scene.hub.url + path, headers=headers, timeout=60, **options)  # type: ignore[arg-type]
    assert answer.status_code in allowed, answer.text
    return answer


def _client(scene: Scene, source: Path, name: str) -> subprocess.Popen[str]:
    arguments = [scene.hub.url, scene.hub.token, scene.repo, str(source), name]
    # What the client remembers of earlier uploads would keep it from sending anything.
    fresh = {"HF_XET_CACHE": str(scene.folder / f"xet-{name}"), "HF_ENDPOINT": scene.hub.url}
    return subprocess.Popen(
        [sys.executable, "-c", _BY_CLIENT, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | fresh,
    )


def _git(scene: Scene, folder: Path, *arguments: str) -> str:
    process = _start_git(scene, folder, *arguments)
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    return said.strip()


def _start_git(scene: Scene, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.Popen(
        ["git", "-C", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | quiet,
    )


def _address(scene: Scene) -> str:
    return f"http://ada:{scene.hub.token}@127.0.0.1:{scene.hub.port}/{scene.repo}"


def _xet_bytes(data: Path) -> int:
    return _size(data / "incoming") + _size(data / "xorbs")


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # moved to its place meanwhile
    return total


def _until(condition: Callable[[], bool], limit: float = 60) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "the moment to kill never came"
        time.sleep(0.002)
