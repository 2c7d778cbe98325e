"""Where trainings run changes nothing in them: in processes of their own, or in this one."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
import pytest

from ablation import effects, load_trials
from ablation.design.loading import build
from ablation.errors import UserError
from ablation.objective import DEFAULT, load_objective
from ablation.process.signals import StoppedAtOnceError
from ablation.running.events import Event
from ablation.running.executors.base import Wish
from ablation.running.executors.debug import DebugExecutor
from ablation.running.executors.local import LocalExecutor
from ablation.running.launch import EXECUTORS, launch
from ablation.running.request import Request
from ablation.scheduling.source import Progress
from ablation.space.errors import SpaceError
from ablation.storage import (
    TrialRow,
    UnreadableError,
    opened_storage,
    read_trials,
    save_study,
    storage_url,
)
from ablation.storage.attributes import checked_trials
from tests.helpers.commands import cli
from tests.helpers.executors import PlayedExecutor
from tests.helpers.made.studies import document

SPACE: dict[str, Any] = {
    "format": 1,
    "question": "How does one get down?",
    "objective": "tests.helpers.valley:objective",
    "design": "one-factor",
    "seeds": 2,
    "margin": 0.01,
    "factors": {"rate": [0.05, 0.2], "shape": ["narrow"]},
}


def run(folder: Path, told: Any = lambda event: None, **options: Any) -> Progress:
    """Train a study of a valley, its results in this folder."""
    space = options.pop("space", SPACE)
    plan = build("valley", document(space))
    executor = options.pop("given", None)
    request = Request(plan, "valley", storage_url(None, folder), folder, **options)
    return launch(request, lambda study: nullcontext(told), print, executor=executor)


def rows(folder: Path) -> list[TrialRow]:
    with opened_storage(storage_url(None, folder)) as storage:
        return read_trials(storage, "valley")


def results(folder: Path) -> dict[tuple[str, int], Any]:
    """What came of each replicate, times aside."""
    return {
        (row.attributes["arm"], row.attributes["seed"]): (
            row.state,
            row.value,
            [epoch["height"] for epoch in row.attributes["history"]],
        )
        for row in rows(folder)
    }


FRESH = {**SPACE, "objective": "tests.helpers.valley:fresh"}


@pytest.mark.parametrize(
    ("executor", "space"),
    [
        pytest.param("local", SPACE, id="local"),
        pytest.param("local", FRESH, id="fresh", marks=pytest.mark.slow),
        pytest.param("debug", SPACE, id="debug", marks=pytest.mark.slow),
    ],
)
def test_any_objective_is_trained_and_gone_on_with(
    executor: str, space: dict[str, Any], tmp_path: Path
) -> None:
    options = {"space": space, **({} if executor == "debug" else {"jobs": 2})}
    first = run(tmp_path / executor, executor=executor, **options)
    assert (first.complete, first.wanted) == (8, 8)
    expected = results(tmp_path / executor)
    assert {state for state, _, _ in expected.values()} == {"COMPLETE"}
    assert all(value == heights[-1] for _, value, heights in expected.values())
    run(tmp_path / "here", executor="debug")
    assert results(tmp_path / "here") == expected
    assert run(tmp_path / executor, executor=executor, space=space).idle
    more = run(tmp_path / executor, executor=executor, seeds=3, **options)
    assert (more.complete, more.wanted) == (12, 12)


def test_a_divergence_of_any_objective_is_an_end(tmp_path: Path) -> None:
    space = {"baseline": {"steps": 60}, "factors": {"rate": [5.0]}}
    found = run(tmp_path, space={**SPACE, **space}, executor="debug")
    assert (found.complete, found.diverged, found.failed) == (2, 2, 0)


def test_a_run_in_this_process_can_be_interrupted_in_the_middle(tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        if event.what == "epoch":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(StoppedAtOnceError):
        run(tmp_path, interrupt, executor="debug")
    assert [row.state for row in rows(tmp_path)] == ["RUNNING"]
    assert run(tmp_path, executor="debug").complete == 8


def test_in_this_process_one_training_runs_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--jobs: one training at a time with --executor debug"):
        run(tmp_path, executor="debug", jobs=2)


@pytest.mark.slow
@pytest.mark.parametrize("space", [SPACE, FRESH], ids=["reused", "fresh"])
@pytest.mark.parametrize("kind", EXECUTORS)
def test_what_is_not_to_be_had_is_refused_before_anything_is_written(
    kind: str, space: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="--device cuda: this objective trains on cpu"):
        run(tmp_path, executor=kind, space=space, device="cuda")
    with pytest.raises(UserError, match="--precision bf16: this objective trains in fp32"):
        run(tmp_path, executor=kind, space=space, precision="bf16")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_worker_that_dies_before_it_has_an_offer_is_told(tmp_path: Path) -> None:
    executor = LocalExecutor()
    with pytest.raises(UserError, match="3 worker processes ended before they had found a device"):
        executor.offer(Wish("tests.nowhere:objective"))
    executor.close()


def test_an_executor_is_closed_whatever_happens(tmp_path: Path) -> None:
    executor = PlayedExecutor(lambda job: 1 / 0)  # type: ignore[arg-type, return-value]
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, given=executor)
    assert executor.closed
    assert isinstance(EXECUTORS["debug"](), DebugExecutor)


# Objectives by name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "tests.helpers.valley",
            "is written module:attribute, as in crnn.objective:objective",
        ),
        ("tests.nowhere:objective", "No module named 'tests.nowhere'"),
        (
            "tests.helpers.valley:Valley",
            "tests.helpers.valley has no objective called Valley",
        ),
        (
            "tests.helpers.valley:nothing",
            "tests.helpers.valley has no objective called nothing",
        ),
    ],
)
def test_a_name_that_is_no_objectives_is_refused(name: str, expected: str) -> None:
    with pytest.raises(UserError, match=r"^objective "):
        load_objective(name)
    with pytest.raises(SpaceError) as caught:
        build("valley", document({**SPACE, "objective": name}))
    assert expected in caught.value.errors[0]


def test_a_space_that_names_none_is_of_the_default_one() -> None:
    values = {key: value for key, value in SPACE.items() if key != "objective"}
    plan = build("any", document({**values, "factors": {"dropout": [0.1]}}))
    assert plan.space.objective.spec == DEFAULT


def test_a_setting_of_another_objective_is_none() -> None:
    with pytest.raises(SpaceError, match=r"factors\.dropout: no such setting"):
        build("valley", document({**SPACE, "factors": {"dropout": [0.1]}}))


def test_options_of_another_objective_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"--epochs: valley has no such setting"):
        build("valley", document(SPACE), overrides={"epochs": 3})


def test_a_study_of_what_cannot_be_had_here_is_one_line(tmp_path: Path) -> None:
    run(tmp_path, executor="debug")
    with opened_storage(storage_url(None, tmp_path)) as storage:
        assert len(checked_trials(storage, "valley")) == 8
        save_study(storage, "valley", {"objective": "tests.nowhere:objective"})
        with pytest.raises(UnreadableError, match=r"No module named .tests\.nowhere."):
            checked_trials(storage, "valley")


@pytest.mark.usefixtures("lean")
def test_of_a_metric_of_which_less_is_better_the_least_is_best(tmp_path: Path) -> None:
    run(tmp_path, executor="debug")
    answer = cli.call("report", "valley", "--results", str(tmp_path))
    assert answer.code == 0, answer.err
    assert "Better than baseline: rate=0.2 (−0.2" in answer.out
    assert "Recommended: rate=0.2." in answer.out
    found = effects("valley", results=tmp_path).set_index("arm")
    delta, verdict = found["delta"].to_dict(), found["verdict"].to_dict()
    assert delta["rate=0.2"] < 0 < delta["rate=0.05"]
    assert (verdict["rate=0.2"], verdict["rate=0.05"]) == ("better", "worse")
    trials = load_trials("valley", results=tmp_path)
    assert {"height", "best_height"} < set(trials)
    assert "value" not in trials
    assert trials["macs"].isna().all()  # nothing is known of its size
    space = tmp_path / "valley.toml"
    space.write_text(document(SPACE), encoding="utf-8")
    plan = cli.call("plan", str(space), "--results", str(tmp_path))
    assert plan.code == 0, plan.err
    assert "None" not in plan.out


@pytest.mark.slow
@pytest.mark.usefixtures("lean")
def test_a_search_of_it_draws_and_confirms_what_is_least(tmp_path: Path) -> None:
    search = {
        "design": "search",
        "factors": {"rate": {"low": 0.01, "high": 0.4, "log": True}, "shape": ["narrow"]},
        "search": {"trials": 12, "sampler": {"name": "random"}},
        "confirm": {"top": 2, "seeds": 2, "path_seeds": 2},
    }
    space = {key: value for key, value in SPACE.items() if key != "seeds"} | search
    run(tmp_path, executor="debug", space=space)
    trials = load_trials("valley", results=tmp_path)
    drawn = trials[trials["stage"] == "search"].sort_values("height")
    confirmed = trials.loc[trials["stage"] == "confirm", "arm"].unique()
    assert set(confirmed) == {"baseline", *drawn["arm"][:2]}
    with opened_storage(storage_url(None, tmp_path)) as storage:
        study = optuna.load_study(study_name="valley", storage=storage)
        assert study.direction == optuna.study.StudyDirection.MINIMIZE
        assert study.best_value == drawn["height"].iloc[0]
    answer = cli.call("report", "valley", "--results", str(tmp_path))
    means = trials[trials["stage"] == "confirm"].groupby("arm")["height"].mean()
    number = int(drawn.loc[drawn["arm"] == means.idxmin(), "number"].iloc[0])
    assert f"as the best of the confirmation: #{number} " in answer.out


def test_a_margin_is_a_difference_that_its_metric_can_have() -> None:
    assert build("valley", document({**SPACE, "margin": 2.5})).space.margin == 2.5
    with pytest.raises(SpaceError, match=r"margin: must be greater than 0$"):
        build("valley", document({**SPACE, "margin": -1}))
