"""What the benchmarks share: a description of the machine, medians, the closing line of JSON."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from typing import Any

import torch

from ablation.device import has_bf16
from ablation.running.environment import environment
from crnn.objective import objective


def describe(device: str = "cpu", **more: Any) -> dict[str, Any]:
    """Machine and versions, printed and returned."""
    gpu = torch.cuda.get_device_name(0) if device.startswith("cuda") else ""
    facts: dict[str, Any] = dict(environment(objective.versions(), gpu))
    facts["cores"] = len(os.sched_getaffinity(0))
    facts["bf16"] = has_bf16(torch.device(device))
    facts |= more
    for name, value in facts.items():
        print(f"{name:14} {value}")
    print(flush=True)
    return facts


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, minimum and maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def shown(values: Sequence[float], digits: int = 2) -> str:
    """Median (minimum to maximum), for people."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def finish(name: str, machine: dict[str, Any], **results: Any) -> None:
    """The closing line."""
    print(json.dumps({"benchmark": name, "machine": machine, **results}))
