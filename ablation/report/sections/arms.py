"""Which figures a study gets, each with the words that go with it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import comparison_labels, labels, short_names
from ablation.report.effects.arms import also_changed, confounded, costs
from ablation.report.effects.confusion import (
    class_differences,
    common_seeds,
    confusion_by_arm,
    confusion_shares,
)
from ablation.report.effects.replicates import best_so_far, pair_differences, replicates
from ablation.report.effects.selection import (
    GROUPS,
    PANELS,
    best_challenger,
    drawn,
    floor,
    leading,
    left_out,
    of_factor,
    over_others,
    shown_of,
    span,
)
from ablation.report.figures.arms import draw_arms
from ablation.report.figures.confusion import (
    draw_class_accuracy,
    draw_confusion,
    draw_confusion_change,
)
from ablation.report.figures.cost import draw_cost
from ablation.report.figures.factors import draw_factor, draw_scatter
from ablation.report.figures.forest import draw_forest
from ablation.report.figures.learning_curves import draw_beside_reported, learning_curves
from ablation.report.figures.search import draw_history
from ablation.report.rendering.formatting import CONFOUNDED, counted, percent
from ablation.report.sections.figure import Plot
from ablation.report.text.recommendation import about_choice

CURVES = {
    "learning_curves": "Learning curves",
    "learning_curves_accuracy": "Learning curves: accuracy",
    "learning_curves_loss": "Learning curves: loss",
}


def gallery(table: StudyTable, effects: pd.DataFrame) -> Iterator[Plot]:
    """The study's figures, one at a time; none as long as no trial has finished.

    Args:
        table: the study.
        effects: of ``ablation.report.effects.effects.effects``.
    """
    if not effects["n"].any():
        return
    if table.design != "search" and len(effects) > 1:
        yield _forest(table, effects)
    yield _arms(table, effects)
    if table.design == "search":
        yield _history(table, effects)
    if table.design != "confirmation":
        yield from _factors(table, effects)
    yield from _curves(table, effects)
    yield _cost(table, effects)
    yield from _confusion(table, effects)


def searched(table: StudyTable, effects: pd.DataFrame) -> Iterator[Plot]:
    """Of a search that is confirmed: its own course, and its trials factor by factor."""
    yield _history(table, effects)
    yield from _factors(table, effects)


def _forest(table: StudyTable, effects: pd.DataFrame) -> Plot:
    leaders = leading(table, effects)
    rows = leaders[leaders["against"] != ""]
    caption = (
        "Each arm less what it is compared with, paired by seed: the mean with its 95 % interval, "
        "and every pair. Better and worse are adjusted for the number of comparisons; intervals "
        "and equivalent are not."
    )
    pairs = pair_differences(table.trials, table.arms)
    note = f"Grey band: ±{100 * table.margin:.2f} points, differences too small to matter here."
    also = confounded(table.arms)
    if not also.isdisjoint(rows["arm"]):
        note += f"\n{CONFOUNDED} also changes {also_changed(table.arms)} by more than 10 %."
    note = "\n".join(filter(None, [shown_of(table, effects, leaders), note, about_choice(table)]))
    known = labels(table)
    names = [known.get(arm, name) for arm, name in comparison_labels(effects, rows).items()]
    limits = span(pairs.loc[pairs["arm"].isin(rows["arm"]), "difference"], table.margin)
    if beyond := ((rows["delta"] < limits[0]) | (rows["delta"] > limits[1])).sum():
        note += f" Beyond the axis (arrows): {counted(int(beyond), 'effect')}."
    figure = draw_forest(rows, pairs, table.margin, names, also, note, limits)
    return Plot("effects", "effects", "Effects", caption, figure)


def _arms(table: StudyTable, effects: pd.DataFrame) -> Plot:
    rows, done = leading(table, effects), replicates(table.trials)
    note = f"{shown_of(table, effects, rows)} {left_out(table.trials, rows['arm'])}".strip()
    accuracies = done.loc[done["arm"].isin(rows["arm"]), "val_accuracy"]
    lowest = floor(done["val_accuracy"])  # of all: the best of a search lie close together
    if len(below := accuracies[accuracies < lowest]):
        note += f" Left of the axis (arrows): {len(below)}, down to {percent(below.min())}."
    caption = "Validation accuracy after the last epoch. Every training is a point"
    caption += (
        "; the seeds stand one below the other in each row, so the same seed has the same height."
        if done["seed"].nunique() > 1
        else "."
    )
    figure = draw_arms(done, rows, labels(table), note.strip(), lowest)
    return Plot("arms", "arms", "Arms compared", caption, figure)


def _history(table: StudyTable, effects: pd.DataFrame) -> Plot:
    done = replicates(table.trials)
    best, baseline = best_so_far(table.trials), float(effects["val_mean"].iloc[0])
    caption = "Validation accuracy by trial, in the order in which they began."
    if len(done):
        epochs, images = (_range(done[name]) for name in ("epochs", "train_size"))
        caption += (
            f" A training is {epochs} epoch{'' if epochs == '1' else 's'} on {images} images, "
            "those to validate with among them."
        )
    figure = draw_history(best, table.trials, baseline)
    return Plot("history", "history", "The search so far", caption, figure)


def _range(values: pd.Series[float]) -> str:
    """``6``, or ``3 to 6`` where not all are the same."""
    low, high = (f"{value:,.0f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _logarithmic(table: StudyTable, name: str) -> bool:
    """Whether a factor is drawn from a range by its logarithm."""
    drawn_from = table.factors[name]["range"]
    return bool(drawn_from and drawn_from["log"])


def _factors(table: StudyTable, effects: pd.DataFrame) -> Iterator[Plot]:
    """One figure a factor, that is a column of the arms and has two levels at least."""
    done, baseline = replicates(table.trials), table.arms.iloc[0]
    for name in table.factors:
        if table.design == "search":
            rows = drawn(name, table)
            note = f"No effect there, so not shown: {len(done) - len(rows)}."
            note = note if len(rows) < len(done) else ""
            log = _logarithmic(table, name)
            figure = draw_scatter(name, rows, str(baseline["arm"]), note, log)
            caption = (
                "Every finished trial by its level; other settings differ as well. Where levels "
                "stand side by side, their points are spread sideways to be told apart."
            )
        else:
            chosen, points = of_factor(name, table, effects), done
            note = left_out(table.trials, chosen["arm"])
            caption = "Every training is a point, means are joined."
            if (chosen["group"] == "").all():
                caption += " Faint lines join trainings of the same seed."
            if (settings := chosen["group"].nunique()) > GROUPS:
                chosen, points = over_others(chosen, done)
                caption = (
                    f"Means over all {settings} settings of the other factors, a point a seed that "
                    "has finished with all of them. Faint lines join the same seed."
                )
            figure = draw_factor(name, points, chosen, str(baseline[name]), note)
        yield Plot(f"factor_{name}", "factors", name, caption, figure)


def _curves(table: StudyTable, effects: pd.DataFrame) -> Iterator[Plot]:
    rows = leading(table, effects, None if table.design == "search" else PANELS)
    draw_arms = list(rows["arm"])
    drops = bool((pd.to_numeric(table.trials["dropout"]) > 0).any())
    caption = (
        "Solid: validation. Dashed: training, the running mean during the epoch"
        f"{' with dropout on' if drops else ''}, so it lags behind validation at first."
    )
    caption = f"{caption} {shown_of(table, effects, rows)}".strip()
    for name, figure in learning_curves(table.epochs, draw_arms, labels(table)):
        yield Plot(name, "curves", CURVES[name], caption, figure)
    trained = set(table.epochs["arm"])
    if both := [arm for arm in table.reported_curves["arm"].unique() if arm in trained]:
        caption = (
            "What was reported of one training elsewhere (wide lines) under our own, means over "
            "the seeds. The band is their range: of n seeds, one more training of the same kind "
            "leaves it in 2 of n + 1 epochs on average."
        )
        figure = draw_beside_reported(table.epochs, table.reported_curves, both)
        title = "Reported curves and ours"
        yield Plot("learning_curves_reported", "curves", title, caption, figure)


def _cost(table: StudyTable, effects: pd.DataFrame) -> Plot:
    leaders = leading(table, effects)
    shown = leaders["arm"]
    rows = costs(table.trials, table.arms).set_index("arm").loc[shown].reset_index()
    caption = (
        "Mean validation accuracy against size, multiply-accumulates (MACs) an image, and the "
        "time of one training, which depends on what else the machine did."
    )
    if (table.trials["fused"] > 1).any():
        caption += " Of what was trained side by side each has an equal share of the time."
    if table.design == "search":
        caption += " The best of what was drawn; the search's front is one over all of it."
    else:
        caption = f"{caption} {shown_of(table, effects, leaders)}".strip()
    drawn = set(table.arms.loc[table.arms["kind"] == "drawn", "arm"])
    return Plot(
        "cost", "cost", "Accuracy against cost", caption, draw_cost(rows, short_names(table), drawn)
    )


def _confusion(table: StudyTable, effects: pd.DataFrame) -> Iterator[Plot]:
    """The baseline's, the best other arm's, and how these differ, as far as they were scored."""
    base, best, counts = (
        str(effects["arm"].iloc[0]),
        best_challenger(table, effects),
        table.confusion,
    )
    draw_arms = [arm for arm in (base, best) if arm and arm in set(counts["arm"])]
    both = common_seeds(counts, draw_arms)
    if best and len(draw_arms) == 2 and len(both):
        figure = draw_class_accuracy(class_differences(both, best, base), best, base)
        caption = (
            f"Which classes {best}, the best other arm by validation, recognises more or less "
            "often than the baseline. Ten intervals of one pair of arms: a description, no test."
        )
        yield Plot("class_accuracy", "confusion", "Accuracy by class", caption, figure)
    if draw_arms:
        caption = "What the test images of each class were taken for, in percent of the class."
        figure = draw_confusion(confusion_shares(confusion_by_arm(counts)), draw_arms)
        yield Plot("confusion", "confusion", "Which classes are confused", caption, figure)
    if best and len(draw_arms) == 2 and len(both):
        seeds = counted(both["seed"].nunique(), "seed")
        caption = (
            f"The matrix of {best} less that of the baseline, in points of each true class, over "
            f"the {seeds} that both have finished."
        )
        figure = draw_confusion_change(confusion_shares(confusion_by_arm(both)), best, base)
        yield Plot("confusion_change", "confusion", "What changes", caption, figure)
