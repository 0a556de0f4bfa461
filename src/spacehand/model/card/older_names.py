"""Facts by the names that the card templates of older projects use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spacehand.model.card.facts import Facts, is_hub_id

_SETTINGS = {
    "training_config_type": "training_config_type",
    "trainer_type": "trainer",
    "batch_size": "batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "learning_rate": "learning_rate",
    "max_epochs": "epochs",
    "epochs": "epochs",
    "max_seq_length": "max_sequence_length",
    "hardware_info": "hardware",
    "experiment_name": "experiment",
    "dataset_size": "dataset_size",
}
_METRICS = {
    "training_loss": ("train_loss", "training_loss", "loss"),
    "train_loss": ("train_loss", "training_loss", "loss"),
    "validation_loss": ("eval_loss", "validation_loss", "val_loss"),
    "eval_loss": ("eval_loss", "validation_loss", "val_loss"),
    "perplexity": ("eval_perplexity", "perplexity"),
}


def older_names(facts: Facts, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all variables of older templates that are known, and what was *given* by its own names."""
    dataset = facts.datasets[0] if facts.datasets else None
    known: dict[str, Any] = {
        "model_name": facts.title,
        "model_description": facts.description,
        "repo_name": facts.repo,
        "model_name_slug": re.sub(r"[^a-z0-9]+", "_", facts.title.lower()).strip("_"),
        "base_model": facts.base_model_name,
        "dataset_name": dataset,
        "has_hub_dataset_id": dataset is not None and is_hub_id(dataset),
        "author_name": facts.author,
        "license": facts.license,
        "language": facts.language[0] if facts.language else None,
        "quantized_models": any("quant" in what or "bit" in what for what in facts.variants.values()),
        "include_model_index": bool(facts.metrics and facts.datasets),
        "weights_sha256": facts.weights_sha256,
        "parameters": facts.weight_facts.parameters if facts.weight_facts else None,
    }
    known |= {theirs: facts.settings.get(ours) for theirs, ours in _SETTINGS.items()}
    for theirs, names in _METRICS.items():
        known[theirs] = next((facts.metrics[name] for name in names if name in facts.metrics), None)
    plain = {name: value for name, value in given.items() if isinstance(value, str | int | float | list)}
    return {**plain, **{name: value for name, value in known.items() if value is not None}}
