"""A LoRA adapter on its base: every tensor of its file is in the model, or nothing is served."""

from __future__ import annotations

from typing import Any

import peft
import torch

from asr.errors import WeightsError
from asr.weights import Weights


def merged(model: Any, weights: Weights) -> Any:
    """
    Return *model* with the adapter's change added to its own weights, which costs nothing when it is used.

    Raises:
        WeightsError: the adapter does not fit the model.
    """
    adapted = on_top(model, weights)
    if not hasattr(adapted, "merge_and_unload"):
        return adapted
    return adapted.merge_and_unload(safe_merge=True)


def on_top(model: Any, weights: Weights) -> Any:
    """
    Return *model* with the adapter beside its weights, for those that are quantized.

    Raises:
        WeightsError: the adapter does not fit the model.
    """
    try:
        config = peft.PeftConfig.from_pretrained(str(weights.folder))
        config.inference_mode = True
        config.base_model_name_or_path = model.name_or_path  # a folder here; PEFT compares the two
        held = peft.load_peft_weights(str(weights.folder), device=str(model.device))
        adapted = peft.get_peft_model(model, config)
        result = peft.set_peft_model_state_dict(adapted, held)
    except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
        raise _misfit(weights, str(error).strip().splitlines()[-1].strip()) from error
    if unexpected := sorted(result.unexpected_keys):
        raise _misfit(weights, f"the model has no place for {unexpected[0]}")
    placed = peft.get_peft_model_state_dict(adapted, save_embedding_layers=False)
    if missing := sorted(set(placed) - set(held)):
        raise _misfit(weights, f"it lacks {missing[0]}")
    for name, tensor in placed.items():
        if not torch.equal(tensor.detach(), held[name].to(tensor)):
            raise _misfit(weights, f"{name} did not arrive in the model")
    return adapted


def _misfit(weights: Weights, why: str) -> WeightsError:
    base = weights.base.model_id if weights.base else "its base"
    return WeightsError(f"The adapter {weights.model_id} does not fit its base model {base}: {why}")
