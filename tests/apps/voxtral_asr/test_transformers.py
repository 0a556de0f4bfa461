"""Voxtral and its kin in the speech app: tiny random models, really shipped, loaded and asked."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests import needs
from tests.apps.voxtral_asr.app_process import CLIP, refusal, repeated, speech_app
from tests.apps.voxtral_asr.test_deployed import running, transcribe
from tests.conftest import HubProcess

from spacehand.ids import RepoId
from spacehand.space.build import build
from spacehand.space.spec import SpaceSpec
from spacehand.space.template import ModelFacts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.xdist_group("transformers"),
    pytest.mark.timeout(600),
]

HERE = Path(__file__).parent
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
IDENTITY = ("weights_sha256", "base_weights_sha256", "revision", "transcript")
ANSWERS_IN = 300.0  # seconds after a version was undone; PyTorch alone takes ten


@dataclass(frozen=True)
class Machine:
    """A local Hub that has built the app's layer with PyTorch, and tiny models made by it."""

    hub: HubProcess
    python: Path  # of the layer
    models: Path
    refused: str  # what the first Space said, whose model does not exist

    def spacehand(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Run a command against this Hub; return its exit code and the object it printed."""
        home = {"SPACEHAND_HOME": str(self.models.parent / "home")}
        told = {"HF_ENDPOINT": self.hub.url, "HF_TOKEN": self.hub.token}
        done = subprocess.run(
            [sys.executable, "-m", "spacehand", *words, "--json", "--yes"],
            env=os.environ | home | told,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def deploy(self, folder: Path, name: str, **variables: str) -> tuple[int, dict[str, Any]]:
        """Deploy what `ship` deploys for the model *name*, with further *variables*."""
        lines = "\n".join(f'{key} = "{value}"' for key, value in variables.items())
        (folder / "spacehand.toml").write_text(
            f"""
            [space]
            repo = "ada/{name}-demo"
            template = "voxtral-asr"
            engine = "transformers"
            [variables]
            HF_MODEL_ID = "ada/{name}"
            {lines}
            """
        )
        return self.spacehand("deploy", str(folder))

    def model(self, name: str) -> Path:
        return self.models / name


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("voxtral")
    hub = HubProcess(folder / "hub", arguments=("--any-python",)).start()
    try:
        facts = ModelFacts("ada/nothing", "full")
        spec = SpaceSpec.for_template("voxtral-asr", model=facts, repo=RepoId("ada", "demo"))
        built = build(spec, folder / "space")
        variables = [{"key": key, "value": value} for key, value in spec.variables.items()]
        hub.api.create_repo("ada/demo", repo_type="space", space_sdk=built.sdk, space_variables=variables)
        hub.api.upload_folder(repo_id="ada/demo", repo_type="space", folder_path=built.folder)
        refused = refusal(running(hub.api, hub), CLIP)
        hub.api.pause_space("ada/demo")
        python = next(hub.data.glob("layers/*/venv/bin/python"))
        made = [python, HERE / "tiny_models.py", folder / "models"]
        subprocess.run(made, check=True, capture_output=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
        yield Machine(hub, python, folder / "models", refused)
    finally:
        hub.stop()


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_model_that_does_not_exist_is_said(machine: Machine) -> None:
    """
    The Space is up, and says which model it cannot have, and that it is for that.
    """
    assert "ada/nothing cannot be fetched" in machine.refused


def test_a_shipped_voxtral_answers_for_its_weights(machine: Machine, tmp_path: Path) -> None:
    """
    `ship` of the folder a training wrote: the Space transcribes with the very file that was published.

    Then it is deployed to load the same in int8, and the copy in a subfolder.
    """
    code, shipped = machine.spacehand("ship", str(machine.model("voxtral")), "--name", "voxtral")
    assert code == 0, shipped
    weights = sha256(machine.model("voxtral") / "model.safetensors")
    assert shipped["weights_sha256"] == shipped["served_weights_sha256"] == weights

    code, deployed = machine.deploy(tmp_path, "voxtral", MODEL_QUANTIZATION="int8")
    assert (code, deployed.get("served_weights_sha256")) == (0, weights), deployed
    answer = transcribe(shipped["app_url"], CLIP)
    assert "int8 on CPU" in answer["engine"]
    assert answer["transcript"]
    assert answer["word_times"] == "estimated"

    copied = machine.hub.api.upload_folder(
        repo_id="ada/voxtral", folder_path=machine.model("sharded"), path_in_repo="parts"
    ).oid
    shards = sorted(machine.model("sharded").glob("*.safetensors"))
    lines = "".join(sorted(f"{sha256(shard)}  {shard.name}\n" for shard in shards))
    assert len(shards) > 1
    code, deployed = machine.deploy(tmp_path, "voxtral", MODEL_REVISION=copied, MODEL_SUBFOLDER="parts")
    assert code == 0, deployed
    assert deployed["served_weights_sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    assert transcribe(shipped["app_url"], CLIP)["revision"] == copied
    machine.hub.api.pause_space("ada/voxtral-demo")


def test_an_adapter_that_does_not_fit_or_is_damaged_is_undone(machine: Machine, tmp_path: Path) -> None:
    """
    An adapter is served with its base; one of another shape, truncated or deleted fails, and says why.

    The first goes on serving each time.
    """
    api = machine.hub.api
    api.create_repo("ada/voxtral", exist_ok=True)
    api.upload_folder(repo_id="ada/voxtral", folder_path=machine.model("voxtral"))
    code, shipped = machine.spacehand("ship", str(machine.model("lora")), "--name", "lora")
    assert code == 0, shipped
    file = machine.model("lora") / "adapter_model.safetensors"
    assert shipped["weights_sha256"] == shipped["served_weights_sha256"] == sha256(file)
    first = transcribe(shipped["app_url"], CLIP)
    assert first["base_weights_sha256"] == sha256(machine.model("voxtral") / "model.safetensors")

    code, failed = machine.spacehand("ship", str(machine.model("misfit")), "--name", "lora")
    assert_undone(code, failed, "does not fit its base model ada/voxtral", first, shipped["app_url"])

    half = file.read_bytes()[:5000]
    truncated = api.upload_file(repo_id="ada/lora", path_or_fileobj=half, path_in_repo=file.name).oid
    code, failed = machine.deploy(tmp_path, "lora", MODEL_REVISION=truncated)
    assert_undone(code, failed, f"{file.name} is damaged", first, shipped["app_url"])

    deleted = api.delete_file(file.name, "ada/lora").oid
    code, failed = machine.deploy(tmp_path, "lora", MODEL_REVISION=deleted)
    assert_undone(code, failed, f"{file.name} is missing", first, shipped["app_url"])
    api.pause_space("ada/lora-demo")


def assert_undone(code: int, failed: dict[str, Any], why: str, first: dict[str, Any], app: str) -> None:
    assert code == 8, failed
    assert why in failed["error"]["message"]
    after = answered(app)
    assert [after[key] for key in IDENTITY] == [first[key] for key in IDENTITY]


@pytest.mark.browser
def test_the_page_says_what_is_wrong_with_an_adapter(machine: Machine, tmp_path: Path) -> None:
    """
    An alert with the reason, and no word of what is not served.
    """
    from playwright.sync_api import sync_playwright

    variables = {"HF_MODEL_ID": str(damaged(machine, tmp_path, "truncated"))}
    variables["BASE_MODEL_ID"] = str(machine.model("voxtral"))
    with (
        speech_app(tmp_path / "app.log", python=machine.python, **variables) as app,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(app.url)
        alert = page.locator(".asr-failed[role=alert]")
        alert.wait_for(timeout=300_000)
        said, served = alert.inner_text(), page.locator(".asr-facts").count()
        browser.close()

    assert "adapter_model.safetensors is damaged" in said
    assert served == 0


def test_a_minute_that_takes_too_long_is_stopped(machine: Machine, tmp_path: Path) -> None:
    """
    After five seconds the visitor reads that it was stopped, and it was: nothing is computed any more.
    """
    variables = {"HF_MODEL_ID": str(machine.model("deep")), "TIMEOUT": "5"}
    with speech_app(tmp_path / "app.log", python=machine.python, **variables) as app:
        said = refusal(app.url, repeated(8, tmp_path / "minute.wav"))
        app.came_to_rest()

    assert said == "This took longer than 5 s and was stopped; try a shorter recording"


def answered(app: str) -> dict[str, Any]:
    """Return the first answer of an app that is being started again."""
    end = time.monotonic() + ANSWERS_IN
    last: Exception | None = None
    while time.monotonic() < end:
        try:
            return transcribe(app, CLIP)
        except Exception as error:  # it is between two starts: anything may fail
            last = error
        time.sleep(0.5)  # the app is another process: there is nothing to wait on but its answer
    raise AssertionError(f"not within {ANSWERS_IN:.0f} s") from last


# What each folder of models is to answer, in one process, since PyTorch takes long to import.
ASK = """
import json, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from asr import audio
from asr.errors import AppError
from asr.service import Service
from asr.settings import Settings
for line in sys.stdin:
    environment = json.loads(line)
    service = Service(Settings.read(environment), read_audio=audio.read, reader=audio.PieceReader)
    service.start()
    try:
        said = service.transcribe(sys.argv[3], environment.get("LANGUAGE"), "ann")
    except AppError as error:
        said = {"error": str(error)}
    print("SAID " + json.dumps(said), flush=True)
"""


@pytest.fixture(scope="module")
def answers(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the app answers for each kind of model, good or damaged."""
    scratch = tmp_path_factory.mktemp("damaged")
    base = {"BASE_MODEL_ID": str(machine.model("voxtral"))}
    cases = {
        "full": {"HF_MODEL_ID": str(machine.model("voxtral"))},
        "sharded": {"HF_MODEL_ID": str(machine.model("sharded"))},
        "bfloat16": {"HF_MODEL_ID": str(machine.model("voxtral")), "MODEL_DTYPE": "bfloat16"},
        "ctc": {"HF_MODEL_ID": str(machine.model("ctc"))},
        "whisper": {"HF_MODEL_ID": str(machine.model("whisper"))},
        "lora": {"HF_MODEL_ID": str(machine.model("lora")), **base},
        "lora int8": {"HF_MODEL_ID": str(machine.model("lora")), "MODEL_QUANTIZATION": "int8", **base},
        "misfit": {"HF_MODEL_ID": str(machine.model("misfit")), **base},
        "truncated": {"HF_MODEL_ID": str(damaged(machine, scratch, "truncated")), **base},
        "partial": {"HF_MODEL_ID": str(damaged(machine, scratch, "partial")), **base},
        "stranger": {"HF_MODEL_ID": str(damaged(machine, scratch, "stranger")), **base},
        "hollow": {"HF_MODEL_ID": str(hollow(machine, scratch))},
    }
    asked = "\n".join(json.dumps(case) for case in cases.values())
    app = Path("apps/voxtral-asr").resolve()
    done = subprocess.run(
        [machine.python, "-c", ASK, str(app), str(Path("runtime/src").resolve()), str(CLIP)],
        input=asked,
        text=True,
        capture_output=True,
        check=False,
    )
    said = [json.loads(line[5:]) for line in done.stdout.splitlines() if line.startswith("SAID ")]
    assert len(said) == len(cases), done.stderr
    return dict(zip(cases, said, strict=True))


def damaged(machine: Machine, scratch: Path, how: str) -> Path:
    folder = shutil.copytree(machine.model("lora"), scratch / how)
    file = folder / "adapter_model.safetensors"
    whole = file.read_bytes()
    if how == "truncated":
        file.write_bytes(whole[: len(whole) // 2])
    if how == "partial":  # a tensor is called otherwise, and so the adapter lacks it
        file.write_bytes(
            whole.replace(b"layers.1.self_attn.q_proj.lora_A", b"layers.7.self_attn.q_proj.lora_A")
        )
    if how == "stranger":  # trained for other parts of a model
        said = json.loads((folder / "adapter_config.json").read_text())
        said["target_modules"] = ["no_such_part"]
        (folder / "adapter_config.json").write_text(json.dumps(said))
    return folder


def hollow(machine: Machine, scratch: Path) -> Path:
    """A model whose file lacks a tensor that its configuration asks for."""
    folder = shutil.copytree(machine.model("voxtral"), scratch / "hollow")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes().replace(b"layers.1.mlp.up_proj", b"layers.1.mlp.xx_proj", 1))
    return folder


def test_every_kind_of_model_is_heard(machine: Machine, answers: dict[str, dict[str, Any]]) -> None:
    """
    Full, in shards, in bfloat16, CTC, Whisper, an adapter, also in int8: words with confidence and times.
    """
    kinds = ("full", "sharded", "bfloat16", "ctc", "whisper", "lora", "lora int8")
    errors = {kind: answers[kind]["error"] for kind in kinds if "error" in answers[kind]}
    assert not errors
    for kind in kinds:
        words = answers[kind]["words"]
        assert words
        assert all(0 < word["confidence"] <= 1 and 0 <= word["start"] <= word["end"] <= 7.5 for word in words)
    assert answers["sharded"]["transcript"] == answers["full"]["transcript"]
    assert answers["whisper"]["language"] in ("en", "de", "fr")  # detected: nobody said which
    assert answers["ctc"]["word_times"] == "measured"
    assert {word["text"] for word in answers["ctc"]["words"]} <= set(WORDS)


def test_an_adapter_is_heard_and_not_its_base(machine: Machine, answers: dict[str, dict[str, Any]]) -> None:
    """
    The transcript is another than the base's, also in int8; both hashes are told.
    """
    base = sha256(machine.model("voxtral") / "model.safetensors")
    adapter = sha256(machine.model("lora") / "adapter_model.safetensors")
    for kind in ("lora", "lora int8"):
        assert answers[kind]["transcript"] != answers["full"]["transcript"]
        assert (answers[kind]["weights_sha256"], answers[kind]["base_weights_sha256"]) == (adapter, base)
    assert "int8 on CPU" in answers["lora int8"]["engine"]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("misfit", "does not fit its base model"),
        ("truncated", "adapter_model.safetensors is damaged"),
        ("partial", "does not fit its base model"),
        ("stranger", "does not fit its base model"),
        ("hollow", "lack"),
    ],
)
def test_a_damaged_model_is_not_served(answers: dict[str, dict[str, Any]], kind: str, says: str) -> None:
    """
    No transcript comes from a base without its adapter, nor from numbers that chance has filled in.
    """
    assert "transcript" not in answers[kind]
    assert says in answers[kind]["error"]
