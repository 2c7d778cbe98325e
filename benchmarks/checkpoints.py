"""What writing a checkpoint after each epoch costs, as a part of the epoch.

    python benchmarks/checkpoints.py                                # three arms of `source`
    python benchmarks/checkpoints.py --arm baseline --epochs 6

Each arm is trained at its full size with one thread, as a worker does, and each write of its
checkpoint (copy, digest, safetensors, fsync, rename) is timed against the epoch that it follows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import machine
import torch

from ablation.design.loading import load as load_plan
from crnn.data.fashion_mnist import load_data
from crnn.objective import own_setting
from crnn.training.checkpoint import write_checkpoint
from crnn.training.results import Epoch, TrainingState
from crnn.training.train import train_packed

RESULTS = Path(__file__).parents[1] / "results"  # the disk that they are on, and out of git
ARMS = ["baseline", "conv_layers=2", "hidden_size=256"]


def measure(arm: str, epochs: int, path: Path) -> dict[str, object]:
    """The cost of an arm's checkpoints."""
    setting = load_plan("source").arm(arm).setting.replace(epochs=epochs + 1)
    seconds: list[float] = []
    writes: list[float] = []

    def on_epoch(_member: int, epoch: Epoch) -> None:
        seconds.append(epoch.seconds)

    def on_state(state: TrainingState) -> None:
        start = time.perf_counter()
        write_checkpoint(path, state, {"members": arm})
        writes.append(time.perf_counter() - start)

    train_packed(
        [(own_setting(setting), 0)],
        load_data(),
        score_test=False,
        on_epoch=on_epoch,
        on_state=on_state,
    )
    parts = [100 * write / epoch for write, epoch in zip(writes, seconds, strict=False)]
    size = path.stat().st_size / 1e6
    print(f"{arm:18} {size:5.1f} MB  epoch {machine.shown(seconds, 1)} s  write "
          f"{machine.shown([1e3 * w for w in writes], 0)} ms  {machine.shown(parts)} % of an epoch",
          flush=True)  # fmt: skip
    return {"arm": arm, "megabytes": size, "percent": machine.spread(parts)}


def main() -> None:
    """Measure each arm."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--arm", nargs="+", default=ARMS, help="arms of `source`")
    parser.add_argument("--epochs", type=int, default=4, help="checkpoints an arm")
    options = parser.parse_args()
    torch.set_num_threads(1)
    about = machine.describe(threads=1)
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        rows = [
            measure(arm, options.epochs, Path(folder) / f"{number}.safetensors")
            for number, arm in enumerate(options.arm)
        ]
    machine.finish("checkpoints", about, arms=rows)


if __name__ == "__main__":
    main()
