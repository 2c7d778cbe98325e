"""From the spec of an objective to the objective."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module

from ablation.errors import UserError
from ablation.objective.contract import Objective

DEFAULT = "crnn.objective:objective"
"""The objective of a space that names none."""

NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@cache
def load_objective(spec: str = DEFAULT) -> Objective:
    """The objective of this spec; the same one each time.

    Args:
        spec: ``module:attribute``; or ``module:function`` and, after a blank, a JSON document
            that the function makes an objective of.

    Raises:
        UserError: there is none.
    """
    name, _, document = spec.partition(" ")
    if not NAME.fullmatch(name):
        raise UserError(f"objective {name!r}: is written module:attribute, as in {DEFAULT}")
    module, _, attribute = name.partition(":")
    try:
        objective = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise UserError(f"objective {name}: {error}") from None
    if document and callable(objective):
        objective = objective(document)
    if not isinstance(objective, Objective):
        raise UserError(f"objective {name}: {module} has no objective called {attribute}")
    return objective
