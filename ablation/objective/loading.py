"""From an objective's name to the objective."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module

from ablation.errors import UserError
from ablation.objective.contract import Objective

DEFAULT = "crnn.objective:objective"
"""The objective of a space that names none, as ``module:attribute``."""

NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@cache
def load_objective(name: str = DEFAULT) -> Objective:
    """The objective of this name.

    Args:
        name: ``module:attribute``.

    Raises:
        UserError: there is none.
    """
    if not NAME.fullmatch(name):
        raise UserError(f"objective {name!r}: is written module:attribute, as in {DEFAULT}")
    module, _, attribute = name.partition(":")
    try:
        objective = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise UserError(f"objective {name}: {error}") from None
    if not isinstance(objective, Objective):
        raise UserError(f"objective {name}: {module} has no objective called {attribute}")
    return objective
