"""Runs in the app's own environment: does what each line of its input asks for, and answers in one line."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import pandas as pd


def main() -> None:
    """Answer until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"found": _plain(_done(asked))}
        except Exception as error:
            answer = {
                "error": type(error).__name__,
                "message": str(error),
                "hint": getattr(error, "hint", ""),
            }
        print(json.dumps(answer), file=answers, flush=True)


def _done(asked: dict[str, Any]) -> Any:
    module, _, name = asked["call"].partition(":")
    function = getattr(importlib.import_module(module), name)
    return function(*(_value(argument) for argument in asked["arguments"]))


def _value(argument: Any) -> Any:
    """Return an argument: a table given by its columns or where it comes from, an array, or as it is."""
    if not isinstance(argument, dict):
        return argument
    if "table" in argument:
        return pd.DataFrame(argument["table"])
    if "lifelines" in argument:
        return getattr(importlib.import_module("lifelines.datasets"), f"load_{argument['lifelines']}")()
    if "statsmodels" in argument:
        return importlib.import_module(f"statsmodels.datasets.{argument['statsmodels']}").load_pandas().data
    if "array" in argument:
        return pd.DataFrame(argument["array"]).to_numpy().squeeze()
    return argument


def _plain(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return json.loads(value.to_json(orient="split"))
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value


if __name__ == "__main__":
    main()
