"""The live view: what a run leaves for optuna-dashboard to show, while it trains.

Nothing here may hold the training up, or stop it. A trial's files take some hundredths of a
second when it ends. Note and graphs take seconds, since they read the whole study: a thread of
their own rewrites them, seldom. What goes wrong is told once, and the training goes on.

All that the thread needs is imported with this module, though it takes a second or two: a package
whose modules import each other in a circle, as SciPy's do, fails when two threads import it at
the same time, and a sampler imports SciPy when it first draws.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ablation.dashboard import study_page
from ablation.dashboard.trial_page import MAX_BYTES, MAX_FILES, attach_files, left_files
from ablation.errors import one_line
from ablation.folders import trial_folder
from ablation.program import short_path
from ablation.storage import open_storage
from ablation.storage.attributes import objective_of

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from ablation.running.messages import TrialOutcome
    from ablation.scheduling.source import Task

PAUSE = 5.0  # seconds from a trial's end to the next look at the study: others may end meanwhile


class LiveView:
    """Keeps a study's pages up to date; use it as a context, and as the run's `on_trial_end`."""

    def __init__(
        self,
        url: str,
        study: str,
        artifacts: Path,
        say: Callable[[str], None],
        pause: float = PAUSE,
        *,
        folders: Path | None = None,
        refresh: Callable[[RDBStorage, str], None] = study_page.refresh,
    ) -> None:
        """Prepare the view.

        Args:
            url: the storage's.
            study: the study's name.
            artifacts: the folder of the artifact store.
            say: told in a line what cannot be shown.
            pause: seconds between two looks at the study, at least.
            folders: has a folder for each trial, whose files are shown; None to show none.
            refresh: brings the note and graphs of a study of this storage up to date.
        """
        # Both threads use it: an Optuna storage has a session for each.
        self._storage = open_storage(url)
        self._study, self._artifacts, self._say, self._pause = study, artifacts, say, pause
        self._refresh, self._folders = refresh, folders
        self._classes = objective_of(self._storage, study).classes
        self._said: set[str] = set()
        self._stale, self._over = threading.Event(), threading.Event()
        self._last = True  # whether to look once more at the end
        self._thread = threading.Thread(target=self._keep_fresh, daemon=True)

    def __enter__(self) -> LiveView:
        self._stale.set()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._last = kind is None  # who stops a run does not want to wait for its pages
        self._over.set()
        self._stale.set()
        self._thread.join()
        self._storage.engine.dispose()

    def __call__(self, task: Task, outcome: TrialOutcome) -> None:
        """Take in how a training ended, before its trial does."""
        attributes = outcome.attributes
        if task.hides_test:
            attributes = {key: value for key, value in attributes.items() if key != "confusion"}
        with self._harmless("the pictures of trials"):
            left = self._left_by(task)
            attach_files(
                self._storage, self._artifacts, task.trial_id, attributes, self._classes, left
            )
        self._stale.set()

    def _left_by(self, task: Task) -> dict[str, Path]:
        """The files of a training's folder, by name; tells once of one that is too large."""
        if self._folders is None:
            return {}
        folder = trial_folder(self._folders, task.number)
        taken, others = left_files(folder)
        if others and "files" not in self._said:
            self._said.add("files")
            self._say(
                f"Note: {others[0].name} of trial {task.number} is not in optuna-dashboard, which "
                f"has {MAX_FILES} files of a trial at most, {MAX_BYTES // 1_000_000} MB in all; it "
                f"stays in {short_path(str(folder))}."
            )
        return taken

    def _keep_fresh(self) -> None:
        over = False
        while not over:
            self._stale.wait()
            self._stale.clear()  # before the look: what comes after it is seen next time
            over = self._over.wait(self._pause)
            if over and not self._last:
                return
            with self._harmless("the study's note and graphs"):
                self._refresh(self._storage, self._study)

    @contextmanager
    def _harmless(self, what: str) -> Iterator[None]:
        """Tell what went wrong, the first time, whatever it was."""
        try:
            yield
        except Exception as error:
            if what not in self._said:
                self._said.add(what)
                why = str(error) or type(error).__name__
                self._say(one_line(f"optuna-dashboard lacks {what} ({why}); the training goes on"))
