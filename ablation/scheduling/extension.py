"""What may still change in a search that is being confirmed."""

from __future__ import annotations

from optuna.storages import RDBStorage

from ablation.space.schema import Confirm
from ablation.storage import StorageError
from ablation.storage.record import Record, find_record
from ablation.storage.studies import confirming

OF_ITS_OWN = "take that back, or run it as a study of its own with --study NAME"


def check_extension(storage: RDBStorage, study: str, before: Record, wanted: Record) -> None:
    """Refuse to search on once what was found is being confirmed.

    Args:
        storage: where both are.
        study: the search.
        before: its record so far.
        wanted: its record as it is wanted now.

    Raises:
        StorageError: it wants more trials or arms than those that the confirmation rests on, or
            more seeds than those that the path rests on, or another confirmation.
    """
    confirmed = find_record(storage, confirming(storage, study))
    if confirmed is None:
        return
    if changed := _changes(before.plan.space.confirm, wanted.plan.space.confirm, confirmed):
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


def _changes(was: Confirm | None, now: Confirm | None, begun: Record) -> str:
    """What a confirmation that has begun can no longer change, and how to mend it; else nothing.

    Its arms stay. Seeds are only added: its own until the path begins, the path's at any time.
    """
    if was is None or now is None or now.top != was.top or now.seeds < was.seeds:
        return f"its confirmation has begun: [confirm] was {was}, is {now}; {OF_ITS_OWN}"
    if begun.path is None:
        return ""
    if now.seeds > max(was.seeds, len(begun.seeds)):
        return _seeds_too_late(begun, "take the space's [confirm] seeds back")
    if now.path_count(len(begun.seeds)) < len(begun.path.seeds):
        return (
            f"its path has begun with {len(begun.path.seeds)} seeds, and seeds are only added; "
            "take the space's [confirm] path_seeds back"
        )
    return ""


def _seeds_too_late(confirmed: Record, mend: str) -> str:
    return (
        f"its path has begun from what {len(confirmed.seeds)} seeds confirmed; "
        f"{mend}, or confirm with more in a study of its own with --study NAME"
    )
