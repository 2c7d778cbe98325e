"""What to believe, in at most three short sentences: an answer begins with it.

What they rest on, and everything else, is in `ablation.report.text.answer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from ablation.errors import counted
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable, stages
from ablation.report.effects.arm_names import comparison_labels
from ablation.report.effects.arms import by_size
from ablation.report.effects.gains import is_tested
from ablation.report.effects.health import diverged_arms, of_arms, seeds_text
from ablation.report.effects.progress import all_ended, counts
from ablation.report.effects.replicates import best_first, paired
from ablation.report.path.steps import NAMED, NUISANCE
from ablation.report.rendering.formatting import capitalized, records
from ablation.report.text.answer import no_result, none_better
from ablation.report.text.averages import other_factors
from ablation.report.text.blocks import block_headline, shown_by_block
from ablation.report.text.cautions import improving_arms, nothing_to_compare, still_improving
from ablation.report.text.comparisons import interval_text, mark
from ablation.report.text.recommendation import path_lead, shown_better, untestable
from ablation.report.text.settling import awaits_briefly
from ablation.scheduling.path import TAKEN_BACK
from ablation.statistics.inference import sign
from ablation.statistics.power import ALPHA

SENTENCES = 3
NAMES = 2  # that a sentence has; the others are counted


def headline(study: Analysis) -> list[str]:
    """The sentences.

    Args:
        study: the study; of a search that is being confirmed, its confirmation.
    """
    table = study.table
    if study.is_by_block_alone and study.block_effects["n"].any():
        return [*_status(table), *block_headline(study)][:SENTENCES]
    if not study.effects["n"].any():
        return [no_result(table)]
    said = next((said for stage in study.stages if (said := nothing_to_compare(stage))), [])
    before = [*_status(table), *said, *_health(study, untrained=not said)]
    return [*before, *filter(None, _found(study))][:SENTENCES]


def _found(study: Analysis) -> Iterable[str]:
    """What was found, as far as there is something to compare."""
    if study.unlearned == "all":
        return []
    if study.table.design == "search":
        return _search(study, compares=not study.unlearned)
    if study.unlearned:
        return filter(None, [_shown(study)])
    if study.table.design == "confirmation" and study.table.chosen:
        return _confirmed(study)
    return _designed(study)


def _status(table: StudyTable) -> Iterator[str]:
    """Why not to rely on it yet."""
    looks = max(len(stage.looks) for stage in stages(table))
    looked = f"look {looks}, so error rates are not controlled" if looks > 1 else ""
    if waits := [s.settling for s in stages(table) if s.settling and s.awaits_look]:
        yield awaits_briefly(waits[0])
    elif not all_ended(table):
        done = f"{counts(table)['finished']:,} of {table.wanted:,} trials have finished"
        yield f"Preliminary: {done}{f' ({looked})' if looked else ''}."
    elif looked:
        yield f"This is {looked}."


def _health(study: Analysis, *, untrained: bool) -> Iterator[str]:
    """That networks have learned nothing, if asked, or were still learning."""
    metric, epoch = study.metric, study.table.words.epoch
    none = dict.fromkeys(arm for stage in study.stages for arm in stage.untrained)
    if study.same_seeds:
        same = seeds_text(study.same_seeds)
        yield f"{capitalized(same)} gave the same figures: {study.table.words.seed_question}"
    if untrained and none:
        yield f"Untrained, at chance level: {_some(list(none))}; no verdict on that."
    lost = pd.concat([stage.collapsed for stage in study.stages], ignore_index=True)
    if study.table.design != "search" and len(lost):
        names = [
            f"{row['arm']} seed {row['seed']} ({metric.value(row['value'])})"
            for row in records(lost)
        ]
        yield f"Collapsed, and counted: {_some(names)}."
    if study.table.design == "search":
        return
    _, how = still_improving(study)
    if how:
        values = capitalized(metric.plural)
        yield f"{values} {how} {metric.improving} after the last {epoch}: the order may change."
    elif arms := list(improving_arms(study)):
        still = f"Still {metric.improving} after the last {epoch}"
        yield f"{still}: {_some(arms)}; the order may change."


def _designed(study: Analysis) -> Iterator[str]:
    """What is shown to differ, and what to take."""
    table, effects, base = study.table, study.effects, study.baseline
    if len(effects) == 1:
        mean = study.metric.value(effects["val_mean"].iloc[0])
        yield f"{base}: {mean}; there is nothing to compare."
        return
    if why := untestable(study):
        yield f"Means only, no verdict: {why}."
        return
    lost = diverged_arms(table.trials).get(base)
    stands = study.settling and not all(test.reason for test in study.tests.values())
    if lost and not stands:  # else a look before the first divergence has settled something
        yield f"{base} {lost}: no comparison with it is a finding."
        return
    if table.design == "factorial" and (on_average := _on_average(study)):
        yield on_average
        if len(better := shown_better(study)):
            best, how = better["arm"].iloc[0], study.metric.difference(better["delta"].iloc[0])
            yield f"Recommended: {best}, better than {base} ({how})."
            yield _shown(study, besides=best)
            return
    if table.awaits_look:
        yield _shown(study)
        return
    yield _shown(study) or f"No arm is shown to differ from {base}."
    if table.design == "confirmation":
        waits = "that takes all of the confirmation's trainings"
        rest = "the next run does that" if study.settling else waits
        yield f"Not chosen yet: {rest}."
    else:
        yield _to_take(study)
    if len(table.blocks):
        yield from shown_by_block(study)


def _shown(study: Analysis, besides: str = "") -> str:
    """Which arms are better and which worse, the largest effects first; empty where none is.

    Args:
        study: the study.
        besides: an arm that has been said to be better already.
    """
    base, names = study.baseline, comparison_labels(study.effects, study.effects)
    rows = by_size(study.effects)
    rows = rows[rows["arm"] != besides]
    better = f"{'also ' if besides else ''}better than {base}"
    kinds = [
        (better, rows[rows["verdict"] == "better"]),
        ("worse", rows[rows["verdict"] == "worse"]),
    ]
    difference, how = study.metric.difference, mark(study.table.comparison)
    when = f" {study.table.moment}" if study.table.optimism else ""
    items = {
        word: [
            f"{names[row['arm']]} "
            f"({', '.join(filter(None, [difference(row['delta']) + when, how]))})"
            for row in records(group)
        ]
        for word, group in kinds
    }
    parts = [f"{word}: {_some(named)}" for word, named in items.items() if named]
    return _sentence("; ".join(parts))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _on_average(study: Analysis) -> str:
    """A factorial's significant main effects and interactions, the largest first; else empty."""
    contrasts, difference = study.contrasts, study.metric.difference
    shown = by_size(contrasts[contrasts["p_holm"] < ALPHA])
    main, both = (
        [
            f"{row['term']} ({difference(row['delta'])})"
            for row in records(shown[shown["kind"] == kind])
        ]
        for kind in ("main", "interaction")
    )
    if not main:
        return f"Interaction{'s' * (len(both) > 1)}: {_some(both)}." if both else ""
    more = f"; besides, {counted(len(both), 'interaction')}" if both else ""
    if both and contrasts["kind"].value_counts().get("main") == 2:  # so there is one interaction
        of_both = shown.loc[shown["kind"] == "interaction", "delta"].iloc[0]
        more = f"; the interaction is {difference(of_both)}"
    return f"On average over {other_factors(study.table)}: {_some(main)}{more}."


def _to_take(study: Analysis) -> str:
    base, left = study.baseline, study.may_be_better
    if study.table.optimism:
        return f"No recommendation: {study.table.optimism}."
    shown = shown_better(study)
    if len(shown):
        return f"Recommended: {shown['arm'].iloc[0]}."
    if left.empty and not study.table.margin:
        return f"Keep {base}: no arm is better."
    if left.empty:
        margin = study.metric.margin(study.table.margin)
        return f"Keep {base}: no arm is better by {margin} or more."
    tested, said = is_tested(left), []
    if tested.any():
        said.append(f"{_some(list(left['arm'][tested]))} may be better")
    if others := list(left["arm"][~tested]):
        said.append(f"{_some(others)} {'is' if len(others) == 1 else 'are'} not compared")
    return f"Not settled: {'; '.join(said)}."


def _confirmed(study: Analysis) -> Iterator[str]:
    """What the chosen setting is worth, which step to it helped, what it may not beat."""
    table, base, metric = study.table, study.baseline, study.metric
    name = study.short_names.get(table.chosen, table.chosen)
    if len(table.arms) == 1:
        yield f"Chosen: {base}; nothing else was confirmed."
        return
    if table.chosen == base:
        yield f"Chosen: {base}, the best of the confirmation."
        yield _to_take(study)
        return
    test = path_lead(study)
    if study.path is None or test is None:
        own = paired(table.trials, table.chosen, base)
        lead = f" {metric.difference(own.mean())} against {base}" if len(own) else ""
        yield f"Chosen: {name},{lead} on the seeds that chose it, which is optimistic."
        if study.path is not None:
            yield f"The path to it is preliminary: {study.path.progress}."
        return
    rows = study.path.path_rows
    steps = rows[~rows["step"].isin(["0", TAKEN_BACK, NAMED])]
    sure = "" if test.why_not else f" ({metric.interval(test.low, test.high)})"
    sure += f"; {test.reason}" if test.reason else ""
    fresh = (
        f"{metric.difference(test.mean)} against {base} on {counted(test.n, 'fresh seed')}{sure}"
    )
    kinds = {"better": "Best found", "worse": "Worse than the baseline"}
    yield f"{kinds.get(sign(test, study.direction), 'Not shown to be better')}: {name}, {fresh}."
    yield from _steps(steps)
    yield from _challenger(study, name)


def _steps(steps: pd.DataFrame) -> Iterator[str]:
    """Which of the path's tested steps is shown to help."""
    tested = steps[(steps["role"] != NUISANCE) & (steps["verdict"] != "")]
    helped = list(tested.loc[tested["verdict"] == "better", "change"])
    if tested.empty:
        return
    shown, stood = "none is shown to help", "where it stood"
    if helped:
        only = "only " if len(helped) < len(tested) else ""
        shown = f"{only}{_some(helped)} {'is' if len(helped) == 1 else 'are'} shown to help"
        stood = stood if len(helped) == 1 else "where they stood"
    yield f"Of the path's {counted(len(tested), 'tested step')} {shown}, {stood}."


def _challenger(study: Analysis, name: str) -> Iterator[str]:
    """The best of the other arms, where the chosen one is not shown to beat it."""
    table, metric = study.table, study.metric
    others = [arm for arm in study.by_gain if arm not in (table.chosen, study.baseline)]
    if not others:
        return
    second = others[0]
    lead = study.difference(table.chosen, second)
    if not lead.why_not and sign(lead, study.direction) != "better":
        names = study.short_names
        called = names.get(second, second)
        kind = f"{interval_text(table)} " if study.settling else ""
        ends = f"{metric.difference(lead.mean)}, {kind}{metric.interval(lead.low, lead.high)}"
        lost = {names.get(arm, arm): why for arm, why in diverged_arms(table.trials).items()}
        faults = of_arms(lost, [name, called])
        yield f"Not shown: that {name} beats {called} ({ends}{f'; {faults}' if faults else ''})."


def _search(study: Analysis, *, compares: bool) -> Iterator[str]:
    """The best trial, against the baseline if it compares, and what one training is worth."""
    done, metric = best_first(study.replicates, study.direction), study.metric
    base = done[done["arm"] == study.baseline]
    best = done.iloc[0]
    if len(base) and best["arm"] == base["arm"].iloc[0]:
        yield none_better(metric, best["value"])
        return
    over = ""
    if len(base) and compares:
        difference = metric.difference(best["value"] - base["value"].iloc[0])
        over = f", {difference} against the baseline"
    yield f"Best found: #{best['number']}, {metric.value(best['value'])}{over}."
    yield f"It is one training, the best of {counted(len(done), 'setting')}: exploratory."


def _some(items: Sequence[str]) -> str:
    """The first items, and how many more there are."""
    shown = list(items[:NAMES])
    more = [f"{len(items) - NAMES:,} more"] if len(items) > NAMES else []
    parts = [*shown, *more]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
