"""A space file (TOML) read into a `Space`: every error found, all reported together."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ablation.errors import UserError, did_you_mean, one_line
from ablation.settings import Value, text_of
from ablation.space.schema import (
    BASELINE,
    MAX_ARMS,
    MAX_SEED,
    MAX_SEEDS,
    Condition,
    Confirm,
    Design,
    Factor,
    FactorForm,
    Limits,
    NamedArm,
    P,
    Part,
    Reported,
    ReportedCurves,
    Search,
    Settle,
    Space,
    on_grid,
)
from crnn.network.config import SETTING_KEYS, TRAIN_KEYS, Setting, check

SHIPPED = Path(__file__).parents[2] / "search_spaces"
FORMAT = 1
MAX_BYTES = 100_000  # of a file; the shipped ones have some thousands
MAX_ERRORS = 100  # that are told
MAX_COLUMNS = 10_000  # of a file: a key of thousands of parts takes a parser minutes
MAX_DEPTH = 20
MAX_STEPS = 1_000_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


NOT_GIVEN = ("name", "text", "lists_seeds")  # by a space file under these names
SETTINGS = tuple(name for name in SETTING_KEYS if name != "precision")  # that is a study's
TRAINING = tuple(name for name in TRAIN_KEYS if name in SETTINGS)


class SpaceError(UserError):
    """A space that cannot be run. `errors` holds one line each: where, what, the fix."""

    def __init__(self, source: str, errors: list[str]) -> None:
        self.errors = [one_line(error) for error in errors[:MAX_ERRORS]]
        if len(errors) > MAX_ERRORS:
            self.errors.append(f"{len(errors) - MAX_ERRORS:,} errors more")
        super().__init__("\n".join(f"{one_line(source)}: {error}" for error in self.errors))


def shipped() -> list[str]:
    """The names of the spaces that come with the project."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def new_space(file: Path) -> None:
    """Write a commented space to edit.

    Raises:
        UserError: the file exists, or cannot be written.
    """
    text = (Path(__file__).parent / "new_space.toml").read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text.replace("THIS_FILE", str(file)))
    except FileExistsError:
        raise UserError(f"{file}: exists already; choose another name or delete it") from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; choose another place") from None


def seeds_of(value: int | list[int]) -> tuple[int, ...]:
    """The seeds that a count or a list means.

    Raises:
        ValueError: none, a negative one, one beyond `MAX_SEED`, the same one twice, or more than
            `MAX_SEEDS`.
    """
    if (value if isinstance(value, int) else len(value)) > MAX_SEEDS:
        raise ValueError(f"at most {MAX_SEEDS:,} seeds")
    seeds = tuple(range(value)) if isinstance(value, int) else tuple(value)
    if not seeds:
        raise ValueError("no seeds; give a count from 1 on, or a list of seeds")
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ValueError("seeds must be 0 or more and all different")
    if max(seeds) > MAX_SEED:
        raise ValueError(f"a seed is at most {MAX_SEED:,}")
    return seeds


def parse(name: str, text: str, source: str = "") -> tuple[Space, list[str]]:
    """What could be read of a space file, and every error found in it.

    `source` is what errors call the file, its name unless given.

    Raises:
        SpaceError: the text is not TOML at all, or longer than a space can be.
    """
    if len(text.encode()) > MAX_BYTES:
        raise SpaceError(source or name, [f"a space has at most {MAX_BYTES:,} bytes; shorten it"])
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MAX_COLUMNS:
            why = f"line {number} has more than {MAX_COLUMNS:,} characters; break it"
            raise SpaceError(source or name, [why])
    try:
        document = tomllib.loads(text)
        _check_size(document)
    except (ValueError, RecursionError) as error:  # also of numbers and nesting beyond Python's
        raise SpaceError(source or name, [f"not valid TOML: {error}"]) from None
    reader = _Reader(document)
    return Space(name=name, text=text, **reader.fields), reader.errors


def _check_size(document: dict[str, Any]) -> None:
    """Refuse integers beyond TOML's, and nesting that no key has."""
    waiting: list[tuple[Any, int]] = [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("an integer has more than 64 bits")
        inside = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            waiting += [(each, depth + 1) for each in inside]


class _Reader:
    """Reads a document section by section, gathering the parts of a space and the errors."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document, self.errors = document, list[str]()
        self.fields: dict[str, Any] = {}
        self._known_keys()
        for key in ("question", "note", "margin"):
            self._plain(key)
        self._design()
        # Where the design is wrong, the sections tell which one is meant.
        likely = "search" if "search" in document else "one-factor"
        self.design: str = self.fields.setdefault("design", likely)
        self._seeds()
        self._baseline()
        self._sections()
        self._factors()
        self._training()
        self._arms()

    def _error(self, where: str, what: object) -> None:
        self.errors.append(f"{where}: {what}")

    def _known_keys(self) -> None:
        valid = ["format", *(k for k in Space.model_fields if k not in NOT_GIVEN)]
        for key in self.document:
            if key not in valid:
                self._error(key, f"unknown key; {did_you_mean(key, valid)}")
        if self.document.get("format") != FORMAT:
            self._error("format", f"must be {FORMAT}, the only format that this version reads")
        if not self.document.get("question"):
            self._error("question", "missing; say in one sentence what the study asks")

    def _plain(self, key: str) -> None:
        if key in self.document:
            try:
                probe = Space(name="x", text="", **{key: self.document[key]})
            except ValidationError as error:
                self._error(key, _sentence(error))
            else:
                self.fields[key] = getattr(probe, key)

    def _design(self) -> None:
        designs, value = get_args(Design), self.document.get("design")
        if value is None:
            self._error("design", f"missing; one of {', '.join(designs)}")
        elif value not in designs:
            self._error("design", f"there is no {value!r}; {did_you_mean(str(value), designs)}")
        else:
            self.fields["design"] = value

    def _seeds(self) -> None:
        value = self.document.get("seeds")
        if self.design == "search":
            if value is not None:
                self._error("seeds", "a search has one seed, [search] seed; [confirm] has its own")
            return
        integers = value if isinstance(value, list) else [value]
        if not all(isinstance(v, int) and not isinstance(v, bool) for v in integers):
            self._error("seeds", "no seeds; give a count from 1 on, or a list of seeds")
            return
        try:
            self.fields["seeds"] = seeds_of(value)  # type: ignore[arg-type]
            self.fields["lists_seeds"] = isinstance(value, list)
        except ValueError as error:
            self._error("seeds", error)

    def baseline_of(self, name: str) -> Value:
        """The baseline's value of a setting."""
        baseline: Setting = self.fields["baseline"]
        return baseline.values()[name]

    def _baseline(self) -> None:
        values = self._values("baseline", self._table("baseline"), SETTINGS)
        self.fields["baseline"] = Setting.of(values)

    def _sections(self) -> None:
        kinds: dict[str, type[Part]] = {
            "settle": Settle,
            "limits": Limits,
            "search": Search,
            "confirm": Confirm,
        }
        for key, kind in kinds.items():
            if key in self.document:
                part = self._part(key, kind, self._table(key))
                if part is not None:
                    self.fields[key] = part
        for key in ("search", "confirm", "limits"):
            if key in self.document and self.design != "search":
                self._error(key, 'only a design = "search" has it; take it out')
        if "settle" in self.document and self.design == "search":
            self._error("settle", "a search has none; take it out")
        self._room_for_seeds()
        if self.design == "search" and "search" not in self.document:
            self._error("search", "missing; give [search] with at least trials = N")

    def _room_for_seeds(self) -> None:
        """The confirmation's seeds come after the search's own."""
        search, confirm = self.fields.get("search"), self.fields.get("confirm")
        if search and confirm:
            path = confirm.seeds if confirm.path_seeds is None else confirm.path_seeds
            if search.seed + confirm.seeds + path > MAX_SEED:
                self._error(
                    "search.seed", "leaves no room for the confirmation's after it; lower it"
                )

    def _training(self) -> None:
        """The search's own training: no factor is in it, since the sampler draws factors."""
        if search := self.fields.get("search"):
            training = self._values("search.training", search.training, TRAINING)
            for name in training:
                if name in self.factor_names:
                    self._error(f"search.training.{name}", "is a factor: it is drawn; take it out")
            self.fields["search"] = search.model_copy(update={"training": training})

    def _factors(self) -> None:
        given_factors = self._table("factors")
        if not given_factors:
            self._error("factors", "none; name at least one setting with its levels")
        self.factor_names = list(given_factors)  # those with errors too
        factors = []
        for name, given in given_factors.items():
            where = f"factors.{name}"
            if name not in SETTINGS:
                self._error(where, _no_setting(name, SETTINGS))
                continue
            if not isinstance(given, list | dict):
                self._error(where, "give a list of levels, or a table with levels, or low and high")
                continue
            table = {"levels": given} if isinstance(given, list) else given
            form = self._part(where, FactorForm, table)
            if form is not None:
                factors.append(self._factor(where, Factor(name=name, **dict(form))))
        self.fields["factors"] = tuple(factor for factor in factors if factor is not None)
        for factor in self.fields["factors"]:
            self._when(factor)

    def _factor(self, where: str, factor: Factor) -> Factor | None:
        if factor.role == "nuisance" and self.design != "search":
            self._error(where, "a nuisance belongs to a search; here every factor is scientific")
        if factor.when and self.design != "search":
            self._error(where, "conditions (when) belong to a search; take it out")
        if factor.levels:
            return self._levels(where, factor)
        return self._range(where, factor)

    def _levels(self, where: str, factor: Factor) -> Factor:
        if any(value is not None for value in (factor.low, factor.high, factor.step)):
            self._error(where, "has levels and a range; keep one of them")
        if len(factor.levels) > MAX_ARMS:
            self._error(where, f"{len(factor.levels):,} levels; at most {MAX_ARMS:,}")
            return factor.model_copy(update={"levels": (self.baseline_of(factor.name),)})
        levels: list[Value] = []
        for given in factor.levels:
            try:
                level = check(factor.name, given)
            except ValueError as error:
                self._error(where, f"level {error}")
                continue
            if text_of(level) in map(text_of, levels):  # by text, as arms are named
                self._error(where, f"two levels alike: {text_of(level)} stands there twice")
            else:
                levels.append(level)
        baseline = self.baseline_of(factor.name)
        if baseline not in levels:
            levels.insert(0, baseline)
        return factor.model_copy(update={"levels": tuple(levels)})

    def _range(self, where: str, factor: Factor) -> Factor | None:
        if factor.low is None or factor.high is None:
            self._error(where, "no levels; give a list of them, or low and high")
            return None
        if self.design != "search":
            self._error(where, "a range belongs to a search; give a list of levels")
        before = len(self.errors)
        ends = {}
        for key in ("low", "high"):
            try:
                ends[key] = check(factor.name, getattr(factor, key))
            except ValueError as error:
                self._error(where, f"{key} = {error}")
        if len(self.errors) > before:
            return None
        self._check_range(where, factor)
        whole = isinstance(self.baseline_of(factor.name), int)
        step = factor.step or (1 if whole and not factor.log else None)
        return factor.model_copy(update={**ends, "step": step})

    def _check_range(self, where: str, factor: Factor) -> None:
        low, high, step = float(factor.low or 0), float(factor.high or 0), factor.step
        baseline = self.baseline_of(factor.name)
        if low >= high:
            self._error(where, f"low = {factor.low} must be below high = {factor.high}")
        elif factor.log and (step is not None or low <= 0):
            self._error(where, "log needs low above 0 and takes no step")
        elif step is not None and step <= 0:
            self._error(where, f"step = {step} must be above 0")
        elif isinstance(baseline, int) and step is not None and step != int(step):
            self._error(where, f"step = {step} must be a whole number, as the setting is")
        elif step is not None and (high - low) / step > MAX_STEPS:
            self._error(where, f"step = {step} is too fine; leave it out")
        elif step is not None and not on_grid(high, low, step):
            self._error(where, f"high = {factor.high} is not low plus whole steps of {step}")
        elif not factor.has(baseline):
            self._error(where, f"the baseline's {text_of(baseline)} is not in the range; widen it")

    def _when(self, factor: Factor) -> None:
        earlier = self.factor_names[: self.factor_names.index(factor.name)]
        for name, condition in factor.when.items():
            where = f"factors.{factor.name}.when.{name}"
            if name not in earlier:
                self._error(where, f"not a factor listed before it; {did_you_mean(name, earlier)}")
            elif name in SETTINGS:
                self._condition(where, name, condition)

    def _condition(self, where: str, name: str, condition: Condition) -> None:
        """A condition that could never hold is a mistake."""
        for value in condition.is_ or []:
            try:
                check(name, value)
            except ValueError as error:
                self._error(where, f"is: {error}")
        if condition.is_ is None and isinstance(self.baseline_of(name), str | tuple):
            self._error(where, f"{name} has no order; use is = [values]")

    def _arms(self) -> None:
        arms = {}
        for name, given in self._table("arms").items():
            where = f"arms.{name}"
            if not NAME.fullmatch(name) or name == BASELINE:
                self._error(where, "an arm's name is letters, digits, '.', '_', '-', a letter or "
                            "digit first, at most 100, and not 'baseline'")  # fmt: skip
                continue
            arm = self._part(where, NamedArm, given)
            if arm is not None:
                values = self._values(f"{where}.set", arm.set, SETTINGS)
                if not arm.set:
                    self._error(where, "changes nothing; put settings into set = { … }")
                if self.design == "search":
                    self._drawable(where, values)
                if values and len(values) == len(arm.set):
                    arms[name] = arm.model_copy(update={"set": values})
        self.fields["arms"] = arms
        self._by_arm("reported", Reported)
        self._by_arm("reported_curves", ReportedCurves)

    def _by_arm(self, key: str, kind: type[P]) -> None:
        given = self._table(key)
        parts = {name: self._part(f"{key}.{name}", kind, part) for name, part in given.items()}
        self.fields[key] = {name: part for name, part in parts.items() if part is not None}

    def _drawable(self, where: str, values: Mapping[str, Value]) -> None:
        factors = {factor.name: factor for factor in self.fields["factors"]}
        for name, value in values.items():
            if name not in self.factor_names:
                self._error(where, f"{name} is no factor; a search's arms change factors only")
            elif name in factors and not factors[name].has(value):
                levels = ", ".join(factors[name].texts())
                self._error(where, f"{name} = {text_of(value)} is not among {levels}")

    def _table(self, key: str) -> dict[str, Any]:
        table = self.document.get(key, {})
        if isinstance(table, dict):
            return table
        self._error(key, f"must be a table, [{key}]")
        return {}

    def _part(self, where: str, kind: type[P], given: object) -> P | None:
        try:
            return kind.model_validate(given)
        except ValidationError as error:
            for one in error.errors():
                path = ".".join([where, *map(str, one["loc"])])
                self._error(path, _message(one, kind))
            return None

    def _values(
        self, where: str, table: Mapping[str, Any], valid: tuple[str, ...]
    ) -> dict[str, Value]:
        values = {}
        for name, given in table.items():
            if name not in valid:
                self._error(f"{where}.{name}", _no_setting(name, valid))
                continue
            try:
                values[name] = check(name, given)
            except ValueError as error:
                self._error(f"{where}.{name}", error)
        return values


def _no_setting(name: str, valid: Iterable[str]) -> str:
    if name == "precision":
        return "is a study's, not an arm's; use --precision"
    return f"no such setting; {did_you_mean(name, valid)}"


def _sentence(error: ValidationError) -> str:
    return "; ".join(_message(one, Space) for one in error.errors())


WORDS = {
    "missing": "missing",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "string_type": "must be text",
    "bool_type": "must be true or false",
}


def _message(error: ErrorDetails, kind: type[Part]) -> str:
    """Pydantic's finding about a part of this kind, in TOML's words and the tone of the others."""
    if error["type"] == "extra_forbidden":
        *inside, key = error["loc"]
        return f"unknown key; {did_you_mean(str(key), _keys(kind, inside))}"
    text = WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    return text.replace("Input should be", "must be")


def _keys(kind: type[Part], path: Sequence[int | str]) -> list[str]:
    """The keys that there are in a part of this kind, or in the part that `path` leads to."""
    for step in path:
        if field := kind.model_fields.get(str(step)):
            parts = [field.annotation, *get_args(field.annotation)]
            kind = next((p for p in parts if isinstance(p, type) and issubclass(p, Part)), kind)
    return [field.alias or name for name, field in kind.model_fields.items()]
