"""Output that reaches the person, whatever the encoding: plain characters where it lacks others."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TextIO

HANDLER = "crnn-plain"  # for `codecs.register_error`
PLAIN = {
    **dict.fromkeys("−–—‐‑―─━╌╍╴╸╺╶═", "-"), **dict.fromkeys("│┃║╎╏╵╷╹╻", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╯╰┏┓┗┛┡┩╇", "+"), **dict.fromkeys("█▉▊▋▌▍▎▏▇▆▅▄▃▂▁", "#"),
    **dict.fromkeys("‘’‚′", "'"), **dict.fromkeys("“”„″", '"'), **dict.fromkeys("•·●", "*"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f", " "), "…": "...", "×": "x", "✓": "ok",
    "✗": "x", "±": "+/-", "≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "←": "<-", "≈": "~",
    "Δ": "d", "µ": "u", "²": "^2", "³": "^3",
}  # fmt: skip


def make_printable() -> None:
    """Let standard output and error show plain characters for what their encoding lacks.

    Without this, one such character is an error, in the middle of a run as well.
    """
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(char, "?") for char in text), error.end


def failure_of(stream: TextIO | None, probe: str = "") -> str:
    """Why a stream cannot be written; empty where it can. Then nothing more is tried.

    Args:
        stream: it; None where it was closed from the beginning.
        probe: what to write, to find out; else only what is left is written.
    """
    try:
        if stream is not None:
            stream.write(probe)
            stream.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]  # else the interpreter tries again at its end
        os.close(nowhere)
        return error.strerror or str(error)
    except ValueError:  # closed
        return ""
    return ""
