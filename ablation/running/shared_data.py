"""Data that every training has fetched for itself: the same large file in the folders of two."""

from __future__ import annotations

import filecmp
from collections.abc import Callable
from pathlib import Path

from ablation.files import files_below
from ablation.folders import trial_folder
from ablation.running.events import OnTrialEnd
from ablation.running.messages import TrialOutcome
from ablation.scheduling.source import Task

LARGE = 10_000_000  # bytes, from which on a file is worth a word


class SharedData:
    """Tells, once, of a large file that two trainings have each left in their folders.

    Args:
        folders: has a folder for each trial.
        say: told of it.
    """

    def __init__(self, folders: Path, say: Callable[[str], None]) -> None:
        self.folders, self.say = folders, say
        self._seen: dict[tuple[Path, int], Path] = {}  # by name and size: the first one's
        self._told = False

    def before(self, on_trial_end: OnTrialEnd) -> OnTrialEnd:
        """Look at what each training has left, then tell of its end as before."""

        def look_and_tell(task: Task, outcome: TrialOutcome) -> None:
            self.look(task.number)
            on_trial_end(task, outcome)

        return look_and_tell

    def look(self, number: int) -> None:
        """Look at what a training has left.

        Args:
            number: of its trial.
        """
        folder = trial_folder(self.folders, number)
        for path in [] if self._told else files_below(folder):
            size = path.stat().st_size
            if size < LARGE:
                continue
            earlier = self._seen.setdefault((path.relative_to(folder), size), path)
            if earlier != path and earlier.exists() and filecmp.cmp(earlier, path, shallow=False):
                self._told = True
                self.say(
                    f"Note: {path.relative_to(folder)} ({size / 1e6:.0f} MB) is the same file in "
                    f"{earlier.relative_to(self.folders).parts[0]} and {folder.name}, the folders "
                    "of two trainings. Data that all of them read belong into run.data, which "
                    "--data names."
                )
                return
