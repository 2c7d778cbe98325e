"""Runs that were trained elsewhere as a `StudyTable`."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.storages import RDBStorage

from ablation.design.arms import change_text
from ablation.folders import study_name
from ablation.objective.columns import column
from ablation.objective.words import Words
from ablation.report.data.block_means import block_means
from ablation.report.data.study_table import StudyTable
from ablation.runs.options import said
from ablation.runs.runs import Runs
from ablation.runs.storing import load_runs
from ablation.statistics.comparison import Comparison
from ablation.storage.attributes import IMPORTED

STAGE = "ablation"
BEST = "at each {}'s best epoch"
OPTIMISM = (
    "each run's figure is the best of its epochs by the figure that is compared, which favours "
    "long and noisy runs"
)
NUMBERS = ("sequence_length", "parameters", "macs", "seconds", "fused", "chance", "chance_limit")
UNKNOWN = frozenset(
    (
        *("stage", "duplicate_of", "diverged", "test_loss_mean", "replicate"),
        *("reported_test_accuracy", "reported_test_loss", *NUMBERS),
    )
)
"""Columns that such runs have no values in; no file has them."""


def load_imported(storage: RDBStorage, study: str) -> StudyTable:
    """Everything that a report needs of a study of runs that were trained elsewhere.

    Raises:
        UnreadableError: the study is not as this version writes it.
    """
    return table_of(*load_runs(storage, study))


def table_of(runs: Runs, looks: tuple[int, ...] = ()) -> StudyTable:
    """Runs as the table that a report is made from.

    Args:
        runs: what was read.
        looks: the numbers of runs at which verdicts were produced, in order.
    """
    comparison, baseline = runs.comparison, str(runs.arms["arm"].iloc[0])
    trials = _trials(runs)
    blocks = trials if comparison.blocks else pd.DataFrame()
    if comparison.blocks:
        trials = block_means(blocks) if comparison.has_mean else blocks[:0]
    ended = trials.drop_duplicates(["arm", "seed"])
    labels = _labels(runs.runs["seed"]).drop_duplicates()
    typed = runs.paths or list(runs.files)
    is_alone = runs.study == study_name(Path(next(iter(typed), "")).stem)
    own = [] if is_alone or not typed else ["--study", runs.study]
    words = ["analyse", *typed, *runs.options, *own]
    return StudyTable(
        name=runs.study,
        question=f"Which arms differ from {baseline} in {runs.metric.text}?",
        design=IMPORTED,
        metric=runs.metric,
        margin=runs.margin,
        notes=list(runs.lines),
        seeds=labels.tolist() if comparison.is_paired else [],
        wanted=len(ended),
        factors=_factors(runs),
        fixed={},
        arms=_arms(runs),
        trials=trials,
        epochs=_epochs(runs, trials),
        confusion=pd.DataFrame(columns=["arm", "seed", "true", "predicted", "count"]),
        reported_curves=pd.DataFrame(columns=["arm", "epoch"]),
        environment={"files": runs.files, "options": shlex.join(runs.options)},
        command=shlex.join(words),
        looks=looks,
        figures=(runs.metric.name,),
        words=_words(comparison, said(runs.options, "--reduce")),
        optimism=OPTIMISM if said(runs.options, "--reduce") == "best" else "",
        absent=UNKNOWN | _without_values(runs),
        comparison=comparison,
        blocks=blocks,
    )


def _words(comparison: Comparison, reduction: str) -> Words:
    """What reports call the runs.

    Args:
        comparison: how arms are compared.
        reduction: how a history became a figure, as ``--reduce`` says it.
    """
    of = {"folds": "fold", "summaries": "arm"}.get(comparison.method, "run")
    kind, _, count = reduction.partition(":")
    own = {"mean": f"as the mean of each {of}'s last {count} epochs", "best": BEST.format(of)}
    moment = own.get(kind, "" if comparison.has_mean else f"of each {of}")
    if comparison.has_mean:
        moment = ", ".join(filter(None, [moment, f"as a mean over {comparison.block_nouns}"]))
    return Words(
        trial="run",
        training="fold" if comparison.method == "folds" else "run",
        replicate="run",
        moment=moment,
        testing_again="Testing again as they come in, or with another margin,",
    )


def _without_values(runs: Runs) -> set[str]:
    """Columns of files that these runs in particular have no values in."""
    return {
        *(("seed", "failure") if runs.comparison.method == "summaries" else ()),
        *(() if runs.metric.test else ("test_mean", "test_sd")),
        *(() if _factors(runs) else ("factor", "level")),
    }


def _labels(seeds: pd.Series[Any]) -> pd.Series[Any]:
    """What pairs the runs: whole numbers where all are, else the text that it is."""
    texts = seeds.astype(str)
    whole = texts.str.fullmatch(r"0|-?[1-9]\d{0,17}")
    return texts.astype("int64") if len(texts) and whole.all() else texts


def _trials(runs: Runs) -> pd.DataFrame:
    """One row a run: seed by seed, arm by arm where seeds pair them."""
    rows = runs.runs.reset_index(drop=True)
    baseline, of_means = runs.arms["arm"].iloc[0], runs.comparison.method == "summaries"
    settings = dict(zip(runs.arms["arm"], runs.arms["setting"], strict=True))
    factors = list(dict.fromkeys(name for own in settings.values() for name in own))
    frame = pd.DataFrame(
        {
            "stage": STAGE,
            "number": range(len(rows)),
            "state": rows["state"].where(rows["state"] == "COMPLETE", "FAIL"),
            "arm": rows["arm"],
            "is_baseline": rows["arm"] == baseline,
            **({"block": rows["block"]} if runs.comparison.blocks else {}),
            "seed": _labels(rows["seed"]),
            **{
                column(name): [settings.get(arm, {}).get(name, "") for arm in rows["arm"]]
                for name in factors
            },
            "value": rows["value"].astype(float),
            "test_value": rows["test_value"].astype(float),
            **{name: rows[name].astype(float) for name in ("sd", "n") if of_means},
            "failure": rows["failure"],
            **dict.fromkeys(NUMBERS, math.nan),
        }
    )
    none = pd.array([None] * len(frame), dtype="Int64")
    frame = frame.assign(duplicate_of=none, diverged=none)
    if not runs.comparison.is_paired:
        return frame
    places = {arm: place for place, arm in enumerate(runs.arms["arm"])}
    order = frame["arm"].map(places)
    placed = frame.assign(place=order).sort_values(["seed", "place"], kind="stable")
    return placed.drop(columns="place").reset_index(drop=True)


def _epochs(runs: Runs, trials: pd.DataFrame) -> pd.DataFrame:
    """One row an epoch of a run; none of runs that are averaged over blocks."""
    columns = ["stage", "number", "arm", "seed", "epoch", "value", "seconds"]
    if runs.history.empty or runs.comparison.blocks:
        return pd.DataFrame(columns=columns)
    history = runs.history.drop(columns="block")
    own = runs.runs[["arm", "seed"]].assign(number=range(len(runs.runs)))
    own = own[(runs.runs["state"] == "COMPLETE").to_numpy(bool)]
    merged = own.merge(history, on=["arm", "seed"])
    labels = trials.set_index("number")["seed"]
    merged["seed"] = merged["number"].map(labels)
    return merged.assign(stage=STAGE, seconds=math.nan)[columns]


def _factors(runs: Runs) -> dict[str, dict[str, Any]]:
    """The settings in which arms differ, with their levels in the order of the arms."""
    settings = list(runs.arms["setting"])
    names = dict.fromkeys(name for own in settings for name in own)
    levels = {
        name: list(dict.fromkeys(own[name] for own in settings if name in own)) for name in names
    }
    return {
        column(name): {"role": "scientific", "levels": own}
        for name, own in levels.items()
        if len(own) > 1
    }


def _arms(runs: Runs) -> pd.DataFrame:
    rows = []
    factors = _factors(runs)
    for place, arm in enumerate(runs.arms.to_dict("records")):
        changes: dict[str, str] = arm["changes"]
        factor, level = next(iter(changes.items())) if len(changes) == 1 else ("", "")
        setting = {column(name): value for name, value in arm["setting"].items()}
        rows.append(
            {
                "arm": arm["arm"],
                "against": arm["against"],
                "factor": column(factor) if factor else "",
                "level": level,
                "changes": change_text(changes),
                "changed": changes,
                "kind": ("level" if factor else "named") if place else "baseline",
                "named": False,
                "trial": None,
                "rank": None,
                "step": None,
                "without": (),
                "note": "",
                **dict.fromkeys(["reported_test_accuracy", "reported_test_loss"], math.nan),
                **dict.fromkeys(["sequence_length", "parameters", "macs"], math.nan),
                **{name: setting.get(name, "") for name in factors},
            }
        )
    return pd.DataFrame(rows).astype(dict.fromkeys(["trial", "rank", "step"], "Int64"))
