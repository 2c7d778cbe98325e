"""Nested values as columns, and dicts that a cell holds as text."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 100_000  # characters of a cell that is read as a dict
CONSTANTS: dict[str, str | bool | None] = {
    "nan": "nan", "inf": "inf", "NaN": "nan", "Infinity": "inf",
    "true": True, "false": False, "null": None,
}  # fmt: skip


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A nested mapping as text by name: ``{"optim": {"lr": "0.1"}}`` gives ``optim.lr``.

    Args:
        value: what `read_json` gives.
        prefix: what the names begin with.

    Raises:
        ValueError: it is nested too deeply.
    """
    try:
        return dict(_flat(value, prefix))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _flat(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, each in value.items():
        name = f"{prefix}{key}".strip()
        if isinstance(each, Mapping) and each:
            yield from _flat(each, f"{name}.")
        else:
            yield name, text_of(each)


def text_of(value: Any) -> str:
    """A value as a cell; what is none is empty."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, Mapping):
        return "{…}" if value else "{}"
    return str(value)


def read_json(text: str) -> Any:
    """What JSON says, its numbers as they stand there.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def entries_of(text: str, prefix: str = "") -> dict[str, str] | None:
    """The dict that a cell holds as JSON or as Python's text, flattened; None where it holds none.

    Nothing is evaluated.

    Args:
        text: the cell.
        prefix: what the names begin with.
    """
    value = _dict_of(text)
    try:
        return None if value is None else flat(value, prefix)
    except ValueError:
        return None


def _dict_of(text: str) -> dict[str, Any] | None:
    if not (text.startswith("{") and text.endswith("}")) or len(text) > LONGEST:
        return None
    try:
        value = read_json(text)
    except ValueError:
        value = _literal(text)
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None


def _literal(text: str) -> Any:
    """What Python's text says; None where it is more than constants."""
    try:
        tree = _Constants().visit(ast.parse(text, mode="eval"))
        return ast.literal_eval(tree)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


class _Constants(ast.NodeTransformer):
    """Names that a dict's text has where Python's own would have none: ``nan``, ``true``."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A constant in place of one of these names."""
        if node.id not in CONSTANTS:
            return node
        return ast.copy_location(ast.Constant(CONSTANTS[node.id]), node)
