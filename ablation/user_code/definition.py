"""What an objective that is a user's code is made of, as data: any process builds it from this."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ablation.errors import UserError
from ablation.objective.columns import Naming
from ablation.objective.metric import Direction, Metric
from ablation.user_code.settings.schema import Judgement, SettingsSchema

PLACE = "ablation.user_code.objective:user_objective"
COMMAND_PLACE = "ablation.user_code.command_objective:command_objective"


D = TypeVar("D", bound="CodeDefinition")


class KnownJudgement(BaseModel):
    """What a user's code has said of one setting, for those who have not got the code."""

    model_config = ConfigDict(frozen=True, strict=True)

    digest: str
    idle: tuple[str, ...] = Field((), strict=False)
    parameters: int | None = None
    macs: int | None = None
    error: str = ""


class CodeDefinition(BaseModel):
    """What all objectives have in common that are a user's code.

    Attributes:
        folder: that of the space's file, absolute; empty where the code is not needed.
        code_folder: where the files of `code` are; empty likewise.
        code: by file, from that folder: its digest; see `ablation.user_code.source.code_identity`.
        metric: what decides; the name of a figure that is reported.
        direction: whether more or less of it is better.
        unit: of it; ``fraction`` for what is shown in percent.
        test: the name of the figure that comes once, at the end, and is the same on test data.
        budget: the setting that says how long a training is; empty where none does.
        also: other figures that reports show.
        settings: what is known of the settings.
        later: those that were added since the study began: their defaults are in no digest.
        naming: which settings have a prefix; see `ablation.objective.columns.NAMING`.
    """

    model_config = ConfigDict(frozen=True, strict=True)
    what: ClassVar[str] = "user's code"

    folder: str = ""
    code_folder: str = ""
    code: dict[str, str] = {}
    metric: str
    direction: Direction = "maximize"
    unit: str = ""
    test: str = ""
    budget: str = ""
    also: tuple[str, ...] = Field((), strict=False)
    settings: SettingsSchema
    later: tuple[str, ...] = Field((), strict=False)
    naming: Naming = 1

    @property
    @abstractmethod
    def name(self) -> str:
        """What people call it."""

    @property
    @abstractmethod
    def place(self) -> str:
        """What makes an objective of it; see `ablation.objective.load_objective`."""

    @property
    def spec(self) -> str:
        """From which any process loads the objective."""
        return f"{self.place} {self.model_dump_json(exclude_defaults=True)}"

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of the code and its metric, wherever it is, however it is shown."""
        shown = {"direction", "unit", "test", "also", "later", "naming"}
        text = self.model_dump_json(exclude={"folder", "file", "code_folder", *shown})
        return hashlib.sha256(f"{self.place} {text}".encode()).hexdigest()[:16]

    def decides(self) -> Metric:
        """The metric."""
        return Metric(self.metric, unit=self.unit, direction=self.direction, test=self.test)

    @property
    def home(self) -> Path:
        """The folder of the space's file."""
        return Path(self.folder)


class Definition(CodeDefinition):
    """An objective that is a user's function.

    Attributes:
        trains: the function, as the space names it: ``file.py:function`` or
            ``package.module:function``.
        file: that of the function, absolute; empty where the code is not needed.
        libraries: modules that the code imports, and that are nobody's own.
        known: by setting, as JSON: what the code has said of it, where only the code can say that.
    """

    trains: str
    file: str = ""
    libraries: tuple[str, ...] = Field((), strict=False)
    known: dict[str, KnownJudgement] = {}

    @property
    def name(self) -> str:
        """See `CodeDefinition`."""
        return self.trains

    @property
    def place(self) -> str:
        """See `CodeDefinition`."""
        return PLACE

    def without_code(self, known: dict[str, KnownJudgement]) -> Self:
        """What a study's record holds: nothing of where the code is."""
        nowhere = {"folder": "", "file": "", "code_folder": "", "code": {}, "libraries": ()}
        return self.model_copy(update={**nowhere, "known": known})


class CommandDefinition(CodeDefinition):
    """An objective that is a program; all of its code lies in the folder of the space's file.

    Attributes:
        program: what people call it: the first file of its code.
        command: the words that start it, with ``{name}`` where the value of a setting stands.
        read: by figure: the regular expression that finds it in what the program prints; empty
            where it prints JSON.
    """

    what: ClassVar[str] = "user's program"

    program: str
    command: tuple[str, ...] = Field(strict=False)
    read: dict[str, str] = {}

    @property
    def name(self) -> str:
        """See `CodeDefinition`."""
        return self.program

    @property
    def place(self) -> str:
        """See `CodeDefinition`."""
        return COMMAND_PLACE

    def without_code(self) -> Self:
        """What a study's record holds: nothing of where the code is."""
        return self.model_copy(update={"folder": "", "code_folder": "", "code": {}})


def parse_definition(kind: type[D], document: str) -> D:
    """A definition of this kind that is given as JSON.

    Raises:
        UserError: it is none.
    """
    try:
        return kind.model_validate_json(document)
    except ValidationError as error:
        raise UserError(f"not what this version writes of a {kind.what}: {error}") from None


def as_known(digest: str, judgement: Judgement, names: list[str]) -> KnownJudgement:
    """A judgement as a study's record holds it."""
    effective = judgement.effective
    idle = () if effective is None else tuple(name for name in names if name not in effective)
    return KnownJudgement(
        digest=digest,
        idle=idle,
        parameters=judgement.parameters,
        macs=judgement.macs,
        error=judgement.error,
    )
