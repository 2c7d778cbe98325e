"""A state in a file: whole or damaged, never anything between."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from ablation.user_code.tracking.state import (
    DamagedError,
    TrackedState,
    capture,
    read_state,
    restore,
    write_state,
)

NOTES = {"seed": "3", "text": "Grüße\n\ud800"}
TRACKED: dict[str, Any] = {
    "rng": np.random.default_rng(0),
    "history": {"losses": [0.5, float("nan")], 3: (np.float32(1), Counter("aab"))},
    "table": OrderedDict(x=np.arange(6.0).reshape(2, 3), y=np.zeros(0)),
    "none": None,
}
TENSORS: dict[str, Any] = {"best": {"weight": torch.arange(3.0), "n": torch.tensor(2)}}
ALL = {**TRACKED, **TENSORS}
SMALL: dict[str, Any] = {"a": {"x": np.ones(2), "n": (1, None)}}


def write_example(folder: Path, tracked: dict[str, Any] = ALL) -> tuple[Path, TrackedState]:
    path, state = folder / "state", capture(tracked)
    write_state(path, state, NOTES)
    return path, state


def test_a_state_comes_back(tmp_path: Path) -> None:
    path, state = write_example(tmp_path / "new")
    back, notes = read_state(path)
    assert notes == NOTES
    assert back.digest() == state.digest()
    found: dict[str, Any] = {"weight": None}
    restore({**TRACKED, "best": found}, back)
    assert torch.equal(found["weight"], torch.arange(3.0))
    assert [each.name for each in path.parent.iterdir()] == ["state"]


def test_an_empty_state_comes_back(tmp_path: Path) -> None:
    write_state(tmp_path / "a", capture({}), {})
    back, notes = read_state(tmp_path / "a")
    assert (dict(back.objects), notes) == ({}, {})


def test_a_file_replaces_the_one_before(tmp_path: Path) -> None:
    path, _ = write_example(tmp_path)
    write_state(path, capture({"a": {"x": 1}}), {})
    assert list(read_state(path)[0].objects) == ["a"]


def test_no_file_is_said_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "a")


def test_what_is_no_regular_file_is_damaged(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    write_example(tmp_path)
    (tmp_path / "link").symlink_to("state")
    for name in ("pipe", "folder", "link"):
        with pytest.raises(DamagedError, match=f"{name}: not a regular file"):
            read_state(tmp_path / name)


def test_a_file_cut_short_at_any_byte_is_damaged(tmp_path: Path) -> None:
    path, _ = write_example(tmp_path, SMALL)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path = tmp_path / f"first-{length}"  # to write over one is slow
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedError):
            read_state(path)


def test_a_file_with_any_byte_changed_is_damaged_or_the_same(tmp_path: Path) -> None:
    path, state = write_example(tmp_path, SMALL)
    whole, digest = path.read_bytes(), state.digest()
    unseen = 0
    for place in range(len(whole)):
        path = tmp_path / f"changed-at-{place}"
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            back, notes = read_state(path)
        except DamagedError:
            continue
        unseen += 1
        assert (back.digest(), notes) == (digest, NOTES)
    assert unseen <= 8  # spaces that fill the header up


@given(st.data())
def test_so_is_one_that_is_damaged_anyhow(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path, state = write_example(tmp_path_factory.getbasetemp() / "anyhow")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        end = start + data.draw(st.integers(0, 40))
        content[start:end] = data.draw(st.binary(max_size=40))
    path.write_bytes(content)
    try:
        back, notes = read_state(path)
    except DamagedError:
        return
    assert (back.digest(), notes) == (state.digest(), NOTES)


@given(st.binary(max_size=200))
def test_anything_else_is_damaged(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "anything"
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        read_state(path)


class Trap:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trap",)


def test_files_of_other_kinds_are_damaged_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DamagedError):
        read_state(path)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(DamagedError):
        read_state(path)
    path.write_bytes(save({"weight": np.zeros(3)}, {"format": "pt"}))  # as of a model
    with pytest.raises(DamagedError):
        read_state(path)
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(DamagedError):
        read_state(tmp_path / "a.npy")
    assert not (tmp_path / "trap").exists()


def test_one_of_a_format_to_come_is_named_as_such(tmp_path: Path) -> None:
    path, _ = write_example(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"format":"1"', b'"format":"2"'))
    with pytest.raises(DamagedError, match="its format is 2, this version reads 1"):
        read_state(path)


def test_one_that_claims_more_than_it_holds_takes_no_memory(tmp_path: Path) -> None:
    header = json.dumps({
        "__metadata__": {"format": "1", "notes": "{}", "digest": ""},
        "objects": {"dtype": "U8", "shape": [2**60], "data_offsets": [0, 2**60]},
    }).encode()  # fmt: skip
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(DamagedError):
        read_state(tmp_path / "a")
    (tmp_path / "a").write_bytes((2**60).to_bytes(8, "little") + header)
    with pytest.raises(DamagedError):
        read_state(tmp_path / "a")


def test_one_that_is_nested_without_end_is_damaged(tmp_path: Path) -> None:
    node: list[Any] = ["list"]
    for _ in range(5_000):
        node = ["list", node]
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(20_000)
        write_state(tmp_path / "a", TrackedState({"it": ("dict", node)}, ()), {})
    finally:
        sys.setrecursionlimit(limit)
    with pytest.raises(DamagedError):
        read_state(tmp_path / "a")


CHILD = """
import sys
from collections import Counter, OrderedDict
from pathlib import Path
import numpy as np
from ablation.user_code.tracking.state import capture, read_state, restore, write_state

tracked = {
    "rng": np.random.default_rng(0),
    "words": {word: np.float32(len(word)) for word in {"many", "words", "of", "a", "set"}},
    "table": OrderedDict(x=np.arange(6.0).reshape(2, 3)),
    "none": None,
}
state = capture(tracked)
write_state(Path("written"), state, {"from": "child"})
theirs, notes = read_state(Path("given"))
rng = np.random.default_rng(9)
restore({"rng": rng}, read_state(Path("light"))[0])
assert "torch" not in sys.modules, "torch"
print(state.digest(), theirs.digest(), rng.random())
"""


def test_other_processes_need_no_torch_and_find_the_same_digests(tmp_path: Path) -> None:
    given, light = capture({**TRACKED, **TENSORS}), capture({"rng": np.random.default_rng(5)})
    write_state(tmp_path / "given", given, {})
    write_state(tmp_path / "light", light, {})
    answers = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        environment["PYTHONPATH"] = str(Path(__file__).parents[4])
        command = [sys.executable, "-c", CHILD]
        answers.add(
            subprocess.run(
                command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
            ).stdout
        )
    (answer,) = answers
    state, theirs, drawn = answer.split()
    assert theirs == given.digest()
    assert float(drawn) == np.random.default_rng(5).random()
    back, notes = read_state(tmp_path / "written")
    assert (back.digest(), notes) == (state, {"from": "child"})


TORCH_CHILD = """
import torch
from torch import nn
from ablation.user_code.tracking.state import capture

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
optimizer = torch.optim.Adam(net.parameters())
net(torch.ones(2, 3)).sum().backward()
optimizer.step()
print(capture({"net": net, "optimizer": optimizer}).digest())
"""


@pytest.mark.slow
def test_two_processes_with_torch_find_the_same_digest() -> None:
    command = [sys.executable, "-c", TORCH_CHILD]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(2)]
    assert len(runs[0].stdout.strip()) == 64
    assert runs[0].stdout == runs[1].stdout
