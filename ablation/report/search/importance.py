"""How much each hyperparameter of a search mattered, by two methods of Optuna. Exploratory.

The trials are put into a study in memory, with the distributions that they were drawn from, so the
figures are those of ``optuna.importance`` on the study itself but for settings drawn twice, which
count once here. Each method's figures add up to 1.

- PED-ANOVA (Watanabe et al. 2023): how far the values of the best tenth of the trials differ from
  those of all. It judges a hyperparameter that is not always drawn as well.
- fANOVA (Hutter et al. 2014): how much of the variance a forest lays on each by itself. It needs
  every hyperparameter in every trial; those that are not are left out. A forest's own seed moves
  its figures, so they are means over several.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd
from joblib import Parallel, cpu_count, delayed
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ablation.objective.metric import Direction, Metric
from ablation.report.search.trials import Factors, numeric

COLUMNS = [
    *("parameter", "method", "importance", "low", "high", "trials"),
    *("standard_error", "forests"),
]
PED_ANOVA, FANOVA = "PED-ANOVA", "fANOVA"
LEAST = 10  # trials: the best tenth is one of them
ORDERED = 3  # so many hyperparameters are ranked, where both methods order them alike
FORESTS = 10  # of fANOVA, at most
TREES = 64  # of a forest
PRECISE = 0.01  # standard error of a share, a fraction, from which on no forest is added
IDLE_SECONDS = 5  # after which such a process ends
MANY = 500  # trials, from which on forests grow side by side: processes take seconds to start
RESAMPLES = 100  # of the trials, for what PED-ANOVA's figures are worth
STEADY = 41  # trials: the best tenth is then five, which Optuna advises at least


def importance(
    rows: pd.DataFrame,
    factors: Factors,
    metric: Metric,
    *,
    forests: int = FORESTS,
    trees: int = TREES,
    resamples: int = RESAMPLES,
    jobs: int | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """The importance of each hyperparameter, and what is left out and why.

    Args:
        rows: of ``ablation.report.search.trials.finished``.
        factors: as in ``StudyTable.factors``.
        metric: what decides.
        forests: of fANOVA, at most.
        trees: of a forest.
        resamples: of the trials, for what PED-ANOVA's figures are worth.
        jobs: in how many processes forests grow; as many as there are CPUs where there are
            ``MANY`` trials unless given, else one. The figures do not depend on it.

    Returns:
        Rows of ``parameter``, ``method``, ``importance`` (0 to 1; a method's add up to 1), ``low``
        and ``high`` (PED-ANOVA's 2.5 and 97.5 percentiles over resampled trials: the spread of
        the estimate, not an interval that covers the truth; empty for fANOVA, which takes too
        long), ``trials`` (how many it rests on: those in which the parameter was drawn), and of
        fANOVA ``standard_error`` (of the mean over ``forests``); in the order of the factors, and
        sentences.
    """
    none = pd.DataFrame(columns=COLUMNS)
    if len(rows) < LEAST:
        return none, [f"Not shown: it takes {LEAST} complete settings, and there are {len(rows)}."]
    if rows["value"].nunique() == 1:
        return none, [f"Not shown: all complete settings have the same {metric.noun}."]
    varied = {name: factors[name] for name in factors if rows[name].nunique() > 1}
    notes = _left_out(rows, factors)
    if not varied:
        return none, notes
    study = study_of(_trials(rows, varied), metric.direction)
    shares = {PED_ANOVA: _importances(study, PedAnovaImportanceEvaluator(), list(varied))}
    ends = _resampled(rows, varied, metric, resamples)
    figures = _rows(rows, PED_ANOVA, shares[PED_ANOVA], ends)
    if always := [name for name in varied if rows[name].notna().all()]:
        jobs = jobs or (cpu_count() if len(rows) >= MANY else 1)
        means, errors, count = _forests(study, always, forests, trees, jobs)
        more = _rows(rows, FANOVA, means, {})
        figures += [{**row, "standard_error": errors[row["parameter"]], "forests": count}
                  for row in more]  # fmt: skip
    return pd.DataFrame(figures, columns=COLUMNS).astype({"forests": "Int64"}), notes


def _left_out(rows: pd.DataFrame, factors: Factors) -> list[str]:
    """Which hyperparameters are not judged, or by one method alone."""
    few = [name for name in factors if rows[name].nunique() < 2]
    lines = [f"{name}: left out, because fewer than two values of it were drawn." for name in few]
    return lines + [
        f"{name}: drawn in {rows[name].count()} of {len(rows)} settings; PED-ANOVA judges it on "
        "these, and fANOVA cannot."
        for name in factors
        if name not in few and not rows[name].notna().all()
    ]


def _rows(
    rows: pd.DataFrame,
    method: str,
    shares: Mapping[str, float],
    ends: Mapping[str, tuple[float, float]],
) -> list[dict[str, Any]]:
    """A row a hyperparameter that a method judges, in the order of the factors."""
    unknown = (float("nan"), float("nan"))
    return [
        {
            "parameter": name,
            "method": method,
            "importance": shares[name],
            **dict(zip(("low", "high"), ends.get(name, unknown), strict=True)),
            "trials": rows[name].count(),
            "standard_error": float("nan"),
            "forests": pd.NA,
        }
        for name in rows.columns
        if name in shares
    ]


def _forests(
    study: Study, names: list[str], most: int, trees: int, jobs: int
) -> tuple[dict[str, float], dict[str, float], int]:
    """fANOVA's mean shares over forests, their standard errors, and how many forests it took.

    Those that grew beyond the last one needed, since several do at a time, are dropped.
    """
    grow = Parallel(n_jobs=min(jobs, most), idle_worker_timeout=IDLE_SECONDS)
    shares: list[dict[str, float]] = []
    errors = pd.Series(float("inf"), index=names)
    while len(shares) < most and not (errors <= PRECISE).all():
        seeds = range(len(shares), min(len(shares) + jobs, most))
        for share in grow(delayed(_forest)(study, seed, trees, names) for seed in seeds):
            if (errors <= PRECISE).all():
                break
            shares.append(share)
            if len(shares) > 1:
                errors = pd.DataFrame(shares)[names].std(ddof=1) / len(shares) ** 0.5
    means = pd.DataFrame(shares)[names].mean()
    as_floats = [{str(name): float(x) for name, x in each.items()} for each in (means, errors)]
    return as_floats[0], as_floats[1], len(shares)


def _forest(study: Study, seed: int, trees: int, names: list[str]) -> dict[str, float]:
    return _importances(study, FanovaImportanceEvaluator(n_trees=trees, seed=seed), names)


Judge = Callable[[pd.DataFrame, Factors, Metric], tuple[pd.DataFrame, list[str]]]
"""As `importance` is, of which a report may have another one."""


def ordered_alike(importances: pd.DataFrame) -> bool:
    """Whether both methods put the same hyperparameters first, in the same order."""
    ranked = importances.sort_values("importance", ascending=False, kind="stable")
    orders = [list(rows["parameter"][:ORDERED]) for _, rows in ranked.groupby("method")]
    return len(orders) > 1 and orders[0] == orders[1]


def shown_order(importances: pd.DataFrame) -> list[str]:
    """The hyperparameters as they are shown: the space's order, unless `ordered_alike`."""
    if importances.empty or not ordered_alike(importances):
        return list(dict.fromkeys(importances["parameter"]))
    return list(mean_importance(importances).index)


def mean_importance(importances: pd.DataFrame) -> pd.Series[float]:
    """By parameter the mean over the methods that judge it, the highest first."""
    means = importances.groupby("parameter", sort=False)["importance"].mean()
    return means.sort_values(ascending=False, kind="stable")


def _resampled(
    rows: pd.DataFrame, factors: Factors, metric: Metric, resamples: int
) -> dict[str, tuple[float, float]]:
    """Between which figures PED-ANOVA's lie where the trials are drawn anew from themselves."""
    draw, shares = np.random.default_rng(0), []
    trials = _trials(rows, factors)
    for _ in range(resamples):
        places = draw.integers(len(rows), size=len(rows))
        picked = rows.iloc[places]
        varied = [name for name in factors if picked[name].nunique() > 1]
        if varied and picked["value"].nunique() > 1:
            study = study_of([trials[place] for place in places], metric.direction)
            shares.append(_importances(study, PedAnovaImportanceEvaluator(), varied))
    grid = pd.DataFrame(shares, columns=list(factors)).fillna(0.0)  # of one value: no importance
    ends = grid.quantile([0.025, 0.975])
    return {name: (float(ends[name].iloc[0]), float(ends[name].iloc[1])) for name in factors}


def _importances(
    study: Study, evaluator: BaseImportanceEvaluator, names: list[str]
) -> dict[str, float]:
    with warnings.catch_warnings():  # of a parameter that all trials but one have: harmless
        warnings.filterwarnings("ignore", message="Some regimes for parameter")
        return get_param_importances(study, evaluator=evaluator, params=names)


class _Given(InMemoryStorage):
    """A storage of one study, whose trials are read as they were given.

    Optuna's own storage copies each trial that is added, which took most of a resampling.
    """

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._given = trials

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The given trials, uncopied."""
        return [trial for trial in self._given if states is None or trial.state in states]


def study_of(trials: Iterable[FrozenTrial], direction: Direction) -> Study:
    """A study in memory of these trials, each of which may be there more than once."""
    copies = [
        FrozenTrial(
            number=number,
            trial_id=number,
            state=trial.state,
            value=trial.value,
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        for number, trial in enumerate(trials)
    ]
    return optuna.create_study(storage=_Given(copies), direction=direction)


def _trials(rows: pd.DataFrame, factors: Factors) -> list[FrozenTrial]:
    """A trial a row, as if it had been drawn."""
    distributions = {name: _distribution(factor) for name, factor in factors.items()}
    trials = []
    for row in rows.to_dict("records"):
        drawn = [name for name in factors if not pd.isna(row[name])]
        trials.append(
            optuna.trial.create_trial(
                params={name: _value(row[name], factors[name]) for name in drawn},
                distributions={name: distributions[name] for name in drawn},
                value=row["value"],
            )
        )
    return trials


def _distribution(factor: Mapping[str, Any]) -> BaseDistribution:
    """What a factor was drawn from; of a list the levels are categories by their text."""
    if factor["range"] is None:
        return CategoricalDistribution(_categories(factor))
    low, high, step, log = (factor["range"][key] for key in ("low", "high", "step", "log"))
    if factor["range"]["whole"]:
        return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    return FloatDistribution(float(low), float(high), log=log, step=step)


def _categories(factor: Mapping[str, Any]) -> list[Any]:
    return [float(x) for x in factor["levels"]] if numeric(factor) else list(factor["levels"])


def _value(value: Any, factor: Mapping[str, Any]) -> Any:
    if factor["range"] is None:
        return value
    low, high, whole = (factor["range"][key] for key in ("low", "high", "whole"))
    within = min(max(value, low), high)  # a draw is kept to 12 digits, which may lie just beyond
    return int(within) if whole else within
