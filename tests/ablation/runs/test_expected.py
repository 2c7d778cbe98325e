"""Six tables as people have them: the effects that they must give, to the last digits.

The figures in ``data/expected.json`` are by SciPy and statsmodels alone, from the files themselves.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablation import analyse
from ablation.report.data.csv_file import csv_text, read_csv
from tests.helpers.commands.cli import ROOT

DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))
LONG: dict[str, Any] = {"arm": "strategy", "seed": "seed", "metric": "val_auc", "against": "plain"}
HISTORY = {"arm": "ablation", "metric": "val_acc", "against": "baseline", "margin": 0.005}
CHECKPOINTS = {
    "arm": "method", "seed": "seed", "metric": "clean_top1", "against": "none",
    "direction": "minimize", "unit": "percent", "margin": 0.5,
}  # fmt: skip
TASKS = {"arm": "model", "seed": "seed", "metric": "val_auc", "against": "gcn", "margin": 0.005}
WANDB = {
    "settings": ["model.dropout", "optim.lr"], "seed": "seed", "metric": "val/acc",
    "test": "test/acc", "margin": 0.5, "keep": "latest",
}  # fmt: skip
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("01_long", LONG | {"margin": 0.005, "test": "test_auc"}, "01 paired"),
    ("02_history", HISTORY, "02 default: last, unfinished left out, Welch"),
    (
        "02_history",
        HISTORY | {"early_stopping": True},
        "02 --early-stopping: each run's own last, Welch",
    ),
    (
        "02_history",
        HISTORY | {"reduce": "mean:3"},
        "02 --reduce mean:3, unfinished left out, Welch",
    ),
    ("02_history", HISTORY | {"reduce": "best"}, "02 --reduce best, unfinished left out, Welch"),
    ("02_history", HISTORY | {"seed": "run"}, "02 --seed run, last, unfinished left out"),
    ("03_checkpoints", CHECKPOINTS | {"where": "checkpoint=last"}, "03 checkpoint=last, lower"),
    ("03_checkpoints", CHECKPOINTS | {"where": "checkpoint=best"}, "03 checkpoint=best, lower"),
    ("04_cv_results", {"margin": 0.5}, "04 folds, Nadeau-Bengio K=5"),
    ("05_tasks", TASKS | {"by": "dataset"}, "05 overall: mean over 3 data sets by seed"),
    ("05_tasks", TASKS | {"where": "dataset=amber"}, "05 --where dataset=amber"),
    ("06_wandb", WANDB, "06 --keep latest"),
]
COLUMNS = {
    "n": "n", "mean": "val_mean", "sd": "val_sd", "pairs": "pairs", "delta": "delta", "df": "df",
    "p": "p_value", "p_holm": "p_holm", "verdict": "verdict",
}  # fmt: skip


def check(row: pd.Series[Any], wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        if name in COLUMNS and COLUMNS[name] in row:
            same = value if isinstance(value, str) else pytest.approx(value, rel=1e-9)
            assert row[COLUMNS[name]] == same, name
    if "ci95" in wanted:
        assert [row["ci_low"], row["ci_high"]] == pytest.approx(wanted["ci95"], rel=1e-9)


@pytest.mark.parametrize(("name", "options", "key"), CASES, ids=[key for _, _, key in CASES])
def test_a_table_gives_its_effects(name: str, options: dict[str, Any], key: str) -> None:
    found = analyse(DATA / f"{name}.csv", **options).set_index("arm")
    wanted = EXPECTED[key]
    assert sorted(found.index) == sorted([EXPECTED[f"{key} baseline"]["arm"], *_arms(wanted)])
    check(found.iloc[0], EXPECTED[f"{key} baseline"])
    for each in wanted:
        check(found.loc[each["arm"]], each)


def _arms(wanted: list[dict[str, Any]]) -> list[str]:
    return [each["arm"] for each in wanted]


@pytest.mark.parametrize(
    ("name", "options", "key"), [CASES[0], CASES[8]], ids=["a file", "an export"]
)
def test_a_data_frame_gives_them_too(name: str, options: dict[str, Any], key: str) -> None:
    path = DATA / f"{name}.csv"
    pd.testing.assert_frame_equal(analyse(pd.read_csv(path), **options), analyse(path, **options))


def test_nothing_is_stored_unless_a_study_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = analyse(DATA / "01_long.csv", **LONG)
    assert not list(tmp_path.iterdir())
    stored = analyse(DATA / "01_long.csv", **LONG, study="kept")
    pd.testing.assert_frame_equal(stored, kept)
    assert (tmp_path / "results" / "studies.db").exists()


REFERENCE = ROOT / "results" / "reference" / "pilot"


def of_reference(**options: Any) -> pd.DataFrame:
    path = REFERENCE / "trials.csv"
    return analyse(path, compare="dropout-once=dropout=0.1", **options)


def test_the_trials_of_a_study_give_its_own_effects() -> None:
    wanted = read_csv(REFERENCE / "effects.csv")
    found = of_reference()
    same = [name for name in found if name in wanted]
    assert {"delta", "ci_low", "ci_high", "p_holm", "val_mean", "test_mean", "verdict"} <= set(same)
    written = pd.read_csv(io.StringIO(csv_text(found[same])))
    again = pd.read_csv(io.StringIO(csv_text(wanted[same])))
    pd.testing.assert_frame_equal(written, again, check_exact=True, check_dtype=False)


def test_of_a_loss_less_is_better() -> None:
    by_arm = of_reference(metric="val_loss").set_index("arm")
    worse = by_arm.loc["filter_sizes=2,2,2"]
    assert worse["delta"] > 0
    assert worse["verdict"] == "worse"
    turned = of_reference(metric="val_loss", direction="maximize").set_index("arm")
    assert turned.loc["filter_sizes=2,2,2", "verdict"] == "better"
