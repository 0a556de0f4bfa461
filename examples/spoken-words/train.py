"""
Train a small network that hears spoken words from scratch, measure it on voices it never heard, and write a
model folder.

It is a Wav2Vec2-BERT of three layers with one token for each word (CTC), trained by transformers' Trainer.
Data are made by espeak-ng: synthetic voices only. About three minutes of one core:

    python examples/spoken-words/train.py --output runs/spoken-words
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import speech
import torch
from transformers import (
    SeamlessM4TFeatureExtractor,
    Trainer,
    TrainingArguments,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2BertProcessor,
    Wav2Vec2CTCTokenizer,
)

BANDS, STRIDE = 80, 4  # of the spectrum; frames of 10 ms that are heard at once
BLANK, UNKNOWN, DELIMITER = "<pad>", "<unk>", "|"
# The space is part of each word's token, so that the stock tokenizer writes words and not one long one.
VOCABULARY = {BLANK: 0, UNKNOWN: 1, DELIMITER: 2} | {
    f"{word} ": at for at, word in enumerate(speech.WORDS, 3)
}
TOLERANCE = 0.03  # of a word error rate, between two trainings


@dataclass(frozen=True, slots=True)
class Training:
    """How to train; what is written to ``training_config.json``."""

    learning_rate: float = 0.003
    batch_size: int = 16
    epochs: int = 14
    warmup_steps: int = 300
    weight_decay: float = 0.01
    utterances: int = 3_000
    eval_utterances: int = 200
    test_utterances: int = 400
    seed: int = 1
    threads: int = 1


class Recordings(torch.utils.data.Dataset[dict[str, Any]]):
    """Utterances as the network takes them; with *chance*, noisy and with holes, other ones each time."""

    def __init__(
        self,
        texts: Sequence[str],
        sounds: Sequence[speech.Samples],
        extractor: SeamlessM4TFeatureExtractor,
        chance: random.Random | None = None,
    ) -> None:
        self.texts, self.chance = texts, chance
        noisy = [_with_noise(sound, chance) for sound in sounds] if chance else sounds
        self.features = [
            extractor(sound, sampling_rate=speech.RATE, return_tensors="np")["input_features"][0]
            for sound in noisy
        ]
        self.labels = [[VOCABULARY[f"{word} "] for word in text.split()] for text in texts]

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, at: int) -> dict[str, Any]:
        features = self.features[at]
        if self.chance:
            features = _with_holes(features, self.chance)
        return {"input_features": features, "labels": self.labels[at]}


def _with_noise(sound: speech.Samples, chance: random.Random) -> speech.Samples:
    """Return *sound* with white noise 10 to 40 dB below it."""
    level = np.sqrt((sound**2).mean() / 10 ** (chance.uniform(10, 40) / 10))
    noise = np.random.default_rng(chance.getrandbits(32)).normal(size=len(sound))
    return (sound + level * noise).astype(np.float32)


def _with_holes(features: Any, chance: random.Random) -> Any:
    """Return *features* (frames, STRIDE * BANDS) with two gaps of 1 to 9 bands, as SpecAugment makes them."""
    holed = features.reshape(len(features), STRIDE, BANDS).copy()
    for _ in range(2):
        start = chance.randrange(BANDS - 10)
        holed[:, :, start : start + chance.randrange(1, 10)] = 0
    return holed.reshape(features.shape)


def collate(items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Return *items* as one batch, padded with silence; labels with -100, which counts for nothing."""
    lengths = [len(item["input_features"]) for item in items]
    words = max(len(item["labels"]) for item in items)
    features = torch.zeros(len(items), max(lengths), STRIDE * BANDS)
    mask = torch.zeros(len(items), max(lengths), dtype=torch.long)
    labels = torch.full((len(items), words), -100)
    for row, item in enumerate(items):
        features[row, : lengths[row]] = torch.from_numpy(item["input_features"])
        mask[row, : lengths[row]] = 1
        labels[row, : len(item["labels"])] = torch.tensor(item["labels"])
    return {"input_features": features, "attention_mask": mask, "labels": labels}


def processor(folder: Path) -> Wav2Vec2BertProcessor:
    """Return what turns sound into features and tokens into text; its vocabulary is written to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "vocab.json"
    file.write_text(json.dumps(VOCABULARY))
    tokenizer = Wav2Vec2CTCTokenizer(
        str(file),
        pad_token=BLANK,
        unk_token=UNKNOWN,
        word_delimiter_token=DELIMITER,
        bos_token=None,
        eos_token=None,
    )
    extractor = SeamlessM4TFeatureExtractor(feature_size=BANDS, num_mel_bins=BANDS, stride=STRIDE)
    return Wav2Vec2BertProcessor(extractor, tokenizer)


def network() -> Wav2Vec2BertForCTC:
    """Return the untrained network: half a million parameters."""
    config = Wav2Vec2BertConfig(
        vocab_size=len(VOCABULARY),
        pad_token_id=VOCABULARY[BLANK],
        feature_projection_input_dim=STRIDE * BANDS,
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        conv_depthwise_kernel_size=15,
        position_embeddings_type="relative_key",
        left_max_position_embeddings=32,
        right_max_position_embeddings=8,
        hidden_dropout=0.05,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=0.05,
        layerdrop=0.0,
        apply_spec_augment=False,
        ctc_loss_reduction="mean",
        ctc_zero_infinity=True,
    )
    return Wav2Vec2BertForCTC(config)


def heard(path: Sequence[int]) -> str:
    """Return the words in *path*, the likeliest token of each frame."""
    kept = [token for at, token in enumerate(path) if at == 0 or token != path[at - 1]]
    return " ".join(speech.WORDS[token - 3] for token in kept if token >= 3)


def train(training: Training, folder: Path) -> tuple[Wav2Vec2BertForCTC, Wav2Vec2BertProcessor]:
    """Train, and leave the Trainer's own records of it in *folder*."""
    torch.manual_seed(training.seed)
    chance = random.Random(training.seed)  # noqa: S311
    tools = processor(folder)
    examples = _recordings(training.utterances, training.seed, tools, chance=chance)
    held = _recordings(training.eval_utterances, training.seed + 1, tools)
    model = network()
    trainer = Trainer(
        model=model,
        args=_arguments(training, folder),
        train_dataset=examples,
        eval_dataset=held,
        data_collator=collate,
        processing_class=tools.feature_extractor,  # by whose first name the lengths of examples are found
        # What Trainer collects is padded, and sorted by length: the words are listened to once more.
        preprocess_logits_for_metrics=lambda logits, _labels: logits[:, :0],
        compute_metrics=lambda _seen: {"wer": jiwer.wer(held.texts, _hear(model, held)[0])},
    )
    # Two threads that wait for each other are slower than one here.
    torch.set_num_threads(training.threads)
    done = trainer.train()
    trainer.save_metrics("train", done.metrics)
    trainer.save_metrics("eval", trainer.evaluate())
    trainer.save_state()
    return model, tools


def _arguments(training: Training, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay,
        lr_scheduler_type="cosine",
        adam_beta2=0.98,
        train_sampling_strategy="group_by_length",
        logging_strategy="epoch",
        eval_strategy="epoch",
        save_strategy="no",
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        seed=training.seed,
    )


def _recordings(
    count: int, seed: int, tools: Wav2Vec2BertProcessor, *, chance: random.Random | None = None, **held: Any
) -> Recordings:
    wanted = speech.utterances(count, seed=seed, **held)
    texts = [utterance.text for utterance in wanted]
    return Recordings(texts, speech.spoken(wanted), tools.feature_extractor, chance)


def measure(model: Wav2Vec2BertForCTC, tools: Wav2Vec2BertProcessor, training: Training) -> dict[str, float]:
    """
    Return the word error rates on unseen voices and on unseen speeds, and how sure the model was.

    The confidence in an utterance is that in its least sure word, and that of a word its best frame's.
    """
    count = training.test_utterances
    voices = _recordings(count, training.seed + 2, tools, variants=speech.UNSEEN)
    speeds = _recordings(count, training.seed + 3, tools, speeds=speech.UNSEEN_SPEEDS)
    model.eval()
    texts, sure = _hear(model, voices)
    right = np.array([text == said for text, said in zip(texts, voices.texts, strict=True)])
    results = {
        "test_wer": jiwer.wer(voices.texts, texts),
        "test_wer_unseen_speeds": jiwer.wer(speeds.texts, _hear(model, speeds)[0]),
        "test_utterances_all_right": right.mean(),
    }
    for name, these in (("right", right), ("wrong", ~right)):
        if these.any():
            results[f"test_confidence_where_{name}"] = sure[these].mean()
    return {name: round(float(value), 4) for name, value in results.items()}


@torch.inference_mode()
def _hear(model: Wav2Vec2BertForCTC, recordings: Recordings) -> tuple[list[str], Any]:
    texts, sure = [], []
    for item in recordings:
        # One at a time, as the app will: a batch would add silence.
        batch = collate([item])
        shares, path = model(**{**batch, "labels": None}).logits[0].softmax(dim=-1).max(dim=-1)
        texts.append(heard(path.tolist()))
        sure.append(min(_best_of_each_word(path.tolist(), shares.tolist()), default=0.0))
    return texts, np.array(sure)


def _best_of_each_word(path: Sequence[int], shares: Sequence[float]) -> list[float]:
    best: list[float] = []
    for at, (token, share) in enumerate(zip(path, shares, strict=True)):
        if token < 3:
            continue
        if at and path[at - 1] == token:
            best[-1] = max(best[-1], share)
        else:
            best.append(share)
    return best


def write(folder: Path, training: Training) -> dict[str, float]:
    """Train, write the model folder, and return what was measured."""
    began = time.process_time()
    model, tools = train(training, folder)
    seconds = time.process_time() - began
    model.save_pretrained(folder)
    tools.save_pretrained(folder)
    results = measure(model, tools, training)
    _write(folder / "test_results.json", results)
    about = {
        "dataset": f"espeak-ng {speech.version()}, synthetic voices only",
        "dataset_size": training.utterances,
        "cpu_seconds": round(seconds),
    }
    _write(folder / "training_config.json", {**_WORDS, **about, **asdict(training)})
    return results


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n")


def differences(results: dict[str, float], published: Path) -> list[str]:
    """Return the word error rates in *results* that are not those of the model folder *published*."""
    claimed = json.loads((published / "test_results.json").read_text())
    return [
        f"{name}: {results[name]:.4f} here, {claimed[name]:.4f} published"
        for name in ("test_wer", "test_wer_unseen_speeds")
        if abs(results[name] - claimed[name]) > TOLERANCE
    ]


_WORDS = {
    "title": "Spoken words (synthetic voices only)",
    "description": "Hears twenty English words, one to five at a time, in synthetic voices only: a small "
    "Wav2Vec2-BERT with one token for each word, trained from scratch on speech made by espeak-ng.",
    "license": "apache-2.0",
    "language": "en",
    "intended_use": "An example: it is small enough to train, publish and serve while you watch.",
    "limitations": "Synthetic voices only: it never heard a human being, nor another synthesizer than "
    "espeak-ng, and does badly on both. It knows no word but its own: " + ", ".join(speech.WORDS) + ".",
}


def main() -> None:
    """Train as the command line says, and print what was measured."""
    standard = Training()
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description="Train a model that hears spoken words.")
    parser.add_argument("--output", type=Path, default=here, help="the model folder to write")
    parser.add_argument("--epochs", type=int, default=standard.epochs)
    parser.add_argument("--utterances", type=int, default=standard.utterances)
    parser.add_argument("--test-utterances", type=int, default=standard.test_utterances)
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument(
        "--compare", action="store_true", help="fail if the word error rates are not the published ones"
    )
    given = parser.parse_args()
    training = Training(
        epochs=given.epochs,
        utterances=given.utterances,
        test_utterances=given.test_utterances,
        seed=given.seed,
    )
    results = write(given.output, training)
    print("\n".join(f"{name}  {value:.4f}" for name, value in results.items()))
    if given.compare:
        if different := differences(results, here):
            sys.exit("\n".join(different))
        print(f"The word error rates are the published ones, within {TOLERANCE}")


if __name__ == "__main__":
    main()
