"""Where a training step's time goes, operator by operator.

    python benchmarks/breakdown.py
    python benchmarks/breakdown.py --arm hidden_size=256 --precision fp32

One worker, one thread, in PyTorch's profiler: self time of each kind of operator in a step of 64
images, forwards, backwards and the optimizer. The profiler itself costs some percent.
"""

from __future__ import annotations

import argparse
import os
import sys

from ablation.running.executors.local import worker_environment
from crnn.objective import own_setting

KINDS = {
    "LSTM (oneDNN)": ("mkldnn_rnn", "lstm"),
    "convolutions": ("convolution",),
    "batch normalisation": ("batch_norm",),
    "masks, pooling, ReLU": (
        *("aten::mul", "aten::bitwise", "aten::__", "aten::ge", "max_pool", "threshold"),
        *("relu", "clamp_min", "Dropped"),
    ),
    "fully connected layers": ("aten::mm", "aten::addmm", "linear"),
    "copies and casts": ("copy", "aten::to", "clone", "contiguous", "cat"),
    "optimizer": ("adam", "Adam"),
}


def main() -> None:
    """Train some steps, then profile some more."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--arm", default="baseline", help="an arm of `source`")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    options = parser.parse_args()

    import machine
    import torch
    from torch.profiler import ProfilerActivity, profile

    from ablation.design.loading import load
    from crnn.data.fashion_mnist import load_data as load_data
    from crnn.data.fashion_mnist import prepare
    from crnn.training.train import train

    prepare(say=lambda line: None)
    torch.set_num_threads(1)
    about = machine.describe(threads=1, arm=options.arm)
    setting = load("source").arm(options.arm).setting
    setting = setting.replace(epochs=2, train_size=6000, precision=options.precision)
    profiler = profile(activities=[ProfilerActivity.CPU])
    steps = 0

    def on_batch(epoch: int, done: int, of: int) -> None:
        nonlocal steps
        if epoch == 2 and done == 1:
            profiler.start()
        elif epoch == 2:
            steps += 1
        if epoch == 2 and done == of:
            profiler.stop()

    train(own_setting(setting), 0, load_data(), score_test=False, on_batch=on_batch)
    times: dict[str, float] = dict.fromkeys([*KINDS, "the rest"], 0.0)
    calls = 0
    for event in profiler.key_averages():
        words = next((k for k, v in KINDS.items() if any(w in event.key for w in v)), "the rest")
        times[words] += event.self_cpu_time_total / 1e3 / steps
        calls += event.count * event.key.startswith("aten::")
    total = sum(times.values())
    print(f"{total:.1f} ms a step of 64 images, {calls / steps:.0f} operators")
    for kind, ms in sorted(times.items(), key=lambda item: -item[1]):
        print(f"  {ms:6.2f} ms  {ms / total:5.1%}  {kind}")
    machine.finish("breakdown", about, steps=steps, ms=times, operators=calls / steps)


if __name__ == "__main__":
    wanted = worker_environment(1)
    if not wanted.items() <= os.environ.items():  # read when a process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted})
    main()
