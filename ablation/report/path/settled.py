"""The effects of a path that declared looks: from the figures stored at each look.

All comparisons of such a path are one family: its steps, each change taken back, the named arms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.design.settling import Settling
from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arms import confounded
from ablation.report.effects.differences import difference
from ablation.report.effects.effects import COLUMNS, OF_ARMS
from ablation.report.effects.settling import LOOK_COLUMNS, at_looks
from ablation.report.path.effects import PATH_COLUMNS, as_path, nuisances_of, roles
from ablation.report.path.interactions import INTERACTIONS, interactions
from ablation.report.path.steps import NUISANCE, comparisons
from ablation.report.rendering.formatting import records
from ablation.statistics.inference import MeanDifference, within
from ablation.statistics.settling import repeated

Row = dict[str, Any]
TURNED = {"better": "worse", "worse": "better"}
OTHER = "the looks test another comparison of this arm"
"""Why a comparison has no verdict whose arm is in the family with another one."""
OWN = [name for name in COLUMNS if name not in OF_ARMS]
RESULTS = ["pairs", *COLUMNS[COLUMNS.index("delta") :], *LOOK_COLUMNS]
"""The columns that are of a comparison rather than of an arm."""


@dataclass(frozen=True)
class _Looked:
    """What the looks at a path say.

    Attributes:
        effects: by arm, its row of `settled_effects`.
        tests: by arm of the family, what its last look says at every look together.
        settling: the looks.
        table: the path.
    """

    effects: Mapping[str, Row]
    tests: Mapping[str, MeanDifference]
    settling: Settling
    table: StudyTable

    @property
    def factor(self) -> int:
        """What p is multiplied by."""
        return max(self.settling.factors, default=1)

    def compared(self, arms: pd.DataFrame) -> pd.DataFrame:
        """The effects of one part of `comparisons`."""
        also, own = confounded(arms), roles(arms, nuisances_of(self.table))
        pairs = zip(arms["arm"], arms["against"], own, strict=True)
        found = pd.DataFrame([self._row(*pair) for pair in pairs])[[*OWN, *LOOK_COLUMNS, "slight"]]
        return (
            arms[OF_ARMS]
            .reset_index(drop=True)
            .join(found)
            .assign(
                change=list(arms["change"]),
                role=own,
                confounded=[arm in also for arm in arms["arm"]],
            )
        )

    def _row(self, arm: str, against: str, role: str) -> Row:
        """One comparison: as the looks tested it, the other way round, or untested."""
        pairs, own = self.settling.against, self.effects[arm]
        if role == NUISANCE or not against:
            return own | self._untested(arm, against)
        if pairs[arm] == against:
            return own | {"slight": self._is_slight(arm)}
        if pairs[against] == arm:
            turned = _turned(self.effects[against])
            return (
                own
                | {name: turned[name] for name in RESULTS}
                | {"slight": self._is_slight(against)}
            )
        return own | self._untested(arm, against) | {"reason": OTHER}

    def _is_slight(self, arm: str) -> bool:
        is_shown = self.effects[arm]["verdict"] in TURNED
        return is_shown and within(self.tests[arm], self.table.margin)

    def _untested(self, arm: str, against: str) -> Row:
        """Of what no look tests the mean, and the intervals once looks have ended."""
        row: Row = {
            **dict.fromkeys(RESULTS, math.nan),
            "verdict": "",
            "reason": "",
            "slight": False,
        }
        if not against:
            return row
        found = difference(at_looks(self.table), arm, against)
        row |= {"pairs": found.n, "delta": found.mean}
        if not self.table.awaits_look:
            every = repeated(found, self.factor)
            row |= {"ci_low": found.low, "ci_high": found.high}
            row |= {"repeated_low": every.low, "repeated_high": every.high}
        return row


def _turned(row: Row) -> Row:
    """A comparison the other way round."""
    ends = {
        name: -row[other]
        for low, high in (("ci_low", "ci_high"), ("repeated_low", "repeated_high"))
        for name, other in ((low, high), (high, low))
    }
    signed = {name: -row[name] for name in ("delta", "effect_size")}
    return row | ends | signed | {"verdict": TURNED.get(row["verdict"], row["verdict"])}


def settled_path(
    table: StudyTable,
    settling: Settling,
    effects: pd.DataFrame,
    tests: Mapping[str, MeanDifference],
) -> pd.DataFrame:
    """As `ablation.report.path.effects.path_effects`, of arms that looks settle.

    Args:
        table: the path.
        settling: its looks.
        effects: of `ablation.report.effects.settling.settled_effects`.
        tests: by arm, of `ablation.report.effects.settling.stored_tests`.

    Returns:
        Also ``LOOK_COLUMNS``, and ``slight``. All comparisons are one family of Holm's but those of
        nuisances alone. What awaits a look has means; whether steps depend on the order is said
        once looks have ended, with p times their number.
    """
    by_arm = {str(row["arm"]): row for row in records(effects)}
    looked = _Looked(by_arm, tests, settling, table)
    parts = {kind: looked.compared(arms) for kind, arms in comparisons(table.arms).items()}
    order = pd.DataFrame(columns=INTERACTIONS, index=range(len(parts[""])))
    if settling.is_over:
        own = parts[""]["role"].tolist()
        order = interactions(at_looks(table), table.arms, own, looked.factor)
    rows = as_path(parts, order)[[*PATH_COLUMNS, *LOOK_COLUMNS, "slight"]]
    numbers = ["delta", "ci_low", "ci_high", "repeated_low", "repeated_high", *INTERACTIONS[:5]]
    return rows.astype(dict.fromkeys([*numbers, "effect_size", "p_value", "p_holm"], "float64"))
