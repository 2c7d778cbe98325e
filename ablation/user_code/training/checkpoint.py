"""Where a training is kept between two reports, and what it has reported, as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation.files import wanted_file
from ablation.objective import Epoch

SAVE_SECONDS = 5.0  # between two checkpoints, at least


@dataclass(frozen=True)
class Checkpoint:
    """Where a training is kept between two reports.

    Attributes:
        path: the file.
        marks: whose training it must be.
        seconds: between two of them, at least.
    """

    path: Path
    marks: Mapping[str, str]
    seconds: float = SAVE_SECONDS

    @property
    def is_wanted(self) -> bool:
        """Whether the run is about to end, so that the next one is due whenever it comes."""
        return wanted_file(self.path).exists()


def history_text(history: Sequence[Epoch]) -> str:
    """What a training has reported, as JSON."""
    return json.dumps([[each.number, dict(each.figures), each.seconds] for each in history])


def parse_history(text: str) -> list[Epoch]:
    """The inverse of `history_text`.

    Raises:
        ValueError: it is none.
    """
    try:
        return [
            Epoch(int(number), {str(k): float(v) for k, v in figures.items()}, float(seconds))
            for number, figures, seconds in json.loads(text)
        ]
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"not what a training reported: {error!r}") from None
