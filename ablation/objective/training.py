"""What passes between a training and who listens to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ablation.objective.setting import Setting


@dataclass(frozen=True)
class Epoch:
    """One epoch of a training.

    Attributes:
        number: from 1.
        figures: by name; the metric is among them.
        seconds: how long it took.
    """

    number: int
    figures: Mapping[str, float]
    seconds: float

    def stored(self) -> dict[str, Any]:
        """As an entry of a trial's history; a figure called as what it has gets a prefix."""
        own = {"epoch": self.number, "seconds": self.seconds}
        named = {f"reported_{k}" if k in own else k: v for k, v in self.figures.items()}
        return {"epoch": self.number, **named, "seconds": self.seconds}


@dataclass(frozen=True)
class Result:
    """A training that came to its end.

    Attributes:
        seconds: how long it took in all.
        scores: further figures of the whole, which choose nothing: attributes of its trial.
        value: the metric, where it is not that of the last epoch.
    """

    seconds: float
    scores: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None


class Listener(Protocol):
    """Told of trainings under way; the number of one is its place in its pack, from 0."""

    def on_epoch(self, place: int, epoch: Epoch, *, again: bool = False) -> None:
        """An epoch has ended; `again` where an earlier worker trained it. May raise, to stop."""

    def on_note(self, place: int, epoch: Epoch) -> None:
        """Figures of an epoch came without the metric: they are kept, and nothing more."""

    def on_batch(self, epoch: int, done: int, of: int) -> None:
        """So many batches of an epoch (from 1) are done."""

    def on_damaged(self, path: Path) -> None:
        """A checkpoint was of no use; it is now at `path`, and the training starts over."""

    def on_untracked(self, names: Sequence[str]) -> None:
        """These variables of a training's function have a state, and no checkpoint has it."""

    def leave(self) -> None:
        """A training goes on although it was stopped: it ends here, with its process."""


@dataclass(frozen=True)
class Pack:
    """Trainings that one worker does side by side; often a single one.

    Attributes:
        members: their settings and seeds.
        data: what `Objective.prepare` gave.
        device: ``cpu`` or ``cuda``; there is one to be seen, or as many as the space asks for.
        score: whether to score what chooses nothing, once at the end.
        checkpoint: where to keep them between two epochs, and to go on from what is there; None to
            do neither.
        weights: by member, where to keep its final weights; None to keep none.
        folders: by member, a folder of its own, which need not exist.
        log: whether to keep what trainings print in their folders.
        pauses: whether the listener looks at the checkpoint at every epoch: then there is one of
            each, and the listener is told of variables whose state none has.
    """

    members: Sequence[tuple[Setting, int]]
    data: Path
    device: str
    score: bool = True
    checkpoint: Path | None = None
    weights: Sequence[Path | None] = ()
    folders: Sequence[Path] = ()
    log: bool = True
    pauses: bool = False
