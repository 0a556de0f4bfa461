"""
Train a small network that hears which key of a telephone was pressed, and write a model folder.

The tones are those of ITU-T Q.23: one of four low frequencies and one of four high ones together. Every
example is made here, with noise, wrong levels and frequencies that are a little off; nothing is downloaded
and numpy is all that is needed. About ten seconds on one core:

    python examples/telephone-keys/train.py --output runs/telephone-keys
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Weights = dict[str, Array]

RATE = 8000  # samples a second
SAMPLES = 512  # 64 ms
BAND = (600.0, 1800.0)  # Hz; all tones lie in it
LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)  # Hz
KEYS = "123A456B789C*0#D"
LABELS = (*KEYS, "none")
NOISES = (-10, -5, 0, 5, 10)  # dB, signal over noise, at which the model is measured


@dataclass(frozen=True, slots=True)
class Training:
    """How to train; what is written to ``training_config.json``."""

    learning_rate: float = 0.003
    batch_size: int = 128
    epochs: int = 30
    hidden: int = 48
    samples_per_epoch: int = 8_000
    eval_samples: int = 4_000
    seed: int = 7
    optimizer: str = "adam"


def tones(count: int, random: np.random.Generator, *, noise_db: float | None = None) -> tuple[Array, Any]:
    """
    Return *count* recordings and the number of each one's label.

    The signal is *noise_db* dB over the noise; None draws it for each from -12 to 12.
    """
    labels = random.integers(len(LABELS), size=count)
    key = labels % len(KEYS)
    at = (np.arange(SAMPLES) / RATE)[None, :]
    sound = np.zeros((count, SAMPLES))
    for table, index in ((LOW, key // 4), (HIGH, key % 4)):
        hertz = np.asarray(table)[index] * random.uniform(0.985, 1.015, count)
        level = 10 ** (random.uniform(-4, 4, count) / 20)
        phase = random.uniform(0, 2 * np.pi, count)
        sound += level[:, None] * np.sin(2 * np.pi * hertz[:, None] * at + phase[:, None])
    sound[labels == len(KEYS)] = 0.0
    over = np.full(count, noise_db) if noise_db is not None else random.uniform(-12, 12, count)
    sound += random.normal(size=sound.shape) * (10 ** (-over / 20))[:, None]
    return sound.astype(np.float32), labels


def features(sound: Array) -> Array:
    """Return the logarithm of the spectrum in BAND, centred, so that loudness does not matter."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(SAMPLES), axis=-1))
    hertz = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    inside = np.log(spectrum[..., (hertz >= BAND[0]) & (hertz <= BAND[1])] + 1e-6)
    centred: Array = (inside - inside.mean(axis=-1, keepdims=True)).astype(np.float32)
    return centred


def forward(weights: Weights, seen: Array) -> tuple[Array, Array]:
    """Return the hidden layer and the probability of each label."""
    hidden = np.maximum(seen @ weights["hidden.weight"] + weights["hidden.bias"], 0)
    scores = hidden @ weights["output.weight"] + weights["output.bias"]
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return hidden, scores / scores.sum(axis=-1, keepdims=True)


def loss_and_accuracy(weights: Weights, seen: Array, labels: Any) -> tuple[float, float]:
    """Return the cross-entropy in nats, and the share of labels that are right."""
    _, likely = forward(weights, seen)
    loss = -np.log(likely[np.arange(len(labels)), labels] + 1e-9).mean()
    return float(loss), float((likely.argmax(axis=-1) == labels).mean())


def train(training: Training) -> tuple[Weights, list[dict[str, float]]]:
    """Return the trained weights, and how the loss went."""
    random = np.random.default_rng(training.seed)
    held_sound, held_labels = tones(training.eval_samples, random)
    held = features(held_sound)
    weights = _start(held.shape[1], training.hidden, random)
    moments = {name: (np.zeros_like(value), np.zeros_like(value)) for name, value in weights.items()}
    history: list[dict[str, float]] = []
    step = 0
    for epoch in range(1, training.epochs + 1):
        losses = []
        sound, labels = tones(training.samples_per_epoch, random)  # fresh ones: nothing to learn by heart
        seen = features(sound)
        for chosen in _batches(training, random):
            step += 1
            gradients, loss = _gradients(weights, seen[chosen], labels[chosen])
            _adam(weights, gradients, moments, step, training.learning_rate)
            losses.append(loss)
        evaluation, accuracy = loss_and_accuracy(weights, held, held_labels)
        history.append({"epoch": epoch, "step": step, "loss": round(float(np.mean(losses)), 6)})
        history.append(
            {
                "epoch": epoch,
                "step": step,
                "eval_loss": round(evaluation, 6),
                "eval_accuracy": round(accuracy, 6),
            }
        )
    return weights, history


def _start(inputs: int, hidden: int, random: np.random.Generator) -> Weights:
    sizes = {"hidden": (inputs, hidden), "output": (hidden, len(LABELS))}
    weights: Weights = {}
    for name, (rows, columns) in sizes.items():
        spread = np.sqrt(2 / rows)
        weights[f"{name}.weight"] = (random.normal(size=(rows, columns)) * spread).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(columns, dtype=np.float32)
    return weights


def _batches(training: Training, random: np.random.Generator) -> Iterator[Any]:
    order = random.permutation(training.samples_per_epoch)
    for start in range(0, len(order), training.batch_size):
        yield order[start : start + training.batch_size]


def _gradients(weights: Weights, seen: Array, labels: Any) -> tuple[Weights, float]:
    hidden, likely = forward(weights, seen)
    rows = np.arange(len(labels))
    loss = float(-np.log(likely[rows, labels] + 1e-9).mean())
    error = likely.copy()
    error[rows, labels] -= 1
    error /= len(labels)
    back = (error @ weights["output.weight"].T) * (hidden > 0)
    return {
        "hidden.weight": seen.T @ back,
        "hidden.bias": back.sum(axis=0),
        "output.weight": hidden.T @ error,
        "output.bias": error.sum(axis=0),
    }, loss


def _adam(
    weights: Weights, gradients: Weights, moments: dict[str, tuple[Array, Array]], step: int, rate: float
) -> None:
    for name, gradient in gradients.items():
        mean, square = moments[name]
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient * gradient - square)
        weights[name] -= (
            rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        ).astype(np.float32)


def measure(weights: Weights, *, seed: int) -> dict[str, float]:
    """Return the accuracy on 4,000 fresh recordings at each of NOISES."""
    random = np.random.default_rng(seed)
    results = {}
    for noise in NOISES:
        sound, labels = tones(4000, random, noise_db=noise)
        _, accuracy = loss_and_accuracy(weights, features(sound), labels)
        results[f"test_accuracy_at_{noise}_db".replace("-", "minus_")] = round(accuracy, 4)
    return results


def save_weights(file: Path, weights: Weights) -> None:
    """Write *weights* as safetensors: the length of a JSON header, the header, the numbers."""
    header: dict[str, Any] = {"__metadata__": {"format": "np"}}
    end = 0
    for name, value in weights.items():
        start, end = end, end + value.nbytes
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    numbers = b"".join(np.ascontiguousarray(value).tobytes() for value in weights.values())
    file.write_bytes(len(text).to_bytes(8, "little") + text + numbers)


def load_weights(file: Path) -> Weights:
    """Return what `save_weights` wrote."""
    content = file.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    weights: Weights = {}
    for name, entry in json.loads(content[8:begin]).items():
        if name != "__metadata__":
            start, end = (begin + offset for offset in entry["data_offsets"])
            weights[name] = np.frombuffer(content[start:end], np.float32).reshape(entry["shape"])
    return weights


def write(folder: Path, training: Training) -> dict[str, float]:
    """Train, write the model folder, and return what was measured."""
    began = time.perf_counter()
    weights, history = train(training)
    seconds = time.perf_counter() - began
    results = measure(weights, seed=training.seed + 1)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / "model.safetensors", weights)
    config = {"sample_rate": RATE, "samples": SAMPLES, "band": BAND, "labels": LABELS}
    _write(folder / "config.json", config)
    _write(folder / "training_config.json", {**_WORDS, **asdict(training)})
    losses = [record["loss"] for record in history if "loss" in record]
    _write(
        folder / "train_results.json",
        {"epoch": training.epochs, "train_loss": losses[-1], "train_runtime": round(seconds, 2)},
    )
    last = {name: value for name, value in history[-1].items() if name.startswith("eval_")}
    _write(folder / "eval_results.json", {**last, **results})
    _write(folder / "trainer_state.json", {"log_history": history})
    return results


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n")


_WORDS = {
    "title": "Telephone keys",
    "description": "Hears which key of a telephone was pressed, from 64 ms of sound. A network of two layers "
    "on the spectrum between 600 and 1800 Hz, trained on tones made after ITU-T Q.23.",
    "license": "apache-2.0",
    "intended_use": "An example: it is small enough to train, publish and serve while you watch.",
    "limitations": "It never heard a real telephone line, speech or music. Without noise a filter bank does "
    "as well.",
}


def main() -> None:
    """Train as the command line says, and print what was measured."""
    standard = Training()
    parser = argparse.ArgumentParser(description="Train a model that hears the keys of a telephone.")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent, help="the model folder to write"
    )
    parser.add_argument("--epochs", type=int, default=standard.epochs)
    parser.add_argument("--seed", type=int, default=standard.seed)
    given = parser.parse_args()
    results = write(given.output, Training(epochs=given.epochs, seed=given.seed))
    print("\n".join(f"{name}  {value:.4f}" for name, value in results.items()))


if __name__ == "__main__":
    main()
