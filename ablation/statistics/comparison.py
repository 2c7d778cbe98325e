"""How two arms are compared: which of their runs belong together, and the test that follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DATA_SETS = ("dataset", "data_set", "datasets", "data")
Method = Literal["paired", "folds", "welch", "summaries"]


@dataclass(frozen=True)
class Comparison:
    """How two arms are compared.

    Attributes:
        method: ``paired``: pairs by seed, the paired t-test. ``folds``: pairs by the folds of one
            cross-validation, the corrected resampled t-test (Nadeau and Bengio 2003). ``welch``:
            runs that belong to no other, Welch's test. ``summaries``: Welch's test from means,
            standard deviations and numbers of runs.
        folds: K, of ``folds``: how many folds the cross-validation has.
        of: of ``welch``: what the runs' numbers are called, such as ``run``; of the others the
            column that pairs: ``seed``, ``fold``.
        blocks: what runs are averaged over, such as ``dataset``; empty where they are not.
        no_mean: why an average over blocks would say nothing; empty where it says something.
    """

    method: Method = "paired"
    folds: int = 0
    of: str = "seed"
    blocks: str = ""
    no_mean: str = ""

    @property
    def is_paired(self) -> bool:
        """Whether runs of different arms belong together."""
        return self.method in ("paired", "folds")

    @property
    def block_noun(self) -> str:
        """What a block is called: ``data set``, or as its column."""
        name = self.blocks.lower()
        if name in DATA_SETS:
            return "data set"
        return name if name.isalpha() else f"value of {self.blocks}"

    @property
    def block_nouns(self) -> str:
        """Several blocks: ``data sets``."""
        noun = self.block_noun
        if noun.startswith("value of "):
            return noun.replace("value", "values", 1)
        return noun if noun.endswith("s") else f"{noun}s"

    def counted_blocks(self, count: int) -> str:
        """``3 data sets``."""
        return f"{count:,} {self.block_noun if count == 1 else self.block_nouns}"

    @property
    def has_mean(self) -> bool:
        """Whether there are blocks and runs are averaged over them, seed by seed.

        Of summaries it is not known which runs of two blocks belong together.
        """
        return bool(self.blocks) and not self.no_mean and self.method != "summaries"
