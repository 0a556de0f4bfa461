"""The local Hub as a process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from spacehand.errors import ConflictError, HubUnreachableError, PortInUseError
from spacehand.ids import RepoId, RepoKind
from spacehand.localhub import server
from spacehand.localhub._uvicorn import listen_inside
from spacehand.localhub.hub import LocalHub
from spacehand.localhub.server import Running, ServerOptions
from spacehand.localhub.store.place import Place
from tests.conftest import HubProcess


def test_all_survives_a_kill(fresh_hub: HubProcess):
    """
    After `kill -9` the same token finds the same repositories, at the same address.
    """
    api = fresh_hub.start().api
    api.create_repo("ada/tiny")
    api.create_repo("ada/old", repo_type="dataset", private=True)
    api.move_repo("ada/old", "ada/new", repo_type="dataset")
    head, url = api.model_info("ada/tiny").sha, fresh_hub.url

    fresh_hub.kill()
    fresh_hub.start()

    assert fresh_hub.url == url
    assert api.model_info("ada/tiny").sha == head
    assert api.dataset_info("ada/old").id == "ada/new"


def test_what_a_killed_hub_left_half_made_is_swept_up(fresh_hub: HubProcess):
    """
    Uploads on their way and repositories without a row are gone after the next start; the others stay.
    """
    fresh_hub.start().api.create_repo("ada/tiny")
    fresh_hub.kill()
    place = Place(fresh_hub.data)
    kept = list(place.repos.iterdir())
    (place.incoming / "half").write_bytes(b"x")
    (place.incoming / "half.git").mkdir()
    place.git("0123").mkdir()

    fresh_hub.start()

    assert list(place.incoming.iterdir()) == []
    assert list(place.repos.iterdir()) == kept


def test_the_description_tells_where_the_hub_is(fresh_hub: HubProcess):
    """
    `hub.json` names url, pid and token file, is readable by its owner alone, and leaves with the Hub.
    """
    fresh_hub.start()
    file = Place(fresh_hub.data).description
    described = json.loads(file.read_text())

    assert (described["url"], described["pid"]) == (fresh_hub.url, fresh_hub.pid)
    assert Path(described["token_file"]).read_text().strip() == fresh_hub.token
    for private in (file, Place(fresh_hub.data).token_file):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert server.running(fresh_hub.data) == Running(fresh_hub.url, fresh_hub.pid, fresh_hub.token)

    fresh_hub.stop()

    assert not file.exists()
    assert server.running(fresh_hub.data) is None


def test_a_killed_hub_is_not_running(fresh_hub: HubProcess):
    """
    A description whose process is gone is not believed.
    """
    fresh_hub.start()
    fresh_hub.kill()

    assert Place(fresh_hub.data).description.exists()
    assert server.running(fresh_hub.data) is None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, how: signal.Signals):
    """
    SIGTERM and Ctrl-C end the Hub with status 0 and nothing on stderr.
    """
    command = server.command(ServerOptions(tmp_path / "hub", port=0))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://127.0.0.1:")

    process.send_signal(how)
    rest, complaints = process.communicate(timeout=30)

    assert (process.returncode, rest, complaints) == (0, "", "")


def test_an_open_log_does_not_hold_up_the_end(fresh_hub: HubProcess):
    """
    Whoever follows a Space's log or events is hung up on when the Hub ends: one that ends in order would
    be over for good, and the official client comes back after a broken one.
    """
    fresh_hub.start().api.create_repo("ada/demo", repo_type="space", space_sdk="static")
    followers = []
    for what in ("logs/run", "events"):
        connection = http.client.HTTPConnection("127.0.0.1", fresh_hub.port)
        token = {"Authorization": f"Bearer {fresh_hub.token}"}
        connection.request("GET", f"/api/spaces/ada/demo/{what}", headers=token)
        followers.append(connection.getresponse())

    fresh_hub.stop()

    for follower in followers:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            follower.read()
    assert fresh_hub.log == ""


def test_only_loopback_is_listened_to(local_hub: HubProcess):
    """
    Nobody on the network can reach the Hub.
    """
    state, wanted = "0A", f"0100007F:{local_hub.port:04X}"
    listening = [line.split()[1:4:2] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]

    assert [local for local, st in listening if st == state and local.endswith(wanted[8:])] == [wanted]


def test_the_hub_answers_on_its_unix_socket(local_hub: HubProcess):
    """
    The same Hub answers where sandboxed Spaces reach it; the folder above is closed to other users.
    """
    place = Place(local_hub.data)
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(place.socket))

    connection.request("GET", "/api/spacehand/alive")
    answer = connection.getresponse()

    assert json.loads(answer.read())["pid"] == local_hub.pid
    connection.close()
    assert stat.S_IMODE(place.socket.stat().st_mode) == 0o666
    assert stat.S_IMODE(place.root.stat().st_mode) == 0o700


def test_the_unix_socket_may_lie_deep(tmp_path: Path):
    """
    A data folder with a long name works, though a unix address holds only 107 bytes.
    """
    folder = tmp_path / ("d" * 120)
    folder.mkdir()

    with listen_inside(folder / "hub.sock"):
        assert stat.S_ISSOCK((folder / "hub.sock").stat().st_mode)


def test_a_taken_port_is_named(tmp_path: Path):
    """
    Another program on the port is an error that says which port and how to choose another.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"Port {port} is in use") as raised:
            server.serve(ServerOptions(tmp_path / "hub", port=port))

    assert "--port" in str(raised.value.hint)


def test_two_hubs_never_share_a_folder(local_hub: HubProcess):
    """
    The second server of a folder is told where the first one is, and touches nothing.
    """
    for port in (0, local_hub.port):
        with pytest.raises(ConflictError, match=f"already running at {local_hub.url}"):
            server.serve(ServerOptions(local_hub.data, port=port))


def test_start_in_the_background_and_stop(tmp_path: Path):
    """
    `start_detached` returns a Hub that answers, also when one runs already; `stop` ends it.
    """
    options = ServerOptions(tmp_path / "hub", port=0, owner="ada")

    found = server.start_detached(options)
    try:
        assert server.running(options.data) == found
        assert server.start_detached(options) == found
        assert os.getsid(found.pid) == found.pid  # Ctrl-C in the terminal does not reach it
    finally:
        assert server.stop(options.data)

    assert server.running(options.data) is None
    assert not server.stop(options.data)


def test_a_hub_comes_back_where_it_was(tmp_path: Path):
    """
    The port a Hub had last is its usual one, also after a clean stop; at first it is the default.
    """
    options = ServerOptions(tmp_path / "hub", port=0, owner="ada")
    assert server.usual_port(options.data) == server.DEFAULT_PORT

    found = server.start_detached(options)
    server.stop(options.data)

    assert found.url.endswith(f":{server.usual_port(options.data)}")


def test_a_start_on_a_taken_port_is_refused(tmp_path: Path):
    """
    A Hub that cannot have its port says so to whoever started it, and leaves nothing behind.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(PortInUseError, match="is in use by another program"):
            server.start_detached(ServerOptions(tmp_path / "hub", port=other.getsockname()[1]))
    assert not (tmp_path / "hub").exists()


def test_a_detached_hub_has_no_secret_of_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    What the shell keeps for other programs is not in the environment of a Hub that outlives it.
    """
    for name in ("HF_TOKEN", "SPACE_READ_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "canary-9b2e")
    running = server.start_detached(ServerOptions(tmp_path / "hub", port=0))
    try:
        environ = Path(f"/proc/{running.pid}/environ").read_bytes()
    finally:
        server.stop(tmp_path / "hub")

    assert b"canary-9b2e" not in environ
    assert b"PATH=" in environ


def test_a_failed_start_tells_the_last_words(tmp_path: Path):
    """
    A Hub that cannot start says why to whoever started it.
    """
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "hub.sqlite").mkdir()

    with pytest.raises(HubUnreachableError, match="unable to open database file"):
        server.start_detached(ServerOptions(tmp_path / "hub", port=0))


def test_no_token_is_ever_written_to_the_log(fresh_hub: HubProcess):
    """
    Neither good nor wrong tokens reach the server's log, nor its database in the clear.
    """
    api = fresh_hub.start().api
    api.create_repo("ada/tiny")
    token, canary = fresh_hub.token, "hf_canaryCanaryCanaryCanaryCanary"
    connection = http.client.HTTPConnection("127.0.0.1", fresh_hub.port)
    for path in ("/api/whoami-v2", "/api/nothing", "/%00"):
        connection.request("GET", path, headers={"Authorization": f"Bearer {canary}"})
        connection.getresponse().read()
    connection.close()

    fresh_hub.stop()

    kept = fresh_hub.log.encode() + b"".join(p.read_bytes() for p in fresh_hub.data.glob("hub.sqlite*"))
    assert token.encode() not in kept
    assert canary.encode() not in kept


def test_the_default_owner_is_a_valid_name(monkeypatch: pytest.MonkeyPatch):
    """
    Whatever the login name, the owner's name can be part of an address.
    """
    monkeypatch.setattr("getpass.getuser", lambda: "Ada.Lovelace@corp--x")

    assert server.default_owner() == "Ada-Lovelace-corp-x"


def test_listeners_hear_of_each_change(opened_hub: LocalHub):
    """
    `announce` tells every listener, from whichever thread, and the repository counts as changed.
    """
    heard: list[tuple[str, str]] = []
    opened_hub.pushed.append(lambda _repo, branch, sha: heard.append((branch, sha)))
    repo = opened_hub.repos.create(RepoKind.MODEL, RepoId("ada", "tiny"))

    thread = threading.Thread(target=opened_hub.announce, args=(repo, "main", "abc"))
    thread.start()
    thread.join()

    assert heard == [("main", "abc")]
    assert opened_hub.repos.by_uid(repo.uid).modified > repo.modified
