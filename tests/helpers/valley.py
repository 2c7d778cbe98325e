"""Another objective than the CRNN: the way down a valley, which is done in no time.

Its metric is a loss, which less of is better, of no unit and without a level of guessing; it has no
classes, no scores, no size, and its own words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ablation.errors import DivergedError
from ablation.objective import Epoch, Listener, Objective, Pack, Result
from ablation.objective import Setting as AnySetting
from ablation.objective.metric import Metric
from ablation.settings import Value


class Settings(BaseModel):
    """A walk: how many steps, how long, how noisy the ground."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    steps: int = Field(6, ge=1, le=100)
    rate: float = Field(0.1, gt=0, le=10)
    momentum: float = Field(0.0, ge=0, le=0.99)
    shape: Literal["round", "narrow"] = "round"
    noise: float = Field(0.01, ge=0, le=1)

    @property
    def digest(self) -> str:
        """All of it has an effect."""
        return f"{abs(hash_of(self.model_dump())):016x}"[:16]

    def values(self) -> dict[str, Value]:
        """By name."""
        return dict(self)

    def replace(self, **changes: Any) -> Settings:
        """Validated."""
        return Settings(**{**dict(self), **changes})


def hash_of(values: Mapping[str, Any]) -> int:
    """The same in every process."""
    import hashlib

    text = json.dumps(values, sort_keys=True).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


class Valley(Objective):
    """Walks down from 1, 1 to 0, 0."""

    name = "valley"
    spec = "tests.helpers.valley:objective"
    fields = Settings.model_fields
    metric = Metric("height", unit="m", direction="minimize")
    length = "steps"
    training = ("steps",)
    options: Mapping[str, str] = {}
    figures: Mapping[str, tuple[float, float]] = {"height": (-np.inf, np.inf)}

    def setting(self, values: Mapping[str, Any]) -> Settings:
        """See the contract."""
        if unknown := values.keys() - Settings.model_fields.keys():
            raise KeyError(f"no such setting: {', '.join(unknown)}")
        return Settings(**values)

    def train(self, pack: Pack, listener: Listener) -> list[Result | DivergedError]:
        """See the contract."""
        return [
            self._walk(place, setting, seed, listener)
            for place, (setting, seed) in enumerate(pack.members)
        ]

    def _walk(
        self, place: int, setting: AnySetting, seed: int, listener: Listener
    ) -> Result | DivergedError:
        assert isinstance(setting, Settings)
        draw = np.random.default_rng([seed, setting.steps])
        curve = np.array([1.0, 1.0 if setting.shape == "round" else 9.0])
        at, speed = np.ones(2), np.zeros(2)
        for number in range(1, setting.steps + 1):
            slope = curve * at + setting.noise * draw.normal(size=2)
            speed = setting.momentum * speed - setting.rate * slope
            at = at + speed
            height = float(curve @ at**2) / 2
            if not np.isfinite(height) or height > 1e6:
                return DivergedError(f"the height is {height} after step {number}")
            listener.on_epoch(place, Epoch(number, {"height": height}, 0.01))
        return Result(0.01 * setting.steps)


class FreshValley(Valley):
    """Its walks have a process each."""

    spec = "tests.helpers.valley:fresh"
    fresh_processes = True
    libraries = ("numpy",)
    packs = False


objective = Valley()
fresh = FreshValley()
