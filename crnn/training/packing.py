"""Several trainings side by side; on a GPU a step of them all is one CUDA graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import torch.utils.deterministic
from torch import Tensor

from crnn.data.fashion_mnist import FashionMNIST
from crnn.network.config import Setting
from crnn.network.model import CRNN
from crnn.training.replicate import ReplicateTraining, check_numbers
from crnn.training.results import DivergedError, Epoch, Score


class Pack:
    """The state of one or more trainings that go side by side."""

    def __init__(
        self,
        members: Sequence[tuple[Setting, int]],
        data: FashionMNIST,
        device: torch.device,
        on_batch: Callable[[int, int, int], None] | None,
    ) -> None:
        if len({setting.pack_key() for setting, _ in members}) > 1:
            raise ValueError("only trainings of as many steps of as many images go side by side")
        self.device, self.on_batch = device, on_batch
        images, labels = data.train_images.to(device), data.train_labels.to(device)
        self.fits = [ReplicateTraining(setting, seed, images, labels) for setting, seed in members]
        on_gpu = device.type == "cuda"
        self.streams = [torch.cuda.Stream() for _ in members] if on_gpu else []
        self.step = CapturedStep(self._step) if on_gpu else self._step

    def epoch(self, epoch: int) -> list[Epoch | DivergedError]:
        """Train one epoch (from 1), then validate; each member's figures."""
        start = time.perf_counter()
        for fit in self.fits:
            fit.begin(epoch)
        order = torch.stack([fit.order(epoch) for fit in self.fits]).to(self.device)
        batches = order.split(self.fits[0].config.batch_size, dim=1)
        for done, index in enumerate(batches, start=1):
            self.step(index)
            for fit in self.fits:
                fit.update_average()  # outside the graph, where the decay would not change
            if self.on_batch:
                self.on_batch(epoch, done, len(batches))
        sizes = torch.tensor([index.shape[1] for index in batches])
        ends = [fit.end(epoch, sizes) for fit in self.fits]
        share = (time.perf_counter() - start) / len(self.fits)
        return [e if isinstance(e, DivergedError) else replace(e, seconds=share) for e in ends]

    def _step(self, index: Tensor) -> None:
        """A step of every member, each on the images that its row of `index` names."""
        if not self.streams:
            for fit, images in zip(self.fits, index, strict=True):
                fit.step(images)
            return
        now = torch.cuda.current_stream()
        for fit, stream, images in zip(self.fits, self.streams, index, strict=True):
            stream.wait_stream(now)
            with torch.cuda.stream(stream):
                fit.step(images)
        for stream in self.streams:
            now.wait_stream(stream)

    def score_test(self, data: FashionMNIST) -> list[tuple[Score, Score | None]]:
        """Each member's figures on the test images: its weights', and its averaged weights'."""
        images, labels = data.test_images.to(self.device), data.test_labels.to(self.device)
        return [fit.score(images, labels) for fit in self.fits]

    def tensors(self) -> dict[str, Tensor]:
        """Weights, averages and the optimizers' memory, by member's number and name."""
        return {
            f"{number}/{name}": tensor
            for number, fit in enumerate(self.fits)
            for name, tensor in fit.tensors().items()
        }

    def restore(self, tensors: dict[str, Tensor], diverged: Collection[int] = ()) -> None:
        """Take up what `tensors` gave.

        Args:
            tensors: by member's number and name.
            diverged: members that have ended, whose tensors may be anything.

        Raises:
            StateError: they are not those of these trainings.
        """
        for number, fit in enumerate(self.fits):
            own = f"{number}/"
            state = {k.removeprefix(own): t for k, t in tensors.items() if k.startswith(own)}
            if number not in diverged:
                check_numbers(state)
            fit.restore(state)

    def networks(self) -> list[CRNN]:
        """Each member's network, in evaluation mode."""
        return [fit.network.eval() for fit in self.fits]

    def averages(self) -> list[CRNN | None]:
        """Each member's network of averaged weights; None where no average is kept."""
        return [fit.average.network if fit.average else None for fit in self.fits]


class CapturedStep:
    """A step as a CUDA graph: launched as one, and without Python between its kernels.

    Full batches are captured after a few that run as usual, as PyTorch's notes on CUDA graphs ask
    for; a shorter last batch always runs as usual. Nothing that a step reads or writes may move in
    memory between two steps.
    """

    WARM_UP = 3

    def __init__(self, step: Callable[[Tensor], None]) -> None:
        self.step = step
        self.stream = torch.cuda.Stream()
        self.graph: torch.cuda.CUDAGraph | None = None
        self.index: Tensor | None = None
        self.seen = 0

    def __call__(self, index: Tensor) -> None:
        """Take the step on the images that `index` names."""
        if self.index is None:
            self.index = index.clone()
        if index.shape != self.index.shape or self.seen < self.WARM_UP:
            self.seen += index.shape == self.index.shape
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self.step(index)
            torch.cuda.current_stream().wait_stream(self.stream)
            return
        self.index.copy_(index)
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.step(self.index)
        self.graph.replay()
