"""1,000 small files in one commit, beside ``git fast-import`` of the same files."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from benchmarks.figure import Figure, in_turn, seconds
from benchmarks.hubs import local_hub

FILES = 1000
ROUNDS = 5


def run() -> list[Figure]:
    """Measure both, each time into a fresh repository."""
    with tempfile.TemporaryDirectory() as folder, local_hub() as hub:
        source = Path(folder) / "source"
        _write_files(source)
        numbers = iter(range(1_000_000))

        def ours() -> float:
            repo = hub.api.create_repo(f"bench-{next(numbers)}").repo_id
            return seconds(lambda: hub.commit_request(repo, source))

        def peer() -> float:
            target = Path(folder) / f"peer-{next(numbers)}.git"
            subprocess.run(["git", "init", "--quiet", "--bare", str(target)], check=True)
            stream = _fast_import_stream(source)
            command = ["git", "-C", str(target), "fast-import", "--quiet"]
            return seconds(lambda: subprocess.run(command, input=stream, check=True))

        mine, theirs = in_turn(ROUNDS, ours, peer)
    note = "The Hub's answer to the one commit request, over HTTP"
    return [Figure(f"{FILES}-file commit", "`git fast-import`", mine, theirs, goal=3, note=note)]


def _write_files(source: Path) -> None:
    for number in range(FILES):
        path = source / f"d{number % 20}" / f"f{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}\n" * 64)


def _fast_import_stream(source: Path) -> bytes:
    head = b"commit refs/heads/main\ncommitter a <a@localhost> 0 +0000\ndata 1\n.\n"
    parts = [head]
    for path in sorted(source.rglob("*.txt")):
        content = path.read_bytes()
        name = path.relative_to(source).as_posix().encode()
        parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (name, len(content), content))
    return b"".join(parts)
