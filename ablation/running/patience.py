"""How long a run waits for a worker that says nothing."""

from __future__ import annotations

from dataclasses import dataclass

from ablation.space.durations import seconds_in
from ablation.space.schema import Space


@dataclass(frozen=True)
class Patience:
    """How long a worker may say nothing before it is given up.

    Attributes:
        startup: seconds that it may before its job has begun: it imports torch, from a cold disk.
        stall: seconds that it may at least from then on.
        epochs: or so many of the longest epochs so far.
        suspend: seconds between two looks from which on this process has been stopped itself, and
            its workers perhaps with it: such a time counts for nothing.
        keep: seconds that a run which is stopped waits for trainings to keep what they have
            reported since their checkpoints.
        advice: what a person can do where that is too short; empty for nothing.
    """

    startup: float = 600.0
    stall: float = 120.0
    epochs: int = 10
    suspend: float = 3.0
    keep: float = 6.0
    advice: str = ""

    def limit(self, usual: float, *, started: bool) -> float:
        """Seconds that a worker may say nothing.

        Args:
            usual: seconds of the longest epoch so far.
            started: whether its job has begun.
        """
        return max(self.stall, self.epochs * usual) if started else self.startup


USUAL = Patience()


def patience_for(space: Space) -> Patience:
    """How long a worker that trains something of this space may say nothing."""
    objective = space.objective
    stall = seconds_in(space.silence) if space.silence else objective.silence
    advice = 'silence = "2h" in the space allows more, say' if objective.beside_space else ""
    return Patience(stall=stall, advice=advice)
