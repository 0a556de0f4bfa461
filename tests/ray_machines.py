"""Ray machines for tests: each has a raylet, an object store and workers of its own, and wants a token."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

RAY_VERSION = "ray==2.60.0"


def closed_cluster(folder: Path) -> tuple[str, dict[str, str]]:
    """Return an address for a cluster, and the environment of who knows its token, kept in *folder*."""
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    return address, {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def head_at(address: str) -> tuple[str, ...]:
    """Return the arguments of `machine` for the cluster's first machine."""
    return ("--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false")


@contextmanager
def machine(python: Path, *arguments: str, environment: dict[str, str]) -> Iterator[int]:
    """Run ``ray start``, and yield the process above all others of that machine."""
    command = [str(python.parent / "ray"), "start", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1"]
    process = _started([*command, "--object-store-memory=300000000", *arguments], environment)
    try:
        yield process.pid
    finally:
        if process.poll() is None:
            above = psutil.Process(process.pid)
            for each in [*above.children(recursive=True), above]:
                each.kill()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def _started(command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    """Return the process that blocks; Ray gives up after 30 seconds, which a busy machine may need."""
    said = ""
    for _ in range(3):
        process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if "--block" in line:  # "This command will now block until terminated by a signal"
                return process
        process.wait()
        process.stdout.close()
    raise AssertionError(f"Ray did not start: {said}")
