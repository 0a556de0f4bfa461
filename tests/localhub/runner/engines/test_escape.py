"""What a hostile app tries from inside the sandbox, and that nothing comes of it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from tests import needs
from tests.localhub.runner.conftest import Stand, ask, server

from spacehand.localhub.runner.engines.disk import bytes_held
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.store.place import Place

pytestmark = pytest.mark.sandbox

# Each attempt returns whether it worked.
ATTEMPTS = """
import ctypes, glob, json, pathlib, signal, socket, stat, subprocess
GIVEN = json.loads(os.environ["GIVEN"])
libc = ctypes.CDLL(None, use_errno=True)

def read_the_hubs_data(): return bool(pathlib.Path(GIVEN["token"]).read_text())
def see_the_hubs_folder(): return os.path.exists(GIVEN["root"])
def read_through_the_first_process(): return bool(open("/proc/1/root" + GIVEN["token"]).read())
def read_through_any_process():
    return any(os.path.exists(root + GIVEN["token"]) for root in glob.glob("/proc/[0-9]*/root"))
def read_through_a_link():
    os.symlink(GIVEN["token"], "/app/link")
    return bool(open("/app/link").read())
def climb_out(): return bool(open("/app/" + "../" * 12 + GIVEN["token"]).read())
def read_through_an_open_file():
    return any(os.path.isdir(f"/proc/self/fd/{number}") for number in range(3, 100))
def see_the_hosts_processes(): return os.path.exists("/proc/%d/cmdline" % GIVEN["pid"])
def signal_the_hub(): os.kill(GIVEN["pid"], 0); return True
def trace_the_hub(): return libc.ptrace(16, GIVEN["pid"], 0, 0) == 0
def connect_to_a_named_socket():
    with socket.socket(socket.AF_UNIX) as it: it.connect(GIVEN["control"]); return True
def connect_to_an_abstract_socket():
    with socket.socket(socket.AF_UNIX) as it: it.connect("\\0" + GIVEN["abstract"]); return True
def connect_to_the_hosts_loopback():
    socket.create_connection(("127.0.0.1", GIVEN["port"]), 2).close(); return True
def connect_to_the_hosts_addresses():
    for address in GIVEN["addresses"]:
        try: socket.create_connection((address, GIVEN["port"]), 2).close(); return True
        except OSError: pass
    return False
def become_root(): os.setuid(0); return True
def mount_anew():
    inner = "mount -o remount,rw,bind /usr && touch /usr/spacehand-was-here"
    return subprocess.run(["unshare", "-Urm", "sh", "-c", inner], capture_output=True).returncode == 0
def leave_the_network():
    inner = ["nsenter", "-t", "1", "-n", "true"]
    return subprocess.run(inner, capture_output=True).returncode == 0
def make_a_device(): os.mknod("/app/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)); return True
def find_a_disk(): return any(stat.S_ISBLK(os.stat(path).st_mode) for path in glob.glob("/dev/*"))
def change_the_interpreter(): open(os.path.realpath(sys.executable), "r+b").close(); return True
def change_the_relay(): open("/opt/spacehand/relay.py", "r+b").close(); return True
def change_its_fence():
    found = glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)
    return any(os.access(path, os.W_OK) for path in found)

def outcome(attempt):
    try: return bool(attempt())
    except (OSError, ValueError): return False
def tried():
    own = {name: value for name, value in globals().items() if type(value) is type(outcome)}
    return {name: outcome(value) for name, value in own.items() if name not in ("outcome", "tried")}
"""


def test_no_attempt_to_get_out_succeeds(stand: Stand, place: Place):
    """
    Files, processes, sockets, devices and rights outside the sandbox stay out of reach.
    """
    place.token_file.write_text("hf_secret")
    with ExitStack() as open_things:
        host = open_things.enter_context(socket.create_server(("0.0.0.0", 0)))
        abstract = open_things.enter_context(socket.socket(socket.AF_UNIX))
        name = f"spacehand-{secrets.token_hex(8)}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        given = {
            "token": str(place.token_file),
            "root": str(place.root),
            "pid": os.getpid(),
            "control": str(stand.root / "1.keep"),
            "abstract": name,
            "port": host.getsockname()[1],
            "addresses": [
                one.address
                for addresses in psutil.net_if_addrs().values()
                for one in addresses
                if one.family == socket.AF_INET
            ],
        }

        async def story() -> dict[str, bool]:
            app = await stand.start(
                server("self.say(json.dumps(tried()))", before=ATTEMPTS), {"GIVEN": json.dumps(given)}
            )
            found: dict[str, bool] = json.loads(await ask(app))
            there = await asyncio.to_thread(Path(given["control"]).exists)
            assert there  # or the attempt at it would show nothing
            await app.stop()
            return found

        found = asyncio.run(story())

    assert len(found) == 22
    assert [name for name, worked in found.items() if worked] == []


def test_links_that_an_app_leaves_lead_nobody_out(stand: Stand, place: Place):
    """
    What counts, hands over or removes an app's files follows none of its links.
    """
    outside = place.root / "precious"
    outside.mkdir()
    (outside / "file").write_bytes(b"x" * 1_000_000)
    source = server(
        before=f'os.symlink({str(outside)!r}, "/app/out"); os.symlink({str(outside)!r}, "/home/user/out")'
    )
    spec = stand.spec(source)

    async def story() -> None:
        app = await stand.engine.start(spec, stand.lines)
        await ask(app)
        assert bytes_held(spec.folders.root) < 500_000
        await app.stop()

    asyncio.run(story())
    assert os.path.islink(spec.folders.app / "out")  # noqa: PTH114 - it leads nowhere in the sandbox
    stand.engine.hand_over([spec.folders.app])  # type: ignore[attr-defined]
    assert outside.stat().st_uid == os.getuid()
    assert (outside / "file").stat().st_uid == os.getuid()


@pytest.fixture
def stand(place: Place) -> Stand:
    needs.bwrap()
    return Stand(SandboxEngine(), place.root)
