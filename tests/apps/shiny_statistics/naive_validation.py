"""Harrell's bootstrap written a second time, by statsmodels and pair by pair; in the app's environment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from statsmodels.duration.hazard_regression import PHReg


def validated(table: pd.DataFrame, options: dict[str, Any]) -> tuple[float, float]:
    """Return the apparent C-index and the mean optimism, over the resamples that the app draws."""
    values = table[options["covariates"]].to_numpy(dtype=float)
    time, event = (table[options[name]].to_numpy(dtype=float) for name in ("time", "event"))
    chance = np.random.default_rng(options["seed"])
    optimism = []
    for _ in range(options["rounds"]):
        rows = chance.integers(0, len(table), len(table))
        risk = values @ _slopes(values[rows], time[rows], event[rows])
        optimism.append(_c_index(risk[rows], time[rows], event[rows]) - _c_index(risk, time, event))
    return _c_index(values @ _slopes(values, time, event), time, event), float(np.mean(optimism))


def _slopes(values: np.ndarray, time: np.ndarray, event: np.ndarray) -> np.ndarray:
    return np.asarray(PHReg(time, values, status=event, ties="efron").fit(disp=0).params)


def _c_index(risk: np.ndarray, time: np.ndarray, event: np.ndarray) -> float:
    """Return the share of pairs, one known to have the event first, that the risk tells rightly."""
    first = (event == 1)[:, None] & (time[:, None] < time[None, :])
    # Of two at the same time, one with and one without the event, the first had it earlier.
    first |= (event == 1)[:, None] & (event == 0)[None, :] & (time[:, None] == time[None, :])
    right = (risk[:, None] > risk[None, :]) + 0.5 * (risk[:, None] == risk[None, :])
    return float(right[first].mean())
