"""What processes that run a user's code may have of this one's environment."""

from __future__ import annotations

from collections.abc import Mapping

NOT_FOR_WORKERS = ("CRNN_STUDY_STORAGE",)
"""The variables that lead to the storage, besides PostgreSQL's own, which begin with ``PG``."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""The variables that say how many threads a process's libraries start."""


def leads_to_storage(name: str) -> bool:
    """Whether an environment variable may hold the way to a storage, or its password."""
    return name in NOT_FOR_WORKERS or name.startswith("PG")


def without_storage(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what leads to a storage."""
    return {name: value for name, value in environment.items() if not leads_to_storage(name)}
