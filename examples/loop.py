"""My own PyTorch loop: goes on from its last epoch after any kill."""

from typing import Annotated

import torch
from pydantic import BaseModel, Field
from sklearn.datasets import load_digits
from torch import nn

from ablation import Run


class Settings(BaseModel):
    width: Annotated[int, Field(ge=1, le=4096)] = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    batch_norm: bool = True
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    batch_size: Annotated[int, Field(ge=1)] = 64
    epochs: Annotated[int, Field(ge=1)] = 10


def train(settings: Settings, run: Run) -> None:
    data = load_digits()
    order = torch.randperm(
        len(data.target), generator=torch.Generator().manual_seed(run.stream("split"))
    )
    x = (torch.tensor(data.data, dtype=torch.float32) / 16)[order].to(run.device)
    y = torch.tensor(data.target)[order].to(run.device)
    norm = nn.BatchNorm1d(settings.width) if settings.batch_norm else nn.Identity()
    net = nn.Sequential(
        nn.Linear(64, settings.width),
        norm,
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(settings.width, 10),
    ).to(run.device)
    optimizer = torch.optim.Adam(net.parameters(), settings.learning_rate)
    done = run.track(net=net, optimizer=optimizer)  # the one line that buys resuming
    for epoch in range(done + 1, settings.epochs + 1):
        net.train()
        for batch in torch.randperm(1200).split(settings.batch_size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[:1200][batch]), y[:1200][batch]).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            run.report(epoch, val_accuracy=(net(x[1200:]).argmax(1) == y[1200:]).float().mean())
