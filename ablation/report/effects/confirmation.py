"""What a confirmation says of a search: each arm as it was found and as it was confirmed.

Pure functions of DataFrames; the effects themselves are `ablation.report.effects.effects`.
"""

from __future__ import annotations

import pandas as pd

from ablation.objective.metric import Direction, sign_of
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.replicates import best_first, replicates
from ablation.scheduling.choice import Choice, best_arm


def found_against_confirmed(
    search: pd.DataFrame, confirmed: pd.DataFrame, direction: Direction = "maximize"
) -> pd.DataFrame:
    """Each confirmed arm as the search found it and as it was confirmed, best in the search first.

    Args:
        search: the search's trials, the columns of ``trials.csv``.
        confirmed: of `ablation.report.effects.effects.effects` over the confirmation.
        direction: of the metric.

    Returns:
        ``arm``, ``trial`` and ``rank`` in the search, ``found`` (its value there),
        ``found_effect`` (less the baseline's there), ``n``, ``confirmed`` (the mean),
        ``confirmed_effect`` and ``optimism``: how much better the found effect is. Effects are
        compared rather than values, since the search may train shorter. Empty where one of the
        two has not finished.
    """
    done = best_first(replicates(search).sort_values("number"), direction)
    done = done.assign(rank=range(1, len(done) + 1))
    rows = confirmed[["arm", "n", "val_mean", "delta"]].merge(
        done[["arm", "number", "rank", "value"]], on="arm", how="left"
    )
    base = rows["value"].iloc[0]
    rows["found_effect"] = (rows["value"] - base).where(rows.index > 0)
    rows["optimism"] = sign_of(direction) * (rows["found_effect"] - rows["delta"])
    names = {
        "number": "trial",
        "value": "found",
        "val_mean": "confirmed",
        "delta": "confirmed_effect",
    }
    order = ["arm", "trial", "rank", "found", "found_effect", "n", "confirmed", "confirmed_effect"]
    rows = rows.rename(columns=names)[[*order, "optimism"]]
    whole = {"trial": "Int64", "rank": "Int64"}
    return rows.astype(whole).sort_values("rank", kind="stable").reset_index(drop=True)


def choice(confirmed: StudyTable) -> Choice:
    """The best arm of a confirmation by what has finished, and over which seeds it is the best.

    Args:
        confirmed: the confirmation, some of whose trainings have finished.
    """
    done, settling = replicates(confirmed.trials), confirmed.settling
    values = {
        arm: done[done["arm"] == arm].set_index("seed")["value"].to_dict()
        for arm in confirmed.arms["arm"]
    }
    trials, diverged = confirmed.trials, set[str]()
    if "diverged" in trials:
        diverged = set(trials.loc[trials["diverged"].notna(), "arm"])
    common = min(settling.wanted().values()) if settling else len(confirmed.seeds)
    return best_arm(values, confirmed.seeds[:common], diverged, confirmed.metric.sign)


def search_length(search: StudyTable, confirmed: StudyTable) -> str:
    """How long the search trained what was confirmed, beside that: "", "shorter" or "longer".

    Args:
        search: the search.
        confirmed: its confirmation.

    Returns:
        "of another length" where one of the settings that say how much a training is was more and
        another less.
    """
    names = [name for name in search.amounts if name in search.trials]
    both_trials = (search.trials, confirmed.trials)
    own, other = (trials[["arm", *names]].drop_duplicates() for trials in both_trials)
    both = own.merge(other, on="arm", suffixes=("", "_confirmed"))
    more = [both[name].astype(float) - both[f"{name}_confirmed"].astype(float) for name in names]
    differences = pd.concat([*more, pd.Series(dtype=float)])
    if not (differences != 0).any():
        return ""
    if (differences <= 0).all():
        return "shorter"
    return "longer" if (differences >= 0).all() else "of another length"
