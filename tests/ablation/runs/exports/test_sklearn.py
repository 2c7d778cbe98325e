"""scikit-learn's ``cv_results_``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from ablation.runs.reading import read_frame
from tests.ablation.runs.helpers import rows_of, table_of

HEADER = ",mean_fit_time,param_depth,params,split0_test_score,split1_test_score,mean_test_score\n"


def test_each_fold_is_a_row(tmp_path: Path) -> None:
    text = HEADER + "0,0.1,8,{'depth': 8},-30.3659,-31.9,-31\n1,0.1,4,{'depth': 4},-29,-28,-28.5\n"
    table = table_of(tmp_path / "a.csv", text)
    assert table.names == ["param_depth", "fold", "test_score"]
    assert rows_of(table) == [
        ("8", "0", "-30.3659"), ("8", "1", "-31.9"), ("4", "0", "-29"), ("4", "1", "-28"),
    ]  # fmt: skip
    assert list(table.read(["fold"]).index) == [2, 2, 3, 3]
    roles = table.roles
    assert (roles.exporter, roles.direction) == ("scikit-learn's cv_results_", "maximize")
    assert (roles.fold, roles.metric, roles.settings) == ("fold", "test_score", ("param_depth",))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_scikit_learn_gives_itself_is_recognised() -> None:
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2]}, cv=3, refit=False,
        scoring=["accuracy", "f1_macro"], return_train_score=True,
    ).fit(*load_iris(return_X_y=True))  # fmt: skip
    results = search.cv_results_
    table = read_frame(pd.DataFrame(results))
    assert set(table.names) == {
        "param_max_depth", "fold", "test_accuracy", "train_accuracy", "test_f1_macro",
        "train_f1_macro",
    }  # fmt: skip
    assert table.roles.figures == ("test_accuracy", "test_f1_macro")
    assert table.roles.metric == ""
    rows = dict(zip(["0", "1", "2"], rows_of(table, "test_accuracy"), strict=False))
    assert {fold: float(cell) for fold, (cell,) in rows.items()} == {
        str(fold): results[f"split{fold}_test_accuracy"][0] for fold in range(3)
    }
