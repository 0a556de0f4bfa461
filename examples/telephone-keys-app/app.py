"""Says which key of a telephone was pressed, with the model that HF_MODEL_ID and MODEL_REVISION name."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from huggingface_hub import snapshot_download

MODEL_ID = os.environ["HF_MODEL_ID"]
REVISION = os.environ.get("MODEL_REVISION")

folder = Path(snapshot_download(MODEL_ID, revision=REVISION, allow_patterns=["*.json", "*.safetensors"]))
config = json.loads((folder / "config.json").read_text())
content = (folder / "model.safetensors").read_bytes()
weights_sha256 = hashlib.sha256(content).hexdigest()


def read_weights() -> dict[str, Any]:
    """Return the tensors of the safetensors file by their names."""
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(
            content[begin + entry["data_offsets"][0] : begin + entry["data_offsets"][1]], np.float32
        ).reshape(entry["shape"])
        for name, entry in header.items()
    }


weights = read_weights()


def features(sound: Any) -> Any:
    """Return the logarithm of the spectrum in the model's band, centred."""
    samples, rate, (low, high) = config["samples"], config["sample_rate"], config["band"]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(samples)))
    hertz = np.fft.rfftfreq(samples, 1 / rate)
    inside = np.log(spectrum[(hertz >= low) & (hertz <= high)] + 1e-6)
    return inside - inside.mean()


def loudest(rate: int, sound: Any) -> Any:
    """Return the loudest stretch that is as long as the model listens, at the model's rate."""
    sound = np.asarray(sound, dtype=np.float64)
    if sound.ndim == 2:
        sound = sound.mean(axis=1)
    wanted, samples = config["sample_rate"], config["samples"]
    places = np.arange(0, len(sound), rate / wanted)
    sound = np.interp(places, np.arange(len(sound)), sound) / 32768
    if len(sound) < samples:
        raise gr.Error(f"The recording is too short: {samples / wanted * 1000:.0f} ms are needed")
    power = np.convolve(sound**2, np.ones(samples), "valid")
    start = int(power.argmax())
    return sound[start : start + samples]


def listen(recording: tuple[int, Any] | None) -> dict[str, Any]:
    """Return the key that was pressed, and how sure the model is."""
    if recording is None:
        raise gr.Error("Record something, or choose a file")
    seen = features(loudest(*recording))
    hidden = np.maximum(seen @ weights["hidden.weight"] + weights["hidden.bias"], 0)
    scores = hidden @ weights["output.weight"] + weights["output.bias"]
    likely = np.exp(scores - scores.max())
    likely /= likely.sum()
    return {
        "key": config["labels"][int(likely.argmax())],
        "confidence": round(float(likely.max()), 4),
        "model_id": MODEL_ID,
        "revision": REVISION,
        "weights_sha256": weights_sha256,
    }


gr.Interface(
    listen,
    gr.Audio(type="numpy", label="A key"),
    gr.JSON(label="Heard"),
    examples=["examples/five.wav"],
    cache_examples=False,
    title="Telephone keys",
    api_name="listen",
).launch()
