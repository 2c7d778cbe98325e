"""Training functions of users, right and wrong, that need no library."""

from __future__ import annotations

from pathlib import Path

CODE = '''
import os
import random
from pydantic import BaseModel, Field
from ablation import Run

class Halving:
    """A schedule: the stride is halved at every second step."""
    def __init__(self, at):
        self.at, self.step = at, 0
    def next(self):
        self.step += 1
        if self.step % 2 == 0:
            self.at["stride"] /= 2
    def state_dict(self):
        return {"step": self.step}
    def load_state_dict(self, state):
        self.step = state["step"]

class Settings(BaseModel):
    stride: float = Field(0.5, gt=0, le=2)
    steps: int = Field(8, ge=1, le=100)

def train(settings: Settings, run: Run) -> dict[str, float]:
    own = random.Random(run.stream("ground"))
    at = {"height": 1.0, "stride": settings.stride}
    schedule = Halving(at)
    done = run.track(at=at, schedule=schedule, own=own)
    for step in range(done + 1, settings.steps + 1):
        at["height"] += at["stride"] * (own.random() - 0.8)
        schedule.next()
        run.report(step, height=at["height"], stride=at["stride"])
    return {"final": at["height"]}
'''

TRACK = "done = run.track(at=at, schedule=schedule, own=own)"
DRAW = "(own.random() - 0.8)"
OWN = 'own = random.Random(run.stream("ground"))'
URANDOM = "int.from_bytes(os.urandom(4)) / 2**32"

FAULTS: dict[str, list[tuple[str, str]]] = {
    "all right": [],
    "logged figures not repeated": [("        run.report(step,",
        f"        run.report(step, noise={URANDOM})\n        run.report(step,")],
    "short": [("Field(8,", "Field(3,")],
    "schedule not tracked": [(TRACK, "done = run.track(at=at, own=own)")],
    "generator not tracked": [(TRACK, "done = run.track(at=at, schedule=schedule)")],
    "no seed": [(OWN, "own = random.Random(7)")],
    "not deterministic": [(DRAW, f"({URANDOM} - 0.8)")],
    "rounding": [("height=at[", f"height=(1 + 1e-9 * {URANDOM}) * at[")],
    "nothing tracked": [(TRACK, "done = 0")],
    "no use of a setting": [('"stride": settings.stride', '"stride": 0.5')],
    "other state, same figures": [("height=at[\"height\"], stride=at[\"stride\"]", "height=1.0"),
                                  (TRACK, "done = run.track(at=at, own=own)")],
    "track with another object": [(TRACK, "done = run.track(at=at, **({'own': own} if not "
                                          "(run.folder / 'x').exists() else {}))\n"
                                          "    (run.folder / 'x').touch()")],
}  # fmt: skip


def write(folder: Path, fault: str = "all right", name: str = "") -> Path:
    """Write the file of a training function with a fault."""
    text = CODE
    for before, after in FAULTS[fault]:
        assert before in text
        text = text.replace(before, after)
    path = folder / f"{name or 'walk_' + fault.replace(' ', '_').replace(',', '')}.py"
    path.write_text(text, encoding="utf-8")
    return path
