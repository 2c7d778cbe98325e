"""Tables to paste: captions that stand alone, and LaTeX that compiles whatever users typed."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.text.latex import as_latex, as_markdown, escape_latex
from tests.helpers.made.report_studies import study

HOSTILE = (
    r"\input{stop} \end{table} 50 % a&b _ # $x$ ~ ^ { } \ ^^41 ± − × ≤ é ü – < > \" | `q` [x] *y*"
    " 실험은 왜? größe Đ ŋ þ « » ° µ € ½ ① 🙂 ą ǆ ﬁ ​x ć ű"
    "\x07"
)
SHORT_HOSTILE = r"[x]*\input{stop}%&_#$~^{}é−실험"
ARTICLE = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
\listoftables
\input{effects.tex}
\end{document}
"""


def latex_of(table: StudyTable) -> str:
    return as_latex(Analysis(table))


def test_tables_to_paste_have_a_caption_that_stands_alone() -> None:
    table = study(arms=2, seeds=2, epochs=1, failed=(("conv_layers=2", 1),))
    text = as_markdown(Analysis(table))
    assert "| baseline | 2 |" in text
    assert "2 seeds an arm" in text.splitlines()[-1]
    assert "Some CPU @ 2 GHz, fp32, torch 2.14.1, commit 0123abc." in text.splitlines()[-1]
    latex = latex_of(table)
    assert r"conv\_layers=2 & 1 &" in latex
    assert r"\toprule" in latex


def test_a_caption_has_the_seeds_that_there_are() -> None:
    table = study(arms=3, seeds=3, epochs=1, missing=(("conv_layers=2", 1),))
    text = as_markdown(Analysis(table)).splitlines()[-1]
    assert "last epoch, 2 to 3 of 3 seeds an arm" in text
    assert "Preliminary: 8 of 9 trials have finished" in text


def test_a_latex_table_has_whole_rows_and_says_percent_once() -> None:
    lines = latex_of(study(arms=12, seeds=3, epochs=1)).splitlines()
    assert r"\begin{tabular}{@{}lrrrrrrr@{}}" in lines
    body = lines[lines.index(r"\toprule") : lines.index(r"\bottomrule")]
    assert {line.count(" & ") for line in body if " & " in line} == {7}
    assert sum(line.count(r"\%") for line in body) == 3  # two titles, and the interval's 95 %


def test_a_caption_tells_what_is_marked_and_what_is_left_out() -> None:
    text = latex_of(study(arms=4, seeds=2, epochs=1))
    assert "{*} also changes" in text
    assert "arms; all are in" not in text
    many = latex_of(study("search", arms=60, epochs=1))
    assert "17 of 60 arms; all are in effects.csv." in many
    assert "also changes" not in many


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("50 %", r"50 \%"), ("a_b", r"a\_b"), ("−1 ± 2", r"$-$1 $\pm$ 2"), ("a & b", r"a \& b"),
        ("\\x{1}", r"\textbackslash{}x\{1\}"), ("< 0.001", "$<$ 0.001"), ("#1~^$", r"\#1"
         r"\textasciitilde{}\textasciicircum{}\$"), ("[a]*", "{[}a]{*}"), ("a\x07\x1b\nb", "a b"),
    ],
)  # fmt: skip
def test_escaping_latex(text: str, shown: str) -> None:
    assert escape_latex(text) == shown


# In LaTeX


def hostile() -> StudyTable:
    """A study with what LaTeX takes for commands wherever a user's text is shown."""
    table = study(arms=12, seeds=3, epochs=1)
    odd = {"conv_layers=2": SHORT_HOSTILE, "dropout=0.1": "[x]*", "hidden_size=256": HOSTILE}
    return replace(
        table,
        question=HOSTILE,
        environment={"cpu": HOSTILE, "commit": HOSTILE},
        arms=table.arms.replace({"arm": odd}),
        trials=table.trials.replace({"arm": odd}),
    )


def compiled(text: str, folder: Path) -> str:
    """What LaTeX says of the table in an article; skips without LaTeX, but fails with CI set."""
    program = shutil.which("pdflatex")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("pdflatex is not installed")
        pytest.skip("needs pdflatex and booktabs (Debian: texlive-latex-recommended)")
    (folder / "effects.tex").write_text(text)
    (folder / "article.tex").write_text(ARTICLE)
    (folder / "stop.tex").write_text(r"\errmessage{this file must not be read}")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    for _ in range(2):  # the second time with the list of tables
        done = subprocess.run(
            [*command, "article.tex"], cwd=folder, capture_output=True, timeout=60, check=False
        )
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, said
    return said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("design", "arms"),
    [("one-factor", 2), ("one-factor", 25), ("factorial", 25), ("search", 60)],
)
def test_the_table_compiles_and_fits_its_page(design: str, arms: int, tmp_path: Path) -> None:
    said = compiled(latex_of(study(design, arms=arms, seeds=3, epochs=1)), tmp_path)
    assert "Overfull" not in said
    assert "too large" not in said


@pytest.mark.slow
def test_the_table_compiles_whatever_users_typed(tmp_path: Path) -> None:
    compiled(latex_of(hostile()), tmp_path)


@pytest.mark.slow
def test_the_table_compiles_without_a_result(tmp_path: Path) -> None:
    names = study(arms=3, seeds=1).arms["arm"]
    compiled(latex_of(study(arms=3, seeds=1, failed=tuple((n, 0) for n in names))), tmp_path)
