"""Patterns of names: what runs are called says which arm and seed they are of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from ablation.errors import UserError, one_line

NUMBERED = re.compile(r".+?(?P<word>[-_.]?(?:seed|s)[-_=]?)[0-9]+")
FIELD = re.compile(r"\{(\w+)\}|\*|[^{*]+|.")


class NamePattern:
    """A pattern such as ``runs/{arm}-s{seed}.csv``: each ``{name}`` becomes a column.

    A name stands for any text without a slash, ``{seed}`` for a number where that fits every
    name; ``*`` stands for text that does not matter. Folders before the pattern do not matter.

    Raises:
        UserError: it names nothing.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        fields = [match[1] for match in FIELD.finditer(pattern) if match[1]]
        self.fields = list(dict.fromkeys(fields))
        if not self.fields or any(not field.isidentifier() for field in self.fields):
            raise UserError(
                f"--name {one_line(pattern)}: it names no column; write it with the arm's place, "
                "as in 'runs/{arm}-s{seed}.csv'"
            )

    def read(self, names: Sequence[str]) -> list[dict[str, str]]:
        """What each name says.

        Raises:
            UserError: a name does not match, or matches in more than one way.
        """
        strict = [self._match(name, number=True) for name in names]
        found = strict if all(strict) else [self._match(name, number=False) for name in names]
        wrong = [one_line(name) for name, each in zip(names, found, strict=True) if not each]
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise UserError(
                f"{', '.join(wrong[:3])}{more}: no match for --name {one_line(self.pattern)}; "
                "change the pattern, or leave them out"
            )
        return [each for each in found if each]

    def matches(self, name: str) -> bool:
        """Whether a name has this form."""
        return bool(self._regex(False, "").fullmatch(name))

    def _match(self, name: str, number: bool) -> dict[str, str] | None:
        """What a name says; None where it does not match."""
        greedy = self._regex(number, "").fullmatch(name)
        lazy = self._regex(number, "?").fullmatch(name)
        if not greedy or not lazy:
            return None
        if greedy.groupdict() != lazy.groupdict():
            one, other = (_told(each.groupdict()) for each in (lazy, greedy))
            raise UserError(
                f"{one_line(name)}: --name {one_line(self.pattern)} can mean {one} or {other}; "
                "make the pattern clearer, or rename the file"
            )
        return greedy.groupdict()

    def _regex(self, number: bool, reluctance: str) -> re.Pattern[str]:
        parts, seen = [r"(?:.*/)?"], set[str]()
        for match in FIELD.finditer(self.pattern):
            field = match[1]
            if not field:
                parts.append("[^/]*" if match[0] == "*" else re.escape(match[0]))
            elif field in seen:
                parts.append(f"(?P={field})")
            else:
                what = "[0-9]+" if field == "seed" and number else f"[^/]+{reluctance}"
                parts.append(f"(?P<{field}>{what})")
            seen.add(field)
        return re.compile("".join(parts), re.DOTALL)


def _told(found: dict[str, str]) -> str:
    return ", ".join(f"{name}={one_line(value)}" for name, value in found.items())


def arm_pattern(files: Sequence[str]) -> str:
    """A pattern that reads an arm, and a seed if there is one, out of the names of files.

    Args:
        files: their paths, as they were typed.

    Returns:
        Such as ``results/{arm}/eval.csv`` or ``{arm}_seed{seed}.json``; empty unless the paths
        differ in exactly one folder or in the file's name alone.
    """
    split = [name.split("/") for name in files]
    if len({len(parts) for parts in split}) != 1:
        return ""
    varied = [place for place, same in enumerate(zip(*split, strict=True)) if len(set(same)) > 1]
    if len(varied) != 1:
        return ""
    parts, place = list(split[0]), varied[0]
    if place < len(parts) - 1:
        return "/".join([*parts[:place], "{arm}", *parts[place + 1 :]])
    names = [PurePath(each[place]) for each in split]
    numbered = [NUMBERED.fullmatch(name.stem) for name in names]
    words = {match["word"] if match else None for match in numbered}
    word = next(iter(words)) if len(words) == 1 else None
    stem = "{arm}" if word is None else f"{{arm}}{word}{{seed}}"
    is_alike = len({name.suffix for name in names}) == 1
    return "/".join([*parts[:-1], stem + names[0].suffix]) if is_alike else ""
