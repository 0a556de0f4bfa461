"""A layer is there whole or not at all, and made once for all who need it."""

from __future__ import annotations

import asyncio
import os
import venv
from pathlib import Path

import pytest

from spacehand.localhub.runner.layer import Layer, Layers


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


def test_compiling_writes_byte_code_whatever_the_hubs_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    PYTHONDONTWRITEBYTECODE of the Hub's own environment does not keep a layer slow.
    """
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    layers = Layers(tmp_path)

    async def story() -> Layer:
        layer, _ = await layers.make("key", fill)
        assert not layer.is_compiled
        await layers.compile(layer)
        return layer

    layer = asyncio.run(story())
    assert layer.is_compiled
    assert [path for path in layer.venv.rglob("thing.*.pyc") if os.access(path, os.R_OK)]
