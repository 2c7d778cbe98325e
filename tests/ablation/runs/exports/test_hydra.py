"""Folders of Hydra's multirun."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ablation.errors import UserError
from ablation.report.data.imported import table_of
from ablation.runs.options import Options
from ablation.runs.reading import read_table
from ablation.runs.selection import select_runs
from tests.ablation.runs.helpers import rows_of


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "multirun" / "2026-03-02" / "13-40-00"
    for number, overrides in enumerate(("- seed=0", "- seed=1\n- +optim.lr=1e-3\n- model=large")):
        job = folder / str(number)
        (job / ".hydra").mkdir(parents=True)
        (job / ".hydra" / "overrides.yaml").write_text(overrides)
        (job / ".hydra" / "config.yaml").write_text("optim:\n  lr: 0.001\nmodel:\n  width: 3\n")
        (job / ".hydra" / "hydra.yaml").write_text(
            "hydra:\n  runtime:\n    choices:\n      model: small\n"
        )
        (job / "metrics.csv").write_text("epoch,acc\n0,0.5\n")
        (job / "train.log").write_text("…")
    return folder


@pytest.mark.parametrize("above", [0, 1, 2])
def test_overrides_are_settings(sweep: Path, above: int) -> None:
    folder = [sweep, *sweep.parents][above]
    table = read_table([str(folder)], Options())
    roles = table.roles
    assert (roles.exporter, roles.seed) == ("Hydra's multirun", "seed")
    assert roles.settings == ("optim.lr", "model")
    assert rows_of(table, "seed", "optim.lr", "model", "epoch", "acc") == [
        ("0", "0.001", "small", "0", "0.5"), ("1", "0.001", "large", "0", "0.5"),
    ]  # fmt: skip


def test_the_command_to_type_again_has_the_folder(sweep: Path) -> None:
    options = Options(settings=("optim.lr",), metric="acc", against=("optim.lr=0.001",))
    for number, rate in enumerate(("0.1", "0.1", "0.001", "0.001"), 2):
        job = sweep / str(number)
        shutil.copytree(sweep / "0", job)
        (job / ".hydra" / "overrides.yaml").write_text(f"- seed={number}\n- optim.lr={rate}")
        (job / ".hydra" / "config.yaml").write_text(f"optim:\n  lr: {rate}\n")
    runs = select_runs(read_table([str(sweep)], options), options, [str(sweep)])
    assert len(runs.files) == 6
    assert table_of(runs).command.startswith("analyse 13-40-00 --setting optim.lr --metric acc")


def test_the_files_of_jobs_may_be_named(sweep: Path) -> None:
    files = sorted(map(str, sweep.glob("*/metrics.csv")))
    assert read_table(files, Options()).roles.settings == ("optim.lr", "model")


def test_several_files_of_figures_are_refused_with_a_choice(sweep: Path) -> None:
    for job in sweep.iterdir():
        (job / "eval.json").write_text("{}")
    with pytest.raises(UserError, match=r"several files .*eval.json, metrics.csv.*name one"):
        read_table([str(sweep)], Options())


def test_a_job_without_figures_is_named(sweep: Path) -> None:
    (sweep / "1" / "metrics.csv").unlink()
    with pytest.raises(UserError, match="job 1 has no CSV or JSON file"):
        read_table([str(sweep)], Options())


def test_of_several_multiruns_one_is_to_be_given(sweep: Path) -> None:
    other = sweep.with_name("14-00-00")
    (other / "0" / ".hydra").mkdir(parents=True)
    (other / "0" / ".hydra" / "overrides.yaml").write_text("- seed=0")
    with pytest.raises(UserError, match="it holds 2 multiruns"):
        read_table([str(sweep.parent)], Options())


@pytest.mark.parametrize("text", ["seed: 0", "- [", "- a: b"])
def test_damaged_overrides_are_refused(sweep: Path, text: str) -> None:
    (sweep / "0" / ".hydra" / "overrides.yaml").write_text(text)
    with pytest.raises(UserError, match="damaged"):
        read_table([str(sweep)], Options())
