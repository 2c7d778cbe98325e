"""Settings that vary within an arm although they were not asked for."""

from __future__ import annotations

from ablation.runs.columns.roles import Columns
from ablation.runs.rows.rows import Rows
from ablation.runs.wording import EMPTY, in_order, some, typed

MOST_VALUES = 50


def variation_lines(rows: Rows, columns: Columns, arms: list[str]) -> list[str]:
    """A sentence for each setting with several values in one arm."""
    lines = []
    numbers = rows.frame["arm"]
    for name in columns.others:
        cells = rows.others[name]
        if not 1 < cells.nunique() <= MOST_VALUES:
            continue
        counts = cells.groupby(numbers).nunique()
        varied = [int(arm) for arm in counts.index[counts > 1]]
        if not varied:
            continue
        values = in_order(list(cells[numbers == varied[0]].unique()))
        rest = f" and {len(varied) - 1} more" if len(varied) > 1 else ""
        shown = some((value or EMPTY for value in values), 6)
        hint = f"--setting {name}" if columns.settings else typed("--where", f"{name}={values[0]}")
        lines.append(
            f"{name} varies within {arms[varied[0]]}{rest} ({shown}): the arm is a mixture; {hint}"
        )
    return lines
