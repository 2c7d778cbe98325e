"""Arms, factors and reported curves as DataFrames."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ablation.design.arms import Arm, Plan, change_text
from ablation.design.origin import Drawn, Named, Step, WithoutChange, having, kind
from ablation.settings import kind_of, text_of
from ablation.space.schema import Factor, Space


def factor_form(space: Space, factor: Factor) -> dict[str, Any]:
    """What a report needs of a factor; see ``StudyTable.factors``."""
    form: dict[str, Any] = {"role": factor.role, "levels": factor.texts()}
    if not space.search:
        return form
    kind = kind_of(space.objective.fields[factor.name])
    bounds = factor.model_dump(include={"low", "high", "step", "log"}) | {"whole": kind is int}
    limits = None
    if kind in (int, float):
        varied = {each.name for each in space.factors}
        limits = space.objective.limits(factor.name, varied, space.baseline)
    return form | {"range": None if factor.levels else bounds, "limits": limits}


def arm_frame(plan: Plan, arms: list[Arm]) -> pd.DataFrame:
    """One row an arm; see ``StudyTable.arms``."""
    rows = []
    for arm in arms:
        reported, values = plan.space.reported.get(arm.name), arm.setting.values()
        size = plan.space.objective.size(arm.setting)
        idle = plan.space.idle(arm.setting)
        rows.append(
            {
                "arm": arm.name,
                "against": arm.against,
                "factor": arm.factor,
                "level": arm.level,
                "changes": change_text(arm.changes),
                "changed": arm.changes,
                **_origin(arm),
                "note": "; ".join(filter(None, (arm.note, reported.note if reported else ""))),
                "reported_test_accuracy": reported.test_accuracy if reported else None,
                "reported_test_loss": reported.test_loss if reported else None,
                "sequence_length": size.steps,
                "parameters": size.parameters,
                "macs": size.macs,
                **{
                    f.name: "" if f.name in idle else text_of(values[f.name])
                    for f in plan.space.factors
                },
            }
        )
    frame = pd.DataFrame(rows)
    figures = dict.fromkeys(["reported_test_accuracy", "reported_test_loss"], "float64")
    return frame.astype(figures | dict.fromkeys(["trial", "search_rank", "path_step"], "Int64"))


def _origin(arm: Arm) -> dict[str, Any]:
    """Where an arm comes from, column by column."""
    draw = next(iter(having(arm.origins, Drawn)), Drawn(None))
    return {
        "kind": kind(arm.origins),
        "named": bool(having(arm.origins, Named)),
        "trial": draw.trial,
        "search_rank": draw.rank,
        "path_step": next((step.number for step in having(arm.origins, Step)), None),
        "without": tuple(back.names for back in having(arm.origins, WithoutChange)),
    }


def reported_curve_frame(plan: Plan) -> pd.DataFrame:
    """One row an epoch that somebody else logged; see ``StudyTable.reported_curves``."""
    curves = ["train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    frames = [
        pd.DataFrame({name: pd.Series(getattr(training, name), dtype=float) for name in curves})
        .rename_axis(index="epoch")
        .reset_index()
        .assign(arm=arm, epoch=lambda rows: rows["epoch"] + 1)
        for arm, training in plan.space.reported_curves.items()
    ]
    columns = ["arm", "epoch", *curves]
    return pd.concat(frames)[columns] if frames else pd.DataFrame(columns=columns)
