"""Device, precision, threads and jobs: those of the study, of the person, of the machine."""

from __future__ import annotations

import os
from dataclasses import replace

from ablation.errors import UserError
from ablation.running.request import Request
from ablation.running.resources import PACK_ON_CUDA, Resources, default_jobs
from ablation.storage import StorageError
from ablation.storage.environment import environment
from ablation.storage.record import Record


def run_conditions(
    request: Request, stored: Record | None, study: str, begun: Record | None, asked: Record
) -> tuple[Record, Resources]:
    """Device, precision and threads: a study keeps those that it was begun with.

    A confirmation is a study of its own: it begins with its search's unless others are asked for.
    """
    from ablation.device import DeviceError, pick_device, pick_precision

    known = begun or stored
    wish = known.device if known and request.device == "auto" else request.device
    device = pick_device(wish)
    if begun:
        given = {
            "device": device.type, "precision": request.precision, "threads": request.threads
        }  # fmt: skip
        for key, value in given.items():
            kept = getattr(begun, key)
            if value not in (None, "auto", kept):
                raise StorageError(
                    f"study {study} was begun with {key} {kept}: leave --{key} out, "
                    "or run it as a study of its own with --study NAME"
                )
    precision = known.precision if known and request.precision == "auto" else request.precision
    try:
        precision = pick_precision(precision, device)
    except DeviceError as error:
        if known is None or request.precision != "auto":
            raise
        raise StorageError(f"study {request.study} was begun in {precision}: {error}") from None
    threads = known.threads if known and request.threads is None else request.threads or 1
    gpus = _gpus(device.index) if device.type == "cuda" else ()
    jobs = request.jobs or default_jobs(device.type, gpus, threads)
    record = replace(
        asked,
        device=device.type,
        precision=precision,
        threads=threads,
        environments=(environment(_gpu_name(device.index) if gpus else ""),),
    )
    return record, Resources(device.type, gpus, jobs, threads, pack_size(request.pack, device.type))


def pack_size(asked: str, device: str) -> int:
    """How many replicates a worker trains side by side, at most."""
    if asked == "off" or (asked == "auto" and device == "cpu"):
        return 1
    if asked == "auto":
        return PACK_ON_CUDA
    if asked.isascii() and asked.isdigit() and 1 <= int(asked) <= 1000:
        return int(asked)
    raise UserError(f"--pack {asked}: takes auto, off, or a number from 1 to 1000")


def _gpus(index: int | None) -> tuple[str, ...]:
    """The GPUs to share out, as CUDA_VISIBLE_DEVICES names them: all, or the one asked for."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    every = torch.cuda.device_count()
    # CUDA takes them up to the first that is none: as many as it counts.
    names = visible.split(",")[:every] if visible else map(str, range(every))
    gpus = tuple(name.strip() for name in names)
    return gpus if index is None else (gpus[index],)


def _gpu_name(index: int | None) -> str:
    import torch

    return str(torch.cuda.get_device_name(index or 0))
