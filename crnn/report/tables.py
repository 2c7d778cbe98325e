"""The tables of the reports: rows of text, made once for the page and for Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from crnn.report.effects import average_effects, confounds, pair_ranges
from crnn.report.selection import leading, tags
from crnn.report.table import StudyTable
from crnn.report.wording import MISSING, counted, listed, percent, points, signed, whole

REASON = 300  # characters of a failure's first line that are shown


@dataclass(frozen=True)
class TextTable:
    """A table as text.

    Attributes:
        titles: by column.
        rows: a text a column.
        words: how many of the first columns are words; the others are numbers, set to the right.
        strong: places of the rows that stand out.
    """

    titles: list[str]
    rows: list[list[str]]
    words: int = 1
    strong: set[int] = field(default_factory=set)


def arms_table(table: StudyTable, effects: pd.DataFrame) -> TextTable:
    """Arms with n, means, spreads, paired difference, reported figures, and what they cost."""
    shown = leading(effects)
    rows = shown.merge(pair_ranges(table.trials, table.arms), on="arm")
    rows = rows.merge(table.arms[["arm", "sequence_length", "parameters", "macs"]], on="arm")
    columns: dict[str, list[str]] = {"arm": [str(arm) for arm in rows["arm"]]}
    if numbers := tags(table):
        columns = {"trial": [numbers.get(arm, MISSING) for arm in rows["arm"]]} | columns
    baseline = effects["arm"].iloc[0]
    if not rows["against"].isin(["", baseline]).all():
        columns["against"] = [str(against) or MISSING for against in rows["against"]]
    words = len(columns)
    columns |= _measured(rows, table.design != "search")
    columns |= _sizes(rows)
    best = rows["val_mean"].to_numpy(float)
    strong = {int(best.argmax())} if len(best) and not math.isnan(best.max()) else set()
    cells = [list(row) for row in zip(*columns.values(), strict=True)]
    return TextTable(list(columns), cells, words, strong)


def _measured(rows: pd.DataFrame, replicated: bool) -> dict[str, list[str]]:
    """What was measured, column by column; the empty kinds are left out."""
    columns = {"n": [str(n) for n in rows["n"]]} if replicated else {}
    columns["validation accuracy ± sd"] = _spread(rows["val_mean"], rows["val_sd"])
    columns["difference (points)"] = [signed(x) for x in rows["delta"]]
    if replicated:
        pairs = zip(rows["pairs"], rows["lowest"], rows["highest"], strict=True)
        columns["lowest to highest (pairs)"] = [_pairs(*pair) for pair in pairs]
    if rows["test_mean"].notna().any():
        columns["test accuracy ± sd"] = _spread(rows["test_mean"], rows["test_sd"])
        columns["test loss"] = [_loss(x) for x in rows["test_loss_mean"]]
    if rows["reported_test_accuracy"].notna().any():
        reported = zip(rows["reported_test_accuracy"], rows["reported_test_loss"], strict=True)
        columns["reported test accuracy, loss"] = [_reported(*pair) for pair in reported]
    return columns


def _sizes(rows: pd.DataFrame) -> dict[str, list[str]]:
    return {
        "LSTM steps": [whole(x) for x in rows["sequence_length"]],
        "parameters": [whole(x) for x in rows["parameters"]],
        "MACs (millions)": [f"{x / 1e6:,.1f}" for x in rows["macs"]],
    }


def _spread(means: pd.Series[float], spreads: pd.Series[float]) -> list[str]:
    """``90.12 ± 0.31 %``; without the spread where one training has none."""
    return [
        percent(mean) if math.isnan(sd) else f"{100 * mean:.2f} ± {100 * sd:.2f} %"
        for mean, sd in zip(means, spreads, strict=True)
    ]


def _loss(x: float) -> str:
    return MISSING if math.isnan(x) else f"{x:.4f}"


def _reported(accuracy: float, loss: float) -> str:
    figures = [percent(accuracy)] if math.isfinite(accuracy) else []
    return ", ".join([*figures, _loss(loss)] if math.isfinite(loss) else figures) or MISSING


def _pairs(count: int, lowest: float, highest: float) -> str:
    return f"{signed(lowest)} to {signed(highest)} ({count})" if count else MISSING


def averages_table(table: StudyTable) -> TextTable | None:
    """A factorial's average effects; None for other designs and for a single factor."""
    if table.design != "factorial" or len(table.factors) < 2:
        return None
    rows = average_effects(table.trials, table.arms, list(table.factors))
    titles = ["factor", "level", "instead of", "difference (points)", "lowest to highest (seeds)"]
    cells = [
        [
            *(row["factor"], row["level"], row["reference"], signed(row["delta"])),
            _pairs(row["n"], row["lowest"], row["highest"]),
        ]
        for _, row in rows.iterrows()
    ]
    return TextTable(titles, cells, words=3)


def failures_table(table: StudyTable) -> TextTable:
    """What did not finish, by reason: how many, which, and whether it was made good since."""
    trials = table.trials[table.trials["state"] != "COMPLETE"]
    reasons = trials["failure"].fillna("").astype(str).str.strip().str.split("\n").str[0]
    reasons = reasons.str.slice(0, REASON).where(reasons != "", "no reason was recorded")
    which = trials["arm"].astype(str) + " (seed " + trials["seed"].astype(str) + ")"
    done = table.trials[table.trials["state"] == "COMPLETE"]
    done_keys = set(zip(done["arm"], done["seed"], strict=True))
    good = [key in done_keys for key in zip(trials["arm"], trials["seed"], strict=True)]
    rows = pd.DataFrame({"state": trials["state"], "reason": reasons, "which": which, "good": good})
    cells = [
        [
            *(str(state), str(reason), str(len(group)), str(int(group["good"].sum()))),
            listed(list(group["which"]), limit=5),
        ]
        for (state, reason), group in rows.groupby(["state", "reason"], sort=False)
    ]
    titles = ["state", "reason", "trials", "finished since", "which"]
    return TextTable(titles, cells, words=5)


def factors_table(table: StudyTable) -> TextTable:
    """The factors with their levels and roles, and what was held fixed."""
    rows = [
        [name, str(factor["role"]), listed([str(level) for level in factor["levels"]], 12, " · ")]
        for name, factor in table.factors.items()
    ]
    rows += [[name, "fixed", str(value)] for name, value in table.fixed.items()]
    return TextTable(["setting", "role", "levels"], rows, words=3)


def provenance_table(environment: Mapping[str, Any]) -> TextTable:
    """Versions, hardware and the like; what is nested gets a dotted name."""
    return TextTable(["what", "value"], list(_flat(environment)), words=2)


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    rows = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append([f"{prefix}{name}", str(value)])
    return rows


def confounds_table(table: StudyTable, effects: pd.DataFrame) -> TextTable:
    """The shown arms that also change sequence length or size by more than 10 %."""
    found = confounds(table.arms)
    found = found[found["arm"].isin(leading(effects)["arm"])]
    rows = [
        [
            str(arm),
            str(against),
            *(_change(changes, what) for what in ("sequence_length", "parameters")),
        ]
        for (arm, against), changes in found.groupby(["arm", "against"], sort=False)
    ]
    return TextTable(["arm", "against", "LSTM steps", "parameters"], rows, words=2)


def _change(changes: pd.DataFrame, what: str) -> str:
    row = changes[changes["what"] == what]
    if row.empty:
        return "alike"
    value, reference = whole(row["value"].iloc[0]), whole(row["reference"].iloc[0])
    change = f"{100 * row['change'].iloc[0]:+,.0f} %".replace("-", "−")
    return f"{value} instead of {reference} ({change})"


def summary_line(table: StudyTable, finished: Mapping[str, int]) -> str:
    """What the study is, in a line: trials, arms, seeds, margin."""
    others = [f"{number:,} {kind}" for kind, number in finished.items() if kind != "finished"]
    parts = [
        f"{finished['finished']:,} of {counted(table.wanted, 'trial')} finished",
        *others,
        counted(len(table.arms), "arm"),
        counted(len(table.seeds), "seed"),
        f"margin ±{points(table.margin).lstrip('+')}",
    ]
    return " · ".join(parts)
