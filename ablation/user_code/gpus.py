"""The GPUs that a user's code can train on: those that PyTorch sees, else those of NVIDIA's driver.

PyTorch is imported only where the code itself uses it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from ablation.errors import UserError
from ablation.user_code.source.own_files import imports

QUERY = ("nvidia-smi", "--query-gpu=uuid,name", "--format=csv,noheader")
SECONDS = 60.0  # that the driver may take to answer: it may have to be loaded first


def gpu_names(files: Iterable[Path]) -> list[str]:
    """The names of the GPUs that this process may use, in CUDA's order.

    Args:
        files: of the user's code.

    Raises:
        UserError: the driver does not answer.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not visible.strip():
        return []
    return _seen_by_torch() if uses_torch(files) else visible_names(_in_machine(), visible)


def uses_torch(files: Iterable[Path]) -> bool:
    """Whether these files import PyTorch, or something that is loaded in this process has."""
    names = (name for file in files for name in imports(file))
    return "torch" in sys.modules or any(name.partition(".")[0] == "torch" for name in names)


def _seen_by_torch() -> list[str]:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [str(torch.cuda.get_device_name(number)) for number in range(count)]


def _in_machine() -> list[tuple[str, str]]:
    """The identifier and name of each GPU of this machine, as nvidia-smi lists them.

    There are none where there is no such program, or where it finds no driver.

    Raises:
        UserError: it does not answer.
    """
    try:
        done = subprocess.run(
            QUERY, capture_output=True, text=True, check=False, timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        return []
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{QUERY[0]} did not answer within {SECONDS:.0f} seconds, so no GPU is known; "
            "use --device cpu, or look at the driver"
        ) from None
    if done.returncode:
        return []
    rows = [line.partition(",") for line in done.stdout.splitlines() if line.strip()]
    return [(identifier.strip(), name.strip()) for identifier, _, name in rows]


def visible_names(gpus: list[tuple[str, str]], visible: str | None) -> list[str]:
    """The names of the GPUs that CUDA shows, as it reads ``CUDA_VISIBLE_DEVICES``.

    Args:
        gpus: the identifier and name of each GPU of the machine.
        visible: the variable; None where it is not set.
    """
    if visible is None:
        return [name for _, name in gpus]
    names = []
    for entry in map(str.strip, visible.split(",")):
        found = _named(gpus, entry)
        if found is None:  # where CUDA stops, too
            break
        names.append(found)
    return names


def _named(gpus: list[tuple[str, str]], entry: str) -> str | None:
    """The name of the GPU that an entry of the variable means; None where it means none."""
    if entry.isascii() and entry.isdigit():
        return gpus[int(entry)][1] if int(entry) < len(gpus) else None
    if entry.startswith("MIG-"):  # a part of a GPU, which has no line of its own
        return entry if gpus else None
    matches = [name for identifier, name in gpus if entry and identifier.startswith(entry)]
    return matches[0] if len(matches) == 1 else None
