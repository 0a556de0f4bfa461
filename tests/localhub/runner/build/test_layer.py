"""A layer is there whole or not at all, and made once for all who need it."""

from __future__ import annotations

import asyncio
import os
import venv
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from spacehand.localhub.runner.build.interpreter import current
from spacehand.localhub.runner.build.layer import Layer, Layers


async def fill(folder: Path) -> None:
    """Make a virtual environment without packages, with one module of our own."""
    await asyncio.to_thread(venv.create, folder / "venv")
    site = next((folder / "venv/lib").glob("python*/site-packages"))
    (site / "thing.py").write_text("X = 1\n")
    (folder / "lock.txt").write_text("thing==1\n")


def test_ten_builds_of_one_lock_install_once(tmp_path: Path):
    """
    Builds that need the same layer at the same time wait for one installation.
    """
    layers, calls = Layers(tmp_path), []

    async def counted(folder: Path) -> None:
        calls.append(folder)
        await asyncio.sleep(0)
        (folder / "lock.txt").touch()

    async def story() -> list[tuple[Layer, bool]]:
        return await asyncio.gather(*(layers.make("key", counted) for _ in range(10)))

    made = asyncio.run(story())
    assert (len(calls), sum(new for _, new in made)) == (1, 1)
    assert {layer.folder for layer, _ in made} == {tmp_path / "key"}


def test_failed_installation_leaves_nothing(tmp_path: Path):
    """
    A layer whose installation failed has no name and no files, and can be tried again.
    """
    layers = Layers(tmp_path)

    async def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        asyncio.run(layers.make("key", fail))
    assert list(tmp_path.iterdir()) == []
    assert layers.find("key") is None


def test_half_made_layers_of_a_killed_hub_are_swept(tmp_path: Path):
    """
    What has no name yet goes at the next start; complete layers stay.
    """
    (tmp_path / ".new-abc").mkdir()
    (tmp_path / "key").mkdir()
    (tmp_path / "key/lock.txt").touch()
    layers = Layers(tmp_path)
    layers.sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_settling_writes_byte_code_whatever_the_hubs_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    PYTHONDONTWRITEBYTECODE of the Hub's own environment does not keep a layer slow.
    """
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    layer = settled(Layers(tmp_path), fill)
    assert layer.is_compiled
    assert [path for path in layer.venv.rglob("thing.*.pyc") if os.access(path, os.R_OK)]


def test_settling_runs_nothing_of_the_packages(tmp_path: Path):
    """
    What a package left to be run at the start of its Python is not run when its byte code is written.
    """

    async def trapped(folder: Path) -> None:
        await fill(folder)
        site = next((folder / "venv/lib").glob("python*/site-packages"))
        (site / "trap.pth").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")

    layers = Layers(tmp_path / "layers")
    (tmp_path / "layers").mkdir()
    layer = settled(layers, trapped)
    assert list(layer.venv.rglob("thing.*.pyc"))
    assert not (tmp_path / "ran").exists()


def test_settling_writes_nowhere_else(tmp_path: Path):
    """
    A layer with a link out of it gets no byte code, since that would be written to where the link leads.
    """
    victim = tmp_path / "victim"
    victim.mkdir()

    async def linked(folder: Path) -> None:
        await fill(folder)
        site = next((folder / "venv/lib").glob("python*/site-packages"))
        (site / "__pycache__").symlink_to(victim)

    layers = Layers(tmp_path / "layers")
    (tmp_path / "layers").mkdir()
    settled(layers, linked)
    assert list(victim.iterdir()) == []


def test_a_layer_that_a_power_failure_may_have_torn_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    A layer of an earlier boot counts only if it was brought to the disk; of this boot it counts at once.
    """
    layers = Layers(tmp_path)

    async def make(key: str) -> bool:
        return (await layers.make(key, fill))[1]

    assert (asyncio.run(make("torn")), asyncio.run(make("torn"))) == (True, False)
    settled(layers, fill, key="whole")
    monkeypatch.setattr("spacehand.localhub.runner.build.layer._boot", lambda: "another boot")
    assert (asyncio.run(make("torn")), asyncio.run(make("whole"))) == (True, False)


def test_layers_nobody_uses_go_but_for_the_last_ones(tmp_path: Path):
    """
    Kept are the layers of Spaces, those that an app still runs from, and the five used last.
    """
    layers = Layers(tmp_path)
    for number in range(10):
        folder = tmp_path / f"layer{number}"
        (folder / "venv").mkdir(parents=True)
        (folder / "lock.txt").touch()
        os.utime(folder, (number, number))
    layers.hold(tmp_path / "layer1/venv")
    layers.find("layer2")

    assert sorted(layers.prune({"layer0"})) == ["layer3", "layer4", "layer5"]

    assert {path.name for path in tmp_path.iterdir()} == {f"layer{n}" for n in (0, 1, 2, 6, 7, 8, 9)}


def settled(layers: Layers, install: Callable[[Path], Awaitable[None]], key: str = "key") -> Layer:
    """Return a new layer, settled."""

    async def story() -> Layer:
        layer, _ = await layers.make(key, install)
        assert not layer.is_compiled
        await layers.settle(layer, current())
        return layer

    return asyncio.run(story())
