"""Kill a real study at random moments until it has had enough; are its tables what they should be?

    python benchmarks/chaos.py --kills 100
    python benchmarks/chaos.py --kills 5 --seed 1     # a short one
    python benchmarks/chaos.py --storage postgresql+psycopg://me@host/database
    python benchmarks/chaos.py --space benchmarks/chaos_own.toml    # of a training function
    python benchmarks/chaos.py --space benchmarks/chaos_search.toml --jobs 1    # a search

`chaos.toml`, or the space given, is run once undisturbed, then again and again with coordinator and
workers killed, stopped and interrupted, at moments drawn anew from start-up to report. After each
blow the same command is given again, until it ends by itself; then the study's tables are compared
with the undisturbed ones, byte for byte but for the columns of time (and a search's front over
seconds), and the next study begins. Searches are equal with --jobs 1 only, since a sampler draws
by what it has been told.
Exit status 1 where a trial was lost or doubled, a process was left behind or a table differs.

Studies are in an SQLite file of their own each, or with `--storage` in a PostgreSQL database, all
of whose connections are then cut as well, which ends a run with exit status 2. Studies named
chaos-... are removed from it first.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
import optuna
import pandas as pd
import sqlalchemy

from ablation.report.data.loading import load_trials

ROOT = Path(__file__).parents[1]
STUDY = "chaos"
OF_TIME = ["seconds", "started", "finished"]
GONE = 5.0  # seconds within which nothing may be left of a run
LONGEST = 0.6  # of the time that an undisturbed run takes: the longest wait for a blow
STRUCK = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130, 143)  # exit status after a blow
WORKER_LOSSES = 2  # in a run: a third without an epoch between would rightly fail a trial


class Run:
    """The study's command, going on in a process group of its own.

    Args:
        results: the results folder.
        jobs: trainings at a time.
        url: the storage; the study is then called as the results' parent folder is.
        space: the file of the space.
    """

    def __init__(self, results: Path, jobs: int, url: str | None, space: Path) -> None:
        command = [sys.executable, str(ROOT / "study.py"), "run", str(space), "--jobs", str(jobs)]
        command += ["--results", str(results), "--study", name_of(results)]
        environment = {**os.environ, **({"CRNN_STUDY_STORAGE": url} if url else {})}
        with (results.parent / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self.url = url
        self.losses = 0

    def over(self, seconds: float) -> bool:
        """Whether it has ended by itself, waited for at most so long."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def workers(self) -> list[int]:
        """The numbers of its worker processes."""
        signs = ("multiprocessing.spawn", "fork_server")
        return [pid for pid, _, words in self.left() if any(sign in words for sign in signs)]

    def left(self) -> list[tuple[int, str, str]]:
        """What there is of its session: number, state, command; the dead left out."""
        words = ["ps", "-ww", "-o", "pid=,stat=,args=", "-g", str(self.process.pid)]
        listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        rows = (line.split(maxsplit=2) for line in listed.splitlines())
        return [(int(pid), state, args) for pid, state, args in rows if state[0] != "Z"]

    def is_gone(self) -> bool:
        """Whether nothing is left of it, soon."""
        deadline = time.monotonic() + GONE
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.1)
        return not self.left()


def name_of(results: Path) -> str:
    """The name of the study with these results."""
    return f"{STUDY}-{results.parent.name}"


def cut_connections(url: str) -> None:
    """Cut all connections to a PostgreSQL database but this one, as its restart does."""
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        connection.execute(
            sqlalchemy.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()


def remove_studies(url: str) -> None:
    """Remove what an earlier call has left in a database."""
    for name in optuna.get_all_study_names(url):
        if name.startswith(f"{STUDY}-"):
            optuna.delete_study(study_name=name, storage=url)


def strike(run: Run, draw: random.Random) -> str:
    """One blow to a run, drawn; what it was. Some end the run, some it must get over."""
    kinds = ["coordinator SIGKILL", "coordinator SIGTERM", "coordinator SIGINT", "all SIGKILL",
             "all SIGSTOP, SIGCONT"]  # fmt: skip
    workers = run.workers()
    if workers and run.losses < WORKER_LOSSES:
        kinds += ["worker SIGKILL", "worker SIGTERM", "worker SIGSTOP, SIGCONT"] * 2
    kinds += ["connections cut"] * 2 if run.url else []
    kind = draw.choice(kinds)
    if run.url and kind == "connections cut":
        cut_connections(run.url)
        return kind
    whom, *names = kind.replace(",", "").split()
    numbers = [draw.choice(workers) if whom == "worker" else run.process.pid]
    if whom == "all":
        numbers = [pid for pid, _, _ in run.left()]
    run.losses += whom == "worker" and len(names) == 1
    for name in names:
        for number in numbers:
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(number, signal.Signals[name])
        if name == "SIGSTOP":
            time.sleep(draw.uniform(0.5, 4.0))
    return kind


def tables(results: Path) -> dict[str, str]:
    """The study's tables as text, without what follows from the clock."""
    frames = {
        path.name: pd.read_csv(path, dtype=str, keep_default_na=False)
        for path in sorted((results / name_of(results)).glob("*.csv"))
    }
    if (front := frames.get("pareto.csv")) is not None:
        frames["pareto.csv"] = front[front["cost"] != "seconds"]
    return {name: f.drop(columns=OF_TIME, errors="ignore").to_csv() for name, f in frames.items()}


def disturbed(
    start: Callable[[Path], Run], results: Path, kills: int, longest: float, draw: random.Random
) -> Iterator[str]:
    """Run a study to its end with some blows on the way; each blow, as it falls.

    Args:
        start: starts it, or goes on with it.
        results: the results folder.
        kills: blows at most.
        longest: seconds until a blow, at most.
        draw: draws moments and blows.

    Yields:
        A blow; ``left behind`` where a process outlives its coordinator; an ``exit status``
        other than 0 of a run that ended by itself.
    """
    given = 0
    while True:
        run, cut = start(results), False
        while given < kills and not run.over(draw.uniform(0.0, longest)):
            given += 1
            blow = strike(run, draw)
            yield blow
            cut = cut or blow == "connections cut"
            if not blow.startswith(("worker", "connections")) and "SIGCONT" not in blow:
                break
        by_itself = run.over(600.0) and run.process.returncode == 0
        if not run.is_gone():
            yield "left behind"
            for pid, _, _ in run.left():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if by_itself:
            return
        if run.process.returncode not in (*STRUCK, *((2,) if cut else ())):
            yield f"exit status {run.process.returncode}"
            return


@dataclass
class Tally:
    """What came of all studies.

    Attributes:
        blows: by kind.
        troubles: what a run has left behind, and how it should not have ended; by kind.
        studies: how many were run.
        trials: of all studies, as there should be.
        lost: trials that are missing.
        doubled: trials that are there more than once.
        equal: whether all tables are those of the undisturbed study.
    """

    blows: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    studies: int = 0
    trials: int = 0
    lost: int = 0
    doubled: int = 0
    equal: bool = True

    def count(self, what: str) -> None:
        """Count a blow, or a trouble."""
        (self.troubles if what.startswith(("left", "exit")) else self.blows)[what] += 1

    def add_study(self, arms: pd.DataFrame, trials: pd.DataFrame, same: bool) -> None:
        """Count a study that has ended.

        Args:
            arms: arm and seed of each trial of the undisturbed study.
            trials: those of this study.
            same: whether its tables are those of the undisturbed study.
        """
        done = trials.loc[trials["state"] == "COMPLETE", ["arm", "seed"]]
        self.studies += 1
        self.trials += len(arms)
        self.lost += len(arms) - len(done.drop_duplicates())
        self.doubled += len(trials) - len(trials[["arm", "seed"]].drop_duplicates())
        self.equal = self.equal and same

    def failed(self) -> bool:
        """Whether anything is not as it should be."""
        return bool(self.lost or self.doubled or self.troubles or not self.equal)

    def results(self) -> dict[str, Any]:
        """What the closing line has."""
        counts = {"studies": self.studies, "trials": self.trials}
        counts |= {"lost": self.lost, "doubled": self.doubled}
        blows = {"kills": self.blows.total(), "blows": dict(self.blows)}
        return {**blows, **counts, "equal": self.equal, "troubles": dict(self.troubles)}


def print_tally(tally: Tally, trials: int, jobs: int, seconds: float) -> None:
    """What came of it, for people.

    Args:
        tally: of all studies.
        trials: of each study.
        jobs: trainings at a time.
        seconds: that it took.
    """
    print()
    for kind, count in sorted(tally.blows.items()):
        print(f"{count:4}  {kind}")
    print(f"\n{tally.studies} studies of {trials} trials each, {jobs} at a time, {seconds:.0f} s")
    for trouble, count in tally.troubles.items():
        print(f"{trouble}: {count}")
    print(f"kills {tally.blows.total()}, trials lost {tally.lost}, trials doubled {tally.doubled}, "
          f"tables equal {'yes' if tally.equal else 'NO'}")  # fmt: skip


def parsed_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="blows in all")
    parser.add_argument("--a-study", type=int, default=10, help="blows that a study gets at most")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the blows")
    parser.add_argument("--space", type=Path, default=Path(__file__).with_name("chaos.toml"))
    parser.add_argument("--storage", help="a PostgreSQL database in place of SQLite files")
    return parser.parse_args()


def main() -> None:
    """Strike, go on, compare."""
    options = parsed_options()
    url = options.storage
    if url:
        remove_studies(url)
    about = machine.describe(threads=1)
    draw = random.Random(options.seed)
    start = time.monotonic()
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "undisturbed" / "results"
        whole.mkdir(parents=True)

        def begin(results: Path) -> Run:
            return Run(results, options.jobs, url, options.space)

        if not begin(whole).over(600.0):
            sys.exit("the undisturbed study did not end")
        longest = LONGEST * (time.monotonic() - start)
        wanted = tables(whole)
        arms = load_trials(url or whole / "studies.db", name_of(whole))[["arm", "seed"]]
        while tally.blows.total() < options.kills:
            results = Path(folder) / f"study-{tally.studies}" / "results"
            results.mkdir(parents=True)
            most = min(options.a_study, options.kills - tally.blows.total())
            for what in disturbed(begin, results, most, longest, draw):
                tally.count(what)
            trials = load_trials(url or results / "studies.db", name_of(results))
            same = tables(results) == wanted
            tally.add_study(arms, trials, same)
            print(f"{tally.blows.total():4} blows, {tally.studies} studies: tables "
                  f"{'equal' if same else 'DIFFER'}", flush=True)  # fmt: skip
            if not same or tally.troubles:
                print((results.parent / "log.txt").read_text(encoding="utf-8"), file=sys.stderr)
    print_tally(tally, len(arms), options.jobs, time.monotonic() - start)
    machine.finish("chaos-postgresql" if url else "chaos", about, **tally.results())
    if tally.failed():
        sys.exit(1)


if __name__ == "__main__":
    main()
