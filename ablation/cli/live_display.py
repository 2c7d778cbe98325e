"""A run as a person sees it: live lines in a terminal, plain ones elsewhere."""

from __future__ import annotations

from contextlib import nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from ablation.errors import one_line
from ablation.objective.outcome import each
from ablation.planning.pace import clock
from ablation.running.events import Event
from ablation.running.messages import BatchProgress, CheckpointDamaged, PackHalved, TrialOutcome

if TYPE_CHECKING:
    from ablation.objective import Epoch, Objective
    from ablation.scheduling.source import Progress as Counts

REFRESH = 4  # a second


class Display:
    """Shows a run's events; use it as a context, and as the run's `on_event`."""

    def __init__(
        self, console: Console, study: str, objective: Objective, *, live: bool = True
    ) -> None:
        self.console, self.study, self.objective = console, study, objective
        self.running: dict[int, dict[int, _Line]] = {}  # by slot, then by trial
        self.bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self.overall = self.bar.add_task(escape(study), total=None, left="")
        self.spent_cost = self.spent_seconds = 0.0  # of the trainings that ended in this run
        self.slots = 1
        lines = Live(get_renderable=self._render, console=console, refresh_per_second=REFRESH)
        # The file is asked as well: FORCE_COLOR makes rich take a log for a terminal.
        self.is_live = live and console.is_terminal and console.file.isatty()
        self.live: Any = lines if self.is_live else nullcontext()

    def __enter__(self) -> Display:
        self.live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.running.clear()
        self.live.__exit__(kind, value, trace)

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        lines = self.running.setdefault(event.slot, {})
        line = lines.setdefault(event.task.trial_id, _Line(self.objective, event))
        self.slots = max(self.slots, event.slot + 1)
        if event.what == "started":
            lines[event.task.trial_id] = _Line(self.objective, event)
        elif isinstance(event.detail, BatchProgress):
            for each in lines.values():
                each.batches = event.detail
        elif event.what in ("epoch", "resumed"):
            line.epoch = event.detail  # type: ignore[assignment]
            if event.what == "epoch" and not self.is_live:
                self._print(line.text())
        elif isinstance(event.detail, PackHalved):
            self._print(Text(f"  {line.name}: {event.detail.members} replicates do not fit the "
                             "GPU's memory side by side; training them in halves"))  # fmt: skip
        elif isinstance(event.detail, CheckpointDamaged):
            self._print(Text(f"  {line.name}: its checkpoint is damaged, set aside as "
                             f"{event.detail.path}; it starts over"))  # fmt: skip
        elif isinstance(event.detail, TrialOutcome):
            lines.pop(event.task.trial_id)
            if seconds := event.detail.attributes.get("seconds"):
                self.spent_cost += event.task.cost
                self.spent_seconds += seconds
            self._print(_ending(self.objective, event, event.detail, self._numbers(event)))
        self._update(event)

    def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)

    def _numbers(self, event: Event) -> str:
        left = self._left(event)
        return f"{event.progress.ended}/{event.progress.wanted_text}" + (
            f", {left} left" if left else ""
        )

    def _update(self, event: Event) -> None:
        progress = event.progress
        self.bar.update(
            self.overall,
            total=progress.wanted,
            completed=progress.ended,
            left=", ".join(filter(None, [_awaited(progress), self._time_left(event)])),
        )

    def _time_left(self, event: Event) -> str:
        return f"{left} left" if (left := self._left(event)) else ""

    def _left(self, event: Event) -> str:
        """The time left, at the pace so far; empty until a training has ended.

        Where arms may stop at a look, the most that it may be.
        """
        underway = sum(line.done() for lines in self.running.values() for line in lines.values())
        left = event.progress.remaining_cost - underway
        if not self.spent_cost or left <= 0:
            return ""
        seconds = left * self.spent_seconds / self.spent_cost / self.slots
        most = "at most " if event.progress.is_at_most else ""
        return f"{most}{clock(seconds)}" if seconds >= 1 else ""

    def _render(self) -> Group:
        groups = [list(lines.values()) for _, lines in sorted(self.running.items()) if lines]
        return Group(*(lines[0].text(more=len(lines) - 1) for lines in groups), self.bar)


def _awaited(progress: Counts) -> str:
    """The look that is awaited: ``look 2 of 4, 5 open``; empty where there is none."""
    settling = progress.settling
    if settling is None or settling.next_look is None:
        return ""
    of = len(settling.all_looks)
    return f"look {settling.next_look} of {of}, {len(settling.active)} open"


class _Line:
    """A training under way."""

    def __init__(self, objective: Objective, event: Event) -> None:
        self.objective = objective
        self.name = f"{event.task.arm} seed {event.task.seed}"
        self.epochs = event.task.epochs
        self.cost = event.task.cost
        self.batches: BatchProgress | None = None
        self.epoch: Epoch | None = None

    def done(self) -> float:
        """The part of its cost that is behind it."""
        epochs = float(self.epoch.number if self.epoch else 0)
        if self.batches and self.batches.epoch > epochs:
            epochs += self.batches.done / self.batches.of
        return self.cost * min(1.0, epochs / self.epochs) if self.epochs else 0.0

    def text(self, more: int = 0) -> Text:
        """The line: arm, seed, epoch, batch, and the last epoch's figures.

        Args:
            more: how many others are trained beside it.
        """
        ended = self.epoch.number if self.epoch else 0
        batches, word = self.batches, self.objective.words.epoch
        parts = [f"  {self.name}" + (f" and {more} more side by side" if more else "")]
        if batches and batches.epoch > ended:
            parts.append(f"epoch {batches.epoch}/{self.epochs} batch {batches.done}/{batches.of}")
        else:
            is_known = self.epochs and (word == "epoch" or not self.objective.free_figures)
            of = f"/{self.epochs}" if is_known else ""  # a step may be any whole number
            parts.append(f"{word} {ended}{of}" if self.epoch else "starting")
        if self.epoch:
            parts.append(self.objective.epoch_text(self.epoch.figures))
        return Text("  ".join(parts))


def _ending(objective: Objective, event: Event, outcome: TrialOutcome, numbers: str) -> Text:
    """The permanent line of a finished training."""
    name = f"{event.task.arm} seed {event.task.seed}"
    attributes = outcome.attributes
    if "diverged" in attributes:
        epoch = attributes["diverged"]
        word = objective.words.epoch
        return Text(f"✗ {name}  diverged in {word} {epoch}  ({numbers})", style="yellow")
    if outcome.state == "FAIL":
        failure = one_line(attributes["failure"])
        return Text(f"✗ {name}  failed: {failure}  ({numbers})", style="red")
    if outcome.state == "PRUNED":
        after = f"{objective.words.epoch} {attributes['history'][-1]['epoch']}"
        return Text(f"– {name}  pruned after {after}  ({numbers})", style="yellow")
    names = () if event.task.hides_test else objective.scores
    scores = {name: attributes[name] for name in names if name in attributes}
    count = event.task.last.count
    mean = f" (mean of the last {count} {each(objective.words.epoch)}s)" if count > 1 else ""
    result = objective.result_text(outcome.value or 0.0, scores, mean)
    took = clock(attributes["seconds"])
    return Text(f"✓ {name}  {result}  {took}  ({numbers})", style="green")
