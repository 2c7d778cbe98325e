"""Runs as an analysis takes them, whatever table they came from."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from ablation.objective.metric import Metric
from ablation.statistics.comparison import Comparison

COLUMNS = ["arm", "seed", "block", "state", "value", "test_value", "failure", "sd", "n"]


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs that were trained elsewhere.

    Attributes:
        study: the name that the study gets.
        metric: what decides. Values are in the column's own numbers.
        margin: the smallest difference that matters, in the same numbers; 0 where there is none,
            so that nothing is equivalent.
        comparison: how arms are compared.
        arms: one row an arm, the baseline first: ``arm``, ``against`` (empty for the baseline),
            ``changes`` (a dict of text by setting: what differs from the baseline) and ``setting``
            (a dict of text by setting: all of it; empty where arms have a name alone).
        runs: one row a run; of means one an arm.
            ``arm``;
            ``seed`` (text: what pairs the runs, a seed or a fold; of unpaired runs any text that
            tells an arm's runs apart);
            ``block`` (text; empty where there are none);
            ``state`` (``COMPLETE`` where it counts, else ``FAIL``, ``RUNNING`` or ``PRUNED``);
            ``value`` (NaN unless complete);
            ``test_value`` (NaN where there is none);
            ``failure`` (why it does not count; else empty);
            ``sd`` and ``n`` (of a mean over runs; else NaN).
        history: one row an epoch of a run: ``arm``, ``seed``, ``block``, ``epoch`` (whole number)
            and ``value``; empty where the table has none.
        lines: what was done with the table, a sentence each, as the console and the report say it.
        files: by the name of each file, without its folder, the SHA-256 of its content.
        paths: the files and folders that were named, without the folders that they are in.
        options: what was asked for, as the words of a command line: a study is told from another
            of the same name by these and the files.
    """

    study: str
    metric: Metric
    margin: float
    comparison: Comparison
    arms: pd.DataFrame
    runs: pd.DataFrame
    history: pd.DataFrame
    lines: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
