"""What a user's training function is given."""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import CodeType
from typing import Any, Protocol, SupportsFloat, SupportsIndex

from ablation.errors import DivergedError, UserError
from ablation.files import set_aside
from ablation.objective import Epoch
from ablation.user_code.tracking.state import (
    DamagedError,
    capture,
    read_state,
    restore,
    write_state,
)
from ablation.user_code.training.checkpoint import Checkpoint, history_text, parse_history
from ablation.user_code.training.generators import begin_generators, stream_seed
from ablation.user_code.training.untracked import untracked_locals

SAVE_SHARE = 0.1  # of a training's time that may go into its checkpoints
PATIENCE = 3  # stops that a training may ignore


class Stop(BaseException):
    """The training stops here. No `Exception`, so that ``except Exception`` lets it through."""


class TrainingError(Exception):
    """A training that does not keep to the contract; the message says what to write instead."""


class Channel(Protocol):
    """Where the reports of a training go."""

    def tell(self, epoch: Epoch, *, again: bool) -> None:
        """A step with the metric was reported; `again` where an earlier process reported it.

        Raises:
            Exception: the training has to stop.
        """

    def note(self, epoch: Epoch) -> None:
        """A step was reported without the metric."""

    def set_aside(self, path: Path) -> None:
        """A checkpoint was of no use, is now at `path`, and the training starts over."""

    def untracked(self, names: Sequence[str]) -> None:
        """These variables of the training's function have a state and are not tracked."""

    def leave(self) -> None:
        """The training does not stop: end its process."""


class Run:
    """One training: its seed, its device, its folder, and where its figures go.

    Attributes:
        seed: of everything that is random in it, from 0 to 2**32 - 1.
        device: ``cpu`` or ``cuda``.
        threads: how many it may use.
        folder: its own, and the working directory; it outlives a kill, and what is left in it
            is kept.
        data: where the data are: what ``--data`` says, else the folder of the space's file.
    """

    def __init__(
        self,
        metric: str,
        channel: Channel,
        *,
        seed: int,
        device: str = "cpu",
        threads: int = 1,
        folder: Path,
        data: Path,
        checkpoint: Checkpoint | None = None,
        watched: CodeType | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seed, self.device, self.threads = seed, device, threads
        self.folder, self.data = folder, data
        self._metric, self._channel, self._checkpoint = metric, channel, checkpoint
        self._clock, self._watched = clock, watched
        self._tracked: dict[str, object] = {}
        self._history: list[Epoch] = []
        self._last: Epoch | None = None  # with the metric
        self._fault: Exception | None = None  # for which it stops, or fails at its end
        self._ignored = 0  # stops
        self._resumed = 0  # the step that it went on from
        self._reported, self._saved, self._save_seconds = clock(), -math.inf, 0.0
        begin_generators(seed, 0)

    def stream(self, name: str, epoch: int = 0) -> int:
        """A seed for what draws by itself, such as a split or a model's ``random_state``.

        It depends on the training's seed, the name and the epoch only, so other arms with the same
        seed draw the same.

        Args:
            name: of the stream, such as ``split``.
            epoch: for a stream that begins anew in every epoch.

        Returns:
            From 0 to 2**32 - 1.
        """
        return stream_seed(self.seed, name, epoch)

    def track(self, **objects: object) -> int:
        """Name everything that changes from step to step, so that a kill costs little.

        After a kill the objects get their state back. Call it once, before the first report.

        Args:
            objects: what has ``state_dict`` and ``load_state_dict``; dicts; generators of PyTorch,
                NumPy and Python; None.

        Returns:
            The last step that is done: 0 where the training begins.

        Raises:
            UserError: an object has no state that can be kept.
        """
        if self._tracked or self._history:
            raise self._failed("run.track: call it once, before the first report")
        capture(objects)
        self._tracked = dict(objects)
        for epoch in self._read(self._checkpoint) if self._checkpoint else ():
            self._add(epoch, again=True)
        self._resumed = self._step
        begin_generators(self.seed, self._generators_step)
        self._reported = self._clock()
        return self._step

    def begin(self, step: int) -> None:
        """Begin the global generators anew, as `report` does.

        For frameworks that draw between `track` and their first batch.

        Args:
            step: the last one that is done.
        """
        begin_generators(self.seed, step)

    def report(self, step: SupportsIndex | None = None, /, **metrics: Any) -> None:
        """Report figures of a step: an epoch, a fold, a round.

        With the space's metric among them the step is recorded, and the training may be stopped
        here; without it they are only kept.

        Args:
            step: a whole number, above the last; the next one unless given.
            metrics: figures by name: numbers, or tensors of one number.

        Raises:
            DivergedError: the metric is not finite.
            TrainingError: a figure is no number, or the step is not above the last.
        """
        if self._ignored:
            self._stop()
        figures = {name: self._number(name, value) for name, value in metrics.items()}
        number = self._number_of(step)
        decides = self._metric in figures
        if decides and self._last and number <= self._step:
            why = f"run.report({number}, …): after {self._step}; steps rise"
            if self._resumed:
                why += f"; the training goes on: begin after {self._resumed}, what run.track gave"
            raise self._failed(why)
        if decides and not math.isfinite(figures[self._metric]):
            self._fault = DivergedError(f"{self._metric} is {figures[self._metric]} at {number}")
            raise self._fault
        if decides and self._watched:
            self._channel.untracked(untracked_locals(self._watched, self._tracked.values()))
            self._watched = None
        self._add(Epoch(number, figures, self._clock() - self._reported), again=False)
        if decides:
            begin_generators(self.seed, self._generators_step)
            self._reported = self._clock()

    @property
    def _step(self) -> int:
        """The last step with the metric; 0 before the first."""
        return self._last.number if self._last else 0

    @property
    def _generators_step(self) -> int:
        """Where the global generators begin: after a step 0 elsewhere than before the first."""
        return -1 if self._last and self._step == 0 else self._step

    def _add(self, epoch: Epoch, *, again: bool) -> None:
        self._history.append(epoch)
        if self._metric not in epoch.figures:
            self._channel.note(epoch)
            return
        self._last = epoch
        if not again:
            self._save()
        try:
            self._channel.tell(epoch, again=again)
        except Exception as error:
            self._fault = error
            self._stop()

    def _number_of(self, given: SupportsIndex | None) -> int:
        if given is None:
            return self._step + 1
        try:
            number = operator.index(given)
        except TypeError:
            raise self._failed(f"run.report({given!r}, …): a step is a whole number") from None
        if number < 0:
            raise self._failed(f"run.report({number}, …): a step is 0 or above")
        return number

    def _number(self, name: str, value: Any) -> float:
        if size := tuple(getattr(value, "shape", ())):
            raise self._failed(
                f"run.report({name}=…): a number is wanted, not an array of shape {size}"
            )
        if hasattr(value, "detach"):
            value = value.detach()
        if isinstance(value, str | bytes) or not isinstance(value, SupportsFloat):
            raise self._failed(f"run.report({name}=…): a number is wanted, not {_kind(value)}")
        return float(value)

    def _failed(self, why: str) -> TrainingError:
        """An error that fails the training even where its code goes on."""
        error = TrainingError(why)
        self._fault = self._fault or error
        return error

    def _stop(self) -> None:
        """Stop the training; where its code ignores that, end its process."""
        self._ignored += 1
        if self._ignored >= PATIENCE:
            self._channel.leave()
        raise Stop

    def _save(self) -> None:
        """Keep the training, unless that was done a moment ago."""
        checkpoint, began = self._checkpoint, self._clock()
        if checkpoint is None or not self._tracked:
            return
        pause = max(checkpoint.seconds, self._save_seconds / SAVE_SHARE)
        if began - self._saved < pause and not checkpoint.is_wanted:
            return
        notes = {**checkpoint.marks, "history": history_text(self._history)}
        write_state(checkpoint.path, capture(self._tracked), notes)
        self._saved = self._clock()
        self._save_seconds = self._saved - began if checkpoint.seconds else 0.0

    def _read(self, checkpoint: Checkpoint) -> list[Epoch]:
        """Give tracked objects their state back; what was reported up to there."""
        try:
            state, notes = read_state(checkpoint.path)
            if any(notes.get(key) != mark for key, mark in checkpoint.marks.items()):
                return []
            history = parse_history(notes.get("history", ""))
            restore(self._tracked, state)
        except FileNotFoundError:
            return []
        except (DamagedError, UserError, ValueError):
            self._channel.set_aside(set_aside(checkpoint.path))
            return []
        return history

    # What the harness asks once the function has returned

    def outcome(self, returned: object) -> tuple[dict[str, float], float]:
        """What a training ends with.

        Args:
            returned: by the function.

        Returns:
            The figures that it returned, and the metric: as returned, else as reported last.

        Raises:
            Exception: what had stopped the training, or made it fail.
            TrainingError: the metric was never reported, or what was returned is no figures.
        """
        if self._fault is not None:
            raise self._fault
        if returned is not None and not isinstance(returned, Mapping):
            raise TrainingError(
                f"train returned {_kind(returned)}: return figures by name, or nothing"
            )
        final = {str(k): self._number(str(k), v) for k, v in dict(returned or {}).items()}
        value = final.get(self._metric)
        if value is not None and not math.isfinite(value):
            raise DivergedError(f"{self._metric} is {value} at the end")
        if self._last is None:
            if value is None:
                names = dict.fromkeys(name for epoch in self._history for name in epoch.figures)
                told = list(dict.fromkeys([*names, *final]))
                near = get_close_matches(self._metric, told, n=1)
                guess = f"; did you mean {near[0]}?" if near else ""
                raise TrainingError(
                    f"reported: {', '.join(told) or 'nothing'}; the space wants "
                    f"{self._metric}{guess}"
                )
            self.report(**{self._metric: value})
        elif value is None:
            value = self._last.figures[self._metric]
        return final, value


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"
