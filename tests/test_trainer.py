"""One action from a training to a page: the guide as it stands, and a demo that fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from tests import needs
from tests.training import training_python

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs/guides/train-and-ship.md"

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(600)]

# What the guide's blocks left behind, told to the test.
_TELL = """
import json
print(json.dumps({**shipped.to_json(), "folder": str(ship.folder), "said": said[0].text, "heard": answer}))
"""
# A network of one layer learns nothing in one step, from numbers that mean nothing; then its demo fails.
_FAILS = """
import json, sys, torch
from pathlib import Path
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
from spacehand.errors import SpacehandError
from spacehand.trainer import ShipCallback

sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
config = BertConfig(vocab_size=16, **sizes)
examples = [{"input_ids": [1, 2, 3], "labels": 0}] * 4
arguments = TrainingArguments("run", max_steps=1, report_to=[], save_strategy="no", use_cpu=True)
ship = ShipCallback("doomed", to=sys.argv[1])
trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=examples, callbacks=[ship])
done = trainer.train()
try:
    ship.result()
except SpacehandError as error:
    print(json.dumps({"steps": done.global_step, "message": error.message, "hint": error.hint}))
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A machine without a Hub; the one that is started there is stopped."""
    home = tmp_path / "home"
    yield home
    subprocess.run(
        [sys.executable, "-m", "spacehand", "hub", "stop"],
        env=os.environ | {"SPACEHAND_HOME": str(home)},
        capture_output=True,
        check=False,
    )


def run(code: str, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    told = {"SPACEHAND_HOME": str(home), "LOGNAME": "ada", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [training_python(), "-c", code, *words],
        cwd=home.parent,
        env=os.environ | told | {"SPOKEN_WORDS": str(ROOT / "examples/spoken-words")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_guide_trains_ships_and_opens(home: Path):
    """
    The blocks of the guide, run in order, end with a page that serves the very weights that were trained.
    """
    needs.espeak()
    blocks = re.findall(
        r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )

    done = run("\n".join([*blocks, _TELL]), home)

    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["weights_sha256"] == told["served_weights_sha256"]
    assert told["stage"] == "RUNNING"
    assert set(told["heard"]["transcript"].split()) & set(told["said"].split())
    assert (home.parent / told["folder"] / "model.safetensors").is_file()
    endpoint, _, repo = told["model_url"].partition("/ada/")
    files = HfApi(endpoint=endpoint, token=False).list_repo_files(f"ada/{repo}")
    assert "training_args.bin" not in files
    assert "training_results/trainer_state.json" in files
    assert any(re.fullmatch(r"training_results/loss-[0-9a-f]{12}\.png", file) for file in files)


@pytest.mark.parametrize("to", ["local", "http://127.0.0.1:9"])
def test_a_failed_demo_neither_fails_the_training_nor_hides_the_weights(home: Path, to: str):
    """
    A model no app serves, or a Hub nobody answers at: the training returns, its weights are named and there.
    """
    done = run(_FAILS, home, to)

    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["steps"] == 1
    assert "The trained model is safe in `run`" in told["hint"]
    assert (home.parent / "run" / "model.safetensors").is_file()
    assert (home.parent / "run" / "trainer_state.json").is_file()
    assert told["message"] in done.stderr
