"""The tables of the reports: rows of text, made once for the page and for Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import comparison_labels, short_names
from ablation.report.effects.arms import confounded
from ablation.report.effects.effects import paired_tests
from ablation.report.effects.gains import by_gain, gains, inner_intervals, slight
from ablation.report.effects.replicates import (
    LAST,
    last_epochs,
    on_test,
    pair_differences,
    replicates,
)
from ablation.report.effects.selection import leading, shown_of
from ablation.report.rendering.formatting import (
    MISSING,
    chance,
    interval,
    marked,
    percent,
    records,
    signed,
    whole,
)
from ablation.report.rendering.text_table import TextTable
from ablation.report.text.recommendation import about_choice
from ablation.statistics.inference import mean_interval, prediction_interval, sign_flip
from ablation.statistics.power import MOST_SEEDS

CONSOLE_ROOM = 5  # arms of a search, of some lines each
PAPER_ROOM = 15  # arms, of two lines each, leave a page room for its caption


def arms_table(
    table: StudyTable, effects: pd.DataFrame, rows: pd.DataFrame | None = None
) -> TextTable:
    """Arms with n, means, spreads, effect and verdict, and what they cost.

    Args:
        table: the study.
        effects: of all arms.
        rows: the effects to show; those that there is room for where none are given.
    """
    rows = leading(table, effects) if rows is None else rows
    names = _names(table, effects, rows)
    sizes = rows[["arm"]].merge(table.arms, on="arm")
    columns = names | _measured(table, rows) | _tested(table, rows) | _sizes(sizes)
    gain = gains(table.trials, table.arms)
    best = by_gain(effects, gain)["arm"].head(1 if effects["n"].iloc[0] else 0)
    strong = {place for place, arm in enumerate(rows["arm"]) if arm in set(best)}
    notes = filter(None, [shown_of(table, effects, rows), about_choice(table)])
    return TextTable(list(columns), _by_row(columns), len(names), strong, " ".join(notes))


def paper_table(table: StudyTable, effects: pd.DataFrame) -> TextTable:
    """Of the table of arms what fits a page of a paper; the rest is in the files."""
    rows = leading(table, effects, PAPER_ROOM)
    names = _names(table, effects, rows)
    columns = names | _measured(table, rows)
    if rows["test_mean"].notna().any():
        columns["test"] = [percent(x) for x in rows["test_mean"]]
    return TextTable(list(columns), _by_row(columns), len(names))


def _by_row(columns: Mapping[str, list[str]]) -> list[list[str]]:
    return [list(row) for row in zip(*columns.values(), strict=True)]


def _names(table: StudyTable, effects: pd.DataFrame, rows: pd.DataFrame) -> dict[str, list[str]]:
    """What an arm is called, and compared with where that is not always the baseline."""
    columns: dict[str, list[str]] = {"arm": [str(arm) for arm in rows["arm"]]}
    numbers = short_names(table)
    if any(arm != tag for arm, tag in numbers.items()):
        columns = {"trial": [numbers.get(arm, MISSING) for arm in rows["arm"]]} | columns
    baseline = effects["arm"].iloc[0]
    if not rows["against"].isin(["", baseline]).all():
        columns["against"] = [str(against) or MISSING for against in rows["against"]]
    return columns


def _measured(table: StudyTable, rows: pd.DataFrame) -> dict[str, list[str]]:
    """What was measured, column by column; the empty kinds are left out."""
    replicated = table.design != "search"
    columns = {"n": [str(n) for n in rows["n"]]} if replicated else {}
    columns["validation accuracy ± sd"] = _spread(rows["val_mean"], rows["val_sd"])
    columns |= _pairs(rows) if replicated else {}
    columns["effect (points)"] = [signed(x) for x in rows["delta"]]
    if replicated:
        ends = zip(rows["ci_low"], rows["ci_high"], strict=True)
        columns["95 % interval"] = [_interval(*pair) for pair in ends]
        columns["p (Holm)"] = [chance(p) for p in rows["p_holm"]]
        columns["verdict"] = _verdicts(table, rows)
    return columns


def _pairs(rows: pd.DataFrame) -> dict[str, list[str]]:
    """How many pairs an effect rests on, where that is not n."""
    compared = rows["against"] != ""
    if (rows.loc[compared, "pairs"] == rows.loc[compared, "n"]).all():
        return {}
    return {"pairs": [MISSING if pd.isna(x) else str(x) for x in rows["pairs"]]}


def _tested(table: StudyTable, rows: pd.DataFrame) -> dict[str, list[str]]:
    """The mean test accuracy with its interval; nothing where the test set was not scored."""
    if rows["test_mean"].isna().all():
        return {}
    of_arm = dict(tuple(replicates(table.trials).groupby("arm")["test_accuracy"]))
    none = pd.Series(dtype=float)
    tested = [of_arm.get(arm, none).dropna() for arm in rows["arm"]]
    return {"test accuracy (95 % interval)": [_mean(accuracies) for accuracies in tested]}


def _verdicts(table: StudyTable, rows: pd.DataFrame) -> list[str]:
    also, small = confounded(table.arms), slight(rows, table.margin)
    return [
        marked(row["verdict"], row["arm"] in also, is_slight, row["reason"])
        for row, is_slight in zip(records(rows), small, strict=True)
    ]


def _mean(accuracies: pd.Series[float]) -> str:
    """``89.91 % (89.70 to 90.12)``; without the interval where one training has none."""
    low, high = mean_interval(accuracies)
    ends = f" ({100 * low:.2f} to {100 * high:.2f})" if math.isfinite(low) else ""
    return f"{percent(accuracies.mean())}{ends}".replace("-", "−")


def _sizes(rows: pd.DataFrame) -> dict[str, list[str]]:
    steps = [whole(x) for x in rows["sequence_length"]]
    return {
        **({"LSTM steps": steps} if rows["sequence_length"].any() else {}),
        "parameters": [whole(x) for x in rows["parameters"]],
        "MACs (millions)": [f"{x / 1e6:,.1f}" for x in rows["macs"]],
    }


def _spread(means: pd.Series[float], spreads: pd.Series[float]) -> list[str]:
    """``90.12 ± 0.31 %``; without the spread where one training has none."""
    return [
        percent(mean) if math.isnan(sd) else f"{100 * mean:.2f} ± {100 * sd:.2f} %"
        for mean, sd in zip(means, spreads, strict=True)
    ]


def _interval(low: float, high: float) -> str:
    return interval(low, high) if math.isfinite(low) else MISSING


def brief_table(table: StudyTable, effects: pd.DataFrame) -> TextTable:
    """What fits a console: each arm's mean, effect, interval and verdict.

    Of a search, where none but the best are shown, what an arm costs instead of the last two.
    """
    if table.design == "search":
        return _brief_search(table, effects)
    rows = leading(table, effects)
    ends = zip(rows["ci_low"], rows["ci_high"], strict=True)
    columns = {
        "arm": list(comparison_labels(effects, rows).values()),
        "n": [str(n) for n in rows["n"]],
        "validation": [percent(x) for x in rows["val_mean"]],
        **_pairs(rows),
        "effect": [signed(x) for x in rows["delta"]],
        "95 % interval": [_interval(*pair) for pair in ends],
        "verdict": _verdicts(table, rows),
    }
    arms = dict(zip(table.arms["arm"], table.arms["changes"], strict=True))
    numbers = set(short_names(table).values())
    drawn = [f"{arm} of the search: {arms[arm]}" for arm in rows["arm"] if arm in numbers]
    cut = shown_of(table, effects, rows)
    notes = [*drawn, *([f"{cut} All are in effects.csv."] if cut else []), about_choice(table)]
    return TextTable(list(columns), _by_row(columns), note="\n".join(filter(None, notes)))


def _brief_search(table: StudyTable, effects: pd.DataFrame) -> TextTable:
    rows = leading(table, effects, CONSOLE_ROOM)
    names = _names(table, effects, rows)
    sizes = rows[["arm"]].merge(table.arms, on="arm")
    columns = names | {
        "validation": [percent(x) for x in rows["val_mean"]],
        "effect": [signed(x) for x in rows["delta"]],
        "MMACs": _sizes(sizes)["MACs (millions)"],
    }
    note = f"{len(rows)} of {len(effects)} arms, the best that have finished; all in effects.csv."
    return TextTable(
        list(columns), _by_row(columns), len(names), note=note * (len(rows) < len(effects))
    )


def details_table(table: StudyTable, effects: pd.DataFrame) -> TextTable | None:
    """What stands behind each verdict that is shown; None where nothing was tested."""
    rows = leading(table, effects)
    rows = rows[rows["verdict"] != ""]
    if rows.empty:
        return None
    pairs = dict(tuple(pair_differences(table.trials, table.arms).groupby("arm")["difference"]))
    late = {}
    if table.epochs["epoch"].max() > LAST:  # else they would be all
        late = paired_tests(last_epochs(table.trials, table.epochs), table.arms, table.trials)
    test = paired_tests(on_test(table.trials), table.arms, table.trials)
    inner = dict(zip(rows["arm"], inner_intervals(rows).to_numpy(float), strict=True))
    cells = []
    for row in records(rows):
        arm = row["arm"]
        d = pairs[arm]
        size, ends = row["effect_size"], _interval(test[arm].low, test[arm].high)
        cells.append(
            {
                "arm": arm,
                "against": str(row["against"]),
                "pairs": str(len(d)),
                "lowest to highest": f"{signed(d.min())} to {signed(d.max())}",
                "sd of pairs": signed(d.std(ddof=1)).lstrip("+"),
                "effect size g": f"{size:+.2f}".replace("-", "−")
                if math.isfinite(size)
                else MISSING,
                "90 % interval": _interval(*inner[arm]),
                "p": chance(row["p_value"]),
                "p of sign flips": MISSING if row["reason"] else chance(sign_flip(d)),
                "minimum detectable": _detectable(row["minimum_detectable"]),
                "seeds to plan for": _seeds(row["seeds_to_settle_high"]),
                **({f"effect, last {LAST} epochs": signed(late[arm].mean)} if late else {}),
                "effect on these test images (95 % interval)": f"{signed(test[arm].mean)} ({ends})",
            }
        )
    tested = int((effects["verdict"] != "").sum())
    note = f"{len(cells)} of {tested:,} comparisons, as above." if len(cells) < tested else ""
    return TextTable(list(cells[0]), [list(row.values()) for row in cells], words=2, note=note)


def _detectable(least: float) -> str:
    """In points; no difference of accuracies is more than 100."""
    return "more than 100" if least > 1 else signed(least).lstrip("+")


def _seeds(high: float) -> str:
    """What to plan for, at most."""
    return f"more than {MOST_SEEDS:,}" if math.isinf(high) else whole(high)


def reported_table(table: StudyTable, effects: pd.DataFrame) -> TextTable | None:
    """Reported figures beside ours; None where there are none."""
    rows = effects[effects["reported_test_accuracy"].notna()]
    if rows.empty:
        return None
    done = replicates(table.trials)
    cells = []
    for row in records(rows):
        ours = done.loc[done["arm"] == row["arm"], "test_accuracy"].dropna()
        low, high = prediction_interval(ours)
        reported = row["reported_test_accuracy"]
        if math.isfinite(low):
            where = "inside" if low <= reported <= high else "outside"
            span = f"{100 * low:.2f} to {100 * high:.2f} %"
        else:
            where, span = MISSING, MISSING
        loss = f"{_loss(row['reported_test_loss'])} / {_loss(row['test_loss_mean'])}"
        cells.append(
            [
                str(row["arm"]),
                percent(reported),
                *_spread(pd.Series([row["test_mean"]]), pd.Series([row["test_sd"]])),
                str(row["n"]),
                span,
                where,
                loss,
            ]
        )
    titles = [
        *("arm", "reported test accuracy", "measured ± sd", "n"),
        *("95 % prediction interval of one run", "reported is", "test loss, reported / measured"),
    ]
    return TextTable(titles, cells)


def about_reported(table: StudyTable, effects: pd.DataFrame) -> str:
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


def what_arms_are(table: StudyTable, effects: pd.DataFrame) -> list[str]:
    """What the names of the shown arms do not say: their settings, and the author's notes."""
    shown = table.arms[table.arms["arm"].isin(leading(table, effects)["arm"])].iloc[1:]
    lines = []
    for row in records(shown):
        named = "" if row["changes"] == row["arm"] else f": {row['changes']}"
        note = f" ({row['note']})" if row["note"] else ""
        if named or note:
            lines.append(f"{row['arm']}{named}{note}")
    return lines
