"""What DeepISLES is told, and what is made of what it says."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from stroke_deepisles_demo.engines.deepisles import Options, contributed
from stroke_deepisles_demo.engines.deepisles_container import IMAGE, ContainerEngine
from stroke_deepisles_demo.errors import EngineTimeout, ImageError


def test_the_command_line_is_the_one_deepisles_reads():
    """
    Names have values, options are flags without any, and the container has no network.
    """
    staged = {"dwi": Path("dwi.nii.gz"), "adc": Path("adc.nii.gz"), "flair": Path("flair.nii.gz")}

    words = ContainerEngine(Options(fast=True, parallelize=False)).command("name", Path("/cases/1"), staged)

    assert words[words.index("--volume") + 1] == "/cases/1:/app/data"
    assert words[words.index("--network") + 1] == "none"
    assert words[words.index(IMAGE) + 1 :] == [
        *(
            "--dwi_file_name",
            "dwi.nii.gz",
            "--adc_file_name",
            "adc.nii.gz",
            "--flair_file_name",
            "flair.nii.gz",
        ),
        *("--fast", "--parallelize"),
    ]


@pytest.mark.parametrize(("parallelize", "flags"), [(True, []), (False, ["--parallelize"])])
def test_parallelize_means_its_opposite(parallelize: bool, flags: list[str]):
    """
    DeepISLES works in parallel unless `--parallelize` is named.
    """
    assert Options(parallelize=parallelize).flags() == flags


@pytest.mark.parametrize(
    ("log", "has_flair", "fast", "who"),
    [
        ("", True, False, ("SEALS", "NVAUTO", "FACTORIZER")),
        ("", False, False, ("SEALS",)),
        ("", True, True, ("SEALS",)),
        ("nvauto failed\nReturning results from SEALS...", True, False, ("SEALS",)),
        ("Returning results from NVAUTO", True, False, ("NVAUTO",)),
    ],
)
def test_only_models_that_contributed_are_named(log: str, has_flair: bool, fast: bool, who: tuple[str, ...]):
    """
    A result of one model is never called the ensemble's; where that was not asked for, a note says so.
    """
    names, notes = contributed(log, has_flair=has_flair, fast=fast)

    assert names == who
    assert bool(notes) == (len(who) == 1)


def test_errors_survive_the_way_from_a_worker():
    """
    An error that a worker process raises has its sentence and its hint in the app as well.
    """
    for kind in (ImageError, EngineTimeout):
        sent = pickle.dumps(kind("The DWI is missing", hint="Choose one"))
        again = pickle.loads(sent)  # noqa: S301 - as the queue does it
        assert type(again) is kind
        assert (again.message, again.hint) == ("The DWI is missing", "Choose one")
