"""What a study ran on: versions, hardware, commit."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from ablation.versions import commit_of, version_of

PACKAGES = ("optuna", "pandas", "scipy", "joblib")  # of the harness


def environment(versions: dict[str, str], gpu: str = "") -> dict[str, str]:
    """Name and text of everything that a result depends on beside its settings.

    Args:
        versions: of what trains; see `ablation.objective.Objective.versions`.
        gpu: the GPU's name, where one is used.
    """
    facts = {"crnn-ablation": version_of("crnn-ablation"), "commit": commit()}
    facts["python"] = platform.python_version()
    facts |= versions | {name: version_of(name) for name in PACKAGES}
    facts |= {"system": platform.platform(), "cpu": cpu_name(), "cores": str(os.cpu_count())}
    if gpu:
        facts["gpu"] = gpu
    return {name: text for name, text in facts.items() if text}


def cpu_name() -> str:
    """The processor's name, or the architecture where it has none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """The project's commit; empty where it is no checkout."""
    root = Path(__file__).parents[2]
    return commit_of(root) if (root / ".git").exists() else ""
