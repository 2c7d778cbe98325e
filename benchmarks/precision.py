"""Does bf16 give the results of fp32? The same trainings in both, paired by seed.

    python benchmarks/precision.py

Two studies of benchmarks/precision.toml are trained, one in each precision, seeds added to both
until both 95 % intervals are as narrow as WIDTH: of the difference in mean validation accuracy
between the precisions for the baseline, and of the difference between their effects of dropout
0.1. bf16 passes if each interval contains 0 or lies within ±WIDTH. Stop it whenever you like; the
same command goes on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import machine
import pandas as pd
from scipy import stats

from ablation.report.data.loading import load_trials

ROOT = Path(__file__).parents[1]
SPACE = Path(__file__).with_suffix(".toml")
WIDTH = 0.4  # points of accuracy
OTHER = "dropout=0.1"


def train(precision: str, seeds: int, results: Path) -> pd.DataFrame:
    """Train what lacks of so many seeds; validation accuracies in percent, seeds x arms."""
    study = f"precision-{precision}"
    command = [sys.executable, str(ROOT / "study.py"), "run", str(SPACE), "--study", study]
    command += ["--precision", precision, "--seeds", str(seeds), "--results", str(results)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    trials = load_trials(results / "studies.db", study)
    return trials.pivot(index="seed", columns="arm", values="val_accuracy").head(seeds) * 100


def interval(pairs: pd.Series) -> tuple[float, float, float]:
    """Mean, and the 95 % interval of Student's t."""
    low, high = stats.t.interval(0.95, len(pairs) - 1, pairs.mean(), pairs.sem())
    return float(pairs.mean()), float(low), float(high)


def passes(low: float, high: float) -> bool:
    """Whether an interval contains 0 or lies within ±WIDTH."""
    return low <= 0 <= high or max(-low, high) <= WIDTH


def main() -> None:
    """Add seeds until the intervals are narrow, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6, help="to begin with (default 6)")
    parser.add_argument("--most", type=int, default=20, help="never more seeds than this")
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "precision")
    options = parser.parse_args()
    about = machine.describe(threads=1, epochs=5, schedule="cosine")
    seeds = options.seeds
    while True:
        full, half = (train(precision, seeds, options.results) for precision in ("fp32", "bf16"))
        compared = {
            "baseline, bf16 - fp32": half["baseline"] - full["baseline"],
            f"effect of {OTHER}, bf16 - fp32": (half[OTHER] - half["baseline"])
            - (full[OTHER] - full["baseline"]),
        }
        intervals = {name: interval(pairs) for name, pairs in compared.items()}
        widest = max((high - low) / 2 for _, low, high in intervals.values())
        if widest <= WIDTH or seeds >= options.most:
            break
        seeds = min(seeds + 2, options.most)
    print(f"Validation accuracy, %, after 5 epochs, over {seeds} seeds (mean, standard deviation):")
    for precision, table in (("fp32", full), ("bf16", half)):
        for arm in ("baseline", OTHER):
            print(f"  {precision}  {arm:12} {table[arm].mean():.2f}  {table[arm].std():.2f}")
    print("\nPaired by seed, points, 95 % interval:")
    for name, (mean, low, high) in intervals.items():
        print(f"  {name:34} {mean:+.2f}  [{low:+.2f}, {high:+.2f}]")
    good = widest <= WIDTH and all(passes(low, high) for _, low, high in intervals.values())
    print(f"\nbf16 {'passes' if good else 'does not pass'}; widest half-width {widest:.2f} points")
    tables = {"fp32": full.to_dict("list"), "bf16": half.to_dict("list")}
    results = {"intervals": intervals, "passes": good, "accuracy": tables}
    machine.finish("precision", about, seeds=seeds, **results)


if __name__ == "__main__":
    main()
