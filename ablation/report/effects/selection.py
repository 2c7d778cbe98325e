"""What a figure or a table has room for, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ablation.objective.metric import Metric
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arms import by_size, grid_arms, is_first
from ablation.report.effects.gains import by_gain
from ablation.report.effects.replicates import DIVERGED, ends, replicates

ROOM = 40  # arms that a figure or a table shows of a design
PANELS = 25  # arms of a design whose learning curves are shown
GROUPS = 8  # lines that a figure of a factor holds without a tangle
DRAWN = 12  # of a search beside those with names of their own, whose best are much alike
SIGNIFICANT = ("better", "worse")
LEAST_SPAN = 0.002  # of an axis: a fraction, or a part of the values


def leading(
    table: StudyTable,
    effects: pd.DataFrame,
    gain: pd.Series[float],
    room: int | None = None,
    settled: bool = True,
) -> pd.DataFrame:
    """The arms that there is room for: their effects.

    Of a design all of them in its order where they fit. Else the baseline and ``room`` − 1 others,
    the largest gain first: the best, every significant one by size, those with names of their own,
    then the largest effects. Of a search the baseline, the arms with names of their own, and the
    best ``room`` (``DRAWN``) of what it drew.

    Args:
        table: the study.
        effects: of all arms.
        gain: of all arms, by `ablation.report.effects.gains.gains`.
        room: how many; ``ROOM`` where it is not given.
        settled: whether verdicts may choose; not before the last trial, as a choice tells them.
    """
    first = is_first(effects)
    names = table.arms.loc[table.arms["kind"] == "named", "arm"]
    if table.design == "search":
        own = first | effects["arm"].isin(names).to_numpy(bool)
        best = by_gain(effects[~own], gain).head(room or DRAWN)
        return pd.concat([effects[own], best])
    room = room or ROOM
    if len(effects) <= room:
        return effects
    others = by_size(effects[~first])
    significant = others["verdict"].isin(SIGNIFICANT if settled else ())
    named = others["arm"].isin(names)
    order = [by_gain(others, gain).head(1), others[significant], others[named], others]
    picked = pd.concat(order)["arm"].drop_duplicates().head(room - 1)
    rows = others[others["arm"].isin(picked)]
    best = by_gain(rows, gain)
    return pd.concat([effects[first], best, rows.drop(best.index)])


def shown_of(
    table: StudyTable, effects: pd.DataFrame, rows: pd.DataFrame, settled: bool = True
) -> str:
    """``40 of 768 arms`` and, by verdict, how many are not shown; empty where all are.

    Args:
        table: the study.
        effects: of all arms.
        rows: those that are shown, as ``leading`` chose them.
        settled: whether verdicts may be told.
    """
    if len(rows) >= len(effects):
        return ""
    line = f"{len(rows)} of {len(effects):,} arms"
    if table.design == "search":
        all_finished = len(rows) >= effects["val_mean"].count()
        which = "all that finished" if all_finished else "the baseline, named ones, the best drawn"
        return f"{line}: {which}."
    rest = effects.loc[~effects["arm"].isin(rows["arm"]), "verdict"].replace("", "not tested")
    if not settled or (effects["verdict"] == "").all():
        return f"{line}: the largest effects."
    counts = ", ".join(f"{count:,} {kind}" for kind, count in rest.value_counts().items())
    cut = rest.isin(SIGNIFICANT).any()
    which = "the largest significant effects" if cut else "the significant and the largest effects"
    return f"{line}: {which}. Not shown: {counts}."


def best_challenger(table: StudyTable, effects: pd.DataFrame, gain: pd.Series[float]) -> str | None:
    """Of the arms scored on the test set, that with the largest gain over the baseline."""
    scored = effects["arm"].isin(table.confusion["arm"]) & ~is_first(effects)
    best = by_gain(effects[scored], gain)["arm"]
    return None if best.empty else str(best.iloc[0])


def left_out(trials: pd.DataFrame, arms: Iterable[str], noun: str, trial: str = "trial") -> str:
    """What a figure of these arms does not show for want of a result; empty if nothing.

    Args:
        trials: as in ``StudyTable.trials``.
        arms: those that the figure is of.
        noun: what a training comes to: of the metric.
        trial: what a trial is called.
    """
    rows = trials[trials["arm"].isin(list(arms)) & (trials["state"] != "PRUNED")]
    kept = replicates(rows)
    again = rows.set_index(["arm", "seed"]).index.isin(kept.set_index(["arm", "seed"]).index)
    absent = ends(rows)[~again].replace("COMPLETE", f"without a finite {noun}")
    texts = {"FAIL": "failed", DIVERGED: "diverged", "RUNNING": "under way or cut off"}
    words = absent.replace(texts)
    kinds = [f"{count} {word}" for word, count in words.value_counts().items()]
    return f"{trial.capitalize()}s without a result: {', '.join(kinds)}." if kinds else ""


def worst_end(values: pd.Series[float], metric: Metric) -> float:
    """Where an axis of values may end on its worse side: six quartile ranges beyond the quartile.

    One collapsed training at 10 % would else press all the others into one spot.
    """
    low, high = float(values.quantile(0.25)), float(values.quantile(0.75))
    least = LEAST_SPAN if metric.is_fraction else LEAST_SPAN * max(abs(low), abs(high))
    beyond = 6 * max(high - low, least)
    return low - beyond if metric.sign > 0 else high + beyond


def span(differences: pd.Series[float], margin: float) -> tuple[float, float]:
    """Between what an axis of differences may run: six quartile ranges beyond the quartiles.

    One arm that has learned nothing would else press all the others into one spot.
    """
    low, high = (float(differences.quantile(at)) for at in (0.25, 0.75))
    room = 6 * max(high - low, margin)
    return min(low - room, -2 * margin), max(high + room, 2 * margin)


def of_factor(name: str, table: StudyTable, effects: pd.DataFrame) -> pd.DataFrame:
    """The arms that show a factor: ``arm``, ``level``, ``group``, ``val_mean``.

    Of a one-factor design those that change it alone; of a factorial the whole grid, where
    ``group`` is the setting of the other factors. Where it has no effect an arm is left out.
    """
    arms = table.arms
    if table.design == "factorial":
        chosen = grid_arms(arms)
        others = [factor for factor in table.factors if factor != name]
        records = chosen[others].to_dict("records")
        groups = [", ".join(f"{k}={v}" for k, v in record.items()) for record in records]
    else:
        chosen = arms[(arms["factor"] == name) | is_first(arms)]
        groups = [""] * len(chosen)
    levels = pd.DataFrame({"arm": chosen["arm"], "level": chosen[name], "group": groups})
    return levels[levels["level"] != ""].merge(effects[["arm", "val_mean"]], on="arm")


def on_common_seeds(
    chosen: pd.DataFrame, replicates: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The arms that show a factor, and their trainings, over the seeds that all of them have.

    Args:
        chosen: of ``of_factor``.
        replicates: of ``ablation.report.effects.replicates.replicates``.

    Returns:
        Both as they are given, without arms that no training of has finished.
    """
    points = replicates[replicates["arm"].isin(chosen["arm"])]
    shown = chosen[chosen["arm"].isin(points["arm"])]
    arms = points.groupby("seed")["arm"].nunique()
    common = points[points["seed"].isin(arms.index[arms == len(shown)])]
    means = shown["arm"].map(common.groupby("arm")["value"].mean())
    return shown.assign(val_mean=means), common


def over_others(
    chosen: pd.DataFrame, replicates: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A factorial's factor as the means of its levels over the settings of all other factors.

    Args:
        chosen: of ``of_factor``.
        replicates: of ``ablation.report.effects.replicates.replicates``.

    Returns:
        Both as they are given, with a level in place of an arm and no ``group``. A seed counts at a
        level where all of the level's arms have finished with it.
    """
    rows = chosen[["arm", "level"]].merge(replicates[["arm", "seed", "value"]], on="arm")
    cells = rows.groupby(["level", "seed"], sort=False)["value"].agg(["mean", "size"])
    whole = cells.join(chosen.groupby("level").size().rename("arms"), on="level")
    points = cells.loc[whole["size"] == whole["arms"], "mean"].rename("value").reset_index()
    levels = chosen[["level"]].drop_duplicates()
    means = levels["level"].map(points.groupby("level")["value"].mean())
    return (
        levels.assign(arm=levels["level"], group="", val_mean=means),
        points.assign(arm=points["level"]).drop(columns="level"),
    )


def drawn(name: str, table: StudyTable) -> pd.DataFrame:
    """A search's finished trials by a factor: ``arm``, ``number``, ``level``, ``value``."""
    done = replicates(table.trials)[["arm", "number", "value"]]
    levels = table.arms[["arm", name]].rename(columns={name: "level"})
    rows = done.merge(levels, on="arm")
    return rows[rows["level"] != ""]
