"""What a confirmation and its path say, in words that the answer begins with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ablation.errors import counted
from ablation.objective.metric import Metric
from ablation.report.analysis import Analysis
from ablation.report.effects.confirmation import choice, search_length
from ablation.report.effects.progress import failed
from ablation.report.effects.replicates import paired
from ablation.report.path.steps import NAMED, NUISANCE, is_step, last_step
from ablation.report.rendering.formatting import chance, listed, marked, ordinal, records
from ablation.report.text.answer import at_the_edge
from ablation.report.text.comparisons import interval_text
from ablation.report.text.recommendation import path_lead
from ablation.report.text.settling import left_out
from ablation.scheduling.path import TAKEN_BACK
from ablation.statistics.inference import sign
from ablation.statistics.power import ALPHA

LENGTHS = {"shorter": "shorter", "longer": "longer", "of another length": "other"}
"""Of the search's trainings, by `search_length`."""


def sentences(search: Analysis) -> list[str]:
    """What a search's confirmation and its path say, for the answer."""
    main = search.confirmation
    if main is None or not main.effects["n"].any():
        return []
    ranking = search.found_against_confirmed
    chosen = _chosen(main, ranking)
    luck = _optimism(search, main, ranking) if main.table.chosen else []
    edge = at_the_edge(search, main.table.chosen)
    return [*lead(main), *chosen, *luck, *path_sentences(main), *edge]


def lead(study: Analysis) -> Iterable[str]:
    """What the chosen setting is worth on seeds that did not choose it, once the path has ended.

    The seeds that chose it are the only ones where there is no path: their figure is optimistic.
    """
    table, metric, base, names = study.table, study.metric, study.baseline, study.short_names
    test = path_lead(study)
    if study.path is None or test is None or not test.n:
        return
    name = names.get(table.chosen, table.chosen)
    seeds, sure = counted(test.n, "fresh seed"), ""
    if not test.why_not:
        kind = f"{interval_text(study.path.table)} " if study.path.settling else ""
        sure = f" ({kind}{metric.interval(test.low, test.high)})"
    by = f"{metric.difference(test.mean)}{sure}"
    if test.reason:
        text = f"On {seeds} {name} is {by} from the {base}: {test.reason}."
    elif sign(test, study.direction) == "better":
        ends = metric.gains(test.low, test.high)
        by = f"{metric.size(test.mean)} ({ends})".replace("+", "")
        text = f"On {seeds} {name} beats the {base} by {by}."
    elif sign(test, study.direction) == "worse":
        text = f"On {seeds} {name} is worse than the {base}: {by}."
    else:
        text = f"On {seeds} {name} is {by} from the {base}: not shown better."
    own = paired(table.trials, table.chosen, base)
    if len(own):
        lead = metric.gain(own.mean()).lstrip("+")
        text += f" On the seeds that chose it the lead was {lead}, which is optimistic."
    yield text
    yield from _named_arms(study, study.path, last_step(study.path.table.arms))


def _named_arms(study: Analysis, path: Analysis, chosen: str) -> Iterable[str]:
    """The arms that the author has named, on the path's seeds too where they were trained there."""
    arms, metric = study.table.arms, study.metric
    rows = path.with_shown_intervals(path.path_rows)
    rows = rows[(rows["step"] == NAMED) & (rows["arm"] != chosen)]
    items = [
        f"{row['arm']} {metric.difference(row['delta'])} "
        f"({metric.interval(row['ci_low'], row['ci_high'])}"
        + (f"; {row['reason']})" if row["reason"] else ")")
        for row in records(rows[rows["ci_low"].notna()])
    ]
    if items:
        where = "On fresh seeds, too" if path.settling else "On the same fresh seeds"
        yield f"{where}, against {study.baseline}: {listed(items)}."
    alone = arms.loc[arms["named"] & ~arms["arm"].isin(path.table.arms["arm"]), "arm"]
    if len(alone):
        yield (
            f"Not trained on these seeds: {listed(list(alone))}. "
            f"{'Its' if len(alone) == 1 else 'Their'} figures are from the seeds of the choice, "
            "which are optimistic."
        )


def _chosen(study: Analysis, ranking: pd.DataFrame) -> Iterable[str]:
    table, effects, metric = study.table, study.effects, study.metric
    first, names = str(ranking["arm"].iloc[0]), study.short_names
    if not table.chosen:
        yield f"Not chosen yet: the search's best of those confirmed is {_full_name(first, names)}."
        return
    row = effects[effects["arm"] == table.chosen].iloc[0]
    rank = ranking.loc[ranking["arm"] == table.chosen, "rank"].iloc[0]
    how = f"ranked {ordinal(int(rank))} in" if pd.notna(rank) else "not finished in"
    verdict = marked(row["verdict"], confounded=False, reason=row["reason"])
    against = f" ({metric.difference(row['delta'])}, {verdict})" if row["verdict"] else ""
    best, why = choice(table), "as the best of the confirmation"
    whole = effects.loc[effects["n"] == effects["n"].max(), "arm"]
    if best.arm != table.chosen and study.gains[table.chosen] == study.gains[whole].max():
        why += ", among the arms with all of their seeds"  # the rule of earlier versions
    elif best.arm != table.chosen:
        why = "when the path began (another arm's effect is larger by now)"
    elif best.seeds and effects["n"].nunique() > 1:
        why += f" over the {counted(len(best.seeds), 'seed')} that all candidates have"
    text = (
        f"Chosen, {why}: {_full_name(table.chosen, names)}, "
        f"{metric.value(row['val_mean'])} over the {counted(int(row['n']), 'seed')} that chose it"
        f"{against}; {how} the search"
    )
    other = f"; of the arms confirmed, {names.get(first, first)} ranked first there"
    yield f"{text}{'' if first == table.chosen else other}."
    if row["against"] and row["verdict"] != "better":
        name = names.get(table.chosen, table.chosen)
        yield f"{name} has not been shown to be better than {row['against']}."


def _optimism(search: Analysis, main: Analysis, ranking: pd.DataFrame) -> Iterable[str]:
    """How much better than confirmed the arms looked that the search had selected."""
    arms, metric = main.table.arms, main.metric
    drawn = arms.loc[arms["kind"] == "drawn", "arm"]
    shift = ranking.loc[ranking["arm"].isin(drawn), "optimism"].dropna()
    if shift.empty:
        return
    one, mean = len(shift) == 1, float(shift.mean())
    which = "training the arm" if one else f"trainings the {len(shift)} arms"
    looked = f"{metric.size(mean)} {'better' if mean > 0 else 'worse'}", "than"
    if metric.signed(mean) in ("0.00", "0"):
        looked = "as good", "as"
    average = "" if one else ", on average,"
    length = search_length(search.table, main.table)
    full = " at full length" if length == "shorter" else ""
    causes = ["selection"] if mean > 0 and looked[1] == "than" else []
    causes += [f"the {LENGTHS[length]} length"] if length and looked[1] == "than" else []
    both = "both " if len(causes) > 1 else ""
    why = f" {' and '.join(causes).capitalize()} may {both}contribute." if causes else ""
    yield (
        f"In the search's single {which} that it selected looked {looked[0]}{average} {looked[1]} "
        f"on fresh seeds{full}.{why}"
    )


def _full_name(arm: str, names: Mapping[str, str]) -> str:
    """An arm by its number in the search, if it has one, and its settings."""
    return f"{names[arm]} ({arm})" if arm in names else arm


def path_sentences(study: Analysis) -> Iterable[str]:
    """What the steps of a confirmation's path were worth; with verdicts once all have ended."""
    if (path := study.path) is None:
        return
    rows, more, metric = path.path_rows, path.progress, study.metric
    made = rows[is_step(rows)].iloc[1:]
    if made["delta"].notna().any():
        items = [
            f"{row['change']} {metric.difference(row['delta'])}"
            + ("" if more and not row["verdict"] else f" ({step_verdict(row, metric)})")
            for row in records(made)
        ]
        yield f"On the path there, change by change: {listed(items, 10)}."
    if not more:
        yield from _order(made, path)
    if more:
        yield f"The path is preliminary: {more}."
    if path.table.settling and path.table.settling.is_over:
        yield from (f"On the path, {text}" for text in left_out(path.table))
    elif count := failed(path.table):
        yield (
            f"{count} of the path's {counted(path.table.wanted, 'training')} failed; "
            "--retry-failed trains failures once more."
        )


ORDER = "†"
"""Set beside the verdict on a step that depends on the order, where there is no room for more."""


def briefly_judged(row: Mapping[str, Any]) -> str:
    """The verdict on a step, for a figure: with marks in place of words."""
    if row["role"] == NUISANCE:
        said = "tuned, not tested"
    else:
        said = marked(row["verdict"], row["confounded"], reason=row["reason"])
        said = said if row["verdict"] else "not tested"
    return f"{said} {ORDER}" if row["depends_on_order"] else said


def step_verdict(row: Mapping[str, Any], metric: Metric) -> str:
    """The verdict on a step with its mark, where it stood; or why there is none.

    Of a step that depends on the order also what it gives in another one, where that was trained.
    """
    if row["role"] == NUISANCE:
        said = "tuned, not tested"
    elif row["verdict"]:
        stood = "" if row["step"] in (TAKEN_BACK, NAMED) else " where it stood"
        slightly = bool(row.get("slight"))
        said = marked(row["verdict"] + stood, row["confounded"], slightly, row["reason"])
    else:
        said = f"not tested: {row['reason']}" if row["reason"] else "not tested"
    if row["depends_on_order"]:
        said += ", depends on order"
        if pd.notna(row["other_order"]):
            said += f": {metric.difference(row['other_order'])} {row['other_where']}"
    return said


def _order(steps: pd.DataFrame, path: Analysis) -> Iterable[str]:
    """Whether the steps depend on the order in which they were made, as far as that is known."""
    metric, kind = path.metric, interval_text(path.table)
    tested = steps[steps["interaction_p_holm"].notna()]
    for row in records(tested[tested["interaction_p_holm"] < ALPHA]):
        ends = metric.gains(row["interaction_ci_low"], row["interaction_ci_high"])
        than = "more" if metric.sign * row["interaction"] > 0 else "less"
        yield (
            f"{row['change']} gave {metric.size(row['interaction'])} {than} where it "
            f"stood than once all others were made ({kind} {ends}, p "
            f"{chance(row['interaction_p_holm'])}): it and every later step depend on the order."
        )
    if len(tested) and not (tested["interaction_p_holm"] < ALPHA).any():
        yield (
            f"Of {counted(len(tested), 'step')} that could be compared none was shown to depend on "
            "the order, which does not show that none does."
        )
