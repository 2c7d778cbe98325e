"""What takes long to make, made once for all workers of a test run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def once(name: str, make: Callable[[Path], None], factory: pytest.TempPathFactory) -> Path:
    """The caller's own copy of a folder, which the first worker that asks for it fills.

    Args:
        name: the folder's name.
        make: fills an empty folder, in which nothing may hold the folder's path.
        factory: of this worker's folders.
    """
    common = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent  # of all workers
    folder, made = common / f"once-{name}", common / f"once-{name}.made"
    with FileLock(common / f"once-{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed at it
            folder.mkdir()
            make(folder)
            made.touch()
        return Path(shutil.copytree(folder, factory.mktemp("copy") / name))
