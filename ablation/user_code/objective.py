"""A user's training function by the harness's contract."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ablation.errors import DivergedError
from ablation.objective import Listener, Pack, Result, Setting, Size
from ablation.settings import Value
from ablation.user_code.code_objective import CodeObjective
from ablation.user_code.definition import Definition, KnownJudgement, as_known, parse_definition
from ablation.user_code.settings.schema import Judgement
from ablation.user_code.settings.settings_class import assemble
from ablation.user_code.source.code_identity import digests
from ablation.user_code.source.description import Judge
from ablation.user_code.source.importing import Code, load_code
from ablation.user_code.source.own_files import own_files
from ablation.user_code.tracking.state import read_state
from ablation.user_code.training.calling import LOG, ListenerChannel, call, marks_of, output_to
from ablation.user_code.training.checkpoint import SAVE_SECONDS, Checkpoint
from ablation.user_code.training.run import Run


class UserObjective(CodeObjective):
    """A training function and its settings; see `ablation.objective.Objective`.

    Args:
        definition: what it is made of.
    """

    fresh_processes = True

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition)
        self.definition: Definition = definition
        self.libraries = definition.libraries

    # Settings

    def _digest(self, values: Mapping[str, Value]) -> str:
        if self.definition.settings.judges:
            known = self.definition.known.get(_as_json(values))
            if known is not None:
                return known.digest
        effective = self._judgement(values).effective
        counted = values if effective is None else effective
        return self._digest_of(counted)

    def _judgement(self, values: Mapping[str, Value]) -> Judgement:
        """What the code says of a setting; nothing where it has nothing to say, or is not here."""
        if not self.definition.settings.judges:
            return Judgement()
        if known := self.definition.known.get(_as_json(values)):
            effective = {n: v for n, v in values.items() if n not in known.idle}
            return Judgement(
                effective=effective,
                parameters=known.parameters,
                macs=known.macs,
                error=known.error,
            )
        if not self.definition.folder:
            return Judgement()
        judgement = self._judge.judge(self._of_code(values))
        if judgement.effective is None:
            return judgement
        effective = {self._column(name): value for name, value in judgement.effective.items()}
        return judgement.model_copy(update={"effective": effective})

    @cached_property
    def _judge(self) -> Judge:
        return Judge(self.definition.trains, Path(self.definition.folder))

    def judges(self, values: Mapping[str, Any]) -> bool:
        """See the contract."""
        if not self.definition.settings.judges or self.definition.folder:
            return True
        return _as_json(values) in self.definition.known

    def infeasible(self, setting: Setting) -> str:
        """What the user's own validators say."""
        return self._judgement(setting.values()).error

    def idle(self, setting: Setting) -> set[str]:
        """What has no effect there, as the user's `effective` says."""
        effective = self._judgement(setting.values()).effective
        return set() if effective is None else set(self.fields) - set(effective)

    def size(self, setting: Setting) -> Size:
        """As the user's `size` says."""
        judgement = self._judgement(setting.values())
        return Size(parameters=judgement.parameters, macs=judgement.macs)

    def stored_spec(self, settings: Sequence[Setting]) -> str:
        """See the contract: with what the code says of these settings, and no code."""
        known: dict[str, KnownJudgement] = {}
        if self.definition.settings.judges:
            known = {
                _as_json(each.values()): as_known(
                    each.digest, self._judgement(each.values()), list(self.fields)
                )
                for each in settings
            }
        return self.definition.without_code(known).spec

    # Trainings

    def begin_worker(self, threads: int) -> None:
        """Make the process look like one that was started with the user's file."""
        super().begin_worker(threads)
        sys.argv = [self.definition.file]

    def train(self, pack: Pack, listener: Listener) -> list[Result | DivergedError]:
        """Call the function; see `ablation.user_code.training.calling.call`."""
        ((setting, seed),), (folder,) = pack.members, pack.folders
        folder.mkdir(parents=True, exist_ok=True)
        with output_to(folder / LOG if pack.log else None):
            code = load_code(self.definition.trains, Path(self.definition.folder))
            self._check_code(code)
            marks = marks_of(self.definition, setting.digest, seed)
            run = Run(
                self.metric.name,
                ListenerChannel(listener),
                seed=seed,
                device=pack.device,
                threads=self.threads,
                folder=folder,
                data=pack.data,
                checkpoint=_checkpoint(pack, marks),
                watched=inspect.unwrap(code.train).__code__ if pack.pauses else None,
            )
            try:
                settings = assemble(code.settings_class, self._of_code(setting.values()))
                found = call(code.train, settings, run)
            except DivergedError as error:
                return [error]
        digests_now = self._check_code(code)  # what it has imported on the way as well
        scores = self._scores(dict(found.scores.get("returned", {})))
        return [replace(found, scores={**scores, "code": digests_now})]

    def state_digest(self, path: Path) -> str:
        """See the contract."""
        try:
            state, _ = read_state(path)
        except FileNotFoundError:
            return ""
        return state.digest()

    def _scores(self, returned: dict[str, float]) -> dict[str, Any]:
        """What was returned, as attributes of a trial."""
        test = self.definition.test
        scores: dict[str, Any] = {test: returned.pop(test)} if test in returned else {}
        return {**scores, "returned": returned} if returned else scores

    def _check_code(self, code: Code) -> dict[str, str]:
        """The digests of the code that this process has imported.

        Raises:
            StopRunError: it is no longer the code that the run began with.
        """
        found = digests(code.folder, own_files(code.folder, code.file))
        self._check_same(found)
        return found

    def versions(self) -> dict[str, str]:
        """See the contract."""
        return self._versions(self.definition.libraries)


def user_objective(document: str) -> UserObjective:
    """The objective of a definition that is given as JSON.

    Raises:
        UserError: it is none.
    """
    return UserObjective(parse_definition(Definition, document))


def _checkpoint(pack: Pack, marks: Mapping[str, str]) -> Checkpoint | None:
    if pack.checkpoint is None:
        return None
    return Checkpoint(pack.checkpoint, marks, 0.0 if pack.pauses else SAVE_SECONDS)


def _as_json(values: Mapping[str, Value]) -> str:
    return json.dumps(dict(values), sort_keys=True)
