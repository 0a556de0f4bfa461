"""What is said of a training is what somebody or some file said, by spacehand's names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spacehand.errors import ConfigError
from spacehand.model.loss_history import Point
from spacehand.model.training import Training, number


def _write(folder: Path, **files: object) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_nothing_given_is_nothing_known(tmp_path: Path):
    """
    A folder without any record of its training has no settings, no results and no curve.
    """
    training = Training.load(tmp_path)

    assert (training.settings, training.metrics, training.history) == ({}, {}, ())


def test_other_peoples_names_are_understood(tmp_path: Path):
    """
    Settings by the names of the usual trainers get the names that cards use.
    """
    said = {
        "model_name_or_path": "mistralai/Voxtral-Mini-3B-2507",
        "lr": 5e-5,
        "per_device_train_batch_size": 2,
        "num_train_epochs": 7,
        "max_steps": -1,
        "optim": "adamw_torch",
        "bf16": True,
        "output_dir": "/home/ada/out",
    }

    assert Training.load(tmp_path, config=said).settings == {
        "base_model": "mistralai/Voxtral-Mini-3B-2507",
        "learning_rate": 5e-5,
        "batch_size": 2,
        "epochs": 7,
        "optimizer": "adamw_torch",
        "precision": "bf16",
    }


@pytest.mark.parametrize("said", ["5e-6", "5e-06", "0.000005", " 5e-6 ", 5e-6, "5.0E-6", "+5e-6"])
def test_numbers_that_yaml_takes_for_text_are_numbers(said: object):
    """
    YAML reads `5e-6` as text; here it is the number it means.
    """
    assert number(said) == 5e-6


@pytest.mark.parametrize("said", ["5e", "five", "", "1.2.3", True, None, [5], "nan"])
def test_what_is_no_number_is_none(said: object):
    """
    Words, truth values and lists are not made into numbers.
    """
    assert number(said) is None


def test_yaml_and_sections_are_read(tmp_path: Path):
    """
    A YAML configuration with sections is read; the model's config.json is not taken for one.
    """
    _write(tmp_path, config__json={"learning_rate": 99})
    _write(tmp_path, config__yaml="model:\n  base_model: a/b\ntraining:\n  learning_rate: 5e-6\n  seed: 7\n")

    settings = Training.load(tmp_path).settings

    assert settings == {"base_model": "a/b", "learning_rate": 5e-6, "seed": 7}


def test_what_is_handed_over_comes_first(tmp_path: Path):
    """
    A configuration given beside the folder is preferred to the folder's, setting by setting.
    """
    _write(tmp_path, training_config__json={"learning_rate": 1, "seed": 3})
    (tmp_path / "other.yaml").write_text("learning_rate: 2\n")

    assert Training.load(tmp_path, config={"learning_rate": 4}).settings == {"learning_rate": 4, "seed": 3}
    assert Training.load(tmp_path, config=tmp_path / "other.yaml").settings["learning_rate"] == 2


def test_results_are_gathered_and_evaluation_has_the_last_word(tmp_path: Path):
    """
    Measured figures of all results files count; speeds and running times are no results.
    """
    _write(
        tmp_path,
        all_results__json={"eval_loss": 0.5, "train_loss": 0.11, "eval_runtime": 3.5, "epoch": 3.0},
        eval_results__json={
            "eval_loss": 0.22,
            "eval_wer": 0.1,
            "eval_samples_per_second": 10,
            "test": {"wer": 0.2},
        },
    )

    assert Training.load(tmp_path).metrics == {
        "eval_loss": 0.22,
        "train_loss": 0.11,
        "eval_wer": 0.1,
        "test_wer": 0.2,
    }
    assert Training.load(tmp_path, results={"eval_wer": 0.05}).metrics["eval_wer"] == 0.05


def test_what_weights_and_biases_wrote_is_read(tmp_path: Path):
    """
    Its configuration wraps each setting, its summary has slashes in its names and its own notes beside them.
    """
    (tmp_path / "config.yaml").write_text(
        "_wandb:\n  value: {python_version: '3.11'}\n"
        "learning_rate:\n  desc: null\n  value: 3.0e-05\nnum_train_epochs: {value: 4}\n"
    )
    summary = tmp_path / "wandb-summary.json"
    summary.write_text(
        '{"eval/wer": 0.1, "train/loss": 0.5, "train/global_step": 90, "train/learning_rate": 0,'
        ' "train/epoch": 4, "_runtime": 12.5, "_timestamp": 1, "_wandb": {"runtime": 12}, "eval/runtime": 3}'
    )

    training = Training.load(tmp_path, results=summary)

    assert training.settings == {"learning_rate": 3e-5, "epochs": 4}
    assert training.metrics == {"eval_wer": 0.1, "train_loss": 0.5}


def test_a_trainers_state_gives_the_curve_and_its_last_figures(tmp_path: Path):
    """
    The curve comes from the trainer's records; its summary is a result, not a point.
    """
    records = [
        {"step": 10, "epoch": 0.5, "loss": 2.0, "learning_rate": 1e-5},
        {"step": 20, "epoch": 1.0, "loss": 1.0},
        {"step": 20, "epoch": 1.0, "eval_loss": 1.5, "eval_runtime": 1.0},
        {"step": 20, "epoch": 1.0, "train_loss": 1.6, "train_runtime": 60.0},
    ]
    training = Training.load(_write(tmp_path, trainer_state__json={"log_history": records}))

    assert training.history == (
        Point(10, 0.5, 2.0, None),
        Point(20, 1.0, 1.0, None),
        Point(20, 1.0, None, 1.5),
    )
    assert training.metrics == {"eval_loss": 1.5, "train_loss": 1.6}


@pytest.mark.parametrize(
    "log",
    [
        "{'loss': 2.0, 'learning_rate': 5e-05, 'epoch': 0.5}\n{'loss': 1.0, 'epoch': 1.0}\n",
        "{'loss': '2.0', 'epoch': '0.5'}\n 50%|####     | 1/2 {'loss': '1.0', 'epoch': '1.0'}\n",
        "INFO epoch 0.5: loss=2.0 lr=1e-5\nINFO nothing\nINFO epoch 1: loss=1.0\n",
        "Epoch: 0.5 | Loss: 2.0\rEpoch: 1.0 | Loss: 1.0\n",
        '{"loss": 2.0, "epoch": 0.5}\n{"loss": 1.0, "epoch": 1.0}\n{"loss": NaN\n',
    ],
)
def test_a_log_gives_the_curve(tmp_path: Path, log: str):
    """
    Lines of a trainer's log, whatever its style, are points of the curve.
    """
    history = Training.load(_write(tmp_path, training__log=log)).history

    assert [(point.epoch, point.loss) for point in history] == [(0.5, 2.0), (1.0, 1.0)]


def test_a_loss_that_is_no_number_is_no_point(tmp_path: Path):
    """
    Where a training diverged, the curve ends.
    """
    history = [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": float("nan")}, {"epoch": 3, "loss": True}]

    assert Training.load(tmp_path, results={"history": history}).history == (Point(None, 1.0, 1.0, None),)


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("training_config.json", '{\n"a": 1,\n}', ":3"),
        ("config.yaml", "a: 1\nb: [1\n", ":3"),
        ("eval_results.json", "[1, 2]", ""),
        ("trainer_state.json", "\x00", ":1"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: str, where: str):
    """
    A file that is not what its name says is an error with its line, not silently nothing.
    """
    (tmp_path / name).write_text(content)

    with pytest.raises(ConfigError, match=name.replace(".", r"\.")) as raised:
        Training.load(tmp_path)

    assert raised.value.where == f"{tmp_path / name}{where}"
