"""What a study trains: a network and its training, by the contract of the harness.

A space names the objective that it is of; where it names none, it means `DEFAULT`.
"""

from ablation.objective.contract import Objective
from ablation.objective.loading import DEFAULT, load_objective
from ablation.objective.metric import Metric
from ablation.objective.outcome import LastReports, OutcomeError, mean_of_last, value_of
from ablation.objective.setting import Setting, Size
from ablation.objective.training import Epoch, Listener, Pack, Result
from ablation.objective.words import Words

__all__ = [
    "DEFAULT",
    "Epoch",
    "LastReports",
    "Listener",
    "Metric",
    "Objective",
    "OutcomeError",
    "Pack",
    "Result",
    "Setting",
    "Size",
    "Words",
    "load_objective",
    "mean_of_last",
    "value_of",
]
