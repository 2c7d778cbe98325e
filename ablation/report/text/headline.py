"""What to believe, in at most three short sentences: an answer begins with it.

What they rest on, and everything else, is in `ablation.report.text.answer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from ablation.report.data.study_table import StudyTable, stages
from ablation.report.effects.arm_names import comparison_labels, short_names
from ablation.report.effects.arms import by_size
from ablation.report.effects.confirmation import NAMED, NUISANCE, path_rows
from ablation.report.effects.gains import by_gain, gains, is_tested, may_be_better
from ablation.report.effects.health import (
    collapsed,
    diverged_arms,
    of_arms,
    unlearned,
    untrained_arms,
)
from ablation.report.effects.progress import all_ended, counts, progress_text
from ablation.report.effects.replicates import paired, replicates
from ablation.report.rendering.formatting import counted, interval, percent, points, records
from ablation.report.text.cautions import nothing_to_compare, rising_arms, still_rising
from ablation.report.text.recommendation import path_lead
from ablation.scheduling.path import TAKEN_BACK
from ablation.statistics.inference import paired_test, sign
from ablation.statistics.power import ALPHA

SENTENCES = 3
NAMES = 2  # that a sentence has; the others are counted


def headline(table: StudyTable, effects: pd.DataFrame, contrasts: pd.DataFrame) -> list[str]:
    """The sentences.

    Args:
        table: the study; of a search that is being confirmed, its confirmation.
        effects: its effects, of ``ablation.report.effects.effects.effects``.
        contrasts: its contrasts, of ``ablation.report.effects.contrasts.contrasts``.
    """
    if not effects["n"].any():
        lost = counts(table).get("diverged", 0)
        if lost:
            return [f"Every training that has ended diverged ({lost:,} of {table.wanted:,})."]
        return [f"No trial has finished yet (0 of {table.wanted:,})."]
    said = next((said for stage in stages(table) if (said := nothing_to_compare(stage))), [])
    found = [*_status(table), *said, *_health(table, untrained=not said)]
    return [*found, *_found(table, effects, contrasts)][:SENTENCES]


def _found(table: StudyTable, effects: pd.DataFrame, contrasts: pd.DataFrame) -> Iterable[str]:
    """What was found, as far as there is something to compare."""
    which = unlearned(table.trials, table.arms)
    if which == "all":
        return []
    if table.design == "search":
        return _search(table, effects, compares=not which)
    if which:
        return filter(None, [_shown(effects)])
    if table.design == "confirmation" and table.chosen:
        return _confirmed(table, effects)
    return _designed(table, effects, contrasts)


def _status(table: StudyTable) -> Iterator[str]:
    """Why not to rely on it yet."""
    looks = max(len(stage.looks) for stage in stages(table))
    looked = f"look {looks}, so error rates are not controlled" if looks > 1 else ""
    if not all_ended(table):
        done = f"{counts(table)['finished']:,} of {table.wanted:,} trials have finished"
        yield f"Preliminary: {done}{f' ({looked})' if looked else ''}."
    elif looked:
        yield f"This is {looked}."


def _health(table: StudyTable, *, untrained: bool) -> Iterator[str]:
    """That networks have learned nothing, if asked, or were still learning."""
    none = dict.fromkeys(arm for stage in stages(table) for arm in untrained_arms(stage.trials))
    if untrained and none:
        yield f"Untrained, at chance level: {_some(list(none))}; no verdict on that."
    lost = pd.concat([collapsed(stage.trials) for stage in stages(table)], ignore_index=True)
    if table.design != "search" and len(lost):
        names = [
            f"{row['arm']} seed {row['seed']} ({percent(row['val_accuracy'])})"
            for row in records(lost)
        ]
        yield f"Collapsed, and counted: {_some(names)}."
    if table.design == "search":
        return
    _, how = still_rising(table)
    if how:
        yield f"Accuracies {how} rising after the last epoch: the order may change."
    elif arms := list(rising_arms(table)):
        yield f"Still rising after the last epoch: {_some(arms)}; the order may change."


def _designed(table: StudyTable, effects: pd.DataFrame, contrasts: pd.DataFrame) -> Iterator[str]:
    """What is shown to differ, and what to take."""
    base = str(effects["arm"].iloc[0])
    if len(effects) == 1:
        yield f"{base}: {percent(effects['val_mean'].iloc[0])}; there is nothing to compare."
        return
    if lost := diverged_arms(table.trials).get(base):
        yield f"{base} {lost}: no comparison with it is a finding."
        return
    if table.design == "factorial":
        yield from _on_average(contrasts)
    yield _shown(effects) or f"No arm is shown to differ from {base}."
    if table.design == "confirmation":
        yield "Not chosen yet: that takes all of the confirmation's trainings."
    else:
        yield _to_take(table, effects, base)


def _shown(effects: pd.DataFrame) -> str:
    """Which arms are better and which worse, the largest effects first; empty where none is."""
    base, names = str(effects["arm"].iloc[0]), comparison_labels(effects, effects)
    rows = by_size(effects)
    kinds = [
        (
            f"{verdict}{f' than {base}' if verdict == 'better' else ''}",
            rows[rows["verdict"] == verdict],
        )
        for verdict in ("better", "worse")
    ]
    parts = [
        f"{word}: " + _some([f"{names[r['arm']]} ({points(r['delta'])})" for r in records(found)])
        for word, found in kinds
        if len(found)
    ]
    return _sentence("; ".join(parts))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _on_average(contrasts: pd.DataFrame) -> Iterator[str]:
    """A factorial's significant averages and interactions, the largest first."""
    shown = by_size(contrasts[contrasts["p_holm"] < ALPHA])
    main, both = (
        [f"{row['term']} ({points(row['delta'])})" for row in records(shown[shown["kind"] == kind])]
        for kind in ("main", "interaction")
    )
    if main:
        more = f"; besides, {counted(len(both), 'interaction')}" if both else ""
        yield f"On average over the other factors: {_some(main)}{more}."
    elif both:
        yield f"Together, beyond the sum of both: {_some(both)}."


def _to_take(table: StudyTable, effects: pd.DataFrame, base: str) -> str:
    shown = effects[(effects["verdict"] == "better") & (effects["against"] == base)]
    if len(shown):
        return f"Recommended: {shown.sort_values('delta', kind='stable')['arm'].iloc[-1]}."
    left = may_be_better(table.trials, table.arms, table.margin)
    if left.empty:
        return f"Keep {base}: no arm is better by {100 * table.margin:.2f} points or more."
    tested, said = is_tested(left), []
    if tested.any():
        said.append(f"{_some(list(left['arm'][tested]))} may be better")
    if others := list(left["arm"][~tested]):
        said.append(f"{_some(others)} {'is' if len(others) == 1 else 'are'} not compared")
    return f"Not settled: {'; '.join(said)}."


def _confirmed(table: StudyTable, effects: pd.DataFrame) -> Iterator[str]:
    """What the chosen setting is worth, which step to it helped, what it may not beat."""
    base, name = str(table.arms["arm"].iloc[0]), short_names(table).get(table.chosen, table.chosen)
    if len(table.arms) == 1:
        yield f"Chosen: {base}; nothing else was confirmed."
        return
    if table.chosen == base:
        yield f"Chosen: {base}, the best of the confirmation."
        yield _to_take(table, effects, base)
        return
    test = path_lead(table)
    if table.path is None or test is None:
        own = paired(table.trials, table.chosen, base)
        lead = f" {points(own.mean())} against {base}" if len(own) else ""
        yield f"Chosen: {name},{lead} on the seeds that chose it, which is optimistic."
        if table.path is not None:
            yield f"The path to it is preliminary: {progress_text(table.path)}."
        return
    rows = path_rows(table.path)
    steps = rows[~rows["step"].isin(["0", TAKEN_BACK, NAMED])]
    sure = "" if test.why_not else f" ({interval(test.low, test.high)})"
    sure += f"; {test.reason}" if test.reason else ""
    fresh = f"{points(test.mean)} against {base} on {counted(test.n, 'fresh seed')}{sure}"
    kinds = {"better": "Best found", "worse": "Worse than the baseline"}
    yield f"{kinds.get(sign(test), 'Not shown to be better')}: {name}, {fresh}."
    yield from _steps(steps)
    yield from _challenger(table, name)


def _steps(steps: pd.DataFrame) -> Iterator[str]:
    """Which of the path's tested steps is shown to help."""
    tested = steps[(steps["role"] != NUISANCE) & (steps["verdict"] != "")]
    helped = list(tested.loc[tested["verdict"] == "better", "change"])
    if tested.empty:
        return
    shown = "none is shown to help"
    if helped:
        only = "only " if len(helped) < len(tested) else ""
        shown = f"{only}{_some(helped)} {'is' if len(helped) == 1 else 'are'} shown to help"
    yield f"Of the path's {counted(len(tested), 'tested step')} {shown}, where it stood."


def _challenger(table: StudyTable, name: str) -> Iterator[str]:
    """The best of the other arms, where the chosen one is not shown to beat it."""
    gain = gains(table.trials, table.arms).drop(table.chosen)
    others = by_gain(table.arms.iloc[1:], gain.dropna())["arm"]
    if others.empty:
        return
    second = str(others.iloc[0])
    lead = paired_test(paired(table.trials, table.chosen, second))
    if not lead.why_not and lead.low <= 0:
        names = short_names(table)
        called = names.get(second, second)
        ends = f"{points(lead.mean)}, {interval(lead.low, lead.high)}"
        lost = {names.get(arm, arm): why for arm, why in diverged_arms(table.trials).items()}
        faults = of_arms(lost, [name, called])
        yield f"Not shown: that {name} beats {called} ({ends}{f'; {faults}' if faults else ''})."


def _search(table: StudyTable, effects: pd.DataFrame, *, compares: bool) -> Iterator[str]:
    """The best trial, against the baseline if it compares, and what one training is worth."""
    done = replicates(table.trials).sort_values("val_accuracy", ascending=False, kind="stable")
    base = done[done["arm"] == effects["arm"].iloc[0]]
    best = done.iloc[0]
    if len(base) and best["arm"] == base["arm"].iloc[0]:
        yield f"No trial was above the baseline's {percent(best['val_accuracy'])}."
        return
    over = ""
    if len(base) and compares:
        difference = points(best["val_accuracy"] - base["val_accuracy"].iloc[0])
        over = f", {difference} against the baseline"
    yield f"Best found: #{best['number']}, {percent(best['val_accuracy'])}{over}."
    yield f"It is one training, the best of {counted(len(done), 'setting')}: exploratory."


def _some(items: Sequence[str]) -> str:
    """The first items, and how many more there are."""
    shown = list(items[:NAMES])
    more = [f"{len(items) - NAMES:,} more"] if len(items) > NAMES else []
    parts = [*shown, *more]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
