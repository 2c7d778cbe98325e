"""What an epoch of a training does to the storage, and what the pruner says of it.

The coordinator's alone: workers know neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna
from optuna.storages import RDBStorage

from ablation.scheduling.samplers import make_pruner
from ablation.scheduling.source import Task
from ablation.storage import report_steps, reported_steps

if TYPE_CHECKING:
    from ablation.objective import Epoch
    from ablation.objective.metric import Metric


class Recorder:
    """Reports the epochs of a study's trials to its storage, each once, and asks its pruner.

    Args:
        storage: where the study is.
        study: its name.
        metric: what decides.
    """

    def __init__(self, storage: RDBStorage, study: str, metric: Metric) -> None:
        self.storage, self.study, self.metric = storage, study, metric
        self._earlier: dict[int, int] = {}  # by trial: the last epoch that an earlier run reported

    def record(self, task: Task, epoch: Epoch) -> bool:
        """Report an epoch's metric, unless the storage has it.

        The pruner is not asked about the last epoch, nor about those before the last one that an
        earlier run reported: that run went on after them.

        Returns:
            Whether the pruner stops the training here.

        Raises:
            StorageError: the storage cannot be written.
        """
        if task.pruner and task.trial_id not in self._earlier:
            steps = reported_steps(self.storage, task.trial_id)
            self._earlier[task.trial_id] = max(steps, default=0)
        report_steps(self.storage, task.trial_id, {epoch.number: epoch.figures[self.metric.name]})
        epochs = task.epochs
        if task.pruner is None or not self._earlier[task.trial_id] <= epoch.number < epochs:
            return False
        study = optuna.load_study(
            study_name=self.study,
            storage=self.storage,
            sampler=optuna.samplers.RandomSampler(),
            pruner=make_pruner(task.pruner, epochs),
        )
        return optuna.Trial(study, task.trial_id).should_prune()
