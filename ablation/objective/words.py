"""What reports call things of an objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Words:
    """What reports call things of an objective.

    Attributes:
        example: what the network is given, one of it.
        examples: several.
        steps: the steps of a network's sequence.
        resizing: the settings that change a network's size or steps whatever else they change, by
            name, in words.
        measures: what a figure is called, by its name without ``val_`` or ``train_``, where that
            says too little.
        epoch: what a training is counted in.
        trial: what an entry of a study is called.
        training: what the training behind it is called.
        replicate: what the runs of an arm are counted in.
        moment: which of a training's values of the metric decides; empty where that is known from
            its epochs.
        testing_again: what produces verdicts another time, the subject of a sentence.
        shared: what trainings of the same seed have in common.
        seed_question: what to ask where all seeds give the same.
        seed_advice: what to do then, a sentence; empty for nothing.
        resume_advice: what to do where a killed training starts over, likewise.
    """

    example: str = "example"
    examples: str = "examples"
    steps: str = "steps"
    resizing: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, str] = field(default_factory=dict)
    epoch: str = "epoch"
    trial: str = "trial"
    training: str = "training"
    replicate: str = "seed"
    moment: str = ""
    testing_again: str = "Testing again as they come in"
    shared: str = "the split, the initial values and the batch order"
    seed_question: str = "does the training use its seed?"
    seed_advice: str = ""
    resume_advice: str = ""
