"""Which looks a run acts on, and which it can no longer change; nothing trains here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ablation.design.declaration import changed_looks, declared
from ablation.design.loading import build
from ablation.design.settling import Settling, TakenLook
from ablation.errors import UserError
from ablation.space.schema import Space
from ablation.statistics.settling import LookFigures
from ablation.storage import StorageError
from ablation.storage.record import Record, merge
from tests.helpers.made.studies import HEAD, document

OPEN = LookFigures(5, 0.3, 1.0, p=0.5, e=0.5)
FOUND = LookFigures(5, 3.0, 0.1, p=1e-9, e=1.0)
OLD = {"n_max": 10, "looks": [5, 10]}


def space(**changes: Any) -> str:
    """A study of two arms."""
    values = {
        "design": "one-factor",
        "seeds": 10,
        "baseline": {"epochs": 2, "train_size": 100},
        "factors": {"hidden_size": [64, 256]},
    }
    given = {key: value for key, value in {**values, **changes}.items() if value is not None}
    return HEAD + document(given)


def found(
    given: dict[str, Any] | None = None,
    looks: tuple[int, ...] | None = None,
    seeds: int | None = None,
    stored: tuple[Space, Settling | None] | None = None,
    **changes: Any,
) -> Settling | None:
    """The looks that a run of a space with this section acts on."""
    return declared(build("tiny", space(settle=given, **changes)), looks, seeds, stored)


def begun(given: dict[str, Any] | None, looks: tuple[int, ...] | None = None) -> Any:
    """A study as it is stored: its space and its looks."""
    plan = build("tiny", space(settle=given))
    return plan.space, declared(plan, looks)


def taken(settling: Settling, *figures: LookFigures) -> Settling:
    """The same after a look for each of these, of all arms alike."""
    return replace(
        settling,
        taken=tuple(
            TakenLook(place + 1, tuple(range(settling.all_looks[place])),
                      dict.fromkeys(settling.family, own))
            for place, own in enumerate(figures)
        ),
    )  # fmt: skip


def test_a_space_or_an_option_declares_looks() -> None:
    assert found() is None
    own = found({"looks": [5, 10], "reserve": True})
    assert own is not None
    assert (own.looks, own.reserve, own.family) == (
        (5, 10), True, ("hidden_size=64", "hidden_size=256"),
    )  # fmt: skip
    assert found({"looks": [5, 10]}, looks=()) is None
    asked = found(looks=(2, 12))
    assert asked is not None
    assert asked.looks == (2, 12)


def test_a_study_keeps_what_it_began_with_until_file_or_option_say_otherwise() -> None:
    plain = begun({"looks": [5, 10]}, ())
    assert found({"looks": [5, 10]}, stored=plain) is None
    turned_on = found({"looks": [5, 10]}, looks=(5, 10), stored=plain)
    assert turned_on is not None
    by_option = begun(None, (3, 6))
    kept = found(stored=by_option)
    assert kept is not None
    assert kept.looks == (3, 6)
    by_file = found({"looks": [4, 8]}, stored=by_option)
    assert by_file is not None
    assert by_file.looks == (4, 8)


def test_a_study_of_an_earlier_version_goes_on_as_it_began() -> None:
    stored = build("tiny", space(settle=OLD)).space, None
    assert found(OLD, stored=stored) is None


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (OLD, {}, "tiny: settle.n_max: there is no such key any more; take it out: an arm gets at"),
        (None, {"looks": (5, 3)}, "--settle: looks must be increasing numbers of seeds, 2 or more"),
        (None, {"looks": (5, 20), "seeds_listed": [1, 2]},
         "--settle: the last look takes 20 seeds, and the space lists 2; add to its list"),
        (None, {"looks": (2, 3), "design": "factorial"}, "--settle: a factorial has none"),
        ({"looks": [5, 10]}, {"seeds": 7}, "--seeds 7: fewer than the 10 of the last look"),
        ({"looks": [5, 10]}, {"seeds": 12}, "seeds beyond it need reserve = true in [settle]"),
        ({"looks": [5, 10], "reserve": True}, {"seeds": 12},
         "--seeds 12: looks at 10 seeds and fewer come first"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(
    given: dict[str, Any] | None, options: dict[str, Any], message: str
) -> None:
    listed = options.pop("seeds_listed", None)
    design = options.pop("design", "one-factor")
    plan = build("tiny", space(settle=given, design=design, seeds=listed or 10))
    with pytest.raises(UserError) as caught:
        declared(plan, **options)
    assert message in str(caught.value)


def test_a_reserve_allows_more_seeds_after_the_last_look() -> None:
    given = {"looks": [2, 3], "reserve": True}
    own, before = begun(given)
    more = found(given, seeds=5, stored=(own, taken(before, OPEN, OPEN)))
    assert more is not None
    assert (more.extra, more.next_look, more.next_seeds) == ((5,), 3, 5)
    again = found(given, seeds=5, stored=(own, more))
    assert again == more
    with pytest.raises(UserError, match="--seeds 5: every comparison is settled; leave it out"):
        found(given, seeds=5, stored=(own, taken(before, FOUND)))


def merged(stored: Settling | None, wanted: Settling | None, *, looks: tuple[int, ...] = (),
           **changes: Any) -> Record:  # fmt: skip
    """What a study goes on with whose space changes so."""
    before = build("tiny", space())
    now = build("tiny", space(**changes))
    return merge(
        "tiny",
        Record(before, seeds=before.space.seeds, settling=stored, looks=looks),
        Record(now, seeds=now.space.seeds, settling=wanted),
    )


def test_looks_may_change_until_the_first_is_taken() -> None:
    _, first = begun({"looks": [5, 10]})
    _, other = begun({"looks": [4, 8]})
    assert merged(first, other).settling == other
    assert merged(first, None).settling is None
    assert merged(None, other).settling == other
    arms = {"hidden_size": [64, 256], "dropout": [0.1]}
    assert merged(first, first, factors=arms).settling == first


@pytest.mark.parametrize(
    ("wanted", "changes", "message"),
    [
        (None, {}, "look 1 has been taken, at 5 seeds, so its looks stay; leave --no-settle out"),
        ({"looks": [5, 9]}, {}, "its looks stay: they were 5, 10, are 5, 9; take that back"),
        ({"looks": [5, 10], "reserve": True}, {}, "they were 5, 10, are 5, 10 with a reserve"),
        ({"looks": [5, 10]}, {"factors": {"hidden_size": [64, 256], "dropout": [0.1]}},
         "arm dropout=0.1: added after the first look"),
        ({"looks": [5, 10]}, {"margin": 0.01}, "margin: was 0.005, is 0.01"),
        ({"looks": [5, 10]}, {"outcome": {"over_last": 2}}, "outcome"),
    ],
)  # fmt: skip
def test_after_the_first_look_nothing_that_it_rests_on_changes(
    wanted: dict[str, Any] | None, changes: dict[str, Any], message: str
) -> None:
    stored = taken(begun({"looks": [5, 10]})[1], OPEN)
    with pytest.raises(StorageError) as caught:
        merged(stored, begun(wanted)[1], **changes)
    assert message in str(caught.value)


def test_what_was_taken_stays() -> None:
    _, first = begun({"looks": [5, 10]})
    stored = taken(first, OPEN)
    assert merged(stored, first).settling == stored


def test_looks_are_not_declared_after_verdicts() -> None:
    _, first = begun({"looks": [5, 10]})
    with pytest.raises(StorageError, match="verdicts were produced from 6 trials, and looks are"):
        merged(None, first, looks=(6,))
    assert changed_looks(None, None, 6) == ""
