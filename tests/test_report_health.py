"""An arm that diverged is no finding, in whatever a report shows of it."""

from __future__ import annotations

import pandas as pd
import pytest

from crnn.live import graphs
from crnn.live.note import note
from crnn.report.answer import all_ended, answer, counts, incomplete
from crnn.report.confirmed import path_effects
from crnn.report.contrasts import COLUMNS, contrasts
from crnn.report.effects import effects
from crnn.report.paste import as_latex, as_markdown
from crnn.report.table import StudyTable
from crnn.report.tables import arms_table, brief_table
from tests.report_studies import study

ARM = "hidden_size=256"


def diverging(*seeds: int, arm: str = ARM, design: str = "one-factor", n: int = 10) -> StudyTable:
    """A study of which one arm diverged in some seeds, and is far better in the others."""
    table = study(
        design,
        arms=4 if design == "factorial" else 5,
        seeds=n,
        failed=tuple((arm, seed) for seed in seeds),
    )
    trials = table.trials
    gone = trials["state"] == "FAIL"
    trials["diverged"] = pd.Series(pd.NA, trials.index, "Int64").mask(gone, 3)
    trials.loc[(trials["arm"] == ARM) & ~gone, "val_accuracy"] += 0.05
    return table


def judged(table: StudyTable) -> pd.DataFrame:
    return effects(table.trials, table.arms, table.margin).set_index("arm")


def test_an_arm_that_diverged_is_never_better() -> None:
    assert judged(diverging()).loc[ARM, "verdict"] == "better"
    row = judged(diverging(1, 4)).loc[ARM]
    assert (row["verdict"], row["reason"]) == ("inconclusive", "diverged in 2 of 10 seeds")
    assert (row["diverged"], row["pairs"], row["p_value"], row["p_holm"]) == (2, 8, 1.0, 1.0)
    assert row["delta"] > 0.04  # described all the same


def test_what_is_compared_with_an_arm_that_diverged_has_no_finding() -> None:
    found = judged(diverging(0, arm="baseline"))
    assert set(found["verdict"].iloc[1:]) == {"inconclusive"}
    assert set(found["reason"].iloc[1:]) == {"baseline diverged in 1 of 10 seeds"}


def test_a_seed_that_was_trained_to_its_end_since_did_not_diverge() -> None:
    table = diverging(1)
    done = table.trials[(table.trials["arm"] == ARM) & (table.trials["seed"] == 2)]
    trials = pd.concat([table.trials, done.assign(seed=1, number=999)], ignore_index=True)
    found = effects(trials, table.arms, table.margin).set_index("arm")
    assert (found.loc[ARM, "diverged"], found.loc[ARM, "reason"]) == (0, "")


def test_every_output_says_so() -> None:
    table = diverging(1, 4)
    found = judged(table).reset_index()
    said = "inconclusive: diverged in 2 of 10 seeds"
    for text in (arms_table(table, found), brief_table(table, found)):
        assert any(cell.startswith(said) for row in text.rows for cell in row)
    lines = answer(table, found, contrasts(table.trials, table.arms, "one-factor", []))
    assert not any(ARM in line for line in lines if line.startswith("Better than"))
    words = " ".join(lines)
    assert "diverged in 2 of 10 seeds" in words
    assert f"Recommended: {ARM}" not in words
    for page in (as_markdown(table, found), as_latex(table, found)):
        assert said in page
    assert said in note(table, found, pd.DataFrame(columns=COLUMNS))
    figure = graphs.forest(found.iloc[1:], table.margin, settled=True).to_json()
    assert "diverged in 2 of 10 seeds" in figure


def test_a_divergence_is_an_end() -> None:
    table = diverging(0, 1, 2, n=3)
    assert counts(table) == {"finished": 12, "diverged": 3}
    assert all_ended(table)
    assert incomplete(table) == []
    found = judged(table).reset_index()
    words = answer(table, found, contrasts(table.trials, table.arms, "one-factor", []))
    assert f"Not tested, because diverged in 3 of 3 seeds: {ARM}." in words


@pytest.mark.parametrize("kind", ["main", "interaction"])
def test_a_contrast_of_a_cell_that_diverged_is_not_significant(kind: str) -> None:
    table = diverging(1, design="factorial")
    found = contrasts(table.trials, table.arms, "factorial", list(table.factors))
    assert set(found.loc[found["kind"] == kind, "p_holm"]) == {1.0}


def test_a_step_that_diverged_has_no_finding() -> None:
    table = diverging(3)
    arms = table.arms[table.arms["arm"].isin(["baseline", ARM])].assign(note=["", "step 1"])
    rows = path_effects(table.trials, arms, table.margin)
    assert list(rows["verdict"]) == ["", "inconclusive"]
    assert rows["reason"].iloc[1] == "diverged in 1 of 10 seeds"
