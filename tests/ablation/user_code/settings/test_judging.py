"""What a user's class says of a setting: in this process, and in one of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from enum import Enum
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, Field, computed_field
from pydantic.dataclasses import dataclass

from ablation.errors import UserError
from ablation.user_code.settings.judging import judge
from ablation.user_code.settings.schema import Judgement
from ablation.user_code.source.description import Judge
from tests.ablation.user_code.processes import ROOT, alive, all_gone, write

# In this process


class Colour(Enum):
    RED = "red"


class Adam(BaseModel):
    lr: float = 0.1


class Settings(BaseModel):
    width: int = 8
    shape: tuple[int, int] = (3, 3)
    colour: Colour = Colour.RED
    adam: Adam = Adam()
    workers: int = Field(0, json_schema_extra={"identity": False})


VALUES = {"width": 8, "shape": (3, 3), "colour": "red", "adam.lr": 0.1}


def test_by_default_all_that_makes_a_difference_is_effective() -> None:
    assert judge(Settings(workers=3)) == Judgement(effective=dict(VALUES))


def speaking(effective: Any = lambda s: {}, size: Any = lambda s: {}) -> BaseModel:
    """An instance of a class with these methods."""

    class Speaking(Settings):
        rate: float = 0.5

        @computed_field  # type: ignore[prop-decorator]
        @property
        def area(self) -> int:
            return self.width**2

        def effective(self) -> Any:
            return effective(self)

        def size(self) -> Any:
            return size(self)

    return Speaking()


EFFECTIVE: list[tuple[Any, dict[str, Any]]] = [
    (lambda s: {}, {}),
    (lambda s: s.model_dump(), {**VALUES, "rate": 0.5}),
    (lambda s: s.model_dump(mode="json"), {**VALUES, "rate": 0.5}),
    (lambda s: {"adam": s.adam, "width": s.width}, {"adam.lr": 0.1, "width": 8}),
    (lambda s: {"adam.lr": 0.3}, {"adam.lr": 0.3}),
    (lambda s: {"adam": {"lr": 0.3}}, {"adam.lr": 0.3}),
    (lambda s: {"width": None, "workers": 3}, {"width": None}),
    (lambda s: {"shape": s.shape[:1]}, {"shape": (3,)}),
    (lambda s: {"shape": [1, 2]}, {"shape": (1, 2)}),
    (lambda s: {"colour": s.colour}, {"colour": "red"}),
    (lambda s: {"width": np.int64(3), "rate": np.float32(0.5)}, {"width": 3, "rate": 0.5}),
]


@pytest.mark.parametrize(("gives", "effective"), EFFECTIVE)
def test_what_is_effective_has_flat_names(gives: Any, effective: dict[str, Any]) -> None:
    found = judge(speaking(effective=gives)).effective
    assert found == effective
    assert all(type(found[name]) is type(value) for name, value in effective.items())


def test_a_size_may_be_known_in_part() -> None:
    found = judge(speaking(size=lambda settings: {"macs": np.int64(64)}))
    assert (found.parameters, found.macs) == (None, 64)
    assert type(found.macs) is int


HERE = r"test_judging.py:\d+: "


@pytest.mark.parametrize(
    ("name", "gives", "said"),
    [
        ("effective", lambda s: None, HERE + r"effective\(\) gives NoneType; it must give a dict"),
        ("effective", lambda s: {3: 4}, HERE + r"effective\(\) gives dict; it must give a dict of"),
        ("effective", lambda s: {"widht": 3}, r'gives "widht", which is no setting; did you mean '
         "width"),
        ("effective", lambda s: {"adam": 3}, r'gives "adam", which is no setting'),
        ("effective", lambda s: {"width": object()}, r'gives "width": <object .* of type object'),
        ("effective", lambda s: {"rate": float("nan")}, r'gives "rate": NaN is no number'),
        ("effective", lambda s: 1 / 0, r"effective\(\) failed: test_judging.py:\d+, test_judging.py"
         r":\d+: .*: ZeroDivisionError: division by zero"),
        ("size", lambda s: {"params": 3}, HERE + r'size\(\) gives "params"; it takes parameters '
         "and macs"),
        ("size", lambda s: {"macs": 1.5}, r"size\(\) gives macs = 1.5, no whole number"),
        ("size", lambda s: {"macs": -1}, r"size\(\) gives macs = -1, which is below 0"),
        ("size", lambda s: [3], r"size\(\) gives list; it must give a dict with parameters"),
        ("size", lambda s: sys.exit(3), r"size\(\) failed: .*: SystemExit: 3"),
    ],
)  # fmt: skip
def test_a_method_that_fails_or_gives_something_else(name: str, gives: Any, said: str) -> None:
    with pytest.raises(UserError, match=said) as refusal:
        judge(speaking(**{name: gives}))
    assert len(str(refusal.value).splitlines()) == 1


@dataclass
class OfADataclass:
    width: int = 8
    bias: bool = True

    def effective(self) -> dict[str, Any]:
        return {"width": self.width}

    def size(self) -> dict[str, int]:
        return {"parameters": self.width, "macs": 2 * self.width}


def test_a_dataclass_says_it_too() -> None:
    assert judge(OfADataclass()) == Judgement(effective={"width": 8}, parameters=8, macs=16)


# In a process of its own

CODE = """
import os
from pathlib import Path
from pydantic import BaseModel, Field, field_validator, model_validator

MARK = Path(__file__).with_name("mark")

class Settings(BaseModel):
    width: int = Field(8, ge=1)
    heads: int = 1
    how: str = ""

    @field_validator("how")
    @classmethod
    def check(cls, value):
        assert value != "assert", "not that"
        if value == "raise":
            raise TypeError("of its own")
        return value.strip()

    @model_validator(mode="after")
    def fits(self):
        if self.width % self.heads:
            raise ValueError(f"width = {self.width} is no multiple of heads = {self.heads}")
        return self

    def effective(self):
        with MARK.open("a") as file:
            file.write("x")
        if self.how == "dies once" and len(MARK.read_text()) == 1:
            os.kill(os.getpid(), 9)
        if self.how == "dies":
            os._exit(3)
        if self.how == "sleeps":
            import time; time.sleep(1000)
        if self.how == "fails":
            1 / 0
        return {"width": self.width, "how": self.how}

    def size(self):
        return {"parameters": os.getpid()}

def train(settings: Settings, run): ...
"""


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Judge]:
    write(tmp_path, "digits.py", CODE)
    with closing(Judge("digits.py:train", tmp_path)) as judge:
        yield judge


def calls(folder: Path) -> int:
    return len((folder / "mark").read_text())


def test_one_process_judges_all_settings(asked: Judge, tmp_path: Path) -> None:
    first = asked.judge({"width": 4})
    assert first.effective == {"width": 4, "how": ""}
    assert asked.judge({"how": " x "}).effective == {"width": 8, "how": "x"}
    assert asked.judge({"width": 5}).parameters == first.parameters
    pid = first.parameters or 0
    assert alive(pid)
    asked.close()
    assert not alive(pid)


def test_a_setting_is_judged_once(asked: Judge, tmp_path: Path) -> None:
    first = asked.judge({"width": 4, "heads": 2})
    assert asked.judge({"heads": 2, "width": 4}) == first
    assert calls(tmp_path) == 1
    asked.judge({"width": 4, "heads": 1})
    assert calls(tmp_path) == 2


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"width": 5, "heads": 2}, "width = 5 is no multiple of heads = 2"),
        ({"width": 0}, "width: 0 is not an integer from 1 on"),
        ({"how": "assert"}, "how: not that"),
    ],
)
def test_a_combination_that_the_class_refuses(
    values: dict[str, Any], error: str, asked: Judge
) -> None:
    assert asked.judge(values) == Judgement(error=error)


def test_code_that_fails_is_named_and_leaves_the_process(asked: Judge) -> None:
    with pytest.raises(UserError) as refusal:
        asked.judge({"how": "fails"})
    said = "effective() failed: digits.py:37: 1 / 0: ZeroDivisionError: division by zero"
    assert str(refusal.value) == said
    with pytest.raises(UserError) as refusal:
        asked.judge({"how": "raise"})
    said = 'Settings failed: digits.py:18: raise TypeError("of its own"): TypeError: of its own'
    assert str(refusal.value) == said
    assert asked.judge({}).effective == {"width": 8, "how": ""}


def test_a_name_that_is_no_setting(asked: Judge) -> None:
    with pytest.raises(KeyError, match="no such setting: hiden"):
        asked.judge({"hiden": 3})


def test_a_process_that_dies_is_replaced(asked: Judge, tmp_path: Path) -> None:
    assert asked.judge({"how": "dies once"}).effective == {"width": 8, "how": "dies once"}
    assert calls(tmp_path) == 2


def test_a_process_that_dies_again_is_told(asked: Judge, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refusal:
        asked.judge({"how": "dies"})
    said = "trains: the process judging settings in digits.py ended with status 3"
    assert str(refusal.value) == said
    assert calls(tmp_path) == 2
    assert asked.judge({}).effective == {"width": 8, "how": ""}


@pytest.mark.slow
def test_an_answer_has_a_time_limit(tmp_path: Path) -> None:
    write(tmp_path, "digits.py", CODE)
    with closing(Judge("digits.py:train", tmp_path, timeout=1)) as judge:
        with pytest.raises(UserError) as refusal:
            judge.judge({"how": "sleeps"})
        said = "trains: judging a setting in digits.py took over 1 s at digits.py:35: "
        assert str(refusal.value).startswith(said)
        assert judge.judge({}).effective == {"width": 8, "how": ""}


def test_a_file_with_a_fault_is_told_by_the_first_judgement(tmp_path: Path) -> None:
    with (
        closing(Judge("digits.py:train", tmp_path)) as judge,
        pytest.raises(UserError, match="no file"),
    ):
        judge.judge({})


def test_none_infinity_and_lists_go_there_and_back(tmp_path: Path) -> None:
    write(
        tmp_path,
        "digits.py",
        """
        import math
        from pydantic import BaseModel

        class Settings(BaseModel):
            clip: float = math.inf
            decay: float | None = 0.1
            sizes: tuple[int, ...] = (1, 2)

        def train(settings: Settings, run): ...
        """,
    )
    with closing(Judge("digits.py:train", tmp_path)) as judge:
        values = {"clip": float("inf"), "decay": None, "sizes": (3,)}
        assert judge.judge(values) == Judgement(effective=values)


@pytest.mark.slow
def test_no_process_is_left_when_the_one_that_asks_is_killed(tmp_path: Path) -> None:
    write(tmp_path, "digits.py", CODE)
    program = f"""
    import time
    from pathlib import Path
    from ablation.user_code.source.description import Judge
    judge = Judge("digits.py:train", Path({str(tmp_path)!r}))
    print(judge.judge({{}}).parameters, flush=True)
    time.sleep(1000)
    """
    asking = subprocess.Popen(
        [sys.executable, "-c", dedent(program)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with asking:
        assert asking.stdout is not None
        pid = int(asking.stdout.readline())
        assert alive(pid)
        asking.kill()
    assert all_gone([pid])
