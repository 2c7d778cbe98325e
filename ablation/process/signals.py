"""Ctrl-C and SIGTERM: noted and acted on where a run can be left, rather than anywhere."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class InterruptedRunError(Exception):
    """Ctrl-C or SIGTERM ended the run; `signum` is the signal."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class StoppedAtOnceError(KeyboardInterrupt):
    """A second signal, which no library takes for an error of its own; `signum` is the first."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


_latest: list[int] = []  # the signals caught in the latest `caught_signals`


def interrupted() -> bool:
    """Whether a signal has been caught that the run has not acted on yet."""
    return bool(_latest)


def raise_if_interrupted() -> None:
    """End a wait after Ctrl-C.

    Raises:
        InterruptedRunError: a signal has been caught.
    """
    if _latest:
        raise InterruptedRunError(_latest[0])


def stop_if_interrupted() -> None:
    """End a training of this process after Ctrl-C, through code that may catch errors.

    Raises:
        StoppedAtOnceError: a signal has been caught.
    """
    if _latest:
        raise StoppedAtOnceError(_latest[0])


def forget() -> None:
    """Forget the signals of an earlier run of this process."""
    global _latest
    _latest = []


@contextmanager
def ctrl_c_ignored() -> Iterator[None]:
    """Ignore SIGINT here and, for good, in processes started meanwhile.

    A terminal sends Ctrl-C to the workers too, and one that is still starting would print a
    traceback of its own. In another thread than the main one nothing can be ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def caught_signals() -> Iterator[list[int]]:
    """The signals caught so far; a second one stops at once, as `StoppedAtOnceError`.

    Handlers are set even where SIGINT is ignored, as in a script's background jobs.
    """
    global _latest
    caught: list[int] = []
    _latest = caught

    def note(signum: int, _frame: FrameType | None) -> None:
        if caught:
            raise StoppedAtOnceError(caught[0])
        caught.append(signum)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
