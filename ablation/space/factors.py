"""Factors of a space file: their levels, ranges and conditions, checked one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ablation.errors import did_you_mean
from ablation.objective import Objective, Setting
from ablation.settings import Value, check, text_of
from ablation.space.errors import message, no_setting
from ablation.space.part import P
from ablation.space.schema import MAX_ARMS, Condition, Factor, FactorForm, on_grid

MAX_STEPS = 1_000_000


class FactorReader:
    """Reads the factors of a document; `ablation.space.sections.SectionReader` reads the rest.

    Attributes:
        document: what the file holds.
        objective: what the space is of.
        fields: the parts of a space that have been read, by name.
        errors: a line each: where, what, the fix.
        design: the space's, or the likely one where it does not say.
    """

    document: dict[str, Any]
    objective: Objective
    fields: dict[str, Any]
    errors: list[str]
    design: str

    @property
    def settings(self) -> dict[str, FieldInfo]:
        """The settings that a space may have."""
        fields, kept = self.objective.fields, self.objective.kept
        return {name: field for name, field in fields.items() if name not in kept}

    @property
    def training(self) -> dict[str, FieldInfo]:
        """Those that a search may have of its own."""
        own = self.objective.training
        return {name: field for name, field in self.settings.items() if name in own}

    def _error(self, where: str, what: object) -> None:
        self.errors.append(f"{where}: {what}")

    def baseline_of(self, name: str) -> Value:
        """The baseline's value of a setting."""
        baseline: Setting = self.fields["baseline"]
        return baseline.values()[name]

    def _factors(self) -> None:
        given_factors = self._by_setting(self._table("factors"))
        if not given_factors:
            self._error("factors", "none; name at least one setting with its levels")
        self.factor_names = list(given_factors)  # those with errors too
        factors = []
        for name, given in given_factors.items():
            where = f"factors.{name}"
            if name not in self.settings:
                self._error(where, no_setting(self.objective, name, self.settings))
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
                level = check(self.settings[factor.name], given)
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
                ends[key] = check(self.settings[factor.name], getattr(factor, key))
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
            elif name in self.settings:
                self._condition(where, name, condition)

    def _condition(self, where: str, name: str, condition: Condition) -> None:
        """A condition that could never hold is a mistake."""
        for value in condition.is_ or []:
            try:
                check(self.settings[name], value)
            except ValueError as error:
                self._error(where, f"is: {error}")
        if condition.is_ is None and isinstance(self.baseline_of(name), str | tuple):
            self._error(where, f"{name} has no order; use is = [values]")

    def _by_setting(self, given: Mapping[str, Any], start: str = "") -> dict[str, Any]:
        """A table's values by setting, whose names may have dots: ``optimizer.lr``."""
        found: dict[str, Any] = {}
        for key, value in given.items():
            name = f"{start}{key}"
            if isinstance(value, dict) and any(n.startswith(f"{name}.") for n in self.settings):
                found |= self._by_setting(value, f"{name}.")
            else:
                found[self.objective.setting_name(name)] = value
        return found

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
                self._error(path, message(one, kind))
            return None

    def _values(
        self, where: str, table: Mapping[str, Any], valid: Mapping[str, FieldInfo]
    ) -> dict[str, Value]:
        values = {}
        for name, given in self._by_setting(table).items():
            if name not in valid:
                self._error(f"{where}.{name}", no_setting(self.objective, name, valid))
                continue
            try:
                values[name] = check(valid[name], given)
            except ValueError as error:
                self._error(f"{where}.{name}", error)
        return values
