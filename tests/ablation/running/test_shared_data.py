"""A large file that every training has fetched for itself, and what a training leaves else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablation.running.shared_data import LARGE, SharedData


def leave(folder: Path, number: int, name: str, content: bytes) -> None:
    path = folder / f"trial-{number}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_the_same_large_file_of_two_trainings_is_told_once(tmp_path: Path) -> None:
    said: list[str] = []
    shared = SharedData(tmp_path, said.append)
    for number in range(3):
        leave(tmp_path, number, "data/train.bin", b"x" * LARGE)
        shared.look(number)
        assert len(said) == min(number, 1)
    assert said[0].startswith(
        "Note: data/train.bin (10 MB) is the same file in trial-0 and trial-1, the folders of two "
        "trainings."
    )
    assert "run.data" in said[0]


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (b"x" * LARGE, b"x" * (LARGE - 1) + b"y", "model.pt"),  # as weights are
        (b"x" * (LARGE - 1), b"x" * (LARGE - 1), "small.bin"),
    ],
)
def test_other_files_are_not(first: bytes, second: bytes, name: str, tmp_path: Path) -> None:
    shared = SharedData(tmp_path, pytest.fail)
    for number, content in enumerate((first, second)):
        leave(tmp_path, number, name, content)
        shared.look(number)
    shared.look(7)  # which has no folder
    (tmp_path / "trial-8").mkdir()
    (tmp_path / "trial-8" / name).symlink_to(tmp_path / "trial-0" / name)
    shared.look(8)
