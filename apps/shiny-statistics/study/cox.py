"""Cox's proportional hazards model, and a look at whether the hazards are proportional."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError, ConvergenceWarning
from lifelines.statistics import proportional_hazard_test

from study.design import complete_rows, design, outcome, times
from study.errors import ChoiceError
from study.estimates import Estimates, few_events, left_out
from study.result import Result, Table, number_text, p_equals, p_text

TIME, EVENT = "\0time", "\0event"  # no column of an upload is called so


def cox(table: pd.DataFrame, options: dict[str, Any]) -> Result:
    """
    Return hazard ratios with Wald's 95 % intervals; ties by Efron's method.

    *options*: ``time``, ``event``: columns; ``covariates``: columns; ``swap``.
    """
    rows, dropped = complete_rows(table, [options["time"], options["event"], *options["covariates"]])
    event = outcome(rows[options["event"]], swapped=options.get("swap", False))
    data = design(rows, options["covariates"]).assign(
        **{TIME: times(rows[options["time"]]), EVENT: event.values}
    )
    fit = fitted(data)
    if fit is None:
        raise ChoiceError(
            "The model has no finite solution: a covariate tells all events apart, or nearly so",
            "Choose fewer covariates, or put rare values together",
        )
    summary = fit.summary
    estimates = Estimates(
        list(summary.index),
        *(summary[name].to_numpy() for name in ("coef", "se(coef)", "coef lower 95%", "coef upper 95%", "p")),
    )
    proportional = proportional_hazard_test(fit, data, time_transform="rank").summary
    test = fit.log_likelihood_ratio_test()
    return Result(
        title="Cox regression",
        method="Hazard ratios were estimated by Cox regression with Efron's method for ties and Wald "
        "intervals; proportionality was tested by the scaled Schoenfeld residuals against the rank of time.",
        facts=[
            ("Patients", str(len(rows))),
            ("Events", f"{event.count} ({event.event})"),
            ("C-index, apparent", number_text(fit.concordance_index_, 3)),
            ("Likelihood ratio test", p_equals(test.p_value)),
        ],
        tables=[estimates.table("Hazard ratio", "Hazard ratios"), _proportional(proportional)],
        figures=[estimates.figure("Hazard ratio")],
        notes=[
            *_warning(proportional),
            *few_events(event.count, 2 * event.count, len(estimates.names)),
            *left_out(dropped),
        ],
        numbers={
            "n": len(rows),
            "events": event.count,
            "coefficients": estimates.numbers(),
            "log_likelihood": float(fit.log_likelihood_),
            "likelihood_ratio": float(test.test_statistic),
            "c_index": float(fit.concordance_index_),
            "proportional_p": proportional["p"].to_dict(),
        },
    )


def fitted(data: pd.DataFrame) -> CoxPHFitter | None:
    """Return the model of *data*, which has the columns TIME and EVENT; None without a finite solution."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            return CoxPHFitter().fit(data, TIME, EVENT)
        except (ConvergenceError, ConvergenceWarning):
            return None


def _proportional(found: pd.DataFrame) -> Table:
    rows = [
        [str(name), number_text(row["test_statistic"]), p_text(row["p"])] for name, row in found.iterrows()
    ]
    return Table("Are the hazards proportional?", ["", "Test statistic", "p"], rows)


def _warning(found: pd.DataFrame) -> list[str]:
    names = [str(name) for name, row in found.iterrows() if row["p"] < 0.05]
    if not names:
        return []
    return [f"The hazards of {', '.join(names)} may not be proportional: the ratio is an average over time."]
