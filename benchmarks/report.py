"""What a report takes, its figures drawn and its forests grown in one process and in several.

    python benchmarks/report.py                # a whole report, and forests of 200 and 1,000 trials
    python benchmarks/report.py --trials 60 --pairs 5

Made-up studies. Pairs of one process and of as many as there are CPUs, whose start counts; both
must give the same bytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import machine
import optuna
from joblib import cpu_count
from joblib.externals.loky import get_reusable_executor

from ablation.report.search.importance import importance
from ablation.report.search.trials import finished
from ablation.report.write import write_report

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.helpers.made.report_studies import study


def files_of(arms: int, jobs: int) -> dict[str, bytes]:
    """A report's files, drawn in so many processes."""
    made = study("one-factor", arms=arms, seeds=5)
    with tempfile.TemporaryDirectory() as folder:
        write_report(made, Path(folder), jobs=jobs)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def importance_of(trials: int, jobs: int) -> str:
    """Importances, their forests grown in so many processes."""
    made = study("search", arms=trials, epochs=1)
    rows = finished(made.trials, made.arms, made.factors)
    found, _ = importance(rows, made.factors, made.metric, resamples=2, jobs=jobs)
    return found.to_csv()


def measure(what: str, make: Callable[[int], Any], pairs: int) -> dict[str, Any]:
    """Interleaved pairs of something made in one process and in several."""
    taken: dict[int, list[float]] = {1: [], cpu_count(): []}
    made = {}
    for _ in range(pairs):
        for jobs, seconds in taken.items():
            start = time.perf_counter()
            made[jobs] = make(jobs)
            seconds.append(time.perf_counter() - start)
            get_reusable_executor().shutdown(wait=True)  # so that each pair starts its own
        if len({str(each) for each in made.values()}) > 1:
            raise SystemExit(f"{what}: not the same bytes.")
    one, several = taken.values()
    ratios = [a / b for a, b in zip(one, several, strict=True)]
    print(f"{what}: {machine.shown(one, 1)} s in one process, {machine.shown(several, 1)} s in "
          f"{cpu_count()}, ratio {machine.shown(ratios)}", flush=True)  # fmt: skip
    return {"one": machine.spread(one), "several": machine.spread(several),
            "ratio": machine.spread(ratios)}  # fmt: skip


def main() -> None:
    """Measure a whole report, and forests of each size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--arms", type=int, default=30, help="of the report")
    parser.add_argument("--trials", type=int, nargs="*", default=[200, 1_000], help="of searches")
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    about = machine.describe(threads=1)
    whole = f"a report of {options.arms} arms"
    found = {whole: measure(whole, partial(files_of, options.arms), options.pairs)}
    for trials in options.trials:
        what = f"importance of {trials} trials"
        found[what] = measure(what, partial(importance_of, trials), options.pairs)
    machine.finish("report", about, **found)


if __name__ == "__main__":
    main()
