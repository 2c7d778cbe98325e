"""This project's own trials, lm-eval, and names that say what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablation.errors import UserError
from tests.ablation.runs.helpers import rows_of, table_of

OWN = (
    "stage,number,state,arm,is_baseline,replicate,seed,lr,val_accuracy,val_loss,test_accuracy,"
    "best_val_accuracy,best_epoch,seconds,failure\n"
    "ablation,0,COMPLETE,baseline,True,0,0,0.1,0.9,0.3,0.8,0.91,14,3.5,\n"
)


def test_own_trials_say_all_there_is_to_know(tmp_path: Path) -> None:
    roles = table_of(tmp_path / "a.csv", OWN).roles
    assert (roles.arm, roles.seed, roles.state) == ("arm", "seed", "state")
    assert (roles.baseline, roles.metric, roles.test) == (
        "is_baseline", "val_accuracy", "test_accuracy",
    )  # fmt: skip
    assert roles.settings == ("lr",)
    assert roles.figures == ("val_accuracy", "val_loss", "test_accuracy")


@pytest.mark.parametrize(
    ("best", "direction"), [(0.91, "maximize"), (0.89, "minimize"), (0.9, None)]
)
def test_own_trials_are_decided_by_their_outcome(
    tmp_path: Path, best: float, direction: str | None
) -> None:
    text = OWN.replace("val_accuracy,val_loss", "outcome,val_accuracy,val_loss", 1)
    text = text.replace("0.9,0.3", "0.88,0.9,0.3").replace("0.91,14", f"{best},14")
    table = table_of(tmp_path / "a.csv", text)
    roles = table.roles
    assert (roles.metric, roles.metric_of) == ("outcome", "val_accuracy")
    assert (roles.settings, roles.direction) == (("lr",), direction)
    assert table.lines[0].startswith("outcome decided in that study: it is the mean of val_acc")


@pytest.mark.parametrize(
    ("header", "score"),
    [("model,task,acc,acc_stderr", "acc"), ('model,task,"acc,none","acc_stderr,none"', "acc,none"),
     ("model,Metric,Value,Stderr", "Value")],
)  # fmt: skip
def test_standard_errors_over_items_are_no_spread_of_runs(
    tmp_path: Path, header: str, score: str
) -> None:
    table = table_of(tmp_path / "a.csv", f"{header}\na,b,0.5,0.01\n")
    assert (table.roles.exporter, table.roles.figures) == ("lm-eval's results", (score,))
    error = table.names[-1]
    assert table.roles.others == (error,)
    with pytest.raises(UserError, match="a standard error over the items of a test"):
        table_of(tmp_path / "a.csv", f"{header}\na,b,0.5,0.01\n", sd=error)


@pytest.mark.parametrize(
    ("setting", "prefix"),
    [("config.lr", "config."), ("params_lr", "params_"), ("params.lr", "params."),
     ("hparams/lr", "hparams/"), ("cfg.optim.lr", "cfg."), ("args.lr", "args.")],
)  # fmt: skip
def test_settings_are_known_by_their_prefix(tmp_path: Path, setting: str, prefix: str) -> None:
    table = table_of(tmp_path / "a.csv", f"{setting},configuration,metrics/acc\n1,2,3\n")
    assert table.roles.settings == (setting,)
    assert table.roles.prefix == prefix
    assert table.roles.figures == ("metrics/acc",)
    assert table.roles.prefixes == (prefix, "metrics/")


def test_plain_names_say_nothing(tmp_path: Path) -> None:
    table = table_of(tmp_path / "a.csv", "arm,seed,parameters,acc\na,0,10,0.5\n")
    assert table.roles.settings == table.roles.figures == ()
    assert rows_of(table) == [("a", "0", "10", "0.5")]
