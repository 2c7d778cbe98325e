"""A listener to trainings that wants to hear of nothing: tests say what they do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ablation.objective import Epoch


class StrictListener:
    """Fails at whatever it is told."""

    def on_epoch(self, place: int, epoch: Epoch, *, again: bool = False) -> None:
        raise AssertionError

    def on_note(self, place: int, epoch: Epoch) -> None:
        raise AssertionError

    def on_batch(self, epoch: int, done: int, of: int) -> None:
        raise AssertionError

    def on_damaged(self, path: Path) -> None:
        raise AssertionError

    def on_untracked(self, names: Sequence[str]) -> None:
        raise AssertionError

    def leave(self) -> None:
        raise AssertionError
