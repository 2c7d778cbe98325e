"""The sections of a space file, read one by one: the parts of a space, and every error in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from ablation.errors import UserError, did_you_mean
from ablation.folders import NAME
from ablation.objective import DEFAULT, Objective, load_objective
from ablation.settings import Value, text_of
from ablation.space.errors import sentence
from ablation.space.factors import FactorReader
from ablation.space.figure_keys import KEYS as FIGURE_KEYS
from ablation.space.outcome import also_errors, decided_by
from ablation.space.outcome_section import Outcome
from ablation.space.part import P, Part
from ablation.space.reported import Reported, ReportedCurves
from ablation.space.schema import (
    BASELINE,
    MAX_SEED,
    Design,
    Limits,
    NamedArm,
    Search,
    Space,
    TrainingResources,
)
from ablation.space.settle import MAX_SEEDS, Confirm, Settle
from ablation.space.training_code import training_code
from ablation.space.training_command import KEYS as COMMAND_KEYS
from ablation.space.training_command import training_command

FORMAT = 1
READERS = {"trains": training_code, "command": training_command}
SHARED_KEYS = (*FIGURE_KEYS, "resources", "silence")
OWN_KEYS = {"trains": ("trains", *SHARED_KEYS), "command": (*COMMAND_KEYS, *SHARED_KEYS)}
NO_CODE = "belongs to a space of your own code; add trains or command, or take it out"
NO_FACTORIAL = (
    "a factorial has none: its main effects average over all arms, which then need the same seeds; "
    "take it out"
)
NOT_GIVEN = ("name", "text", "lists_seeds")  # by a space file under these names


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


class NoObjectiveError(Exception):
    """What a space is of cannot be had, or has no baseline: nothing more can be read."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = errors
        super().__init__("; ".join(errors))


class SectionReader(FactorReader):
    """Reads a document section by section, gathering the parts of a space and the errors."""

    def __init__(
        self, document: dict[str, Any], folder: Path, objective: Objective | None = None
    ) -> None:
        self.document, self.errors = document, list[str]()
        self.fields: dict[str, Any] = {}
        self.objective = objective or self._objective(folder)
        self._outcome()
        self.fields["objective"] = self.objective
        self._known_keys()
        for key in ("question", "note", "margin", "silence"):
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

    def _objective(self, folder: Path) -> Objective:
        """What the space is of; where it cannot be had, the default one, to find other errors.

        Raises:
            NoObjectiveError: it is a user's code, without which nothing else can be judged.
        """
        given = [key for key in READERS if key in self.document]
        if len(given) > 1:
            self._error("command", "trains says what is trained; take one of them out")
        if given:
            code = READERS[given[0]](self.document, folder, self.errors)
            if code is None or self.errors:
                raise NoObjectiveError(self.errors)
            return code
        name, objective = self.document.get("objective", DEFAULT), load_objective()
        try:
            objective = load_objective(name if isinstance(name, str) else repr(name))
        except UserError as error:
            self._error("objective", error)
        return objective

    def _outcome(self) -> None:
        """What comes of a training; the figure that decides is the objective's from here on."""
        part = self._part("outcome", Outcome, self._table("outcome"))
        if part is None:
            return
        self.fields["outcome"] = part
        try:
            self.objective = decided_by(self.objective, part, self.document)
        except UserError as error:
            self._error("outcome.of", error)
        self.errors += also_errors(self.objective, part)

    def _known_keys(self) -> None:
        kind = next((key for key in READERS if key in self.document), "")
        own = OWN_KEYS.get(kind, ())
        absent = {*NOT_GIVEN, *SHARED_KEYS}
        valid = ["format", *(k for k in Space.model_fields if k not in absent), *own]
        for key in (key for key in self.document if key not in valid):
            if any(key in keys for keys in OWN_KEYS.values()):
                self._error(key, "belongs to a command; take it out" if kind else NO_CODE)
            else:
                self._error(key, f"unknown key; {did_you_mean(key, valid)}")
        if self.document.get("format") != FORMAT:
            self._error("format", f"must be {FORMAT}, the only format that this version reads")
        if not self.document.get("question"):
            self._error("question", "missing; say in one sentence what the study asks")

    def _plain(self, key: str) -> None:
        if key in self.document:
            try:
                given = {key: self.document[key]}
                plain: Any = {**given, "baseline": None}  # which may lack values
                probe = Space(name="x", text="", objective=self.objective, **plain)
            except ValidationError as error:
                self._error(key, sentence(error))
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

    def _baseline(self) -> None:
        values = self._values("baseline", self._table("baseline"), self.settings)
        for name, field in self.settings.items():
            if field.is_required() and name not in values:
                self._error(f"baseline.{name}", "missing; it has no default, so give it a value")
        try:
            self.fields["baseline"] = self.objective.setting(values)
        except ValidationError:
            raise NoObjectiveError(self.errors) from None  # without which nothing can be judged

    def _sections(self) -> None:
        kinds: dict[str, type[Part]] = {
            "settle": Settle,
            "limits": Limits,
            "resources": TrainingResources,
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
        self._settle()
        self._room_for_seeds()
        if self.design == "search" and "search" not in self.document:
            self._error("search", "missing; give [search] with at least trials = N")

    def _settle(self) -> None:
        """Looks are of a design whose arms can stop one by one, and within its seeds."""
        settle, seeds = self.fields.get("settle"), self.fields.get("seeds", ())
        if "settle" in self.document and self.design == "search":
            self._error("settle", "a search has none; its confirmation has, as [confirm] looks")
        elif settle is None or not settle.is_acted_on:
            return
        elif self.design == "factorial":
            self._error("settle", NO_FACTORIAL)
        elif seeds and settle.looks[-1] > len(seeds):
            self._error("settle", f"its last look takes {settle.looks[-1]:,} seeds, and there are "
                        f"{len(seeds):,}; raise seeds, or take looks out")  # fmt: skip

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
            training = self._values("search.training", search.training, self.training)
            for name in training:
                if name in self.factor_names:
                    self._error(f"search.training.{name}", "is a factor: it is drawn; take it out")
            self.fields["search"] = search.model_copy(update={"training": training})

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
                values = self._values(f"{where}.set", arm.set, self.settings)
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
