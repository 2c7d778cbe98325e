"""What the harness costs beside the training: of a real run, and of the storage as it grows.

    python benchmarks/overhead.py                # `source` at one epoch, then the storage
    python benchmarks/overhead.py --seeds 2      # a shorter run
    python benchmarks/overhead.py --no-run       # the storage alone

The run is `study.py run source --epochs 1` from its start to its end, in a folder of its own:
start-up, every trial's creation and end, the report. Its cost is wall time that no worker spends
in training: (jobs x wall - seconds in training) / (jobs x wall). Where the last training of one
worker ends before the other's, the wait is told apart: it is the work's, not the harness's.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import pandas as pd

from ablation.design.loading import load
from ablation.report.data.loading import load_trials
from ablation.running.resources import default_jobs
from ablation.scheduling.designed import DesignedSource, varied
from ablation.scheduling.distributions import designed
from ablation.scheduling.source import trial_attributes
from ablation.storage import create_trial, finish_trial, open_storage, save_study, storage_url
from ablation.storage.record import Record
from crnn.objective import objective

ROOT = Path(__file__).parents[1]


def run(seeds: int | None, folder: Path) -> dict[str, Any]:
    """A run of `source` at one epoch, and where its time went."""
    command = [sys.executable, str(ROOT / "study.py"), "run", "source", "--epochs", "1"]
    command += ["--results", str(folder)] + (["--seeds", str(seeds)] if seeds else [])
    jobs = default_jobs("cpu", (), 1)
    started = pd.Timestamp.now()
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=sys.stderr)
    wall = time.perf_counter() - start
    trials = load_trials(folder / "studies.db", "source-epochs1").sort_values("finished")
    training = float(trials["seconds"].sum())
    first, last = pd.to_datetime(trials["started"]), pd.to_datetime(trials["finished"])
    waiting = float((last.iloc[-1] - last.iloc[-jobs:]).dt.total_seconds().sum())
    before = (first.min() - started).total_seconds()
    after = wall - (last.iloc[-1] - started).total_seconds()
    share = (jobs * wall - training) / (jobs * wall)
    own = (jobs * wall - training - waiting) / (jobs * wall)
    between = wall - training / jobs - waiting / jobs - before - after
    print(f"{len(trials)} trainings, {jobs} at a time: {wall:.1f} s, {share:.2%} not in training,")
    print(f"  {own:.2%} without the wait for the last training ({waiting:.1f} s of one worker)")
    print(f"  until the first trial {before:.1f} s, after the last {after:.1f} s (the report)")
    print(f"  start of the workers and between trainings {between:.1f} s\n", flush=True)
    return {
        "trainings": len(trials),
        "jobs": jobs,
        "wall": wall,
        "not_training": share,
        "without_last_wait": own,
        "before": before,
        "after": after,
        "between": between,
    }


def storage(folder: Path, sizes: list[int]) -> list[dict[str, float]]:
    """What a trial costs, and what reading a study costs, in studies of different sizes."""
    plan = load("source")
    record = Record(plan, tuple(range(max(sizes) // len(plan.arms) + 1)), precision="bf16")
    opened = open_storage(storage_url(None, folder), create=True)
    save_study(opened, "source", record.attributes())
    history = [
        {"epoch": e, "train_loss": 0.5, "train_accuracy": 0.8, "val_loss": 0.5, "val_accuracy": 0.8,
         "ema_val_accuracy": 0.8, "seconds": 20.0}
        for e in range(1, 21)
    ]  # fmt: skip
    ended = {"seconds": 400.0, "fused": 1, "device": "cpu", "threads": 1, "history": history}
    ended |= {"test_accuracy": 0.8, "ema_test_accuracy": 0.8, "test_loss": 0.5}
    ended |= {"confusion": [[100] * 10] * 10}
    names, rows, made = varied(plan), [], 0
    for size in sizes:
        created, finished = [], []
        for replicate in record.stages[0].replicates()[made:size]:
            setting = replicate.arm.setting
            start = time.perf_counter()
            attributes = trial_attributes(
                objective, replicate.arm, setting, replicate.seed, "ablation"
            )
            trial = create_trial(opened, "source", *designed(objective, setting, names), attributes)
            middle = time.perf_counter()
            finish_trial(opened, trial, "COMPLETE", 0.8, ended)
            created.append(1e3 * (middle - start))
            finished.append(1e3 * (time.perf_counter() - middle))
        made = size
        start = time.perf_counter()
        DesignedSource(opened, "source", record, record.stages)
        reconciled = time.perf_counter() - start
        start = time.perf_counter()
        load_trials(folder / "studies.db", "source")
        table = time.perf_counter() - start
        late = slice(-50, None)
        print(f"{size:6} trials: create {machine.shown(created[late], 1)} ms, end "
              f"{machine.shown(finished[late], 1)} ms a trial; reconcile {reconciled:.2f} s, "
              f"table {table:.2f} s", flush=True)  # fmt: skip
        rows.append({
            "trials": size,
            "create_ms": machine.spread(created[late])["median"],
            "end_ms": machine.spread(finished[late])["median"],
            "reconcile_s": reconciled,
            "table_s": table,
        })  # fmt: skip
    opened.engine.dispose()
    return rows


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, help="of the run; default: the study's 10")
    parser.add_argument("--no-run", action="store_true", help="measure the storage alone")
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000],
                        help="sizes of the studies in the storage")  # fmt: skip
    options = parser.parse_args()
    about = machine.describe(threads=1)
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if not options.no_run:
            measured["run"] = run(options.seeds, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        measured["storage"] = storage(Path(folder), sorted(options.trials))
    machine.finish("overhead", about, **measured)


if __name__ == "__main__":
    main()
