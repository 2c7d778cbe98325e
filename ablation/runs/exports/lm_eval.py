"""lm-eval: a score a task, with its standard error over the task's items."""

from __future__ import annotations

from dataclasses import replace

from ablation.errors import UserError, one_line
from ablation.runs.tables.table import Roles, Table

STDERR = "stderr"


def lm_eval(table: Table, sd: str) -> Table | None:
    """Scores of evaluations, whose standard errors say nothing of how trainings differ.

    Args:
        table: which may be such.
        sd: the column that was given as standard deviations.

    Returns:
        The table; None for another one.

    Raises:
        UserError: a standard error was given as a standard deviation over runs.
    """
    errors = [name for name in table.names if STDERR in name.lower()]
    if sd in errors:
        raise UserError(
            f"--sd {one_line(sd)}: a standard error over the items of a test, not a standard "
            "deviation over runs; train each arm with several seeds and give a row a run, with "
            "--seed in place of --sd and --n"
        )
    scores = [name for name in table.names if name not in errors and _has_error(name, errors)]
    if not scores:
        return None
    roles = Roles(exporter="lm-eval's results", figures=tuple(scores), others=tuple(errors))
    return replace(table, roles=roles)


def _has_error(score: str, errors: list[str]) -> bool:
    """Whether a score's standard error stands beside it: ``acc,none`` and ``acc_stderr,none``."""
    name, comma, kind = score.partition(",")
    of_table = score.lower() == "value" and any(error.lower() == STDERR for error in errors)
    return of_table or f"{name}_{STDERR}{comma}{kind}" in errors
