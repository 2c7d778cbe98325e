"""Which looks a study declares: before its first training, and what stays after its first look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ablation.design.arms import Plan
from ablation.design.settling import Settling, settling_of
from ablation.errors import UserError
from ablation.space.schema import Space
from ablation.space.sections import NO_FACTORIAL
from ablation.space.settle import Confirm, looks_fault

AS_ANOTHER = "or run it as a study of its own with --study NAME"


def declared(
    plan: Plan,
    looks: tuple[int, ...] | None = None,
    seeds: int | None = None,
    stored: tuple[Space, Settling | None] | None = None,
) -> Settling | None:
    """The looks that a run acts on; None where every arm gets all its seeds.

    A study keeps those that it began with, until its space file or an option has others.

    Args:
        plan: of the run.
        looks: those asked for in place of the space's own; empty for none.
        seeds: the number of seeds asked for. After the last look a reserve provides for more.
        stored: the space of the study as it is stored, and its looks; None for a new study.

    Raises:
        UserError: the design has no looks, or the looks and the seeds do not go together.
    """
    before = stored[1] if stored else None
    if looks == ():
        return None
    if stored and plan.space.settle == stored[0].settle:
        found = before and settling_of(plan.arms, before.looks, reserve=before.reserve)
    else:
        found = _of_space(plan)
    if looks:
        found = _asked(plan, looks, found)
    if found and before and (found.looks, found.reserve) == (before.looks, before.reserve):
        found = replace(found, extra=before.extra, taken=before.taken)
    return _over_seeds(found, seeds) if found and seeds is not None else found


def _of_space(plan: Plan) -> Settling | None:
    """The looks that the space file declares."""
    settle = plan.space.settle
    if settle is None:
        return None
    if not settle.is_acted_on:
        raise UserError(
            f"{plan.space.name}: settle.n_max: there is no such key any more; take it out: an arm "
            f"gets at most the seeds of the last look, {settle.looks[-1]:,}"
        )
    return settling_of(plan.arms, settle.looks, reserve=settle.reserve)


def _asked(plan: Plan, looks: tuple[int, ...], before: Settling | None) -> Settling:
    """The looks that were asked for, with the reserve that there is."""
    space = plan.space
    if space.design == "factorial":
        raise UserError(f"--settle: {NO_FACTORIAL.replace('take it out', 'leave it out')}")
    if why := looks_fault(looks):
        raise UserError(f"--settle: {why}")
    if space.lists_seeds and looks[-1] > len(space.seeds):
        raise UserError(
            f"--settle: the last look takes {looks[-1]:,} seeds, and the space lists "
            f"{len(space.seeds):,}; add to its list, or take looks out"
        )
    return settling_of(plan.arms, looks, reserve=before.reserve if before else False)


def declared_in_confirmation(
    space: Space,
    looks: tuple[int, ...] | None = None,
    seeds: int | None = None,
    begun: tuple[Confirm | None, Settling | None] | None = None,
) -> tuple[int, ...]:
    """The looks at a search's confirmation, by their numbers of seeds; empty for none.

    A confirmation keeps those that it began with, until its space file or an option has others.

    Args:
        space: the search's.
        looks: those asked for in place of the space's own; empty for none.
        seeds: the number of seeds asked for.
        begun: the section of the space that the confirmation has begun with, and its looks; None
            where it has not.

    Raises:
        UserError: there is no confirmation, or the looks and the seeds do not go together.
    """
    confirm = space.confirm
    if confirm is None:
        if looks:
            raise UserError(
                "--settle: looks are those of a search's confirmation, and this one has no "
                "[confirm]; leave it out"
            )
        return ()
    found: Sequence[int] = confirm.looks if looks is None else looks
    if looks:
        if why := looks_fault(looks) or confirm.path_fault(looks):
            raise UserError(f"--settle: {why}")
    elif looks is None and begun and begun[0] and begun[0].looks == confirm.looks:
        found = begun[1].looks if begun[1] else ()
    if found and (why := confirm.path_fault(found)):
        raise UserError(f"confirm: {why}")
    if found and seeds not in (None, found[-1]):
        raise UserError(
            f"--seeds {seeds}: the last look takes {found[-1]} seeds, and an arm stops as soon as "
            "a look settles it; leave it out"
        )
    return tuple(found)


def _over_seeds(settling: Settling, seeds: int) -> Settling:
    """The same with one look more, where as many seeds are asked for as only a reserve allows.

    Raises:
        UserError: the declared looks leave no room for another number of seeds.
    """
    last = settling.all_looks[-1]
    if seeds == last:
        return settling
    if seeds < last:
        raise UserError(
            f"--seeds {seeds}: fewer than the {last} of the last look; leave it out, since an arm "
            "stops as soon as a look settles it"
        )
    if not settling.reserve:
        raise UserError(
            f"--seeds {seeds}: the last look takes {last} seeds, and seeds beyond it need "
            f"reserve = true in [settle] before the first look; leave it out, {AS_ANOTHER}"
        )
    if not settling.is_over:
        raise UserError(
            f"--seeds {seeds}: looks at {last} seeds and fewer come first; leave it out until then"
        )
    if not settling.active:
        raise UserError(f"--seeds {seeds}: every comparison is settled; leave it out")
    return replace(settling, extra=(*settling.extra, seeds))


def changed_looks(stored: Settling | None, wanted: Settling | None, looked_at: int) -> str:
    """Why looks can no longer be declared, or changed, and how to mend it; else empty.

    Args:
        stored: the looks of the study so far.
        wanted: those of this run.
        looked_at: the number of trials from which verdicts were last produced without a declared
            look; 0 where none were.
    """
    if stored is None:
        if wanted is None or not looked_at:
            return ""
        return (
            f"verdicts were produced from {looked_at:,} trials, and looks are declared before the "
            f"first; go on with --no-settle, {AS_ANOTHER}"
        )
    if not stored.taken:
        return ""
    seeds = len(stored.taken[-1].seeds)
    taken = f"look {len(stored.taken)} has been taken, at {seeds} seeds, so its looks stay"
    if wanted is None:
        return f"{taken}; leave --no-settle out, {AS_ANOTHER}"
    was, now = ((each.looks, each.reserve) for each in (stored, wanted))
    if was != now:
        return (
            f"{taken}: they were {_text(stored)}, are {_text(wanted)}; take that back, {AS_ANOTHER}"
        )
    return ""


def _text(settling: Settling) -> str:
    looks = ", ".join(map(str, settling.looks))
    return f"{looks} with a reserve" if settling.reserve else looks
