"""Devices and precisions: which a machine has, and which is taken."""

from __future__ import annotations

import platform
import re

import torch.utils.deterministic

from ablation.errors import UserError


class DeviceError(UserError):
    """The device or precision asked for is not to be had on this machine."""


def pick_device(name: str = "auto") -> torch.device:
    """The device by name: ``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:N``.

    Raises:
        DeviceError: no such device: CUDA is asked for and absent, or has no such number.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]?))?", name):
        raise DeviceError(f"--device {name}: takes auto, cpu, cuda or cuda:N")
    device = torch.device(name)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and count <= (device.index or 0):
        ending = "" if count == 1 else "s"
        present = f"{count} CUDA device{ending}" if count else "no CUDA device"
        raise DeviceError(f"--device {name}: this machine has {present}; use --device auto or cpu")
    return device


def has_bf16(device: torch.device) -> bool:
    """Whether `device` computes in bf16 natively (an emulation would be slower than fp32)."""
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
