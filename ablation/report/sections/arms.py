"""Which figures a study gets, each with the words that go with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd

from ablation.errors import counted
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable, as_returned
from ablation.report.data.trial_frames import as_in_files
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.effects.arms import also_changed, costs
from ablation.report.effects.confusion import (
    class_differences,
    common_seeds,
    confusion_by_arm,
    confusion_shares,
)
from ablation.report.effects.replicates import best_so_far
from ablation.report.effects.selection import (
    GROUPS,
    PANELS,
    drawn,
    left_out,
    of_factor,
    on_common_seeds,
    over_others,
    span,
    worst_end,
)
from ablation.report.figures.arms import draw_arms, draw_means
from ablation.report.figures.confusion import (
    draw_class_accuracy,
    draw_confusion,
    draw_confusion_change,
)
from ablation.report.figures.cost import draw_cost
from ablation.report.figures.factors import draw_factor, draw_scatter
from ablation.report.figures.forest import draw_forest
from ablation.report.figures.learning_curves import (
    Measure,
    draw_beside_reported,
    learning_curves,
    measures,
)
from ablation.report.figures.search import draw_history
from ablation.report.rendering.formatting import CONFOUNDED, capitalized
from ablation.report.sections.figure import Plot, file_name
from ablation.report.text.captions import about_effects
from ablation.report.text.comparisons import mark, pair
from ablation.report.text.recommendation import about_choice
from ablation.statistics.inference import Summary, summary_interval


def gallery(study: Analysis) -> Iterator[Plot]:
    """The study's figures, one at a time; none as long as no trial has finished."""
    design = study.table.design
    if not study.effects["n"].any():
        return
    if design != "search" and len(study.effects) > 1:
        yield _forest(study)
    yield _arms(study)
    if design == "search":
        yield _history(study)
    if design != "confirmation":
        yield from _factors(study)
    yield from _curves(study)
    if study.table.arms[["parameters", "macs"]].notna().any(axis=None):
        yield _cost(study)
    yield from _confusion(study)


def searched(search: Analysis) -> Iterator[Plot]:
    """Of a search that is confirmed: its own course, and its trials factor by factor."""
    yield _history(search)
    yield from _factors(search)


def _forest(study: Analysis) -> Plot:
    table, leaders = study.table, study.leading()
    rows = study.with_shown_intervals(leaders[leaders["against"] != ""])
    caption = about_effects(study)
    note = ""
    if table.margin:
        band = study.metric.margin(table.margin)
        note = f"Grey band: ±{band}, differences too small to matter here."
    pairs, also = study.pairs, study.confounded
    if not also.isdisjoint(rows["arm"]):
        note += f"\n{CONFOUNDED} also changes {also_changed(table)} by more than 10 %."
    note = "\n".join(filter(None, [study.shown_of(leaders), note, about_choice(table)]))
    comparisons = comparison_labels(study.effects, rows)
    names = [study.labels.get(arm, name) for arm, name in comparisons.items()]
    shown = pairs.loc[pairs["arm"].isin(rows["arm"]), "difference"]
    if shown.empty:
        shown = pd.concat([rows["ci_low"], rows["ci_high"], rows["delta"]]).dropna()
    limits = span(shown, table.margin) if len(shown) else (-table.margin, table.margin)
    if beyond := ((rows["delta"] < limits[0]) | (rows["delta"] > limits[1])).sum():
        note += f" Beyond the axis (arrows): {counted(int(beyond), 'effect')}."
    how = mark(table.comparison)
    draw = partial(
        draw_forest, rows, pairs, table.margin, study.metric, names, also, note, limits, how
    )
    return Plot("effects", "effects", "Effects", caption, draw)


def _arms(study: Analysis) -> Plot:
    rows, done, metric, sign = study.leading(), study.replicates, study.metric, study.metric.sign
    if study.table.comparison.method == "summaries":
        return _summaries(study)
    omissions = left_out(study.table.trials, rows["arm"], metric.noun, study.table.words.trial)
    note = f"{study.shown_of(rows)} {omissions}".strip()
    values = done.loc[done["arm"].isin(rows["arm"]), "value"]
    end = worst_end(done["value"], metric)  # of all: the best of a search lie close together
    if len(beyond := values[sign * values < sign * end]):
        where, to = ("Left", "down") if sign > 0 else ("Right", "up")
        worst = metric.value(beyond.min() if sign > 0 else beyond.max())
        note += f" {where} of the axis (arrows): {len(beyond)}, {to} to {worst}."
    what = study.table.outcome_text(metric.text)
    noun, of = study.table.words.training, pair(study.table.comparison)
    caption = f"{capitalized(what)}. Every {noun} is a point"
    if study.table.comparison.has_mean:
        noun = "mean"
        caption = f"{capitalized(what)}. Every {of} is a point"
    caption += (
        f"; the {of}s stand one below the other in each row, so the same {of} has the same height."
        if done["seed"].nunique() > 1 and study.table.comparison.is_paired
        else "."
    )
    if study.settling:
        caption += " Arms have different numbers of seeds: compare their effects, not their means."
    draw = partial(draw_arms, done, rows, study.labels, metric, note.strip(), end, what, noun)
    return Plot("arms", "arms", "Arms compared", caption, draw)


def _summaries(study: Analysis) -> Plot:
    rows, metric = study.leading(), study.metric
    caption = f"{capitalized(metric.text)} of each arm: means with their 95 % intervals."
    cells = zip(rows["val_mean"], rows["val_sd"], rows["n"], strict=True)
    ends = [summary_interval(Summary(mean, sd, n)) for mean, sd, n in cells]
    intervals = pd.DataFrame(ends, columns=["low", "high"])
    note = f"Single runs are not known. {study.shown_of(rows)}".strip()
    draw = partial(draw_means, rows, intervals, study.labels, metric, note)
    return Plot("arms", "arms", "Arms compared", caption, draw)


def _history(study: Analysis) -> Plot:
    table, done, metric = study.table, study.replicates, study.metric
    best = best_so_far(table.trials, study.direction)
    caption = f"{capitalized(metric.text)} by trial, in the order in which they began."
    if len(done) and table.length:
        epochs, word = _range(done[table.length]), table.words.epoch
        if word in table.length:
            caption += f" A training is {epochs} {word}{'' if epochs == '1' else 's'}"
        else:
            caption += f" A training has {table.length}={epochs}"
        if "train_size" in done:
            images = _range(done["train_size"])
            caption += f" on {images} {table.words.examples}, those to validate with among them"
        caption += "."
    baseline = float(study.effects["val_mean"].iloc[0])
    draw = partial(draw_history, best, table.trials, baseline, metric)
    return Plot("history", "history", "The search so far", caption, draw)


def _range(values: pd.Series[float]) -> str:
    """``6``, or ``3 to 6`` where not all are the same."""
    low, high = (f"{value:,.0f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _logarithmic(table: StudyTable, name: str) -> bool:
    """Whether a factor is drawn from a range by its logarithm."""
    drawn_from = table.factors[name]["range"]
    return bool(drawn_from and drawn_from["log"])


def _what_points_are(table: StudyTable) -> str:
    """What is drawn of a training, a sentence, where that is a mean of several reports."""
    if table.over_last == 1:
        return ""
    return f"{capitalized(table.outcome_text(table.metric.text))}. "


def _factors(study: Analysis) -> Iterator[Plot]:
    """One figure a factor, that is a column of the arms and has two levels at least."""
    table, metric = study.table, study.metric
    done, baseline, drawn_are = study.replicates, table.arms.iloc[0], _what_points_are(table)
    for name in table.factors:
        if table.design == "search":
            rows = drawn(name, table)
            note = f"No effect there, so not shown: {len(done) - len(rows)}."
            note = note if len(rows) < len(done) else ""
            log = _logarithmic(table, name)
            draw = partial(draw_scatter, name, rows, study.baseline, metric, note, log)
            caption = (
                "Every finished trial by its level; other settings differ as well. Where levels "
                "stand side by side, their points are spread sideways to be told apart."
            )
        else:
            chosen, points = of_factor(name, table, study.effects), done
            if study.settling:
                chosen, points = on_common_seeds(chosen, done)
            note = left_out(table.trials, chosen["arm"], metric.noun, table.words.trial)
            noun, of = table.words.training, pair(table.comparison)
            caption = f"{drawn_are}Every {noun} is a point, means are joined."
            if study.settling:
                caption += " Only seeds that all of these arms have are shown."
            by_seed = table.comparison.is_paired
            if (chosen["group"] == "").all() and by_seed:
                caption += f" Faint lines join {noun}s of the same {of}."
            if (settings := chosen["group"].nunique()) > GROUPS:
                chosen, points = over_others(chosen, done)
                caption = (
                    f"{drawn_are}Means over all {settings} settings of the other factors, a "
                    "point a seed that has finished with all of them. Faint lines join the same "
                    "seed."
                )
            draw = partial(
                draw_factor, name, points, chosen, str(baseline[name]), metric, note, by_seed
            )
        yield Plot(file_name(f"factor_{name}"), "factors", name, caption, draw)


def _curves_caption(table: StudyTable, shown: Sequence[Measure]) -> str:
    """What the lines of learning curves are, and when training figures are taken."""
    if not any(measure.training for measure in shown):
        words = table.words
        return f"Means over the {words.replicate}s, {words.epoch} by {words.epoch}."
    if table.free_figures:
        return "Solid: validation. Dashed: training."
    drops = "dropout" in table.trials and bool((table.trials["dropout"].astype(float) > 0).any())
    return (
        "Solid: validation. Dashed: training, the running mean during the epoch"
        f"{' with dropout on' if drops else ''}, so it lags behind validation at first."
    )


def _curves(study: Analysis) -> Iterator[Plot]:
    table, metric = study.table, study.metric
    if as_returned(table.trials).all() and (table.epochs["epoch"] == 1).all():
        return  # the arms have been compared by these very values
    rows = study.leading(None if table.design == "search" else PANELS)
    epochs = as_in_files(study.common_epochs, metric)
    shown = measures(table.figures, metric, table.words.measures)
    caption = _curves_caption(table, shown)
    if any(measure.averaged for measure in shown):
        caption += " Dotted: averaged weights."
    if study.settling:
        caption += " Over the seeds of the first look, which all arms have."
    caption = f"{caption} {study.shown_of(rows)}".strip()
    for name, draw in learning_curves(
        epochs, shown, list(rows["arm"]), study.labels, table.words.epoch
    ):
        of = name.removeprefix("learning_curves").strip("_")
        title = f"Learning curves: {of}" if of else "Learning curves"
        yield Plot(file_name(name), "curves", title, caption, draw)
    trained = set(table.epochs["arm"])
    if both := [arm for arm in table.reported_curves["arm"].unique() if arm in trained]:
        caption = (
            "What was reported of one training elsewhere (wide lines) under our own, means over "
            "the seeds. The band is their range: of n seeds, one more training of the same kind "
            "leaves it in 2 of n + 1 epochs on average."
        )
        draw = partial(draw_beside_reported, epochs, table.reported_curves, shown, both)
        title = "Reported curves and ours"
        yield Plot("learning_curves_reported", "curves", title, caption, draw)


def _cost(study: Analysis) -> Plot:
    table, metric, leaders = study.table, study.metric, study.leading()
    rows = costs(table.trials, table.arms).set_index("arm").loc[leaders["arm"]].reset_index()
    caption = (
        f"Mean {metric.text} against {_sizes(table)}the time of one training, which depends on "
        "what else the machine did."
    )
    if (table.trials["fused"] > 1).any():
        caption += " Of what was trained side by side each has an equal share of the time."
    if table.design == "search":
        caption += " The best of what was drawn; the search's front is one over all of it."
    else:
        caption = f"{caption} {study.shown_of(leaders)}".strip()
    if study.settling:
        caption += " Arms have different numbers of seeds."
    drawn = set(table.arms.loc[table.arms["kind"] == "drawn", "arm"])
    draw = partial(draw_cost, rows, study.short_names, metric, table.words.example, drawn)
    return Plot("cost", "cost", f"{capitalized(metric.noun)} against cost", caption, draw)


def _sizes(table: StudyTable) -> str:
    """What is known of the networks' sizes, as the beginning of a list."""
    macs, size = (table.arms[name].notna().any() for name in ("macs", "parameters"))
    counted_macs = f"multiply-accumulates (MACs) an {table.words.example}"
    if macs and size:
        return f"size, {counted_macs}, and "
    return f"{counted_macs if macs else 'size'} and "


def _confusion(study: Analysis) -> Iterator[Plot]:
    """The baseline's, the best other arm's, and how these differ, as far as they were scored."""
    base, best, counts = study.baseline, study.best_challenger, study.table.confusion
    arms = [arm for arm in (base, best) if arm and arm in set(counts["arm"])]
    both, examples = common_seeds(counts, arms), study.table.words.examples
    if best and len(arms) == 2 and len(both) and not study.table.awaits_look:
        draw = partial(
            draw_class_accuracy, class_differences(both, best, base), best, base, examples
        )
        caption = (
            f"Which classes {best}, the best other arm by validation, recognises more or less "
            "often than the baseline. Ten intervals of one pair of arms: a description, no test."
        )
        yield Plot("class_accuracy", "confusion", "Accuracy by class", caption, draw)
    if arms:
        caption = f"What the test {examples} of each class were taken for, in percent of the class."
        usual = next(iter(study.table.metrics.values()), study.metric)
        if usual != study.metric:
            caption += f" They go with the {usual.test_text}, not the {study.metric.test_text}."
        draw = partial(draw_confusion, confusion_shares(confusion_by_arm(counts)), arms, examples)
        yield Plot("confusion", "confusion", "Which classes are confused", caption, draw)
    if best and len(arms) == 2 and len(both):
        seeds = counted(both["seed"].nunique(), "seed")
        caption = (
            f"The matrix of {best} less that of the baseline, in points of each true class, over "
            f"the {seeds} that both have finished."
        )
        draw = partial(
            draw_confusion_change, confusion_shares(confusion_by_arm(both)), best, base, examples
        )
        yield Plot("confusion_change", "confusion", "What changes", caption, draw)
