"""Whatever is in a file or a storage: it is read, or refused in lines that say what and where.

Nothing but the project's own errors may come out: a test here fails with any other exception.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pandas as pd
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st
from optuna.storages import RDBStorage

from ablation.errors import MAX_LINE, UserError
from ablation.planning.pace import measured_rate
from ablation.planning.spreads import measured_spreads
from ablation.report.analysis import Analysis
from ablation.report.data.loading import load_study
from ablation.report.text.latex import as_latex, as_markdown
from ablation.runs.storing import load_runs, store_runs
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.search import SearchSource
from ablation.scheduling.source import Source
from ablation.settings import bounds, text_of
from ablation.space.errors import MAX_ERRORS
from ablation.space.reader import shipped, shipped_file
from ablation.space.schema import Space
from ablation.storage import imported
from ablation.storage.record import load_record, note_look
from ablation.storage.status import status, studies
from crnn.network.config import FIELDS, SETTING_KEYS, TRAIN_KEYS, Setting
from crnn.network.model import CRNN
from crnn.objective import objective
from crnn.trace.subject import finished
from crnn.training.weights import WeightsError, load_weights, marks, save_weights
from tests.helpers.commands import cli
from tests.helpers.fuzzing import examples
from tests.helpers.made.networks import small
from tests.helpers.made.runs import made_runs
from tests.helpers.made.studies import (
    ONE_FACTOR,
    SEARCH,
    STUDY,
    begin,
    document,
    end,
    new_storage,
    record,
)

Document = dict[str, Any]
TINY = small(channels=(1, 1, 1), hidden_size=1, embedding_dim=1, lstm_layers=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def told(answer: cli.Answer) -> None:
    """A command has done what it does, or refused in lines that a terminal can show."""
    assert answer.code in (0, 2), answer
    if answer.code == 0:
        assert answer.out
        assert not answer.err
        return
    lines = answer.err.split("\n")[:-1]
    assert 1 <= len(lines) <= MAX_ERRORS + 1
    for line in lines:
        assert line.startswith("error: ")
        assert line.isprintable()
        assert len(line) < 2 * MAX_LINE


# Space files, as `plan` reads them

LEAVES = (
    st.booleans()
    | st.integers(-3, 300)
    | st.integers()
    | st.floats(-1, 1)
    | st.floats()
    | st.sampled_from(["", "search", "matched", "baseline", "dropout=0.1", "tpe", "none", "a\nb"])
    | st.text(max_size=5)
)
WORDS = sorted({
    *SETTING_KEYS, *Space.model_fields, "format", "role", "levels", "low", "high", "step", "log",
    "when", "above", "below", "is", "set", "against", "n_max", "looks", "trials", "seed",
    "sampler", "pruner", "training", "top", "parameters", "macs", "test_accuracy", "x y",
})  # fmt: skip
SAFE = ("hidden_size", "dropout", "batch_norm", "lstm_layers", *TRAIN_KEYS[:-1])  # with any other
KEYS = st.sampled_from(WORDS) | st.text(max_size=4)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
PROSE = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
TOKEN = re.compile(r'"[^"\n]*"|[A-Za-z_][\w-]*|[-+]?\d[\w.+-]*|\s+|.')
TOKENS = [
    "true", "false", "-1", "0", "1e308", "5e-324", "inf", "-nan", "9" * 19, "9" * 5000,
    "0x" + "f" * 5000, '""', '"\\u0000"', '"\\u001b[2J"', '"\u202e\U0001f600"', "1979-05-27",
    "[]", "{}", "[[1, 2], 3]", "[" + "1, " * 1500 + "]", "[" * 400, "{a = " * 400, "a." * 4000,
    '"' + "x" * 9000 + '"', "'''\n'''", "\n[baseline]\n", "\n[[arms]]\n", "\0", "\ufeff", "\r", "é",
    "=", ",", ".", "#", "[", "]", "{", "}", "\n",
]  # fmt: skip


def planned(folder: Path, text: str | bytes) -> None:
    """`plan` shows the space, or refuses it."""
    path = folder / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    told(cli.call("plan", str(path), "--jobs", "2", "--results", str(folder)))


@examples(10)
@given(st.text() | st.binary())
def test_anything_is_a_plan_or_errors(folder: Path, text: str | bytes) -> None:
    planned(folder, text)


@pytest.mark.slow
@examples(20)
@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_any_document_is_a_plan_or_errors(folder: Path, values: Document) -> None:
    planned(folder, document(values))


def change(draw: st.DrawFn, values: Document, times: int) -> Document:
    """Replace, take out or add a value somewhere, so many times."""
    for _ in range(times):
        inside: Any = values
        while isinstance(inside, dict) and inside:
            key = draw(st.sampled_from(sorted(inside)))
            deeper = inside[key]
            if not (isinstance(deeper, dict) and deeper and draw(st.booleans())):
                break
            inside = deeper
        how = draw(st.sampled_from(["replace", "remove", "add"]))
        if how == "remove":
            inside.pop(key)
        else:
            inside[key if how == "replace" else draw(KEYS)] = draw(VALUES)
    return values


@st.composite
def changed(draw: st.DrawFn) -> Document:
    """A shipped space with some values changed."""
    return change(draw, tomllib.loads(shipped_text(draw)), draw(st.integers(1, 3)))


def shipped_text(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(shipped()))
    file = shipped_file(name)
    assert file
    return file.read_text(encoding="utf-8")


@pytest.mark.slow
@examples(20)
@given(changed())
def test_a_changed_space_is_a_plan_or_errors(folder: Path, values: Document) -> None:
    planned(folder, document(values))


@st.composite
def garbled(draw: st.DrawFn) -> str:
    """A shipped space with some of its tokens taken out, doubled, exchanged or replaced."""
    tokens = TOKEN.findall(shipped_text(draw))
    for _ in range(draw(st.integers(1, 4))):
        place, other = (draw(st.integers(0, len(tokens) - 1)) for _ in range(2))
        change = draw(st.sampled_from(["out", "double", "exchange", "replace", "replace"]))
        if change == "out":
            del tokens[place]
        elif change == "double":
            tokens.insert(other, tokens[place])
        elif change == "exchange":
            tokens[place], tokens[other] = tokens[other], tokens[place]
        else:
            tokens[place] = draw(st.sampled_from(TOKENS) | st.sampled_from(tokens))
    return "".join(tokens)


@examples(20)
@given(garbled())
def test_a_garbled_space_is_a_plan_or_errors(folder: Path, text: str) -> None:
    planned(folder, text)


def valid(name: str) -> st.SearchStrategy[Any]:
    """Values that a setting can have."""
    kind, default = FIELDS[name].annotation, Setting().values()[name]
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if isinstance(default, bool):
        return st.booleans()
    if isinstance(default, tuple):
        return st.lists(st.integers(1, 4), min_size=3, max_size=3)
    low, high = bounds(FIELDS[name].metadata)
    if isinstance(default, int):
        return st.integers(int(low), int(high)) | st.integers(int(low), int(low) + 3)
    return st.floats(low, high, exclude_min=True, exclude_max=True)


def valid_settings(*names: str) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries({}, optional={name: valid(name) for name in names})


def factor(name: str, earlier: list[str], design: str) -> st.SearchStrategy[Any]:
    """Levels of a setting; in a search also a range, a role and a condition."""
    levels = st.lists(valid(name), min_size=1, max_size=4, unique_by=text_of)
    if design != "search":
        return levels
    ends = {key: valid(name) for key in ("low", "high")}
    role = st.sampled_from(["scientific", "nuisance"])
    condition = st.fixed_dictionaries({"is": st.lists(LEAVES, min_size=1, max_size=2)})
    bound = st.fixed_dictionaries({}, optional={"above": st.floats(-1, 9), "below": st.integers()})
    when = st.dictionaries(st.sampled_from(earlier or ["x"]), condition | bound, max_size=1)
    more = {"role": role, "log": st.booleans(), "when": when}
    return st.one_of(
        levels,
        st.fixed_dictionaries({"levels": levels}, optional=more),
        st.fixed_dictionaries(ends, optional={**more, "step": valid(name)}),
    )


@st.composite
def likely(draw: st.DrawFn) -> Document:
    """A space that could be one: its keys and types are right, and a value or two may be wrong."""
    design = draw(st.sampled_from(["one-factor", "factorial", "search"]))
    settings = st.sampled_from(SAFE) if draw(st.booleans()) else st.sampled_from(SETTING_KEYS[:-1])
    names = draw(st.lists(settings, min_size=1, max_size=4, unique=True))
    arm = st.fixed_dictionaries({"set": valid_settings(*names[:2])}, optional={"note": PROSE})
    figures = st.fixed_dictionaries({"test_loss": st.floats(0, 9), "note": PROSE})
    curves = st.fixed_dictionaries({"val_loss": st.lists(st.floats(0, 3), min_size=1, max_size=3)})
    values: Document = {
        "format": 1,
        "question": draw(PROSE),
        "design": design,
        "margin": draw(st.floats(0.0001, 0.9)),
        "baseline": draw(valid_settings(*SAFE)),
        "factors": {
            name: draw(factor(name, names[:place], design)) for place, name in enumerate(names)
        },
        "arms": draw(st.dictionaries(st.sampled_from(["a", "b"]), arm, max_size=1)),
        "reported": draw(st.dictionaries(st.just("baseline"), figures)),
        "reported_curves": draw(st.dictionaries(st.just("baseline"), curves)),
    }
    if design == "search":
        sampler = st.fixed_dictionaries({"name": st.sampled_from(["tpe", "random", "qmc"])})
        training = valid_settings("epochs", "train_size", "batch_size")
        options = {"seed": st.integers(0, 2**33), "training": training, "sampler": sampler}
        trials = {"trials": st.integers(1, 100_001)}
        values["search"] = draw(st.fixed_dictionaries(trials, optional=options))
        counts = {name: st.integers(1) for name in ("macs", "parameters")}
        values["limits"] = draw(st.fixed_dictionaries({}, optional=counts))
    else:
        values["seeds"] = draw(
            st.integers(1, 10_001) | st.lists(st.integers(0, 9), min_size=1, unique=True)
        )
    return change(draw, values, draw(st.sampled_from([0, 0, 0, 1, 2])))


@pytest.mark.slow
@examples(25)
@given(likely())
def test_a_likely_space_is_a_plan_or_errors(folder: Path, values: Document) -> None:
    planned(folder, document(values))


# Kept weights; checkpoints are tested where they are written


@pytest.fixture(scope="module")
def kept(folder: Path) -> bytes:
    save_weights(CRNN(TINY.model), folder / "kept", marks(TINY, 0))
    return (folder / "kept").read_bytes()


def never_loaded(folder: Path, content: bytes) -> None:
    path = folder / "garbled"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        load_weights(path, TINY.model, marks(TINY, 0))
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()


@examples(20)
@given(data=st.data())
def test_weights_with_a_byte_changed_are_never_loaded(
    folder: Path, kept: bytes, data: st.DataObject
) -> None:
    header = 8 + int.from_bytes(kept[:8], "little")
    place = data.draw(st.integers(0, header - 1) | st.integers(0, len(kept) - 1))
    flipped = kept[place] ^ data.draw(st.integers(1, 255))
    never_loaded(folder, kept[:place] + bytes([flipped]) + kept[place + 1 :])


@examples(20)
@given(data=st.data())
def test_weights_cut_short_are_never_loaded(folder: Path, kept: bytes, data: st.DataObject) -> None:
    never_loaded(folder, kept[: data.draw(st.integers(0, len(kept) - 1))])


@examples(20)
@given(data=st.binary(max_size=200))
def test_anything_else_is_never_loaded(folder: Path, data: bytes) -> None:
    never_loaded(folder, data)
    never_loaded(folder, len(data).to_bytes(8, "little") + data)


# Studies and their trials in a storage


@pytest.fixture(scope="module", params=["one-factor", "search"])
def study(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Written]:
    """A study with a trial of each state."""
    storage = new_storage(tmp_path_factory.mktemp("study"))
    wanted = begin(storage, record(ONE_FACTOR if request.param == "one-factor" else SEARCH))
    source: Source = DesignedSource(storage, STUDY, wanted, wanted.stages)
    if request.param == "search":
        source = SearchSource(storage, STUDY, wanted)
    for state in ("COMPLETE", "COMPLETE", "FAIL", "PRUNED", "COMPLETE"):
        task = source.next()
        assert task is not None
        end(source, task, state)
    source.next()
    yield Written(storage)
    storage.engine.dispose()


@pytest.fixture(scope="module")
def imported_study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """A study of runs that were trained elsewhere, with histories and a run without a result."""
    storage = new_storage(tmp_path_factory.mktemp("imported"))
    runs = made_runs(study=STUDY, paths=["table.csv"])
    courses = [
        (row["arm"], row["seed"], "", epoch, row["value"] + epoch / 100)
        for row in runs.runs[runs.runs["state"] == "COMPLETE"].to_dict("records")
        for epoch in (-1, 0)
    ]
    history = pd.DataFrame(courses, columns=["arm", "seed", "block", "epoch", "value"])
    store_runs(storage, replace(runs, history=history.assign(epoch=history["epoch"] + 2)))
    yield Written(storage)
    storage.engine.dispose()


class Written:
    """A storage's attributes as they were written, and with some of them changed."""

    def __init__(self, storage: RDBStorage) -> None:
        self.storage = storage
        self.rows = {table: self._read(table) for table in ("study", "trial")}

    def _read(self, table: str) -> list[tuple[int, str, str]]:
        query = f"SELECT {table}_id, key, value_json FROM {table}_user_attributes"
        with self.storage.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sqlalchemy.text(query))]

    def put(self, table: str, rows: list[tuple[int, str, str]]) -> None:
        """Put attributes in place of those that there are."""
        insert = f"INSERT INTO {table}_user_attributes ({table}_id, key, value_json)"
        words = [{"id": row[0], "key": row[1], "text": row[2]} for row in rows]
        with self.storage.engine.begin() as connection:
            connection.execute(sqlalchemy.text(f"DELETE FROM {table}_user_attributes"))
            connection.execute(sqlalchemy.text(f"{insert} VALUES (:id, :key, :text)"), words)


def inside(draw: st.DrawFn, value: Any) -> Any:
    """The value, or something in it, replaced, taken out or doubled."""
    if isinstance(value, dict | list) and value and draw(st.booleans()):
        places = sorted(value) if isinstance(value, dict) else list(range(len(value)))
        place = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["deeper", "deeper", "out", "double"]))
        if how == "deeper":
            value[place] = inside(draw, value[place])
        elif how == "out":
            del value[place]
        elif isinstance(value, list):
            value.append(value[place])
        else:
            value[draw(KEYS)] = value[place]
        return value
    near = [value + 1, -value, str(value), 1.5 * value] if type(value) in (int, float) else ["", {}]
    return draw(st.sampled_from(near) | VALUES | st.none())


@st.composite
def otherwise(draw: st.DrawFn, rows: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    """Attributes of which some are changed, taken out, or no JSON."""
    left, found = list(rows), []
    for _ in range(draw(st.integers(1, 3))):
        whose, key, text = left.pop(draw(st.integers(0, len(left) - 1)))
        how = draw(st.sampled_from(["change", "change", "change", "out", "garble", "name"]))
        if how == "name":
            found.append((whose, f"{key} once", text))
        elif how == "garble":
            cut = draw(st.integers(0, len(text) - 1))
            found.append((whose, key, text[:cut] + draw(st.sampled_from(["", "]", "[" * 9999]))))
        elif how == "change":
            found.append((whose, key, json.dumps(inside(draw, json.loads(text)))))
    return left + found


@pytest.mark.slow
@examples(30)
@given(data=st.data())
def test_any_attributes_are_read_or_refused(study: Written, data: st.DataObject) -> None:
    check_read(study, data)


@pytest.mark.slow
@examples(30)
@given(data=st.data())
def test_any_attributes_of_imported_runs_are_read_or_refused(
    imported_study: Written, data: st.DataObject
) -> None:
    check_read(imported_study, data)


def check_read(study: Written, data: st.DataObject) -> None:
    """Every reader of a study with changed attributes reads it, or refuses it by name."""
    table = data.draw(st.sampled_from(["study", "trial", "trial"]))
    study.put(table, data.draw(otherwise(study.rows[table])))
    try:
        for read in READERS:
            try:
                read(study.storage)
            except UserError as error:
                lines = str(error).split("\n")
                assert all(line.isprintable() and len(line) < 2 * MAX_LINE for line in lines)
                assert all(STUDY in line for line in lines)
    finally:
        study.put(table, study.rows[table])


def taken_up(storage: RDBStorage) -> Source:
    """A study as a run goes on with it."""
    found = load_record(storage, STUDY)
    if found.plan.space.search:
        return SearchSource(storage, STUDY, found)
    return DesignedSource(storage, STUDY, found, found.stages, retry_failed=True)


def reported(storage: RDBStorage) -> str:
    """A study's report as text."""
    found = Analysis(load_study(storage, STUDY))
    return as_markdown(found) + as_latex(found)


READERS: list[Callable[[RDBStorage], object]] = [
    lambda storage: status(storage, STUDY),
    studies,
    taken_up,
    reported,
    lambda storage: measured_rate(storage, objective),
    lambda storage: measured_spreads(storage, objective),
    lambda storage: note_look(storage, STUDY, 1),
    lambda storage: imported.note_look(storage, STUDY, 1),
    lambda storage: load_runs(storage, STUDY),
    lambda storage: finished(storage, f"{STUDY}:0"),
]
