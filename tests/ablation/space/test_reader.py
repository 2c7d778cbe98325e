"""Space files: what is read from them, and every mistake as a line of its own with its fix."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from ablation.design.loading import build, load
from ablation.errors import UserError, did_you_mean
from ablation.space.errors import SpaceError
from ablation.space.reader import new_space, parse, shipped
from ablation.space.schema import Condition, Factor
from ablation.space.sections import seeds_of
from crnn.network.config import Setting
from tests.helpers.made.studies import HEAD, ONE_FACTOR, SEARCH, document

Document = dict[str, Any]


def errors_of(text: str) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        build("mine", text)
    return caught.value.errors


def one_factor(**changes: Any) -> Document:
    """A valid one-factor space with some keys changed, None taking one out."""
    return _changed(tomllib.loads(ONE_FACTOR), changes)


def search(**changes: Any) -> Document:
    """A valid search with some keys changed, None taking one out."""
    return _changed(tomllib.loads(SEARCH), {"arms": None, **changes})


def drawn(**factor: Any) -> Document:
    """A search over the hidden size alone."""
    return search(factors={"hidden_size": factor})


def _changed(values: Document, changes: Document) -> Document:
    return {key: value for key, value in {**values, **changes}.items() if value is not None}


# What is read


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_space_is_valid(name: str) -> None:
    plan = load(name)
    assert plan.space.question.endswith("?")
    assert plan.study_name == name
    assert plan.arms[0].name == "baseline"


def test_shipped_spaces_are_those_that_come_with_the_project() -> None:
    assert {"smoke", "quick", "source", "deconfounded", "components", "joint"} <= set(shipped())


def test_a_space_as_its_author_wrote_it() -> None:
    space = load("source").space
    assert space.seeds == tuple(range(10, 30))
    assert space.margin == 0.005
    assert space.settle is not None
    assert space.settle.looks == [5, 10, 15, 20]
    assert space.reported["baseline"].test_accuracy == 0.8967
    curves = dict(space.reported_curves["baseline"])
    assert [len(curve) for curve in curves.values()] == [20] * 4
    assert (curves["train_loss"][0], curves["val_accuracy"][-1]) == (0.795, 0.9055)
    assert space.arms["dropout-once"].against == "dropout=0.1"
    assert space.baseline == Setting.of({"averaging": 0.998})
    assert space.factor("filter_sizes").levels == ((3, 3, 2), (2, 2, 2), (3, 3, 3), (5, 5, 5))
    fixed = space.fixed()
    assert "learning_rate" in fixed
    assert not {"hidden_size", "dropout", "dropout_count"} & set(fixed)


def test_a_search_as_its_author_wrote_it() -> None:
    space = load("joint").space
    assert space.search is not None
    assert space.search.training == {"epochs": 6, "train_size": 12_000}
    assert space.held_fixed()["epochs"] == "6 in the search, 20 in a confirmation"
    assert space.held_fixed()["batch_size"] == "64"
    assert "averaging" not in space.held_fixed()  # at its default it is not spoken of
    assert space.search.sampler.n_startup_trials == 20
    assert space.confirm is not None
    assert space.limits.parameters == 4_066_836
    assert space.factor("learning_rate").role == "nuisance"
    assert space.factor("pooling_count").step == 1
    assert space.factor("hidden_size").texts() == ["64 to 256 step 64"]
    assert space.factor("learning_rate").texts() == ["0.0003 to 0.003 log"]
    assert space.factor("dropout_count").when["dropout"].holds(0.05)
    assert not space.factor("dropout_count").when["dropout"].holds(0.0)


def test_the_baselines_value_is_a_level_listed_or_not() -> None:
    text = document(one_factor(factors={"hidden_size": [256, 128], "dropout": [0.1]}))
    space = build("mine", text).space
    assert space.factor("hidden_size").levels == (256, 128)
    assert space.factor("dropout").levels == (0.25, 0.1)


def test_a_list_of_seeds_is_as_long_as_a_count_can_be() -> None:
    assert len(seeds_of(list(range(10_000)))) == 10_000
    with pytest.raises(ValueError, match="at most 10,000 seeds"):
        seeds_of(list(range(10_001)))


@pytest.mark.parametrize(("given", "seeds"), [(1, (0,)), (3, (0, 1, 2)), ([7, 3], (7, 3))])
def test_seeds_are_a_count_or_a_list(given: int | list[int], seeds: tuple[int, ...]) -> None:
    assert seeds_of(given) == seeds
    assert build("mine", document(one_factor(seeds=given))).space.seeds == seeds


@pytest.mark.parametrize(
    ("condition", "met", "not_met"),
    [
        (Condition(above=0), [0.1, 1, True], [0, -1, "a", (1, 2)]),
        (Condition(below=2.5), [2, 0.0], [2.5, 3, "a", (1, 2)]),
        (
            Condition.model_validate({"is": ["adamw", [3, 3, 2], 0.5]}),
            ["adamw", (3, 3, 2), 0.5],
            ["adam", 1],
        ),
    ],
)
def test_when_a_condition_holds(condition: Condition, met: list[Any], not_met: list[Any]) -> None:
    assert all(condition.holds(value) for value in met)
    assert not any(condition.holds(value) for value in not_met)


def test_a_range_has_what_lies_on_its_steps() -> None:
    factor = Factor(name="dropout", low=0.0, high=0.4, step=0.05)
    assert all(factor.has(value) for value in (0.0, 0.05, 0.1, 0.15, 0.3, 0.35, 0.4))
    assert not any(factor.has(value) for value in (0.12, 0.45, -0.05, 0.1000001))
    assert Factor(name="dropout", low=0.0, high=0.4).has(0.123)


def test_a_new_space_is_valid_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    new_space(path)
    assert [arm.name for arm in load(str(path)).arms] == [
        "baseline", "hidden_size=64", "hidden_size=256", "dropout=0.1",
    ]  # fmt: skip
    assert f"plan {path}" in path.read_text(encoding="utf-8")
    written = path.read_bytes()
    with pytest.raises(UserError, match="exists already"):
        new_space(path)
    assert path.read_bytes() == written
    with pytest.raises(UserError, match="No such file or directory; choose another place"):
        new_space(tmp_path / "none" / "mine.toml")


# What is wrong


ALWAYS = {
    "format missing": (one_factor(format=None), "format: must be 1"),
    "format of another version": (one_factor(format=2), "format: must be 1"),
    "question missing": (one_factor(question=None), "question: missing; say in one sentence"),
    "question empty": (one_factor(question=""), "question: missing; say in one sentence"),
    "question no text": (one_factor(question=3), "question: must be text"),
    "design missing": (one_factor(design=None), "design: missing; one of one-factor, factorial"),
    "design unknown": (
        one_factor(design="grid"),
        "design: there is no 'grid'; Valid: one-factor, factorial, search",
    ),
    "design of the harness itself": (
        one_factor(design="confirmation"),
        "design: there is no 'confirmation'; ",
    ),
    "design misspelt in a search": (
        search(design="serach"),
        "design: there is no 'serach'; did you mean search? Valid: ",
    ),
    "unknown key": (
        one_factor(sedes=2),
        "sedes: unknown key; did you mean seeds or settle or design? Valid: format, question,",
    ),
    "margin of zero": (one_factor(margin=0), "margin: must be greater than 0"),
    "margin of one": (one_factor(margin=1.0), "margin: must be less than 1"),
    "margin no number": (one_factor(margin="small"), "margin: must be a valid number"),
    "no table": (one_factor(baseline=[1]), "baseline: must be a table, [baseline]"),
    "unknown setting": (
        one_factor(baseline={"hiden_size": 1}),
        "baseline.hiden_size: no such setting; did you mean hidden_size or train_size or "
        "filter_sizes? Valid: conv_layers,",
    ),
    "value of the wrong type": (
        one_factor(baseline={"hidden_size": "big"}),
        'baseline.hidden_size: "big" is not an integer from 1 to 4096',
    ),
    "value out of range": (
        one_factor(baseline={"dropout_count": 4}),
        "baseline.dropout_count: 4 is not an integer from 0 to 3",
    ),
    "value not finite": (
        one_factor(baseline={"learning_rate": float("nan")}),
        "baseline.learning_rate: NaN is not a number above 0, to 10",
    ),
    "precision in the baseline": (
        one_factor(baseline={"precision": "bf16"}),
        "baseline.precision: is a study's, not an arm's; use --precision",
    ),
}
SEEDS = {
    "seeds missing": (one_factor(seeds=None), "seeds: no seeds; give a count from 1 on, or a list"),
    "no seeds": (one_factor(seeds=[]), "seeds: no seeds; give a count"),
    "zero seeds": (one_factor(seeds=0), "seeds: no seeds; give a count"),
    "fewer than no seeds": (one_factor(seeds=-3), "seeds: no seeds; give a count"),
    "seeds in words": (one_factor(seeds="three"), "seeds: no seeds; give a count"),
    "seeds true": (one_factor(seeds=True), "seeds: no seeds; give a count"),
    "a negative seed": (one_factor(seeds=[0, -1]), "seeds: seeds must be 0 or more and all"),
    "a seed twice": (one_factor(seeds=[1, 2, 1]), "seeds: seeds must be 0 or more and all"),
    "too many seeds": (one_factor(seeds=10**12), "seeds: at most 10,000 seeds"),
    "seeds in a search": (search(seeds=3), "seeds: a search has one seed, [search] seed;"),
}
FACTORS = {
    "no factors": (one_factor(factors=None), "factors: none; name at least one setting"),
    "unknown factor": (
        one_factor(factors={"hiden_size": [1]}),
        "factors.hiden_size: no such setting; did you mean hidden_size",
    ),
    "precision as a factor": (
        one_factor(factors={"precision": ["bf16"], "dropout": [0.1]}),
        "factors.precision: is a study's, not an arm's; use --precision",
    ),
    "factor no list": (
        one_factor(factors={"dropout": 0.1}),
        "factors.dropout: give a list of levels, or a table with levels, or low and high",
    ),
    "no levels": (one_factor(factors={"dropout": []}), "factors.dropout: no levels; give a list"),
    "levels no list": (
        one_factor(factors={"dropout": {"levels": 0.1}}),
        "factors.dropout.levels: must be a list",
    ),
    "level of the wrong type": (
        one_factor(factors={"hidden_size": ["big"]}),
        'factors.hidden_size: level "big" is not an integer from 1 to 4096',
    ),
    "level out of range": (
        one_factor(factors={"dropout": [1.5]}),
        "factors.dropout: level 1.5 is not a number from 0 to 0.95",
    ),
    "level of too few blocks": (
        one_factor(factors={"filter_sizes": [[3, 3]]}),
        "factors.filter_sizes: level [3, 3] is not a list of 3 integers from 1 to 15",
    ),
    "two levels alike": (
        one_factor(factors={"hidden_size": [64, 64]}),
        "factors.hidden_size: two levels alike: 64 stands there twice",
    ),
    "two levels alike, written differently": (
        one_factor(factors={"weight_decay": [1, 1.0]}),
        "factors.weight_decay: two levels alike: 1 stands there twice",
    ),
    "two levels of the same name": (
        one_factor(factors={"dropout": [0.1, 0.1000000001]}),
        "factors.dropout: two levels alike: 0.1 stands there twice",
    ),
    "levels and a range": (
        drawn(levels=[64, 128], low=64, high=128),
        "factors.hidden_size: has levels and a range; keep one of them",
    ),
    "a name inside a factor": (
        one_factor(factors={"dropout": {"name": "p", "levels": [0.1]}}),
        "factors.dropout.name: unknown key; Valid: role, levels, low, high, step, log, when",
    ),
    "unknown role": (
        drawn(role="minor", levels=[64]),
        "factors.hidden_size.role: must be 'scientific' or 'nuisance'",
    ),
    "nuisance outside a search": (
        one_factor(factors={"dropout": {"role": "nuisance", "levels": [0.1]}}),
        "factors.dropout: a nuisance belongs to a search",
    ),
    "condition outside a search": (
        one_factor(
            factors={
                "dropout": [0.1],
                "dropout_count": {"levels": [1], "when": {"dropout": {"above": 0}}},
            }
        ),
        "factors.dropout_count: conditions (when) belong to a search; take it out",
    ),
    "range outside a search": (
        one_factor(factors={"dropout": {"low": 0.0, "high": 0.5}}),
        "factors.dropout: a range belongs to a search; give a list of levels",
    ),
}


def _when(condition: Any, name: str = "dropout") -> Document:
    """A search whose hidden size is drawn under a condition."""
    first = {"dropout": [0.1], "filter_sizes": [[2, 2, 2]]}
    return search(factors={**first, "hidden_size": {"levels": [64], "when": {name: condition}}})


RANGES = {
    "half a range": (drawn(low=64), "factors.hidden_size: no levels; give a list of them, or low"),
    "range upside down": (drawn(low=256, high=64), "low = 256 must be below high = 64"),
    "range of one value": (drawn(low=128, high=128), "low = 128 must be below high = 128"),
    "range with an end out of range": (
        drawn(low=0, high=128),
        "factors.hidden_size: low = 0 is not an integer from 1 to 4096",
    ),
    "range with no number": (drawn(low="a", high=128), "factors.hidden_size.low: must be a number"),
    "range of texts": (
        search(factors={"padding": {"levels": ["matched"], "low": True}}),
        "factors.padding.low: must be a number",
    ),
    "log with a step": (
        drawn(low=64, high=128, step=64, log=True),
        "factors.hidden_size: log needs low above 0 and takes no step",
    ),
    "log from zero": (
        search(factors={"weight_decay": {"low": 0.0, "high": 0.1, "log": True}}),
        "factors.weight_decay: log needs low above 0 and takes no step",
    ),
    "step of zero": (drawn(low=64, high=128, step=0), "step = 0 must be above 0"),
    "step below zero": (drawn(low=64, high=128, step=-64), "step = -64 must be above 0"),
    "half a step": (drawn(low=127, high=129, step=0.5), "step = 0.5 must be a whole number"),
    "step off the grid": (
        drawn(low=64, high=384, step=100),
        "factors.hidden_size: high = 384 is not low plus whole steps of 100",
    ),
    "step off the grid by a hair": (
        search(factors={"dropout": {"low": 0.0, "high": 0.2999999999999, "step": 0.1}}),
        "factors.dropout: high = 0.2999999999999 is not low plus whole steps of 0.1",
    ),
    "step too small to count": (
        search(factors={"dropout": {"low": 0.0, "high": 0.3, "step": 5e-324}}),
        "factors.dropout: step = 5e-324 is too fine; leave it out",
    ),
    "baseline outside the range": (
        drawn(low=256, high=512),
        "factors.hidden_size: the baseline's 128 is not in the range; widen it",
    ),
    "baseline between two steps": (
        drawn(low=64, high=164, step=50),
        "factors.hidden_size: the baseline's 128 is not in the range; widen it",
    ),
    "condition on no earlier factor": (
        _when({"above": 0}, "droput"),
        "factors.hidden_size.when.droput: not a factor listed before it; did you mean dropout?",
    ),
    "condition on itself": (
        _when({"above": 0}, "hidden_size"),
        "factors.hidden_size.when.hidden_size: not a factor listed before it; ",
    ),
    "condition of nothing": (
        _when({}),
        "factors.hidden_size.when.dropout: takes one of above, below, is = [values]",
    ),
    "condition of two bounds": (
        _when({"above": 0, "below": 1}),
        "factors.hidden_size.when.dropout: takes one of above, below, is = [values]",
    ),
    "unknown key of a condition": (
        _when({"abov": 0}),
        "factors.hidden_size.when.dropout.abov: unknown key; did you mean above? Valid: above,",
    ),
    "condition that never holds": (
        _when({"is": ["adam"]}),
        'factors.hidden_size.when.dropout: is: "adam" is not a number from 0 to 0.95',
    ),
    "condition of no value": (_when({"is": []}), "factors.hidden_size.when.dropout.is: "),
    "bound on what has no order": (
        _when({"above": 3}, "filter_sizes"),
        "factors.hidden_size.when.filter_sizes: filter_sizes has no order; use is = [values]",
    ),
}


def _arm(name: str = "both", **arm: Any) -> Document:
    return one_factor(arms={name: arm})


ARMS = {
    "arm name with a sign": (_arm("a=b", set={"dropout": 0.3}), "arms.a=b: an arm's name is"),
    "arm name with a path": (_arm("../x", set={"dropout": 0.3}), "arms.../x: an arm's name is"),
    "arm name too long": (_arm("x" * 101, set={"dropout": 0.3}), "an arm's name is letters"),
    "arm named baseline": (_arm("baseline", set={"dropout": 0.3}), "arms.baseline: an arm's name"),
    "arm no table": (one_factor(arms={"a": 3}), "arms.a: must be a table"),
    "arm without settings": (_arm(note="none"), "arms.both.set: missing"),
    "arm that changes nothing": (_arm(set={}), "arms.both: changes nothing; put settings into"),
    "unknown key of an arm": (
        _arm(set={"dropout": 0.3}, agianst="baseline"),
        "arms.both.agianst: unknown key; did you mean against? Valid: set, against, note",
    ),
    "unknown setting of an arm": (
        _arm(set={"dropuot": 0.3}),
        "arms.both.set.dropuot: no such setting; did you mean dropout",
    ),
    "bad value of an arm": (
        _arm(set={"dropout": 3.5}),
        "arms.both.set.dropout: 3.5 is not a number from 0 to 0.95",
    ),
    "arm against an unknown one": (
        _arm(set={"dropout": 0.3}, against="dropout=0.2"),
        'arms.both.against: no arm "dropout=0.2"; did you mean dropout=0.1',
    ),
    "arm against itself": (
        _arm(set={"dropout": 0.3}, against="both"),
        'arms.both.against: no arm "both"; ',
    ),
    "arm outside a search's factors": (
        search(arms={"deep": {"set": {"lstm_layers": 4}}}),
        "arms.deep: lstm_layers is no factor; a search's arms change factors only",
    ),
    "arm outside a search's range": (
        search(arms={"odd": {"set": {"hidden_size": 100}}}),
        "arms.odd: hidden_size = 100 is not among 64 to 384 step 64",
    ),
    "arm outside a search's levels": (
        search(arms={"odd": {"set": {"filter_sizes": [3, 3, 3]}}}),
        "arms.odd: filter_sizes = 3,3,3 is not among 2,2,2, 3,3,2, 5,5,5",
    ),
    "figures of an unknown arm": (
        one_factor(reported={"dropout=0.2": {"test_accuracy": 0.9}}),
        'reported."dropout=0.2": no such arm; did you mean dropout=0.1',
    ),
    "figures in percent": (
        one_factor(reported={"baseline": {"test_accuracy": 89.7}}),
        "reported.baseline.test_accuracy: must be less than or equal to 1",
    ),
    "curves of an unknown arm": (
        one_factor(reported_curves={"dropout=0.2": {"val_loss": [0.5]}}),
        'reported_curves."dropout=0.2": no such arm; did you mean dropout=0.1',
    ),
    "curves of different lengths": (
        one_factor(reported_curves={"baseline": {"val_loss": [0.5, 0.4], "train_loss": [0.5]}}),
        "reported_curves.baseline: curves must have an entry an epoch each: "
        "train_loss has 1, val_loss has 2",
    ),
    "no curve": (
        one_factor(reported_curves={"baseline": {}}),
        "reported_curves.baseline: no curve; give one of train_loss, train_accuracy, val_loss",
    ),
    "curves in percent": (
        one_factor(reported_curves={"baseline": {"val_accuracy": [0.8, 89.7]}}),
        "reported_curves.baseline.val_accuracy.1: must be less than or equal to 1",
    ),
    "a curve that is none": (
        one_factor(reported_curves={"baseline": {"val_loss": 0.5}}),
        "reported_curves.baseline.val_loss: must be a list",
    ),
}
SECTIONS = {
    "looks out of order": (
        one_factor(settle={"looks": [5, 3]}),
        "settle: looks must be increasing numbers of seeds, 2 or more",
    ),
    "looks of one seed": (
        one_factor(settle={"looks": [1, 3]}),
        "settle: looks must be increasing",
    ),
    "no looks": (one_factor(settle={"looks": []}), "settle: looks must be increasing"),
    "looks beyond the seeds": (
        one_factor(settle={"looks": [5, 20]}, seeds=10),
        "settle: its last look takes 20 seeds, and there are 10; raise seeds, or take looks out",
    ),
    "looks beyond the seeds listed": (
        one_factor(settle={"looks": [2, 3]}, seeds=[7, 8]),
        "settle: its last look takes 3 seeds, and there are 2; raise seeds",
    ),
    "looks at more seeds than there can be": (
        one_factor(settle={"looks": [5, 10_001]}),
        "settle: looks must be at most 10,000 seeds",
    ),
    "settle in a factorial": (
        one_factor(design="factorial", settle={"looks": [2]}),
        "settle: a factorial has none: its main effects average over all arms",
    ),
    "settle in a search": (
        search(settle={"looks": [5]}),
        "settle: a search has none; its confirmation has, as [confirm] looks",
    ),
    "a search's section elsewhere": (
        one_factor(confirm={"top": 3, "seeds": 5}),
        'confirm: only a design = "search" has it; take it out',
    ),
    "search missing": (search(search=None), "search: missing; give [search] with at least"),
    "trials missing": (search(search={"seed": 0}), "search.trials: missing"),
    "no trials": (search(search={"trials": 0}), "search.trials: must be greater than or equal to"),
    "unknown sampler": (
        search(search={"trials": 3, "sampler": {"name": "cma"}}),
        "search.sampler.name: must be 'tpe', 'random', 'qmc' or 'gp'",
    ),
    "sampler by name alone": (
        search(search={"trials": 3, "sampler": "tpe"}),
        "search.sampler: must be a table",
    ),
    "option of another sampler": (
        search(search={"trials": 3, "sampler": {"name": "qmc", "n_startup_trials": 3}}),
        "search.sampler: qmc has no option n_startup_trials; it takes qmc_type, scramble",
    ),
    "option of a sampler without": (
        search(search={"trials": 3, "sampler": {"name": "random", "scramble": True}}),
        "search.sampler: random has no option scramble; it takes none",
    ),
    "unknown option of a sampler": (
        search(search={"trials": 3, "sampler": {"name": "tpe", "n_candidates": 3}}),
        "search.sampler.n_candidates: unknown key; did you mean n_ei_candidates",
    ),
    "option of another pruner": (
        search(search={"trials": 3, "pruner": {"name": "median", "min_resource": 3}}),
        "search.pruner: median has no option min_resource; it takes n_startup_trials,",
    ),
    "unknown training setting": (
        search(search={"trials": 3, "training": {"epoch": 3}}),
        "search.training.epoch: no such setting; did you mean epochs",
    ),
    "precision of a search's training": (
        search(search={"trials": 3, "training": {"precision": "bf16"}}),
        "search.training.precision: is a study's, not an arm's; use --precision",
    ),
    "factor set by a search's training": (
        search(search={"trials": 3, "training": {"learning_rate": 0.1}}),
        "search.training.learning_rate: is a factor: it is drawn; take it out",
    ),
    "search's training without an image": (
        search(
            baseline={"train_fraction": 0.04},
            search={"trials": 3, "training": {"train_size": 10}},
        ),
        "arm baseline: infeasible, train_size and train_fraction leave no image to train",
    ),
    "a last batch of one value to normalise": (
        one_factor(
            baseline={"filter_sizes": [1, 3, 7], "pooling_count": 2, "batch_size": 41999},
            factors={"batch_norm": [False]},
            arms=None,
        ),
        "arm baseline: infeasible, block 3: batch_norm has one value to normalise, its map is "
        "1 x 1 and the last batch of an epoch one image (42,000 by 41999); change batch_size",
    ),
    "batches of one value to normalise": (
        one_factor(
            baseline={"filter_sizes": [1, 3, 7], "pooling_count": 2, "batch_size": 1},
            factors={"batch_norm": [False]},
            arms=None,
        ),
        "arm baseline: infeasible, block 3: batch_norm has one value",
    ),
    "confirmation of one seed": (
        search(confirm={"top": 3, "seeds": 1}),
        "confirm.seeds: must be greater than or equal to 2",
    ),
}
LEVELS = {"batch_size": list(range(1, 700)), "epochs": list(range(1, 400))}
LIMITS = {
    "a seed too large": (one_factor(seeds=[0, 2**32]), "seeds: a seed is at most 4,294,967,295"),
    "too many levels": (
        one_factor(factors={"hidden_size": list(range(1, 1002))}),
        "factors.hidden_size: 1,001 levels; at most 1,000",
    ),
    "too many arms of one factor each": (
        one_factor(factors=LEVELS),
        "1,097 arms; at most 1,000: take levels out, or let a search draw",
    ),
    "too many arms of all factors": (
        one_factor(design="factorial", factors=LEVELS),
        "278,901 arms; at most 1,000: take levels out",
    ),
    "too many trainings": (
        one_factor(seeds=10_000, factors={"hidden_size": list(range(1, 100))}),
        "seeds: 100 arms x 10,000 seeds are more than 100,000 trainings",
    ),
    "too many trials": (
        search(search={"trials": 10**12}),
        "search.trials: must be less than or equal to 100000",
    ),
    "a search's seed too large": (
        search(search={"trials": 3, "seed": 2**32}),
        "search.seed: must be less than or equal to 4294967295",
    ),
    "too many candidates": (
        search(search={"trials": 3, "sampler": {"name": "tpe", "n_ei_candidates": 10**9}}),
        "search.sampler.n_ei_candidates: must be less than or equal to 100000",
    ),
    "control characters": (
        one_factor(question="Is this \x1b[31mred?"),
        "question: has a control character; take it out",
    ),
    "control characters in a key": (one_factor(**{"\x1b[2J": 1}), "\\x1b[2J: unknown key; "),
    "a value beyond all lines": (
        one_factor(baseline={"hidden_size": "x" * 9000}),
        "xxx … is not an integer from 1 to 4096",
    ),
    "a key beyond all lines": (one_factor(**{"x" * 9000: 1}), "xxx … "),
}
FAULTS = {**ALWAYS, **SEEDS, **FACTORS, **RANGES, **ARMS, **SECTIONS, **LIMITS}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_one_line_with_place_and_fix(fault: str) -> None:
    values, expected = FAULTS[fault]
    errors = errors_of(document(values))
    assert len(errors) == 1, errors
    assert expected in errors[0]
    assert len(errors[0]) < 1100


def test_all_faults_come_together() -> None:
    values = one_factor(
        seeds=[],
        sedes=2,
        baseline={"epoch": 3},
        factors={"dropout": [0.1, 2.0], "hidden_size": [64, 64]},
        arms={"deep": {"set": {"lstm_layers": 1}, "against": "shallow"}},
        reported={"nobody": {"test_loss": 1}},
    )
    with pytest.raises(SpaceError) as caught:
        build("mine", document(values), "spaces/mine.toml")
    places = [error.partition(":")[0] for error in caught.value.errors]
    assert sorted(places) == [
        "arms.deep.against", "baseline.epoch", "factors.dropout", "factors.hidden_size",
        'reported."nobody"', "sedes", "seeds",
    ]  # fmt: skip
    lines = str(caught.value).splitlines()
    assert len(lines) == len(places)
    assert all(line.startswith("spaces/mine.toml: ") for line in lines)


def test_a_fault_is_not_said_again_where_it_is_used() -> None:
    values = search(
        factors={"filter_sizes": {"low": 1, "high": 3}},
        arms={"odd": {"set": {"filter_sizes": [5, 5, 5]}}},
    )
    kind = "is not a list of 3 integers from 1 to 15, one a block"
    assert errors_of(document(values)) == [
        f"factors.filter_sizes: low = 1 {kind}", f"factors.filter_sizes: high = 3 {kind}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = [1,\nb", "at line 2, column 1"),
        ("seeds = 3\nseeds = 4\n", "at line 2"),
        ("n = " + "9" * 5000, "not valid TOML"),
        ("n = " + "[" * 5000, "not valid TOML"),
        ("n = 0x" + "f" * 5000, "not valid TOML: an integer has more than 64 bits"),
        ("a." * 100 + "a = 1", "not valid TOML: nested more than 20 deep"),
    ],
)
def test_what_is_no_toml_is_said_with_its_line(text: str, place: str) -> None:
    with pytest.raises(SpaceError, match=r"^mine\.toml: not valid TOML: ") as caught:
        parse("mine", text, "mine.toml")
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "# long\n" * 20_000, "a space has at most 100,000 bytes; shorten it"),
        (HEAD + "a." * 5001 + "a = 1", "line 3 has more than 10,000 characters; break it"),
    ],
)
def test_a_file_too_long_to_be_read(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "long.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpaceError) as caught:
        load(str(path))
    assert caught.value.errors == [expected]


def test_no_more_errors_are_told_than_anybody_reads() -> None:
    errors = errors_of(document(one_factor(**{f"k{i}": i for i in range(150)})))
    assert len(errors) == 101
    assert errors[-1] == "50 errors more"


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes('question = "Größe?"'.encode("latin-1"))
    with pytest.raises(SpaceError, match=r"latin\.toml: not UTF-8 text"):
        load(str(path))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sorce", "no such space; did you mean source"),
        ("my/own.toml", "no such file; "),
        ("", "no such space; "),
        (".", "no such space; "),
        ("a\0b", "no such space; "),
        ("\udcff.toml", "no such file; "),
    ],
)
def test_a_space_that_is_not_there(name: str, expected: str) -> None:
    with pytest.raises(SpaceError) as caught:
        load(name)
    assert caught.value.errors[0].startswith(expected)
    assert caught.value.errors[0].endswith("or a path to a .toml")


@pytest.mark.parametrize("name", ["a\x1b[31m\nb.toml", "\udcff.toml"])
def test_a_name_of_any_characters(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(document(one_factor()))
    assert len(load(str(path)).arms) == 3
    path.write_text("?")
    with pytest.raises(SpaceError) as caught:
        load(str(path))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000 + "a.toml"])
def test_a_path_that_cannot_be_one(name: str) -> None:
    with pytest.raises(SpaceError, match="File name too long; give another path"):
        load(name)


def test_nearest_names() -> None:
    assert did_you_mean("sorce", ["source", "joint"]) == "did you mean source? Valid: source, joint"
    assert did_you_mean("x", []) == "Valid: none"
