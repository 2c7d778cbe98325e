"""The line that a training ends with on the console."""

from __future__ import annotations

import io

import pytest
from optuna.storages import RDBStorage
from rich.console import Console

from ablation.cli.live_display import Display
from ablation.folders import confirm_name
from ablation.running.events import Event
from ablation.running.messages import TrialOutcome
from ablation.scheduling.confirmation import confirmation
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.search import SearchSource
from crnn.objective import objective
from tests.helpers.made.studies import SEARCH, STUDY, begin, designed, outcome, record, run_all


def lines(source: DesignedSource, count: int) -> list[str]:
    """What the console says of so many trainings, each made up."""
    out = io.StringIO()
    with Display(Console(file=out, width=200), STUDY, objective) as told:
        for _ in range(count):
            task = source.next()
            assert task is not None
            ended = outcome(task)
            source.finish(task, *ended)
            told(Event("ended", 0, task, source.progress, TrialOutcome(*ended)))
    return out.getvalue().splitlines()


@pytest.fixture
def search(storage: RDBStorage) -> SearchSource:
    found = begin(storage, record(f"{SEARCH}[confirm]\ntop = 2\nseeds = 2\n"))
    source = SearchSource(storage, STUDY, found)
    run_all(source)
    return source


def test_a_confirmations_test_figures_are_not_told_before_its_choice(
    search: SearchSource, storage: RDBStorage
) -> None:
    for is_chosen, count in ((False, 8), (True, 1)):
        wanted = confirmation(storage, STUDY, search.record, search.record)
        assert wanted is not None
        begin(storage, wanted, confirm_name(STUDY))
        source = DesignedSource(storage, confirm_name(STUDY), wanted, wanted.stages)
        said = lines(source, count)
        assert len(said) == count
        assert all("  val " in line for line in said)
        assert ["  test " in line for line in said] == [is_chosen] * count


def test_an_ablations_test_figures_are_told(storage: RDBStorage) -> None:
    (line,) = lines(designed(storage), 1)
    assert "  test " in line
