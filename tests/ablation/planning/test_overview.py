"""What `spaces` and `plan` say before anything trains."""

from __future__ import annotations

import json
import math
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest
from optuna.storages import RDBStorage

from ablation.design.feasibility import infeasible_reason
from ablation.design.loading import build, load
from ablation.errors import UserError
from ablation.folders import ENVIRONMENT_VARIABLE
from ablation.planning import overview, pace
from ablation.planning.pace import Pace, Rate, Spread, clock, measured_rate
from ablation.planning.random_settings import random_settings
from ablation.planning.spreads import _learned, measured_spreads
from ablation.space.reader import shipped
from ablation.space.schema import Limits
from ablation.statistics.power import about, minimum_detectable, seeds_to_settle, upper_spread
from ablation.storage import open_storage, read_trials, storage_url
from crnn.objective import objective, own_setting
from tests.helpers.made.studies import (
    ONE_FACTOR,
    SEARCH,
    STUDY,
    designed,
    document,
    outcome,
    run_all,
)

PACE = Pace(1e9, 2, "a stopwatch")


def plan_of(text: str, seeds: int | None = None, trials: int | None = None) -> dict[str, Any]:
    return overview.plan(build("tiny", text), PACE, seeds, trials)


@pytest.fixture(autouse=True)
def no_storage_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)


# How long


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (40.4, "40 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"),
        (5400, "1.5 h"), (12_600, "3.5 h"), (172_800, "2.0 days"), (181_440, "2.1 days"),
    ],
)  # fmt: skip
def test_times_for_people(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize("given", [None, "not-yet.db"])
def test_before_anything_was_trained_times_are_the_reference_machines(
    given: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = pace.rate(given, tmp_path / "results", jobs=3)
    assert found == Pace(objective.pace[0], 3, objective.pace[1])
    assert list(tmp_path.iterdir()) == []


def test_times_are_measured_where_something_was_trained(
    default_storage: str, tmp_path: Path
) -> None:
    storage = open_storage(storage_url(None, tmp_path), create=True)
    assert measured_rate(storage, objective) == Rate(*objective.pace)
    tasks = run_all(designed(storage), 3)
    storage.engine.dispose()
    found = pace.rate(None, tmp_path, jobs=1)
    work = median(objective.cost(task.setting) for task in tasks)
    assert found.value == pytest.approx(work / 5.0)  # 5 s each, as made up
    assert found.source == "3 trainings in this storage"
    assert found.seconds(work) == pytest.approx(5)
    assert Pace(found.value, 5, "").seconds(work) == pytest.approx(1)


def test_a_pause_in_one_training_makes_no_other_seem_slow(storage: RDBStorage) -> None:
    source = designed(storage)
    run_all(source, 2)
    task = source.next()
    assert task
    state, value, attributes = outcome(task)
    source.finish(task, state, value, attributes | {"seconds": 36_000.0})
    slow = objective.cost(task.setting) / 36_000
    assert measured_rate(storage, objective).value > 1000 * slow


# What there is to run


def test_every_shipped_space_is_listed() -> None:
    rows = {row["name"]: row for row in overview.spaces(PACE)}
    assert list(rows) == shipped()
    assert (rows["source"]["runs"], rows["source"]["design"]) == (200, "one-factor")
    assert (rows["quick"]["runs"], rows["joint"]["runs"]) == (20, 80 + 4 * 5 + 17 * 5)
    assert all(row["question"].endswith("?") and row["time"] for row in rows.values())


def test_a_plan_has_every_arm_with_its_shapes_and_time() -> None:
    found = overview.plan(load("source"), PACE, None, None)
    assert (found["study"], found["runs"]) == ("source", 200)
    arms = {arm["arm"]: arm for arm in found["arms"]}
    assert list(arms) == [arm.name for arm in load("source").arms]
    base = arms["baseline"]
    assert (base["sequence_length"], base["parameters"], base["changes"]) == (18, 719_626, "")
    assert (base["macs"], base["mmacs"]) == (8_931_072, "8.9")
    assert base["seconds"] == pytest.approx(
        objective.cost(load("source").arms[0].setting) / 1e9, abs=0.06
    )
    assert arms["dropout-once"]["against"] == "dropout=0.1"
    assert arms["concluded"]["changes"] == "hidden_size=256, dropout=0.1"
    assert found["seconds"] == pytest.approx(
        20 * sum(a["seconds"] for a in arms.values()) / 2, 1e-3
    )
    assert found["fixed"]["learning_rate"] == "0.001"
    assert "hidden_size" not in found["fixed"]


def test_a_plan_is_plain_data() -> None:
    for name in shipped():
        found = overview.plan(load(name), PACE, None, None)
        assert json.loads(json.dumps(found)) == found


def test_a_plan_says_how_much_it_is() -> None:
    found = plan_of(ONE_FACTOR)
    total = clock(found["seconds"])
    assert found["lines"][:2] == [
        f"3 arms x 2 seeds = 6 trainings, about {total} with 2 at a time",
        "Times from a stopwatch; time in the table is one training's.",
    ]
    assert found["lines"][-1].startswith("Held fixed: conv_layers=3, filter_sizes=3,3,2, ")
    more = plan_of(ONE_FACTOR, seeds=5)
    assert more["runs"] == 15
    assert more["seconds"] == pytest.approx(found["seconds"] * 2.5, rel=0.1)


def test_a_plan_says_what_named_arms_are_and_what_is_not_run_twice() -> None:
    values = {
        **tomllib.loads(ONE_FACTOR),
        "design": "factorial",
        "factors": {"dropout": [0.0, 0.1], "dropout_count": [3, 1]},
        "arms": {"deep": {"set": {"lstm_layers": 4}, "note": "why not"}},
    }
    lines = plan_of(document(values))["lines"]
    assert lines[0] == "deep: lstm_layers=4 (why not)"
    assert lines[1] == "dropout=0+dropout_count=1: the same network as dropout=0, not run twice"


def test_a_search_says_what_it_draws_and_trains_as_its_section_says() -> None:
    found = plan_of(SEARCH, trials=9)
    assert found["runs"] == 9
    lines = "\n".join(found["lines"])
    assert "\n  hidden_size: 64 to 384 step 64\n" in lines
    assert "\n  dropout_count: 1 to 3 step 1 (where dropout is above 0)\n" in lines
    assert "\n  learning_rate: 0.0003 to 0.003 log (nuisance)\n" in lines
    assert "\nNo limits on size and cost.\n" in lines
    limited = "\n".join(plan_of(f"{SEARCH}[limits]\nmacs = 30_000_000\n")["lines"])
    assert "\nNever trained: what goes beyond 30,000,000 MACs an image.\n" in limited
    assert "9 trials of 2 epochs on 70 training images" in lines
    assert ": the arms above first, then draws of tpe, about" in lines
    plan = build("tiny", SEARCH)
    short = [
        objective.cost(arm.setting.replace(epochs=2, train_size=100)) / 1e9 for arm in plan.arms
    ]
    assert [arm["seconds"] for arm in found["arms"]] == pytest.approx(short, abs=0.06)
    others = [objective.cost(plan.space.trained(s)) / 1e9 for s in random_settings(plan.space, 100)]
    assert found["seconds"] == pytest.approx((sum(short) + 7 * fmean(others)) / 2, abs=0.6)


def test_random_settings_are_what_could_be_drawn_and_trained() -> None:
    text = f"{SEARCH}[limits]\nparameters = 2_500_000\n"
    space = build("tiny", text).space
    found = random_settings(space, 200)
    assert found == random_settings(space, 200)  # a plan does not change from look to look
    assert len(found) == 200
    for setting in found:
        values, idle = setting.values(), space.undrawn(setting)
        assert not infeasible_reason(space, setting)
        assert own_setting(setting).train.epochs == 3
        for factor in space.factors:
            value = values[factor.name]
            assert (
                value == space.baseline.values()[factor.name]
                if factor.name in idle
                else (factor.has(value))
            )
    for name, levels in (("filter_sizes", 3), ("hidden_size", 5), ("dropout", 9)):
        assert len({setting.values()[name] for setting in found}) == levels  # 384 is too large
    rates = sorted(own_setting(setting).train.learning_rate for setting in found)
    assert rates[100] == pytest.approx(9.5e-4, rel=0.3)  # the middle of its logarithm
    nothing = space.model_copy(update={"limits": Limits(parameters=10)})
    assert random_settings(nothing, 3) == []


def test_a_search_that_is_confirmed_says_what_that_takes() -> None:
    """Six factors in five changes at most: the nuisance is not changed alone."""
    text = f"{SEARCH}[confirm]\ntop = 2\nseeds = 3\n"
    found = plan_of(text)
    assert found["runs"] == 6 + 4 * 3 + (2 * 5 + 1) * 3
    lines = "\n".join(found["lines"])
    assert (
        "(the best 2 with those above) of 3 epochs on 140 training images x 3 fresh seeds = 12"
        in lines
    )
    path = "5 changes at most and the named ones: up to 11 arms x 3 seeds = 33 trainings, about"
    assert path in lines
    plan = build("tiny", text)
    own = sum(objective.cost(plan.space.trained(arm.setting)) for arm in plan.arms) / 1e9
    full = sum(objective.cost(arm.setting) for arm in plan.arms) / 1e9
    others = random_settings(plan.space, 100)
    short = fmean(objective.cost(plan.space.trained(s)) for s in others) / 1e9
    typical = fmean(map(objective.cost, others)) / 1e9
    named = objective.cost(plan.arm("wide").setting) / 1e9
    work = own + 4 * short + 3 * (full + 2 * typical) + 30 * typical + 3 * named
    assert found["seconds"] == pytest.approx(work / 2, abs=1.5)
    assert plan_of(text, seeds=5)["runs"] == 6 + 4 * 5 + (2 * 5 + 1) * 5
    assert plan_of(f"{text}path_seeds = 0\n")["runs"] == 6 + 12
    assert plan_of(f"{text}path_seeds = 2\n", seeds=5)["runs"] == 6 + 20 + 22


def test_options_that_do_not_fit_a_design() -> None:
    with pytest.raises(UserError, match=r"--seeds: they are those of a search's confirmation"):
        plan_of(SEARCH, seeds=3)
    with pytest.raises(UserError, match=r"--seeds: a confirmation takes 2 or more"):
        plan_of(f"{SEARCH}[confirm]\ntop = 2\nseeds = 3\n", seeds=1)
    with pytest.raises(UserError, match=r"--trials: belongs to a search"):
        plan_of(ONE_FACTOR, trials=3)
    with pytest.raises(UserError, match=r"--seeds: 3 arms x 50,000 seeds are more than 100,000 t"):
        plan_of(ONE_FACTOR, seeds=50_000)
    with pytest.raises(UserError, match=r"--trials: at most 100,000"):
        plan_of(SEARCH, trials=10**400)


# What the seeds cannot show


def test_a_plan_says_what_its_seeds_cannot_find() -> None:
    lines = plan_of(ONE_FACTOR, seeds=3)["lines"]
    (line,) = [line for line in lines if "cannot be counted on" in line]
    assert line.startswith("3 seeds and 2 comparisons cannot be counted on to find an effect")
    assert "at a spread of 0.40 points between pairs (assumed until some" in line
    five, ten = (100 * minimum_detectable(0.004, count, 2) for count in (5, 10))
    assert f" 5 seeds find {five:.2f} or more, 10 seeds {ten:.2f} or more. " in line
    assert line.endswith(" To settle even a difference near the margin, plan for about 13 seeds.")
    assert not any("seeds find" in each for each in plan_of(ONE_FACTOR, seeds=5)["lines"])
    assert not any("cannot be" in line for line in plan_of(ONE_FACTOR, seeds=30)["lines"])
    assert any("With 1 seed nothing" in line for line in plan_of(ONE_FACTOR, seeds=1)["lines"])
    assert not any("cannot be" in line for line in plan_of(SEARCH)["lines"])
    confirmed = f"{SEARCH}[confirm]\ntop = 2\nseeds = 4\npath_seeds = 3\n"
    first, second = (x for x in plan_of(confirmed)["lines"] if "cannot be counted on" in x)
    assert first.startswith("In the confirmation, 4 seeds and 3 comparisons cannot")
    assert second.startswith("On the path, 3 seeds and 4 comparisons cannot")
    no_path = confirmed.replace("path_seeds = 3", "path_seeds = 0")
    assert sum("cannot be counted on" in x for x in plan_of(no_path)["lines"]) == 1


def trained(storage: RDBStorage, *accuracies: float, study: str = STUDY) -> RDBStorage:
    """The storage with a study of three arms and two seeds that ended like this, seed by seed."""
    source, values = designed(storage, study=study), iter(accuracies)
    while task := source.next():
        source.finish(task, "COMPLETE", next(values), {"history": [{"epoch": 1}], "seconds": 1.0})
    return storage


def spread_told(spreads: dict[str, Spread], seeds: int = 5) -> str:
    """What a plan says of the spread, and all that follows."""
    pace = Pace(1e9, 2, "a stopwatch", spreads)
    lines = overview.plan(build("tiny", ONE_FACTOR), pace, seeds, None)["lines"]
    (line,) = (line for line in lines if "cannot be counted on" in line)
    return str(line).partition("at a spread of ")[2]


def spread(value: float, pairs: int = 5, longer: int = 0) -> Spread:
    epochs, images = objective.amount(build("tiny", ONE_FACTOR).space.baseline)
    return Spread(value, pairs, (epochs + longer, images))


def test_a_plan_uses_the_spread_measured_so_far(storage: RDBStorage) -> None:
    assert measured_spreads(storage, objective) == {}
    # Pairs by seed: +1 and +3 points of one arm, +3 and +1 of the other.
    trained(storage, 0.80, 0.81, 0.83, 0.80, 0.83, 0.81)
    (found,) = measured_spreads(storage, objective).items()
    assert found == ("tiny", spread(found[1].value, pairs=2))
    assert found[1].value == pytest.approx(0.02 / 2**0.5)
    alike, longer = spread(0.02), spread(0.03, longer=1)
    few = spread(0.015, pairs=2)
    for spreads, told in (
        ({"tiny": spread(0.01), "other": alike}, "1.00 as measured so far)"),
        ({"other": alike}, "2.00 as measured in other, whose trainings are as long)"),
        ({"other": alike, "few": few}, "1.50 as measured in few, whose trainings are as long)"),
        ({"longer": longer}, "0.40 points between pairs (assumed until"),
    ):
        assert told in spread_told(spreads)


def test_a_plan_rests_on_the_upper_bound_of_a_measured_spread() -> None:
    upper, (_, most) = upper_spread(0.01, 3), seeds_to_settle(0.01, 3, 2, 0.005)
    told = spread_told({"tiny": spread(0.01, pairs=3)}, 3)
    assert told.startswith(
        f"up to {100 * upper:.2f} points between pairs (the upper 80 % bound of 1.00 as measured "
    )
    five, ten = (100 * minimum_detectable(upper, count, 2) for count in (5, 10))
    assert f" 5 seeds find {five:.2f} or more, 10 seeds {ten:.2f} or more. " in told
    assert told.endswith(f"margin, plan for up to about {about(most):,} seeds.")
    assert about(most) >= most > seeds_to_settle(0.01, 3, 2, 0.005)[0]
    assert spread_told({"tiny": spread(0.5)}).endswith(
        "Not even 10,000 seeds are sure to settle a difference near the margin."
    )


def test_the_upper_bound_of_a_spread_holds_although_arms_share_the_baseline() -> None:
    """The bound is that of one arm's pairs: that of their mean holds at least as often."""
    rng = np.random.default_rng(0)
    for seeds in (2, 3, 5):
        values = rng.standard_normal((4_000, 6, seeds))
        variances = (values[:, 1:] - values[:, :1]).var(2, ddof=1).mean(1)
        upper = upper_spread(1.0, seeds) * np.sqrt(variances)
        assert (upper >= 2**0.5).mean() > 0.8


def test_a_collapsed_training_feeds_no_spread_of_a_plan(storage: RDBStorage) -> None:
    values = (0.80, 0.81, 0.83, 0.80, 0.83, 0.81)
    rows = [row for row in read_trials(trained(storage, *values), "tiny") if row.value]
    by_seed = {seed: replace(row, value=0.9) for seed, row in enumerate(rows[:4])}
    by_seed[2] = replace(rows[0], value=0.1)
    assert _learned(objective, objective.metric, by_seed) == {0: 0.9, 1: 0.9, 3: 0.9}


@pytest.mark.slow
def test_an_arm_at_chance_level_feeds_no_spread_of_a_plan(storage: RDBStorage) -> None:
    """It hardly scatters: half of the pairs would vary by next to nothing."""
    trained(storage, 0.80, 0.81, 0.1001, 0.80, 0.83, 0.1, study="one")
    assert measured_spreads(storage, objective)["one"].value == pytest.approx(0.02 / 2**0.5)
    untrained = {
        "all": (0.10, 0.11, 0.10, 0.11, 0.10, 0.10),
        "arms": (0.10, 0.81, 0.83, 0.11, 0.83, 0.81),
        "baseline": (0.80, 0.10, 0.10, 0.81, 0.11, 0.10),
    }
    for study, values in untrained.items():
        trained(storage, *values, study=study)
        found = {"tiny": measured_spreads(storage, objective)[study]}
        assert math.isnan(found["tiny"].value)
        assert spread_told(found).startswith(
            "0.40 points between pairs (assumed, as no arm has two pairs yet of which both sides "
            "have learned anything)"
        )
        assert "1.00 as measured in other" in spread_told({**found, "other": spread(0.01)})


def test_looks_are_planned_at_their_fewest_and_their_most() -> None:
    lines = overview.plan(load("source"), PACE, None, None)["lines"]
    (told,) = [line for line in lines if line.startswith("Looks at ")]
    assert told.startswith(
        "Looks at 5, 10, 15 and 20 seeds: an arm stops at the first that settles"
    )
    assert "At least 50 trainings (about " in told
    assert "at most 200 trainings (about " in told
    assert not [line for line in lines if "If no arm differs" in line]  # no spread is known


def test_a_measured_spread_tells_how_many_trainings_are_likely() -> None:
    plan = load("source")
    amount = plan.space.objective.amount(plan.space.baseline)
    pace = replace(PACE, spreads={"source": Spread(0.004, 10, amount)})
    lines = overview.plan(plan, pace, None, None)["lines"]
    (told,) = [line for line in lines if line.startswith("If no arm differs")]
    count = int(re.findall(r"baseline, (\d+) trainings", told)[0])
    assert 95 <= count <= 125
    assert "(2,000 simulated studies with a spread between pairs of 0.40 points as measured" in told
