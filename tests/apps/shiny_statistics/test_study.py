"""Each analysis beside published figures, a value known in closed form, or a second implementation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.apps.shiny_statistics.conftest import Study, StudyProblemError

pytestmark = pytest.mark.slow

ROSSI = {"lifelines": "rossi"}
GBSG2 = {"lifelines": "gbsg2"}
SPECTOR = {"statsmodels": "spector"}

# Freireich et al. 1963: weeks of remission with 6-MP and with placebo.
TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
LEUKAEMIA = {
    "table": {
        "weeks": TREATED + PLACEBO,
        "relapse": RELAPSED + [1] * 21,
        "arm": ["6-MP"] * 21 + ["placebo"] * 21,
    }
}

# Student 1908: hours of additional sleep with two drugs.
SLEEP = {
    "table": {
        "extra": [
            *(0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0),
            *(1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4),
        ],
        "drug": [1] * 10 + [2] * 10,
    }
}


def test_kaplan_meier_gives_freireichs_curves(study: Study):
    """
    The estimates at each relapse, the medians and the log-rank statistic are those of the textbooks.
    """
    found = study.analyse("kaplan_meier", LEUKAEMIA, time="weeks", event="relapse", group="arm")
    treated = found["groups"]["6-MP"]
    curve = dict(zip(treated["times"], treated["survival"], strict=True))
    published = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {time: round(curve[time], 3) for time in published} == published
    assert (treated["median"], found["groups"]["placebo"]["median"]) == (23, 8)
    assert found["logrank"] == pytest.approx(16.79, abs=0.01)


def test_cox_gives_the_published_hazards_of_rearrest(study: Study):
    """
    Coefficients, standard errors and the likelihood ratio of Rossi's data are those that R's coxph gives.
    """
    names = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
    found = study.analyse("cox", ROSSI, time="week", event="arrest", covariates=names)
    published = [-0.37942, -0.05744, 0.31390, -0.14980, -0.43370, -0.08487, 0.09150]
    errors = [0.19138, 0.02200, 0.30799, 0.21222, 0.38187, 0.19576, 0.02865]
    assert [found["coefficients"][name]["coefficient"] for name in names] == pytest.approx(
        published, abs=1e-5
    )
    assert [found["coefficients"][name]["error"] for name in names] == pytest.approx(errors, abs=1e-5)
    assert found["likelihood_ratio"] == pytest.approx(33.27, abs=0.01)


def test_logistic_gives_greenes_estimates(study: Study):
    """
    Spector and Mazzeo's data: coefficients, standard errors and log-likelihood of Greene's textbook.
    """
    found = study.analyse("logistic", SPECTOR, outcome="GRADE", covariates=["GPA", "TUCE", "PSI"])
    told = found["coefficients"]
    names = ["(intercept)", "GPA", "TUCE", "PSI"]
    assert [told[name]["coefficient"] for name in names] == pytest.approx(
        [-13.0213, 2.8261, 0.0952, 2.3787], abs=1e-4
    )
    assert [told[name]["error"] for name in names] == pytest.approx([4.931, 1.263, 0.1416, 1.065], abs=1e-3)
    assert found["log_likelihood"] == pytest.approx(-12.8896, abs=1e-4)


def test_separation_is_found_and_firths_method_solves_it(study: Study):
    """
    In a two by two table Firth's log odds ratio has half an event more in each cell; p is the likelihood's.
    """
    cells = {(1, 1): 9, (1, 0): 4, (0, 1): 0, (0, 0): 11}  # (exposed, ill)
    rows = [pair for pair, count in cells.items() for _ in range(count)]
    table = {"table": {"exposed": [row[0] for row in rows], "ill": [row[1] for row in rows]}}
    with pytest.raises(StudyProblemError, match="`exposed` separates the outcomes") as refused:
        study.analyse("logistic", table, outcome="ill", covariates=["exposed"])
    assert "Firth" in refused.value.hint

    found = study.analyse("logistic", table, outcome="ill", covariates=["exposed"], method="firth")
    told = found["coefficients"]["exposed"]
    assert told["coefficient"] == pytest.approx(math.log(9.5 * 11.5 / (0.5 * 4.5)), abs=1e-5)
    assert told["p"] == pytest.approx(_firth_p(cells), rel=1e-3)


def _firth_p(cells: dict[tuple[int, int], int]) -> float:
    """Return the p-value of the penalised likelihood ratio, by search over a grid."""
    ill = {group: cells[group, 1] for group in (0, 1)}
    all_of = {group: cells[group, 1] + cells[group, 0] for group in (0, 1)}

    def penalised(chances: tuple[Any, Any]) -> Any:
        weights = [all_of[group] * chances[group] * (1 - chances[group]) for group in (0, 1)]
        likelihood = sum(
            ill[group] * np.log(chances[group]) + (all_of[group] - ill[group]) * np.log(1 - chances[group])
            for group in (0, 1)
        )
        return likelihood + 0.5 * np.log(weights[0] * weights[1])  # the information's determinant

    grid = np.linspace(1e-4, 1 - 1e-4, 20_001)
    free = max(penalised((chance, grid)).max() for chance in grid[::20])
    tied = penalised((grid, grid)).max()
    return math.erfc(math.sqrt(max(0.0, free - tied)))  # of chi square with one degree of freedom


def test_areas_under_curves_are_delongs(study: Study):
    """
    The fast form gives what the definition gives, with ties, for two correlated scores.
    """
    chance = np.random.default_rng(3)
    ill = (chance.random(60) < 0.4).astype(int)
    scores = np.round(np.column_stack([ill + chance.normal(size=60), chance.normal(size=60)]), 1)
    areas, covariance = study.call("study.roc:delong", {"array": scores.tolist()}, {"array": ill.tolist()})

    more = scores[ill == 1][:, None, :] - scores[ill == 0][None, :, :]
    wins = (more > 0) + 0.5 * (more == 0)  # ill by well by scores
    assert areas == pytest.approx(wins.mean(axis=(0, 1)).tolist())
    of_ill, of_well = wins.mean(axis=1), wins.mean(axis=0)
    expected = np.cov(of_ill.T) / len(of_ill) + np.cov(of_well.T) / len(of_well)
    assert np.array(covariance) == pytest.approx(expected)


def test_matching_is_greedy_and_uses_nobody_twice(study: Study):
    """
    Worked by hand: the likeliest treated first, each with the nearest who is free, none beyond the calliper.
    """
    logit, treated = [1.0, 2.0, 0.0, 1.9, 1.1, 0.95, 5.0], [1, 1, 1, 0, 0, 0, 0]
    pairs = study.call("study.propensity:matched", {"array": logit}, {"array": treated}, 0.2)
    assert pairs == [[1, 3], [0, 5]]


def test_matching_balances_the_breast_cancer_patients(study: Study):
    """
    Each covariate's standardised difference ends below 0.1; the one of a share is that of its formula.
    """
    names = ["age", "menostat", "tsize", "tgrade", "pnodes", "progrec", "estrec"]
    found = study.analyse("propensity", GBSG2, treatment="horTh", covariates=names)
    one, other = 59 / 246, 231 / 440  # premenopausal with and without hormone therapy
    variance = (one * (1 - one) * 246 / 245 + other * (1 - other) * 440 / 439) / 2
    assert found["before"]["menostat: Pre"] == pytest.approx((one - other) / math.sqrt(variance))
    assert max(map(abs, found["before"].values())) > 0.5
    assert max(map(abs, found["after"].values())) < 0.1


@pytest.mark.parametrize(("summary", "p"), [("mean", 0.07939), ("median", 0.06933)])
def test_table_one_gives_students_sleep(study: Study, summary: str, p: float):
    """
    Welch's and the Mann–Whitney test of Student's data are as R prints them.
    """
    found = study.analyse("table_one", SLEEP, columns=["extra"], group="drug", summary=summary)
    assert found["columns"]["extra"]["p"] == pytest.approx(p, abs=1e-5)


def test_table_one_tests_counts_as_fisher_did(study: Study):
    """
    The lady who tasted tea: few expected, so the exact test; a large table has the chi square of its formula.
    """
    tea = {"table": {"first": ["milk"] * 4 + ["tea"] * 4, "said": list("mmmtmttt")}}
    found = study.analyse("table_one", tea, columns=["said"], group="first")["columns"]["said"]
    assert (found["test"], round(found["p"], 4)) == ("Fisher's exact test", 0.4857)

    found = study.analyse("table_one", GBSG2, columns=["menostat"], group="horTh")["columns"]["menostat"]
    (a, b), (c, d) = found["counts"]
    square = 686 * (a * d - b * c) ** 2 / ((a + b) * (c + d) * (a + c) * (b + d))
    assert found["p"] == pytest.approx(math.erfc(math.sqrt(square / 2)), rel=1e-6)
    one, other = c / (a + c), d / (b + d)
    smd = abs(one - other) / math.sqrt((one * (1 - one) + other * (1 - other)) / 2)
    assert found["smd"] == pytest.approx(smd)


def test_validation_agrees_with_another_implementation(study: Study):
    """
    The same resamples, fitted by statsmodels and ranked pair by pair, have the same optimism.
    """
    asked = {"time": "week", "event": "arrest", "covariates": ["fin", "age", "prio"], "rounds": 10, "seed": 7}
    found = study.analyse("validation", ROSSI, **asked)
    apparent, optimism = study.call("naive_validation:validated", ROSSI, asked)
    assert found["apparent"] == pytest.approx(apparent, abs=1e-9)
    assert found["optimism"] == pytest.approx(optimism, abs=1e-6)
    assert found["corrected"] == found["apparent"] - found["optimism"]


@pytest.mark.parametrize(
    ("analysis", "options", "message"),
    [
        ("cox", {"time": "week", "event": "prio", "covariates": ["age"]}, "an outcome has two"),
        ("cox", {"time": "week", "event": "arrest", "covariates": []}, "No covariates"),
        ("cox", {"time": "week", "event": "arrest", "covariates": ["week"]}, "`week` is chosen twice"),
        ("kaplan_meier", {"time": "none", "event": "arrest"}, "no column `none`"),
        ("kaplan_meier", {"time": "week", "event": "arrest", "group": "prio"}, "groups, more than"),
        (
            "validation",
            {"time": "week", "event": "arrest", "covariates": ["age"], "rounds": 1},
            "1 resamples",
        ),
    ],
)
def test_what_cannot_be_done_is_said(study: Study, analysis: str, options: dict[str, Any], message: str):
    """
    A choice that makes no sense is refused with the column's name, and what to do instead.
    """
    with pytest.raises(StudyProblemError, match=message) as refused:
        study.analyse(analysis, ROSSI, **options)
    assert (refused.value.kind, bool(refused.value.hint)) == ("ChoiceError", True)
