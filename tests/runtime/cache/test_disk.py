"""The cache on disk: shared between processes, checked before it is believed, clean after a death."""

import os
import pickle
import random
import signal
import stat
import struct
import subprocess
import sys
import time

import pytest

from spacehand_runtime import Cache, SharedFailureError, UncacheableError
from spacehand_runtime.cache import disk
from spacehand_runtime.codec import signed
from spacehand_runtime.key import digest

WORKER = """
import os, sys, time
from pathlib import Path
from spacehand_runtime import Cache
folder, what = Path(sys.argv[1]), sys.argv[2]
cache = Cache(directory=folder / "cache")
def run():
    with (folder / "runs").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    if what == "fork" and len((folder / "runs").read_text().split()) == 1 and not (child := os.fork()):
        (folder / "child").write_text(str(os.getpid()))
        time.sleep(60)
        os._exit(0)
    while not (folder / "go").exists():
        time.sleep(0.005)
    if what == "fail":
        raise LookupError("no such patient")
    return os.getpid()
(folder / f"ready-{os.getpid()}").touch()
try:
    print(cache.get_or_compute("key", run))
except Exception as error:
    print(type(error).__name__, error)
"""

WRITER = """
import sys
from spacehand_runtime import Cache
cache = Cache(directory=sys.argv[1], max_bytes="1MB")
number = int(sys.argv[2])
while True:
    cache.get_or_compute(f"k{number}", lambda: {"n": number, "data": number.to_bytes(4, "little") * 100_000})
    print(number, flush=True)
    number += 1
"""


@pytest.fixture
def processes():
    started = []

    def start(program, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def until(condition, seconds=60.0):
    """Wait for *condition* and return the seconds it took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            pytest.fail("it never came to be")
        time.sleep(0.005)
    return time.monotonic() - start


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def entries(folder):
    return list((folder / "spacehand-cache-1" / "entries").iterdir())


def leftovers(folder):
    home = folder / "spacehand-cache-1"
    return [*(home / "writing").iterdir(), *(home / "claims").iterdir()]


@pytest.mark.parametrize("what", ["work", "fail"])
def test_four_processes_run_it_once(processes, tmp_path, what):
    """
    The others wait for the result, or the failure, of the one that computes.
    """
    asking = [processes(WORKER, tmp_path, what) for _ in range(4)]
    until(lambda: len(list(tmp_path.glob("ready-*"))) == 4 and lines(tmp_path / "runs"))
    time.sleep(0.2)  # so that the others are waiting; were they late, they could only add runs
    (tmp_path / "go").touch()
    answers = [process.communicate(timeout=30)[0].strip() for process in asking]

    [owner] = lines(tmp_path / "runs")
    if what == "work":
        assert answers == [owner] * 4
    else:
        message = "LookupError: no such patient"
        assert sorted(answers) == ["LookupError no such patient"] + [f"SharedFailureError {message}"] * 3


@pytest.mark.parametrize("what", ["work", "fork"])
def test_a_dead_owner_is_replaced_within_a_second(processes, tmp_path, what):
    """
    Whoever waits takes over when the one that computes is killed, even if a child that it forked lives on.
    """
    asking = [processes(WORKER, tmp_path, what) for _ in range(2)]
    until(lambda: len(list(tmp_path.glob("ready-*"))) == 2 and lines(tmp_path / "runs"))
    until(lambda: what == "work" or lines(tmp_path / "child"))
    owner = int(lines(tmp_path / "runs")[0])
    try:
        os.kill(owner, signal.SIGKILL)
        seconds = until(lambda: len(lines(tmp_path / "runs")) == 2)
        (tmp_path / "go").touch()

        [other] = [process for process in asking if process.pid != owner]
        assert other.communicate(timeout=30)[0].strip() == str(other.pid)
        assert seconds < 1.0
    finally:
        for child in lines(tmp_path / "child"):
            os.kill(int(child), signal.SIGKILL)


def test_an_owner_that_shows_no_sign_of_life_is_replaced_after_its_lease(processes, tmp_path):
    """
    A stopped process holds its claim no longer than the lease.
    """
    owner = processes(WORKER, tmp_path, "work")
    until(lambda: lines(tmp_path / "runs"))
    os.kill(owner.pid, signal.SIGSTOP)
    try:
        cache = Cache(directory=tmp_path / "cache", lease=0.5)

        assert cache.get_or_compute("key", lambda: "mine") == "mine"
    finally:
        os.kill(owner.pid, signal.SIGCONT)


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_writers_leave_nothing_torn_lost_or_behind(processes, tmp_path, kills):
    """
    After each SIGKILL all acknowledged results are whole, and a new start sweeps the rest away.
    """
    chance = random.Random(4)  # noqa: S311
    acknowledged = 0
    for _ in range(kills):
        writer = processes(WRITER, tmp_path, acknowledged)
        for _ in range(chance.randint(1, 4)):
            acknowledged = int(writer.stdout.readline()) + 1
        time.sleep(chance.random() * 0.02)  # somewhere within a write
        writer.kill()
        said = writer.stdout.read().splitlines()
        acknowledged = max([acknowledged, *(int(line) + 1 for line in said if line.isdigit())])

    cache = Cache(directory=tmp_path)

    assert leftovers(tmp_path) == []
    for number in range(acknowledged):
        found = cache.get_or_compute(f"k{number}", lambda: None)
        assert found == {"n": number, "data": number.to_bytes(4, "little") * 100_000}
    assert cache.get_stats()["corrupt"] == 0


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("rounds", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_damaged_file_is_never_believed(tmp_path, rounds, compress):
    """
    A flipped bit or a lost end, anywhere, leads to a new computation, never to wrong data.
    """
    chance = random.Random(5)  # noqa: S311
    right = {"rows": list(range(500)), "data": bytes(range(256)) * 400}
    for number in range(rounds):
        Cache(directory=tmp_path, compress=compress).get_or_compute("key", lambda: right)
        [path] = entries(tmp_path)
        content = bytearray(path.read_bytes())
        if number % 2:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        else:
            del content[chance.randrange(len(content)) :]
        path.write_bytes(content)

        cache = Cache(directory=tmp_path)
        assert cache.get_or_compute("key", lambda: "again") == "again"
        assert cache.get_stats()["corrupt"] == 1
        cache.clear()


def test_damage_after_the_first_hit_is_noticed(tmp_path):
    """
    A file that changed is read again, although it was good before.
    """
    cache = Cache(directory=tmp_path)
    cache.get_or_compute("key", lambda: b"x" * 1000)
    [path] = entries(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    assert cache.get_or_compute("key", lambda: "again") == "again"


def test_a_file_under_another_name_is_not_believed(tmp_path):
    """
    One user's result, copied over another's, does not answer for it.
    """
    cache = Cache(directory=tmp_path)
    cache.get_or_compute("key", lambda: "ada's", scope="ada")
    [first] = entries(tmp_path)
    cache.get_or_compute("key", lambda: "bo's", scope="bo")
    [second] = [path for path in entries(tmp_path) if path != first]
    second.write_bytes(first.read_bytes())

    assert Cache(directory=tmp_path).get_or_compute("key", lambda: "new", scope="bo") == "new"


@pytest.mark.parametrize("zstd", [True, False])
def test_a_compressed_result_comes_back_whole(tmp_path, monkeypatch, zstd):
    """
    It takes less room, and who does not compress reads it too; without zstd, zlib does it.
    """
    from spacehand_runtime.cache import packing

    if zstd:
        pytest.importorskip("zstandard")
    else:
        monkeypatch.setitem(sys.modules, "zstandard", None)
        monkeypatch.setitem(sys.modules, "compression.zstd", None)
    packing._best.cache_clear()
    try:
        value = {"text": b"spacehand " * 100_000, "noise": random.Random(1).randbytes(5_000), "few": b"x"}  # noqa: S311
        assert Cache(directory=tmp_path, compress=True).get_or_compute("key", lambda: value) == value

        assert Cache(directory=tmp_path).get_or_compute("key", dict) == value
        [path] = entries(tmp_path)
        assert path.stat().st_size < 30_000
        assert (b'"zstd"' if zstd else b'"zlib"') in path.read_bytes()
    finally:
        packing._best.cache_clear()


class Point:
    """A type of the app's own, which only pickle can store."""

    def __init__(self, x):
        self.x = x


class Planted:
    def __reduce__(self):
        return os.mkdir, ("planted",)


def test_a_planted_pickle_never_runs(tmp_path, monkeypatch):
    """
    There is no pickle to be run: what lies there is data that is not ours.
    """
    monkeypatch.chdir(tmp_path)
    cache = Cache(directory=tmp_path / "cache")
    cache.get_or_compute("key", lambda: 1)
    [path] = entries(tmp_path / "cache")
    path.write_bytes(pickle.dumps(Planted()))

    assert Cache(directory=tmp_path / "cache").get_or_compute("key", lambda: 2) == 2
    assert not (tmp_path / "planted").exists()


def test_pickle_is_by_choice_and_sealed(tmp_path):
    """
    With a key, the app's own types are stored, for those who have the same key.
    """
    with pytest.raises(UncacheableError, match="pickle_key"):
        Cache(directory=tmp_path).get_or_compute("key", lambda: Point(1))
    mine = Cache(directory=tmp_path, pickle_key="a secret of the Space")
    mine.get_or_compute("key", lambda: {"at": [Point(7)]})

    found = Cache(directory=tmp_path, pickle_key=b"a secret of the Space").get_or_compute("key", dict)
    assert (type(found["at"][0]).__name__, found["at"][0].x) == ("Point", 7)
    with pytest.raises(ValueError, match="shorter than 16"):
        Cache(pickle_key="short")
    with pytest.raises(UncacheableError, match="cannot be pickled"):
        mine.get_or_compute("other", lambda: lambda: 1)


def test_a_pickle_with_a_false_seal_never_runs(tmp_path, monkeypatch):
    """
    Whoever writes whole files, checksum included, but has not the key, plants nothing.
    """
    monkeypatch.chdir(tmp_path)
    own = Cache(directory=tmp_path / "cache", pickle_key="a secret of the Space")
    attacker = Cache(directory=tmp_path / "cache", pickle_key="a guess of somebody")
    with monkeypatch.context() as patch:
        patch.setattr(signed.pickle, "loads", lambda _data: None)  # so that planting does not run it here
        attacker.get_or_compute("key", Planted)
    signed._signers.pop(attacker._signer.name)  # another process: its key is not known in ours
    [path] = entries(tmp_path / "cache")
    planted = path.read_bytes()
    for name in (attacker._signer.name, own._signer.name):  # as it is, and claiming to be ours
        path.write_bytes(_resealed(planted.replace(attacker._signer.name.encode(), name.encode())))
        reader = Cache(directory=tmp_path / "cache", pickle_key="a secret of the Space")

        assert reader.get_or_compute("key", lambda: "computed") == "computed"
        assert reader.get_stats()["corrupt"] == 1
        reader.clear()
    assert not (tmp_path / "planted").exists()


def _resealed(content):
    """Return *content* with a checksum that fits: it needs no key."""
    magic, algorithm, _, length, size = disk._PREAMBLE.unpack_from(content)
    hasher = digest.of_files(algorithm.rstrip(b"\0").decode())()
    hasher.update(struct.pack("<QQ", length, size))
    hasher.update(content[disk._PREAMBLE.size :])
    return (
        disk._PREAMBLE.pack(magic, algorithm, hasher.digest(), length, size) + content[disk._PREAMBLE.size :]
    )


def test_results_outlive_the_process_and_are_seen_by_others(tmp_path):
    """
    Another cache over the same folder finds them, and sees when they are replaced or forgotten.
    """
    one, other = Cache(directory=tmp_path), Cache(directory=tmp_path)
    one.get_or_compute("key", lambda: [1, "a", None, {"x": (1, 2)}])

    assert other.get_or_compute("key", lambda: None) == [1, "a", None, {"x": (1, 2)}]
    one.invalidate("key")
    assert other.get_or_compute("key", lambda: "new") == "new"
    assert one.get_or_compute("key", lambda: None) == "new"


def test_the_folder_is_its_owners_alone(tmp_path):
    """
    Results may be anybody's data: no other user of the machine can read them.
    """
    Cache(directory=tmp_path / "shared").get_or_compute("key", lambda: 1)
    home = tmp_path / "shared" / "spacehand-cache-1"

    modes = {stat.S_IMODE(path.stat().st_mode) for path in [home, *home.iterdir()]}
    assert modes == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in entries(tmp_path / "shared")} == {0o600}


def test_the_disk_holds_no_more_than_its_bytes(tmp_path):
    """
    The results used longest ago make room; the newest stays.
    """
    cache = Cache(directory=tmp_path, max_disk_bytes="1MB")
    for number in range(20):
        cache.get_or_compute(f"k{number}", lambda: b"x" * 100_000)

    stats = cache.get_stats()
    assert 500_000 < stats["disk_bytes"] <= 1_000_000
    assert stats["disk_evictions"] >= 10
    assert Cache(directory=tmp_path).get_or_compute("k19", lambda: None) is not None


def test_a_full_disk_costs_the_entry_not_the_answer(tmp_path, monkeypatch, caplog):
    """
    A result that cannot be written is given all the same, and the log says why.
    """

    def full(_file, _piece):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "_write_all", full)
    cache = Cache(directory=tmp_path)

    assert cache.get_or_compute("key", lambda: 7) == 7
    assert "No space left on device" in caplog.text
    assert leftovers(tmp_path) == []


def test_a_result_of_many_parts_is_written_whole(tmp_path, monkeypatch):
    """
    The system may take fewer bytes at once than it is given, and no more than so many parts.
    """
    system = disk.os.writev

    def takes_little(file, views):
        return system(file, [views[0][:3000]] if views[0].nbytes > 3000 else views[:3])

    monkeypatch.setattr(disk.os, "writev", takes_little)
    value = [bytes([number % 256]) * (number * 7) for number in range(1500)]
    Cache(directory=tmp_path).get_or_compute("key", lambda: value)
    monkeypatch.undo()

    assert Cache(directory=tmp_path).get_or_compute("key", list) == value


def test_a_failure_elsewhere_is_not_kept(tmp_path):
    """
    Only those who waited for it are told; the next one computes.
    """
    cache = Cache(directory=tmp_path)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute("key", lambda: 1 / 0)

    assert issubclass(SharedFailureError, Exception)
    assert Cache(directory=tmp_path).get_or_compute("key", lambda: 1) == 1


def test_what_is_used_in_memory_is_not_the_oldest_on_disk(tmp_path):
    """
    A hit in memory counts as use of the file: what everybody asks for is not evicted first.
    """
    cache = Cache(directory=tmp_path)
    cache.put("key", "asked for all day")
    [path] = entries(tmp_path)
    os.utime(path, ns=(0, path.stat().st_mtime_ns))

    assert cache.get("key") == "asked for all day"
    assert path.stat().st_atime > time.time() - 60
    assert cache.get("key") == "asked for all day"  # and is the same file still


def test_a_full_folder_is_not_measured_at_each_result(tmp_path, monkeypatch):
    """
    Once the bound is reached, some room is made, not a byte at a time.
    """
    cache = Cache(directory=tmp_path, max_disk_bytes=200_000)
    measured = []
    stats = disk.Disk._stats
    monkeypatch.setattr(disk.Disk, "_stats", lambda self: measured.append(1) or stats(self))
    for number in range(400):
        cache.put(f"k{number}", b"x" * 1000)

    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 200_000
    assert len(measured) < 100


def test_a_file_that_cannot_be_read_is_a_miss(tmp_path, monkeypatch, caplog):
    """
    Too many open files, say: the result is computed, and the file is left alone.
    """
    Cache(directory=tmp_path).put("key", "there")
    cache = Cache(directory=tmp_path)

    def refuse(*_):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "_content", refuse)
        assert cache.get("key", "missing") == "missing"

    assert "Too many open files" in caplog.text
    assert cache.get("key") == "there"


def test_no_call_takes_more_than_systems_allow(tmp_path, monkeypatch):
    """
    macOS refuses to write 2 GiB at once: what is larger goes in pieces.
    """
    system, most = disk.os.writev, 100_000

    def strict(file, views):
        assert sum(view.nbytes for view in views) <= most, "EINVAL"
        return system(file, views)

    monkeypatch.setattr(disk, "_PIECE", most)
    monkeypatch.setattr(disk.os, "writev", strict)
    Cache(directory=tmp_path).put("key", [b"x" * 350_000, b"y" * 60_000, b"z" * 60_000])
    monkeypatch.undo()

    assert Cache(directory=tmp_path).get("key") == [b"x" * 350_000, b"y" * 60_000, b"z" * 60_000]
