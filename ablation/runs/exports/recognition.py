"""What a table is, by its columns."""

from __future__ import annotations

from dataclasses import fields, replace

from ablation.runs.exports import lm_eval, mlflow, optuna, own, sklearn, wandb
from ablation.runs.exports.dicts import with_dicts
from ablation.runs.exports.prefixes import with_prefixes
from ablation.runs.options import Options
from ablation.runs.tables.table import Roles, Table
from ablation.runs.tables.wide import long_form


def recognised(table: Table, options: Options) -> Table:
    """A table in the form of one row a run or epoch, with the roles that its columns give away.

    Args:
        table: as its files have it.
        options: what a person says of it.

    Raises:
        UserError: it holds no runs, but means of groups or standard errors of tests.
    """
    if options.wide:
        return long_form(table, options)
    found = (
        own.own_trials(table)
        or sklearn.cv_results(table)
        or optuna.trials_table(table)
        or wandb.chart(table, options.name)
        or wandb.runs_table(table)
        or mlflow.runs_table(table)
        or with_dicts(table)
        or lm_eval.lm_eval(table, options.sd)
        or with_prefixes(table)
    )
    return replace(found, roles=_both(found.roles, table.roles))


def _both(found: Roles, before: Roles) -> Roles:
    """Roles that were found, and those that were known before where they say nothing."""
    known = {each.name: getattr(found, each.name) for each in fields(Roles)}
    return Roles(**{name: value or getattr(before, name) for name, value in known.items()})
