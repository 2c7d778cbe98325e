"""Names that say what a column is by how they begin: ``config.lr``, ``metrics.acc``."""

from __future__ import annotations

from dataclasses import replace

from ablation.runs.tables.table import Table

WORDS = (
    *("config", "params", "param", "hparams", "hparam", "hyperparameters", "settings", "args"),
    *("cfg", "hp"),
)
SETTINGS = (
    *(f"{word}{sign}" for sign in ("/", ".") for word in WORDS),
    *("params_", "param_", "hparams_", "config_"),
)  # of two that as many names have the first
FIGURES = ("summary/", "summary.", "metrics/", "metrics.", "results/", "results.")
OTHERS = ("tags.", "tags/")
SYSTEM = ("system/", "system.")
"""Of the machine's own figures, such as ``system/cpu_utilization_percentage``."""


def with_prefixes(table: Table) -> Table:
    """A table with what names say by how they begin added to its roles."""
    settings = _first(table.names, SETTINGS)
    figures = _first(table.names, FIGURES)
    ways = tuple(f"{prefix}_" for prefix in (settings, figures) if prefix)  # config._wandb
    if table.roles.exporter:
        ways += tuple(f"{prefix}{system}" for prefix in ("", figures) for system in SYSTEM)
    others = [name for name in table.names if name.startswith(OTHERS + ways)]
    names = [name for name in table.names if name not in others]
    roles = replace(
        table.roles, settings=starting_with(names, settings),
        figures=starting_with(names, figures), prefix=settings,
        prefixes=tuple(filter(None, [settings, figures])),
        others=tuple(dict.fromkeys([*table.roles.others, *others])),
    )  # fmt: skip
    return replace(table, roles=roles)


def starting_with(names: list[str], prefix: str) -> tuple[str, ...]:
    """The names that begin with a prefix, which is not empty."""
    return tuple(name for name in names if prefix and name.startswith(prefix))


def _first(names: list[str], prefixes: tuple[str, ...]) -> str:
    """The prefix that most names have; empty where none has."""
    counts = {prefix: len(starting_with(names, prefix)) for prefix in prefixes}
    best = max(counts, key=lambda prefix: counts[prefix])
    return best if counts[best] else ""
