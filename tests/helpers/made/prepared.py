"""Storages that are filled once a process and copied from then on, in SQLite and in PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import sqlalchemy
from optuna.storages import RDBStorage

from ablation.storage import url_of
from tests.helpers import postgres

_filled: dict[tuple[str, ...], sqlite3.Connection | str] = {}


def prepared(storage: RDBStorage, key: tuple[str, ...], fill: Callable[[], object]) -> None:
    """Fill an empty storage; the second time of a `key`, with a copy of what was filled in then."""
    url = sqlalchemy.make_url(url_of(storage))
    key = (fill.__module__, *key, url.get_backend_name(), str(url.query.get("host")))
    kept = _filled.get(key)
    if kept is None:
        fill()
    storage.engine.dispose()
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database))) as file:
            if isinstance(kept, sqlite3.Connection):
                kept.backup(file)
            else:
                _filled[key] = memory = sqlite3.connect(":memory:", check_same_thread=False)
                file.backup(memory)
    elif kept is None:
        _filled[key] = f"kept_{len(_filled)}"
        postgres.execute(url, f"CREATE DATABASE {_filled[key]} TEMPLATE {url.database}")
    else:
        postgres.execute(url, f"DROP DATABASE {url.database}")
        postgres.execute(url, f"CREATE DATABASE {url.database} TEMPLATE {kept}")
