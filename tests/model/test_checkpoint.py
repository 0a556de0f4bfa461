"""A training that saved checkpoints, but no final model, is published as the one that counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.model import make

from spacehand.model.artifact import Model
from spacehand.model.selection import select
from spacehand.model.training import Training

STEPS = (90, 100, 200)


def _training(output: Path, *, best: str | None) -> Path:
    """Write what a Trainer leaves behind; its paths are of the machine that it ran on."""
    for step in STEPS:
        folder = output / f"checkpoint-{step}"
        make.full(folder, fill=step)
        state = {
            "best_metric": 0.25 if best else None,
            "best_model_checkpoint": best and f"/scratch/runs/7/{best}",
            "log_history": [{"step": at, "eval_loss": at / 1000} for at in STEPS if at <= step],
        }
        (folder / "trainer_state.json").write_text(json.dumps(state))
        (folder / "optimizer.pt").touch()
        (folder / "rng_state.pth").touch()
        (folder / "training_args.bin").touch()
    (output / "args.json").write_text(json.dumps({"learning_rate": 3e-5}))
    (output / "all_results.json").write_text(json.dumps({"eval_loss": 9.0}))
    return output


@pytest.mark.parametrize(
    ("best", "taken", "why"),
    [
        ("checkpoint-100", "checkpoint-100", "the best by the training's own measure, at 0.25"),
        ("checkpoint-100/", "checkpoint-100", "the best by the training's own measure, at 0.25"),
        ("checkpoint-150", "checkpoint-200", "the last of 3, as no best was recorded"),
        (None, "checkpoint-200", "the last of 3, as no best was recorded"),
    ],
)
def test_the_best_checkpoint_is_taken_else_the_last(tmp_path: Path, best: str, taken: str, why: str):
    """
    It is the best that is still there, or the last by its number; the reason is said.
    """
    model = Model.open(_training(tmp_path, best=best))

    assert model.folder == tmp_path / taken
    assert model.warnings == (f"`{taken}` is taken: {why}",)


def test_a_checkpoint_brings_its_own_results_and_the_settings_of_its_training(tmp_path: Path):
    """
    Figures of the training's end are not those of an earlier checkpoint; its settings are.
    """
    model = Model.open(_training(tmp_path, best="checkpoint-100"))

    training = Training.load(model.folder)

    assert training.metrics["eval_loss"] == 0.1
    assert training.settings["learning_rate"] == 3e-5


def test_of_a_checkpoint_only_the_model_goes_public(tmp_path: Path):
    """
    Optimizer, random state and the pickle of settings stay at home.
    """
    found = select(Model.open(_training(tmp_path, best=None)))

    there = {file.path for file in found.files}
    assert "model.safetensors" in there
    assert "training_results/trainer_state.json" in there
    assert not any(path.endswith((".pt", ".pth", ".bin")) for path in there)
    assert {skipped.path for skipped in found.skipped} >= {
        "optimizer.pt",
        "rng_state.pth",
        "training_args.bin",
    }


@pytest.mark.parametrize("same", [True, False])
def test_final_weights_are_taken_and_better_ones_are_named(tmp_path: Path, same: bool):
    """
    A final model is what the training is for; that another checkpoint measured better is said.
    """
    _training(tmp_path, best="checkpoint-100")
    make.full(tmp_path, fill=100 if same else 200)
    (tmp_path / "trainer_state.json").write_text((tmp_path / "checkpoint-200/trainer_state.json").read_text())

    model = Model.open(tmp_path)

    assert model.folder == tmp_path
    assert any("`checkpoint-100`" in warning for warning in model.warnings) is not same
