"""What to take, what is not settled, and what the test images say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ablation.errors import counted
from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arm_names import short_names
from ablation.report.effects.gains import by_gain, is_tested
from ablation.report.rendering.formatting import listed, ranked, records
from ablation.report.text.comparisons import (
    behind,
    compared_with_test,
    interval_text,
    mark,
    more_runs,
    pair,
    spread_between,
)
from ablation.statistics.inference import MeanDifference, sign
from ablation.statistics.power import (
    ALPHA,
    FEW_SEEDS,
    MORE_SEEDS,
    MOST_SEEDS,
    about,
    detectable_by,
    upper_spread,
)


def settling(study: Analysis, chosen: pd.DataFrame) -> Iterable[str]:
    """What it would take to settle what is inconclusive.

    From the upper 80 % bound of the spread between pairs: a few pairs may hardly show it. Where
    there are few, or an effect is so large that ten seeds would probably find it, it is more to the
    point what five and ten seeds find than how many would settle whatever there may be. Without a
    margin nothing settles whatever there may be. The folds of one cross-validation are as many as
    they are.

    Args:
        study: the study, all of whose comparisons are one family.
        chosen: its inconclusive effects.
    """
    table, family = study.table, len(study.tests)
    tests = [study.tests[arm] for arm in chosen["arm"]]
    are = "is" if len(tests) == 1 else "are"
    said = [f"{len(tests)} of {counted(family, 'comparison')} {are} inconclusive."]
    most, more = chosen["seeds_to_settle_high"].max(), more_runs(table.comparison)
    having = [min(test.n, test.n_against or test.n) for test in tests]
    fewest = min(having)
    large = any(
        abs(test.mean) > detectable_by(test.sd, MORE_SEEDS, family, test.growth) for test in tests
    )
    if table.comparison.method == "folds":
        said += _of_folds(study, most)
        fewest = 0
    elif fewest < FEW_SEEDS:
        few = {arm: n for arm, n in zip(chosen["arm"], having, strict=True) if n < FEW_SEEDS}
        said.append(_too_few(study, few, named=len(few) < len(tests)))
    elif large or (not table.margin and fewest < MORE_SEEDS):
        said.append(f"Four times in five, {_found_by_more(study, tests)}.")
    if math.isfinite(most):
        said.append(
            "To settle even a difference near the margin, plan for up to about "
            f"{about(most):,} {more}{_where_unequal(chosen, having)}."
        )
    elif fewest >= FEW_SEEDS and not large and table.margin:
        said.append(
            f"Not even {MOST_SEEDS:,} {more} are sure to settle a difference near the margin of "
            f"±{study.metric.margin(table.margin)}."
        )
    yield " ".join(said)


def _where_unequal(chosen: pd.DataFrame, having: Sequence[int]) -> str:
    """Which arm needs the most seeds, where arms have other numbers of them: few show little."""
    if len(set(having)) == 1:
        return ""
    widest = chosen.sort_values("seeds_to_settle_high", kind="stable").dropna(
        subset="seeds_to_settle_high"
    )
    return f" (for {widest['arm'].iloc[-1]})"


def _of_folds(study: Analysis, most: float) -> Iterable[str]:
    """Why more folds of one cross-validation may not settle what is inconclusive."""
    table, share = study.table, 100 / math.sqrt(study.table.comparison.folds - 1)
    if table.margin and math.isinf(most):
        yield (
            "No number of folds is sure to settle a difference near the margin of "
            f"±{study.metric.margin(table.margin)}: folds share training data, so the standard "
            f"error cannot fall below {share:.0f} % of the standard deviation between them."
        )


def without_margin(study: Analysis) -> Iterable[str]:
    """That nothing can be equivalent where there is no margin."""
    rows = study.block_effects if study.is_by_block_alone else study.effects
    if not study.table.margin and (rows["verdict"] != "").any():
        yield "No margin was given, so nothing can be called equivalent (--margin gives one)."


def _too_few(study: Analysis, few: Mapping[str, int], *, named: bool) -> str:
    """That so few seeds cannot carry so many comparisons, and what five and ten find.

    Args:
        study: the study.
        few: the seeds of each arm that has few.
        named: whether to name these arms, as others have more.
    """
    family, least, most = len(study.tests), min(few.values()), max(few.values())
    so_few = f"{least} {more_runs(study.table.comparison)}"
    if most > least:
        so_few = f"{least} to {most} {more_runs(study.table.comparison)}"
    if named:
        so_few += f" of {listed(list(few))}"
    what = f"{so_few} cannot carry {counted(family, 'comparison')}"
    if family == 1:
        what = f"{so_few} hardly show the spread"
    tests = [study.tests[arm] for arm in few]
    return f"{what}: four times in five, {_found_by_more(study, tests)}."


def _found_by_more(study: Analysis, tests: Sequence[MeanDifference]) -> str:
    """What five and ten seeds find, in the comparison that spreads the most."""
    metric, family, comparison = study.metric, len(study.tests), study.table.comparison
    widest = max(tests, key=lambda test: upper_spread(test.sd, test.sd_df + 1))
    spread = upper_spread(widest.sd, widest.sd_df + 1)
    five, ten = (
        _findable(metric, detectable_by(spread, count, family, widest.growth))
        for count in (FEW_SEEDS, MORE_SEEDS)
    )
    bound = f"at the upper 80 % bound of the spread between {spread_between(comparison)}"
    more = more_runs(comparison)
    return f"{FEW_SEEDS} {more} find {five}, and {MORE_SEEDS} {more} {ten} ({bound})"


def _findable(metric: Metric, least: float) -> str:
    """A smallest difference that is found."""
    if not least <= metric.largest:
        return "no difference that can exist"
    return f"a difference of {metric.size(least)} or more"


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
    """The means of an arm and of the baseline; with declared looks over the arm's own seeds."""
    if not study.settling:
        return best["val_mean"], base["val_mean"]
    own = study.replicates[study.replicates["arm"] == best["arm"]]
    both = study.replicates[study.replicates["seed"].isin(own["seed"])]
    means = both.groupby("arm")["value"].mean()
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
