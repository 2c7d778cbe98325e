"""What to take, and what the test images say, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ablation.errors import counted
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import short_names
from ablation.report.effects.gains import by_gain, is_tested
from ablation.report.effects.settling import last_looks
from ablation.report.rendering.formatting import listed, ranked, records
from ablation.report.text.comparisons import (
    behind,
    compared_with_test,
    interval_text,
    mark,
    pair,
)
from ablation.statistics.inference import MeanDifference, sign
from ablation.statistics.power import (
    ALPHA,
)

CHOSE = "optimistic: these seeds chose it"


def path_lead(study: Analysis) -> MeanDifference | None:
    """The chosen setting against the baseline on the path's own seeds, which chose nothing.

    None where the baseline was chosen, and as long as there is no path that has ended.
    """
    path = study.path
    if path is None or path.progress or study.table.chosen in ("", study.baseline):
        return None
    return path.whole_path


def optimistic(table: StudyTable) -> str:
    """The arm of a confirmation whose figures are from the seeds that chose it; else empty."""
    if table.design != "confirmation" or table.chosen == table.arms["arm"].iloc[0]:
        return ""
    return table.chosen


def about_choice(table: StudyTable) -> str:
    """What to know of the chosen arm's figures in a table of a confirmation; else empty."""
    arm = optimistic(table)
    if not arm:
        return ""
    return (
        f"{short_names(table).get(arm, arm)} was chosen by these seeds: its effect is optimistic."
    )


def untestable(study: Analysis) -> str:
    """Why no arm can be tested, nor will be; empty where one can, or where trainings may follow."""
    if study.table.can_continue or (study.effects["verdict"] != "").any():
        return ""
    return ", ".join(dict.fromkeys(test.why_not for test in study.tests.values()))


def shown_better(study: Analysis) -> pd.DataFrame:
    """The effects that are shown to be better than the baseline, the largest first."""
    effects = study.effects
    shown = effects[(effects["verdict"] == "better") & (effects["against"] == study.baseline)]
    return shown.sort_values("delta", ascending=study.metric.sign < 0, kind="stable")


def recommended(study: Analysis) -> Iterable[str]:
    """The setting to take, and what that rests on; or which may be better than the baseline."""
    table, metric, base = study.table, study.metric, study.effects.iloc[0]
    if not base["n"] or (table.design == "confirmation" and not table.chosen):
        return
    if untestable(study):
        return
    if table.optimism:
        yield f"No recommendation: {table.optimism}. --reduce last gives figures to choose by."
        return
    lead = path_lead(study)
    if lead and lead.n:
        yield from _on_fresh_seeds(study, lead)
        return
    shown = shown_better(study)
    if shown.empty and study.unlearned:
        return  # nothing is compared with the baseline, which the answer begins with
    if shown.empty:
        yield _kept(study)
        return
    best = shown.iloc[0]
    means = " and ".join(map(metric.value, _means(study, best, base)))
    comparison = table.comparison
    over = f"over {behind(study.tests[best['arm']], comparison)}"
    if not comparison.is_paired or comparison.method == "folds":
        over = f"({behind(study.tests[best['arm']], comparison)})"
    yield (
        f"Recommended: {best['arm']}, {metric.difference(best['delta'])} against {base['arm']} "
        f"{over}, the largest effect of what has been "
        f"shown to be better (means: {means})"
        + (f"; {CHOSE}." if best["arm"] == optimistic(table) else ".")
    )
    yield from _runner_up(study, str(best["arm"]))


def _means(study: Analysis, best: pd.Series[Any], base: pd.Series[Any]) -> Sequence[float]:
    """The means of an arm and of the baseline; with declared looks over the pairs of its last."""
    if not study.settling:
        return best["val_mean"], base["val_mean"]
    done, seeds = study.replicates, last_looks(study.settling)[best["arm"]].seeds
    pairs = done[done["seed"].isin(seeds)].pivot(index="seed", columns="arm", values="value")
    means = pairs[[best["arm"], base["arm"]]].dropna().mean()
    return means[best["arm"]], means[base["arm"]]


def _on_fresh_seeds(study: Analysis, lead: MeanDifference) -> Iterable[str]:
    """Whether to take the chosen setting, by the seeds that chose nothing."""
    base, name, metric = study.baseline, study.table.chosen, study.metric
    kind = interval_text(study.path.table if study.path else study.table)
    sure = "" if lead.why_not else f", {kind} {metric.interval(lead.low, lead.high)}"
    where = f"on {counted(lead.n, 'fresh seed')} ({metric.difference(lead.mean)}{sure})"
    if lead.reason:
        yield f"Not recommended: {name}. On the path, {lead.reason}."
    elif sign(lead, study.direction) == "better":
        yield f"Recommended: {name}, better than {base} {where}, which chose nothing."
        yield from _runner_up(study, name)
    elif sign(lead, study.direction) == "worse":
        yield f"Not recommended: {name}, worse than {base} {where}, which chose nothing."
    else:
        yield (
            f"Not settled whether to take {name}: it is not shown to be better than {base} "
            f"{where}, which chose nothing."
        )


def _runner_up(study: Analysis, best: str) -> Iterable[str]:
    """How the recommended arm and the next in the order of effects differ."""
    table, effects, metric, base = study.table, study.effects, study.metric, study.baseline
    comparison = table.comparison
    others = by_gain(effects[effects["reason"] == ""], study.gains.drop(best))
    if others.empty or others["arm"].iloc[0] == base:
        return
    second = str(others["arm"].iloc[0])
    lead = study.difference(best, second)
    if lead.why_not:
        return
    alone = ", ".join(filter(None, [mark(comparison), "for this pair alone"]))
    if metric.sign * lead.mean >= 0:
        alone = f"over {counted(lead.n, 'common seed')}, {alone}" if study.settling else alone
        ends = f"{interval_text(table)} {metric.gains(lead.low, lead.high)}, {alone}"
        ends += f"; {CHOSE}" if best == optimistic(table) else ""
        yield f"Its lead over {second} is {metric.gain(lead.mean)} ({ends})."
        return
    is_shown = (others["verdict"].iloc[0], others["against"].iloc[0]) == ("better", base)
    which = "" if is_shown else f", not shown to be better than {base},"
    ends = f"{interval_text(table)} {metric.interval(-lead.high, -lead.low)}, {alone}"
    apart = "" if sign(lead, study.direction) == "worse" else "; the data cannot tell the two apart"
    over = f" over the {counted(lead.n, pair(comparison))} that both have"
    if not comparison.is_paired:
        over = ""
    yield (
        f"{second}{which} has a mean {metric.size(lead.mean)} "
        f"{'higher' if metric.sign > 0 else 'lower'}{over} ({ends}){apart}."
    )


def _why_untested(test: MeanDifference) -> str:
    return test.why_not if test.n > 1 else "too few pairs"


def _kept(study: Analysis) -> str:
    """Whether to keep the baseline: only if no arm may be better by the margin."""
    base, left, metric = study.baseline, study.may_be_better, study.metric
    margin = metric.margin(study.table.margin)
    short, to = ("ends below", "up to") if metric.sign > 0 else ("stays above", "down to")
    by = f" by {margin} or more" if study.table.margin else ""
    if left.empty and not study.table.margin:
        return (
            f"Recommended: keep {base}; no arm is better: each 90 % interval against {base} "
            f"{short} 0."
        )
    if left.empty:
        return (
            f"Recommended: keep {base}; no arm is better by {margin} or more: each "
            f"{interval_text(study.table, 90)} "
            f"against {base} {short} {'that' if metric.sign > 0 else f'−{margin}'}."
        )
    tested = is_tested(left)
    open_still = [
        f"{row['arm']} ({metric.difference(row['delta'])}, {interval_text(study.table, 90)} {to} "
        f"{metric.difference(row['best'])})"
        for row in records(left[tested])
    ]
    others = [
        f"{row['arm']} ({row['reason'] or _why_untested(study.tests[row['arm']])})"
        for row in records(left[~tested])
    ]
    said = f"Not settled whether to keep {base}."
    if open_still:
        kinds = ["tested"] * len(open_still)
        said += f" These may be better{by}: {ranked(open_still, kinds)}."
    if others:
        kinds = ["not compared"] * len(others)
        said += f" Not compared with it, so not ruled out: {ranked(others, kinds)}."
    return said


def own_seeds(study: Analysis) -> Iterable[str]:
    """Where arms have finished other seeds: what may be compared, and what may not."""
    effects, comparison = study.effects, study.table.comparison
    if not comparison.is_paired:
        return
    if effects["n"].nunique() > 1 or (effects["pairs"].dropna() < effects["n"].iloc[0]).any():
        by = f"{pair(comparison)}s"
        effect = f"effects only over {by} that both have"
        if study.settling:
            effect = f"an effect is over {by} of the arm's last look that both have"
        yield f"Means are over each arm's own {by}; {effect}."


def on_test(study: Analysis, names: Mapping[str, str]) -> Iterable[str]:
    """Effects that differ on the test images, which decide nothing."""
    gaps, metric, examples = study.gaps_on_test, study.metric, study.table.words.examples
    rows = gaps[gaps["p_holm"] < ALPHA].sort_values("gap", key=abs, ascending=False, kind="stable")
    items = [
        f"{names[row['arm']]} {metric.difference(row['test'])} instead of "
        f"{metric.difference(row['validation'])} ({interval_text(study.table)} of the difference "
        f"{metric.interval(-row['ci_high'], -row['ci_low'])})"
        for row in records(rows)
    ]
    if items and not study.table.knows_trainings:
        them = "An effect is another" if len(items) == 1 else "Effects are others"
        yield f"{them} by {metric.test}, which decides nothing: {listed(items)}."
    elif items:
        what = "an effect differs from that" if len(items) == 1 else "effects differ from those"
        yield (
            f"On these test {examples} {what} on the validation {examples}: {listed(items)}. All "
            f"seeds are scored on the same test {examples}, so this says nothing of other "
            f"{examples}.{compared_with_test(study.table)}"
        )
