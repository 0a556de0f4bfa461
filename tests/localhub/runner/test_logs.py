"""Logs are kept, replayed in the same order to everybody, and bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path

from spacehand.localhub.runner.logs import SpaceLog
from spacehand.localhub.runner.outlet import Outlet


def log(folder: Path, **settings: int) -> SpaceLog:
    return SpaceLog(folder, "run", now=lambda: "2026-01-01T00:00:00.000Z", **settings)


def texts(one: SpaceLog) -> list[str]:
    return [entry.data for entry in one.lines()]


def test_lines_outlive_the_hub(tmp_path: Path):
    """
    What was written is there for another process, one entry a line, each ending in a newline.
    """
    log(tmp_path).write("one\ntwo\n\nfour ü")
    assert texts(log(tmp_path)) == ["one\n", "two\n", "\n", "four ü\n"]


def test_half_a_line_left_by_a_kill_spoils_no_other(tmp_path: Path):
    """
    After a kill in mid-line the next line begins on its own.
    """
    log(tmp_path).write("whole")
    with (tmp_path / "run.jsonl").open("a") as file:
        file.write('{"data": "ha')
    log(tmp_path).write("next")
    assert texts(log(tmp_path)) == ["whole\n", "next\n"]


def test_follower_gets_everything_once_and_in_order(tmp_path: Path):
    """
    A follower sees old lines, new lines, and the lines after the file was turned over, none twice.
    """
    one = log(tmp_path, limit=2_000)
    one.write("\n".join(str(number) for number in range(10)))

    async def follow() -> list[str]:
        seen = []
        async for entry in one.follow():
            seen.append(entry.data.strip())
            if len(seen) in (10, 40):
                one.write("\n".join(str(number) for number in range(len(seen), len(seen) + 30)))
            if len(seen) == 70:
                return seen
        raise AssertionError

    assert asyncio.run(asyncio.wait_for(follow(), 10)) == [str(number) for number in range(70)]
    assert (tmp_path / "run.older.jsonl").exists()


def test_log_stays_within_its_bound(tmp_path: Path):
    """
    However much an app prints, a log takes about twice its limit, and keeps the newest lines.
    """
    one = log(tmp_path, limit=10_000)
    for number in range(2_000):
        one.write(f"line {number}")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 25_000
    assert texts(one)[-1] == "line 1999\n"


def test_a_new_log_keeps_the_one_before_aside(tmp_path: Path):
    """
    begin starts an empty log, and a follower goes on with its lines.
    """
    one = log(tmp_path)
    one.write("old")

    async def follow() -> list[str]:
        seen = []
        async for entry in one.follow():
            seen.append(entry.data)
            if entry.data == "old\n":
                one.begin()
                one.write("new")
            else:
                return seen
        raise AssertionError

    assert asyncio.run(asyncio.wait_for(follow(), 10)) == ["old\n", "new\n"]
    assert texts(one) == ["new\n"]
    assert "old" in (tmp_path / "run.previous.jsonl").read_text()


def test_a_mark_is_found_again_also_by_another_hub(tmp_path: Path):
    """
    How far each app's output got is in the log itself, also after half a line and after a new start's lines.
    """
    one = log(tmp_path)
    Outlet(one, "a")("first", "1")
    Outlet(one, "a")("second", "2")
    Outlet(one, "b")("other", "7")
    one.begin()
    one.write("a new start")
    with (tmp_path / "run.jsonl").open("a") as file:
        file.write('{"data": "half", "source": "a", "mark": "3')

    again = log(tmp_path)

    assert (Outlet(again, "a").mark, Outlet(again, "b").mark, Outlet(again, "c").mark) == ("2", "7", "")
    assert texts(again) == ["a new start\n"]
