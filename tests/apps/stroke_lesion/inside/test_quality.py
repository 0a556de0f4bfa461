"""How well the engines do on synthetic cases that none of them has met."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from stroke_deepisles_demo import synth
from stroke_deepisles_demo.engines import voxel
from stroke_deepisles_demo.engines.threshold import thresholded
from stroke_deepisles_demo.measures import dice
from stroke_deepisles_demo.training import TEST_SEEDS, TRAINING_SEEDS, scan_of, train

PALE = 1001  # half of its lesion has an ADC above the rule's mark, in any quality


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> voxel.VoxelModel:
    """The model as `stroke-demo train` makes it."""
    folder = train(tmp_path_factory.mktemp("model") / "voxel", report=lambda text: None)
    assert {path.suffix for path in folder.iterdir()} == {".onnx", ".json"}  # no pickle
    return voxel.load_model(str(folder))


def by_rule(scan) -> np.ndarray:
    return thresholded(scan.dwi, scan.adc, scan.brain, scan.voxel_ml)


def test_unseen_cases(model: voxel.VoxelModel):
    """
    On 20 cases of other seeds the rule reaches a mean Dice of 0.75, the trained model 0.88.
    """
    assert not set(TEST_SEEDS) & set(TRAINING_SEEDS)
    reached = []
    for seed in TEST_SEEDS:
        case = synth.make_case(seed)
        scan = scan_of(case)
        reached.append((dice(by_rule(scan), case.lesion), dice(model.lesions(scan), case.lesion)))
    rule, trained = (statistics.fmean(column) for column in zip(*reached, strict=True))

    assert len(reached) == 20
    assert rule >= 0.75, reached
    assert trained >= 0.88, reached


@pytest.mark.parametrize("seed", sorted({*TEST_SEEDS[:6]} - {PALE}))
def test_without_noise_and_partial_voxels(model: voxel.VoxelModel, seed: int):
    """
    On a case with neither noise nor voxels that are lesion in part, both engines find all but a twentieth.
    """
    case = synth.make_case(seed, synth.Quality.IDEAL)
    scan = scan_of(case)

    assert dice(by_rule(scan), case.lesion) >= 0.95
    assert dice(model.lesions(scan), case.lesion) >= 0.95


def test_the_reference_is_what_is_lesion_by_half():
    """
    A soft edge moves no reference outwards: it differs from the sharp one by its thin parts only, and noise
    changes nothing in it.
    """
    scanned, free, ideal = (synth.make_case(3, quality).lesion for quality in synth.Quality)

    assert np.array_equal(scanned, free)
    assert 0.9 < dice(free, ideal) < 1
    assert free.sum() <= ideal.sum()


def test_a_case_is_the_same_each_time():
    """
    A seed stands for one case, and another one for another.
    """
    once, again, other = synth.make_case(7), synth.make_case(7), synth.make_case(8)

    assert np.array_equal(once.dwi, again.dwi)
    assert not np.array_equal(once.dwi, other.dwi)
    assert once.facts()["Synthetic"] is True
