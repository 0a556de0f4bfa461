"""What belongs to a model is uploaded, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.model import make

from spacehand.errors import ModelError
from spacehand.model.artifact import Model
from spacehand.model.selection import select


def _write(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")


def _paths(folder: Path, **options: object) -> list[str]:
    return [file.path for file in select(Model.open(folder), **options).files]  # type: ignore[arg-type]


def test_a_folder_as_training_leaves_it(tmp_path: Path):
    """
    Of all that a training leaves behind, the model goes up; the rest stays, and is reported with the reason.
    """
    make.full(tmp_path)
    belongs = [
        "generation_config.json",
        "preprocessor_config.json",
        "chat_template.jinja",
        "vocab.json",
        "merges.txt",
    ]
    belongs += [
        "tokenizer.model",
        "LICENSE",
        "train.py",
        "modeling_tiny.py",
        "requirements.txt",
        "example.png",
    ]
    _write(tmp_path, *belongs, "examples/clip.wav", "README.md")
    _write(
        tmp_path,
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "rng_state_0.pth",
        "scaler.pt",
        "training_args.bin",
    )
    _write(
        tmp_path,
        ".env",
        ".git/config",
        ".cache/x",
        "__pycache__/train.pyc",
        "runs/events.out.tfevents.1",
        "wandb/x",
    )
    _write(
        tmp_path,
        "checkpoint-500/optimizer.pt",
        "checkpoint-500/model.safetensors",
        "notes.docx",
        "id_rsa",
        "key.pem",
    )
    _write(
        tmp_path, "train.csv", "pytorch_model.bin", "model-00007-of-00009.safetensors", "unknown/config.json"
    )

    selection = select(Model.open(tmp_path))

    expected = ["model.safetensors", "config.json", "tekken.json", "examples/clip.wav", *belongs]
    assert [file.path for file in selection.files] == sorted(expected)
    assert selection.readme == tmp_path / "README.md"
    reasons = {entry.path: entry.why for entry in selection.skipped}
    assert reasons == {
        "optimizer.pt": "state of the training, not of the model",
        "scheduler.pt": "state of the training, not of the model",
        "rng_state.pth": "state of the training, not of the model",
        "rng_state_0.pth": "state of the training, not of the model",
        "scaler.pt": "state of the training, not of the model",
        "training_args.bin": "a pickle of settings, which may hold tokens",
        ".env": "a file of this name is there to hold secrets",
        "id_rsa": "a file of this name is there to hold secrets",
        "key.pem": "a file of this name is there to hold secrets",
        ".git/": "hidden files are no part of a model",
        ".cache/": "hidden files are no part of a model",
        "__pycache__/": "a cache",
        "runs/": "a log of the training",
        "wandb/": "a log of the training",
        "checkpoint-500/": "a checkpoint of the training",
        "notes.docx": "no known part of a model",
        "train.csv": "data, which belongs in a dataset repository",
        "pytorch_model.bin": "weights that are no part of this model",
        "model-00007-of-00009.safetensors": "weights that are no part of this model",
        "unknown/config.json": "in a folder that is no known part of a model",
    }


def test_results_go_to_a_folder_of_their_own(tmp_path: Path):
    """
    Results and settings of the training go to training_results/; the model's config.json does not.
    """
    make.full(tmp_path)
    results = [
        "train_results.json",
        "eval_results.json",
        "all_results.json",
        "trainer_state.json",
        "training.log",
    ]
    results += ["training_config.json", "config.yaml", "args.json"]
    _write(tmp_path, *results, "training_results/earlier.json")

    paths = _paths(tmp_path)

    assert [path for path in paths if path.startswith("training_results/")] == sorted(
        ["training_results/earlier.json", *(f"training_results/{name}" for name in results)]
    )
    assert "config.json" in paths


def test_further_models_in_subfolders_belong(tmp_path: Path):
    """
    A quantized copy in a subfolder goes up with its own configuration, but not its optimizer.
    """
    make.full(tmp_path)
    make.full(tmp_path / "int8")
    _write(tmp_path, "int8/optimizer.pt", "onnx/model.onnx", "1_Pooling/config.json")

    paths = _paths(tmp_path)

    assert "int8/model.safetensors" in paths
    assert "int8/config.json" in paths
    assert "onnx/model.onnx" in paths
    assert "1_Pooling/config.json" in paths
    assert "int8/optimizer.pt" not in paths


def test_what_is_asked_for_goes_up_but_no_secret(tmp_path: Path):
    """
    A person may add files that the list does not know; never one that is there to hold secrets.
    """
    make.full(tmp_path)
    _write(tmp_path, "thresholds.bin", "extra/table.csv", ".env")

    paths = _paths(tmp_path, include=["thresholds.bin", "extra/*", ".env"])

    assert "thresholds.bin" in paths
    assert "extra/table.csv" in paths
    assert ".env" not in paths


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path):
    """
    What a link reaches outside the folder is not published by accident.
    """
    folder = make.full(tmp_path / "model")
    _write(tmp_path, "private.json")
    (folder / "vocab.json").symlink_to(tmp_path / "private.json")

    with pytest.raises(ModelError, match=r"`vocab\.json` is a link to a file outside"):
        select(Model.open(folder))


def test_links_within_the_folder_are_followed(tmp_path: Path):
    """
    A link to a file of the same folder is that file.
    """
    make.full(tmp_path)
    (tmp_path / "vocab.json").symlink_to("tekken.json")

    assert "vocab.json" in _paths(tmp_path)


def test_a_snapshot_of_the_clients_cache_is_a_model_folder(tmp_path: Path):
    """
    The official client's cache keeps a model as links to blobs; it can be published as it is.
    """
    made = make.full(tmp_path / "made")
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "0123", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, file in enumerate(sorted(made.iterdir())):
        file.rename(blobs / str(number))
        (snapshot / file.name).symlink_to(Path("../../blobs") / str(number))

    assert _paths(snapshot) == ["config.json", "model.safetensors", "tekken.json"]


def test_links_to_folders_are_not_followed(tmp_path: Path):
    """
    A linked folder stays at home, even if its name is known.
    """
    folder = make.full(tmp_path / "model")
    _write(tmp_path, "private/a.png")
    (folder / "examples").symlink_to(tmp_path / "private")

    selection = select(Model.open(folder))

    assert not [file for file in selection.files if file.path.startswith("examples")]
    assert [entry.why for entry in selection.skipped] == ["a link to a folder"]


@pytest.mark.parametrize("name", [b"back\\slash.png", b"bell\a.png", b"not-utf8-\xff.png", b"new\nline.png"])
def test_names_that_the_hub_refuses_are_told_before_anything_moves(tmp_path: Path, name: bytes):
    """
    A file name that the Hub would refuse is an error here, and not after an upload of an hour.
    """
    make.full(tmp_path)
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    except OSError:
        pytest.skip("this file system does not take the name either")

    with pytest.raises(ModelError, match="The Hub refuses the file name"):
        select(Model.open(tmp_path))


def test_the_real_model_goes_up_whole(whisper: Path):
    """
    Every file of a real CTranslate2 folder belongs.
    """
    assert _paths(whisper) == ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]
