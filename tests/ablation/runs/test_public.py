"""Published results, as their files have them, and the effects that they must give.

``data/public/README.md`` says where they are from. The figures in ``data/public/expected.json`` are
by SciPy and statsmodels alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ablation import analyse
from ablation.runs.options import Options
from ablation.runs.reading import read_table
from ablation.runs.refusal import RefusedTableError
from ablation.runs.selection import select_runs
from tests.ablation.runs.selecting import counts, line

DATA = Path(__file__).parent / "data" / "public"
EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))
CHEST: dict[str, Any] = {
    "arm": "model_name", "seed": "seed", "metric": "val_macro_f1", "test": "test_macro_f1",
    "against": "resnet50_pretrained",
}  # fmt: skip
SIZES: dict[str, Any] = {
    "wide": "arms",
    "seed": "Size",
    "metric": "makespan",
    "direction": "minimize",
}
TASKS: dict[str, Any] = {"wide": "arms", "seed": "task", "metric": "auc", "against": "randomforest"}
BINARY = ("type=binary", "auc!=0.748473 (3)", "auc!=0.822915 (1)")
MEANS: dict[str, Any] = {
    "arm": "algorithm",
    "metric": "mean",
    "sd": "std",
    "n": "seeds",
    "direction": "maximize",
}
GAP = "dataset_stats.S100_N30_m3_full.gap_mean"
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("chestx6", CHEST | {"where": "subset_name=100pct"}, "chestx6, all of the data"),
    ("chestx6", CHEST | {"by": "subset_name"}, "chestx6, mean over the parts of the data"),
    ("schedulenet", SIZES | {"against": "FIFO"}, "schedulenet, by size"),
    ("automl", TASKS | {"where": BINARY}, "automl, binary tasks"),
    ("cleanrl", MEANS | {"against": "ppo_continuous_action"}, "cleanrl, means and deviations"),
]
COLUMNS = {"mean": "val_mean", "pairs": "pairs", "delta": "delta", "df": "df", "p": "p_value"}


@pytest.mark.parametrize(("name", "options", "key"), CASES, ids=[key for _, _, key in CASES])
def test_published_results_give_their_effects(name: str, options: dict[str, Any], key: str) -> None:
    found = analyse(DATA / f"{name}.csv", **options).set_index("arm")
    wanted = EXPECTED[key]
    assert sorted(found.index) == sorted([options["against"], *(each["arm"] for each in wanted)])
    for each in wanted:
        row = found.loc[each["arm"]]
        own = {
            column: row[column]
            for name, column in COLUMNS.items()
            if name in each and column in row
        }
        theirs = {column: each[name] for name, column in COLUMNS.items() if column in own}
        assert own == pytest.approx(theirs, rel=1e-9)
        assert [row["ci_low"], row["ci_high"]] == pytest.approx(each["ci95"], rel=1e-9)
        assert row["p_holm"] == pytest.approx(each["p_holm"], rel=1e-9)


def test_a_few_cells_of_text_leave_no_arm_out() -> None:
    with pytest.raises(RefusedTableError, match=r"auc has text: '0\.748473 \(3\)' \(line 4\)"):
        analyse(DATA / "automl.csv", **TASKS, where="type=binary")


def test_a_chart_over_a_step_of_its_own_is_a_history() -> None:
    table = read_table([str(DATA / "wandb_chart.csv")], Options())
    chosen = Options(arm="run", metric=GAP, direction="minimize", against=("breezy-cloud-41",))
    runs = select_runs(table, chosen)
    assert list(counts(runs).values()) == [1, 1, 1]
    last = dict(zip(runs.runs["arm"], runs.runs["value"], strict=True))
    assert last["breezy-cloud-41"] == 2.841402247200926
    assert line(runs, "12 rows are 3 runs by epoch_id")


def suggested(*files: str) -> list[str]:
    """What is said of files where nothing was chosen."""
    with pytest.raises(RefusedTableError) as refusal:
        select_runs(read_table(list(files), Options()), Options(), files)
    return list(refusal.value.advice)


def test_means_with_deviations_are_suggested_as_such() -> None:
    advice = suggested(str(DATA / "cleanrl.csv"))
    assert advice[-1].endswith(
        "--arm algorithm --metric mean --against ppo_continuous_action --higher-is-better "
        "--sd std --n seeds"
    )


@pytest.mark.parametrize("name", ["schedulenet", "automl"])
def test_columns_of_arms_are_suggested_as_such(name: str) -> None:
    assert "--wide arms --metric NAME --seed COLUMN" in suggested(str(DATA / f"{name}.csv"))[-1]
