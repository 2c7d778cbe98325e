"""Which GPUs are shared out among workers."""

from __future__ import annotations

import pytest

from ablation.running.conditions import _visible_gpus


@pytest.mark.parametrize(
    ("visible", "counted", "expected"),
    [
        ("0,-1,1", 1, ("0",)),  # CUDA stops at the first that is none
        ("0,", 1, ("0",)),
        ("1, 0", 2, ("1", "0")),
        ("GPU-8932f937,GPU-d72c1f22", 2, ("GPU-8932f937", "GPU-d72c1f22")),
        ("", 2, ("0", "1")),
        (None, 3, ("0", "1", "2")),
    ],
)
def test_gpus_as_cuda_counts_them(
    visible: str | None, counted: int, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert _visible_gpus("", counted) == expected
    assert _visible_gpus("0", counted) == expected[:1]
