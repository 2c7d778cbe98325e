"""A user's program by the harness's contract."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ablation.errors import DivergedError, StopRunError, UserError
from ablation.objective import Listener, Pack, Result, Setting, Words
from ablation.objective.columns import OWN_COLUMNS
from ablation.user_code.code_objective import CodeObjective
from ablation.user_code.command.output import JsonReader, PatternReader, Printed, Reader
from ablation.user_code.command.program import Program
from ablation.user_code.command.words import command_line, literal, program_environment
from ablation.user_code.definition import CommandDefinition, parse_definition
from ablation.user_code.source.child import ending
from ablation.user_code.source.code_identity import file_digest
from ablation.user_code.source.faults import shortened
from ablation.user_code.source.own_files import imports
from ablation.user_code.training.calling import LOG, ListenerChannel, output_to
from ablation.user_code.training.run import Run, Stop, TrainingError


class CommandObjective(CodeObjective):
    """A program and its settings; see `ablation.objective.Objective`.

    It runs in a process of its own, and nothing of it in a worker's.

    Args:
        definition: what it is made of.
    """

    words = Words(
        shared="whatever the program draws from its seed",
        seed_question="does the program use {seed}?",
        resume_advice="It goes on only from what it has left in its folder itself.",
    )
    remarks = (
        "A training that is killed starts over, unless the program itself goes on from what it has "
        "left in its folder.",
    )

    def __init__(self, definition: CommandDefinition) -> None:
        super().__init__(definition)
        self.definition: CommandDefinition = definition

    def infeasible(self, setting: Setting) -> str:
        """See the contract: a character that no program can be given."""
        texts = {name: literal(value) for name, value in setting.values().items()}
        held = [name for name, text in texts.items() if "\0" in text]
        return f"{held[0]} has a NUL character, which no program can be given" if held else ""

    def stored_spec(self, settings: Sequence[Setting]) -> str:
        """See the contract."""
        return self.definition.without_code().spec

    def train(self, pack: Pack, listener: Listener) -> list[Result | DivergedError]:
        """Run the program, and report what it prints."""
        ((setting, seed),), folder = pack.members, pack.folders[0].absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with output_to(folder / LOG if pack.log else None):
            self._check_same(self._digests())
            run = Run(
                self.metric.name,
                ListenerChannel(listener),
                seed=seed,
                device=pack.device,
                threads=self.threads,
                folder=folder,
                data=pack.data.absolute(),
            )
            try:
                found = self._run(setting, run)
            except DivergedError as error:
                return [error]
        digests = self._digests()
        self._check_same(digests)
        return [replace(found, scores={**found.scores, "code": digests})]

    def _digests(self) -> dict[str, str]:
        """The digests of the program's files.

        Raises:
            StopRunError: one is gone, or is no Python any more.
        """
        home = Path(self.definition.code_folder)
        try:
            return {name: file_digest(home / name) for name in self.definition.code}
        except UserError as error:
            raise StopRunError(f"{error}; it has changed while the study ran") from None

    def _run(self, setting: Setting, run: Run) -> Result:
        """Run the program to its end.

        Raises:
            TrainingError: it could not be started, failed, or never printed the metric.
            Exception: what stopped the training.
        """
        begin = time.monotonic()
        scores: dict[str, float] = {}
        try:
            with os.fdopen(os.dup(1), "wb") as log:
                self._follow(setting, run, log, scores)
            value = run.outcome(None)[1]
        except Stop:
            run.outcome(None)  # raises what it was stopped for
            raise
        return Result(time.monotonic() - begin, scores, value)

    def _follow(self, setting: Setting, run: Run, log: BinaryIO, scores: dict[str, float]) -> None:
        """Report what the program prints, until it ends.

        Args:
            setting: of the training.
            run: the training.
            log: gets what the program prints.
            scores: gets the test figure.
        """
        reports = _Reports(run, self.definition, scores)
        with closing(self._program(setting, run, log)) as program:
            reader = self._reader()
            for line in program.lines():
                for printed in reader.read(line):
                    reports.add(printed)
            if status := program.status():
                last = f'; it printed last: "{shortened(program.last)}"' if program.last else ""
                raise TrainingError(f"{self.name} {ending(status)}{last}")
        for printed in reader.end():
            reports.add(printed)
        reports.check()

    def _reader(self) -> Reader:
        if self.definition.read:
            return PatternReader(self.definition.read, self.metric.name, self.definition.test)
        return JsonReader(self.metric.name)

    def _program(self, setting: Setting, run: Run, log: BinaryIO) -> Program:
        """The program, started.

        With patterns its standard error is read as well, where Python's logging writes; of JSON it
        could break a line.
        """
        words, home = self.definition.command, self.definition.home
        own = {"seed": str(run.seed), "folder": str(run.folder), "data": str(run.data)}
        values = self._of_code(setting.values())
        texts = {**{name: literal(value) for name, value in values.items()}, **own}
        line = command_line(words, home, texts)
        environment = program_environment(words, home, self.threads)
        return Program(line, run.folder, environment, log, merge=bool(self.definition.read))

    def versions(self) -> dict[str, str]:
        """See the contract."""
        home = Path(self.definition.code_folder)
        names = dict.fromkeys(
            name for file in self.definition.code for name in imports(home / file)
        )
        standard = sys.stdlib_module_names
        return self._versions([n for n in names if n.partition(".")[0] not in standard])


class _Reports:
    """Turns what a program prints into reports of a training.

    Args:
        run: the training.
        definition: of the objective.
        scores: gets the test figure.
    """

    def __init__(self, run: Run, definition: CommandDefinition, scores: dict[str, float]) -> None:
        self.run, self.definition, self.scores = run, definition, scores
        self.last: int | None = None  # step with the metric
        self.names: dict[str, None] = {}  # of figures
        # Programs often print their settings and the time, too.
        self.others = OWN_COLUMNS | {field.name for field in definition.settings.fields}

    def add(self, printed: Printed) -> None:
        """Report figures.

        Raises:
            TrainingError: with the metric came a step that is not above the last.
            DivergedError: the metric is not finite.
        """
        figures = {n: v for n, v in printed.figures.items() if n not in self.others}
        if self.definition.test in figures:
            self.scores[self.definition.test] = figures.pop(self.definition.test)
        if not figures:
            return
        self.names |= dict.fromkeys(figures)
        if printed.step is not None and printed.step < 0:
            raise TrainingError(f"the program printed step {printed.step}: steps are 0 or above")
        if self.definition.metric in figures:
            step = (self.last or 0) + 1 if printed.step is None else printed.step
            if self.last is not None and step <= self.last:
                raise TrainingError(
                    f"the program printed step {step} after {self.last}: steps rise"
                )
            self.last = step
        self.run.report(printed.step, **figures)

    def check(self) -> None:
        """Refuse a training without the metric.

        Raises:
            TrainingError: it was never printed.
        """
        metric = self.definition.metric
        if self.last is not None:
            return
        seen = ", ".join([*self.names, *self.scores])
        if self.definition.read:
            raise TrainingError(f"read.{metric} matched nothing that the program printed")
        raise TrainingError(
            f"the program printed {seen or 'no figures'}; the space wants {metric}: print it in a "
            f'line of its own, as in {{"{metric}": 0.5}}'
        )


def command_objective(document: str) -> CommandObjective:
    """The objective of a definition that is given as JSON.

    Raises:
        UserError: it is none.
    """
    return CommandObjective(parse_definition(CommandDefinition, document))
