"""The speech model among the examples: what its files claim, and what the page that serves it does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spacehand.model.artifact import Model, ModelKind
from tests import needs
from tests.conftest import HubProcess
from tests.training import training_python

EXAMPLE = Path(__file__).parent.parent / "examples" / "spoken-words"
CLIPS = 100
ANSWERS_IN = 120.0  # seconds, after a variable was changed; PyTorch alone takes ten
# Threads that spin while they wait make a shared processor many times slower.
_ONE_THREAD = {"OMP_NUM_THREADS": "1"}

# Run with the training's own Python: PyTorch is no dependency of the tool.
_MEASURE = """
import json, sys, train
from transformers import AutoModelForCTC, AutoProcessor
folder = sys.argv[1]
model, tools = AutoModelForCTC.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
print(json.dumps(train.measure(model, tools, train.Training())))
"""
_SPEAK = """
import json, pathlib, sys, speech, train
wanted = speech.utterances(int(sys.argv[2]), seed=train.Training().seed + 2, variants=speech.UNSEEN)
for number, sound in enumerate(speech.spoken(wanted)):
    speech.write(pathlib.Path(sys.argv[1]) / f"{number:03}.wav", sound)
print(json.dumps([utterance.text for utterance in wanted]))
"""


def claimed(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLE / file).read_text(encoding="utf-8"))
    return found


def trained(code: str, *words: str) -> Any:
    """Run *code* where one trains, beside the example's scripts; return what it prints last."""
    done = subprocess.run(
        [training_python(), "-c", code, *words],
        env=os.environ | _ONE_THREAD | {"PYTHONPATH": str(EXAMPLE), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def spacehand(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spacehand", *words],
        env=os.environ | {"SPACEHAND_HOME": str(home), "LOGNAME": "ada"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_card_says_what_the_results_say(tmp_path: Path):
    """
    Each figure of the card is one of the results files', and each of these is in the card, curve included.
    """
    card = spacehand(tmp_path, "card", str(EXAMPLE)).stdout
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([0-9.]+) \|$", card, re.MULTILINE))
    measured = claimed("test_results.json") | {"eval_wer": claimed("eval_results.json")["eval_wer"]}

    for name, value in measured.items():
        assert float(rows[name]) == pytest.approx(value, rel=1e-5), name
    indexed = re.search(r"value: ([0-9.]+)\n\s+name: WER \(test_wer\)", card)
    assert indexed is not None
    assert float(indexed[1]) == measured["test_wer"]
    assert re.search(r"!\[Training loss from .*\]\(training_results/loss-[0-9a-f]{12}\.png\)", card)


def test_nobody_takes_it_for_a_recognizer_of_people(tmp_path: Path):
    """
    Title, description, data set and limitations each say that it heard synthetic voices only.
    """
    settings = claimed("training_config.json")

    for name in ("title", "description", "dataset", "limitations"):
        assert "synthetic voices only" in settings[name].lower(), name
    card = spacehand(tmp_path, "card", str(EXAMPLE)).stdout
    assert "model_name: Spoken words (synthetic voices only)" in card


def test_the_folder_is_a_model_with_a_history():
    """
    The example is a whole model folder, with the records of the Trainer that made it.
    """
    model = Model.open(EXAMPLE)
    history = claimed("trainer_state.json")["log_history"]
    evaluated = {record["epoch"] for record in history if "eval_wer" in record}

    assert model.kind is ModelKind.FULL
    assert model.task == "automatic-speech-recognition"
    assert len(evaluated) == claimed("training_config.json")["epochs"]


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_results_beside_the_weights_were_measured_on_them():
    """
    Loaded by the stock classes and measured again, the committed weights give the figures they claim.
    """
    needs.espeak()

    measured = trained(_MEASURE, str(EXAMPLE))

    for name, value in measured.items():
        assert claimed("test_results.json")[name] == pytest.approx(value, abs=0.01), name


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_script_trains_a_model_that_can_be_published(tmp_path: Path):
    """
    A shortened training writes a whole model folder, and its loss falls.
    """
    needs.espeak()
    subprocess.run(
        [
            training_python(),
            EXAMPLE / "train.py",
            "--output",
            tmp_path,
            "--epochs",
            "2",
            "--utterances",
            "300",
        ],
        capture_output=True,
        check=True,
    )
    losses = [
        record["loss"]
        for record in json.loads((tmp_path / "trainer_state.json").read_text())["log_history"]
        if "loss" in record
    ]

    assert Model.open(tmp_path).kind is ModelKind.FULL
    assert losses[-1] < losses[0]
    assert set(json.loads((tmp_path / "test_results.json").read_text())) >= {"test_wer"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], HubProcess]]:
    """What ``ship`` told of the example, and the Hub it runs on."""
    folder = tmp_path_factory.mktemp("spoken")
    hub = HubProcess(folder / "hub", arguments=("--any-python",)).start()
    told = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "SPACEHAND_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "spacehand", "ship", str(EXAMPLE), "--json", "--yes"],
        env=os.environ | told,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout), hub
    hub.stop()


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_page_hears_unseen_voices_as_well_as_was_published(
    page: tuple[dict[str, Any], HubProcess], tmp_path: Path
):
    """
    Asked like a visitor would, with voices it never heard, it is wrong no more often than its card says.
    """
    needs.espeak()
    from gradio_client import Client
    from jiwer import wer

    shipped, hub = page
    texts = trained(_SPEAK, str(tmp_path), str(CLIPS))
    app = without_rate_limit(hub, shipped["space"])

    client = Client(app, verbose=False)
    clips = sorted(tmp_path.glob("*.wav"))
    answers = [transcribe(client, clip) for clip in clips]

    rate = wer(texts, [answer["transcript"] if answer else "" for answer in answers])
    assert rate == pytest.approx(claimed("test_results.json")["test_wer"], abs=0.05)
    assert {answer["weights_sha256"] for answer in answers if answer} == {shipped["weights_sha256"]}
    assert shipped["weights_sha256"] == shipped["served_weights_sha256"]


def transcribe(client: Any, clip: Path) -> dict[str, Any] | None:
    """Return the app's answer, None where it heard nothing."""
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    try:
        answer: dict[str, Any] = client.predict(handle_file(str(clip)), "en", api_name="/transcribe")
    except AppError as error:
        if "No speech was found" not in str(error):
            raise
        return None
    return answer


def without_rate_limit(hub: HubProcess, space: str) -> str:
    """Let one client ask as often as it likes; return the app's address once it has started anew."""
    hub.api.add_space_variable(space, "RATE_LIMIT", "off")
    end = time.monotonic() + ANSWERS_IN
    while time.monotonic() < end:
        runtime = hub.api.get_space_runtime(space)
        if runtime.stage == "RUNNING":
            return str(hub.api.space_info(space).host)
        assert "ERROR" not in runtime.stage, runtime.raw
        time.sleep(0.5)  # the Hub is another process: there is nothing to wait on but its answer
    pytest.fail(f"not running after {ANSWERS_IN:.0f} s")
