"""A cohort on a Ray cluster, by the command that people have."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.apps.stroke_lesion.images import head, save
from tests.apps.stroke_lesion.test_inside import python
from tests.ray_machines import closed_cluster, head_at, machine

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(900)]
__all__ = ["python"]  # a fixture


def test_a_cohort_on_a_cluster(python: Path, tmp_path: Path):
    """
    On a cluster that asks for a token a bad case stops nothing; begun again, only it is computed.
    """
    made = head()
    cohort, out = tmp_path / "cases", tmp_path / "out"
    for name in ("sub-a", "sub-b", "sub-c"):
        save(made.dwi, cohort / f"Images-DWI/{name}_dwi.nii.gz")
        adc = save(made.adc, cohort / f"Images-ADC/{name}_adc.nii.gz")
        save(made.lesion.astype("uint8"), cohort / f"Masks/{name}_lesion-msk.nii.gz")
        if name == "sub-b":
            whole = adc.read_bytes()
            adc.write_bytes(whole[:20_000])
    address, environment = closed_cluster(tmp_path)
    words = [python.parent / "stroke-demo", "batch", cohort, "--output", out, "--ray", address, "--json"]

    def batch() -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, env=os.environ | environment, capture_output=True, text=True)

    with machine(python, *head_at(address), environment=environment):
        first = batch()
        (cohort / "Images-ADC/sub-b_adc.nii.gz").write_bytes(whole)
        second = batch()

    assert first.returncode == 1, first.stderr[-3000:]
    told = json.loads(first.stdout)
    assert (told["done"], told["failed"]) == (2, 1), first.stderr[-3000:]
    (bad,) = [row for row in told["results"] if row["error"]]
    assert bad["case"] == "sub-b"
    assert "cut short" in bad["error"]
    assert second.returncode == 0, second.stderr[-3000:]
    assert json.loads(second.stdout)["done"] == 3
    assert second.stderr.count("done before") == 2
