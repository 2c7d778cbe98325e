"""A harness that tells which settings of a network matter, by how much, and how sure we are.

    from ablation import analyse, effects, load_trials, run_study

What a name needs is imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablation.api import analyse, effects, load_trials, run_study
    from ablation.errors import UserError
    from ablation.objective import Objective
    from ablation.user_code.training.run import Run

__all__ = ["Objective", "Run", "UserError", "analyse", "effects", "load_trials", "run_study"]

_MODULES = {
    "Objective": "ablation.objective",
    "Run": "ablation.user_code.training.run",
    "UserError": "ablation.errors",
    "analyse": "ablation.api",
    "effects": "ablation.api",
    "load_trials": "ablation.api",
    "run_study": "ablation.api",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
