"""One training of a user's function, in the process that is its own."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation.objective import Epoch, Listener, Result
from ablation.user_code.definition import Definition
from ablation.user_code.training.run import Run, Stop, TrainingError

LOG = "train.log"
LINES = 20  # of the log that stand beside a failure
OTHER_DEVICE = re.compile(
    "invalid device ordinal|not compiled with CUDA|No CUDA GPUs are available"
    "|no CUDA-capable device|Found no NVIDIA driver",
    re.IGNORECASE,
)
"""What PyTorch says of a device that a training does not see."""


@dataclass(frozen=True)
class ListenerChannel:
    """Passes on what a training reports to who listens to its worker."""

    listener: Listener

    def tell(self, epoch: Epoch, *, again: bool) -> None:
        """See `ablation.user_code.training.run.Channel`."""
        self.listener.on_epoch(0, epoch, again=again)

    def note(self, epoch: Epoch) -> None:
        """See `ablation.user_code.training.run.Channel`."""
        self.listener.on_note(0, epoch)

    def set_aside(self, path: Path) -> None:
        """See `ablation.user_code.training.run.Channel`."""
        self.listener.on_damaged(path)

    def untracked(self, names: Sequence[str]) -> None:
        """See `ablation.user_code.training.run.Channel`."""
        self.listener.on_untracked(names)

    def leave(self) -> None:
        """See `ablation.user_code.training.run.Channel`."""
        self.listener.leave()


def call(function: Callable[[Any, Run], object], settings: object, run: Run) -> Result:
    """Call a user's function in the training's folder; what comes of it.

    Raises:
        TrainingError: it left by `sys.exit`, did not keep to the contract, or asked for a device
            that it does not see.
        Exception: what stopped the training, or what it failed with.
    """
    begin = time.monotonic()
    os.chdir(run.folder)
    returned: object = None
    try:
        returned = function(settings, run)
        final, value = run.outcome(returned)
    except Stop:
        run.outcome(None)  # raises what it was stopped for
        raise
    except SystemExit as error:
        raise TrainingError(f"train left by sys.exit({error.code!r})") from error
    except FileNotFoundError as error:
        if error.filename and not Path(error.filename).is_absolute():
            error.add_note(
                f"{error.filename} was looked for in {run.folder}, the training's own folder; a "
                "file beside the space is at run.data / its name"
            )
        raise
    except Exception as error:
        if OTHER_DEVICE.search(str(error)):
            what, *_ = str(error).splitlines()
            raise TrainingError(
                f"{what}: a training sees its own devices only; use run.device, here {run.device}"
            ) from error
        raise
    return Result(time.monotonic() - begin, {"returned": final} if final else {}, value)


@contextmanager
def output_to(path: Path | None) -> Iterator[None]:
    """Have what this process and its children print in a file; None leaves it as it is.

    What an exception finds at the file's end is added to it as a note.
    """
    if path is None:
        yield
        return
    kept = [os.dup(number) for number in (1, 2)]
    with path.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    try:
        yield
    except BaseException as error:
        sys.stdout.flush()
        sys.stderr.flush()
        if lines := last_lines(path):
            error.add_note("\n".join([f"The end of {path.name}:", *lines]))
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, other in zip((1, 2), kept, strict=True):
            os.dup2(other, number)
            os.close(other)


def last_lines(path: Path, count: int = LINES) -> list[str]:
    """The last lines of a file that may be long."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 200 * count))
        return file.read().decode("utf-8", "replace").splitlines()[-count:]


def marks_of(definition: Definition, digest: str, seed: int) -> dict[str, str]:
    """Whose training a checkpoint is: of which code, setting and seed."""
    return {
        "trains": definition.trains,
        "code": json.dumps(definition.code, sort_keys=True),
        "setting": digest,
        "seed": str(seed),
    }
