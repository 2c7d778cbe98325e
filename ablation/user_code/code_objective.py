"""What all objectives have in common that are a user's code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, create_model
from pydantic.fields import FieldInfo

from ablation.device import choose_device
from ablation.errors import StopRunError
from ablation.objective import Objective, Words, load_objective
from ablation.objective.columns import column
from ablation.settings import Value
from ablation.user_code.definition import CodeDefinition
from ablation.user_code.gpus import gpu_names
from ablation.user_code.settings.schema import field_info
from ablation.user_code.settings.setting import UserSetting, digest_of
from ablation.user_code.source.code_identity import changed_files
from ablation.versions import commit_of, versions_of


class CodeObjective(Objective):
    """A user's code and its settings; see `ablation.objective.Objective`.

    Args:
        definition: what it is made of.
    """

    packs = False
    silence = 3600.0  # nothing is heard of it between two reports
    free_figures = True
    beside_space = True
    words = Words(
        shared="whatever train draws from run.seed",
        seed_question="does train use run.seed?",
        seed_advice="Draw the split from run.seed.",
        resume_advice="run.track would let it go on.",
    )

    def __init__(self, definition: CodeDefinition) -> None:
        self.definition = definition
        self.name = definition.name
        self.spec = definition.spec
        self.metric = definition.decides()
        self.length = self._column(definition.budget) if definition.budget else ""
        self.training = tuple(filter(None, [self.length]))
        own = definition.settings.fields
        self._names = {self._column(field.name): field.name for field in own}  # the code's own
        self.fields = {self._column(field.name): field_info(field) for field in own}
        self.options = dict(self._names)  # a study is then called by the code's own names
        self._kept = {self._column(field.name) for field in own if field.identity}
        later = {field.name: field.default for field in own if field.name in definition.later}
        self._later = {self._column(name): default for name, default in later.items()}
        others = dict.fromkeys(definition.also, (-inf, inf))
        self.figures = {self.metric.name: (-inf, inf), **others}
        self.scores = {definition.test: (-inf, inf)} if definition.test else {}
        # A step is what the author calls it, as far as that is known.
        word = "epoch" if "epoch" in definition.budget.lower() else "step"
        self.words = replace(self.words, epoch=word)
        each = word if definition.budget else "training"
        self.pace = (1.0, f"a guess, a second a {each}; check, or a first training, measures them")
        self.threads = 1

    @property
    def digest(self) -> str:
        """See the contract."""
        return self.definition.digest

    def deciding_by(self, figure: str) -> Objective:
        """See the contract: any figure may, since which there are is not known."""
        if figure == self.metric.name:
            return self
        return load_objective(self.definition.model_copy(update={"metric": figure}).spec)

    # What it gives

    def epoch_text(self, figures: Mapping[str, float]) -> str:
        """See the contract: the metric with its unit."""
        return self._texts(figures)

    def result_text(self, value: float, scores: Mapping[str, float], note: str = "") -> str:
        """See the contract."""
        own = f"{self._texts({self.metric.name: value})}{note}"
        return "  ".join(filter(None, [own, self._texts(scores)]))

    def _texts(self, figures: Mapping[str, float]) -> str:
        decides = (self.metric.name, self.metric.test)
        return "  ".join(
            f"{name} {self.metric.value(x) if name in decides else f'{x:.4g}'}"
            for name, x in figures.items()
        )

    # Settings

    def setting(self, values: Mapping[str, Any]) -> UserSetting:
        """See the contract."""
        if unknown := [name for name in values if name not in self.fields]:
            raise KeyError(f"no such setting: {', '.join(unknown)}")
        checked = self._model(**{name: _as_tuple(value) for name, value in values.items()})
        whole = checked.model_dump(by_alias=True)
        return UserSetting(tuple(whole.items()), self._digest(whole), self.spec)

    @cached_property
    def _model(self) -> Any:
        """Checks settings value by value, as TOML and JSON have them.

        Its own names are none of the settings': pydantic has some for itself.
        """
        config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
        fields: Any = {
            f"setting_{number}": (field.annotation, _with_alias(field, name))
            for number, (name, field) in enumerate(self.fields.items())
        }
        return create_model("Settings", __config__=config, **fields)

    def _digest(self, values: Mapping[str, Value]) -> str:
        """Of what has an effect in these values of all settings."""
        return self._digest_of(values)

    def _digest_of(self, effective: Mapping[str, Value]) -> str:
        counted = {name: value for name, value in effective.items() if name in self._kept}
        unchanged = {name for name, value in self._later.items() if counted.get(name) == value}
        return digest_of({name: v for name, v in counted.items() if name not in unchanged})

    def after(self, earlier: Objective) -> Objective:
        """See the contract."""
        if not isinstance(earlier, CodeObjective):
            return self
        known = {field.name for field in earlier.definition.settings.fields}
        known -= set(earlier.definition.later)
        later = tuple(
            field.name
            for field in self.definition.settings.fields
            if field.name not in known and not field.required
        )
        known_by = {"later": later, "naming": earlier.definition.naming}
        definition = self.definition.model_copy(update=known_by)
        return self if definition == self.definition else load_objective(definition.spec)

    def _of_code(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Settings by the names that the code has for them."""
        return {self._names[name]: value for name, value in values.items()}

    def setting_name(self, given: str) -> str:
        """See the contract: one that tables have for themselves gets a prefix."""
        return self._column(given) if given in self._names.values() else given

    def _column(self, name: str) -> str:
        """What a setting of the code is called here."""
        return column(name, self.definition.naming)

    # Trainings

    def prepare(self, data: Path | None, say: Callable[[str], None]) -> Path:
        """Where a person says that the data are, else the folder of the space's file."""
        return (data or Path(self.definition.folder)).absolute()

    def pick_device(self, name: str) -> str:
        """The device by name; see `ablation.device.choose_device`."""
        return choose_device(name, 0 if name == "cpu" else len(self._gpus))

    def gpu_names(self) -> list[str]:
        """See `ablation.user_code.gpus.gpu_names`."""
        return self._gpus

    @cached_property
    def _gpus(self) -> list[str]:
        home = Path(self.definition.code_folder)
        return gpu_names([home / name for name in self.definition.code])

    def begin_worker(self, threads: int) -> None:
        """See the contract."""
        self.threads = threads

    def _check_same(self, found: Mapping[str, str]) -> None:
        """Refuse code that is not what the run began with.

        Args:
            found: by file, its digest now.

        Raises:
            StopRunError: a file has changed.
        """
        known = self.definition.code
        if changed := [name for name in found if known.get(name, found[name]) != found[name]]:
            raise StopRunError(
                f"{', '.join(changed)} has changed while the study ran: change it back, or run the "
                "new one as a study of its own with --study NAME"
            )

    def changed(self, code: Mapping[str, str]) -> list[str]:
        """See the contract."""
        return changed_files(Path(self.definition.code_folder), code)

    def _versions(self, modules: Sequence[str]) -> dict[str, str]:
        """The versions of modules that the code imports, and the code's commit."""
        roots = dict.fromkeys(name.partition(".")[0] for name in modules)
        commit = commit_of(Path(self.definition.code_folder))
        return {**versions_of(list(roots)), **({"code": commit} if commit else {})}


def _with_alias(field: FieldInfo, alias: str) -> FieldInfo:
    field = copy(field)
    field.alias = field.validation_alias = field.serialization_alias = alias
    return field


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
