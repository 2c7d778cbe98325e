"""What a confirmation says of a search, and what each change on the path to the best was worth.

Pure functions of DataFrames; the effects themselves are `crnn.report.effects`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from crnn.ablation.path import TAKEN_BACK
from crnn.report.effects import COLUMNS, confounded, effects, is_first, replicates

PATH_COLUMNS = ["step", "change", "role", *COLUMNS, "confounded"]
SCIENTIFIC, NUISANCE = "scientific", "nuisance"


def found_against_confirmed(search: pd.DataFrame, confirmed: pd.DataFrame) -> pd.DataFrame:
    """Each confirmed arm as the search found it and as it was confirmed, best in the search first.

    Args:
        search: the search's trials, the columns of ``trials.csv``.
        confirmed: of `crnn.report.effects.effects` over the confirmation.

    Returns:
        ``arm``, ``trial`` and ``rank`` in the search, ``found`` (its accuracy there),
        ``found_effect`` (less the baseline's there), ``n``, ``confirmed`` (the mean),
        ``confirmed_effect`` and ``optimism``: the found effect less the confirmed one. Effects are
        compared rather than accuracies, since the search may train shorter. Fractions; empty where
        one of the two has not finished.
    """
    done = replicates(search).sort_values(["val_accuracy", "number"], ascending=[False, True])
    done = done.assign(rank=range(1, len(done) + 1))
    rows = confirmed[["arm", "n", "val_mean", "delta"]].merge(
        done[["arm", "number", "rank", "val_accuracy"]], on="arm", how="left"
    )
    base = rows["val_accuracy"].iloc[0]
    rows["found_effect"] = (rows["val_accuracy"] - base).where(rows.index > 0)
    rows["optimism"] = rows["found_effect"] - rows["delta"]
    names = {
        "number": "trial",
        "val_accuracy": "found",
        "val_mean": "confirmed",
        "delta": "confirmed_effect",
    }
    order = ["arm", "trial", "rank", "found", "found_effect", "n", "confirmed", "confirmed_effect"]
    rows = rows.rename(columns=names)[[*order, "optimism"]]
    whole = {"trial": "Int64", "rank": "Int64"}
    return rows.astype(whole).sort_values("rank", kind="stable").reset_index(drop=True)


def search_length(search: pd.DataFrame, confirmed: pd.DataFrame) -> str:
    """How long the search trained what was confirmed, beside that: "", "shorter" or "longer".

    Args:
        search: the search's trials, the columns of ``trials.csv``.
        confirmed: those of the confirmation.

    Returns:
        "of another length" where one of epochs and images was more and the other less.
    """
    names = ["epochs", "train_size"]
    own, other = (trials[["arm", *names]].drop_duplicates() for trials in (search, confirmed))
    both = own.merge(other, on="arm", suffixes=("", "_confirmed"))
    more = [both[name].astype(float) - both[f"{name}_confirmed"].astype(float) for name in names]
    differences = pd.concat(more)
    if not (differences != 0).any():
        return ""
    if (differences <= 0).all():
        return "shorter"
    return "longer" if (differences >= 0).all() else "of another length"


def path_effects(
    trials: pd.DataFrame, arms: pd.DataFrame, margin: float, nuisances: Collection[str] = ()
) -> pd.DataFrame:
    """The steps of a path, each against the one before; then each change taken back alone.

    The steps are one family of Holm's, those taken back another. A change of nuisances alone is in
    neither: they are tuned, and nothing is concluded on them.

    Args:
        trials: the path's trials, the columns of ``trials.csv``.
        arms: the path's arms as in ``StudyTable.arms``: the baseline, the steps in their order
            (``step 1`` and so on in their note), and the last step with changes taken back alone
            (``leave-one-out`` with the settings in their note), which are compared with it.
        margin: within which differences are too small to matter, a fraction.
        nuisances: settings that are tuned.

    Returns:
        ``step`` (0 for the baseline, ``leave-one-out`` after the steps), ``change`` (the settings
        that the step gives new values, or that were taken back), ``role`` (``scientific``, or
        ``nuisance`` for what is not tested), then as ``effects.csv``, and whether the LSTM's steps
        or the network's size change by more than 10 % as well (``confounded``). Of what is taken
        back, ``delta`` is the arm without it less the last step: below 0 where the change is worth
        something.
    """
    steps = _steps(arms)
    made = steps.assign(change=["", *(_change(steps, n) for n in range(1, len(steps)))])
    numbers = [str(place) for place in range(len(steps))]
    first = _compared(trials, made, margin, nuisances).assign(step=numbers)
    back = _compared(trials, _taken_back(arms, steps), margin, nuisances).iloc[1:]
    rows = pd.concat([first, back.assign(step=TAKEN_BACK)], ignore_index=True)
    return rows[PATH_COLUMNS]


def never_taken_back(arms: pd.DataFrame) -> list[str]:
    """The changes of a path that were not taken back alone, as no such network can be trained."""
    steps = _steps(arms)
    every = [_change(steps, place) for place in range(1, len(steps))]
    back = {_names(change) for change in _taken_back(arms, steps)["change"].iloc[1:]}
    return [change for change in every if _names(change) not in back]


def _compared(
    trials: pd.DataFrame, arms: pd.DataFrame, margin: float, nuisances: Collection[str]
) -> pd.DataFrame:
    """The effects of arms, tested as one family but for those that change nuisances alone."""
    tuned = [bool(change) and _names(change) <= set(nuisances) for change in arms["change"]]
    arms = arms.assign(role=[NUISANCE if yes else SCIENTIFIC for yes in tuned])
    every = effects(trials, arms, margin).set_index("arm")
    tested = effects(trials, arms[arms["role"] == SCIENTIFIC], margin).set_index("arm")
    judged = COLUMNS[COLUMNS.index("effect_size") :]
    every[judged] = tested[judged].reindex(every.index)
    also = confounded(arms)
    return every.reset_index().assign(
        change=list(arms["change"]),
        role=list(arms["role"]),
        verdict=every["verdict"].fillna("").to_numpy(),
        confounded=[arm in also for arm in arms["arm"]],
    )


def _steps(arms: pd.DataFrame) -> pd.DataFrame:
    """The baseline, which comes first, and the steps."""
    return arms[is_first(arms) | arms["note"].str.match(r"step \d+(; |$)")].reset_index(drop=True)


def _change(steps: pd.DataFrame, place: int) -> str:
    """What a step changes: the part of its name that the one before it has not."""
    now, before = (_settings(steps.iloc[row]) for row in (place, place - 1))
    return "+".join(f"{name}={value}" for name, value in now.items() if before.get(name) != value)


def _settings(row: pd.Series[Any]) -> dict[str, str]:
    """An arm's differences from the baseline, by setting."""
    parts = str(row["changes"]).split("+") if "=" in str(row["changes"]) else []
    return {name: value for name, _, value in (part.partition("=") for part in parts)}


def _names(change: str) -> frozenset[str]:
    """The settings of a change."""
    return frozenset(part.partition("=")[0] for part in change.split("+"))


def _taken_back(arms: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """The chosen arm, then every arm of the path that is it but for one change of a step."""
    best, whole = steps.iloc[-1], _settings(steps.iloc[-1])
    alone = {
        frozenset(part.removeprefix(f"{TAKEN_BACK}: ").split(", ")): row
        for _, row in arms.iterrows()
        for part in str(row["note"]).split("; ")
        if part.startswith(f"{TAKEN_BACK}: ")
    }
    rows = [best.copy()]
    rows[0]["change"] = ""
    for place in range(1, len(steps)):
        names = _names(_change(steps, place))
        if names in alone:
            rows.append(alone[names].copy())
            rows[-1]["change"] = "+".join(
                f"{name}={whole[name]}" for name in whole if name in names
            )
    found = pd.DataFrame(rows).reset_index(drop=True)
    against = [str(best["arm"]) if place else "" for place in range(len(found))]
    return found.assign(against=against)
