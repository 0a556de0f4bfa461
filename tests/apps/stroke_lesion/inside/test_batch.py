"""Cohorts: begun again, they go on; a bad case stops nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from stroke_deepisles_demo.cli import main
from tests.apps.stroke_lesion.images import head, save


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Three cases, the second of which has half an ADC map."""
    made = head()
    for name in ("sub-a", "sub-b", "sub-c"):
        save(made.dwi, tmp_path / f"cases/Images-DWI/{name}_dwi.nii.gz")
        adc = save(made.adc, tmp_path / f"cases/Images-ADC/{name}_adc.nii.gz")
        save(made.lesion.astype("uint8"), tmp_path / f"cases/Masks/{name}_lesion-msk.nii.gz")
        if name == "sub-b":
            adc.write_bytes(adc.read_bytes()[:20_000])
    return tmp_path / "cases"


def test_a_cohort_goes_on_where_it_was(cohort: Path, tmp_path: Path):
    """
    The bad case is named and the others are done; once it is mended, only it is computed.
    """
    out = tmp_path / "out"
    words = ["batch", str(cohort), "--workers", "2", "--output", str(out)]

    first = CliRunner().invoke(main, words)
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/result.json")}
    save(head().adc, cohort / "Images-ADC/sub-b_adc.nii.gz")
    second = CliRunner().invoke(main, [*words, "--json"])

    assert first.exit_code == 1
    assert "2/3 sub-b: error: " in first.stderr
    assert "Done: 2" in first.stdout
    assert len(before) == 2
    assert second.exit_code == 0, second.stderr
    told = json.loads(second.stdout)
    assert (told["done"], told["failed"]) == (3, 0)
    assert second.stderr.count("done before") == 2
    assert before.items() <= {path: path.stat().st_mtime_ns for path in out.glob("*/result.json")}.items()
    lines = (out / "batch.csv").read_text().splitlines()
    assert lines[0] == "# Not for clinical use"
    assert [(row["case"], row["error"]) for row in csv.DictReader(lines[1:])] == [
        ("sub-a", ""),
        ("sub-b", ""),
        ("sub-c", ""),
    ]


def test_a_cohort_of_nobody_is_an_error(tmp_path: Path):
    """
    A folder whose files are named otherwise is not a cohort that went well.
    """
    for role in ("DWI", "ADC"):
        save(head().dwi, tmp_path / f"Images-{role}/patient_{role.lower()}.nii.gz")

    done = CliRunner().invoke(main, ["batch", str(tmp_path), "--output", str(tmp_path / "out")])

    assert done.exit_code == 1
    assert "holds no case" in done.stderr
