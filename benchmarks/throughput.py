"""Trained images a second: an ordinary script against this project's engine, on equal work.

    python benchmarks/throughput.py                     # the baseline, 5 pairs
    python benchmarks/throughput.py --arm hidden_size=256 --pairs 3
    python benchmarks/throughput.py --arm all           # every arm of the study `source`
    python benchmarks/throughput.py --device cuda --pack 10

Every arm is trained for an epoch and validated in three ways, one after another, in each pair:
the plain script (benchmarks/plain.py) with all cores for one training; the plain script as many at
a time as there are cores, with a thread each; the engine, with a worker of one thread a core (on
CUDA: one worker, --pack trainings side by side). Start-up is not counted. A ratio is of images a
second, over all that is trained at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import numpy as np
import torch

from ablation.design.arms import Arm, Plan, differences
from ablation.design.loading import load
from ablation.running.executors.local import worker_environment
from crnn.data import cache, idx
from crnn.data.fashion_mnist import data_folder, prepare
from crnn.network.config import Setting
from crnn.objective import objective

PLAIN = Path(__file__).with_name("plain.py")


@dataclass(frozen=True)
class Way:
    """One way to train an arm: the commands that go at a time, and what they train."""

    commands: list[list[str]]
    environment: dict[str, str]
    trainings: int


def sgemm(threads: int, dtype: torch.dtype = torch.float32) -> float:
    """The machine's rate of matrix products of 2048 x 2048, best of 5, GFLOP a second."""
    torch.set_num_threads(threads)
    a, b = torch.rand(2, 2048, 2048).to(dtype)
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return float(2 * 2048**3 / min(seconds[1:]) / 1e9)


def torchvision_folder(root: Path) -> None:
    """Fashion-MNIST as torchvision keeps it, from the decoded data."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    rows = np.load(data_folder() / cache.FILE_NAME, mmap_mode="r")
    for part, piece in (("train", rows[:60_000]), ("t10k", rows[60_000:])):
        images, labels = piece[:, : idx.PIXELS], piece[:, idx.PIXELS]
        count = len(piece)
        head = np.array([0x803, count, 28, 28], dtype=">i4").tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = np.array([0x801, count], dtype=">i4").tobytes()
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())


def seconds_of_all(commands: Sequence[Sequence[str]], environment: dict[str, str]) -> float:
    """Seconds from the start of the work of all commands, which wait for it, to the end of all."""
    running = [
        subprocess.Popen(
            list(command),
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    for process in running:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise SystemExit("a training did not get ready; its error is above")
    start = time.perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()  # its figures: the work is done
    seconds = time.perf_counter() - start
    for process in running:
        if process.wait():
            raise SystemExit("a training failed; its error is above")
    return seconds


def engine(options: argparse.Namespace) -> None:
    """A worker: get ready, wait for a line on standard input, train as a study's workers do."""
    from crnn.data import fashion_mnist as images
    from crnn.training.train import train_packed

    torch.set_num_threads(1)
    data = images.load_data()

    def run(images: int) -> list[Any]:
        values = {**options.settings, "epochs": 1, "train_size": images}
        setting = Setting.of(values)
        members = [(setting, options.seed + k) for k in range(options.pack)]
        return train_packed(members, data, device=options.device, score_test=False)

    run(640)  # warm up
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    results = run(options.images)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "accuracy": [r.val_accuracy for r in results]}))


def ways_to_train(
    values: Mapping[str, Any], options: argparse.Namespace, root: Path
) -> dict[str, Way]:
    """The three ways, by name.

    Args:
        values: the arm's settings that are not the baseline's.
        options: of the command line.
        root: where the data are as torchvision keeps them.
    """
    cores, on_cpu = len(os.sched_getaffinity(0)), options.device == "cpu"
    jobs = cores if on_cpu else 1
    plain = [sys.executable, str(PLAIN), "--root", str(root), "--images", str(options.images)]
    plain += ["--settings", json.dumps(values), "--device", options.device]
    plain += ["--workers", str(options.workers)]
    own = [sys.executable, __file__, "--engine", "--images", str(options.images)]
    own += ["--settings", json.dumps(values), "--device", options.device]
    own += ["--pack", str(options.pack)]
    return {
        "plain": Way([plain], {}, 1),
        "plain, several": Way([[*plain, "--threads", "1"]] * cores, {}, cores),
        "engine": Way(
            [[*own, "--seed", str(100 * job)] for job in range(jobs)],
            worker_environment(1) if on_cpu else {},
            jobs * options.pack,
        ),
    }


def images_per_second(ways: Mapping[str, Way], pairs: int, images: int) -> dict[str, list[float]]:
    """Speeds by way, one a pair; every other pair goes through the ways from the last on.

    Args:
        ways: by name.
        pairs: how many.
        images: of one training.
    """
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for pair in range(pairs):
        for name in list(ways) if pair % 2 == 0 else reversed(list(ways)):
            way = ways[name]
            seconds = seconds_of_all(way.commands, way.environment)
            speeds[name].append(way.trainings * images / seconds)
    return speeds


def measure(
    plan: Plan, arm: Arm, options: argparse.Namespace, root: Path, rates: dict[str, float]
) -> dict[str, Any]:
    """All pairs of one arm: images a second of each way, ratios, share of the sgemm rate."""
    ways = ways_to_train(differences(plan.space, arm.setting), options, root)
    speeds = images_per_second(ways, options.pairs, round(0.7 * options.images))
    ratios = {
        way: [e / p for e, p in zip(speeds["engine"], speeds[way], strict=True)]
        for way in ("plain", "plain, several")
    }
    # A training image goes forwards and backwards (three times the products), 3/7 of one more
    # goes forwards for validation.
    flop = 2 * (objective.size(arm.setting).macs or 0) * (3 + 3 / 7)
    gflops = flop * machine.spread(speeds["engine"])["median"] / 1e9
    shares = {name: gflops / rate for name, rate in rates.items()}
    print(f"{arm.name}")
    for way, each in speeds.items():
        print(f"  {way:16} {machine.shown(each, 0):>28} images/s")
    for way, each in ratios.items():
        print(f"  engine / {way:16} {machine.shown(each):>20}")
    told = ", ".join(f"{share:.0%} of {name}" for name, share in shares.items())
    print(f"  engine: {gflops:.0f} GFLOP/s, {told}\n", flush=True)
    return {
        "arm": arm.name,
        "images_per_second": {way: machine.spread(each) for way, each in speeds.items()},
        "ratio": {way: machine.spread(each) for way, each in ratios.items()},
        "gflops": gflops,
        "share": shares,
    }


def main() -> None:
    """Measure the arms asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--arm", default="baseline", help="an arm of `source`, or all")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument(
        "--images", type=int, default=12_000, help="70 %% train, the rest validates"
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--pack", type=int, default=1, help="trainings side by side, per worker")
    parser.add_argument("--workers", type=int, default=0, help="of the plain script's DataLoader")
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--settings", type=json.loads, default={}, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        engine(options)
        return
    prepare(say=lambda line: None)
    plan = load("source")
    arms = [arm for arm in plan.arms if options.arm in (arm.name, "all")]
    if not arms:
        parser.error(f"--arm: one of all, {', '.join(arm.name for arm in plan.arms)}")
    threads = len(os.sched_getaffinity(0))
    about = machine.describe(options.device, threads=threads, images=options.images)
    rates = {}
    if options.device == "cpu":
        rates = {"sgemm": sgemm(threads)}
        if about["bf16"]:  # else it is emulated, which takes minutes
            rates["bf16 gemm"] = sgemm(threads, torch.bfloat16)
        print("  ".join(f"{name} {rate:.0f} GFLOP/s" for name, rate in rates.items()) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        torchvision_folder(Path(folder))
        measured = [measure(plan, arm, options, Path(folder), rates) for arm in arms]
    machine.finish("throughput", about, pairs=options.pairs, gemm=rates, arms=measured)


if __name__ == "__main__":
    main()
