"""What a report, its files and the console show of a study of a user's code."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from optuna.storages import RDBStorage

from ablation.dashboard.study_page import refresh
from ablation.objective import load_objective
from ablation.objective.columns import BESIDE_SETTINGS, OWN_COLUMNS
from ablation.report.data.loading import load_study
from ablation.report.data.study_table import HIDDEN, stages
from ablation.storage import opened_storage, storage_url
from tests.helpers.commands import cli

CODE = Path(__file__).parents[2] / "helpers" / "own_code" / "small.py"
HEAD = 'format = 1\ntrains = "small.py:{name}"\nquestion = "Which is best?"\n'
SPACES = {
    "perplexity": """
metric = "perplexity"
direction = "min"
test = "test_perplexity"
budget = "epochs"
design = "one-factor"
seeds = 2
margin = 2.0
outcome.also = ["accuracy", "absent"]
[factors]
"optimizer.lr" = [0.2]
shape = ["flat"]
state = ["y"]
""",
    "seconds": """
metric = "seconds_taken"
direction = "min"
unit = "s"
design = "factorial"
seeds = 2
margin = 0.005
[factors]
size = [200]
method = ["merge"]
""",
    "folds": """
metric = "f1"
unit = "fraction"
design = "one-factor"
seeds = 2
margin = 0.01
outcome.also = ["recall"]
[factors]
depth = [6]
""",
    "early": """
metric = "val_loss"
direction = "min"
budget = "rounds"
design = "search"
margin = 0.05
[factors]
rate = { low = 0.05, high = 1.0, log = true }
[search]
trials = 4
[confirm]
top = 1
seeds = 2
""",
    "blind": """
metric = "score"
budget = "epochs"
design = "one-factor"
seeds = 3
margin = 0.05
[factors]
width = [8]
""",
}
OF_NETWORKS = {
    *("sequence_length", "macs", "precision", "fused", "chance", "chance_limit", "confusion"),
    *("reported_test_accuracy", "reported_test_loss", "test_loss_mean"),
}


SETTINGS_AS_ROWS = ("importance.csv", "isolation.csv", "interactions.csv")


@dataclass
class Made:
    """Studies that have been run, and whose code is gone since.

    Attributes:
        results: their folder.
        said: what each run printed, by study.
    """

    results: Path
    said: dict[str, str] = field(default_factory=dict)

    def text(self, study: str, file: str = "report.md") -> str:
        return (self.results / study / file).read_text(encoding="utf-8")

    def rows(self, study: str, file: str) -> pd.DataFrame:
        return pd.read_csv(self.results / study / f"{file}.csv", keep_default_na=False)

    @contextmanager
    def storage(self) -> Iterator[RDBStorage]:
        with opened_storage(storage_url(None, self.results)) as opened:
            yield opened


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("own")
    made = Made(folder / "results")
    shutil.copy(CODE, folder)
    for name, text in SPACES.items():
        space = folder / f"{name}.toml"
        space.write_text(HEAD.format(name=name) + text, encoding="utf-8")
        words = ["run", str(space), "--jobs", "1", "--results", str(made.results)]
        answer = cli.call(*words, figures=False)
        assert answer.code == 0, answer.out + answer.err
        made.said[name] = answer.out
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    (folder / "small.py").unlink()
    return made


@pytest.fixture
def started() -> Iterator[list[str]]:
    """The processes that this one starts."""
    events: list[str] = []
    kinds = {"subprocess.Popen", "os.fork", "os.posix_spawn"}
    listening = True

    def heed(event: str, args: tuple[object, ...]) -> None:
        if listening and event in kinds:
            events.append(f"{event} {args}")

    sys.addaudithook(heed)  # for good, so it is told when to stop
    yield events
    listening = False


pytestmark = pytest.mark.slow  # the studies take some seconds


@pytest.mark.parametrize("study", SPACES)
def test_what_only_networks_have_is_in_no_file(made: Made, study: str) -> None:
    for path in (made.results / study).glob("*.csv"):
        header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
        assert not OF_NETWORKS & set(header), path.name
        assert not set(HIDDEN) & set(header), path.name
        assert ("parameters" in header) <= (study == "perplexity"), path.name
    report = made.text(study) + made.text(study, "report.html")
    for word in ("precision", "MACs", "multiply-accumulates", "confus", "images", "chance level"):
        assert word not in report.replace("MACs (millions)", ""), word
    assert "precision" not in made.text(study, "environment.json")


def test_epochs_have_every_figure_that_was_reported(made: Made) -> None:
    rows = made.rows("perplexity", "epochs")
    named = ["perplexity", "accuracy", "absent", "train_loss", "lr"]
    assert list(rows.columns[5:]) == [*named, "seconds"]
    first = rows[(rows["number"] == 0)]
    assert list(first["epoch"]) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert list(first["lr"].astype(str)) == ["0.1", "", "0.05", "", str(0.1 / 3), "", "0.025", ""]
    assert list(first["perplexity"] == "") == [True, False] * 4
    assert list(first["train_loss"] == "") == [True, False] * 4


def test_trials_have_what_was_returned_and_how_often_they_reported(made: Made) -> None:
    rows = made.rows("perplexity", "trials")
    assert set(rows["tokens"]) == {1e6}
    assert set(rows["returned.epochs"]) == {3.0}  # beside the setting of that name
    assert set(rows["epochs"]) == {4}
    assert set(rows["reports"]) == {4}
    assert set(rows["warmup"]) == {"none"}
    assert list(rows["setting.state"]) == ["x", "x", "x", "y"] * 2
    assert set(rows["seed"]) == {0, 1}
    early = made.rows("early", "trials")
    assert set(early["state"]) == {"COMPLETE"}
    assert early["reports"].min() < 12
    assert (early["val_loss"] <= early["final_loss"]).all()


@pytest.mark.parametrize("study", SPACES)
def test_every_column_that_is_no_setting_and_no_figure_is_known(made: Made, study: str) -> None:
    with made.storage() as storage:
        whole = load_study(storage, study)
        names: set[str] = set()
        for table in stages(whole):
            settings = {*table.factors, *table.fixed}
            figures = {*table.figures, *table.secondary, *table.scores, "lr", "train_loss"}
            frames = [table.arms, table.trials, table.epochs]
            names |= {str(name) for frame in frames for name in frame} - settings - figures
            beside = {str(name) for frame in (table.arms, table.trials) for name in frame}
            assert beside - settings - figures <= BESIDE_SETTINGS
    metric = whole.metric.name
    figures |= {metric, whole.metric.test, f"best_{metric}", f"mean_{metric}"}
    for path in (made.results / study).glob("*.csv"):
        if path.name not in SETTINGS_AS_ROWS:
            header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
            names |= set(header) - settings - figures
    assert names <= OWN_COLUMNS | BESIDE_SETTINGS


@pytest.mark.parametrize("study", ["folds", "early", "seconds"])
def test_a_metric_as_returned_is_said_to_be(made: Made, study: str) -> None:
    text, metric = made.text(study), made.rows(study, "trials")
    assert f"as train returned it{':' if study != 'seconds' else '.'}" in text
    assert ("the best of many steps" in text) == (study != "seconds")
    assert "as returned by train decides" in text
    assert "after the last" not in text
    assert not re.search(r"still (rising|falling)", text)
    assert len(metric)


def test_figures_beside_the_metric_are_secondary(made: Made) -> None:
    text = made.text("folds")
    assert "## Secondary figures" in text
    assert "These verdicts decide nothing: recommendations rest on f1 alone." in text
    assert "p is adjusted over the arms of one figure, a family of its own" in text
    rows, trials = made.rows("folds", "secondary"), made.rows("folds", "trials")
    assert list(rows["arm"]) == ["baseline", "depth=6"]
    means = trials.groupby("arm", sort=False)["recall"].mean()
    assert list(rows["mean"]) == pytest.approx(list(means))
    assert float(rows["delta"][1]) == pytest.approx(means["depth=6"] - means["baseline"])
    assert "absent was neither reported nor returned" in made.text("perplexity")
    assert not (made.results / "seconds" / "secondary.csv").exists()


def test_seeds_that_gave_the_same_figures_have_no_verdicts(made: Made) -> None:
    said = "Seeds 0, 1, 2 gave the same figures to the last digit: does train use run.seed?"
    assert said in made.text("blind")
    assert said in made.said["blind"]
    rows = made.rows("blind", "effects")
    assert set(rows["ci_low"]) == set(rows["verdict"]) == {""}
    for study in ("folds", "perplexity", "early", "seconds"):
        assert "gave the same figures" not in made.text(study)


def test_metrics_are_shown_in_their_units(made: Made) -> None:
    assert re.search(r"step 0  f1 \d\d\.\d\d %  recall 0\.\d", made.said["folds"])
    assert re.search(r"✓ baseline seed 0  seconds_taken 0\.\d+ s", made.said["seconds"])
    assert "step 10  val_loss" in made.said["early"]  # of 12 rounds: steps have numbers of any kind
    assert re.search(r"epoch 4/4  perplexity \d+\.\d+", made.said["perplexity"])
    assert "(less is better)" not in made.said["perplexity"]
    assert "test_perplexity (95 % interval)" in made.text("perplexity")
    assert "whatever train draws from run.seed" in made.text("perplexity")


@pytest.mark.parametrize("study", SPACES)
def test_a_stored_study_is_shown_without_its_code(
    made: Made, study: str, tmp_path: Path, started: list[str]
) -> None:
    before = made.text(study)
    load_objective.cache_clear()  # which remembers what the code has said
    results = ["--results", str(made.results)]
    for words in (["report", study], ["status", study], ["copy", study, str(tmp_path / "x.db")]):
        answer = cli.call(*words, *results, figures=False)
        assert answer.code == 0, answer.err
    with made.storage() as storage:
        refresh(storage, study)
    assert made.text(study) == before
    assert "small" not in sys.modules
    assert started == []


@pytest.mark.parametrize(("study", "options"), [("folds", []), ("blind", ["--set", "epochs=2"])])
def test_the_command_of_a_report_finds_nothing_to_do(
    study: str, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(CODE, tmp_path)
    monkeypatch.chdir(tmp_path)
    Path(f"{study}.toml").write_text(HEAD.format(name=study) + SPACES[study], encoding="utf-8")
    answer = cli.call("run", f"{study}.toml", "--jobs", "1", *options, figures=False)
    assert answer.code == 0, answer.err
    (report,) = Path("results").glob("*/report.md")
    line = next(line for line in report.read_text("utf-8").splitlines() if "study.py run" in line)
    words = shlex.split(line.split("`")[1])[2:]
    assert words[:2] == ["run", f"{study}.toml"]
    assert "--precision" not in words
    answer = cli.call(*words, figures=False)
    assert "Nothing to do" in answer.out, answer.out + answer.err
