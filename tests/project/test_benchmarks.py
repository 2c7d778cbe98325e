"""The benchmarks run and say what they should; what they measure is not judged here."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


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


def test_raising_a_paths_seeds_with_a_look_at_each_finds_more_by_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    calibration = importlib.import_module("calibration")
    once, ever = calibration.raised_path_seeds(np.random.default_rng(0), 4_000)
    assert once == pytest.approx(0.046, abs=0.01)
    assert ever == pytest.approx(0.133, abs=0.02)


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


@pytest.fixture
def calibration(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("calibration")


@pytest.mark.slow
def test_contrasts_cover_what_they_say_under_unequal_spreads(calibration: Any) -> None:
    studies = 4_000
    figures = list(calibration.contrast_figures(np.random.default_rng(0), studies))
    shares = {name: share for name, share, _, _ in figures}
    for name, share, low, high in figures:
        assert low <= share <= high, name
    half = 3 * math.sqrt(0.95 * 0.05 / studies)
    for name, _, low, high in figures:
        expected = (0.0, 1.0) if "pooled" in name else (0.95 - half, 0.95 + half)
        assert (low, high) == pytest.approx(expected)
    # The range is no idle one: a spread that all cells share falls out of it.
    (pooled,) = (x for name, x in shares.items() if "level" in name and "pooled" in name)
    assert pooled < 0.9


@pytest.mark.slow
def test_the_baseline_is_kept_as_often_as_it_should(calibration: Any) -> None:
    figures = list(calibration.baseline_figures(np.random.default_rng(0), 2_000))
    for name, share, low, high in figures:
        assert low <= share <= high, name
    (right,) = (share for name, share, _, _ in figures if "no effect" in name)
    assert right == pytest.approx(0.87, abs=0.03)


@pytest.mark.slow
def test_second_figures_keep_their_error_rates_whatever_settles_the_arms(calibration: Any) -> None:
    figures = list(calibration.secondary_figures(0, 5_000))
    for name, share, low, high in figures:
        assert low <= share <= high, name
    # Without the factor they would not: the ranges are no idle ones.
    naive = [share for name, share, *_ in figures if "without the factor" in name]
    assert max(naive) > 0.055


@pytest.mark.slow
def test_unpaired_runs_folds_and_blocks_keep_their_error_rates(calibration: Any) -> None:
    figures = list(calibration.comparison_figures(np.random.default_rng(0), 10_000))
    for name, share, low, high in figures:
        assert low <= share <= high, name
    # The ranges are no idle ones: the paired test of folds falls out of them.
    plain = [share for name, share, _, _ in figures if "of the paired test" in name]
    assert min(plain) > 0.08


def test_a_range_is_never_narrower_than_chance(calibration: Any) -> None:
    assert calibration.near(0.95, 100_000, 0.005) == pytest.approx((0.945, 0.955))
    assert calibration.near(0.5, 100, 0.005) == pytest.approx((0.35, 0.65))


@pytest.mark.slow
def test_the_test_of_a_paths_interactions_keeps_its_error_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    found, ranges = importlib.import_module("calibration").path_interactions(100_000, 0)
    assert len(found) == 4
    for name, share in found.items():
        low, high = ranges[name]
        assert low <= share <= high, name


DIVERGED = "an arm without effect whose worst fifth diverges is 'better', {} seeds"


@pytest.mark.slow
def test_an_arm_that_diverges_is_hardly_ever_better(calibration: Any) -> None:
    """The shares are those of a count that knows neither the rule nor the report's functions."""
    studies, rng = 1_000, np.random.default_rng(0)
    figures = list(calibration.diverging_arms(np.random.default_rng(0), studies))
    shares = {name: share for name, share, _, _ in figures}
    for seeds, sound, survivors in ((5, 28, 67), (10, 13, 128), (18, 12, 350)):
        name = DIVERGED.format(seeds)
        assert (round(studies * shares[name]), shares[name] <= 0.05) == (sound, True)
        assert round(studies * shares[f"{name}, over the survivors alone"]) == survivors
        values = rng.standard_normal((studies, 2, seeds))
        pairs = values[:, 1] - values[:, 0]
        whole = pairs[(pairs >= 2**0.5 * stats.norm.ppf(0.2)).all(1)]
        found = stats.ttest_1samp(whole, 0, axis=1)
        assert ((found.pvalue < 0.05) & (found.statistic > 0)).sum() == sound
    for name, share, low, high in figures:
        assert low <= share <= high, name


@pytest.mark.slow
@pytest.mark.parametrize("everywhere", [True, False])
def test_without_the_rule_on_divergence_its_simulation_fails(
    calibration: Any, monkeypatch: pytest.MonkeyPatch, everywhere: bool
) -> None:
    monkeypatch.setattr("ablation.statistics.inference.unsound", lambda test, reason: test)
    if not everywhere:  # what is simulated is no longer what the reports say
        with pytest.raises(AssertionError):
            list(calibration.diverging_arms(np.random.default_rng(0), 200))
        return
    monkeypatch.setattr("ablation.report.effects.effects.unsound", lambda test, reason: test)
    figures = list(calibration.diverging_arms(np.random.default_rng(0), 200))
    judged = {name: (share, high) for name, share, _, high in figures if "survivors" not in name}
    for seeds in (10, 18):
        share, high = judged[DIVERGED.format(seeds)]
        assert share > high


@pytest.fixture
def answer_cost(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("answer_cost")


def test_the_spread_between_pairs_is_that_of_the_report(answer_cost: Any) -> None:
    pilot = answer_cost.REFERENCE / "pilot"
    rows = pd.read_csv(pilot / "effects.csv").dropna(subset="pairs")
    half = (rows["ci_high"] - rows["ci_low"]) / 2
    sd = 100 * half * np.sqrt(rows["pairs"]) / stats.t.ppf(0.975, rows["pairs"] - 1)
    spread = answer_cost.measured(pilot, pilot.parent / "none")["last"]
    assert spread.pairs == pytest.approx(math.sqrt((sd**2).mean()), rel=1e-9)
    assert spread.count == rows["pairs"].sum()


@pytest.mark.slow
def test_less_spread_and_looks_cost_fewer_trainings() -> None:
    found = closing_line("answer_cost.py", "--studies", "1000", "--averaged", "none")
    trainings = [way["trainings"] for way in found["ways"]]
    welch, last, last_looks, mean, mean_looks = trainings
    assert welch > last > last_looks > mean_looks
    assert last > mean > mean_looks
    assert min(way["power"] for way in found["ways"]) >= 0.94
