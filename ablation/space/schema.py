"""What a study is: the parts of a space, as its author wrote them down."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SkipValidation,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from ablation.objective import Objective, Setting, load_objective
from ablation.settings import NONE, Value, text_of
from ablation.space.durations import seconds_in
from ablation.space.outcome_section import Outcome
from ablation.space.part import Number, P, Part, Text
from ablation.space.reported import Reported, ReportedCurves
from ablation.space.settle import Confirm, Settle

BASELINE = "baseline"
MAX_SEED = 2**32 - 1
MAX_ARMS = 1_000
MAX_TRAININGS = 100_000
Design = Literal["one-factor", "factorial", "search"]


Natural = Annotated[int, Field(ge=0, le=MAX_TRAININGS)]
Count = Annotated[int, Field(ge=1, le=MAX_TRAININGS)]


def _own_options(part: P, **options: tuple[str, ...]) -> P:
    name = part.name  # type: ignore[attr-defined]
    alien = sorted(part.model_fields_set - {"name", *options[name]})
    if alien:
        raise ValueError(f"{name} has no option {', '.join(alien)}; it takes "
                         f"{', '.join(options[name]) or 'none'}")  # fmt: skip
    return part


class Condition(Part):
    """When a factor is active: a bound on another factor's value, or the values it may have."""

    above: float | None = None
    below: float | None = None
    is_: list[Any] | None = Field(None, alias="is", min_length=1)

    @model_validator(mode="after")
    def _one(self) -> Condition:
        if sum(bound is not None for bound in (self.above, self.below, self.is_)) != 1:
            raise ValueError("takes one of above, below, is = [values]")
        return self

    def holds(self, value: Value) -> bool:
        """Whether `value` meets the condition."""
        if self.is_ is not None:
            values = [tuple(v) if isinstance(v, list) else v for v in self.is_]
            return value in values or (value is None and NONE in values)
        if value is None or isinstance(value, str | tuple):
            return False
        return value > self.above if self.above is not None else value < self.below  # type: ignore[operator]

    def text(self) -> str:
        """``above 0``, ``below 3``, ``flatten or columns``."""
        if self.is_ is not None:
            return " or ".join(text_of(tuple(v) if isinstance(v, list) else v) for v in self.is_)
        if self.above is not None:
            return f"above {text_of(self.above)}"
        return f"below {text_of(self.below)}"


class FactorForm(Part):
    """A factor as a space file gives it: levels, or (in a search) a range.

    Attributes:
        role: ``scientific``, or ``nuisance`` (search only: tuned, not concluded on).
        levels: the values, the baseline's among them; empty where there is a range.
        low: the range's lowest value.
        high: the range's highest value, drawn too.
        step: the distance of the values drawn (1 for integers unless given).
        log: draw on a logarithmic scale.
        when: by other factor: the condition under which this one is drawn at all.
    """

    role: Literal["scientific", "nuisance"] = "scientific"
    levels: tuple[Any, ...] = Field((), strict=False)
    low: Number | None = None
    high: Number | None = None
    step: Number | None = None
    log: bool = False
    when: dict[str, Condition] = {}


class Factor(FactorForm):
    """A hyperparameter under study, by its setting's name."""

    name: str

    def has(self, value: Any) -> bool:
        """Whether `value` is a level, or lies in the range and on its steps."""
        if self.levels:
            return value in self.levels
        return bool(self.low <= value <= self.high) and on_grid(value, self.low, self.step)

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Whether it is drawn where the other settings have these values."""
        return all(condition.holds(values[name]) for name, condition in self.when.items())

    def texts(self) -> list[str]:
        """The levels, or the range, as text."""
        if self.levels:
            return [text_of(level) for level in self.levels]
        how = " log" if self.log else f" step {text_of(self.step)}" if self.step else ""
        return [f"{text_of(self.low)} to {text_of(self.high)}{how}"]


class NamedArm(Part):
    """An arm that changes several settings together."""

    set: dict[str, Any]
    against: str = BASELINE
    note: Text = ""


class Limits(Part):
    """What goes beyond is never trained."""

    parameters: int | None = Field(None, ge=1)
    macs: int | None = Field(None, ge=1)


class Sampler(Part):
    """A sampler by name, with its options (None: the sampler's own default, but scrambled)."""

    name: Literal["tpe", "random", "qmc", "gp"] = "tpe"
    n_startup_trials: Count | None = None
    n_ei_candidates: Count | None = None
    multivariate: bool | None = None
    constant_liar: bool | None = None
    qmc_type: Literal["sobol", "halton"] | None = None
    scramble: bool | None = None
    deterministic_objective: bool | None = None

    @model_validator(mode="after")
    def _own_options(self) -> Sampler:
        tpe = ("n_startup_trials", "n_ei_candidates", "multivariate", "constant_liar")
        gp = ("n_startup_trials", "deterministic_objective")
        return _own_options(self, tpe=tpe, random=(), qmc=("qmc_type", "scramble"), gp=gp)


class Pruner(Part):
    """A pruner by name, with its options (None: the pruner's own default)."""

    name: Literal["none", "median", "hyperband"] = "none"
    n_startup_trials: Natural | None = None
    n_warmup_steps: Natural | None = None
    interval_steps: Count | None = None
    min_resource: Count | None = None
    reduction_factor: int | None = Field(None, ge=2, le=MAX_TRAININGS)

    @model_validator(mode="after")
    def _own_options(self) -> Pruner:
        median = ("n_startup_trials", "n_warmup_steps", "interval_steps")
        hyperband = ("min_resource", "reduction_factor")
        return _own_options(self, none=(), median=median, hyperband=hyperband)


def _gpus(number: int | float) -> int | float:
    if number <= 0 or (number > 1 and number != int(number)):
        raise ValueError("must be a whole number, or a fraction such as 0.5 where two share one")
    return number


def _silence(text: str) -> str:
    if seconds_in(text) < 1:
        raise ValueError("must be a second or more")
    return text


class TrainingResources(Part):
    """What one training takes of the machine.

    Attributes:
        gpus: how many GPUs it has; below 1 where several share one; None for one each, unless
            more trainings at a time are asked for.
    """

    gpus: Annotated[Number, AfterValidator(_gpus)] | None = None


class Search(Part):
    """The search stage: how many trials, drawn how, trained how.

    Attributes:
        trials: settings tried, those of the space's own arms among them.
        seed: of the sampler and of every training.
        sampler: draws the settings.
        pruner: stops trainings that do badly.
        duplicates: what a draw of a setting that was tried before comes to, which is never trained
            again: ``redraw`` draws another in its place, ``reuse`` lets it count as a trial, with
            the earlier one's value.
        training: settings of the trainings (epochs, images) in place of the arms' own.
    """

    trials: Count
    seed: int = Field(0, ge=0, le=MAX_SEED)
    duplicates: Literal["redraw", "reuse"] = "redraw"
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    training: dict[str, Any] = {}


class Space(Part):
    """A study as its author wrote it down. See `search_spaces/README.md` for the file's form."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str
    text: str
    question: Text = ""
    note: Text = ""
    design: Design | Literal["confirmation"] = "one-factor"
    seeds: tuple[int, ...] = ()
    lists_seeds: bool = False  # rather than their number
    objective: SkipValidation[Objective] = Field(default_factory=load_objective)
    margin: float = Field(0.005, gt=0, allow_inf_nan=False)
    outcome: Outcome = Outcome()
    settle: Settle | None = None
    baseline: SkipValidation[Setting] = Field(
        default_factory=lambda known: known["objective"].setting({})
    )
    factors: tuple[Factor, ...] = ()
    arms: dict[str, NamedArm] = {}
    reported: dict[str, Reported] = {}
    reported_curves: dict[str, ReportedCurves] = {}
    limits: Limits = Limits()
    resources: TrainingResources = TrainingResources()
    silence: Annotated[str, AfterValidator(_silence)] | None = None
    search: Search | None = None
    confirm: Confirm | None = None

    @field_validator("margin")
    @classmethod
    def _of_its_metric(cls, margin: float, info: ValidationInfo) -> float:
        """A difference that there can be."""
        objective: Objective | None = info.data.get("objective")
        if objective and margin >= objective.metric.largest:
            raise PydanticKnownError("less_than", {"lt": int(objective.metric.largest)})
        return margin

    def factor(self, name: str) -> Factor:
        """The factor called `name`."""
        return next(factor for factor in self.factors if factor.name == name)

    def undrawn(self, setting: Setting) -> set[str]:
        """The factors that are not drawn in a setting, because their condition does not hold."""
        values = setting.values()
        return {factor.name for factor in self.factors if not factor.is_active(values)}

    def idle(self, setting: Setting) -> set[str]:
        """The settings that have no effect there, and the factors that are not drawn there."""
        return self.undrawn(setting) | self.objective.idle(setting)

    def trained(self, setting: Setting) -> Setting:
        """An arm's setting as this study first trains it: a search has a training of its own."""
        return setting.replace(**self.search.training) if self.search else setting

    def fixed(self) -> dict[str, Value]:
        """Settings that are no factor and that no named arm changes."""
        free = {factor.name for factor in self.factors}
        free.update(name for arm in self.arms.values() for name in arm.set)
        return {name: v for name, v in self.baseline.values().items() if name not in free}

    def held_fixed(self) -> dict[str, str]:
        """What is fixed, as text; of a search what differs in its own trainings, too.

        Optional settings that nothing changes are left out.
        """
        own = self.search.training if self.search else {}
        fields, optional = self.objective.fields, self.objective.optional
        texts = {
            name: text_of(value)
            for name, value in self.fixed().items()
            if name in own or name not in optional or value != fields[name].default
        }
        for name in texts.keys() & own.keys():
            texts[name] = f"{text_of(own[name])} in the search, {texts[name]} in a confirmation"
        return texts


def on_grid(value: float, low: float | None, step: float | None) -> bool:
    """Whether `value` is `low` plus a whole number of steps (any value where there is no step).

    The numbers are taken as they are written, as Optuna takes them: 0.15 is three times 0.05.
    """
    if low is None or not step:
        return True
    written = [Fraction(str(number)) for number in (value, low, step)]
    return ((written[0] - written[1]) / written[2]).denominator == 1
