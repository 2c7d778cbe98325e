"""Modules that are imported once, before processes are forked that all need them."""

from __future__ import annotations

import gc
import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path


def load(libraries: Iterable[str], send: Callable[[bytes], object]) -> bool:
    """Import modules, up to the first that cannot be loaded for all trainings.

    Args:
        libraries: the modules' names.
        send: takes messages, each a list in JSON: ``loading`` and a name, ``failed`` with a name
            and the reason, or at the end ``ready``.

    Returns:
        Whether all are loaded.
    """
    for library in libraries:
        send(json.dumps(["loading", library]).encode())
        why = ""
        try:
            import_module(library)
        except BaseException as error:  # SystemExit, for example: it is each training's to meet
            why = " ".join(f"{type(error).__name__}: {error}".split())
        if not why and has_other_threads():
            why = "it starts threads, which a forked process lacks"
        if why:
            send(json.dumps(["failed", library, why[:500]]).encode())
            return False
    flush_files()  # or each forked process would write the same again
    gc.freeze()
    send(json.dumps(["ready"]).encode())
    return True


def has_other_threads() -> bool:
    """Whether there are threads that do not end themselves before a fork, as OpenBLAS's do."""
    if _threads() > 1:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return _threads() > 1


def _threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()


def flush_files() -> None:
    """Write what open files hold back, as Python does while it takes everything down."""
    made_since = (each for each in gc.get_objects() if issubclass(type(each), WRITERS))
    for file in (sys.stdout, sys.stderr, *made_since):
        with suppress(AttributeError, OSError, ValueError):  # there is none, or it is closed
            file.flush()


WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
