"""What a confirmation says of a search, and what each change on the path to the best was worth.

Pure functions of DataFrames; the effects themselves are `crnn.report.effects`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from crnn.ablation.path import TAKEN_BACK
from crnn.report.effects import COLUMNS, effects, replicates

PATH_COLUMNS = ["step", "change", *COLUMNS]


def found_against_confirmed(search: pd.DataFrame, confirmed: pd.DataFrame) -> pd.DataFrame:
    """Each confirmed arm as the search found it and as it was confirmed, best in the search first.

    Args:
        search: the search's trials, the columns of ``trials.csv``.
        confirmed: of `crnn.report.effects.effects` over the confirmation.

    Returns:
        ``arm``, ``trial`` and ``rank`` in the search, ``found`` (its accuracy there),
        ``found_effect`` (less the baseline's there), ``n``, ``confirmed`` (the mean),
        ``confirmed_effect`` and ``optimism``: the found effect less the confirmed one. Effects are
        compared rather than accuracies, since the search trains shorter. Fractions; empty where
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


def path_effects(trials: pd.DataFrame, arms: pd.DataFrame, margin: float) -> pd.DataFrame:
    """The steps of a path, each against the one before; then each change taken back alone.

    The steps are one family of Holm's, those taken back another.

    Args:
        trials: the path's trials, the columns of ``trials.csv``.
        arms: the path's arms as in ``StudyTable.arms``: the baseline, the steps in their order, and
            the arms whose note is ``leave-one-out`` with the settings taken back, which are
            compared with the last step.
        margin: within which differences are too small to matter, a fraction.

    Returns:
        ``step`` (0 for the baseline, ``leave-one-out`` after the steps), ``change`` (the settings
        that the step gives new values, or that were taken back), then as ``effects.csv``. Of what
        is taken back, ``delta`` is the arm without it less the last step: below 0 where the change
        is worth something.
    """
    steps = arms[~arms["note"].str.startswith(TAKEN_BACK)].reset_index(drop=True)
    changed = ["", *(_change(steps, place) for place in range(1, len(steps)))]
    made = effects(trials, steps, margin)
    made.insert(0, "change", changed)
    made.insert(0, "step", [str(place) for place in range(len(steps))])
    without = _taken_back(arms, steps)
    found = effects(trials, without, margin).iloc[1:]
    found.insert(0, "change", list(without["change"].iloc[1:]))
    found.insert(0, "step", TAKEN_BACK)
    return pd.concat([made, found], ignore_index=True)[PATH_COLUMNS]


def _change(steps: pd.DataFrame, place: int) -> str:
    """What a step changes: the part of its name that the one before it has not."""
    now, before = (_settings(steps.iloc[row]) for row in (place, place - 1))
    return "+".join(f"{name}={value}" for name, value in now.items() if before.get(name) != value)


def _settings(row: pd.Series[Any]) -> dict[str, str]:
    """An arm's differences from the baseline, by setting."""
    parts = str(row["changes"]).split("+") if "=" in str(row["changes"]) else []
    return {name: value for name, _, value in (part.partition("=") for part in parts)}


def _names_taken_back(row: pd.Series[Any]) -> frozenset[str]:
    """The settings that an arm's note says are taken back in it; none of a step."""
    first, *_ = str(row["note"]).split("; ")  # a note of the space may follow
    mark, _, names = first.partition(": ")
    return frozenset(names.split(", ")) if mark == TAKEN_BACK else frozenset()


def _taken_back(arms: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """The chosen arm, then every arm of the path that is it but for one change of a step."""
    best = steps.iloc[-1]
    whole, rows = _settings(best), [best.copy()]
    alone = {_names_taken_back(row): row for _, row in arms.iterrows()}
    rows[0]["change"] = ""
    for place in range(1, len(steps)):
        names = frozenset(part.partition("=")[0] for part in _change(steps, place).split("+"))
        rest = {name: value for name, value in whole.items() if name not in names}
        # Else it is a step itself, or could not be trained.
        noted = [alone[names]] if names in alone else []
        same = noted or [row for _, row in arms.iterrows() if _settings(row) == rest]
        if same:
            change = "+".join(f"{name}={whole[name]}" for name in whole if name in names)
            rows.append(same[0].copy())
            rows[-1]["change"] = change
    found = pd.DataFrame(rows).reset_index(drop=True)
    against = [str(best["arm"]) if place else "" for place in range(len(found))]
    return found.assign(against=against)
