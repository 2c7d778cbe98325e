"""The benchmarks run and say what they should; what they measure is not judged here."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def closing_line(*words: str) -> dict[str, Any]:
    """The last line that a benchmark prints, which is JSON."""
    command = [sys.executable, str(BENCHMARKS / words[0]), *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["machine"]["torch"]
    assert found["machine"]["threads"]
    return found


@pytest.mark.slow
def test_throughput_compares_equal_work(full_data: Path) -> None:
    arm = "dropout-once"
    found = closing_line("throughput.py", "--arm", arm, "--pairs", "1", "--images", "640")
    (measured,) = found["arms"]
    assert (found["benchmark"], measured["arm"]) == ("throughput", arm)
    speeds, ratios = measured["images_per_second"], measured["ratio"]
    assert set(ratios) == {"plain", "plain, several"}
    for way, ratio in ratios.items():
        assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"]
        assert speeds[way]["min"] > 0
    assert found["gemm"]["sgemm"] > 0


@pytest.mark.slow
def test_overhead_measures_the_storage() -> None:
    found = closing_line("overhead.py", "--no-run", "--trials", "20", "40")
    assert [row["trials"] for row in found["storage"]] == [20, 40]
    assert all(row["create_ms"] > 0 and row["end_ms"] > 0 for row in found["storage"])


@pytest.fixture
def precision(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("precision")


def test_an_interval_is_that_of_a_paired_t_test(precision: Any) -> None:
    pairs = pd.Series([0.3, -0.1, 0.25, 0.5, 0.0, 0.1])
    mean, low, high = precision.interval(pairs)
    half = 2.570582 * math.sqrt(pairs.var() / 6)  # the quantile for 5 degrees of freedom, tabled
    assert (mean, low, high) == pytest.approx((0.175, 0.175 - half, 0.175 + half), rel=1e-6)


@pytest.mark.parametrize(("low", "high", "good"), [(-1.0, 0.1, True), (0.0, 2.0, True),
    (0.1, 0.4, True), (-0.4, -0.1, True), (0.1, 0.5, False), (-0.5, -0.1, False)])  # fmt: skip
def test_bf16_passes_near_0(precision: Any, low: float, high: float, good: bool) -> None:
    assert precision.passes(low, high) is good


def test_the_test_of_a_paths_interactions_keeps_its_error_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    found, ranges = importlib.import_module("calibration").path_interactions(100_000, 0)
    assert len(found) == 4
    for name, share in found.items():
        low, high = ranges[name]
        assert low <= share <= high, name
