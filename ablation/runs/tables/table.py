"""A table as its files have it: text, read column by column."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, field

import pandas as pd

from ablation.objective.metric import Direction


@dataclass(frozen=True)
class Roles:
    """What columns of a table are, as far as whoever exported it says so.

    Attributes:
        exporter: what the table is, as in ``W&B's runs table``; empty where that is not known.
        settings: columns of hyperparameters.
        figures: columns of results.
        arm: the column of arms; empty where not known, as are all below.
        seed: of what pairs runs.
        fold: of a cross-validation's folds.
        metric: of the figure that decides.
        metric_of: what that is a figure of, if its own name does not say so: ``val_accuracy``.
        state: of how a run ended.
        epoch: of what numbers the rows of a history.
        created: of when it was begun, as ISO 8601 text or a number of milliseconds or seconds.
        run: of what tells runs apart.
        baseline: of ``True`` for the runs of the baseline.
        test: of the figure on test data.
        prefix: what names of settings begin with, and people leave off: ``params_``.
        prefixes: all that names may begin with and people leave off, that of settings first.
        others: columns that are neither settings nor figures, such as who started a run.
        direction: whether more or less of the metric is better, where the table says so.
    """

    exporter: str = ""
    settings: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    arm: str = ""
    seed: str = ""
    fold: str = ""
    metric: str = ""
    metric_of: str = ""
    state: str = ""
    epoch: str = ""
    created: str = ""
    run: str = ""
    baseline: str = ""
    test: str = ""
    prefix: str = ""
    prefixes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    direction: Direction | None = None


@dataclass(frozen=True, eq=False)
class Table(ABC):
    """A table, whose columns are read when they are asked for.

    Attributes:
        names: its columns, in order.
        head: its first rows (1,000 at most), every column.
        roles: what its columns are known to be.
        files: by the name of each file, without its folder, the SHA-256 of its content.
        lines: what was done to it on reading, a sentence each.
    """

    names: list[str]
    head: pd.DataFrame
    roles: Roles = field(default_factory=Roles)
    files: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @abstractmethod
    def read(self, columns: Collection[str]) -> pd.DataFrame:
        """These columns of every row as text, stripped; what is empty is the empty text.

        The index is the row's line in its file (the header is line 1). It repeats where there are
        several files, or where a row of a file became several.
        """
