"""What a study ran on: versions, hardware, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "torchvision", "numpy", "optuna", "pandas", "scipy", "joblib")


def environment(gpu: str = "") -> dict[str, str]:
    """Name and text of everything that a result depends on beside its settings.

    Args:
        gpu: the GPU's name, where one is used.
    """
    facts = {"crnn-ablation": _version("crnn-ablation"), "commit": commit()}
    facts["python"] = platform.python_version()
    facts |= {name: _version(name) for name in PACKAGES}
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
    """The project's commit, ``+changes`` where files differ from it; empty outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        return head + ("+changes" if _git(root, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
