"""Device, precision, threads and jobs: those of the study, of the person, of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from ablation.design.checks import wanted_seeds
from ablation.design.declaration import declared, declared_in_confirmation
from ablation.design.loading import check_counts
from ablation.errors import UserError
from ablation.running.environment import environment
from ablation.running.executors.base import Executor, Wish
from ablation.running.request import Request
from ablation.running.resources import PACK_ON_CUDA, Resources, default_jobs, gpu_shares
from ablation.storage import StorageError
from ablation.storage.record import Record


def asked_record(request: Request, stored: Record | None) -> Record:
    """What a request wants of a study, but for the conditions that it is trained under.

    Args:
        request: what a person asked for.
        stored: the record of the study asked for, if there is one.

    Raises:
        UserError: its options do not go together, or not with the space or the study.
    """
    search = request.plan.space.search
    pack = pack_size(request.pack, "cpu")
    check_counts(request.plan, request.seeds, request.trials)
    if search is not None and request.seeds is not None and not request.confirms:
        raise UserError("--seeds: a search's are those of its confirmation, left out here")
    if search is not None and request.retry_failed and not request.confirms:
        raise UserError("--retry-failed: a search's failures count as tried; raise --trials")
    objective = request.plan.space.objective
    if pack > 1 and not objective.packs:
        raise UserError(f"--pack: {objective.name} is trained one at a time; leave it out")
    if request.keep_weights and objective.beside_space:
        raise UserError(
            "--keep-weights: what a training leaves in its folder is kept anyway; leave it out"
        )
    if search is not None and pack > 1 and not request.confirms:
        raise UserError("--pack: a search draws and trains one at a time; leave it out")
    if search is not None and request.looks and not request.confirm:
        raise UserError("--settle: a search's looks are those of its confirmation, left out here")
    if search is not None:
        if stored is None:
            declared_in_confirmation(request.plan.space, request.looks, request.seeds)
        return Record(request.plan, trials=request.trials or search.trials)
    own = stored.seeds if stored else ()
    before = (stored.plan.space, stored.settling) if stored else None
    settling = declared(request.plan, request.looks, request.seeds, before)
    count = settling.all_looks[-1] if settling else request.seeds
    seeds = wanted_seeds(request.plan.space, count, own)
    return Record(request.plan, seeds=seeds, settling=settling)


def run_conditions(
    request: Request,
    executor: Executor,
    stored: Record | None,
    study: str,
    begun: Record | None,
    asked: Record,
    say: Callable[[str], None],
) -> tuple[Record, Resources]:
    """Device, precision and threads: a study keeps those that it was begun with.

    A confirmation is a study of its own: it begins with its search's unless others are asked for.
    What there is to choose from, the executor's workers say.

    Args:
        request: what a person asked for.
        executor: where it will be trained.
        stored: the record of the study asked for, if there is one.
        study: what is trained first: that study, or what confirms it.
        begun: the record of that, if there is one.
        asked: what the request comes to.
        say: told what a person should know of the workers.

    Raises:
        UserError: the workers do not have what is asked for, or what the study was begun with.
    """
    known = begun or stored
    device = known.device if known and request.device == "auto" else request.device
    precision = known.precision if known and request.precision == "auto" else request.precision
    threads = known.threads if known and request.threads is None else request.threads or 1
    objective = request.plan.space.objective
    fresh, libraries = objective.fresh_processes, objective.libraries
    offer = executor.offer(Wish(objective.spec, device, precision, threads, fresh, libraries))
    if offer.no_device:
        raise UserError(offer.no_device)
    kind, _, index = offer.device.partition(":")
    if begun:
        given = {"device": kind, "precision": request.precision, "threads": request.threads}
        _check_same(study, begun, given)
    if offer.no_precision:
        of_study = known is not None and request.precision == "auto"
        raise _precision_error(request.study, precision if of_study else None, offer.no_precision)
    gpus = _visible_gpus(index, len(offer.gpus)) if kind == "cuda" else ()
    if gpus and (each := request.plan.space.resources.gpus):
        gpus = gpu_shares(gpus, each)
        _check_jobs(request.jobs, len(gpus), each)
    for note in offer.notes:
        say(f"Note: {note}")
    jobs = request.jobs or (1 if request.executor == "debug" else default_jobs(kind, gpus, threads))
    gpu = offer.gpus[int(index or 0)] if gpus else ""
    record = replace(
        asked,
        device=kind,
        precision=offer.precision,
        threads=threads,
        environments=(environment(request.plan.space.objective.versions(), gpu),),
    )
    pack = pack_size(request.pack, kind) if request.plan.space.objective.packs else 1
    return record, Resources(kind, gpus, jobs, threads, pack)


def _check_jobs(jobs: int | None, most: int, each: float) -> None:
    """Refuse more trainings at a time than fit on the GPUs.

    Args:
        jobs: as asked for; None where nobody did.
        most: how many fit.
        each: how many GPUs one has.
    """
    if jobs is not None and jobs > most:
        raise UserError(
            f"--jobs {jobs}: {most} at a time fit on the GPUs of this run, since the space has "
            f"[resources] gpus = {each:g}; take at most that"
        )


def _precision_error(study: str, begun_in: str | None, fault: str) -> UserError:
    """Of a precision that the workers do not have.

    Args:
        study: its name.
        begun_in: the precision, where the study asks for it; None where a person does.
        fault: why it cannot be had.
    """
    if begun_in is None:
        return UserError(fault)
    return StorageError(f"study {study} was begun in {begun_in}: {fault}")


def _check_same(study: str, begun: Record, given: Mapping[str, object]) -> None:
    """Refuse conditions that are not those of a study that was begun."""
    for key, value in given.items():
        kept = getattr(begun, key)
        if value not in (None, "auto", kept):
            raise StorageError(
                f"study {study} was begun with {key} {kept}: leave --{key} out, "
                "or run it as a study of its own with --study NAME"
            )


def pack_size(asked: str, device: str) -> int:
    """How many replicates a worker trains side by side, at most."""
    if asked == "off" or (asked == "auto" and device == "cpu"):
        return 1
    if asked == "auto":
        return PACK_ON_CUDA
    if asked.isascii() and asked.isdigit() and 1 <= int(asked) <= 1000:
        return int(asked)
    raise UserError(f"--pack {asked}: takes auto, off, or a number from 1 to 1000")


def _visible_gpus(index: str, count: int) -> tuple[str, ...]:
    """The GPUs to share out, as CUDA_VISIBLE_DEVICES names them: all, or the one asked for.

    Args:
        index: of the one asked for; empty for all.
        count: how many CUDA counts.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    # CUDA takes them up to the first that is none: as many as it counts.
    names = visible.split(",")[:count] if visible else map(str, range(count))
    gpus = tuple(name.strip() for name in names)
    return (gpus[int(index)],) if index else gpus
