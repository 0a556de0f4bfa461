"""Logistic regression: maximum likelihood, or Firth's penalty where few events or separation spoil that."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from firthmodels import FirthLogisticRegression, detect_separation
from sklearn.metrics import roc_auc_score
from statsmodels.api import Logit, add_constant
from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning

from study.design import Outcome, complete_rows, design, outcome
from study.errors import ChoiceError
from study.estimates import Estimates, few_events, left_out
from study.result import Result, number_text

INTERCEPT = "(intercept)"


def logistic(table: pd.DataFrame, options: dict[str, Any]) -> Result:
    """
    Return odds ratios with 95 % intervals.

    Maximum likelihood gives Wald intervals and tests; Firth's method (Firth 1993, Heinze and Schemper 2002)
    gives those of the profile penalised likelihood.

    *options*: ``outcome``: a column; ``covariates``: columns; ``method``: ``ml`` or ``firth``; ``swap``.
    """
    rows, dropped = complete_rows(table, [options["outcome"], *options["covariates"]])
    event = outcome(rows[options["outcome"]], swapped=options.get("swap", False))
    matrix = design(rows, options["covariates"])
    by_firth = options.get("method", "ml") == "firth"
    estimates, fitted, likelihood = (_firth if by_firth else _maximum_likelihood)(matrix, event)
    auc = float(roc_auc_score(event.values, fitted))
    brier = float(np.mean((fitted - event.values) ** 2))
    shown = Estimates(*(part[1:] for part in vars(estimates).values()))  # without the intercept
    return Result(
        title=f"Logistic regression of {event.column}",
        method="Odds ratios were estimated by logistic regression "
        + (
            "with Firth's penalty; intervals and tests are of the profile penalised likelihood."
            if by_firth
            else "by maximum likelihood, with Wald intervals and tests."
        ),
        facts=[
            ("Patients", str(len(rows))),
            ("Events", f"{event.count} ({event.event})"),
            ("C statistic, apparent", number_text(auc, 3)),
            ("Brier score, apparent", number_text(brier, 3)),
        ],
        tables=[shown.table("Odds ratio", "Odds ratios")],
        figures=[shown.figure("Odds ratio")],
        notes=[*few_events(event.count, len(rows), matrix.shape[1]), *left_out(dropped)],
        numbers={
            "n": len(rows),
            "events": event.count,
            "coefficients": estimates.numbers(),
            "log_likelihood": likelihood,
            "auc": auc,
            "brier": brier,
        },
    )


def propensities(matrix: pd.DataFrame, event: Outcome) -> np.ndarray:
    """Return each row's fitted probability of the event, by maximum likelihood."""
    return _maximum_likelihood(matrix, event)[1]


def _maximum_likelihood(matrix: pd.DataFrame, event: Outcome) -> tuple[Estimates, np.ndarray, float]:
    found = detect_separation(matrix.to_numpy(), event.values)
    if found.separation:
        # Without names, firthmodels puts the intercept last.
        names = [name for name, finite in zip(matrix.columns, found.is_finite, strict=False) if not finite]
        raise ChoiceError(
            f"{', '.join(f'`{name}`' for name in names) or 'A covariate'} separates the outcomes: "
            "maximum likelihood has no finite odds ratio for it",
            "Choose Firth's method, or leave it out",
        )
    scale = matrix.std(ddof=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("error", PerfectSeparationWarning)
        try:
            # Newton's steps on columns of one size; the estimates are those of the columns as they are.
            start = Logit(event.values, add_constant(matrix / scale, has_constant="add")).fit(
                disp=0, maxiter=100
            )
            model = Logit(event.values, add_constant(matrix, has_constant="add"))
            first = np.concatenate(
                [start.params.to_numpy()[:1], start.params.to_numpy()[1:] / scale.to_numpy()]
            )
            fit = model.fit(start_params=first, disp=0, maxiter=100)
        except (ConvergenceWarning, PerfectSeparationWarning, np.linalg.LinAlgError) as error:
            raise ChoiceError("Maximum likelihood found no solution", "Choose Firth's method") from error
    interval = np.asarray(fit.conf_int())
    estimates = Estimates(
        [INTERCEPT, *matrix.columns],
        np.asarray(fit.params),
        np.asarray(fit.bse),
        interval[:, 0],
        interval[:, 1],
        np.asarray(fit.pvalues),
    )
    return estimates, np.asarray(fit.predict()), float(fit.llf)


def _firth(matrix: pd.DataFrame, event: Outcome) -> tuple[Estimates, np.ndarray, float]:
    mean, scale = matrix.mean().to_numpy(), matrix.std(ddof=0).to_numpy()
    scaled = (matrix.to_numpy() - mean) / scale  # odds ratios do not depend on it, and it converges
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = FirthLogisticRegression(backend="numpy", max_iter=200, gtol=1e-8, xtol=1e-8).fit(
            scaled, event.values
        )
        model.lrt()
        interval = model.conf_int(method="pl", max_iter=100, tol=1e-6)
    if not model.converged_:
        raise ChoiceError("Firth's method found no solution", "Choose fewer covariates")
    slopes = model.coef_ / scale
    # The intercept is where all covariates are 0; only its estimate is told, not an interval.
    first = float(model.intercept_ - mean @ slopes)
    nothing = [np.nan]
    estimates = Estimates(
        [INTERCEPT, *matrix.columns],
        np.concatenate([[first], slopes]),
        np.concatenate([nothing, model.bse_[:-1] / scale]),
        np.concatenate([nothing, interval[:-1, 0] / scale]),
        np.concatenate([nothing, interval[:-1, 1] / scale]),
        np.concatenate([nothing, model.lrt_pvalues_[:-1]]),
    )
    return estimates, model.predict_proba(scaled)[:, 1], float(model.loglik_)
