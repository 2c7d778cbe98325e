"""The ordinary script: torchvision's data set, a DataLoader, nn modules, one training.

What a practitioner writes, and what `throughput.py` measures this project against. It shares no
code with it. Trains one epoch and validates, when told to on its standard input; prints the
seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, random_split
from torchvision.datasets import FashionMNIST
from torchvision.transforms import ToTensor


class CRNN(nn.Module):
    """The write-up's network with its fixed padding; defaults are its baseline."""

    def __init__(
        self,
        conv_layers: int = 3,
        filter_sizes: tuple[int, ...] = (3, 3, 2),
        pooling_count: int = 3,
        hidden_size: int = 128,
        dropout: float = 0.25,
        dropout_count: int = 3,
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential()
        inputs = 1
        for i, (size, outputs) in enumerate(zip(filter_sizes, (32, 64, 128), strict=True)):
            if i == conv_layers:
                break
            self.blocks.append(nn.Conv2d(inputs, outputs, size, (2, 1, 1)[i], (1, 1, 2)[i]))
            self.blocks.append(nn.BatchNorm2d(outputs))
            self.blocks.append(nn.ReLU())
            if i >= conv_layers - dropout_count:
                self.blocks.append(nn.Dropout(dropout))
            if i < pooling_count:
                self.blocks.append(nn.MaxPool2d(2))
            inputs = outputs
        with torch.no_grad():
            steps = self.blocks(torch.zeros(1, 1, 28, 28)).numel() // 64
        self.lstm = nn.LSTM(64, hidden_size, 3, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(steps * hidden_size, 128),
            nn.ReLU(),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (n, 10) of images (n, 1, 28, 28)."""
        x = self.blocks(x)
        x, _ = self.lstm(x.reshape(x.shape[0], -1, 64))
        scores: torch.Tensor = self.head(x.flatten(1))
        return scores


def epoch(
    model: CRNN, train: DataLoader[Any], val: DataLoader[Any], device: str
) -> tuple[float, float]:
    """One epoch of training, then validation; training loss and validation accuracy."""
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    model.train()
    total = 0.0
    for images, labels in train:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    model.eval()
    correct = 0
    with torch.no_grad():
        for images, labels in val:
            images, labels = images.to(device), labels.to(device)
            correct += int((model(images).argmax(1) == labels).sum())
    return total / len(train.dataset), correct / len(val.dataset)  # type: ignore[arg-type]


def main() -> None:
    """Get ready, wait for a line on standard input, train, print the seconds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", required=True, help="torchvision's data folder")
    parser.add_argument("--images", type=int, default=60_000, help="to train and to validate")
    parser.add_argument("--settings", type=json.loads, default={}, help="of the network, as JSON")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="default: PyTorch's, one a core")
    parser.add_argument("--workers", type=int, default=0, help="of the DataLoader")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    data = FashionMNIST(options.root, train=True, transform=ToTensor())
    data = Subset(data, range(options.images))
    train, val = random_split(data, [0.7, 0.3])
    loader = {"batch_size": 64, "num_workers": options.workers}
    model = CRNN(**options.settings).to(options.device)
    few: DataLoader[Any] = DataLoader(Subset(data, range(320)), **loader)
    epoch(model, few, few, options.device)  # warm up
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    loss, accuracy = epoch(
        model,
        DataLoader(train, shuffle=True, **loader),
        DataLoader(val, **loader),
        options.device,
    )
    print(json.dumps({"seconds": time.perf_counter() - start, "loss": loss, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
