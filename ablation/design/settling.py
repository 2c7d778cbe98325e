"""Which arms a study still trains: the looks that it declared, and those that it has taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ablation.objective.metric import Direction

if TYPE_CHECKING:
    from ablation.statistics.settling import LookFigures, Standing


class Compared(Protocol):
    """An arm, as far as looks know it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def against(self) -> str:
        """The arm that it is compared with; empty for the baseline."""


@dataclass(frozen=True)
class TakenLook:
    """A look that has been taken; stored, and never computed again.

    Attributes:
        number: of the look, from 1.
        seeds: the seeds that it looked at, in order.
        figures: by arm that had no verdict yet, what its pairs say.
    """

    number: int
    seeds: tuple[int, ...]
    figures: Mapping[str, LookFigures]


@dataclass(frozen=True)
class Settling:
    """Looks declared before the first training, and how far they have come.

    Attributes:
        looks: by declared look its number of seeds, increasing.
        against: by arm, in the order of the design, the arm that it is compared with; empty for
            the baseline.
        reserve: whether looks beyond the declared ones were provided for.
        extra: by look beyond the declared ones its number of seeds, increasing.
        taken: the looks taken, in order.
        untested: arms that are no comparison of the family; they are trained as long as one of it
            is open.
    """

    looks: tuple[int, ...]
    against: Mapping[str, str]
    reserve: bool = False
    extra: tuple[int, ...] = ()
    taken: tuple[TakenLook, ...] = ()
    untested: tuple[str, ...] = ()

    @property
    def family(self) -> tuple[str, ...]:
        """The arms that are compared: all comparisons of the plan, which are tested together."""
        return tuple(
            arm for arm, other in self.against.items() if other and arm not in self.untested
        )

    @property
    def all_looks(self) -> tuple[int, ...]:
        """The looks declared and those beyond, by their numbers of seeds."""
        return (*self.looks, *self.extra)

    @property
    def factors(self) -> list[int]:
        """By look taken, what its p is multiplied by."""
        from ablation.statistics.settling import look_factors

        return look_factors(len(self.looks), len(self.taken), reserve=self.reserve)

    def standings(self, direction: Direction = "maximize") -> dict[str, Standing]:
        """By compared arm, how it stands after the looks taken.

        Args:
            direction: of the metric.
        """
        from ablation.statistics.settling import standings

        figures = [look.figures for look in self.taken]
        return standings(figures, self.family, self.factors, direction)

    @property
    def active(self) -> tuple[str, ...]:
        """The arms that no look has settled."""
        if not self.taken:
            return self.family
        return tuple(arm for arm, each in self.standings().items() if each.is_active)

    @property
    def next_look(self) -> int | None:
        """The number of the look that is awaited, from 1; None where settling has ended."""
        number = len(self.taken) + 1
        return number if number <= len(self.all_looks) and self.active else None

    @property
    def next_seeds(self) -> int:
        """The number of seeds of the look that is awaited; 0 where settling has ended."""
        return self.all_looks[self.next_look - 1] if self.next_look else 0

    @property
    def is_over(self) -> bool:
        """Whether settling has ended: no arm is open, or the last look has been taken."""
        return self.next_look is None

    @property
    def most(self) -> int:
        """How many trainings there would be if no look settled anything."""
        return len(self.against) * self.all_looks[-1]

    @property
    def needed(self) -> tuple[str, ...]:
        """The arms that the awaited look takes: those open, and what they are compared with.

        The baseline and what is not tested are among them; where settling has ended, none is.
        """
        if self.is_over:
            return ()
        needed = {arm for arm, other in self.against.items() if not other}
        needed.update(self.untested)
        waiting = list(self.active)
        while waiting:
            arm = waiting.pop()
            if arm not in needed:
                needed.add(arm)
                waiting.append(self.against[arm])
        return tuple(arm for arm in self.against if arm in needed)

    @property
    def text(self) -> str:
        """How far it is: ``3 of 3 comparisons settled: 36 of at most 40 trainings.``"""
        every, left = len(self.family), len(self.active)
        settled = f"{every - left} of {every} comparison{'' if every == 1 else 's'} settled"
        if not self.is_over:
            return f"{settled}. {left} open until the look at {self.next_seeds} seeds."
        stayed = f", {left} left open" if left else ""
        spent = sum(self.wanted().values())
        return f"{settled}{stayed}: {spent:,} of at most {self.most:,} trainings."

    def due(self) -> dict[str, int]:
        """By arm, over how many seeds the awaited look takes it; 0 where it does not."""
        return dict.fromkeys(self.against, 0) | dict.fromkeys(self.needed, self.next_seeds)

    def wanted(self) -> dict[str, int]:
        """By arm, with how many seeds it is trained if no look still to come settles anything."""
        counts = dict.fromkeys(self.against, 0)
        for place, look in enumerate(self.taken):
            before = replace(self, taken=self.taken[:place])
            counts |= dict.fromkeys(before.needed, len(look.seeds))
        return counts | dict.fromkeys(self.needed, self.all_looks[-1])


def settling_of(
    arms: Iterable[Compared],
    looks: Iterable[int],
    *,
    reserve: bool = False,
    untested: Iterable[str] = (),
) -> Settling:
    """Declared looks, none of them taken.

    Args:
        arms: that are trained, in the order of the design.
        looks: by look its number of seeds.
        reserve: whether looks beyond these are provided for.
        untested: arms that are trained and not tested.
    """
    against = {arm.name: arm.against for arm in arms}
    return Settling(tuple(looks), against, reserve, untested=tuple(untested))
