"""The shape of ``model-index``, the results of evaluations in a model's header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_RESULT = (("task", ("type",)), ("dataset", ("type", "name")))


def check_model_index(value: object) -> Iterator[str]:
    """Yield what is wrong: each model has a name and results, each result a task, a dataset and metrics."""
    if not isinstance(value, list):
        yield "must be an array"
        return
    for index, model in enumerate(value):
        at = f"[{index}]"
        if not isinstance(model, Mapping):
            yield f'{at}" must be an object'
            continue
        if not isinstance(model.get("name"), str):
            yield f'{at}.name" is required'
        results = model.get("results")
        if not isinstance(results, list):
            yield f'{at}.results" must be an array'
            continue
        for number, result in enumerate(results):
            yield from _result(result, f"{at}.results[{number}]")


def _result(result: object, at: str) -> Iterator[str]:
    if not isinstance(result, Mapping):
        yield f'{at}" must be an object'
        return
    for part, keys in _RESULT:
        inner = result.get(part)
        if not isinstance(inner, Mapping):
            yield f'{at}.{part}" is required'
            continue
        for key in keys:
            if not isinstance(inner.get(key), str):
                yield f'{at}.{part}.{key}" is required'
    metrics = result.get("metrics")
    if not isinstance(metrics, list):
        yield f'{at}.metrics" must be an array'
        return
    for number, metric in enumerate(metrics):
        if not (isinstance(metric, Mapping) and isinstance(metric.get("type"), str)):
            yield f'{at}.metrics[{number}].type" is required'
        elif "value" not in metric:
            yield f'{at}.metrics[{number}].value" is required'
