"""Fashion-MNIST as tensors and on disk; where it comes from is in test_download.py."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchvision.datasets import mnist

from crnn.data import fashion_mnist, idx
from crnn.data.download import Sources
from crnn.data.fashion_mnist import (
    CLASSES,
    DataError,
    FashionMNIST,
    data_folder,
    load_data,
    load_once,
    split,
)

Files = dict[str, bytes]


def quiet(line: str) -> None:
    """Stands in for a terminal."""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under the folder, to see that nothing was left or changed."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put(folder: Path, files: Files) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test here finds apt-get."""
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))


def prepare(
    folder: Path,
    say: Callable[[str], None] = quiet,
    package: Path = Path("/no-package"),
) -> Path:
    """`fashion_mnist.prepare`, but it can fetch nothing.

    Args:
        folder: of the data.
        say: told of each step.
        package: where Debian's package has put its files.
    """
    sources = Sources(mirrors=(), package_folder=package)
    return fashion_mnist.prepare(folder, say, sources=sources)


# The decoded file and its tensors


def test_data_is_what_torchvision_reads(full_data: Path, published: Path) -> None:
    data = load_data(full_data)
    names = {
        "train-images-idx3-ubyte": data.train_images,
        "t10k-images-idx3-ubyte": data.test_images,
        "train-labels-idx1-ubyte": data.train_labels,
        "t10k-labels-idx1-ubyte": data.test_labels,
    }
    for name, tensor in names.items():
        read = mnist.read_image_file if "images" in name else mnist.read_label_file
        torch.testing.assert_close(tensor, read(str(published / name)).to(torch.uint8), msg=name)


def test_data_has_the_known_shape_and_statistics(full_data: Path) -> None:
    data = load_data(full_data)
    assert data.train_images.shape == (60_000, 28, 28)
    assert data.test_images.shape == (10_000, 28, 28)
    assert data.train_labels.bincount().tolist() == [6_000] * len(CLASSES)
    assert data.test_labels.bincount().tolist() == [1_000] * len(CLASSES)
    pixels = data.train_images.float() / 255
    assert pixels.mean().item() == pytest.approx(0.2860, abs=5e-5)
    assert pixels.std().item() == pytest.approx(0.3530, abs=5e-5)


def test_decoded_file_is_one_table_for_numpy(full_data: Path) -> None:
    table = np.load(full_data / "fashion-mnist.npy", mmap_mode="r")
    assert (table.shape, table.dtype) == ((70_000, 785), np.uint8)
    assert table[0, -1] == load_data(full_data).train_labels[0]


def test_tensors_are_views_of_one_map_and_writes_stay_in_the_process(
    full_data: Path, tmp_path: Path
) -> None:
    shutil.copy(full_data / "fashion-mnist.npy", tmp_path)
    data = load_data(tmp_path)
    assert str(tmp_path / "fashion-mnist.npy") in Path("/proc/self/maps").read_text()
    assert data.train_labels.data_ptr() - data.train_images.data_ptr() == 784
    assert data.test_images.data_ptr() - data.train_images.data_ptr() == 60_000 * 785
    data.train_labels[0] = 77
    assert load_data(tmp_path).train_labels[0] != 77


def test_load_without_data_says_what_makes_it(tmp_path: Path) -> None:
    folder = tmp_path / "no data"
    with pytest.raises(
        DataError, match=r"is missing; make it with: python study\.py data --data '"
    ):
        load_data(folder)
    assert not folder.exists()


@pytest.mark.parametrize("damage", ["truncated", "changed", "emptied"])
def test_damaged_decoded_file_is_refused_and_kept(
    full_data: Path, tmp_path: Path, damage: str
) -> None:
    whole = (full_data / "fashion-mnist.npy").read_bytes()
    changed = whole[:30_000_000] + b"\xff\x00\xff" + whole[30_000_003:]
    damaged = {"truncated": whole[:-1], "changed": changed, "emptied": b""}[damage]
    put(tmp_path, {"fashion-mnist.npy": damaged})
    for use in (load_data, prepare):
        with pytest.raises(DataError) as refused:
            use(tmp_path)
        text = str(refused.value)
        assert str(tmp_path / "fashion-mnist.npy") in text
        assert "expected SHA-256 cffc58e1" in text
        assert "found " in text
        assert f"delete it and run: python study.py data --data {tmp_path}" in text
        assert "\n" not in text
    assert contents(tmp_path) == {str(tmp_path / "fashion-mnist.npy"): damaged}


def test_sample_is_real_and_balanced(sample: FashionMNIST, full_data: Path) -> None:
    assert sample.train_labels.bincount().tolist() == [100] * len(CLASSES)
    assert sample.test_labels.bincount().tolist() == [30] * len(CLASSES)
    data = load_data(full_data)
    assert torch.equal(sample.train_images[:50], data.train_images[:50])
    assert torch.equal(sample.test_labels[:50], data.test_labels[:50])


@pytest.mark.parametrize(
    ("shape", "labels", "dtype"),
    [
        ((3, 28, 27), 3, np.uint8),
        ((3, 784), 3, np.uint8),
        ((3, 28, 28), 2, np.uint8),
        ((3, 28, 28), 3, np.float32),
    ],
)
def test_arrays_that_are_no_images_are_refused(
    shape: tuple[int, ...], labels: int, dtype: type
) -> None:
    images: NDArray[np.uint8] = np.ones(shape, dtype)
    ones = np.ones(labels, np.uint8)
    with pytest.raises(ValueError, match="are needed, not"):
        FashionMNIST.from_arrays(images, ones, images, ones)


# Finding and decoding the published files


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", ["raw", *(pytest.param(p, marks=pytest.mark.slow) for p in ("", "FashionMNIST/raw"))]
)
def test_prepare_takes_the_files_from_the_folder(
    published: Path, full_data: Path, tmp_path: Path, place: str
) -> None:
    folder = tmp_path / "data"
    (folder / place).mkdir(parents=True)
    for name in idx.SHA256:
        (folder / place / name).symlink_to(published / name)
    said: list[str] = []
    path = prepare(folder, said.append)
    assert path == folder / "fashion-mnist.npy"
    assert path.read_bytes() == (full_data / "fashion-mnist.npy").read_bytes()
    assert said == [
        f"Reading Fashion-MNIST from {folder / place}",
        f"Fashion-MNIST is verified and ready: {path}",
    ]


@pytest.mark.slow
def test_prepare_takes_packed_files_and_debians_place(packed: Path, tmp_path: Path) -> None:
    said: list[str] = []
    prepare(tmp_path / "data", said.append, packed)
    assert said[0] == f"Reading Fashion-MNIST from {packed}"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["fashion-mnist.npy"]


def test_prepare_again_only_verifies(full_data: Path) -> None:
    before = (full_data / "fashion-mnist.npy").stat().st_mtime_ns
    said: list[str] = []
    path = prepare(full_data, said.append)
    assert path.stat().st_mtime_ns == before
    assert said == [f"Fashion-MNIST is verified and ready: {path}"]


LABELS = "t10k-labels-idx1-ubyte"
DAMAGES: dict[str, Callable[[Path], Files]] = {
    "truncated": lambda real: {LABELS: (real / LABELS).read_bytes()[:-1]},
    "changed": lambda real: {LABELS: (real / LABELS).read_bytes()[:-1] + b"\x09"},
    "exchanged": lambda real: {LABELS: (real / "train-labels-idx1-ubyte").read_bytes()},
    "truncated gzip": lambda real: {
        f"{LABELS}.gz": gzip.compress((real / LABELS).read_bytes())[:-100]
    },
    "changed gzip": lambda real: {
        f"{LABELS}.gz": gzip.compress((real / LABELS).read_bytes())[:-8] + bytes(8)
    },
    "no deflate": lambda real: {f"{LABELS}.gz": b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 100},
    "a web page": lambda real: {f"{LABELS}.gz": b"<html>Please log in</html>"},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_published_file_is_refused(published: Path, tmp_path: Path, damage: str) -> None:
    for name in set(idx.SHA256) - {LABELS}:
        (tmp_path / name).symlink_to(published / name)
    damaged = DAMAGES[damage](published)
    put(tmp_path, damaged)
    before = contents(tmp_path)
    with pytest.raises(DataError) as refused:
        prepare(tmp_path)
    text = str(refused.value)
    assert str(tmp_path / next(iter(damaged))) in text
    assert idx.SHA256[LABELS] in text
    assert "found" in text
    assert "delete it to have it fetched, or put the published file there" in text
    assert "\n" not in text
    assert contents(tmp_path) == before


def test_incomplete_set_is_passed_over_aloud(published: Path, tmp_path: Path) -> None:
    (tmp_path / LABELS).symlink_to(published / LABELS)
    said: list[str] = []
    with pytest.raises(DataError, match="Fashion-MNIST could not be fetched"):
        prepare(tmp_path, said.append)
    assert said == [
        f"Passing over {tmp_path}: no train-images-idx3-ubyte, train-labels-idx1-ubyte, "
        "t10k-images-idx3-ubyte"
    ]


def test_folder_that_cannot_be_made_is_refused_before_fetching(tmp_path: Path) -> None:
    put(tmp_path, {"file": b""})
    (tmp_path / "file").chmod(0o777)
    with pytest.raises(DataError, match=r"/file/sub cannot be written .*; name another folder"):
        prepare(tmp_path / "file" / "sub")


def test_folder_without_write_permission_is_refused_before_fetching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(DataError, match=r"cannot be written .*; name another folder"):
        prepare(tmp_path / "sub")
    assert contents(tmp_path) == {}


def test_full_disk_is_refused_and_leaves_nothing(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        prepare(tmp_path, package=published)
    assert contents(tmp_path) == {}


@pytest.mark.slow
def test_two_preparing_at_once_both_succeed(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_have_written = threading.Barrier(2)
    monkeypatch.setattr(os, "fsync", lambda descriptor: both_have_written.wait(timeout=30))
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(prepare, [tmp_path] * 2, [quiet] * 2, [published] * 2))
    assert paths == [tmp_path / "fashion-mnist.npy"] * 2
    assert list(tmp_path.iterdir()) == paths[:1]


# Where the data lies


def test_data_folder_is_the_first_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("CRNN_STUDY_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert data_folder() == Path("/home/someone/.cache/crnn-ablation")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert data_folder() == Path("/cache/crnn-ablation")
    monkeypatch.setenv("CRNN_STUDY_DATA", "~/mnist")
    assert data_folder() == Path("/home/someone/mnist")
    monkeypatch.chdir(tmp_path)
    assert data_folder(Path("here")) == tmp_path / "here"


# The split


@given(
    images=st.integers(2, 500),
    seed=st.integers(0, 2**31),
    fraction=st.floats(0.01, 0.99),
    data=st.data(),
)
def test_split_cuts_distinct_images_in_two(
    images: int, seed: int, fraction: float, data: st.DataObject
) -> None:
    size = data.draw(st.none() | st.integers(2, images))
    used = images if size is None else size
    count = round(used * fraction)
    if count in (0, used):
        with pytest.raises(ValueError, match="leave training or validation empty"):
            split(images, seed, fraction, size)
        return
    train, validation = split(images, seed, fraction, size)
    assert (len(train), len(validation)) == (count, used - count)
    both = torch.cat([train, validation])
    assert both.dtype == torch.int64
    assert len(both.unique()) == used
    assert 0 <= int(both.min()) <= int(both.max()) < images


def test_split_is_the_seeds_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    train, validation = split(60_000, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(split(60_000, seed=3)[0], train)
    assert not torch.equal(split(60_000, seed=4)[0], train)
    assert (len(train), len(validation)) == (42_000, 18_000)


def test_smaller_split_uses_the_first_of_the_same_permutation() -> None:
    train, _ = split(60_000, seed=0)
    small_train, small_validation = split(60_000, seed=0, size=12_000)
    assert torch.equal(torch.cat([small_train, small_validation]), train[:12_000])


@pytest.mark.parametrize(("fraction", "size"), [(0.7, 101), (0.7, 1), (0.0, 10), (1.0, 10)])
def test_impossible_split_is_refused(fraction: float, size: int) -> None:
    with pytest.raises(ValueError, match="images"):
        split(100, seed=0, fraction=fraction, size=size)


def test_data_written_in_place_is_noticed_before_the_next_training(
    full_data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "fashion-mnist.npy"
    shutil.copy(full_data / path.name, path)
    first = load_once(tmp_path)
    assert load_once(tmp_path) is first
    with path.open("r+b") as file:  # the same inode and size
        file.seek(1_000_000)
        file.write(b"noise")
    for _ in range(2):
        with pytest.raises(DataError, match=r"fashion-mnist\.npy is damaged or another file"):
            load_once(tmp_path)
    shutil.copy(full_data / path.name, path)
    assert torch.equal(load_once(tmp_path).test_labels, load_data(full_data).test_labels)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        load_once(tmp_path)
