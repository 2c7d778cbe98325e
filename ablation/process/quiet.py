"""Keeps what libraries say, and what a user has set for them, out of the command line."""

from __future__ import annotations

import logging
import os
import warnings


def silence_warnings() -> None:
    """Ignore the warnings of libraries; those that `-W` or `PYTHONWARNINGS` asks for still come.

    They are about code that a user of the command line cannot change. What the user should know is
    printed, never warned of.
    """
    warnings.simplefilter("ignore", append=True)


def isolate_libraries() -> None:
    """Before matplotlib is imported: let it read no settings of the user's, and log errors alone.

    A `matplotlibrc` that cannot be read would end the program as matplotlib is imported, and one
    with a mistake would print warnings.
    """
    silence_warnings()
    os.environ["MATPLOTLIBRC"] = os.devnull
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
