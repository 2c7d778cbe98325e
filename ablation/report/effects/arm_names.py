"""What arms are called: by their names, or short."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from ablation.design.settling import Settling
from ablation.report.data.study_table import StudyTable


def comparison_labels(effects: pd.DataFrame, rows: pd.DataFrame) -> dict[str, str]:
    """What to call each arm of `rows` where its effect stands: also by what it is compared with.

    Args:
        effects: of all arms, the baseline first, which goes without saying.
        rows: those to name.
    """
    base = effects["arm"].iloc[0]
    return {
        arm: arm if against in ("", base) else f"{arm} against {against}"
        for arm, against in zip(rows["arm"], rows["against"], strict=True)
    }


def short_names(table: StudyTable) -> dict[str, str]:
    """By arm of a search, the number of its first trial, as in ``#17``; else empty.

    What a search drew keeps its number in the confirmation. The other arms have names of their own.
    """
    rows = table.arms.loc[table.arms["trial"].notna(), ["arm", "trial"]]
    drawn = {str(arm): f"#{n}" for arm, n in zip(rows["arm"], rows["trial"], strict=True)}
    if table.design != "search":
        return drawn
    first = table.trials[~table.trials["arm"].isin(drawn)].drop_duplicates("arm")
    own = {str(arm): f"#{n}" for arm, n in zip(first["arm"], first["number"], strict=True)}
    return own | drawn


def with_short_names(table: StudyTable, effects: pd.DataFrame) -> tuple[StudyTable, pd.DataFrame]:
    """A confirmation and its effects as people are told of them; another study as it is.

    What the search drew is called by its number there: the names of such arms are all of their
    settings, too long to tell one from another. Files have the names.
    """
    if table.design != "confirmation":
        return table, effects
    names = short_names(table)
    confirmation = replace(
        table,
        arms=_called(table.arms, names),
        trials=_called(table.trials, names),
        epochs=_called(table.epochs, names),
        confusion=_called(table.confusion, names),
        chosen=names.get(table.chosen, table.chosen),
        settling=table.settling and _looks_called(table.settling, names),
    )
    return confirmation, _called(effects, names)


def _looks_called(settling: Settling, names: dict[str, str]) -> Settling:
    """Declared looks with arms by other names."""
    against = {
        names.get(arm, arm): names.get(other, other) for arm, other in settling.against.items()
    }
    taken = tuple(
        replace(look, figures={names.get(arm, arm): own for arm, own in look.figures.items()})
        for look in settling.taken
    )
    return replace(settling, against=against, taken=taken)


def _called(rows: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    columns = [column for column in ("arm", "against") if column in rows]
    return rows.assign(**{column: rows[column].replace(names) for column in columns})


def labels(table: StudyTable) -> dict[str, str]:
    """By arm of a search or its confirmation, what a figure calls it: its number, its settings."""
    settings = dict(zip(table.arms["arm"], table.arms["changes"], strict=True))
    return {
        arm: f"{tag} {settings[arm] if arm == tag else arm}"
        for arm, tag in short_names(table).items()
    }
