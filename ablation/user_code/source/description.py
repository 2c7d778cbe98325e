"""Describe a user's code, and ask it about settings, without importing it in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from weakref import finalize

from ablation.errors import UserError, one_line
from ablation.settings import Value
from ablation.user_code.settings.schema import Description, Judgement
from ablation.user_code.source.child import Child, LostError, OvertimeError

TIMEOUT = 60.0  # seconds that an import may take, and a judgement
MAX_JUDGEMENTS = 10_000  # that are kept


def describe(trains: str, folder: Path, timeout: float = TIMEOUT) -> Description:
    """Describe a user's code, which is imported in a process of its own.

    Args:
        trains: ``digits.py:train`` or ``package.module:train``.
        folder: that of the space's file, where `trains` starts from.
        timeout: seconds that the import may take.

    Raises:
        UserError: it cannot be trained; the message says where in it, why, and what to do.
    """
    child = Child(trains, folder, timeout)
    try:
        return _description(child, trains)
    finally:
        child.close()


def _description(child: Child, trains: str) -> Description:
    """What a process that has just been started says of the code.

    Raises:
        UserError: see `describe`.
    """
    name = trains.rpartition(":")[0]
    try:
        return Description.from_json(child.answer())
    except OvertimeError as error:
        raise UserError(
            one_line(
                f"trains: importing {name} {error}; put what trains into a function, or run the "
                'file as it is, by command = ["python", …]'
            )
        ) from None
    except LostError as error:
        raise UserError(one_line(f"trains: the process importing {name} {error}")) from None


class Judge:
    """Asks a user's settings class about settings, in a process of its own.

    The process starts with the first question, serves the others too, and ends with this one.

    Args:
        trains: ``digits.py:train`` or ``package.module:train``.
        folder: that of the space's file.
        timeout: seconds that the import may take, and an answer.
    """

    def __init__(self, trains: str, folder: Path, timeout: float = TIMEOUT) -> None:
        self.trains, self.folder, self.timeout = trains, folder, timeout
        self._child: Child | None = None
        self._names: set[str] = set()
        self._lock = threading.Lock()
        self._answer = lru_cache(maxsize=MAX_JUDGEMENTS)(self._ask)

    def judge(self, values: Mapping[str, Value]) -> Judgement:
        """What the class says of a setting.

        Args:
            values: by flat name; what is not among them has its default.

        Raises:
            UserError: the class's own code failed, ended its process or took too long.
            KeyError: a name that is no setting.
        """
        return self._answer(json.dumps(dict(values), sort_keys=True))

    def _ask(self, text: str) -> Judgement:
        """Ask; if the process has ended, perhaps killed, ask another one."""
        values = json.loads(text)
        name = self.trains.rpartition(":")[0]
        with self._lock:
            for last in (False, True):
                try:
                    child = self._running()
                    if unknown := values.keys() - self._names:
                        raise KeyError(f"no such setting: {', '.join(sorted(unknown))}")
                    return Judgement.model_validate_json(child.answer(values))
                except OvertimeError as error:
                    self._end()
                    raise UserError(f"trains: judging a setting in {name} {error}") from None
                except LostError as error:
                    self._end()
                    if last:
                        said = f"trains: the process judging settings in {name} {error}"
                        raise UserError(one_line(said)) from None
        raise AssertionError

    def _running(self) -> Child:
        """The process, started if need be."""
        if self._child is None:
            child = Child(self.trains, self.folder, self.timeout)
            try:
                described = _description(child, self.trains)
            except BaseException:
                child.close()
                raise
            self._names = {field.name for field in described.schema.fields}
            self._child = child
            self._close_child = finalize(self, child.close)  # also where nobody closes this
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child = None
            self._close_child()

    def close(self) -> None:
        """End the process; another question would start another."""
        with self._lock:
            self._end()
