"""From trials to effects: pure functions of DataFrames, which never change what they are given.

An effect is an arm minus what it is compared with, on validation accuracy after the last epoch,
paired by seed; `ablation.statistics.inference` has the formulas. The test set is averaged beside it
and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ablation.report.effects.health import divergence, ended_seeds, withheld
from ablation.statistics.inference import (
    PairedTest,
    effect_size,
    holm,
    paired_test,
    unsound,
    verdict,
    without_verdict,
)
from ablation.statistics.power import minimum_detectable, seeds_to_settle

LAST = 5  # epochs, whose mean shows whether an effect hangs on the last one alone
COLUMNS = [
    "arm",
    "against",
    "factor",
    "level",
    "n",
    "val_mean",
    "val_sd",
    "test_mean",
    "test_sd",
    "test_loss_mean",
    "reported_test_accuracy",
    "reported_test_loss",
    "pairs",
    "diverged",
    "delta",
    "ci_low",
    "ci_high",
    "effect_size",
    "p_value",
    "p_holm",
    "minimum_detectable",
    "seeds_to_settle_low",
    "seeds_to_settle_high",
    "verdict",
    "reason",
]


def replicates(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that count: finished, with a finite validation accuracy, one an arm and seed.

    A search may draw a setting twice, also under another name where they come to the same network;
    the same setting with the same seed is no new evidence. A draw that diverged has a value for the
    sampler alone.
    """
    for column in ("duplicate_of", "diverged"):
        if column in trials:
            trials = trials[trials[column].isna()]
    finite = np.isfinite(pd.to_numeric(trials["val_accuracy"]).to_numpy(float))
    done: pd.DataFrame = trials[(trials["state"] == "COMPLETE").to_numpy(bool) & finite]
    return done.drop_duplicates(["arm", "seed"])


def paired(trials: pd.DataFrame, arm: str, against: str) -> pd.Series[float]:
    """Validation accuracy of ``arm`` minus that of ``against``, by the seeds that both finished."""
    done = replicates(trials)
    left = done[done["arm"] == arm].set_index("seed")["val_accuracy"]
    right = done[done["arm"] == against].set_index("seed")["val_accuracy"]
    return (left - right).dropna().sort_index().astype(float)


def pair_differences(trials: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Every pair's difference: columns ``arm``, ``seed``, ``difference``.

    Args:
        trials: one row a trial (``arm``, ``seed``, ``state``, ``val_accuracy``).
        arms: one row an arm (``arm``, ``against``, empty for the baseline).

    Returns:
        Rows in the order of the arms, then of the seeds; fractions. An arm without a pair has none.
    """
    done = replicates(trials)[["arm", "seed", "val_accuracy"]]
    other = done.rename(columns={"arm": "against", "val_accuracy": "val_accuracy_against"})
    pairs = arms[["arm", "against"]].merge(done, on="arm").merge(other, on=["against", "seed"])
    pairs["difference"] = (pairs["val_accuracy"] - pairs["val_accuracy_against"]).astype(float)
    order = pairs["arm"].map({arm: place for place, arm in enumerate(arms["arm"])})
    pairs = pairs.assign(order=order).sort_values(["order", "seed"], kind="stable")
    return pairs[["arm", "seed", "difference"]].reset_index(drop=True)


def paired_tests(
    trials: pd.DataFrame, arms: pd.DataFrame, of: pd.DataFrame | None = None
) -> dict[str, PairedTest]:
    """By arm, the baseline aside: what its pairs say, and why that may be no finding.

    Args:
        trials: one row a trial, the columns of ``trials.csv``.
        arms: one row an arm (``arm``, ``against``).
        of: all trials with their validation accuracies, where `trials` has other figures in their
            place, or only some of them: on these it rests whether an arm diverged, and whether it
            has learned anything.
    """
    by_arm = dict(tuple(pair_differences(trials, arms).groupby("arm")["difference"]))
    none = pd.Series(dtype=float)
    tests = {arm: paired_test(by_arm.get(arm, none)) for arm in arms["arm"].iloc[1:]}
    whole = trials if of is None else of
    for arm, reason in divergence(whole, arms).items():
        tests[arm] = unsound(tests[arm], reason)
    for arm, reason in withheld(whole, arms).items():
        tests[arm] = without_verdict(tests[arm], reason)
    return tests


def compared(effects: pd.DataFrame, rows: pd.DataFrame) -> dict[str, str]:
    """What to call each arm of `rows` where its effect stands: also by what it is compared with.

    Args:
        effects: of all arms, the baseline first, which goes without saying.
        rows: those to name.
    """
    base = effects["arm"].iloc[0]
    return {
        arm: arm if against in ("", base) else f"{arm} against {against}"
        for arm, against in zip(rows["arm"], rows["against"], strict=True)
    }


def effects(trials: pd.DataFrame, arms: pd.DataFrame, margin: float) -> pd.DataFrame:
    """One row an arm, in the order of ``arms``: means, spreads, the effect and its verdict.

    Args:
        trials: one row a trial, the columns of ``trials.csv``.
        arms: one row an arm, as in ``StudyTable.arms``. All but the baseline are one family: one
            that failed counts in it with a p of 1.
        margin: the smallest difference that matters, a fraction.

    Returns:
        The columns ``COLUMNS``. ``n`` is the number of finished replicates, and ``pairs`` of
        those whose seed has also finished in ``against`` (empty for the baseline); standard
        deviations have ddof 1 and are empty below two; ``diverged`` counts the arm's seeds that
        diverged: then it has no finding, and ``reason`` says so, as it does where what it is
        compared with diverged; ``delta`` is the mean over the pairs, empty
        where there is none; what follows it is empty where there is no test. Accuracies and
        differences are fractions.
    """
    by_arm = replicates(trials).groupby("arm", sort=False)
    diverged, _ = ended_seeds(trials)
    means = by_arm[["val_accuracy", "test_accuracy", "test_loss"]].mean()
    spreads = by_arm[["val_accuracy", "test_accuracy"]].std(ddof=1)
    names = arms["arm"]
    out = arms.reset_index(drop=True).assign(
        n=names.map(by_arm.size()).fillna(0).astype(int).to_numpy(),
        val_mean=names.map(means["val_accuracy"]).to_numpy(float),
        val_sd=names.map(spreads["val_accuracy"]).to_numpy(float),
        test_mean=names.map(means["test_accuracy"]).to_numpy(float),
        test_sd=names.map(spreads["test_accuracy"]).to_numpy(float),
        test_loss_mean=names.map(means["test_loss"]).to_numpy(float),
        diverged=[diverged.get(str(arm), 0) for arm in names],
    )
    rows = _tested(paired_tests(trials, arms), margin)
    merged = out.merge(rows, on="arm", how="left").astype({"pairs": "Int64"})
    return merged.fillna({"verdict": "", "reason": ""})[COLUMNS]


def _tested(tests: dict[str, PairedTest], margin: float) -> pd.DataFrame:
    """One row a comparison: the columns from ``pairs`` on."""
    family = len(tests)
    adjusted = holm([test.p for test in tests.values()])
    rows = []
    for (arm, test), p_holm in zip(tests.items(), adjusted, strict=True):
        sd = math.nan if test.reason else test.sd  # more seeds settle no selection
        low, high = seeds_to_settle(sd, test.n, family, margin)
        rows.append(
            {
                "arm": arm,
                "pairs": test.n,
                "delta": test.mean,
                "ci_low": test.low,
                "ci_high": test.high,
                "effect_size": effect_size(test),
                "p_value": test.p,
                "p_holm": math.nan if test.why_not else float(p_holm),
                "minimum_detectable": minimum_detectable(sd, test.n, family),
                "seeds_to_settle_low": low,
                "seeds_to_settle_high": high,
                "verdict": verdict(test, float(p_holm), margin),
                "reason": test.reason,
            }
        )
    judged = [name for name in COLUMNS[COLUMNS.index("pairs") :] if name != "diverged"]
    return pd.DataFrame(rows, columns=["arm", *judged])


def identities(trials: pd.DataFrame, *states: str) -> set[tuple[str, int]]:
    """What is a replicate of which arm with which seed, among the trials in these states."""
    rows = trials[trials["state"].isin(states)]
    return set(zip(rows["arm"], rows["seed"], strict=True))


def looked_at(trials: pd.DataFrame, arms: pd.DataFrame) -> int:
    """The number of finished trials that verdicts rest on; 0 where nothing can be tested yet."""
    counts = pair_differences(trials, arms)["arm"].value_counts()
    return len(replicates(trials)) if (counts > 1).any() else 0


def trained(trials: pd.DataFrame, epochs: pd.DataFrame) -> pd.Series[bool]:
    """Which trials have an epoch at least; each stage numbers its own.

    Args:
        trials: the columns ``stage`` and ``number``, of one stage or several.
        epochs: the same, of the same stages.
    """
    known = set(zip(epochs["stage"], epochs["number"], strict=True))
    keys = zip(trials["stage"], trials["number"], strict=True)
    return pd.Series([key in known for key in keys], index=trials.index, dtype=bool)


def crossed(arms: pd.DataFrame) -> pd.DataFrame:
    """The arms of a factorial's grid: the baseline and those named by their levels."""
    return arms[(arms["kind"] == "level") | is_first(arms)]


def by_size(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a column ``delta``, the largest first whatever its sign."""
    return rows.sort_values("delta", key=abs, ascending=False, kind="stable")


def is_first(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """True for the first row, which is the baseline's, and for no other."""
    return np.array([place == 0 for place in range(len(rows))], dtype=bool)


def last_epochs(trials: pd.DataFrame, epochs: pd.DataFrame, count: int = LAST) -> pd.DataFrame:
    """The trials with the mean validation accuracy of their last ``count`` epochs in its place.

    A line of sensitivity: whether an effect hangs on the last epoch alone.
    """
    keys = ["stage", "number"]
    latest = epochs.sort_values("epoch").groupby(keys).tail(count)
    means = latest.groupby(keys)["val_accuracy"].mean()
    own = pd.MultiIndex.from_frame(trials[keys])
    return trials.assign(val_accuracy=means.reindex(own).to_numpy(float))


def on_test(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with test accuracy in place of validation accuracy: shown, never decided on."""
    return trials.assign(val_accuracy=trials["test_accuracy"])


def costs(trials: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """One row an arm: ``arm``, ``parameters``, ``macs``, mean ``seconds`` and ``val_mean``."""
    by_arm = replicates(trials).groupby("arm")[["seconds", "val_accuracy"]].mean()
    by_arm = by_arm.rename(columns={"val_accuracy": "val_mean"})
    return arms[["arm", "parameters", "macs"]].merge(by_arm, on="arm", how="left")


def confounds(arms: pd.DataFrame, tolerance: float = 0.1) -> pd.DataFrame:
    """Where an arm also has another sequence length or size than what it is compared with.

    Args:
        arms: as in ``StudyTable.arms``.
        tolerance: the relative difference beyond which it is said.

    Returns:
        ``arm``, ``against``, ``what`` (``sequence_length`` or ``parameters``), ``value``,
        ``reference``, ``change`` (a fraction of the reference).
    """
    long = arms.melt(["arm", "against"], ["sequence_length", "parameters"], "what", "value")
    reference = long[["arm", "what", "value"]].set_axis(["against", "what", "reference"], axis=1)
    rows = long.merge(reference, on=["against", "what"])
    rows["change"] = rows["value"] / rows["reference"].where(rows["reference"] > 0) - 1
    rows = rows[rows["change"].abs() > tolerance]
    order = rows["arm"].map({arm: place for place, arm in enumerate(arms["arm"])})
    return rows.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def confounded(arms: pd.DataFrame) -> set[str]:
    """The arms that `confounds` names."""
    return set(confounds(arms)["arm"])


def also_changed(arms: pd.DataFrame) -> str:
    """What arms change by more than 10 % beside their settings; empty where nothing."""
    names = {"sequence_length": "the LSTM's steps", "parameters": "the number of parameters"}
    found = set(confounds(arms)["what"])
    return " or ".join(name for what, name in names.items() if what in found)


def best_so_far(trials: pd.DataFrame) -> pd.DataFrame:
    """Finished trials by number: ``number``, ``val_accuracy`` and the running ``best``."""
    done = replicates(trials).sort_values("number")[["number", "val_accuracy"]]
    return done.assign(best=done["val_accuracy"].cummax()).reset_index(drop=True)


def mean_curves(epochs: pd.DataFrame) -> pd.DataFrame:
    """Validation accuracy over the seeds: ``arm``, ``epoch``, ``val_accuracy``.

    Args:
        epochs: the columns of ``epochs.csv``.
    """
    return epochs.groupby(["arm", "epoch"], sort=False)[["val_accuracy"]].mean().reset_index()


def class_differences(confusion: pd.DataFrame, arm: str, against: str) -> pd.DataFrame:
    """Class by class: the accuracy of two arms and their difference, paired by seed.

    Args:
        confusion: as in ``StudyTable.confusion``.
        arm: the one.
        against: the other.

    Returns:
        A row a class: ``true``, ``n`` pairs, and over these the means ``against`` and ``arm``,
        their difference ``delta``, ``ci_low`` and ``ci_high`` (95 %, for that class alone).
    """
    shares = confusion_shares(confusion, ["arm", "seed"])
    right = shares[shares["true"] == shares["predicted"]]
    once = right.drop_duplicates(["arm", "seed", "true"])
    grid = once.pivot(index="seed", columns=["true", "arm"], values="share")
    rows = []
    for true in once["true"].unique():
        pairs = grid[[(true, against), (true, arm)]].dropna().astype(float)
        theirs, ours = pairs[true, against], pairs[true, arm]
        test = paired_test(ours - theirs)
        means = {"true": true, "against": theirs.mean(), "arm": ours.mean()}
        ends = {"n": test.n, "delta": test.mean, "ci_low": test.low, "ci_high": test.high}
        rows.append(means | ends)
    return pd.DataFrame(rows)


def confusion_by_arm(confusion: pd.DataFrame) -> pd.DataFrame:
    """Confusion counts over an arm's seeds: the columns of ``confusion.csv``.

    Args:
        confusion: as in ``StudyTable.confusion``.

    Returns:
        ``arm``, ``true``, ``predicted``, ``count``; arms in the order of the design.
    """
    keys = ["arm", "true", "predicted"]
    return confusion.groupby(keys, sort=False, as_index=False)[["count"]].sum()


def common_seeds(rows: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """The rows of these arms whose seed all of them have."""
    chosen = rows[rows["arm"].isin(arms)]
    found = chosen.groupby("seed")["arm"].nunique()
    return chosen[chosen["seed"].isin(found.index[found == len(arms)])]


def confusion_shares(confusion: pd.DataFrame, of: Sequence[str] = ("arm",)) -> pd.DataFrame:
    """Confusion counts with ``share``: of the images of a true class, which part went where.

    Args:
        confusion: counts, with the columns ``true``, ``count`` and those of ``of``.
        of: what has a matrix of its own.
    """
    totals = confusion.groupby([*of, "true"], sort=False)["count"].transform("sum")
    return confusion.assign(share=confusion["count"] / totals.where(totals > 0))
