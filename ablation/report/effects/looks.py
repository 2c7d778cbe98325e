"""What was found at each of a study's declared looks."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from ablation.design.settling import Settling, TakenLook
from ablation.objective.metric import Direction
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.replicates import pair_differences, rounding_between
from ablation.statistics.settling import Standing, look_factors, look_figures, standings


def verdicts_by_look(settling: Settling, direction: Direction) -> list[dict[str, Standing]]:
    """How all comparisons stood after each look."""
    figures, looks = [look.figures for look in settling.taken], len(settling.looks)
    return [
        standings(
            figures[:count],
            settling.family,
            look_factors(looks, count, reserve=settling.reserve),
            direction,
        )
        for count in range(1, len(figures) + 1)
    ]


def taken_again(settling: Settling, trials: pd.DataFrame, table: StudyTable) -> Settling:
    """The same looks at other trials: what they would have said of the same arms and seeds.

    Args:
        settling: the looks.
        trials: those to look at.
        table: the study.
    """
    pairs = pair_differences(trials, table.arms)
    rounding = rounding_between(trials)
    known = {arm: rounding(arm, other) for arm, other in settling.against.items()}

    def again(look: TakenLook) -> TakenLook:
        inside = pairs[pairs["seed"].isin(look.seeds)]
        own = dict(tuple(inside.groupby("arm")["difference"]))
        none = pd.Series(dtype=float)
        figures = {
            arm: look_figures(own.get(arm, none), table.margin, was.reason, known[arm])
            for arm, was in look.figures.items()
        }
        return replace(look, figures=figures)

    taken, looks = tuple(map(again, settling.taken)), settling.all_looks
    never = (  # what would have gone on stays open, rather than to await a look
        TakenLook(number, tuple(table.seeds)[:seeds], {})
        for number, seeds in enumerate(looks[len(taken) :], len(taken) + 1)
    )
    return replace(settling, taken=(*taken, *never))


def look_rows(table: StudyTable, settling: Settling) -> pd.DataFrame:
    """One row a look and arm that was looked at: ``looks.csv``.

    Returns:
        ``look``, ``seeds`` (how many), ``arm``, ``pairs``, ``delta``, ``sd`` (of the pairs, ddof
        1), ``p`` and ``e`` as stored, and after the look ``p_looks``, ``p_holm``, ``e_looks`` and
        ``verdict``.
    """
    after = verdicts_by_look(settling, table.metric.direction)
    rows = [
        {
            "look": look.number,
            "seeds": len(look.seeds),
            "arm": arm,
            "pairs": figures.n,
            "delta": figures.mean,
            "sd": figures.sd,
            "p": figures.p,
            "e": figures.e,
            "p_looks": now[arm].p,
            "p_holm": now[arm].p_holm,
            "e_looks": now[arm].e,
            "verdict": now[arm].verdict,
        }
        for look, now in zip(settling.taken, after, strict=True)
        for arm, figures in look.figures.items()
    ]
    columns = ["look", "seeds", "arm", "pairs", "delta", "sd", "p", "e"]
    return pd.DataFrame(rows, columns=[*columns, "p_looks", "p_holm", "e_looks", "verdict"])
