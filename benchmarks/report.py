"""What a report's longest computations take, and whether several processes would shorten them.

    python benchmarks/report.py                          # searches of 60, 200 and 1,000 trials
    python benchmarks/report.py --trials 60 --pairs 5

fANOVA's forests of a made-up search, as many as its report takes: one after another, and by joblib
in as many processes as there are CPUs, whose start counts. Both must give the same figures. The
resampling of PED-ANOVA, which is never run in processes, is timed beside them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import optuna
from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky import get_reusable_executor
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from ablation.report.search import importance
from ablation.report.search.trials import finished

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.helpers.report_studies import study

Shares = list[dict[str, float]]


def forest(searched: optuna.Study, seed: int, names: list[str]) -> dict[str, float]:
    """One forest's shares, as a report's."""
    evaluator = FanovaImportanceEvaluator(seed=seed)
    return get_param_importances(searched, evaluator=evaluator, params=names)


def side_by_side(calls: list[Any]) -> Shares:
    """Forests in as many processes as there are CPUs."""
    return list(Parallel(n_jobs=min(cpu_count(), len(calls)))(calls))


def seconds(make: Callable[[], Any]) -> tuple[float, Any]:
    """How long something takes, and what it gives."""
    start = time.perf_counter()
    found = make()
    return time.perf_counter() - start, found


def measure(trials: int, pairs: int) -> dict[str, Any]:
    """Interleaved pairs for a search of so many trials."""
    made = study("search", arms=trials, epochs=1)
    rows = finished(made.trials, made.arms, made.factors)
    factors = {name: made.factors[name] for name in made.factors if rows[name].nunique() > 1}
    names = [name for name in factors if rows[name].notna().all()]
    searched = importance._study(importance._trials(rows, factors))
    _, _, forests = importance._forests(searched, names)
    calls = [delayed(forest)(searched, seed, names) for seed in range(forests)]
    taken: dict[str, list[float]] = {"serial": [], "processes": [], "resampling": []}
    for _ in range(pairs):
        serial, one = seconds(lambda: [forest(searched, seed, names) for seed in range(forests)])
        parallel, other = seconds(lambda: side_by_side(calls))
        get_reusable_executor().shutdown(wait=True)  # so that each pair starts its own
        if one != other:
            raise SystemExit("The figures differ.")
        resampling, _ = seconds(lambda: importance._resampled(rows, factors))
        for name, value in zip(taken, (serial, parallel, resampling), strict=True):
            taken[name].append(value)
    ratios = [a / b for a, b in zip(taken["serial"], taken["processes"], strict=True)]
    print(f"{trials:6} trials, {forests:2} forests: one after another "
          f"{machine.shown(taken['serial'], 1)} s, in processes "
          f"{machine.shown(taken['processes'], 1)} s, ratio {machine.shown(ratios)}; resampling "
          f"{machine.shown(taken['resampling'], 1)} s", flush=True)  # fmt: skip
    found = {name: machine.spread(values) for name, values in taken.items()}
    return {"trials": trials, "forests": forests, **found, "ratio": machine.spread(ratios)}


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[60, 200, 1_000])
    parser.add_argument("--pairs", type=int, default=3, help="of a size")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    about = machine.describe(threads=1)
    found = [measure(trials, options.pairs) for trials in options.trials]
    machine.finish("report", about, importance=found)


if __name__ == "__main__":
    main()
