"""`analyse`: a table of runs that were trained elsewhere, from the command line to every place."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note

from ablation.folders import ENVIRONMENT_VARIABLE
from tests.helpers.commands.cli import Answer, call, files

DATA = Path(__file__).parents[1] / "runs" / "data"
LONG = "01_long.csv --arm strategy --seed seed --metric val_auc --against plain --margin 0.005"
HISTORY = "02_history.csv --arm ablation --metric val_acc --against baseline --margin 0.005"
CHECKPOINTS = "03_checkpoints.csv --arm method --seed seed --metric clean_top1 --against none"
TASKS = "05_tasks.csv --arm model --seed seed --metric val_auc --against gcn --margin 0.005"
WANDB = (
    "06_wandb.csv --setting model.dropout --setting optim.lr --seed seed --metric val/acc "
    "--test test/acc --margin 0.5"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    return tmp_path


def analyse(words: str) -> Answer:
    name, *options = shlex.split(words)
    return call("analyse", str(DATA / name), *options, figures=False)


def test_names_of_other_tools_are_drawn(folder: Path) -> None:
    """A setting called as one of the network's that has no number, a figure with a slash."""
    rows = [
        f"{dropout},{seed},{epoch},{0.5 + epoch / 10 + seed / 100}"
        for dropout in ("None", "0.1", "0.2", "0.3", "0.4", "0.5")
        for seed in range(2)
        for epoch in range(3)
    ]
    (folder / "runs.csv").write_text("\n".join(["dropout,seed,epoch,val/acc", *rows]) + "\n")
    options = [
        "--setting",
        "dropout",
        "--seed",
        "seed",
        "--metric",
        "val/acc",
        "--against",
        "dropout=None",
    ]
    answer = call("analyse", "runs.csv", *options)
    assert answer.code == 0, answer.err
    assert (folder / "results/runs/plots/learning_curves_val-acc.png").is_file()


GIVES = [
    (
        f"{LONG} --test test_auc",
        ["val_auc is empty for focal, seed 14 (line 23): a run without a result",
         "focal lacks seed 16: 4 pairs instead of 6"],
        {"reweighted": "better", "oversampled": "equivalent", "focal": "inconclusive"},
    ),
    (
        HISTORY,
        ["58 rows are 12 runs by epoch; each run's figure is val_acc at its last epoch",
         "no_mixup, run 4 ends at epoch 2, the others at 4: left out as unfinished "
         "(--early-stopping counts each run's own end)",
         "run is a number, not a seed: unpaired, Welch's test (--seed run if run 1 of every arm "
         "shared its seed)"],
        {"no_gate": "equivalent, unpaired", "no_mixup": "worse, by less than the margin"},
    ),
    (
        f"{CHECKPOINTS} --where checkpoint=last --lower-is-better --unit percent --margin 0.5",
        ["1 row is there twice, digit by digit: counted once"],
        {"patchmix": "better", "jitter": "inconclusive"},
    ),
    (
        "04_cv_results.csv --margin 0.5",
        ["5 folds of one cross-validation share training data: intervals and tests are corrected "
         "(Nadeau and Bengio): s·√(1/5 + 1/4)"],
        {"max_depth=16": "better, corrected for folds",
         "max_depth=4": "inconclusive, corrected for folds"},
    ),
    (
        f"{TASKS} --by dataset",
        ["gin on cedar: the same figure for all 5 seeds", "these 3 data sets, not"],
        {"gat": "inconclusive", "gin": "better", "amber gat": "better",
         "birch gat": "inconclusive"},
    ),
    (
        f"{WANDB} --keep latest",
        ["left out: 1 crashed, 1 running, 1 finished without val/acc (optim.lr=0.003, seed 4)"],
        {"model.dropout=0.1": "better", "model.dropout=0.5": "inconclusive",
         "optim.lr=0.003": "equivalent"},
    ),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "lines", "verdicts"), GIVES, ids=[words.split(".")[0] for words, _, _ in GIVES]
)
def test_a_table_gives_its_verdicts(
    words: str, lines: list[str], verdicts: dict[str, str], folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", "120")
    answer = analyse(words)
    assert answer.code == 0, answer.err
    name = words.split(".")[0]
    page = (folder / "results" / name / "report.md").read_text(encoding="utf-8")
    for line in lines:
        assert line in answer.out
        assert answer.out.count(line) == 1
        assert line.split("(")[0].strip() in page.replace("\\", "")
    rows = [" ".join(row.split()) for row in answer.out.splitlines()]
    for arm, verdict in verdicts.items():
        own = [row for row in rows if row.startswith(f"{arm} ")]
        assert any(verdict in row for row in own), (arm, own)
    assert answer.out.endswith(f"Plots:  results/{name}/plots/\n")


REFUSED = [
    (
        "01_long.csv --arm strategy --seed seed --metric val_auc",
        ["--against ARM, one of plain, reweighted, oversampled, focal"],
    ),
    (
        CHECKPOINTS,
        ["(none, 0) and 14 more have 2 rows that differ in checkpoint (best, last), epoch: choose, "
         "--where checkpoint=last",
         "clean_top1 does not say whether higher is better: --lower-is-better or "
         "--higher-is-better"],
    ),
    (
        TASKS,
        ["(gcn, 0) and 14 more have 3 rows (or 2) that differ in dataset (amber, birch, cedar): "
         "--by dataset for an analysis of each and of their mean, or --where dataset=amber"],
    ),
    (
        WANDB,
        ["(model.dropout=0.5, 2) has 2 rows that differ in val/acc, Created: --keep latest takes "
         "the newer"],
    ),
    (f"{LONG} --lower-is-better --higher-is-better", ["keep one"]),
    (f"{LONG} --study a/b", ["study name 'a/b'"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "reasons"), REFUSED)
def test_what_cannot_be_analysed_is_refused_with_every_reason(
    words: str, reasons: list[str], folder: Path
) -> None:
    answer = analyse(words)
    assert (answer.code, answer.out) == (2, "")
    lines = answer.err.splitlines()
    assert len(lines) == len(reasons)
    assert all(line.startswith("error: ") for line in lines)
    assert all(any(reason in line for line in lines) for reason in reasons)
    assert not list(folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["06_wandb.csv", "01_long.csv"])
def test_without_options_it_says_what_to_type(name: str, folder: Path) -> None:
    refused = analyse(name)
    assert refused.code == 2
    *seen, last = refused.err.splitlines()
    assert seen[0].startswith("error: ")
    assert not list(folder.iterdir())
    words = shlex.split(last.partition("type: ")[2])
    typed = words[words.index("analyse") :]
    assert call(*typed, figures=False).code == 0


@pytest.mark.slow
def test_the_same_again_changes_nothing_and_another_margin_is_a_look(folder: Path) -> None:
    assert analyse(LONG).code == 0
    before = files(folder / "results" / "01_long")
    again = analyse(LONG)
    assert "Nothing new: study 01_long has these runs already.\n" in again.out
    assert files(folder / "results" / "01_long") == before
    other = analyse(LONG.replace("0.005", "0.01"))
    assert "This is look 2, so error rates are not controlled." in other.out
    assert other.code == 0
    refused = analyse(LONG.replace("plain", "focal"))
    assert refused.code == 2
    assert "analyse these as another with --study NAME" in refused.err
    assert analyse(f"{LONG.replace('plain', 'focal')} --study q").code == 0


@pytest.mark.slow
def test_every_other_command_knows_it(folder: Path) -> None:
    assert analyse(f"{LONG} --study kept").code == 0
    told = call("report", figures=False)
    assert "Better than plain: reweighted" in told.out
    for kind in ("md", "tex"):
        assert "reweighted" in call("report", "kept", "--table", kind).out
    assert "imported" in call("status").out
    shown = call("status", "kept").out
    assert "22 of 23 runs have a result." in shown
    assert re.search(r"Run \d+, focal, seed 14, has no result: without val_auc", shown)
    assert "waiting" not in shown
    assert call("copy", "kept", "copy.db").code == 0
    copied = call("report", "kept", "--storage", "copy.db", "--results", "other", figures=False)
    assert copied.out.replace("other/", "results/") in told.out
    refused = call("run", "smoke", "--study", "kept")
    assert refused.code == 2
    assert refused.err == (
        "error: study kept: its runs were trained elsewhere, and nothing can be trained in it; "
        "choose another name with --study NAME\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", [LONG, HISTORY])
def test_optuna_dashboard_has_its_note_and_graphs(words: str) -> None:
    assert analyse(words).code == 0
    name = words.split(".")[0]
    storage = "sqlite:///results/studies.db"
    study = optuna.load_study(study_name=name, storage=storage)
    note = get_note(study)
    assert "Which arms differ from" in note
    assert "## The files" in note
    assert f"analyse {words}" in note.replace("\\", "")
    assert "[factors]" not in note
    graphs = study._storage.get_study_system_attrs(study._study_id)
    assert any("effects" in key for key in graphs)
    assert any("learning-curves" in key for key in graphs) is (words == HISTORY)


def test_one_run_an_arm_has_means_and_no_verdict(folder: Path) -> None:
    table = folder / "once.csv"
    table.write_text("method,val_acc\nnone,0.81\nmixup,0.83\n", encoding="utf-8")
    words = ["--arm", "method", "--metric", "val_acc", "--against", "none"]
    answer = call("analyse", str(table), *words, figures=False)
    assert answer.code == 0, answer.err
    assert "Means only, no verdict" in answer.out
    assert "better" not in answer.out.partition("\n\n")[2]


def test_each_option_has_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = call("analyse", "--help").out
    panels = out.partition("What is compared")[2]
    rows = [line for line in panels.splitlines() if line.startswith("│")]
    assert len(rows) > 15
    assert all(re.match(r"│ --[a-z-]+ ", row) for row in rows)
