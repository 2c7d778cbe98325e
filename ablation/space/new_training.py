"""A commented space of somebody's training function, and the function where there is none yet."""

from __future__ import annotations

import ast
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ablation.errors import UserError
from ablation.files import write_new
from ablation.program import command
from ablation.settings import Value, bounds
from ablation.space.figure_keys import is_loss
from ablation.user_code.settings.schema import Description, SettingField, field_info
from ablation.user_code.source.description import describe

FUNCTION = "train"
LENGTHS = ("epochs", "max_epochs", "n_epochs", "steps", "max_steps", "iterations", "rounds")
SHARES = re.compile(r"acc|f1|auc|precision|recall|iou|dice|r2", re.IGNORECASE)
FACTORS = 3
COLUMN = 28  # of comments
HERE = Path(__file__).parent


def new_training(file: Path, trains: str) -> list[Path]:
    """Write a space of a training function, ready to run; and an example of one where none is.

    Args:
        file: the space's.
        trains: the function's file, and after a colon its name unless that is ``train``.

    Returns:
        The files that were written.

    Raises:
        UserError: the space exists, or one cannot be written, or the function cannot be trained.
    """
    named, _, function = trains.partition(":")
    code, function = Path(named), function or FUNCTION
    if code.suffix != ".py":
        raise UserError(f"--trains {trains}: takes a Python file, as in --trains my.py")
    if file.exists():
        raise UserError(f"{file}: exists already; choose another name or delete it")
    written = []
    if not code.exists():
        if function != FUNCTION:
            raise UserError(f"--trains {trains}: there is no {code}; leave :{function} out for one")
        write_new(code, _filled("new_training.py.txt", THIS_SPACE=str(file)))
        written.append(code)
    place = os.path.relpath(str(code), str(file.parent))
    found = describe(f"{place}:{function}", file.parent)
    write_new(file, _space(found, f"{place}:{function}", file))
    return [*written, file]


def _filled(template: str, **values: str) -> str:
    text = (HERE / template).read_text(encoding="utf-8")
    for name, value in {"PROGRAM": command(), **values}.items():
        text = text.replace(name, value)
    return text


def _space(found: Description, trains: str, file: Path) -> str:
    """The text of a space of what was found."""
    reported, returned = figures(found.file, found.function)
    metric = next(iter(reported), "") or next(iter(returned), "") or "val_accuracy"
    test = next((name for name in returned if name != metric and "test" in name), "")
    whole = [field.name for field in found.schema.fields if field.kind == "int"]
    budget = next((name for name in whole if name in LENGTHS), "")
    is_share = bool(SHARES.search(metric)) and not is_loss(metric)
    optional = {
        "unit": ("fraction" if is_share else "", "shown as %, differences as points"),
        "test": (test, "returned at the end, never used to choose"),
        "budget": (budget, "the setting that says how long a training is"),
    }
    lines = [f"{k:<9} = {json.dumps(v)}  # {why}\n" for k, (v, why) in optional.items() if v]
    factors = [
        f"{_key(field.name)} = [{_toml(level)}]"
        for field in found.schema.fields
        if field.identity and field.name != budget and (level := other_level(field)) is not None
    ]
    needed = [
        f"{_key(field.name)} = {_toml(level)}"
        for field in found.schema.fields
        if field.required and (level := other_level(field)) is not None
    ]
    reports = metric in reported and metric not in returned
    text = _filled(
        "new_training.toml",
        THIS_FILE=str(file),
        TRAINS=json.dumps(trains),
        METRIC=json.dumps(metric),
        DIRECTION='"min"' if is_loss(metric) else '"max"',
        UNIT="".join(lines),
        OUTCOME=_filled("new_outcome.toml") if reports else "",
        MARGIN="0.005" if is_share else "0.01",
        BASELINE="".join(f"{line}\n" for line in needed),
        FACTORS="\n".join([*factors[:FACTORS], *(f"# {line}" for line in factors[FACTORS:])]),
    )
    return "\n".join(map(_aligned, text.split("\n")))


def _aligned(line: str) -> str:
    """A line whose comment begins in the same column as others'."""
    value, sign, comment = line.partition("  # ")
    return f"{f'{value} ':<{COLUMN}}# {comment}" if sign and value else line


def figures(file: Path, function: str) -> tuple[list[str], list[str]]:
    """The names of the figures that a function seems to report, and those that it returns."""
    tree = ast.parse(file.read_bytes())
    bodies = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function]
    reported = [
        word.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr == "report"
        for word in node.keywords
        if word.arg
    ]
    returned = [name for body in bodies for name in _returned(body)]
    first = sorted(dict.fromkeys(reported), key=lambda name: not name.startswith("val"))
    return first, list(dict.fromkeys(returned))


def _returned(body: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(body):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
            for key in node.value.keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value


def other_level(field: SettingField) -> Value:
    """A level of a setting that is not its default; None where there is none to think of."""
    default = None if field.required else field.default
    if field.kind == "bool":
        return not default
    if field.kind == "choice":
        return next((choice for choice in field.choices if choice != default), None)
    if field.kind not in ("int", "float"):
        return None
    low, high = bounds(field_info(field).metadata)
    is_open = (field.low_open, field.high_open)
    own = float(default) if isinstance(default, int | float) else 0.0
    tries = [2 * own, own / 2, own + 1, (low + high) / 2, low, high] if own else [0.1, 1, low, high]
    for wanted in tries:
        level = round(wanted) if field.kind == "int" and math.isfinite(wanted) else wanted
        inside = low <= level <= high and not (
            (level == low and is_open[0]) or (level == high and is_open[1])
        )
        if math.isfinite(level) and inside and level != default:
            return level
    return None


def _key(name: str) -> str:
    """A setting's name as a key of TOML."""
    return ".".join(part if re.fullmatch(r"[\w-]+", part) else json.dumps(part)
                    for part in name.split("."))  # fmt: skip


def _toml(value: Value) -> str:
    return json.dumps(value)
