"""The path from the baseline to the chosen setting: what changes, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ablation.design.arms import make_arm
from ablation.design.loading import build
from ablation.design.origin import Baseline, Drawn, Named, Step, WithoutChange
from ablation.objective import Setting
from ablation.scheduling.path import Predict, changes, forest, path_stage, steps, taken_back
from ablation.space.schema import Space
from crnn.objective import own_setting
from tests.helpers.made.studies import HEAD

SPACE = f"""{HEAD}
design = "search"
[baseline]
dropout = 0.25
[factors]
filter_sizes  = [[2, 2, 2], [3, 3, 2], [5, 5, 5]]
pooling_count = {{ low = 0, high = 3 }}
hidden_size   = {{ low = 64, high = 384, step = 64 }}
dropout       = {{ low = 0.0, high = 0.4, step = 0.05 }}
dropout_count = {{ low = 1, high = 3, when = {{ dropout = {{ above = 0 }} }} }}
learning_rate = {{ role = "nuisance", low = 3e-4, high = 3e-3, log = true }}
weight_decay  = {{ role = "nuisance", levels = [0.0, 1e-4] }}
[arms]
wide = {{ set = {{ hidden_size = 256 }} }}
[search]
trials = 6
"""


def space() -> Space:
    return build("tiny", SPACE).space


def best(**changed: Any) -> Setting:
    return space().baseline.replace(**changed)


def preferring(*names: str) -> Predict:
    """Expects more of a setting the earlier a changed one of these stands in the list."""

    def predict(settings: Sequence[Setting]) -> list[float]:
        base = space().baseline.values()
        weights = {name: 2.0**-place for place, name in enumerate(names)}
        return [
            sum(weight for name, weight in weights.items() if s.values()[name] != base[name])
            for s in settings
        ]

    return predict


def order(found: Sequence[Any]) -> list[tuple[str, ...]]:
    return [tuple(step.change) for step in found]


def test_scientific_factors_change_alone_and_nuisances_together() -> None:
    chosen = best(hidden_size=256, dropout=0.1, learning_rate=2e-3, weight_decay=1e-4)
    assert changes(space(), chosen) == [
        {"hidden_size": 256},
        {"dropout": 0.1},
        {"learning_rate": 2e-3, "weight_decay": 1e-4},
    ]


def test_what_has_no_effect_is_no_change() -> None:
    assert changes(space(), best(dropout=0.0, dropout_count=1)) == [{"dropout": 0.0}]


@pytest.mark.parametrize(
    "wished", [("dropout", "hidden_size", "pooling_count"), ("pooling_count", "dropout")]
)
def test_the_order_is_greedy_and_ends_at_the_chosen_setting(wished: tuple[str, ...]) -> None:
    chosen = best(hidden_size=256, dropout=0.1, pooling_count=2)
    found = steps(space(), chosen, preferring(*wished))
    assert [name for (name,) in order(found)][: len(wished)] == list(wished)
    assert found[-1].setting == chosen
    now = space().baseline
    for step in found:
        now = now.replace(**step.change)
        assert step.setting == now


def test_of_equals_the_space_has_the_first_first() -> None:
    found = steps(space(), best(hidden_size=256, dropout=0.1, pooling_count=2), preferring())
    assert order(found) == [("pooling_count",), ("hidden_size",), ("dropout",)]


def test_the_expectation_is_asked_anew_after_every_step() -> None:
    """A change may be worth something only together with another one."""

    def together(settings: Sequence[Setting]) -> list[float]:
        models = [own_setting(setting).model for setting in settings]
        wide = [model.hidden_size == 256 for model in models]
        dropout = [
            (0.5 if is_wide else -0.5) * (model.dropout == 0.1)
            for model, is_wide in zip(models, wide, strict=True)
        ]
        pooled = [0.3 * (model.pooling_count == 2) for model in models]
        return [0.4 * a + b + c for a, b, c in zip(wide, dropout, pooled, strict=True)]

    found = steps(space(), best(hidden_size=256, dropout=0.1, pooling_count=2), together)
    assert order(found) == [("hidden_size",), ("dropout",), ("pooling_count",)]


def test_a_change_without_effect_yet_waits() -> None:
    text = SPACE.replace("dropout = 0.25", "dropout = 0.0")
    other = build("tiny", text).space
    chosen = other.baseline.replace(dropout=0.1, dropout_count=1)
    found = steps(other, chosen, preferring("dropout_count", "dropout"))
    assert order(found) == [("dropout",), ("dropout_count",)]


def test_what_would_go_beyond_the_limits_waits() -> None:
    text = SPACE.replace("wide = { set = { hidden_size = 256 } }", "")
    limited = build("tiny", text + "[limits]\nparameters = 1_000_000\n").space
    # A larger map makes a larger head, which there is room for beside a narrow LSTM only.
    chosen = limited.baseline.replace(pooling_count=2, hidden_size=64)
    found = steps(limited, chosen, preferring("pooling_count", "hidden_size"))
    assert order(found) == [("hidden_size",), ("pooling_count",)]
    assert found[-1].setting == chosen


def test_where_no_change_can_be_made_alone_they_are_made_together() -> None:
    factors = "[factors]\nchannels = [[32, 64, 100]]\nembedding_dim = [50]\nhidden_size = [256]\n"
    other = build("tiny", f'{HEAD}\ndesign = "search"\n{factors}[search]\ntrials = 6\n').space
    # The flattened map divides into steps of 64 before, of 50 afterwards.
    chosen = other.baseline.replace(channels=(32, 64, 100), embedding_dim=50, hidden_size=256)
    found = steps(other, chosen, preferring("channels", "embedding_dim"))
    assert order(found) == [("hidden_size",), ("channels", "embedding_dim")]
    assert found[-1].setting == chosen


def stage(chosen: Setting, name: str = "best") -> Any:
    own = space()
    arm = make_arm(own, chosen, name, [])
    known = [make_arm(own, best(hidden_size=256), "wide", [Named()])]
    return path_stage(own, arm, preferring("hidden_size", "dropout"), known, (11, 12))


def test_each_step_is_compared_with_the_one_before_and_leave_one_out_with_the_best() -> None:
    found = stage(best(hidden_size=256, dropout=0.1, pooling_count=2))
    second = "hidden_size=256+dropout=0.1"
    assert [(arm.name, arm.against, arm.origins) for arm in found.arms] == [
        ("baseline", "", (Baseline(),)),
        ("wide", "baseline", (Step(1), Named())),
        (second, "wide", (Step(2), WithoutChange(("pooling_count",)))),
        ("best", second, (Step(3),)),
        ("pooling_count=2+dropout=0.1", "best", (WithoutChange(("hidden_size",)),)),
        ("pooling_count=2+hidden_size=256", "best", (WithoutChange(("dropout",)),)),
    ]

    assert (found.name, found.seeds) == ("path", (11, 12))
    assert len({arm.setting.digest for arm in found.arms}) == len(found.arms)


def test_named_arms_are_trained_on_the_paths_seeds_and_compared_with_the_baseline() -> None:
    own, chosen = space(), best(hidden_size=256, dropout=0.1)
    named = [
        make_arm(own, best(hidden_size=256), "wide", [Named()]),
        make_arm(own, best(hidden_size=64), "small", [Named()], "wide"),
        make_arm(own, best(hidden_size=128), "drawn", [Drawn(3, 2)]),
    ]
    found = path_stage(own, make_arm(own, chosen, "best", []), preferring("hidden_size"), named, ())
    assert [(arm.name, arm.against, arm.origins) for arm in found.arms] == [
        ("baseline", "", (Baseline(),)),
        ("wide", "baseline", (Step(1), WithoutChange(("dropout",)), Named())),
        ("best", "wide", (Step(2),)),
        ("dropout=0.1", "best", (WithoutChange(("hidden_size",)),)),
        ("small", "baseline", (Named(),)),
    ]


def test_a_path_of_one_change_is_its_own_leave_one_out() -> None:
    found = stage(best(hidden_size=256), "wide")
    assert [(arm.name, arm.against, arm.origins) for arm in found.arms] == [
        ("baseline", "", (Baseline(), WithoutChange(("hidden_size",)))),
        ("wide", "baseline", (Step(1), Named())),
    ]


def test_what_had_no_effect_is_not_brought_in_by_taking_a_change_back() -> None:
    """Without dropout the number of blocks that drop out is idle; with it again it would not be."""
    found = stage(best(hidden_size=256, dropout=0.0, dropout_count=1))
    assert [arm.origins for arm in found.arms] == [
        (Baseline(),),
        (Step(1), WithoutChange(("dropout",)), Named()),
        (Step(2),),
        (WithoutChange(("hidden_size",)),),
    ]
    assert all(arm.setting.model.dropout_count == 3 for arm in found.arms[:-2])
    assert found.arms[1].setting == best(hidden_size=256)


CONDITION = (
    'learning_rate = { role = "nuisance", low = 3e-4, high = 3e-3, log = true }',
    "batch_norm = [true, false]\nlearning_rate = { low = 3e-4, high = 3e-3, log = true, "
    "when = { batch_norm = { is = [false] } } }",
)


def test_what_is_drawn_under_a_condition_follows_it_there_and_back() -> None:
    own = build("tiny", SPACE.replace(*CONDITION)).space
    chosen = own.baseline.replace(batch_norm=False, learning_rate=2e-3, hidden_size=256)
    arm = make_arm(own, chosen, "best", [])
    found = path_stage(own, arm, preferring("learning_rate", "batch_norm"), [], (11, 12))
    settings = {origin: arm.setting for arm in found.arms for origin in arm.origins}
    assert settings[Step(1)] == own.baseline.replace(batch_norm=False)
    assert settings[Step(2)] == own.baseline.replace(batch_norm=False, learning_rate=2e-3)
    assert settings[WithoutChange(("batch_norm",))] == own.baseline.replace(hidden_size=256)
    assert settings[WithoutChange(("learning_rate",))] == chosen.replace(learning_rate=1e-3)


def test_what_is_a_step_is_told_to_be_what_is_taken_back_as_well() -> None:
    """With the condition goes what is drawn under it, so that taking it back leads to a step."""
    own = build("tiny", SPACE.replace(*CONDITION)).space
    chosen = own.baseline.replace(batch_norm=False, learning_rate=2e-3)
    found = path_stage(
        own, make_arm(own, chosen, "best", []), preferring("batch_norm"), [], (11, 12)
    )
    assert [arm.origins for arm in found.arms] == [
        (Baseline(), WithoutChange(("batch_norm",))),
        (Step(1), WithoutChange(("learning_rate",))),
        (Step(2),),
    ]


def test_there_is_no_path_to_the_baseline() -> None:
    assert stage(best(), "baseline").arms == ()


def test_a_change_taken_back_has_the_baselines_value() -> None:
    chosen = best(hidden_size=256, dropout=0.1)
    assert taken_back(space(), chosen, {"dropout": 0.1}) == best(hidden_size=256)


@pytest.mark.slow
def test_the_forest_learns_what_helps_and_is_the_same_each_time() -> None:
    own = space()
    tried = [
        (best(hidden_size=size, filter_sizes=sizes, dropout=rate), 0.7 + 0.1 * (size == 256)
         + 0.2 * (sizes == (5, 5, 5)) - 0.1 * (rate == 0.4))
        for size in (64, 128, 256) for sizes in ((2, 2, 2), (3, 3, 2), (5, 5, 5))
        for rate in (0.0, 0.2, 0.4)
    ]  # fmt: skip
    asked = [
        best(),
        best(hidden_size=256),
        best(filter_sizes=(5, 5, 5)),
        best(dropout=0.4),
        best(dropout=0.0, dropout_count=1),
    ]
    predict = forest(own, tried, seed=3)
    base, wide, large, much, idle = predict(asked)
    assert much < base < wide < large
    assert predict([best(dropout=0.0)]) == [idle]
    assert list(forest(own, tried, seed=3)(asked)) == [base, wide, large, much, idle]
    assert list(forest(own, tried, seed=4)(asked)) != [base, wide, large, much, idle]
