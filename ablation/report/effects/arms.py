"""The arms of a study: which they are, what they cost, what else they change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ablation.report.data.study_table import StudyTable
from ablation.report.effects.replicates import replicates


def grid_arms(arms: pd.DataFrame) -> pd.DataFrame:
    """The arms of a factorial's grid: the baseline and those named by their levels."""
    return arms[(arms["kind"] == "level") | is_first(arms)]


def by_size(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a column ``delta``, the largest first whatever its sign."""
    return rows.sort_values("delta", key=abs, ascending=False, kind="stable")


def is_first(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """True for the first row, which is the baseline's, and for no other."""
    return np.array([place == 0 for place in range(len(rows))], dtype=bool)


def costs(trials: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """One row an arm: ``arm``, ``parameters``, ``macs``, mean ``seconds`` and ``val_mean``."""
    by_arm = replicates(trials).groupby("arm")[["seconds", "value"]].mean()
    by_arm = by_arm.rename(columns={"value": "val_mean"})
    return arms[["arm", "parameters", "macs"]].merge(by_arm, on="arm", how="left")


def confounds(arms: pd.DataFrame, tolerance: float = 0.1) -> pd.DataFrame:
    """Where an arm also has another sequence length or size than what it is compared with.

    Args:
        arms: as in ``StudyTable.arms``.
        tolerance: the relative difference beyond which it is said.

    Returns:
        ``arm``, ``against``, ``what`` (``sequence_length`` or ``parameters``), ``value``,
        ``reference``, ``change`` (a fraction of the reference).
    """
    long = arms.melt(["arm", "against"], ["sequence_length", "parameters"], "what", "value")
    reference = long[["arm", "what", "value"]].set_axis(["against", "what", "reference"], axis=1)
    rows = long.merge(reference, on=["against", "what"])
    rows["change"] = rows["value"] / rows["reference"].where(rows["reference"] > 0) - 1
    rows = rows[rows["change"].abs() > tolerance]
    order = rows["arm"].map({arm: place for place, arm in enumerate(arms["arm"])})
    return rows.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def confounded(arms: pd.DataFrame) -> set[str]:
    """The arms that `confounds` names."""
    return set(confounds(arms)["arm"])


def also_changed(table: StudyTable) -> str:
    """What arms change by more than 10 % beside their settings; empty where nothing."""
    names = {
        "sequence_length": f"the number of {table.words.steps}",
        "parameters": "the number of parameters",
    }
    quantities = set(confounds(table.arms)["what"])
    return " or ".join(name for what, name in names.items() if what in quantities)
