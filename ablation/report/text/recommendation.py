"""What to take, what is not settled, and what the test images say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import short_names
from ablation.report.effects.confirmation import whole_path
from ablation.report.effects.gains import by_gain, gains, gaps_on_test, is_tested, may_be_better
from ablation.report.effects.health import unlearned
from ablation.report.effects.progress import progress_text
from ablation.report.effects.replicates import paired
from ablation.report.rendering.formatting import (
    counted,
    interval,
    listed,
    percent,
    points,
    ranked,
    records,
)
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


def settling(chosen: pd.DataFrame, tests: Mapping[str, PairedTest], margin: float) -> Iterable[str]:
    """What it would take to settle what is inconclusive.

    From the upper 80 % bound of the spread between pairs: a few pairs may hardly show it. Where
    there are few, or an effect is so large that ten seeds would probably find it, it is more to the
    point what five and ten seeds find than how many would settle whatever there may be.

    Args:
        chosen: the inconclusive rows of ``ablation.report.effects.effects.effects``.
        tests: by arm, all comparisons of the family.
        margin: the smallest difference that matters, a fraction.
    """
    family = len(tests)
    found = [tests[arm] for arm in chosen["arm"]]
    spreads = [upper_spread(test.sd, test.n) for test in found]
    are = "is" if len(found) == 1 else "are"
    said = [f"{len(found)} of {counted(family, 'comparison')} {are} inconclusive."]
    fewest = min(test.n for test in found)
    large = any(abs(test.mean) > minimum_detectable(test.sd, MORE_SEEDS, family) for test in found)
    if fewest < FEW_SEEDS:
        said.append(_too_few(fewest, family, max(spreads)))
    elif large:
        said.append(f"Four times in five, {_found_by_more(family, max(spreads))}.")
    most = chosen["seeds_to_settle_high"].max()
    if math.isfinite(most):
        said.append(
            "To settle even a difference near the margin, plan for up to about "
            f"{about(most):,} seeds."
        )
    elif fewest >= FEW_SEEDS and not large:
        said.append(
            f"Not even {MOST_SEEDS:,} seeds are sure to settle a difference near the margin of "
            f"±{100 * margin:.2f} points."
        )
    yield " ".join(said)


def _too_few(seeds: int, family: int, spread: float) -> str:
    """That so few seeds cannot carry so many comparisons, and what five and ten find."""
    what = f"{seeds} seeds cannot carry {counted(family, 'comparison')}"
    if family == 1:
        what = f"{seeds} seeds hardly show the spread"
    return f"{what}: four times in five, {_found_by_more(family, spread)}."


def _found_by_more(family: int, spread: float) -> str:
    """What five and ten seeds find."""
    five, ten = (_findable(count, family, spread) for count in (FEW_SEEDS, MORE_SEEDS))
    bound = "at the upper 80 % bound of the spread between pairs"
    return f"{FEW_SEEDS} seeds find {five}, and {MORE_SEEDS} seeds {ten} ({bound})"


def _findable(seeds: int, family: int, spread: float) -> str:
    """The smallest difference that so many seeds find."""
    least = minimum_detectable(spread, seeds, family)
    if not least <= 1:
        return "no difference that can exist"
    return f"a difference of {100 * least:.2f} points or more"


CHOSE = "optimistic: these seeds chose it"


def path_lead(table: StudyTable) -> PairedTest | None:
    """The chosen setting against the baseline on the path's own seeds, which chose nothing.

    None where the baseline was chosen, and as long as there is no path that has ended.
    """
    base = str(table.arms["arm"].iloc[0])
    if table.path is None or progress_text(table.path) or table.chosen in ("", base):
        return None
    return whole_path(table.path.trials, table.path.arms)


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


def recommended(table: StudyTable, effects: pd.DataFrame) -> Iterable[str]:
    """The setting to take, and what that rests on; or which may be better than the baseline."""
    base = effects.iloc[0]
    if not base["n"] or (table.design == "confirmation" and not table.chosen):
        return
    lead = path_lead(table)
    if lead and lead.n:
        yield from _on_fresh_seeds(table, effects, lead)
        return
    shown = effects[(effects["verdict"] == "better") & (effects["against"] == base["arm"])]
    if shown.empty and unlearned(table.trials, table.arms):
        return  # nothing is compared with the baseline, which the answer begins with
    if shown.empty:
        yield _kept(table, str(base["arm"]))
        return
    best = shown.sort_values("delta", ascending=False, kind="stable").iloc[0]
    yield (
        f"Recommended: {best['arm']}, {points(best['delta'])} against {base['arm']} over "
        f"{counted(int(best['pairs']), 'seed')}, the largest effect of what has been "
        f"shown to be better (means: {percent(best['val_mean'])} and {percent(base['val_mean'])})"
        + (f"; {CHOSE}." if best["arm"] == optimistic(table) else ".")
    )
    yield from _runner_up(table, effects, str(best["arm"]))


def _on_fresh_seeds(table: StudyTable, effects: pd.DataFrame, lead: PairedTest) -> Iterable[str]:
    """Whether to take the chosen setting, by the seeds that chose nothing."""
    base, name = str(effects["arm"].iloc[0]), table.chosen
    sure = "" if lead.why_not else f", 95 % interval {interval(lead.low, lead.high)}"
    where = f"on {counted(lead.n, 'fresh seed')} ({points(lead.mean)}{sure})"
    if lead.reason:
        yield f"Not recommended: {name}. On the path, {lead.reason}."
    elif sign(lead) == "better":
        yield f"Recommended: {name}, better than {base} {where}, which chose nothing."
        yield from _runner_up(table, effects, name)
    elif sign(lead) == "worse":
        yield f"Not recommended: {name}, worse than {base} {where}, which chose nothing."
    else:
        yield (
            f"Not settled whether to take {name}: it is not shown to be better than {base} "
            f"{where}, which chose nothing."
        )


def _runner_up(table: StudyTable, effects: pd.DataFrame, best: str) -> Iterable[str]:
    """How the recommended arm and the next in the order of effects differ."""
    base, gain = str(effects["arm"].iloc[0]), gains(table.trials, table.arms).drop(best)
    others = by_gain(effects[effects["reason"] == ""], gain)
    if others.empty or others["arm"].iloc[0] == base:
        return
    second = str(others["arm"].iloc[0])
    lead = paired_test(paired(table.trials, best, second))
    if lead.why_not:
        return
    if lead.mean >= 0:
        ends = f"95 % interval {interval(lead.low, lead.high)}, for this pair alone"
        ends += f"; {CHOSE}" if best == optimistic(table) else ""
        yield f"Its lead over {second} is {points(lead.mean)} ({ends})."
        return
    is_shown = (others["verdict"].iloc[0], others["against"].iloc[0]) == ("better", base)
    which = "" if is_shown else f", not shown to be better than {base},"
    ends = f"95 % interval {interval(-lead.high, -lead.low)}, for this pair alone"
    apart = "" if lead.high < 0 else "; the data cannot tell the two apart"
    yield (
        f"{second}{which} has a mean {100 * -lead.mean:.2f} points higher over the "
        f"{counted(lead.n, 'seed')} that both have ({ends}){apart}."
    )


def _kept(table: StudyTable, base: str) -> str:
    """Whether to keep the baseline: only if no arm may be better by the margin."""
    left = may_be_better(table.trials, table.arms, table.margin)
    margin = f"{100 * table.margin:.2f} points"
    if left.empty:
        return (
            f"Recommended: keep {base}; no arm is better by {margin} or more: each 90 % interval "
            f"against {base} ends below that."
        )
    tested = is_tested(left)
    open_still = [
        f"{row['arm']} ({points(row['delta'])}, 90 % interval up to {points(row['high'])})"
        for row in records(left[tested])
    ]
    others = [
        f"{row['arm']} ({row['reason'] or 'too few pairs'})" for row in records(left[~tested])
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


def on_test(table: StudyTable, names: Mapping[str, str]) -> Iterable[str]:
    """Effects that differ on the test images, which decide nothing."""
    gaps = gaps_on_test(table.trials, table.arms)
    found = gaps[gaps["p_holm"] < ALPHA].sort_values("gap", key=abs, ascending=False, kind="stable")
    items = [
        f"{names[row['arm']]} {points(row['test'])} instead of {points(row['validation'])} (95 % "
        f"interval of the difference {interval(-row['ci_high'], -row['ci_low'])})"
        for row in records(found)
    ]
    if items:
        what = "an effect differs from that" if len(items) == 1 else "effects differ from those"
        yield (
            f"On these test images {what} on the validation images: {listed(items)}. "
            "All seeds are scored on the same test images, so this says nothing of other images."
        )
