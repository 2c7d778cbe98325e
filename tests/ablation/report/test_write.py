"""The folder of a study: complete, the same twice, and safe from what users type."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ablation.report.data.csv_file import read_csv
from ablation.report.data.study_table import StudyTable
from ablation.report.data.trial_frames import as_in_files
from ablation.report.rendering.templating import breakable, code_span, escape_markdown
from ablation.report.write import write_report
from tests.helpers.figures import in_outline, killed_elsewhere
from tests.helpers.made.report_studies import METRIC, nasty, study


@pytest.fixture(scope="module")
def table() -> StudyTable:
    return study(
        arms=4, seeds=3, epochs=3, failed=(("conv_layers=2", 1),), notes=["A short study."]
    )


@pytest.fixture(scope="module")
def folder(table: StudyTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("results") / "made"
    return write_report(table, place, draw=in_outline).folder


def small(**changes: Any) -> StudyTable:
    """Two arms, and a failure: soon written."""
    return study(arms=2, seeds=2, epochs=1, failed=(("conv_layers=2", 1),), **changes)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_files(folder: Path) -> None:
    figures = [
        "effects", "arms", "factor_conv_layers", "factor_filter_sizes", "factor_pooling_count",
        "learning_curves", "learning_curves_reported", "cost",
        "class_accuracy", "confusion", "confusion_change",
    ]  # fmt: skip
    expected = {f"plots/{name}.{suffix}" for name in figures for suffix in ("png", "svg")}
    expected |= {"trials.csv", "epochs.csv", "effects.csv", "confusion.csv", "space.toml"}
    expected |= {"effects.tex", "environment.json", "report.html", "report.md"}
    assert set(everything(folder)) == expected


@pytest.mark.slow
def test_what_is_reported_as_written_is_there(tmp_path: Path) -> None:
    """With its figures, drawn."""
    table = small(notes=["A short study."])
    heard: list[str] = []
    report = write_report(table, tmp_path / "made", heard.append)
    assert {path.relative_to(tmp_path / "made").as_posix() for path in report.files} == set(
        everything(report.folder)
    )
    assert report.answer[0].startswith("Preliminary: 3 of 4")
    assert report.answer[-1] == "A short study."
    assert "drawing arms" in heard
    drawn = list((tmp_path / "made" / "plots").iterdir())
    starts = {".png": b"\x89PNG", ".svg": b"<?xml"}
    assert all(path.read_bytes().startswith(starts[path.suffix]) for path in drawn)
    assert {path.suffix for path in drawn} == set(starts)


@pytest.mark.slow
@pytest.mark.parametrize("figures", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_built_twice_it_is_the_same_byte_for_byte(
    figures: bool, table: StudyTable, tmp_path: Path
) -> None:
    made, again = (
        write_report(table, tmp_path / name, figures=figures).folder for name in ("made", "again")
    )
    assert everything(again) == everything(made)
    for content in everything(again).values():
        assert str(tmp_path).encode() not in content


def test_tables_read_back_as_they_were(table: StudyTable, folder: Path) -> None:
    text = ["filter_sizes", "hidden_size", "dropout", "conv_layers", "pooling_count"]
    trials = read_csv(folder / "trials.csv", [*text, "learning_rate"])
    trials["failure"] = trials["failure"].fillna("")
    assert_frame_equal(trials, as_in_files(table.trials, METRIC), check_exact=True)
    epochs = as_in_files(table.epochs, METRIC)
    assert_frame_equal(read_csv(folder / "epochs.csv"), epochs, check_exact=True)
    names = {"val_accuracy", "test_accuracy", "best_val_accuracy"}
    assert names <= set(trials.columns)
    assert "value" not in " ".join([*trials.columns, *epochs.columns])
    assert b"\r" not in (folder / "effects.csv").read_bytes()


def test_the_environment_and_the_space(table: StudyTable, folder: Path) -> None:
    assert json.loads((folder / "environment.json").read_text()) == table.environment
    assert (folder / "space.toml").read_text() == table.space_text


def test_files_of_an_earlier_build_go(tmp_path: Path) -> None:
    table = small()
    old = tmp_path / "plots" / "factor_gone.png"
    old.parent.mkdir()
    old.write_bytes(b"")
    (tmp_path / "confusion.csv").write_text("")
    (tmp_path / "notes.txt").write_text("mine")
    write_report(replace(table, confusion=table.confusion.iloc[:0]), tmp_path, draw=in_outline)
    assert not old.exists()
    assert not (tmp_path / "confusion.csv").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


class Links(HTMLParser):
    """What a page asks for, the tags it has, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_no_other_file(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    links = Links(page).links
    assert len(links) == 11
    assert all(link.startswith("data:image/") for link in links)
    assert "url(" not in page
    assert "@import" not in page
    assert Links(page).tags.count("script") == 1


def test_the_page_lets_its_own_script_run_and_no_other(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_the_page_begins_with_the_answer(folder: Path) -> None:
    text = Links((folder / "report.html").read_text()).text
    places = [text.index(words) for words in (
        "Which single change", "Answer", "A short study.", "Effects",
        "Arms compared", "Behind the verdicts", "Reported against measured",
        "Factor by factor", "Learning curves", "Cost", "What did not finish",
        "the training loss is not finite", "Caveats", "new images", "Provenance", "0123abc",
        "python -m ablation run made-one-factor",
    )]  # fmt: skip
    assert places == sorted(places)


def test_markdown_shows_its_figures(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    figures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert len(figures) == 11
    assert all((folder / figure).is_file() for figure in figures)
    assert "## Reported against measured" in text


def test_every_row_of_a_markdown_table_has_as_many_cells(folder: Path) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", (folder / "report.md").read_text(), re.MULTILINE)
    assert len(blocks) >= 4
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


def test_what_users_type_is_text_in_the_reports(tmp_path: Path) -> None:
    folder = write_report(nasty(small()), tmp_path / "made", draw=in_outline).folder
    page = Links((folder / "report.html").read_text())
    assert page.tags.count("script") == 1
    assert "<script>alert(1)</script>" in page.text
    text = (folder / "report.md").read_text()
    assert "<script" not in text
    assert "\n# title" not in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hidden_size=256", "hidden_size=256"),
        ("_x_", r"\_x\_"),
        ("a|b", r"a\|b"),
        ("two\nlines", "two lines"),
        ("# no title", r"\# no title"),
        ("- no item", r"\- no item"),
        ("1. no item", r"1\. no item"),
        ("0.25", "0.25"),
        ("+0.84 points", "+0.84 points"),
        ("`x`", r"\`x\`"),
        ("[a](b)", r"\[a\](b)"),
        ("a < b & c", "a &lt; b &amp; c"),
    ],
)
def test_escaping_markdown(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown


def test_code_and_breaks() -> None:
    assert code_span("run `x`") == "`` run `x` ``"
    assert breakable("a=1+b=2 <+0.5") == "a=1+<wbr>b=2 &lt;+0.5"


@pytest.mark.parametrize("design", ["factorial", "search"])
def test_other_designs(design: str, tmp_path: Path) -> None:
    made = study(design, arms=4, seeds=2, epochs=2)
    folder = write_report(made, tmp_path, draw=in_outline).folder
    assert (folder / "plots" / "history.png").exists() == (design == "search")
    text = (folder / "report.md").read_text()
    assert ("Main effects" in text) == (design == "factorial")


def test_a_study_without_a_result_has_a_report(tmp_path: Path) -> None:
    names = study(arms=3, seeds=1).arms["arm"]
    made = study(arms=3, seeds=1, failed=tuple((arm, 0) for arm in names))
    report = write_report(made, tmp_path)
    assert report.headline == ["No trial has a result: all 3 failed."]
    assert report.answer == ["There is no answer. Fix the cause, then run it with --retry-failed."]
    assert "the training loss is not finite" in (tmp_path / "report.html").read_text()


def test_a_retried_failure_is_told_as_made_good(tmp_path: Path) -> None:
    table = small()
    again = table.trials[table.trials["state"] == "FAIL"].assign(
        number=99, state="COMPLETE", failure="", value=0.9
    )
    more = replace(table, trials=pd.concat([table.trials, again], ignore_index=True))
    text = (write_report(more, tmp_path, figures=False).folder / "report.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| FAIL"))
    assert row.split(" | ")[2:4] == ["1", "1"]


def test_what_runs_is_not_told_as_failed_without_a_reason(tmp_path: Path) -> None:
    table = small()
    first = table.trials.index == 0
    running = table.trials.assign(state=table.trials["state"].mask(first, "RUNNING"))
    report = write_report(replace(table, trials=running), tmp_path, figures=False)
    text = (report.folder / "report.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| RUNNING"))
    assert "under way, or cut off with its run: the next one goes on with it" in row


def test_what_an_arm_is_compared_with_is_said_beside_its_effect(tmp_path: Path) -> None:
    table = small()
    arms = table.arms.copy()
    other, last = arms["arm"].iloc[[1, -1]]
    arms.loc[arms["arm"] == last, "against"] = other
    report = write_report(replace(table, arms=arms), tmp_path, figures=False)
    names = [row[0] for row in report.arms.rows]
    assert names == [*arms["arm"].iloc[:-1], f"{last} against {other}"]


@pytest.mark.slow
def test_a_figure_whose_process_is_killed_is_drawn_in_this_one(tmp_path: Path) -> None:
    whole = write_report(small(), tmp_path / "whole", draw=in_outline)
    report = write_report(small(), tmp_path / "killed", jobs=2, draw=killed_elsewhere)
    assert [path.name for path in report.files] == [path.name for path in whole.files]
    assert everything(report.folder) == everything(whole.folder)
