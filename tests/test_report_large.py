"""Studies of many arms: what is shown of them, what is said of the rest, and where all are."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crnn.live.note import note
from crnn.live.study_page import study_graphs
from crnn.report.contrasts import contrasts
from crnn.report.effects import effects
from crnn.report.gallery import gallery
from crnn.report.paste import as_markdown
from crnn.report.selection import leading
from crnn.report.table import StudyTable
from crnn.report.tables import arms_table, brief_table
from crnn.report.write import write_report
from tests.report_studies import study

WORSE = [41, 44, 47]


@cache
def many(count: int = 60, seeds: int = 4) -> StudyTable:
    """An arm a level of one factor; the last ones are worse, and their means the lowest."""
    table = study(arms=2, seeds=seeds, epochs=1)
    levels = [f"x={k}" for k in range(1, count)]
    names = ["baseline", *levels]
    base = table.arms.iloc[[0] * count].reset_index(drop=True)
    arms = base.assign(arm=names, changes=["", *levels], factor=["", *["x"] * (count - 1)],
                       kind=["baseline", *["level"] * (count - 1)],
                       against=["", *["baseline"] * (count - 1)],
                       reported_test_accuracy=float("nan"),
                       x=[str(k) for k in range(count)])  # fmt: skip
    one = table.trials[table.trials["arm"] == "baseline"].sort_values("seed")
    trials, history = [], []
    for place, name in enumerate(names):
        wiggle = np.random.default_rng(place).normal(0, 3e-4, seeds)
        shift = -0.03 - 0.001 * place if place in WORSE else 0.00001 * place
        values = [0.9 + 0.001 * k + w + shift for k, w in enumerate(wiggle)]
        rows = one.assign(arm=name, number=range(place * seeds, (place + 1) * seeds),
                          val_accuracy=values)  # fmt: skip
        trials.append(rows)
        history.append(
            pd.DataFrame(
                {
                    "stage": rows["stage"],
                    "number": rows["number"],
                    "arm": name,
                    "seed": rows["seed"],
                    "epoch": 1,
                    "train_loss": 0.4,
                    "train_accuracy": 0.8,
                    "val_loss": 0.4,
                    "val_accuracy": values,
                    "seconds": 1.0,
                }
            )
        )
    return replace(
        table,
        arms=arms,
        trials=pd.concat(trials, ignore_index=True),
        epochs=pd.concat(history, ignore_index=True),
        confusion=table.confusion.iloc[:0],
        reported_curves=table.reported_curves.iloc[:0],
        factors={"x": {"role": "scientific", "levels": list(arms["x"])}},
        wanted=count * seeds,
    )


@cache
def of_all() -> pd.DataFrame:
    table = many()
    return effects(table.trials, table.arms, table.margin)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large")
    write_report(many(), path)
    return path


def test_every_significant_arm_is_shown_and_the_largest_effects_beside_them() -> None:
    rows = of_all()
    worse = set(rows.loc[rows["verdict"] == "worse", "arm"])
    assert worse == {f"x={k}" for k in WORSE}
    shown = leading(many(), rows)
    assert len(shown) == 40
    assert shown["arm"].iloc[0] == "baseline"
    assert worse <= set(shown["arm"])
    others = shown["delta"].iloc[1:]
    assert others.is_monotonic_decreasing
    left = rows[~rows["arm"].isin(shown["arm"])]
    assert left["delta"].abs().max() < rows["delta"].abs().max()


def test_up_to_40_arms_are_all_shown_in_the_order_of_the_design() -> None:
    table = many(40)
    rows = effects(table.trials, table.arms, table.margin)
    assert leading(table, rows)["arm"].tolist() == table.arms["arm"].tolist()
    assert brief_table(table, rows).note == ""


def test_what_is_not_shown_is_counted_by_verdict_in_every_figure_and_table(folder: Path) -> None:
    table, rows = many(), of_all()
    left = rows[~rows["arm"].isin(leading(table, rows)["arm"])]
    kinds = left["verdict"].value_counts()
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    assert "40 of 60 arms" in brief_table(table, rows).note
    assert f"Not shown: {said}." in brief_table(table, rows).note
    for plot in gallery(table, rows):
        if plot.name in ("effects", "arms"):
            assert "40 of 60 arms" in plot.figure._supxlabel.get_text()  # type: ignore[attr-defined]
        elif plot.name in ("learning_curves", "cost"):
            assert "40 of 60 arms" in plot.caption
    for name in ("report.html", "report.md"):
        assert "40 of 60 arms" in (folder / name).read_text()
    assert "40 of 60 arms" in study_graphs(table, rows)["effects"].layout.title.text


def test_all_arms_are_in_a_folded_table_and_in_what_is_pasted(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    names = [*of_all()["arm"]]
    folded = re.findall(r"<details>.*?</details>", page, re.DOTALL)
    (every,) = [part for part in folded if "All 60 arms" in part]
    assert [name for name in names if f">{name}</th>" not in every] == []
    (behind,) = [part for part in folded if "p of sign flips" in part]
    assert behind.count("<tr") == 40  # its titles, and what is shown
    assert "39 of 59 comparisons" in page
    plain = re.sub(r"<details>.*?</details>", "", page, flags=re.DOTALL)
    assert "p of sign flips" not in plain
    assert plain.count('<th scope="row">x=') == 39
    pasted = as_markdown(many(), of_all())
    assert all(f"| {name} |" in pasted for name in names)


def test_the_arms_that_a_sentence_calls_worse_are_in_the_table(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    answer = text.split("## Answer")[1].split("## Effects")[0]
    worse = {f"x={k}" for k in WORSE}
    assert worse <= set(re.findall(r"x=\d+", answer))
    assert worse <= set(leading(many(), of_all())["arm"])


def test_before_the_last_trial_no_verdict_chooses_what_is_shown() -> None:
    unfinished = replace(many(), wanted=many().wanted + 1)
    rows = of_all().assign(delta=lambda x: x["delta"].where(x["verdict"] == "", 0.0001))
    told = rows.assign(verdict=["", *["better"] * 3, *["inconclusive"] * 56])
    for some in (rows, told):
        shown = leading(unfinished, some, settled=False)
        assert "".join(shown["arm"]) == "".join(leading(unfinished, rows, settled=False)["arm"])
    title = study_graphs(unfinished, of_all())["effects"].layout.title.text
    assert "40 of 60 arms" in title
    text = note(
        unfinished, of_all(), contrasts(unfinished.trials, unfinished.arms, "one-factor", [])
    )
    assert "40 of 60 arms: the largest effects." in text


def test_the_largest_effect_is_bold_only_if_it_is_the_largest_of_all() -> None:
    table, rows = many(), of_all()
    best = rows.loc[rows["delta"].idxmax(), "arm"]
    for shown in (arms_table(table, rows), arms_table(table, rows, rows)):
        assert [shown.rows[place][0] for place in shown.strong] == [best]
    assert not arms_table(table, rows, rows[rows["arm"] != best]).strong
