"""What may still change in a search that is being confirmed."""

from __future__ import annotations

from optuna.storages import RDBStorage

from ablation.design.declaration import AS_ANOTHER, changed_looks, declared_in_confirmation
from ablation.design.settling import settling_of
from ablation.space.schema import Space
from ablation.space.settle import Confirm
from ablation.storage import StorageError
from ablation.storage.record import Record, find_record
from ablation.storage.studies import confirming

OF_ITS_OWN = f"take that back, {AS_ANOTHER}"


def check_extension(
    storage: RDBStorage,
    study: str,
    before: Record,
    wanted: Record,
    looks: tuple[int, ...] | None = None,
    seeds: int | None = None,
) -> None:
    """Refuse to search on once what was found is being confirmed.

    Args:
        storage: where both are.
        study: the search.
        before: its record so far.
        wanted: its record as it is wanted now.
        looks: the looks at the confirmation in place of the space's own; empty for none.
        seeds: the number of its seeds in place of the space's own.

    Raises:
        StorageError: it wants more trials or arms than those that the confirmation rests on, or
            more seeds than those that the path rests on, or another confirmation, or other looks
            than those that have been taken.
        UserError: looks and seeds do not go together.
    """
    confirmed = find_record(storage, confirming(storage, study))
    if confirmed is None:
        return
    sections = before.plan.space.confirm, wanted.plan.space.confirm
    if changed := _changes(*sections, confirmed) or _looks_changed(
        wanted.plan.space, confirmed, looks, seeds
    ):
        raise StorageError(f"study {study}: {changed}")
    known = {arm.name for arm in before.plan.arms}
    more = [f"arm {arm.name}" for arm in wanted.plan.arms if arm.name not in known]
    if wanted.trials > before.trials:
        more.append(f"{wanted.trials:,} trials")
    if more:
        raise StorageError(
            f"study {study}: what its {before.wanted:,} trials found is being confirmed, so "
            f"{more[0]} would come too late; {OF_ITS_OWN}"
        )


def _looks_changed(
    space: Space, begun: Record, looks: tuple[int, ...] | None, seeds: int | None
) -> str:
    """Why looks at a confirmation can no longer be declared, or changed; else empty."""
    declared = declared_in_confirmation(
        space, looks, seeds, (begun.plan.space.confirm, begun.settling)
    )
    wanted = settling_of(begun.plan.arms, declared) if declared else None
    if why := changed_looks(begun.settling, wanted, max(begun.looks, default=0)):
        return why
    if begun.path is None or not begun.path.arms:
        return ""
    if begun.settling is None and wanted is not None:
        return f"its path has begun, and looks are declared before that; {OF_ITS_OWN}"
    settling = begun.path.settling
    if settling and space.confirm and space.confirm.path_looks(declared) != settling.looks:
        return (
            f"its path has begun with looks at {', '.join(map(str, settling.looks))} seeds, and "
            f"these stay; take the space's [confirm] path_seeds back, {AS_ANOTHER}"
        )
    return ""


def _changes(was: Confirm | None, now: Confirm | None, begun: Record) -> str:
    """What a confirmation that has begun can no longer change, and how to mend it; else nothing.

    Its arms stay. Seeds are only added: its own until the path begins, the path's at any time.
    """
    if was is None or now is None or now.top != was.top or now.seeds < was.seeds:
        return (
            f"its confirmation has begun: [confirm] was {_said(was)}, is {_said(now)}; {OF_ITS_OWN}"
        )
    if begun.path is None or begun.path.settling:
        return ""
    if now.seeds > max(was.seeds, len(begun.seeds)):
        return _seeds_too_late(begun, "take the space's [confirm] seeds back")
    if now.path_count(len(begun.seeds)) < len(begun.path.seeds):
        return (
            f"its path has begun with {len(begun.path.seeds)} seeds, and seeds are only added; "
            "take the space's [confirm] path_seeds back"
        )
    return ""


def _said(section: Confirm | None) -> str:
    """``top=2 seeds=3``: what was given."""
    given = section.model_dump(exclude_unset=True) if section else {}
    return " ".join(f"{key}={value}" for key, value in given.items()) or "none"


def _seeds_too_late(confirmed: Record, mend: str) -> str:
    return (
        f"its path has begun from what {len(confirmed.seeds)} seeds confirmed; "
        f"{mend}, or confirm with more in a study of its own with --study NAME"
    )
