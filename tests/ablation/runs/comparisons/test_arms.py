"""Arms of a table: names, baseline, comparisons."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.ablation.runs.selecting import counts, grid, line, refused, selected, with_figure

ONE_FACTOR = pd.concat(
    [
        grid(params_lr=["0.1"], params_depth=["2"], seed=range(3)),
        grid(params_lr=["0.01", "0.3"], params_depth=["2"], seed=range(3)),
        grid(params_lr=["0.1"], params_depth=["4"], seed=range(3)),
    ],
    ignore_index=True,
).pipe(with_figure)


def test_settings_are_named_by_what_differs_without_their_prefix() -> None:
    runs = selected(ONE_FACTOR, settings=("lr", "params_depth"))
    assert runs.arms["arm"].to_list() == ["baseline", "lr=0.01", "lr=0.3", "depth=4"]
    assert runs.arms["against"].to_list() == ["", "baseline", "baseline", "baseline"]
    assert runs.arms["changes"].to_list() == [{}, {"lr": "0.01"}, {"lr": "0.3"}, {"depth": "4"}]
    assert runs.arms["setting"][3] == {"lr": "0.1", "depth": "4"}
    assert line(runs, "baseline: lr=0.1, depth=2", "--against")


def test_a_setting_may_be_given_for_the_baseline() -> None:
    runs = selected(ONE_FACTOR, settings=("lr", "depth"), against=("params_depth=4",))
    assert runs.arms["arm"].to_list() == [
        "baseline", "depth=2", "lr=0.01+depth=2", "lr=0.3+depth=2"
    ]  # fmt: skip
    assert runs.arms["setting"][0] == {"lr": "0.1", "depth": "4"}


def test_settings_with_one_value_are_in_no_name() -> None:
    frame = ONE_FACTOR.assign(params_opt="adam")
    runs = selected(frame, settings=("lr", "depth", "opt"))
    assert runs.arms["arm"].to_list() == ["baseline", "lr=0.01", "lr=0.3", "depth=4"]
    assert runs.arms["setting"][0]["opt"] == "adam"


@pytest.mark.parametrize(
    ("against", "words"),
    [
        ((), ["lr", "0.1 (3)", "0.01 (3)", "--against lr=0.1"]),
        (("lr=1",), ["--against lr=1", "0.1, 0.01"]),
        (("rl=0.1",), ["NAME=VALUE", "lr"]),
        (("baseline",), ["NAME=VALUE", "lr"]),
    ],
)
def test_an_unclear_baseline_of_settings_is_refused(against: tuple[str], words: list[str]) -> None:
    frame = with_figure(grid(lr=["0.1", "0.01"], seed=range(3)))
    (reason,) = refused(frame, settings=("lr",), against=against)
    assert all(word in reason for word in words), reason


def test_a_baseline_must_have_been_run() -> None:
    frame = pd.concat(
        [
            grid(lr=["1"], depth=["2", "3", "4"], seed=range(2)),
            grid(lr=["2", "3", "4"], depth=["1"], seed=range(2)),
        ]
    ).pipe(with_figure)
    (reason,) = refused(frame, settings=("lr", "depth"))
    assert "lr=1+depth=1" in reason
    assert "--against lr=1 --against depth=2" in reason
    assert selected(frame, settings=("lr", "depth"), against=("lr=1", "depth=2"))


def test_a_run_again_does_not_make_the_baseline() -> None:
    frame = with_figure(grid(lr=["0.1", "0.2"], seed=range(2))).assign(state="finished")
    again = frame.iloc[[3]].assign(state="crashed")
    (reason,) = refused(pd.concat([frame, again]), settings=("lr",))
    assert "0.1 (2), 0.2 (2)" in reason


def test_texts_are_levels() -> None:
    frame = with_figure(grid(lr=["0.1", "0.10", ""], seed=["0", "1"]))
    runs = selected(frame, settings=("lr",), against=("lr=0.1",))
    assert runs.arms["arm"].to_list() == ["baseline", "lr=0.10", "lr=(empty)"]
    assert line(runs, "lr is 0.1, 0.10", "text")


def test_names_of_arms_stay_as_they_are() -> None:
    runs = selected(with_figure(grid(arm=["007", "7", "NA", "1.0"], seed=[0, 1])), arm="arm",
                    against=("7",))  # fmt: skip
    assert runs.arms["arm"].to_list() == ["7", "007", "NA", "1.0"]


def test_an_arm_called_baseline_is_it() -> None:
    frame = with_figure(grid(arm=["new", "Baseline"], seed=[0, 1]))
    runs = selected(frame, arm="arm")
    assert runs.arms["arm"].to_list() == ["Baseline", "new"]
    assert line(runs, "baseline: Baseline, by its name")


@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        (grid(arm=["a"], seed=[0, 1]), {"arm": "arm"}, ["single arm, a"]),
        (grid(lr=["1"], seed=[0, 1]), {"settings": ("lr",)}, ["one value"]),
        (
            grid(arm=["a", "b"], seed=[0]),
            {"arm": "arm", "against": ("c",)},
            ["--against c", "a, b"],
        ),
        (grid(arm=["a", "b"], seed=[0]), {"arm": "amr"}, ["--arm amr", "did you mean arm?"]),
        (grid(arm=["a", ""], seed=[0]), {"arm": "arm", "against": ("a",)}, ["empty", "arm!="]),
    ],
)
def test_what_has_no_arms_to_compare_is_refused(
    frame: pd.DataFrame, options: dict[str, Any], words: list[str]
) -> None:
    reasons = "\n".join(refused(with_figure(frame), **options))
    assert all(word in reasons for word in words), reasons


def test_every_setting_once_is_a_search() -> None:
    frame = grid(i=range(12)).assign(
        lr=[f"{0.01 * (i + 1):.3g}" for i in range(12)], depth=[str(i % 3) for i in range(12)]
    )
    reasons = refused(with_figure(frame), settings=("lr", "depth"))
    assert any("a search, not an ablation" in reason for reason in reasons)


def test_a_grid_run_once_is_a_search_whatever_is_the_baseline() -> None:
    frame = with_figure(grid(lr=["1", "2", "3"], depth=["1", "2", "3"], wd=["0", "1"]))
    against = ("lr=1", "depth=1", "wd=0")
    (reason,) = refused(frame, settings=("lr", "depth", "wd"), against=against)
    assert "each of 18 settings was run once: a search" in reason


def test_arms_that_differ_in_one_setting_may_be_run_once() -> None:
    frame = ONE_FACTOR[ONE_FACTOR["seed"] == "0"]
    runs = selected(frame, settings=("lr", "depth"))
    assert counts(runs) == {"baseline": 1, "lr=0.01": 1, "lr=0.3": 1, "depth=4": 1}
    assert line(runs, "one run an arm", "no verdict")


NAMES = with_figure(grid(arm=["a", "a=b", "b=c", "c"], seed=[0, 1]))


def test_an_arm_may_be_compared_with_another() -> None:
    runs = selected(NAMES, arm="arm", against=("a",), compare=("a=b=b=c", "c=a=b"))
    assert runs.arms.set_index("arm")["against"].to_dict() == {
        "a": "", "a=b": "b=c", "b=c": "a", "c": "a=b"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("compare", "words"),
    [
        (("c=x",), ["--compare c=x", "takes ARM=OTHER", "a, a=b, b=c, c"]),
        (("a=c",), ["the baseline"]),
        (("c=c",), ["an arm with itself"]),
        (("c=a", "c=b=c"), ["compared with another already"]),
        (("c",), ["takes ARM=OTHER"]),
        (("a=b=c",), ["2 ways"]),
    ],
)
def test_a_comparison_that_cannot_be_read_is_refused(compare: tuple[str], words: list[str]) -> None:
    (reason,) = refused(NAMES, arm="arm", against=("a",), compare=compare)
    assert all(word in reason for word in words), reason


def test_the_order_is_that_of_the_file() -> None:
    frame = with_figure(grid(seed=[0, 1], arm=["z", "y", "base", "a"]))
    runs = selected(frame, arm="arm", against=("base",))
    assert runs.arms["arm"].to_list() == ["base", "z", "y", "a"]
    assert runs.runs["arm"].drop_duplicates().to_list() == ["base", "z", "y", "a"]


def test_a_setting_that_varies_within_an_arm_is_said() -> None:
    frame = with_figure(grid(arm=["a", "b"], seed=[0, 1, 2]))
    frame["lr"] = ["1", "2", "1", "1", "1", "1"]
    assert line(selected(frame, arm="arm", against=("a",)), "lr varies within a (1, 2)")
