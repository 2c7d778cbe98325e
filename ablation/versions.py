"""Versions of packages, and the commit of a folder."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path


def version_of(package: str) -> str:
    """The version of an installed package; empty where there is none of that name."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def versions_of(modules: Sequence[str]) -> dict[str, str]:
    """By package: the versions of those that modules (by their first names) come from."""
    packages = _packages()
    names = dict.fromkeys(name for module in modules for name in packages.get(module, ()))
    return {name: version_of(name) for name in names}


@cache
def _packages() -> Mapping[str, Sequence[str]]:
    """By module, by its first name: the packages that it comes from. Reads a file of every one."""
    return packages_distributions()


def commit_of(folder: Path) -> str:
    """The commit of a folder, ``+changes`` where files differ from it; empty outside a checkout."""
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        return head + ("+changes" if _git(folder, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
