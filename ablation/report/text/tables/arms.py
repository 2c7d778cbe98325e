"""The tables of the reports: rows of text, made once for the page and for Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from ablation.objective.metric import MISSING, Metric
from ablation.objective.words import Words
from ablation.report.analysis import Analysis
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.rendering.formatting import chance, look_mark, marked, records, tenths, whole
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.comparisons import interval_text, mark
from ablation.report.text.recommendation import about_choice
from ablation.report.text.settling import about_intervals
from ablation.statistics.inference import mean_interval, prediction_interval

CONSOLE_ROOM = 5  # arms of a search, of some lines each
TEST_ACCURACY = "test_accuracy"
"""The score that reported figures are of, where another one goes with what decides."""
PAPER_ROOM = 15  # arms, of two lines each, leave a page room for its caption


def arms_table(study: Analysis, rows: pd.DataFrame | None = None) -> TextTable:
    """Arms with n, means, spreads, effect and verdict, and what they cost.

    Args:
        study: the study.
        rows: the effects to show; those that there is room for where none are given.
    """
    if study.is_by_block_alone:
        return TextTable([], [])
    rows = study.leading() if rows is None else rows
    names = _names(study, rows)
    sizes = rows[["arm"]].merge(study.table.arms, on="arm")
    columns = (
        names | measured(study, rows) | _tested(study, rows) | _sizes(sizes, study.table.words)
    )
    best = study.by_gain[: 1 if study.effects["n"].iloc[0] else 0]
    strong = {place for place, arm in enumerate(rows["arm"]) if arm in best}
    notes = filter(None, [study.shown_of(rows), about_choice(study.table)])
    return TextTable(list(columns), by_row(columns), len(names), strong, " ".join(notes))


def paper_table(study: Analysis) -> TextTable:
    """Of the table of arms what fits a page of a paper; the rest is in the files."""
    rows = study.leading(PAPER_ROOM)
    names = _names(study, rows)
    columns = names | measured(study, rows)
    if rows["test_mean"].notna().any():
        columns["test"] = [study.metric.value(x) for x in rows["test_mean"]]
    return TextTable(list(columns), by_row(columns), len(names))


def by_row(columns: Mapping[str, list[str]]) -> list[list[str]]:
    """Columns of a table as its rows."""
    return [list(row) for row in zip(*columns.values(), strict=True)]


def _names(study: Analysis, rows: pd.DataFrame) -> dict[str, list[str]]:
    """What an arm is called, and compared with where that is not always the baseline."""
    columns: dict[str, list[str]] = {"arm": [str(arm) for arm in rows["arm"]]}
    numbers = study.short_names
    if any(arm != tag for arm, tag in numbers.items()):
        columns = {"trial": [numbers.get(arm, MISSING) for arm in rows["arm"]]} | columns
    if not rows["against"].isin(["", study.baseline]).all():
        columns["against"] = [str(against) or MISSING for against in rows["against"]]
    return columns


def measured(study: Analysis, rows: pd.DataFrame) -> dict[str, list[str]]:
    """What was measured, column by column, of rows of effects; the empty kinds are left out."""
    metric, replicated = study.metric, study.table.design != "search"
    columns = {"n": [str(n) for n in rows["n"]]} if replicated else {}
    means = zip(rows["val_mean"], rows["val_sd"], strict=True)
    columns[f"{metric.text} ± sd"] = [metric.spread(*pair) for pair in means]
    columns |= _pairs(rows) if replicated else {}
    columns[f"effect{metric.heading}"] = [metric.signed(x) for x in rows["delta"]]
    if replicated:
        shown = study.with_shown_intervals(rows)
        ends = zip(shown["ci_low"], shown["ci_high"], strict=True)
        columns[interval_text(study.table)] = [interval(metric, *pair) for pair in ends]
        columns["p (Holm)"] = [chance(p) for p in rows["p_holm"]]
        columns["verdict"] = _verdicts(study, rows)
    return columns


def _pairs(rows: pd.DataFrame) -> dict[str, list[str]]:
    """How many pairs an effect rests on, where that is not n."""
    compared = rows[rows["against"] != ""]
    if (compared["pairs"].isna() | (compared["pairs"] == compared["n"])).all():
        return {}
    return {"pairs": [MISSING if pd.isna(x) else str(x) for x in rows["pairs"]]}


def _tested(study: Analysis, rows: pd.DataFrame) -> dict[str, list[str]]:
    """The mean on test data with its interval; nothing where that was not scored.

    The folds of a cross-validation have no such interval, nor do runs that are means already.
    """
    if rows["test_mean"].isna().all():
        return {}
    comparison = study.table.comparison
    of_arm = dict(tuple(study.replicates.groupby("arm")["test_value"]))
    none = pd.Series(dtype=float)
    tested = [of_arm.get(arm, none).dropna() for arm in rows["arm"]]
    metric = study.metric
    title = metric.test_text
    has_none = study.same_seeds or comparison.method in ("folds", "summaries")
    if has_none or study.table.awaits_look:
        return {title: [metric.value(values.mean()) for values in tested]}
    return {f"{title} (95 % interval)": [_mean(metric, values) for values in tested]}


def _verdicts(study: Analysis, rows: pd.DataFrame) -> list[str]:
    also, small = study.confounded, study.is_slight(rows)
    how = mark(study.table.comparison)
    return [
        marked(row["verdict"], row["arm"] in also, is_slight, row["reason"], how or look_mark(row))
        for row, is_slight in zip(records(rows), small, strict=True)
    ]


def _mean(metric: Metric, values: pd.Series[float]) -> str:
    """``89.91 % (89.70 to 90.12)``; without the interval where one training has none."""
    low, high = mean_interval(values)
    ends = f" ({metric.number(low)} to {metric.number(high)})" if math.isfinite(low) else ""
    return f"{metric.value(values.mean())}{ends}"


def _sizes(rows: pd.DataFrame, words: Words) -> dict[str, list[str]]:
    """What the networks' sizes are, as far as they are known of any."""
    columns = {
        words.steps: [whole(x) for x in rows["sequence_length"].astype(float)],
        "parameters": [whole(x) for x in rows["parameters"].astype(float)],
        "MACs (millions)": [tenths(x / 1e6) for x in rows["macs"].astype(float)],
    }
    known = [rows[name].fillna(0).any() for name in ("sequence_length", "parameters", "macs")]
    return {
        title: columns[title] for title, is_known in zip(columns, known, strict=True) if is_known
    }


def interval(metric: Metric, low: float, high: float) -> str:
    """The ends of an interval; a dash where there is none."""
    return metric.interval(low, high) if math.isfinite(low) else MISSING


def brief_table(study: Analysis) -> TextTable:
    """What fits a console: each arm's mean, effect, interval and verdict.

    Of a search, where none but the best are shown, what an arm costs instead of the last two.
    """
    table = study.table
    if table.design == "search":
        return _brief_search(study)
    if study.is_by_block_alone:
        return TextTable([], [])
    rows = study.leading()
    names = list(comparison_labels(study.effects, rows).values())
    columns = {"arm": names} | brief_columns(study, rows)
    arms = dict(zip(table.arms["arm"], table.arms["changes"], strict=True))
    numbers = set(study.short_names.values())
    drawn = [f"{arm} of the search: {arms[arm]}" for arm in rows["arm"] if arm in numbers]
    cut = study.shown_of(rows)
    notes = [*drawn, *([f"{cut} All are in effects.csv."] if cut else []), about_choice(table)]
    notes.append(about_intervals(table))
    return TextTable(list(columns), by_row(columns), note="\n".join(filter(None, notes)))


def brief_columns(study: Analysis, rows: pd.DataFrame) -> dict[str, list[str]]:
    """What was measured, of rows of effects, as far as it fits a console."""
    metric, shown = study.metric, study.with_shown_intervals(rows)
    ends = zip(shown["ci_low"], shown["ci_high"], strict=True)
    return {
        "n": [str(n) for n in rows["n"]],
        brief_title(metric): [metric.value(x) for x in rows["val_mean"]],
        **_pairs(rows),
        "effect": [metric.signed(x) for x in rows["delta"]],
        "95 % interval": [interval(metric, *pair) for pair in ends],
        "verdict": _verdicts(study, rows),
    }


def brief_title(metric: Metric) -> str:
    """What a narrow column of the metric's means is called."""
    return metric.text.removesuffix(metric.noun).strip() or metric.text


def _brief_search(study: Analysis) -> TextTable:
    rows, count, metric = study.leading(CONSOLE_ROOM), len(study.effects), study.metric
    names = _names(study, rows)
    sizes = _sizes(rows[["arm"]].merge(study.table.arms, on="arm"), study.table.words)
    columns = names | {
        brief_title(metric): [metric.value(x) for x in rows["val_mean"]],
        "effect": [metric.signed(x) for x in rows["delta"]],
        **({"MMACs": sizes["MACs (millions)"]} if "MACs (millions)" in sizes else {}),
    }
    note = f"{len(rows)} of {count} arms, the best that have finished; all in effects.csv."
    return TextTable(
        list(columns), by_row(columns), len(names), note=note if len(rows) < count else ""
    )


def reported_table(study: Analysis) -> TextTable | None:
    """Reported figures beside ours; None where there are none."""
    effects, metric, done = study.effects, study.metric, study.replicates
    rows = effects[effects["reported_test_accuracy"].notna()]
    if rows.empty or study.table.awaits_look:
        return None
    cells = []
    measured = TEST_ACCURACY if TEST_ACCURACY in done else "test_value"
    for row in records(rows):
        ours = done.loc[done["arm"] == row["arm"], measured].dropna()
        low, high = prediction_interval(ours)
        reported = row["reported_test_accuracy"]
        if math.isfinite(low):
            where = "inside" if low <= reported <= high else "outside"
            span = f"{metric.number(low)} to {metric.value(high)}"
        else:
            where, span = MISSING, MISSING
        loss = f"{_loss(row['reported_test_loss'])} / {_loss(row['test_loss_mean'])}"
        cells.append(
            [
                str(row["arm"]),
                metric.value(reported),
                metric.spread(ours.mean(), ours.std(ddof=1)),
                str(row["n"]),
                span,
                where,
                loss,
            ]
        )
    titles = [
        *("arm", "reported test accuracy", f"measured{_of_itself(study)} ± sd", "n"),
        *("95 % prediction interval of one run", "reported is", "test loss, reported / measured"),
    ]
    return TextTable(titles, cells)


def _of_itself(study: Analysis) -> str:
    """What is measured, where another test figure goes with what decides; else empty."""
    usual = next(iter(study.table.metrics.values()), study.metric)
    return "" if usual == study.metric else f" {usual.test_text}"


def about_reported(effects: pd.DataFrame) -> str:
    """How to read the table of reported figures."""
    line = "Inside: a reported figure is what one new run of ours could well have given."
    rows = effects[effects["reported_test_accuracy"].notna() & (effects["n"] > 1)]
    if len(rows) > 1:
        line += (
            f" Of {len(rows)} figures, at least one lies outside by chance in about "
            f"{100 * (1 - 0.95 ** len(rows)):.0f} % of studies."
        )
    return line


def _loss(x: float) -> str:
    return MISSING if math.isnan(x) else f"{x:.4f}"


def what_arms_are(study: Analysis) -> list[str]:
    """What the names of the shown arms do not say: their settings, and the author's notes."""
    arms = study.table.arms
    shown = arms[arms["arm"].isin(study.leading()["arm"])].iloc[1:]
    lines = []
    for row in records(shown):
        named = "" if row["changes"] in ("", row["arm"]) else f": {row['changes']}"
        note = f" ({row['note']})" if row["note"] else ""
        if named or note:
            lines.append(f"{row['arm']}{named}{note}")
    return lines
