"""The contract between the harness and a network.

The harness knows settings, seeds and figures; whose they are, an `Objective` says.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.errors import DivergedError, UserError, did_you_mean
from ablation.objective.metric import Metric
from ablation.objective.setting import Setting, Size
from ablation.objective.training import Listener, Pack, Result
from ablation.objective.words import Words
from ablation.settings import Value, bounds

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class Objective(ABC):
    """A network, its settings and its training.

    Attributes:
        name: what people call it.
        spec: from which other processes load it; see `load_objective`.
        fields: every setting by its name: pydantic's fields, with types, bounds and defaults.
        metric: what decides.
        metrics: the figures that a space may have decide, by name: the usual one first; empty
            where any may.
        length: the setting that is a training's number of epochs; empty where none is.
        training: the settings of the training rather than the network, of which a search may have
            its own.
        options: the settings that a command may replace, by name, with the word that a study's name
            then has for them.
        data_size: the settings that say how much data a training has: the larger, the more.
        parts: of a setting that is a tuple, what a part of it is called in Optuna, before its
            number; else the setting's own name.
        kept: the settings that are a study's and not an arm's: no space may have them.
        classes: what is classified; empty where nothing is.
        figures: an epoch's figures by name, the metric among them, each with its lowest and highest
            value.
        scores: the scores of a finished training that are numbers, likewise.
        optional: the settings, figures and scores that only some studies have: a study shows such a
            setting where it is not at its default, such a figure where a training has it.
        beside_metric: the settings that change other figures and never the metric: no new study may
            vary them.
        words: what reports call things of it.
        columns: the names of figures and scores in the order in which tables of trials have them.
        spaces: the folder of the spaces that come with it.
        reference: the storage of finished studies that comes with it.
        fresh_processes: whether each training needs a process of its own, as code does that may
            keep something from one training to the next, or start processes.
        libraries: with fresh processes: modules that all trainings import, loaded once for them.
        beside_space: whether its code lies beside the file of a space.
        free_figures: whether trainings may give figures and scores that are not among these.
        remarks: what a person should know before its trainings begin, a sentence each.
        silence: seconds that a training may say nothing, at least, before its worker is replaced.
        packs: whether trainings can be done side by side in one process.
        pace: what one worker gets through in a second before anything has been measured, in the
            unit of `cost`, and where that was seen.
    """

    name: str
    spec: str
    fields: Mapping[str, FieldInfo]
    metric: Metric
    metrics: Mapping[str, Metric] = {}
    length: str
    training: tuple[str, ...] = ()
    options: Mapping[str, str] = {}
    data_size: tuple[str, ...] = ()
    parts: Mapping[str, str] = {}
    kept: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    figures: Mapping[str, tuple[float, float]]
    scores: Mapping[str, tuple[float, float]] = {}
    optional: tuple[str, ...] = ()
    beside_metric: tuple[str, ...] = ()
    words: Words = Words()
    columns: tuple[str, ...] = ()
    spaces: Path | None = None
    reference: Path | None = None
    fresh_processes: bool = False
    libraries: tuple[str, ...] = ()
    beside_space: bool = False
    free_figures: bool = False
    remarks: tuple[str, ...] = ()
    silence: float = 120.0
    packs: bool = True
    pace: tuple[float, str] = (1.0, "a guess, a second an epoch")
    governed_by: Mapping[str, tuple[str, ...]] = {}
    """By setting: those that decide whether, or between which values, it makes a difference."""

    @abstractmethod
    def setting(self, values: Mapping[str, Any]) -> Setting:
        """A setting of these values; what is not among them has its default.

        Raises:
            pydantic.ValidationError: a value has the wrong type or is out of range.
            KeyError: a name that is no setting.
        """

    @abstractmethod
    def train(self, pack: Pack, listener: Listener) -> list[Result | DivergedError]:
        """Train; what comes of each member. A member that diverges leaves the others as they were.

        The same pack gives the same figures, stopped and gone on with or not, alone or with others.

        Raises:
            StopRunError: a person must correct something first.
            Exception: the training failed; of several, all of them.
        """

    @property
    def usual_figure(self) -> str:
        """The name of the figure that decides where a space names none."""
        return next(iter(self.metrics), "") or self.metric.name

    def deciding_by(self, figure: str) -> Objective:
        """The same objective, where another of its figures decides.

        Raises:
            UserError: this figure cannot decide.
        """
        if figure == self.metric.name:
            return self
        raise UserError(f"{figure} cannot decide; {did_you_mean(figure, [self.metric.name])}")

    def unreported(self, figure: str, setting: Setting) -> str:
        """Why a training of this setting does not report a figure, and how it would; else empty."""
        return ""

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of what it is, its code included, wherever that lies."""
        return hashlib.sha256(self.spec.encode()).hexdigest()[:16]

    def state_digest(self, path: Path) -> str:
        """A digest of the state in a checkpoint, times left out; empty where there is none."""
        return ""

    def setting_name(self, given: str) -> str:
        """The name of the setting that the author of a space has given this name."""
        return given

    def judges(self, values: Mapping[str, Any]) -> bool:
        """Whether it can tell what has an effect in a setting: its code may be elsewhere."""
        return True

    def after(self, earlier: Objective) -> Objective:
        """As it goes on with a study that was begun with an earlier form of it.

        Settings that the earlier one lacked, at their defaults, make no other arms.
        """
        return self

    def changed(self, code: Mapping[str, str]) -> list[str]:
        """The files that are not as a training ran them.

        Args:
            code: of a trial: by file, what it was; empty where the code is the project's own.
        """
        return []

    def versions(self) -> dict[str, str]:
        """Libraries that its results depend on, with their versions, and its code's commit."""
        return {}

    def infeasible(self, setting: Setting) -> str:
        """Why a setting cannot be trained; empty where it can."""
        return ""

    def unfit(self, setting: Setting) -> str:
        """Why no new study should have a setting, though it can be trained; empty where it may."""
        return ""

    def unfit_level(self, name: str, level: Value, settings: Sequence[Setting]) -> str:
        """Why a search should not draw a level, whatever else it draws; empty where it may.

        Args:
            name: the factor.
            level: one of its levels.
            settings: what a search may train with the most data, as it and its confirmation would.
        """
        return ""

    def idle(self, setting: Setting) -> set[str]:
        """The settings that could have any value there: it would be the same network."""
        return set()

    def limits(self, name: str, varied: set[str], baseline: Setting) -> tuple[float, float]:
        """Beyond which a number is none of the setting's, or makes no other network.

        Args:
            name: the setting.
            varied: the settings that a space varies.
            baseline: the space's.
        """
        return bounds(self.fields[name].metadata)

    def size(self, setting: Setting) -> Size:
        """How large a setting's network is.

        Raises:
            ValueError: it cannot exist.
        """
        return Size()

    def cost(self, setting: Setting) -> float:
        """What one training costs, relative to others."""
        return float(self.epochs(setting) or 1)

    def epochs(self, setting: Setting) -> int | None:
        """How many epochs a training has, unless it ends early; None where that is not known."""
        return int(setting.values()[self.length]) if self.length else None  # type: ignore[arg-type]

    def amount(self, setting: Setting) -> tuple[float, ...]:
        """How much a training is: trainings of the same amount scatter alike."""
        return (float(self.epochs(setting) or 0),)

    def amount_text(self, setting: Setting) -> str:
        """How much a training is, in words."""
        epochs = self.epochs(setting)
        return "its full length" if epochs is None else f"{epochs} epochs"

    def chance_limit(self, setting: Setting) -> float | None:
        """The metric up to which a training may have guessed; None where that is not known."""
        return None

    def epoch_text(self, figures: Mapping[str, float]) -> str:
        """An epoch's figures in a line."""
        return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())

    def result_text(self, value: float, scores: Mapping[str, float], note: str = "") -> str:
        """What came of a training, in a line: the metric, and what may be shown of its scores.

        Args:
            value: of the metric.
            scores: by name.
            note: stands behind the value, such as `` (mean of the last 3 epochs)``.
        """
        tests = (f"  {name} {number:.4g}" for name, number in scores.items())
        return f"{self.metric.name} {value:.4g}{note}{''.join(tests)}"

    def stored_spec(self, settings: Sequence[Setting]) -> str:
        """From which a reader loads it who may lack its code; these are a study's settings."""
        return self.spec

    def with_precision(self, setting: Setting, precision: str) -> Setting:
        """The setting as it is trained in a study of this precision."""
        return setting

    def pack_key(self, setting: Setting) -> tuple[Value, ...]:
        """What trainings must share to be trained side by side."""
        return (setting.digest,)

    def prepare(self, data: Path | None, say: Callable[[str], None]) -> Path:
        """Make the data ready, before anything trains.

        Args:
            data: where a person says that they are; None where nobody did.
            say: told of what takes long.

        Returns:
            What trainings get as `Pack.data`.
        """
        return data or Path()

    def pick_device(self, name: str) -> str:
        """The device by name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, as ``cpu`` or ``cuda:N``.

        Raises:
            UserError: this machine has none of that name.
        """
        if name not in ("auto", "cpu"):
            raise UserError(f"--device {name}: this objective trains on cpu")
        return "cpu"

    def pick_precision(self, name: str, device: str) -> str:
        """The precision by name: ``auto``, ``fp32`` or ``bf16``.

        Raises:
            UserError: the device does not have it.
        """
        if name not in ("auto", "fp32"):
            raise UserError(f"--precision {name}: this objective trains in fp32")
        return "fp32"

    def gpu_names(self) -> list[str]:
        """The names of this machine's GPUs that it can train on."""
        return []

    def release_memory(self) -> None:  # noqa: B027
        """Give back what a failed training held."""

    def begin_worker(self, threads: int) -> None:  # noqa: B027
        """Make a worker's process ready for trainings with so many threads."""
