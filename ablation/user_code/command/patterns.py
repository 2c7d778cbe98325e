"""Patterns that find figures in what a program prints, as the author of a space writes them."""

from __future__ import annotations

import re

STEPS = ("step", "epoch")
"""The names of a figure that says which step a report is of; the first one that is there counts."""


def pattern_error(pattern: object) -> str:
    """Why a pattern cannot find a figure; empty where it can."""
    if not isinstance(pattern, str):
        return "must be text, a regular expression"
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        return f"no regular expression: {error}"
    if groups == 1:
        return ""
    return f"has {groups} groups; put one, ( … ), around the number, and write others (?: … )"
