"""What to take, what is not settled, and what the test images say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import short_names
from ablation.report.effects.gains import by_gain, is_tested
from ablation.report.effects.replicates import paired
from ablation.report.rendering.formatting import counted, listed, ranked, records
from ablation.statistics.inference import PairedTest, paired_test, sign
from ablation.statistics.power import (
    ALPHA,
    FEW_SEEDS,
    MORE_SEEDS,
    MOST_SEEDS,
    about,
    minimum_detectable,
    upper_spread,
)


def settling(study: Analysis, chosen: pd.DataFrame) -> Iterable[str]:
    """What it would take to settle what is inconclusive.

    From the upper 80 % bound of the spread between pairs: a few pairs may hardly show it. Where
    there are few, or an effect is so large that ten seeds would probably find it, it is more to the
    point what five and ten seeds find than how many would settle whatever there may be.

    Args:
        study: the study, all of whose comparisons are one family.
        chosen: its inconclusive effects.
    """
    tests, metric, family = study.tests, study.metric, len(study.tests)
    comparisons = [tests[arm] for arm in chosen["arm"]]
    spreads = [upper_spread(test.sd, test.n) for test in comparisons]
    are = "is" if len(comparisons) == 1 else "are"
    said = [f"{len(comparisons)} of {counted(family, 'comparison')} {are} inconclusive."]
    fewest = min(test.n for test in comparisons)
    large = any(
        abs(test.mean) > minimum_detectable(test.sd, MORE_SEEDS, family) for test in comparisons
    )
    if fewest < FEW_SEEDS:
        said.append(_too_few(metric, fewest, family, max(spreads)))
    elif large:
        said.append(f"Four times in five, {_found_by_more(metric, family, max(spreads))}.")
    most = chosen["seeds_to_settle_high"].max()
    if math.isfinite(most):
        said.append(
            "To settle even a difference near the margin, plan for up to about "
            f"{about(most):,} seeds."
        )
    elif fewest >= FEW_SEEDS and not large:
        said.append(
            f"Not even {MOST_SEEDS:,} seeds are sure to settle a difference near the margin of "
            f"±{metric.margin(study.table.margin)}."
        )
    yield " ".join(said)


def _too_few(metric: Metric, seeds: int, family: int, spread: float) -> str:
    """That so few seeds cannot carry so many comparisons, and what five and ten find."""
    what = f"{seeds} seeds cannot carry {counted(family, 'comparison')}"
    if family == 1:
        what = f"{seeds} seeds hardly show the spread"
    return f"{what}: four times in five, {_found_by_more(metric, family, spread)}."


def _found_by_more(metric: Metric, family: int, spread: float) -> str:
    """What five and ten seeds find."""
    five, ten = (_findable(metric, count, family, spread) for count in (FEW_SEEDS, MORE_SEEDS))
    bound = "at the upper 80 % bound of the spread between pairs"
    return f"{FEW_SEEDS} seeds find {five}, and {MORE_SEEDS} seeds {ten} ({bound})"


def _findable(metric: Metric, seeds: int, family: int, spread: float) -> str:
    """The smallest difference that so many seeds find."""
    least = minimum_detectable(spread, seeds, family)
    if not least <= metric.largest:
        return "no difference that can exist"
    return f"a difference of {metric.size(least)} or more"


CHOSE = "optimistic: these seeds chose it"


def path_lead(study: Analysis) -> PairedTest | None:
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
    means = f"{metric.value(best['val_mean'])} and {metric.value(base['val_mean'])}"
    yield (
        f"Recommended: {best['arm']}, {metric.difference(best['delta'])} against {base['arm']} "
        f"over {counted(int(best['pairs']), 'seed')}, the largest effect of what has been "
        f"shown to be better (means: {means})"
        + (f"; {CHOSE}." if best["arm"] == optimistic(table) else ".")
    )
    yield from _runner_up(study, str(best["arm"]))


def _on_fresh_seeds(study: Analysis, lead: PairedTest) -> Iterable[str]:
    """Whether to take the chosen setting, by the seeds that chose nothing."""
    base, name, metric = study.baseline, study.table.chosen, study.metric
    sure = "" if lead.why_not else f", 95 % interval {metric.interval(lead.low, lead.high)}"
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
    others = by_gain(effects[effects["reason"] == ""], study.gains.drop(best))
    if others.empty or others["arm"].iloc[0] == base:
        return
    second = str(others["arm"].iloc[0])
    lead = paired_test(paired(table.trials, best, second))
    if lead.why_not:
        return
    if metric.sign * lead.mean >= 0:
        ends = f"95 % interval {metric.gains(lead.low, lead.high)}, for this pair alone"
        ends += f"; {CHOSE}" if best == optimistic(table) else ""
        yield f"Its lead over {second} is {metric.gain(lead.mean)} ({ends})."
        return
    is_shown = (others["verdict"].iloc[0], others["against"].iloc[0]) == ("better", base)
    which = "" if is_shown else f", not shown to be better than {base},"
    ends = f"95 % interval {metric.interval(-lead.high, -lead.low)}, for this pair alone"
    apart = "" if sign(lead, study.direction) == "worse" else "; the data cannot tell the two apart"
    yield (
        f"{second}{which} has a mean {metric.size(lead.mean)} "
        f"{'higher' if metric.sign > 0 else 'lower'} over the "
        f"{counted(lead.n, 'seed')} that both have ({ends}){apart}."
    )


def _why_untested(test: PairedTest) -> str:
    return test.why_not if test.n > 1 else "too few pairs"


def _kept(study: Analysis) -> str:
    """Whether to keep the baseline: only if no arm may be better by the margin."""
    base, left, metric = study.baseline, study.may_be_better, study.metric
    margin = metric.margin(study.table.margin)
    short, to = ("ends below", "up to") if metric.sign > 0 else ("stays above", "down to")
    if left.empty:
        return (
            f"Recommended: keep {base}; no arm is better by {margin} or more: each 90 % interval "
            f"against {base} {short} {'that' if metric.sign > 0 else f'−{margin}'}."
        )
    tested = is_tested(left)
    open_still = [
        f"{row['arm']} ({metric.difference(row['delta'])}, 90 % interval {to} "
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
        said += f" These may be better by {margin} or more: {ranked(open_still, kinds)}."
    if others:
        kinds = ["not compared"] * len(others)
        said += f" Not compared with it, so not ruled out: {ranked(others, kinds)}."
    return said


def own_seeds(effects: pd.DataFrame) -> Iterable[str]:
    """Where arms have finished other seeds: what may be compared, and what may not."""
    if effects["n"].nunique() > 1 or (effects["pairs"].dropna() < effects["n"].iloc[0]).any():
        yield "Means are over each arm's own seeds; effects only over seeds that both have."


def on_test(study: Analysis, names: Mapping[str, str]) -> Iterable[str]:
    """Effects that differ on the test images, which decide nothing."""
    gaps, metric, examples = study.gaps_on_test, study.metric, study.table.words.examples
    rows = gaps[gaps["p_holm"] < ALPHA].sort_values("gap", key=abs, ascending=False, kind="stable")
    items = [
        f"{names[row['arm']]} {metric.difference(row['test'])} instead of "
        f"{metric.difference(row['validation'])} (95 % interval of the difference "
        f"{metric.interval(-row['ci_high'], -row['ci_low'])})"
        for row in records(rows)
    ]
    if items:
        what = "an effect differs from that" if len(items) == 1 else "effects differ from those"
        yield (
            f"On these test {examples} {what} on the validation {examples}: {listed(items)}. All "
            f"seeds are scored on the same test {examples}, so this says nothing of other "
            f"{examples}."
        )
