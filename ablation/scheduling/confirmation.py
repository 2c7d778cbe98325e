"""A search's confirmation: what it found best, at full length over seeds that it has not used.

It is a study of its own in the same storage, of two stages: ``confirm`` compares the baseline, the
named arms and the best settings drawn; ``path`` then leads from the baseline to the arm that was
best there, one change at a time (`ablation.scheduling.path`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from optuna.storages import RDBStorage

from ablation.design.arms import Arm, Stage, full_length, make_arm
from ablation.design.declaration import declared_in_confirmation
from ablation.design.loading import enumerate_arms
from ablation.design.origin import Drawn
from ablation.design.settling import settling_of
from ablation.objective import Setting
from ablation.scheduling.arm_names import ArmNames
from ablation.scheduling.choice import best_arm
from ablation.scheduling.extension import _seeds_too_late
from ablation.scheduling.path import forest, path_stage, untested, with_path_origins
from ablation.space.settle import Confirm
from ablation.storage import StorageError, TrialRow
from ablation.storage.attributes import IS_DIVERGED, checked_trials, is_diverged
from ablation.storage.record import Record, confirmation_plan, find_record
from ablation.storage.studies import confirming

OF_SEARCH = ("arm", "setting", "diverged")  # the attributes of its trials that are read here
OF_CONFIRMATION = ("digest", "seed", *IS_DIVERGED)


@dataclass(frozen=True)
class SearchResult:
    """A setting that the search has trained to its end, as an arm's, and what came of it.

    Attributes:
        number: of its first trial.
        setting: at full length.
        score: its value; with the sign turned where less is better.
    """

    number: int
    setting: Setting
    score: float


def ranked_results(search: Record, rows: Sequence[TrialRow]) -> list[SearchResult]:
    """The search's completed settings, best first; each as the first trial of it.

    A draw that diverged is none: its value stands there for the sampler alone.
    """
    first: dict[str, SearchResult] = {}
    sign = search.plan.space.objective.metric.sign
    for row in rows:
        if "arm" not in row.attributes or is_diverged(row.attributes):
            continue
        if row.state == "COMPLETE" and row.value is not None:
            setting = full_length(search.plan.space, row.attributes["setting"])
            first.setdefault(setting.digest, SearchResult(row.number, setting, sign * row.value))
    return sorted(first.values(), key=lambda each: (-each.score, each.number))


def candidates(
    search: Record, ranked: Sequence[SearchResult], top: int, names: ArmNames
) -> tuple[Arm, ...]:
    """The arms to confirm: the baseline, the named ones, and the best `top` of the others.

    `names` are those that the search's settings have.
    """
    space, fixed = search.plan.space, search.plan.arms
    own = {arm.setting.digest for arm in fixed}
    ranks = [(rank, each) for rank, each in enumerate(ranked, 1) if each.setting.digest not in own]
    drawn = [
        make_arm(
            space,
            each.setting,
            names.of(each.setting),
            [Drawn(each.number, rank)],
            note=f"trial {each.number} of the search, rank {rank}",
        )
        for rank, each in ranks[:top]
    ]
    return (*fixed, *drawn)


def confirmation(
    storage: RDBStorage,
    study: str,
    search: Record,
    conditions: Record,
    count: int | None = None,
    looks: tuple[int, ...] | None = None,
    *,
    despite_failures: bool = False,
) -> Record | None:
    """The confirmation of a search as it should stand now; None for a search that has none.

    It has a path once all of its trainings are complete or have diverged, or its last look has
    been taken, and keeps its arms, its seeds and the path's arms and looks from then on; without
    looks the path's seeds may still be added to.

    Args:
        storage: where both are.
        study: the search, which has all the trials that it wants.
        search: its record.
        conditions: a record of the device, precision and threads that it begins with (one that has
            begun keeps its own), and of the machine that it is trained on.
        count: the number of seeds in place of the space's own.
        looks: the looks in place of the space's own; empty for none.
        despite_failures: begin the path although some have failed, and nothing is under way.

    Raises:
        StorageError: it has begun, and what is asked for would change it.
        UserError: looks and seeds do not go together.
    """
    asked = search.plan.space.confirm
    if asked is None:
        return None
    name = confirming(storage, study)
    stored = find_record(storage, name, search.plan.space.objective)
    if stored is None:
        rows = checked_trials(storage, study, OF_SEARCH)
        declared = declared_in_confirmation(search.plan.space, looks, count)
        begun = _begun(search, rows, asked, conditions)
        return _with_looks(begun, search, declared, count or asked.seeds)
    before = stored.plan.space.confirm, stored.settling
    declared = declared_in_confirmation(search.plan.space, looks, count, before)
    new = [e for e in conditions.environments if e not in stored.environments]
    stored = with_origins(storage, study, stored)
    stored = replace(
        stored,
        plan=confirmation_plan(search.plan, stored.plan.arms),
        environments=(*stored.environments, *new),
    )
    if stored.path is None:
        stored = _with_looks(stored, search, declared, count or asked.seeds)
        results = checked_trials(storage, name, OF_CONFIRMATION)
        if not _ended(stored, results, ("COMPLETE", "FAIL") if despite_failures else ("COMPLETE",)):
            return stored
        stored = replace(stored, chosen=chosen(stored, results).name)
    elif count is not None and count > len(stored.seeds):
        raise StorageError(f"study {study}: {_seeds_too_late(stored, 'leave --seeds out')}")
    return _with_path(storage, study, search, stored, asked)


def with_origins(storage: RDBStorage, study: str, record: Record) -> Record:
    """A stored confirmation whose arms say where they come from.

    Storages written before arms kept that are read without their notes, which an author may have
    written: what was drawn by its digest among the search's trials, the path by its settings. Arms
    that are called as two settings of the search are get the search's names for them.

    Args:
        storage: where it is.
        study: the search that it confirms, which may be gone.
        record: the confirmation's.
    """
    arms = [*record.plan.arms, *(record.path.arms if record.path else ())]
    if all(arm.origins for arm in arms):
        return record
    own = {arm.setting.digest: arm for arm in enumerate_arms(record.plan.space)[0]}
    rows = checked_trials(storage, study, OF_SEARCH) if find_record(storage, study) else []
    names = ArmNames(replace(record.plan, arms=tuple(own.values())), rows)
    ranked = ranked_results(record, rows)
    drawn = {each.setting.digest: Drawn(each.number, rank) for rank, each in enumerate(ranked, 1)}

    def known(arm: Arm) -> Arm:
        digest = arm.setting.digest
        if digest in own:
            return replace(arm, origins=own[digest].origins)
        origin = drawn.get(digest, Drawn(None))
        return replace(arm, name=names.by_digest.get(digest, arm.name), origins=(origin,))

    plan = replace(record.plan, arms=tuple(map(known, record.plan.arms)))
    if record.path is None or not record.path.arms:
        return replace(record, plan=plan)
    path = with_path_origins(record.plan.space, record.path.arms, record.chosen)
    called = {arm.setting.digest: arm.name for arm in plan.arms}
    new = {arm.name: called.get(arm.setting.digest, arm.name) for arm in path}
    path = tuple(
        replace(
            arm,
            name=new[arm.name],
            against=new.get(arm.against, ""),
            origins=arm.origins or own.get(arm.setting.digest, arm).origins,
        )
        for arm in path
    )
    stage = replace(record.path, arms=path)
    return replace(record, plan=plan, path=stage, chosen=new[record.chosen])


def sentence(record: Record, search: Record) -> str:
    """What a confirmation of `search`, as it stands, is about to train."""
    first, *rest = record.stages
    space = search.plan.space
    amount = space.objective.amount
    short, full = amount(space.trained(space.baseline)), amount(space.baseline)
    is_shorter = short != full and all(a <= b for a, b in zip(short, full, strict=True))
    if not rest:
        at_length = " at full length" if is_shorter else ""
        return f"Confirming what the search found: {_size(first, at_length)}."
    if not rest[0].arms:
        return f"Chosen by confirmation: {record.chosen}. There is no path to train."
    return (
        f"Chosen by confirmation: {record.chosen}. The path there, and its changes taken back one "
        f"by one, and the named arms: {_size(rest[0])}."
    )


def _size(stage: Stage, at_length: str = "") -> str:
    """``4 arms x 5 fresh seeds = 20 trainings``; where arms may stop, at most so many."""
    arms, most = len(stage.arms), "at most " if stage.settling else ""
    seeds = stage.settling.looks[-1] if stage.settling else len(stage.seeds)
    return f"{arms} arms{at_length} x {most}{seeds} fresh seeds = {most}{arms * seeds} trainings"


def _begun(search: Record, rows: list[TrialRow], asked: Confirm, conditions: Record) -> Record:
    names = ArmNames(search.plan, rows)
    arms = candidates(search, ranked_results(search, rows), asked.top, names)
    return Record(
        confirmation_plan(search.plan, arms),
        device=conditions.device,
        precision=conditions.precision,
        threads=conditions.threads,
        environments=conditions.environments,
        confirms=search.identity,
    )


def _with_looks(record: Record, search: Record, looks: tuple[int, ...], count: int) -> Record:
    """The record with these looks, and the seeds that they ask for; `count` where there are none.

    Looks that have been taken stay, and so do seeds that it has.
    """
    is_compared = any(arm.against for arm in record.plan.arms)
    settling = settling_of(record.plan.arms, looks) if looks and is_compared else None
    if settling and record.settling and record.settling.looks == settling.looks:
        settling = replace(settling, taken=record.settling.taken)
    seeds = _seeds(search, max(looks[-1] if looks else count, len(record.seeds)))
    return replace(record, seeds=seeds, settling=settling)


def _seeds(search: Record, count: int) -> tuple[int, ...]:
    """The `count` seeds after the search's own."""
    first = search.plan.space.search.seed + 1 if search.plan.space.search else 1
    return tuple(range(first, first + count))


def _ended(record: Record, rows: list[TrialRow], states: Sequence[str]) -> bool:
    """Whether each of its trainings is in one of these states, or has diverged.

    Where looks were declared, whether no more of them will be taken: failures are an end of these.
    """
    if record.settling:
        return record.settling.is_over
    ended = {_identity(r) for r in rows if r.state in states or is_diverged(r.attributes)}
    return all(r.identity in ended for r in record.stages[0].replicates())


def _identity(row: TrialRow) -> tuple[str, int]:
    return row.attributes.get("digest", ""), row.attributes.get("seed", -1)


def chosen(record: Record, rows: Sequence[TrialRow]) -> Arm:
    """The best arm of a confirmation, over the seeds that all candidates share; see `best_arm`."""
    stage, sign = record.stages[0], record.plan.space.objective.metric.sign
    done = {_identity(row): row.value for row in rows if row.state == "COMPLETE"}
    lost = {_identity(row) for row in rows if is_diverged(row.attributes)}
    values = {
        arm.name: {
            seed: value
            for seed in stage.seeds
            if (value := done.get((arm.setting.digest, seed))) is not None
        }
        for arm in stage.arms
    }
    diverged = {
        arm.name
        for arm in stage.arms
        if any((arm.setting.digest, seed) in lost for seed in stage.seeds)
    }
    return record.plan.arm(best_arm(values, stage.common_seeds, diverged, sign).arm)


def _with_path(
    storage: RDBStorage, study: str, search: Record, record: Record, asked: Confirm
) -> Record:
    """The record with the path to what was chosen, as it is asked for; arms and seeds stay.

    Its seeds begin after all those that the confirmation might have had.
    """
    space, arms, settling = search.plan.space, record.plan.arms, record.settling
    count = asked.path_count(settling.looks[-1] if settling else len(record.seeds))
    path = record.path or Stage("path", (), ())
    best = next(arm for arm in arms if arm.name == record.chosen)
    if count and not path.arms and best.setting.digest != space.baseline.digest:
        tried = ranked_results(search, checked_trials(storage, study, OF_SEARCH))
        scores = [(each.setting, each.score) for each in tried]
        if scores:  # else nothing says in which order
            predict = forest(space, scores, space.search.seed)  # type: ignore[union-attr]
            path = path_stage(space, best, predict, arms, ())
        if path.arms and settling:
            looks, tuned = asked.path_looks(settling.looks), untested(space, path.arms)
            path = replace(path, settling=settling_of(path.arms, looks, untested=tuned))
    if path.arms:
        taken, wanted = len(record.seeds), max(count, len(path.seeds))
        if path.settling:
            wanted = path.settling.looks[-1]
        if path.seeds and wanted > len(path.seeds) and not record.path_looks:
            record = replace(record, path_looks=_looks_before(storage, study, path))
        path = replace(path, seeds=_seeds(search, taken + wanted)[taken:])
    return replace(record, path=path)


def _looks_before(storage: RDBStorage, study: str, path: Stage) -> tuple[int, ...]:
    """The look at a path that has ended and has none noted: whoever adds seeds has seen verdicts.

    Earlier versions showed them without noting it.
    """
    rows = checked_trials(storage, confirming(storage, study), OF_CONFIRMATION)
    done = {_identity(row) for row in rows if row.state == "COMPLETE"}
    ended = done | {_identity(row) for row in rows if row.state == "FAIL"}
    trainings = [replicate.identity for replicate in path.replicates()]
    digests = {arm.name: arm.setting.digest for arm in path.arms}
    pairs = [
        len([s for s in path.seeds if {(arm.setting.digest, s), (digests[arm.against], s)} <= done])
        for arm in path.arms
        if arm.against
    ]
    if not ended.issuperset(trainings) or max(pairs, default=0) < 2:
        return ()
    return (len(done.intersection(trainings)),)
