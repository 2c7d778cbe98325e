"""The command line's root, and what its commands work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ablation.cli.console import Output

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from ablation.report.write import Report
    from ablation.running.patience import Patience

app = typer.Typer(
    # Not out of the docstring: with -OO there is none.
    help="Which hyperparameters of a network matter, by how much, and how sure are we?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True)
class Tools:
    """What commands work with; who calls them may give others.

    Attributes:
        output: where they print to.
        figures: whether reports have figures.
        patience: how long workers may say nothing; as long as ever, unless given.
    """

    output: Output = field(default_factory=Output)
    figures: bool = True
    patience: Patience | None = None

    def build_report(self, storage: RDBStorage, study: str, results: Path) -> Report:
        """Write a study's report; see `ablation.report.build.build_report`."""
        from ablation.report.build import build_report

        return build_report(storage, study, results, self.output.say, figures=self.figures)


Say = Callable[[str], None]


def tools_of(context: typer.Context) -> Tools:
    """What the command of this context works with."""
    return context.find_root().obj or Tools()
