"""What is tracked: its state is taken, and set in other objects later."""

from __future__ import annotations

import random
from collections import Counter, OrderedDict, defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ablation.errors import UserError
from ablation.user_code.tracking.state import (
    DamagedError,
    MismatchError,
    TrackedState,
    capture,
    restore,
)


class Counting:
    """Something of a user's own with a state."""

    def __init__(self, state: Any = 0) -> None:
        self.value = state

    def state_dict(self) -> Any:
        return self.value

    def load_state_dict(self, state: Any) -> None:
        if state == "unwanted":
            raise RuntimeError("size mismatch\nfor weight")
        self.value = state


def test_a_state_is_a_copy() -> None:
    net, history = nn.Linear(2, 2), {"losses": [1.0], "best": np.zeros(2)}
    weight = net.weight.detach().clone()
    state = capture({"net": net, "history": history})
    before = state.digest()
    with torch.no_grad():
        net.weight.zero_()
    history["losses"].append(2.0)  # type: ignore[attr-defined]
    history["best"][:] = 1  # type: ignore[index]
    assert state.digest() == before
    for _ in range(2):  # and what is set is none of it
        restore({"net": net, "history": history}, state)
        assert torch.equal(net.weight, weight)
        assert history["losses"] == [1.0]
        np.testing.assert_array_equal(history["best"], np.zeros(2))
        history["best"][:] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    "tracked",
    [
        {"a": 1, 2: [3]},
        OrderedDict(b=1, a=2),
        Counter("abca"),
        defaultdict(list, a=[1]),
    ],
)
def test_dicts_are_restored_in_place(tracked: Any) -> None:
    expected = list(tracked.items())
    state = capture({"it": tracked})
    tracked["new"] = tracked["a"]
    tracked.pop("a")
    restore({"it": tracked}, state)
    assert list(tracked.items()) == expected


def generators() -> dict[str, Any]:
    """One of each kind, and what it draws."""
    return {
        "python": random.Random(1),
        "legacy": np.random.RandomState(2),
        "pcg": np.random.default_rng(3),
        "mersenne": np.random.Generator(np.random.MT19937(4)),
        "philox": np.random.Generator(np.random.Philox(5)),
        "sfc": np.random.Generator(np.random.SFC64(6)),
        "torch": torch.Generator().manual_seed(7),
    }


def draw(name: str, generator: Any) -> list[float]:
    """Uniform and normal numbers: a normal one may be kept for the next time."""
    if name == "torch":
        return [*torch.rand(2, generator=generator), *torch.randn(3, generator=generator)]
    if name == "python":
        return [generator.random(), generator.gauss()]
    normal = generator.normal if name != "legacy" else generator.randn
    return [generator.random(), float(normal()), int(generator.bytes(1)[0])]


@pytest.mark.parametrize("name", generators())
def test_generators_go_on(name: str) -> None:
    generator = generators()[name]
    draw(name, generator)
    state = capture({name: generator})
    expected = draw(name, generator)
    assert capture({name: generator}).digest() != state.digest()
    fresh = generators()[name]
    restore({name: fresh}, state)
    assert capture({name: fresh}).digest() == state.digest()
    assert draw(name, fresh) == expected


def test_a_generator_goes_on_with_its_children() -> None:
    generator = np.random.default_rng(0)
    generator.spawn(2)
    state = capture({"rng": generator})
    (expected,) = (child.random() for child in generator.spawn(1))
    fresh = np.random.default_rng(0)
    fresh.spawn(1)
    restore({"rng": fresh}, state)
    assert capture({"rng": fresh}).digest() == state.digest()
    assert fresh.spawn(1)[0].random() == expected
    with pytest.raises(MismatchError, match=r"rng=…\).*has spawned 3 generators.* state 2"):
        restore({"rng": fresh}, state)


def test_none_stays_none() -> None:
    state = capture({"scheduler": None})
    restore({"scheduler": None}, state)
    assert state.digest() == capture({"scheduler": None}).digest()


@pytest.mark.parametrize(
    ("tracked", "message"),
    [
        (SimpleNamespace(), "a SimpleNamespace has no state_dict; track what has state_dict and"),
        (SimpleNamespace(state_dict=dict), "a SimpleNamespace has no load_state_dict; track what"),
        ([1], "a list has no state_dict"),
        (torch.utils.data.DataLoader([1]), "a DataLoader has no state_dict; track what"),  # type: ignore[arg-type]
        (random, "a module has no state_dict"),
        (random.SystemRandom(), "a SystemRandom has no state_dict"),
        (nn.Linear, "Linear is a class; track an object of it"),
        (Counting({1}), "its state is a set; what is kept: tensors, arrays, numbers, text"),
        (Counting({"lr_lambdas": [len]}), r"its state has lr_lambdas\[0\], a builtin_function_or"),
        ({"best": {"net": nn.Linear(1, 1)}}, r"it has best\.net, a Linear; what is kept: tensors"),
    ],
)
def test_what_cannot_be_tracked_is_named(tracked: Any, message: str) -> None:
    with pytest.raises(UserError, match=rf"^run\.track\(thing=…\): {message}") as caught:
        capture({"fine": None, "thing": tracked})
    assert "\n" not in str(caught.value)


def test_a_dict_that_holds_itself_is_named_briefly() -> None:
    endless: dict[str, Any] = {}
    endless["me"] = endless
    with pytest.raises(
        UserError, match=r"it has me\.me\..* nested more than 100 levels deep"
    ) as caught:
        capture({"it": endless})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("tracked", "message"),
    [
        ({}, r"run\.track: thing is missing, which the saved state has"),
        ({"thing": Counting(), "ema": None}, r"run\.track\(ema=…\): the saved state has no ema"),
        ({"thing": None}, r"run\.track\(thing=…\): is None, in the saved state Counting"),
        ({"thing": {}}, r"run\.track\(thing=…\): is dict, in the saved state Counting"),
        ({"thing": nn.Linear(1, 1)}, r"run\.track\(thing=…\): is Linear, in the saved state Count"),
    ],
)
def test_other_names_or_types_are_named_and_change_nothing(
    tracked: dict[str, Any], message: str
) -> None:
    rng, state = random.Random(0), capture({"a": random.Random(1), "thing": Counting()})
    untouched = rng.getstate()
    with pytest.raises(MismatchError, match=f"^{message}"):
        restore({"a": rng, **tracked}, state)
    assert rng.getstate() == untouched


def test_all_differences_are_named_together() -> None:
    state = capture({"a": None, "b": {}, "c": Counting()})
    with pytest.raises(MismatchError) as caught:
        restore({"b": None, "c": Counting(), "d": None}, state)
    assert str(caught.value).splitlines() == [
        "run.track: a is missing, which the saved state has",
        "run.track(b=…): is None, in the saved state dict",
        "run.track(d=…): the saved state has no d",
    ]


def test_generators_of_another_kind_or_optimizers_of_another_class_do_not_fit() -> None:
    other = np.random.Generator(np.random.SFC64(0))
    with pytest.raises(MismatchError, match=r"\(SFC64\), in the saved .*Generator \(PCG64\)"):
        restore({"rng": other}, capture({"rng": np.random.default_rng(0)}))
    weights = list(nn.Linear(1, 1).parameters())
    state = capture({"optimizer": torch.optim.SGD(weights)})
    with pytest.raises(MismatchError, match="is Adam, in the saved state SGD"):
        restore({"optimizer": torch.optim.Adam(weights)}, state)


def test_an_object_that_refuses_its_state_is_named() -> None:
    with pytest.raises(MismatchError, match=r"thing=…\): .* RuntimeError: size mismatch for w"):
        restore({"thing": Counting()}, capture({"thing": Counting("unwanted")}))
    with pytest.raises(MismatchError, match=r"net=…\): does not take the saved state: Runtime"):
        restore({"net": nn.Linear(2, 2)}, capture({"net": nn.Linear(2, 3)}))


def test_a_state_that_nothing_writes_changes_nothing() -> None:
    rng = random.Random(0)
    untouched = rng.getstate()
    state = capture({"a": random.Random(1), "thing": {}})
    crafted = TrackedState({**state.objects, "thing": ("dict", ["no such kind"])}, state.buffers)
    with pytest.raises(DamagedError, match="the saved state: no value"):
        restore({"a": rng, "thing": {}}, crafted)
    assert rng.getstate() == untouched


def test_a_digest_tells_states_apart() -> None:
    states: list[dict[str, Any]] = [
        {},
        {"a": None},
        {"b": None},
        {"a": {}},
        {"a": Counting(None)},
        {"a": Counting({})},
        {"a": Counting(np.zeros(2))},
        {"a": Counting(np.ones(2))},
        {"a": {"x": 1}},
        {"a": {"x": 1.0}},
        {"a": None, "b": None},
    ]
    assert len({capture(state).digest() for state in states}) == len(states)
    assert capture({"a": None, "b": {}}).digest() == capture({"b": {}, "a": None}).digest()
