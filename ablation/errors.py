"""What a person can mend."""

import difflib
from collections.abc import Iterable, Sequence

MAX_LINE = 1_000


class UserError(Exception):
    """Wrong input, or something outside that must be mended first.

    The message is for people: one line (or more, one a fault) with what, where and the fix. The
    command line prints it without a traceback and ends with status 2.

    Attributes:
        advice: lines that follow the message, which are no faults: what there is, and what to type.
    """

    advice: Sequence[str] = ()


def one_line(text: str) -> str:
    """A text as one line that a terminal can show, its middle left out if need be."""
    line = " ".join(text.splitlines())
    if len(line) > MAX_LINE:
        line = f"{line[: MAX_LINE // 2]} … {line[-MAX_LINE // 2 :]}"
    return printable(line)


def printable(text: str) -> str:
    """A text in which a terminal finds no commands: what cannot be seen is spelled out."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """``did you mean …? Valid: …``, for a name that is not one of `valid`."""
    valid = list(valid)
    close = difflib.get_close_matches(name, valid, n=3, cutoff=0.5)
    guess = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{guess}Valid: {', '.join(valid) or 'none'}"


class DivergedError(ArithmeticError):
    """A training's figures are no longer finite numbers; the message says where that was seen."""


class StopRunError(Exception):
    """Nothing can be trained before a person has corrected something, which the message says."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 seed``, ``3 seeds``.

    Args:
        number: how many.
        noun: of one.
        plural: of several; the noun with an s unless given.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
