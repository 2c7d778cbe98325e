"""Devices and precisions: which a machine has, and which is taken."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING

from ablation.errors import UserError

if TYPE_CHECKING:
    import torch


class DeviceError(UserError):
    """The device or precision asked for is not to be had on this machine."""


def choose_device(name: str, count: int) -> str:
    """The device by name, as ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` is CUDA where there is one.

    Args:
        name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        count: how many CUDA devices there are.

    Raises:
        DeviceError: no such device: CUDA is asked for and absent, or has no such number.
    """
    if name == "auto":
        return "cuda" if count else "cpu"
    if not re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]?))?", name):
        raise DeviceError(f"--device {name}: takes auto, cpu, cuda or cuda:N")
    kind, _, index = name.partition(":")
    if kind == "cuda" and count <= int(index or 0):
        ending = "" if count == 1 else "s"
        present = f"{count} CUDA device{ending}" if count else "no CUDA device"
        raise DeviceError(f"--device {name}: this machine has {present}; use --device auto or cpu")
    return name


def pick_device(name: str = "auto") -> torch.device:
    """The device by name among those that PyTorch sees; see `choose_device`."""
    import torch

    count = torch.cuda.device_count() if name != "cpu" and torch.cuda.is_available() else 0
    return torch.device(choose_device(name, count))


def has_bf16(device: torch.device) -> bool:
    """Whether `device` computes in bf16 natively (an emulation would be slower than fp32)."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if platform.machine() in ("x86_64", "AMD64"):  # oneDNN emulates it on any AVX-512
        return bool(torch.cpu._is_avx512_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pick_precision(name: str, device: torch.device) -> str:
    """``fp32`` or ``bf16``; ``auto`` is bf16 where `device` computes in it natively.

    Raises:
        DeviceError: bf16 is asked for and the device does not compute in it natively.
    """
    if name == "auto":
        return "bf16" if has_bf16(device) else "fp32"
    if name == "bf16" and not has_bf16(device):
        raise DeviceError(f"--precision bf16: this {device.type} has no bf16; use fp32 or auto")
    return name
