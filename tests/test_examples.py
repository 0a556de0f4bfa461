"""The trained model among the examples is what its files say it is."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from spacehand.model.artifact import Model, ModelKind
from spacehand.space.spec import SpaceSpec

EXAMPLES = Path(__file__).parent.parent / "examples"
KEYS = EXAMPLES / "telephone-keys"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script that trained it."""
    spec = importlib.util.spec_from_file_location("telephone_keys_train", KEYS / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def test_the_results_beside_the_weights_were_measured_on_them(script: ModuleType):
    """
    Measured again, the committed weights give the figures that the committed results claim.
    """
    weights = script.load_weights(KEYS / "model.safetensors")
    settings = json.loads((KEYS / "training_config.json").read_text())
    claimed = json.loads((KEYS / "eval_results.json").read_text())

    measured = script.measure(weights, seed=settings["seed"] + 1)

    assert len(measured) == len(script.NOISES)
    for name, value in measured.items():
        assert claimed[name] == pytest.approx(value, abs=0.002), name


def test_the_folder_is_a_model_with_a_loss_history():
    """
    The example is a whole model folder: weights, configuration, and how the training went.
    """
    model = Model.open(KEYS)
    history = json.loads((KEYS / "trainer_state.json").read_text())["log_history"]

    assert model.kind is ModelKind.FULL
    assert len([record for record in history if "loss" in record]) == 30
    assert history[0]["loss"] > history[-2]["loss"]


def test_the_app_is_proved_by_a_recording_it_brings():
    """
    The example's app has a probe, and the recording that the probe sends is there.
    """
    spec = SpaceSpec.load(EXAMPLES / "telephone-keys-app")

    assert spec.probe.api == "/listen"
    assert (spec.folder / str(spec.probe.inputs[0])).is_file()
