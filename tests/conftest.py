"""What several test modules share: the real data, whole or a sample; a storage; one thread."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from optuna.storages import RDBStorage

from ablation.folders import ENVIRONMENT_VARIABLE
from ablation.process import signals
from ablation.storage import open_storage, url_of
from crnn.data import cache, idx
from crnn.data.fashion_mnist import DataError, FashionMNIST, data_folder, prepare
from tests.helpers import postgres
from tests.helpers.commands import cli
from tests.helpers.fuzzing import examples
from tests.helpers.made import tiny
from tests.helpers.made.once import once
from tests.helpers.made.studies import new_storage

settings.register_profile("ordinary", examples(50))
settings.load_profile("ordinary")

SAMPLE = Path(__file__).parent / "data" / "fashion-mnist-sample.npz"


@pytest.fixture(autouse=True)
def no_earlier_signals() -> None:
    """A run that an earlier test has interrupted in this process is none of this test's."""
    signals.forget()


@pytest.fixture(scope="session")
def database_server() -> Iterator[postgres.Server]:
    """A PostgreSQL server, which no test stops; each test has a database of its own in it."""
    with postgres.server() as server:
        yield server


@pytest.fixture
def sqlite_storage(tmp_path: Path) -> Iterator[RDBStorage]:
    """An empty storage of the test's own: the file ``studies.db``."""
    opened = new_storage(tmp_path)
    yield opened
    opened.engine.dispose()


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(params=BOTH)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes an empty storage of the test's own and gives its URL, in SQLite and in PostgreSQL."""
    if request.param == "postgresql":
        server: postgres.Server = request.getfixturevalue("database_server")
        return server.fresh
    folders = itertools.chain([tmp_path], (tmp_path / f"storage{n}" for n in itertools.count()))

    def fresh() -> str:
        folder = next(folders)
        folder.mkdir(exist_ok=True)
        opened = new_storage(folder)
        opened.engine.dispose()
        return url_of(opened)

    return fresh


@pytest.fixture
def any_url(new_url: Callable[[], str]) -> str:
    """The URL of an empty storage of the test's own, in SQLite and in PostgreSQL."""
    return new_url()


@pytest.fixture
def storage(any_url: str) -> Iterator[RDBStorage]:
    """An empty storage of the test's own, in SQLite and in PostgreSQL."""
    opened = open_storage(any_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture(params=BOTH)
def default_storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What commands take that name no storage: the results' own file, or one in PostgreSQL.

    Its kind; the environment holds the URL.
    """
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    if request.param == "postgresql":
        server: postgres.Server = request.getfixturevalue("database_server")
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, server.fresh())
    return str(request.param)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small networks are faster so, and the machine may be shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def sample() -> FashionMNIST:
    """1,000 training and 300 test images of the real data, as many of each class."""
    with np.load(SAMPLE) as arrays:
        return FashionMNIST.from_arrays(**arrays)


@pytest.fixture(scope="session")
def full_data() -> Path:
    """The folder of the whole prepared data, fetched if need be; skips where it cannot be had."""
    try:
        return prepare().parent
    except DataError as error:
        damaged = (data_folder() / cache.FILE_NAME).exists()
        if damaged or os.environ.get("CI"):
            raise
        pytest.skip(f"needs all of Fashion-MNIST: {error}")


@pytest.fixture(scope="session")
def published(full_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the four published files, unpacked, made from the whole decoded data."""
    folder = tmp_path_factory.mktemp("published")
    table = np.load(full_data / "fashion-mnist.npy", mmap_mode="r")
    for part, rows in (("train", table[:60_000]), ("t10k", table[60_000:])):
        count = len(rows).to_bytes(4, "big")
        images = b"\x00\x00\x08\x03" + count + 2 * (28).to_bytes(4, "big") + rows[:, :-1].tobytes()
        labels = b"\x00\x00\x08\x01" + count + rows[:, -1].tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return folder


@pytest.fixture(scope="session")
def packed(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the four published files, packed anew."""
    folder = tmp_path_factory.mktemp("packed")
    for name in idx.SHA256:
        content = gzip.compress((published / name).read_bytes(), 1)
        (folder / f"{name}.gz").write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The space of a small real study."""
    path = tmp_path_factory.mktemp("space") / "tiny.toml"
    path.write_text(tiny.SPACE, encoding="utf-8")
    return path


@pytest.fixture
def command(space: Path, full_data: Path) -> list[str]:
    """The words that run that study, its results in the folder that they are given in."""
    return ["run", str(space), *tiny.options(full_data)]


@pytest.fixture(scope="session")
def undisturbed(space: Path, full_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of that study, run through, one training at a time; not to be changed."""

    def make(folder: Path) -> None:
        words = ["run", str(space), *tiny.options(full_data), "--jobs", "1"]
        answer = cli.run(*words, cwd=folder)
        assert answer.code == 0, answer.err
        assert not (folder / "results" / "tiny" / "checkpoints").exists()

    return once("undisturbed", make, tmp_path_factory) / "results"


@pytest.fixture
def lean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have no figures, which take most of their time; see `tests.helpers.commands.lean`."""
    monkeypatch.setenv(cli.WAY, "lean")
