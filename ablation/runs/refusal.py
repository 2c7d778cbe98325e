"""Why a table of runs is not analysed, and what to type instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ablation.errors import UserError
from ablation.runs.options import Options


class RefusedTableError(UserError):
    """A table that is not analysed as it was asked for.

    Attributes:
        reasons: all of them, a line each; the message has them line by line.
        fixes: the options that would do, as far as they are known.
        advice: what the columns seem to be, and a whole command.
        is_too_little: whether too little was said to analyse anything.
    """

    def __init__(
        self,
        reasons: Sequence[str],
        fixes: Sequence[Fix] = (),
        *,
        advice: Sequence[str] = (),
        is_too_little: bool = False,
    ) -> None:
        super().__init__("\n".join(reasons))
        self.advice = list(advice)
        self.reasons = list(reasons)
        self.fixes = list(fixes)
        self.is_too_little = is_too_little


@dataclass(frozen=True)
class Fix:
    """Options that take a reason away.

    Attributes:
        options: by the name of the option; those that can be repeated are added to what is there.
    """

    options: dict[str, Any]

    def apply(self, options: Options) -> Options:
        """The options with these."""
        changed: dict[str, Any] = {
            name: tuple(dict.fromkeys((*getattr(options, name), *value)))
            if isinstance(value, tuple)
            else value
            for name, value in self.options.items()
        }
        return replace(options, **changed)


@dataclass
class Reasons:
    """Reasons as they are found, so that a person reads all of them at once."""

    texts: list[str] = field(default_factory=list)
    fixes: list[Fix] = field(default_factory=list)
    is_too_little: bool = False

    def add(self, text: str, **fix: Any) -> None:
        """One more, and the options that take it away."""
        if text not in self.texts:
            self.texts.append(text)
            self.fixes += [Fix(fix)] if fix else []

    def stop(self) -> None:
        """End here where there are any.

        Raises:
            RefusedTableError: there are.
        """
        if self.texts:
            raise RefusedTableError(self.texts, self.fixes, is_too_little=self.is_too_little)
