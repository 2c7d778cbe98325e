"""Studies in a real Optuna storage whose trainings are made up: nothing here trains."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from optuna.storages import RDBStorage

from ablation.design.arms import Plan
from ablation.design.loading import build
from ablation.objective import Epoch
from ablation.scheduling.designed import DesignedSource
from ablation.scheduling.source import Source, Task
from ablation.storage import open_storage, save_study, storage_url
from ablation.storage.record import Record
from crnn.objective import own_setting

STUDY = "tiny"
HEAD = 'format = 1\nquestion = "What is asked?"\n'
ONE_FACTOR = f"""{HEAD}
design = "one-factor"
seeds  = 2
[baseline]
epochs     = 2
train_size = 100
[factors]
hidden_size = [64]
dropout     = [0.1]
"""
SEARCH = f"""{HEAD}
design = "search"
[baseline]
epochs     = 3
train_size = 200
[factors]
filter_sizes  = [[2, 2, 2], [3, 3, 2], [5, 5, 5]]
hidden_size   = {{ low = 64, high = 384, step = 64 }}
dropout       = {{ low = 0.0, high = 0.4, step = 0.05 }}
dropout_count = {{ low = 1, high = 3, when = {{ dropout = {{ above = 0 }} }} }}
learning_rate = {{ role = "nuisance", low = 3e-4, high = 3e-3, log = true }}
[arms]
wide = {{ set = {{ hidden_size = 256, dropout = 0.1 }} }}
[search]
trials   = 6
training = {{ epochs = 2, train_size = 100 }}
"""


def toml(value: Any) -> str:
    """A value as TOML writes it in one line; a document's keys as lines."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return quoted(value) if isinstance(value, str) else str(value).lower()


def quoted(text: str) -> str:
    """A string as TOML has it: as JSON, where DEL need not be escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def document(values: dict[str, Any]) -> str:
    """A TOML file of these values."""
    return "".join(f"{quoted(key)} = {toml(value)}\n" for key, value in values.items())


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "studies.db"
        open_storage(storage_url(str(path), Path()), create=True).engine.dispose()
        return path.read_bytes()


def new_storage(folder: Path) -> RDBStorage:
    """An empty storage in `folder`; copied, since making one takes half a second."""
    return _copied(_empty(), folder)


@cache
def _finished(study: str) -> bytes:
    with TemporaryDirectory() as folder:
        storage = new_storage(Path(folder))
        run_all(designed(storage, study=study))
        storage.engine.dispose()
        return (Path(folder) / "studies.db").read_bytes()


def finished_study(folder: Path, study: str = STUDY) -> RDBStorage:
    """A storage in `folder`, made if need be, with a design that has ended; copied as well."""
    return _copied(_finished(study), folder)


def _copied(content: bytes, folder: Path) -> RDBStorage:
    folder.mkdir(exist_ok=True)
    path = folder / "studies.db"
    path.write_bytes(content)
    return open_storage(storage_url(str(path), folder))


def record(text: str = ONE_FACTOR, **conditions: Any) -> Record:
    """What a run of this space asks for."""
    plan: Plan = build("tiny", text)
    search = plan.space.search
    wanted = {"trials": search.trials} if search else {"seeds": plan.space.seeds}
    return Record(plan, **{**wanted, **conditions})


def begin(storage: RDBStorage, wanted: Record, study: str = STUDY) -> Record:
    """Begin a study, as a run does before its first training."""
    save_study(storage, study, wanted.attributes(), wanted.direction)
    return wanted


def designed(
    storage: RDBStorage, wanted: Record | None = None, study: str = STUDY, **options: Any
) -> DesignedSource:
    """The source of a designed study's trainings, the study begun."""
    wanted = begin(storage, wanted or record(), study)
    return DesignedSource(storage, study, wanted, wanted.stages, **options)


def epoch(number: int, accuracy: float = 0.5, seconds: float = 1.0) -> Epoch:
    """A made-up epoch with this validation accuracy."""
    figures = {"train_loss": 1.0, "train_accuracy": 0.4, "val_loss": 1.0, "val_accuracy": accuracy}
    return Epoch(number, figures, seconds)


def accuracy(task: Task) -> float:
    """A made-up accuracy that depends on the training alone."""
    return 0.5 + int(task.setting.digest[:4], 16) / 2**18 + task.seed / 1000


def outcome(task: Task, state: str = "COMPLETE") -> tuple[str, float | None, dict[str, Any]]:
    """How a training ends: state, value and attributes, in the form that a worker gives them."""
    machine = {"device": "cpu", "threads": 1, "fused": 1}
    if state == "FAIL":
        return state, None, {**machine, "failure": "ValueError: made up", "traceback": "made up"}
    last = accuracy(task)
    history = [
        {
            "epoch": epoch,
            "train_loss": 1.0 / epoch,
            "train_accuracy": 0.4 + epoch / 100,
            "val_loss": 1.1 / epoch,
            "val_accuracy": last - (own_setting(task.setting).train.epochs - epoch) / 100,
            "seconds": 2.0,
        }
        for epoch in range(1, own_setting(task.setting).train.epochs + 1)
    ]
    if state == "PRUNED":
        return state, history[0]["val_accuracy"], {**machine, "history": history[:1]}
    attributes = {**machine, "seconds": 2.5 * len(history), "history": history}
    if task.score:
        tested = {"test_accuracy": last - 0.01, "test_loss": 0.6, "confusion": confusion()}
        attributes |= tested
    return state, last, attributes


def confusion() -> list[list[int]]:
    """Counts by true and predicted class."""
    return [[90 if true == guess else true for guess in range(10)] for true in range(10)]


def end(source: Source, task: Task, state: str = "COMPLETE") -> None:
    """Record a made-up end of a training."""
    source.finish(task, *outcome(task, state))


def run_all(source: Source, limit: int | None = None) -> list[Task]:
    """Train (made up) what the source gives, one after the other; at most `limit`."""
    tasks: list[Task] = []
    while (limit is None or len(tasks) < limit) and (task := source.next()):
        end(source, task)
        tasks.append(task)
    return tasks
