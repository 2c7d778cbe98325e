"""A process that imports a user's code and says what it finds.

The other side is `ablation.user_code.source.child`. It ends when its connection closes, along with
every process that it has started.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

from ablation.errors import UserError
from ablation.settings import Value
from ablation.user_code.settings.judging import judge
from ablation.user_code.settings.schema import Description, Judgement, SettingsSchema
from ablation.user_code.settings.settings_class import assemble, read_class
from ablation.user_code.source.faults import ExitError, error_text, place, refusal_text
from ablation.user_code.source.importing import Code, load_code
from ablation.user_code.source.own_files import libraries, own_files

TASKS = Path("/proc/self/task")  # where Linux has a process's threads


def main(words: Mapping[str, Any]) -> None:
    """Describe a user's code, then judge settings until the connection closes.

    Args:
        words: ``trains``, ``folder``, ``timeout`` in seconds; the file descriptor of the
            ``connection``, and the file that gets a ``trace`` of where the time ran out.
    """
    connection = Connection(words["connection"])
    os.set_inheritable(connection.fileno(), False)
    questions: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, questions), daemon=True).start()
    with Path(words["trace"]).open("w", encoding="utf-8") as trace:
        faulthandler.enable(trace)
        limit = Limit(words["timeout"], trace)
        session = Session(words["trains"], Path(words["folder"]), limit)
        connection.send_bytes(_answer(session.describe))
        while session.code:
            connection.send_bytes(_answer(session.judge, json.loads(questions.get())))
    os._exit(0)  # whatever threads and handlers the code has left


def _listen(connection: Connection, questions: SimpleQueue[bytes]) -> None:
    """Queue the questions; when the connection closes, end this process and its group."""
    while True:
        try:
            questions.put(connection.recv_bytes())
        except (EOFError, OSError):
            os.killpg(os.getpgrp(), signal.SIGKILL)


@dataclass(frozen=True)
class Limit:
    """A time limit, after which this process leaves a trace of where it was, and ends."""

    seconds: float
    trace: TextIO

    @contextmanager
    def held(self) -> Iterator[None]:
        """Apply the limit to a block."""
        faulthandler.dump_traceback_later(self.seconds, exit=True, file=self.trace)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


@dataclass
class Session:
    """A user's code in this process.

    Attributes:
        trains: what names it.
        folder: that of the space's file.
        limit: of each of its methods.
        code: once it is imported.
    """

    trains: str
    folder: Path
    limit: Limit
    code: Code | None = None

    def describe(self) -> str:
        """Import the code, and give its description as JSON."""
        with self.limit.held():
            before = count_threads()
            code = load_code(self.trains, self.folder)
            schema_of(code)
            threads_started = count_threads() > before
        description = describe_code(code, threads_started)
        self.code = code
        return description.to_json()

    def judge(self, values: Mapping[str, Value]) -> str:
        """Give the judgement of a setting as JSON."""
        assert self.code is not None
        with self.limit.held():
            return judge_values(self.code, values).model_dump_json()


def count_threads() -> int:
    """This process's threads, those that Python does not know too, where the system says."""
    return len(list(TASKS.iterdir())) if TASKS.is_dir() else threading.active_count()


def _answer(work: Callable[..., str], *words: object) -> bytes:
    """The outcome of some work, as `ablation.user_code.source.child` reads it."""
    try:
        answer = {"answer": work(*words)}
    except ExitError as error:
        answer = {"exit": str(error)}
    except UserError as error:
        answer = {"error": str(error)}
    return json.dumps(answer).encode()


def schema_of(code: Code) -> SettingsSchema:
    """The settings that a user's function takes.

    Raises:
        UserError: a field that no setting can be; the file, the line and the class are named.
    """
    try:
        return read_class(code.settings_class).schema
    except UserError as error:
        where = place(code.settings_class, code.folder)
        lines = [f"{where}: {line}" for line in str(error).splitlines()]
        raise UserError("\n".join(lines)) from None


def describe_code(code: Code, threads_started: bool = False) -> Description:
    """What is known of a user's code that is imported in this process.

    Args:
        code: what was imported.
        threads_started: whether the import started threads.

    Raises:
        UserError: its settings have a field that no setting can be.
    """
    schema = schema_of(code)
    files = own_files(code.folder, code.file)
    where = place(code.settings_class, code.folder)
    warnings = [
        f"{where}: {code.settings_class.__name__}.{field.name} is a setting like any other; the "
        "seed of a training is run.seed"
        for field in schema.fields
        if field.name.rpartition(".")[2] == "seed"
    ]
    return Description(
        schema=schema,
        file=code.file,
        folder=code.folder,
        function=code.source.function,
        line=code.line,
        modules=files,
        libraries=libraries(files),
        threads_started=threads_started,
        warnings=tuple(warnings),
    )


def judge_values(code: Code, values: Mapping[str, Value]) -> Judgement:
    """What a user's class says of a setting.

    Args:
        code: the user's.
        values: by flat name.

    Raises:
        UserError: the class's own code failed; the message says where.
        KeyError: a name that is no setting.
    """
    try:
        instance = assemble(code.settings_class, values)
    except (UserError, KeyError):
        raise
    except ValueError as error:
        return Judgement(error=refusal_text(error))
    except Exception as error:
        said = error_text(error, code.folder)
        raise UserError(f"{code.settings_class.__name__} failed: {said}") from error
    return judge(instance)
