"""From what a person asked for to a run: everything is checked before anything trains."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from optuna.storages import RDBStorage

from ablation.design.checks import check_beginning, wanted_seeds
from ablation.design.loading import rebuild
from ablation.folders import study_folder
from ablation.planning.looks import few_seeds
from ablation.process.signals import forget
from ablation.running.checkpoints import tidy
from ablation.running.code import check_code, say_what_changed
from ablation.running.conditions import asked_record, run_conditions
from ablation.running.coordinator import IDENTICAL_FAILURES, Coordinator
from ablation.running.events import Event, OnTrialEnd
from ablation.running.executors.base import Executor
from ablation.running.executors.debug import DebugExecutor
from ablation.running.executors.local import LocalExecutor
from ablation.running.kept_checks import may_resume
from ablation.running.messages import TrainingContext
from ablation.running.patience import Patience, patience_for
from ablation.running.recording import Recorder
from ablation.running.request import Request, check_folder, say_what_diverged
from ablation.running.resources import Resources
from ablation.running.shared_data import SharedData
from ablation.scheduling import confirmation as confirm
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.extension import check_extension
from ablation.scheduling.looks import before_looks, gone
from ablation.scheduling.search import SearchSource
from ablation.scheduling.source import Progress
from ablation.storage import (
    RUN_LOCK_TIMEOUT_SECONDS,
    StorageError,
    lock,
    open_storage,
    opened_storage,
    save_study,
    second_name,
    settle,
    sqlite_file,
)
from ablation.storage.record import Record, find_record, load_record, merge
from ablation.storage.studies import confirming, unless_gone

OnEvent = Callable[[Event], None]
Display = Callable[[str], AbstractContextManager[OnEvent]]
View = Callable[[str], AbstractContextManager[OnTrialEnd]]


EXECUTORS: dict[str, type[Executor]] = {"local": LocalExecutor, "debug": DebugExecutor}


@dataclass(frozen=True)
class _Means:
    """What a run trains and tells with.

    Attributes:
        executor: open.
        resources: what it was opened with.
        data: where the objective's data are.
        display: makes the context that the events of a stage are shown in, given its name.
        say: told of what happens before and between the trainings.
        view: makes the context in which the ends of a stage's trials are told, given its name.
        patience: how long workers may say nothing.
        resumes: whether killed trainings go on from their checkpoints.
    """

    executor: Executor
    resources: Resources
    data: Path
    display: Display
    say: Callable[[str], None]
    view: View
    patience: Patience
    resumes: bool = True


def launch(
    request: Request,
    display: Display,
    say: Callable[[str], None],
    view: View = lambda study: nullcontext(lambda task, outcome: None),
    executor: Executor | None = None,
    patience: Patience | None = None,
) -> Progress:
    """Train what the study lacks; of a search, then what confirms it.

    Args:
        request: what was asked for.
        display: makes the context that the events of a stage are shown in, given its name.
        say: told of what happens before and between the trainings.
        view: makes the context in which the ends of a stage's trials are told to whoever shows
            it, given its name; only where there is something to train.
        executor: trains, and is closed at the end; the one that the request names unless given.
        patience: how long workers may say nothing; as long as ever, unless given.

    Returns:
        How far the study is, all its stages together.

    Raises:
        UserError: the request cannot be met; nothing has been changed.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    check_folder(request)
    stored = _stored(request)
    if stored:
        own = request.plan.space.objective.after(stored.plan.space.objective)
        request = replace(request, plan=rebuild(request.plan, own))
    asked = asked_record(request, stored)
    if stored is None:
        check_beginning(request.plan, request.seeds)
        if asked.settling and (few := few_seeds(asked.settling.looks)):
            say(f"Note: {few}")
    if stored and (progress := _unless_lacking(request, stored, asked)):
        say_what_diverged(request, progress, say)
        if not request.same_code:
            with opened_storage(request.url) as storage:
                own = request.plan.space.objective
                say_what_changed(storage, request.study, own, say)
        return progress
    if stored and not request.same_code:
        with opened_storage(request.url) as storage:
            check_code(storage, request.study, request.plan.space.objective, stored.wanted)
    study, begun = _trains(request, stored, asked)
    executor = executor or EXECUTORS[request.executor]()
    try:
        conditions, resources = run_conditions(request, executor, stored, study, begun, asked, say)
        data = request.plan.space.objective.prepare(request.data, say)
        executor.open(resources)
        resumes = may_resume(
            request.results, request.plan.space, resources.device,
            force=request.force, is_new=stored is None, say=say, check_command=request.check,
        )  # fmt: skip
        patience = patience or patience_for(request.plan.space)
        means = _Means(executor, resources, data, display, say, view, patience, resumes)
        record = conditions if study == request.study else asked
        return _train(request, record, conditions, is_new=stored is None, means=means)
    finally:
        executor.close()


def _train(
    request: Request, record: Record, conditions: Record, *, is_new: bool, means: _Means
) -> Progress:
    """Begin the study or go on with it, and train all its stages."""
    with _storage(request, means.say) as storage, lock(storage, request.study) as held:
        if why := second_name(storage):
            if is_new:
                raise StorageError(why)
            means.say(f"Note: {why}")
        present = find_record(storage, request.study)
        record = _merged(storage, request, present, record)
        if present is None:
            record = replace(record, identity=uuid.uuid4().hex)
        save_study(storage, request.study, record.attributes() | gone(record), record.direction)
        training = _Training(request, storage, held.check, means)
        total = training.run(request.study, record, request.retry_failed)
        if request.confirms and total.all_ended:
            return total + _confirm(training, request, conditions)
    return total


@contextmanager
def _storage(request: Request, say: Callable[[str], None]) -> Iterator[RDBStorage]:
    """The storage, which a run writes; left as others can read and copy it."""
    forget()  # a signal of an earlier run of this process
    storage = open_storage(request.url, create=True, patience=RUN_LOCK_TIMEOUT_SECONDS, say=say)
    try:
        yield storage
    except StorageError:  # there may be another file in its place
        storage.engine.dispose()
        raise
    except BaseException:
        settle(storage, say)
        raise
    settle(storage, say)


def _trains(request: Request, stored: Record | None, asked: Record) -> tuple[str, Record | None]:
    """The study that this run trains first, and its record; of a search that has ended, what
    confirms it.
    """
    if stored is None or not stored.trials or not request.confirms:
        return request.study, stored
    with opened_storage(request.url) as storage:
        record = _merged(storage, request, stored, asked)
        if not _source(storage, request, request.study, record).progress.all_ended:
            return request.study, stored
        study = confirming(storage, request.study)
        return study, find_record(storage, study)


def _confirm(training: _Training, request: Request, conditions: Record) -> Progress:
    """Train the confirmation of a search that has ended, then the path that it leads to."""
    storage, study, last = training.storage, request.study, None
    progress = Progress(0)
    while progress.all_ended:
        objective = request.plan.space.objective
        search = load_record(storage, study, objective)  # which may have found nothing new to draw
        # Failures are tried once more on request, and then the path begins in spite of them.
        retry = request.retry_failed and last is None
        despite = request.retry_failed and not retry
        wanted = confirm.confirmation(
            storage, study, search, conditions, request.seeds, request.looks,
            despite_failures=despite,
        )  # fmt: skip
        if wanted is None or (last and before_looks(wanted) == before_looks(last)):
            break
        training.say(confirm.sentence(wanted, search))
        attributes = wanted.attributes() | gone(wanted)
        save_study(storage, confirming(storage, study), attributes, wanted.direction)
        progress, last = training.run(confirming(storage, study), wanted, retry), wanted
    if last and last.path is None and progress.all_ended and progress.failed:
        training.say(
            f"The path waits: {progress.failed} of the confirmation's trainings failed. "
            "--retry-failed trains them once more, and then goes on in spite of those that fail."
        )
    return progress


class _Training:
    """Trains what a study of the storage lacks, under the conditions of this run."""

    def __init__(
        self, request: Request, storage: RDBStorage, check: Callable[[], None], means: _Means
    ) -> None:
        self.request, self.storage, self.check, self.means = request, storage, check, means
        self.say = means.say
        self.deadline: float | None = None  # from the first stage's beginning on

    def run(self, study: str, record: Record, retry_failed: bool) -> Progress:
        """Train what `study` lacks; failures once more, if wished."""
        means = self.means
        folder = study_folder(self.request.results, study).absolute()
        checkpoints = folder / "checkpoints"
        weights = folder / "weights" if self.request.keep_weights else None
        objective = self.request.plan.space.objective  # with its code, which a record may lack
        context = TrainingContext(
            data=means.data,
            objective=objective.spec,
            device=means.resources.device,
            checkpoints=checkpoints if means.resumes else None,
            weights=weights,
            folders=folder / "trials",
            log=self.request.executor != "debug",
        )
        tidy(self.storage, study, checkpoints)
        request = replace(self.request, retry_failed=retry_failed)
        with unless_gone(self.storage, study):
            source = _source(self.storage, request, study, record, self.say)
        say_what_diverged(request, source.progress, self.say)
        recorder = Recorder(self.storage, study, objective.metric)
        with means.display(study) as on_event, means.view(study) as on_trial_end:
            if objective.beside_space:
                on_trial_end = SharedData(context.folders, self.say).before(on_trial_end)
            if self.deadline is None and request.timeout is not None:
                self.deadline = time.monotonic() + request.timeout
            with unless_gone(self.storage, study):
                why = Coordinator(
                    source, means.executor, context, recorder, means.resources, on_event,
                    self.deadline, on_trial_end, self.check, means.patience,
                ).run()  # fmt: skip
        tidy(self.storage, study, checkpoints)
        if why:
            self.say(
                f"Stopped, because {IDENTICAL_FAILURES} trainings in a row failed alike: {why}"
            )
        return source.progress


def _stored(request: Request) -> Record | None:
    path = sqlite_file(request.url)
    if path and not path.exists():
        return None
    with opened_storage(request.url) as storage:
        return find_record(storage, request.study)


def _merged(storage: RDBStorage, request: Request, stored: Record | None, record: Record) -> Record:
    if stored and _is_as_confirmed(storage, request, stored):
        record = replace(record, trials=stored.trials)
    merged = merge(request.study, stored, record)
    if stored and stored.trials:
        check_extension(storage, request.study, stored, merged, request.looks, request.seeds)
    return merged


def _is_as_confirmed(storage: RDBStorage, request: Request, stored: Record) -> bool:
    """Whether a search that is being confirmed is asked for no other number of trials than then."""
    before, now = stored.plan.space.search, request.plan.space.search
    same = before and now and before.trials == now.trials and request.trials is None
    return bool(same) and find_record(storage, confirming(storage, request.study)) is not None


def _source(
    storage: RDBStorage,
    request: Request,
    study: str,
    record: Record,
    say: Callable[[str], None] = lambda line: None,
) -> DesignedSource | SearchSource:
    if record.trials:
        return SearchSource(storage, study, record)
    stages = record.stages
    if study == request.study and not record.settling:
        seeds = wanted_seeds(request.plan.space, request.seeds, record.seeds)
        stages = (replace(stages[0], seeds=seeds),)
    return DesignedSource(storage, study, record, stages, request.retry_failed, say)


def _unless_lacking(request: Request, stored: Record, asked: Record) -> Progress | None:
    """The progress of a study that lacks nothing, else None; asked before torch is imported."""
    with opened_storage(request.url) as storage:
        record = _merged(storage, request, stored, asked)
        if record.attributes() != stored.attributes():
            return None
        progress = _source(storage, request, request.study, record).progress
        progress.others = record.wanted - progress.wanted if not record.trials else 0
        if progress.all_ended and request.confirms:
            study = confirming(storage, request.study)
            kept = find_record(storage, study)
            if kept is None:
                return None
            wanted = confirm.confirmation(
                storage, request.study, record, kept, request.seeds, request.looks
            )
            if kept != wanted:
                return None
            progress += _source(storage, request, study, kept).progress
    progress.idle = progress.all_ended
    return progress if progress.idle else None
