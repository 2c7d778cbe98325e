"""Studies of many arms, levels, seeds or trials, made in a second: nothing here trains."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from crnn.report.table import StudyTable
from tests import report_studies

FACTORS_OF_768 = {
    "conv_layers": ["3", "1", "2"],
    "pooling_count": ["3", "2", "1", "0"],
    "hidden_size": ["128", "64", "256", "512"],
    "dropout": ["0.25", "0", "0.1", "0.4"],
    "learning_rate": ["0.001", "0.0003", "0.003", "0.01"],
}


def factorial(factors: Mapping[str, Sequence[str]], seeds: int = 3, epochs: int = 2) -> StudyTable:
    """Every combination of the levels, the first of each being the baseline's."""
    first = {name: levels[0] for name, levels in factors.items()}
    rows = [
        dict(zip(factors, levels, strict=True)) for levels in itertools.product(*factors.values())
    ]
    return _study("factorial", first, {_name(row, first): row for row in rows}, seeds, epochs)


def one_factor(name: str, levels: Sequence[str], seeds: int = 3, epochs: int = 2) -> StudyTable:
    """The levels of one factor, the first being the baseline's."""
    return one_factor_each({name: levels}, seeds, epochs)


def one_factor_each(
    factors: Mapping[str, Sequence[str]], seeds: int = 3, epochs: int = 2
) -> StudyTable:
    """Each level of each factor alone, the first of each being the baseline's."""
    first = {name: levels[0] for name, levels in factors.items()}
    rows = [first, *(first | {name: x} for name, xs in factors.items() for x in xs[1:])]
    return _study("one-factor", first, {_name(row, first): row for row in rows}, seeds, epochs)


def search(trials: int) -> StudyTable:
    """A search whose trials were drawn from lists and ranges."""
    return report_studies.study("search", arms=trials, epochs=1)


def with_effects(table: StudyTable, by_arm: Mapping[str, float]) -> StudyTable:
    """The study with some arms at a distance (a fraction) from the baseline, the seeds alike."""
    base = table.trials[table.trials["is_baseline"]].set_index("seed")["val_accuracy"]
    trials = table.trials.copy()
    for place, (arm, effect) in enumerate(by_arm.items()):
        rows = trials["arm"] == arm
        seeds = trials.loc[rows, "seed"]
        noise = np.random.default_rng(place).normal(0, 2e-4, len(seeds))
        trials.loc[rows, "val_accuracy"] = seeds.map(base) + effect + noise
    return replace(table, trials=trials)


def _name(row: Mapping[str, str], first: Mapping[str, str]) -> str:
    return "+".join(f"{k}={v}" for k, v in row.items() if v != first[k]) or "baseline"


def _study(
    design: str,
    first: Mapping[str, str],
    settings: Mapping[str, Mapping[str, str]],
    seeds: int,
    epochs: int,
) -> StudyTable:
    plain = report_studies.study(arms=2, seeds=1, epochs=epochs)
    draw = np.random.default_rng(3)
    arms = pd.DataFrame(
        {
            "arm": list(settings),
            "against": ["" if arm == "baseline" else "baseline" for arm in settings],
            "factor": [_only(row, first) for row in settings.values()],
            "level": [row.get(_only(row, first), "") for row in settings.values()],
            "changes": ["" if arm == "baseline" else arm for arm in settings],
            "note": "",
            "reported_test_accuracy": np.nan,
            "reported_test_loss": np.nan,
            "sequence_length": 18,
            "parameters": 100_000 + draw.permutation(len(settings)) * 50,
            "macs": 2_000_000 + draw.permutation(len(settings)) * 9_000,
            **{name: [row[name] for row in settings.values()] for name in first},
        }
    )
    count = len(arms) * seeds
    of_arm = np.tile(draw.normal(0, 0.004, len(arms)), seeds)
    seed = np.repeat(np.arange(seeds), len(arms))
    accuracy = 0.9 + of_arm + draw.normal(0, 0.002, seeds)[seed] + draw.normal(0, 0.002, count)
    template = plain.trials.iloc[[0] * count].reset_index(drop=True)
    every = arms.iloc[np.tile(np.arange(len(arms)), seeds)].reset_index(drop=True)
    trials = template.assign(
        number=range(count),
        arm=every["arm"],
        is_baseline=every["arm"] == "baseline",
        replicate=seed,
        seed=seed,
        val_accuracy=accuracy,
        test_accuracy=accuracy - 0.004,
        **{name: every[name] for name in ("parameters", "macs", *first)},
        seconds=40.0 + np.arange(count) % 7,
    )
    last = np.repeat(accuracy, epochs)
    epoch = np.tile(np.arange(1, epochs + 1), count)
    curve = last - 0.05 * (epochs - epoch) / epochs
    history = pd.DataFrame(
        {
            "stage": "ablation",
            "number": np.repeat(range(count), epochs),
            "arm": np.repeat(trials["arm"].to_numpy(), epochs),
            "seed": np.repeat(seed, epochs),
            "epoch": epoch,
            "train_loss": 3.3 * (1 - curve),
            "train_accuracy": curve - 0.01,
            "val_loss": 3 * (1 - curve),
            "val_accuracy": curve,
            "seconds": 20.0,
        }
    )
    levels = {name: list(dict.fromkeys(arms[name])) for name in first}
    return replace(
        plain,
        name=f"large-{design}",
        design=design,
        seeds=list(range(seeds)),
        wanted=count,
        factors={
            name: {"role": "scientific", "levels": sorted(levels[name])}
            for name in first
            if len(levels[name]) > 1
        },
        arms=arms,
        trials=trials,
        epochs=history,
        confusion=plain.confusion.iloc[:0],
        reported_curves=plain.reported_curves.iloc[:0],
    )


def _only(row: Mapping[str, str], first: Mapping[str, str]) -> str:
    """The one factor that a setting changes; empty of the baseline and where it is several."""
    changed = [name for name in row if row[name] != first[name]]
    return changed[0] if len(changed) == 1 else ""
