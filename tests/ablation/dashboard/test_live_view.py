"""The live view of a run: its pages follow the trials, and whatever goes wrong stays there."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.storages import RDBStorage
from optuna_dashboard import get_note, save_note
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

from ablation.dashboard.live_view import LiveView
from ablation.dashboard.server import Shown
from ablation.dashboard.study_page import refresh
from ablation.dashboard.trial_page import MAX_BYTES, attach_files
from ablation.folders import confirm_name
from ablation.report.data.loading import load_study
from ablation.report.effects.arm_names import short_names
from ablation.running.messages import TrialOutcome
from ablation.scheduling.confirmation import confirmation
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.search import SearchSource
from ablation.storage import open_storage, url_of
from ablation.storage.record import Record, load_record
from tests.helpers.made.studies import SEARCH, STUDY, begin, designed, end, outcome, record, run_all


def note_of(storage: RDBStorage) -> str:
    return str(get_note(optuna.load_study(study_name=STUDY, storage=storage)))


def graphs_of(storage: RDBStorage) -> dict[str, str]:
    found = storage.get_study_system_attrs(storage.get_study_id_from_name(STUDY))
    return dict(get_plotly_graph_objects(found))


def files_of(storage: RDBStorage, folder: Path, trial_id: int) -> dict[str, str]:
    trial = storage.get_trial(trial_id)
    found = get_all_artifact_meta(trial, storage=storage)
    return {meta.filename: (folder / meta.artifact_id).read_text("utf-8") for meta in found}


@pytest.fixture
def view(storage: RDBStorage, tmp_path: Path) -> Callable[..., LiveView]:
    """Makes the view of the study, which a test has begun; it is never late."""

    def make(
        say: Any = pytest.fail,
        artifacts: Path = tmp_path / "_artifacts",
        pause: float = 0.01,
        refresh: Callable[..., None] = refresh,
    ) -> LiveView:
        return LiveView(url_of(storage), STUDY, artifacts, say, pause, refresh=refresh)

    return make


def train(source: DesignedSource, view: LiveView, state: str = "COMPLETE") -> int:
    """A made-up training, its end told as the runner tells it; the trial's id."""
    task = source.next()
    assert task
    ended = outcome(task, state)
    view(task, TrialOutcome(*ended))
    source.finish(task, *ended)
    return task.trial_id


def test_a_trial_gets_its_pictures_before_it_ends(
    storage: RDBStorage, view: Callable[..., LiveView], tmp_path: Path
) -> None:
    source = designed(storage)
    with view() as told:
        trials = [train(source, told), train(source, told, "FAIL")]
    done, failed = (files_of(storage, tmp_path / "_artifacts", trial) for trial in trials)
    assert done.keys() == {"learning-curve.svg", "confusion.svg"}
    assert all(text.startswith("<svg") for text in done.values())
    assert failed == {"traceback.txt": "made up"}


def test_a_trial_gets_what_its_training_has_left(storage: RDBStorage, tmp_path: Path) -> None:
    source, said = designed(storage), list[str]()
    for number, sizes in enumerate(
        ({"a.txt": 1, "plots/b.txt": 2, "empty": 0}, {"big": MAX_BYTES, "c": 1})
    ):
        for name, size in sizes.items():
            path = tmp_path / f"trial-{number}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x" * size, encoding="utf-8")
    artifacts = tmp_path / "_artifacts"
    with LiveView(url_of(storage), STUDY, artifacts, said.append, 0.01, folders=tmp_path) as told:
        trials = [train(source, told) for _ in range(3)]
    first, second, third = (files_of(storage, artifacts, trial) for trial in trials)
    own = {"learning-curve.svg", "confusion.svg"}
    assert {name: first[name] for name in first.keys() - own} == {
        "a.txt": "x",
        "plots-b.txt": "xx",
    }
    assert second.keys() - own == {"c"}
    assert third.keys() == own
    (note,) = said
    assert note.startswith("Note: big of trial 1 is not in optuna-dashboard")


@pytest.mark.slow
def test_a_confirmation_shows_no_test_figures_before_its_choice(
    storage: RDBStorage, tmp_path: Path
) -> None:
    search = begin(storage, record(f"{SEARCH}[confirm]\ntop = 2\nseeds = 2\n"))
    run_all(SearchSource(storage, STUDY, search))
    name = confirm_name(STUDY)
    url, store = url_of(storage), tmp_path / "store"
    shown = open_storage(url, kind=Shown)
    pictures = []

    def pictures_alone(*_: object) -> None:
        """Note and graphs do not matter here."""

    for is_chosen in (False, True):
        source = _begun(storage, search)
        with LiveView(url, name, store, pytest.fail, 0.01, refresh=pictures_alone) as told:
            pictures.append(files_of(storage, store, train(source, told)).keys())
            run_all(source)
        study = shown.get_study_id_from_name(name)
        found = [trial.user_attrs for trial in shown.get_all_trials(study)]
        kept = [trial.user_attrs for trial in storage.get_all_trials(study)]
        for key in ("test_accuracy", "test_loss"):
            assert [key in each for each in found] == [is_chosen] * len(found)
            assert all(key in each for each in kept)
    assert pictures[0] == {"learning-curve.svg"}
    assert pictures[1] == {"learning-curve.svg", "confusion.svg"}
    shown.engine.dispose()


def test_pictures_that_a_killed_run_left_are_mended_and_not_doubled(
    storage: RDBStorage, tmp_path: Path
) -> None:
    task = designed(storage).next()
    assert task
    found = outcome(task)[2]
    attach_files(storage, tmp_path / "store", task.trial_id, found)
    whole = files_of(storage, tmp_path / "store", task.trial_id)
    for file in (tmp_path / "store").iterdir():
        file.write_text("half", encoding="utf-8")
    attach_files(storage, tmp_path / "store", task.trial_id, found)
    assert files_of(storage, tmp_path / "store", task.trial_id) == whole
    assert len(list((tmp_path / "store").iterdir())) == 2


def test_the_note_and_the_graphs_follow_the_trials(
    storage: RDBStorage, view: Callable[..., LiveView]
) -> None:
    source = designed(storage)
    with view() as told:
        train(source, told)
    assert "1 of 6 trials finished." in note_of(storage)
    assert graphs_of(storage).keys() == {"learning-curves"}
    with view() as told:
        for _ in range(5):
            train(source, told)
    assert "6 of 6 trials finished." in note_of(storage)
    assert graphs_of(storage).keys() == {"effects", "learning-curves"}


def test_they_follow_while_the_run_goes_on(
    storage: RDBStorage, view: Callable[..., LiveView]
) -> None:
    refreshed = threading.Semaphore(0)
    source = designed(storage)
    with view(refresh=lambda *_: refreshed.release()) as told:
        assert refreshed.acquire(timeout=30)  # before the first trial has ended
        train(source, told)
        assert refreshed.acquire(timeout=30)
    assert refreshed.acquire(timeout=30)  # once more at the end


LISTENING = """
import sys, threading

def listen(event, args):
    if event == "import" and threading.current_thread() is not threading.main_thread():
        imported.add(args[0].partition(".")[0])

imported = set()
sys.addaudithook(listen)
from pathlib import Path
from ablation.dashboard.live_view import LiveView

with LiveView(sys.argv[1], sys.argv[2], Path(), sys.exit, pause=0):
    pass
print(*imported)
"""


@pytest.mark.slow
def test_its_thread_imports_nothing_that_a_sampler_may_be_importing(storage: RDBStorage) -> None:
    run_all(designed(storage))
    words = [sys.executable, "-c", LISTENING, url_of(storage), STUDY]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert graphs_of(storage).keys() == {"effects", "learning-curves"}
    imported = set(done.stdout.split())
    assert "plotly" in imported
    assert not imported & {"numpy", "optuna", "scipy", "torch"}


def test_a_run_that_ends_between_two_looks_ends(
    storage: RDBStorage, view: Callable[..., LiveView], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    designed(storage)
    told = view(refresh=lambda *words: asked.append(words))
    looked, ended, look = threading.Event(), threading.Event(), told._over.wait

    def slow_look(timeout: float | None = None) -> bool:
        over = look(timeout)
        looked.set()
        ended.wait(30)
        return over

    monkeypatch.setattr(told._over, "wait", slow_look)
    leaving = threading.Thread(target=told.__exit__, args=(None, None, None), daemon=True)
    told.__enter__()
    assert looked.wait(30)
    leaving.start()
    while not told._stale.is_set() or not told._over.is_set():
        time.sleep(0.01)
    ended.set()
    leaving.join(30)
    assert not leaving.is_alive()
    assert len(asked) == 2


def test_who_stops_a_run_does_not_wait_for_its_pages(
    storage: RDBStorage, view: Callable[..., LiveView]
) -> None:
    asked: list[object] = []
    designed(storage)
    told = view(pause=60, refresh=lambda *words: asked.append(words))
    with pytest.raises(KeyboardInterrupt), told:
        raise KeyboardInterrupt
    assert asked == []


def test_what_goes_wrong_is_told_once_and_stops_nothing(
    storage: RDBStorage, view: Callable[..., LiveView], tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("made\nup")

    said: list[str] = []
    (tmp_path / "file").touch()
    source = designed(storage)
    with view(said.append, tmp_path / "file", refresh=fail) as told:
        for _ in range(3):
            train(source, told)
    assert source.progress.complete == 3
    (first, second) = sorted(said, key=lambda line: "pictures" in line)
    end = "; the training goes on"
    assert first == f"optuna-dashboard lacks the study's note and graphs (made up){end}"
    assert second.startswith("optuna-dashboard lacks the pictures of trials (")
    assert "File exists" in second
    assert second.endswith(end)


@pytest.mark.slow
def test_only_a_settled_study_is_looked_at(storage: RDBStorage) -> None:
    source = designed(storage)
    run_all(source, 5)
    refresh(storage, STUDY)
    assert load_record(storage, STUDY).looks == ()
    run_all(source)
    refresh(storage, STUDY)
    refresh(storage, STUDY)
    assert load_record(storage, STUDY).looks == (6,)


def test_a_study_that_ended_with_a_failure_has_verdicts(storage: RDBStorage) -> None:
    """As the report has, which its run wrote; what failed is trained again only when asked to."""
    source = designed(storage)
    run_all(source, 5)
    task = source.next()
    assert task
    end(source, task, "FAIL")
    refresh(storage, STUDY)
    text = note_of(storage)
    assert "no verdict before the last trial" not in text
    assert "5 of 6 trials have finished and 1 failed (--retry-failed" in text
    assert "verdict" in text
    assert "Effects so far" not in "".join(graphs_of(storage).values())
    assert load_record(storage, STUDY).looks == (5,)


@pytest.mark.slow
def test_a_note_of_somebody_else_is_left_alone(storage: RDBStorage) -> None:
    source = designed(storage)
    study = optuna.load_study(study_name=STUDY, storage=storage)
    save_note(study, "Mine.")
    run_all(source)
    refresh(storage, STUDY)
    assert note_of(storage) == "Mine."
    save_note(study, " ")
    refresh(storage, STUDY)
    assert note_of(storage).startswith("**What is asked?**")


@pytest.mark.slow
def test_a_search_has_its_learning_curves_by_the_trials_numbers(storage: RDBStorage) -> None:
    run_all(SearchSource(storage, STUDY, begin(storage, record(SEARCH))))
    refresh(storage, STUDY)
    (graph,) = graphs_of(storage).values()
    assert '"name":"#0"' in graph
    assert "Best found: trial" in note_of(storage) or "above the baseline" in note_of(storage)


@pytest.mark.slow
def test_a_searchs_note_follows_what_confirms_it(storage: RDBStorage) -> None:
    search = begin(storage, record(f"{SEARCH}[confirm]\ntop = 2\nseeds = 2\n"))
    run_all(SearchSource(storage, STUDY, search))
    name = confirm_name(STUDY)
    source = _begun(storage, search)
    run_all(source, 1)
    refresh(storage, name)
    assert f"Confirmed in {name}." in note_of(storage)
    assert "Chosen" not in note_of(storage)
    run_all(source)
    source = _begun(storage, search)  # and then the path
    task = source.next()
    assert task
    end(source, task, "FAIL")
    refresh(storage, name)
    assert "Chosen, as the best of the confirmation: " in note_of(storage)
    opened = optuna.load_study(study_name=name, storage=storage)
    text = str(get_note(opened)).replace(" + ", "+")  # between the settings of long names
    chosen = load_record(storage, name).chosen
    number = short_names(load_study(storage, name))[chosen]
    assert f"- Chosen, as the best of those above: {number}." in text
    assert f"\n- {number} of the search: {chosen}\n" in text.replace("\\", "")
    assert f"{task.arm} (seed {task.seed})" in text.partition("## What failed")[2]


def _begun(storage: RDBStorage, search: Record) -> DesignedSource:
    """The confirmation as it should stand now."""
    wanted = confirmation(storage, STUDY, search, search)
    assert wanted
    name = confirm_name(STUDY)
    begin(storage, wanted, name)
    return DesignedSource(storage, name, wanted, wanted.stages)
