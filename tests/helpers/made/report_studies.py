"""Synthetic but plausible studies for the tests of the report: nothing here trains."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ablation.objective.metric import Metric
from ablation.objective.words import Words
from ablation.report.data.study_table import StudyTable

BASELINE = {
    "conv_layers": "3",
    "filter_sizes": "3,3,2",
    "pooling_count": "3",
    "hidden_size": "128",
    "dropout": "0.25",
    "learning_rate": "0.001",
}
ONE_FACTOR = {
    "conv_layers": ["2", "1"],
    "pooling_count": ["2", "1", "0"],
    "filter_sizes": ["2,2,2", "3,3,3", "5,5,5", "5,3,3", "3,5,3", "7,5,3"],
    "hidden_size": ["256", "32", "64", "96", "192", "384", "512"],
    "dropout": ["0.1", "0.0", "0.05", "0.15", "0.2", "0.3", "0.4", "0.5"],
    "learning_rate": ["0.0003", "0.003", "0.0001"],
}
SEARCHED = BASELINE | {"dropout_count": "3"}
RANGES: dict[str, dict[str, Any]] = {
    "pooling_count": {"low": 1, "high": 3, "step": None, "log": False, "whole": True},
    "hidden_size": {"low": 64, "high": 384, "step": 64, "log": False, "whole": True},
    "dropout": {"low": 0.0, "high": 0.4, "step": 0.05, "log": False, "whole": False},
    "dropout_count": {"low": 1, "high": 3, "step": None, "log": False, "whole": True},
    "learning_rate": {"low": 3e-5, "high": 6e-3, "step": None, "log": True, "whole": False},
}
LIMITS = {
    "pooling_count": (0, 3), "hidden_size": (1, 4096), "dropout": (0.0, 0.95),
    "dropout_count": (0, 3), "learning_rate": (0.0, 10.0),
}  # fmt: skip
REPORTED = {"baseline": 0.8967, "pooling_count=2": 0.8873, "filter_sizes=2,2,2": 0.8610}
NASTY = '<script>alert(1)</script> <img src=x onerror="alert(2)"> | `x` *b*\n# title'
METRIC = Metric(
    "val_accuracy", text="validation accuracy", noun="accuracy", plural="accuracies",
    unit="fraction", chance=0.1, test="test_accuracy",
)  # fmt: skip
WORDS = Words(
    example="image", examples="images", steps="LSTM steps",
    resizing={"filter_sizes": "filter sizes", "pooling_count": "pooling"},
    measures={"loss": "cross-entropy loss"},
)  # fmt: skip
FIGURES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
EPOCH_COLUMNS = [
    "stage", "number", "arm", "seed", "epoch",
    "train_loss", "train_accuracy", "val_loss", "value", "seconds",
]  # fmt: skip
CLASSES = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
]  # fmt: skip


def study(
    design: str = "one-factor",
    arms: int = 10,
    seeds: int = 10,
    epochs: int = 20,
    missing: tuple[tuple[str, int], ...] = (),
    failed: tuple[tuple[str, int], ...] = (),
    settings: dict[str, dict[str, str]] | None = None,
    **changes: Any,
) -> StudyTable:
    """A study of ``arms`` arms.

    Args:
        design: ``one-factor``, ``factorial`` (``arms`` is rounded up to a grid) or ``search``
            (one seed, an arm a trial).
        arms: how many, the baseline among them.
        seeds: 0 to ``seeds`` − 1.
        epochs: length of a training.
        missing: (arm, seed) that have no trial yet.
        failed: (arm, seed) whose trial failed.
        settings: by arm, where they are not to be made up; ``arms`` does not count then.
        **changes: fields of ``StudyTable`` to set at the end.
    """
    kinds = {"one-factor": _one_factor, "factorial": _factorial, "search": _search}
    settings = kinds[design](arms) if settings is None else settings
    if design == "search":
        seeds = 1
    table = _arms(settings, design)
    trials, history = _trials(table, seeds, epochs, set(missing), set(failed), design)
    factors = {
        name: _factor(name, table, design)
        for name in SEARCHED
        if name in table and table[name].nunique() > 1
    }
    fields: dict[str, Any] = {
        "name": f"made-{design}",
        "question": "Which single change to the write-up's CRNN moves its accuracy?",
        "design": design,
        "metric": METRIC,
        "figures": FIGURES,
        "words": WORDS,
        "scores": ("test_loss",),
        "length": "epochs",
        "amounts": ("epochs", "train_size"),
        "margin": 0.005,
        "notes": [],
        "seeds": list(range(seeds)),
        "wanted": len(table) * seeds,
        "factors": factors,
        "fixed": {"batch_size": "64", "epochs": str(epochs), "padding": "source"},
        "arms": table,
        "trials": trials,
        "epochs": history,
        "confusion": _confusion([] if design == "search" else list(table["arm"]), seeds),
        "reported_curves": _reported_curves(epochs if design == "one-factor" else 0),
        "environment": {
            "python": "3.11.9", "torch": "2.14.1", "device": "cpu", "cpu": "Some CPU @ 2 GHz",
            "precision": "fp32", "threads": 1, "commit": "0123abc",
        },
        "space_text": f'format = 1\ndesign = "{design}"\n',
        "command": f"run made-{design}",
        "sampler": "random" if design == "search" else "",
    }  # fmt: skip
    return StudyTable(**(fields | changes))


def nasty(table: StudyTable) -> StudyTable:
    """The study with markup in every text that a user can give."""
    odd = {"conv_layers=2": NASTY}
    trials = table.trials.replace({"arm": odd})
    trials["failure"] = trials["failure"].where(trials["failure"] == "", NASTY)
    return replace(
        table,
        question=NASTY,
        notes=[NASTY],
        arms=table.arms.replace({"arm": odd}),
        trials=trials,
        epochs=table.epochs.replace({"arm": odd}),
        confusion=table.confusion.replace({"arm": odd}),
        fixed={"padding": NASTY},
        environment={"host": {"name": NASTY}},
        space_text="</pre>" + NASTY,
    )


def _factor(name: str, arms: pd.DataFrame, design: str) -> dict[str, Any]:
    found = {"role": "nuisance" if name == "learning_rate" else "scientific"}
    shown = {"levels": sorted(set(arms[name]) - {""})}
    if design != "search":
        return found | shown
    return found | shown | {"range": RANGES.get(name), "limits": LIMITS.get(name)}


def _one_factor(arms: int) -> dict[str, dict[str, str]]:
    levels = itertools.chain.from_iterable(
        itertools.zip_longest(*([(name, x) for x in xs] for name, xs in ONE_FACTOR.items()))
    )
    made = {"baseline": BASELINE}
    if arms > 8:
        made["concluded"] = BASELINE | {"hidden_size": "256", "dropout": "0.1"}
    for pair in filter(None, levels):
        if len(made) < arms:
            made[f"{pair[0]}={pair[1]}"] = BASELINE | dict([pair])
    return made


def _factorial(arms: int) -> dict[str, dict[str, str]]:
    hidden = ["128", "256", "64", "384", "512", "32"][: max(2, -(-arms // 2) if arms < 8 else 5)]
    dropout = ["0.25", "0.1", "0.0", "0.4", "0.3", "0.5"][: max(2, -(-arms // len(hidden)))]
    return grid({"hidden_size": hidden, "dropout": dropout})


def grid(levels: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Every combination of some factors' levels, the baseline's among them."""
    rows = itertools.product(*levels.values())
    return _named([dict(zip(levels, row, strict=True)) for row in rows])


def alone(levels: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """The baseline, and every level of some factors by itself."""
    rows = [{name: level} for name, some in levels.items() for level in some]
    return _named([{}, *rows])


def _search(arms: int) -> dict[str, dict[str, str]]:
    draw = np.random.default_rng(1)
    drawn = [
        {
            "filter_sizes": str(draw.choice(["2,2,2", "3,3,2", "3,3,3", "5,5,5"])),
            "pooling_count": str(draw.integers(1, 4)),
            "hidden_size": str(64 * draw.integers(1, 7)),
            "dropout": f"{0.05 * draw.integers(0, 9):.6g}",
            "learning_rate": repr(float(10 ** draw.uniform(-4.5, -2.3))),
            "dropout_count": str(draw.integers(1, 4)),
        }
        for _ in range(arms - 2)
    ]
    for setting in drawn:
        if setting["dropout"] == "0":
            setting["dropout_count"] = ""
    named = {"baseline": SEARCHED, "source-best": SEARCHED | {"hidden_size": "256"}}
    return named | {k: v for k, v in _named(drawn).items() if k != "baseline"}


def _named(settings: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    made = {}
    for setting in settings:
        differs = [f"{name}={x}" for name, x in setting.items() if x not in ("", SEARCHED[name])]
        made["+".join(differs) or "baseline"] = BASELINE | setting
    return made


def _arms(settings: dict[str, dict[str, str]], design: str) -> pd.DataFrame:
    rows = []
    for arm, setting in settings.items():
        changed = [name for name in setting if setting[name] not in ("", SEARCHED[name])]
        single = changed[0] if len(changed) == 1 and "=" in arm else ""
        steps = 18 // (1 if setting["filter_sizes"] in ("3,3,2", "2,2,2") else 3)
        steps *= 4 ** (3 - int(setting["pooling_count"]))
        hidden = int(setting["hidden_size"])
        parameters = 100_000 + 24 * hidden**2 + 128 * steps * hidden
        reported = REPORTED.get(arm, np.nan) if design == "one-factor" else np.nan
        rows.append(
            {
                "arm": arm,
                "against": "" if arm == "baseline" else "baseline",
                "factor": single,
                "level": setting[single] if single else "",
                "changes": "+".join(f"{name}={setting[name]}" for name in changed),
                **origin(_kind(arm, design), {name: setting[name] for name in changed}),
                "note": "",
                "reported_test_accuracy": reported,
                "reported_test_loss": 3 * (1 - reported),
                "sequence_length": steps,
                "parameters": parameters,
                "macs": 2_000_000 + 20 * parameters,
                **setting,
            }
        )
    return pd.DataFrame(rows)


def _kind(arm: str, design: str) -> str:
    if arm in ("baseline", "concluded", "source-best"):
        return "baseline" if arm == "baseline" else "named"
    return "drawn" if design == "search" else "level"


def origin(kind: str, changed: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    """The columns of an arm that say where it comes from."""
    unknown = {"trial": pd.NA, "search_rank": pd.NA, "path_step": pd.NA, "without": ()}
    found = {"kind": kind, "named": kind == "named", "changed": changed or {}}
    return {**found, **unknown, **given}


def _trials(
    arms: pd.DataFrame,
    seeds: int,
    epochs: int,
    missing: set[tuple[str, int]],
    failed: set[tuple[str, int]],
    design: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    draw = np.random.default_rng(0)
    of_arm = dict(zip(arms["arm"], draw.normal(0, 0.006, len(arms)), strict=True))
    of_seed = draw.normal(0, 0.002, seeds)
    rows: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    for seed in range(seeds):
        for place, (_, arm) in enumerate(arms.iterrows()):
            noise, name = draw.normal(0, 0.002, epochs), str(arm["arm"])
            if (name, seed) in missing:
                continue
            number, dead = len(rows), (name, seed) in failed
            key = {"stage": "search" if design == "search" else "ablation", "number": number}
            merit = _merit(arm) if design == "search" else 0.0
            curve = (
                0.9 + merit + of_arm[name] + of_seed[seed] - 0.15 * np.exp(-np.arange(epochs) / 3)
            )
            curve = np.clip(curve + noise, 0, 1)
            seconds = 40 + arm["macs"] / 1e6 + place % 3
            rows.append(key | _trial(arm, seed, curve, seconds, epochs, dead, design))
            if not dead:
                history += [
                    key | {"arm": name, "seed": seed, "epoch": epoch + 1}
                    | {"train_loss": 3.3 * (1 - x), "train_accuracy": x - 0.01 + 0.001 * epoch}
                    | {"val_loss": 3 * (1 - x), "value": x, "seconds": seconds / epochs}
                    for epoch, x in enumerate(curve.tolist())
                ]  # fmt: skip
    return pd.DataFrame(rows).assign(chance=0.1), pd.DataFrame(history, columns=EPOCH_COLUMNS)


def _merit(arm: pd.Series[Any]) -> float:
    """What the settings of a search's trial do: wide is good, but not where little is pooled."""
    wide, rate = int(arm["hidden_size"]) / 384, np.log10(float(arm["learning_rate"])) + 3
    return float(0.02 * wide * (int(arm["pooling_count"]) - 1) - 0.015 * rate**2)


def _trial(
    arm: pd.Series[Any],
    seed: int,
    curve: np.ndarray[Any, np.dtype[np.float64]],
    seconds: float,
    epochs: int,
    dead: bool,
    design: str,
) -> dict[str, Any]:
    last = np.nan if dead else float(curve[-1])
    tested = np.nan if design == "search" else last - 0.004
    return {
        "state": "FAIL" if dead else "COMPLETE",
        "arm": arm["arm"],
        "is_baseline": arm["arm"] == "baseline",
        "replicate": seed,
        "seed": seed,
        **{name: arm[name] or "3" for name in SEARCHED if name in arm},
        "value": last,
        "val_loss": 3 * (1 - last),
        "test_value": tested,
        "test_loss": 3.1 * (1 - tested),
        "train_accuracy": last + 0.01,
        "train_loss": 3 * (1 - last),
        "best_value": np.nan if dead else float(curve.max()),
        "best_epoch": np.nan if dead else float(curve.argmax() + 1),
        "epochs": epochs,
        "train_size": 12_000,
        "sequence_length": arm["sequence_length"],
        "parameters": arm["parameters"],
        "macs": arm["macs"],
        "seconds": np.nan if dead else seconds,
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
        "fused": 1,
        "started": "2026-01-01T00:00:00",
        "finished": "2026-01-01T00:01:00",
        "failure": "the training loss is not finite at epoch 3" if dead else "",
        "duplicate_of": float("nan"),
    }


def _confusion(arms: list[str], seeds: int) -> pd.DataFrame:
    draw = np.random.default_rng(2)
    rows = []
    for arm, seed in itertools.product(arms, range(seeds)):
        for true, label in enumerate(CLASSES):
            weights = np.where(np.arange(10) == true, 60.0, 0.6)
            if true in (0, 2, 4, 6):
                weights[[0, 2, 4, 6]] += 3
            counts = draw.multinomial(1000, weights / weights.sum())
            rows += [(arm, seed, label, CLASSES[p], int(c)) for p, c in enumerate(counts)]
    return pd.DataFrame(rows, columns=["arm", "seed", "true", "predicted", "count"])


def _reported_curves(epochs: int) -> pd.DataFrame:
    """One run's log of the baseline."""
    x = np.arange(epochs)
    val = 0.9 - 0.12 * np.exp(-x / 3) + 0.004 * np.cos(3 * x)
    return pd.DataFrame(
        {
            "arm": "baseline",
            "epoch": x + 1,
            "train_loss": 3.2 * (1 - val),
            "train_accuracy": val + 0.001 * x,
            "val_loss": 3 * (1 - val),
            "val_accuracy": val,
        }
    )
