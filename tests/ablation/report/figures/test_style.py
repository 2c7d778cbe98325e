"""Figures look the same whatever matplotlib's settings are, and leave those as they were."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pytest
import seaborn as sns
from cycler import cycler

from ablation.report.analysis import Analysis
from ablation.report.figures import style
from ablation.report.sections.arms import gallery
from crnn.trace import figures
from tests.helpers.commands import cli
from tests.helpers.made.report_studies import study
from tests.helpers.made.studies import designed, new_storage, run_all

OWN: dict[str, Any] = {
    "text.usetex": True,
    "font.family": "serif",
    "font.weight": "bold",
    "axes.prop_cycle": cycler(color=["red", "lime"]),
    "axes.formatter.limits": (0, 0),
    "axes.unicode_minus": False,
    "axes.facecolor": "black",
    "boxplot.notch": True,
    "figure.facecolor": "pink",
    "grid.linestyle": ":",
    "image.cmap": "jet",
    "legend.fontsize": 30,
    "lines.marker": "x",
    "lines.linestyle": "--",
    "markers.fillstyle": "none",
    "path.sketch": (1, 100, 2),
    "savefig.bbox": "tight",
    "savefig.dpi": 30,
    "savefig.transparent": True,
    "scatter.marker": "*",
    "svg.fonttype": "none",
    "svg.hashsalt": "mine",
    "xtick.direction": "in",
}
BROKEN = b"no_such_key: 1\nlines.linewidth: wide\nfont.family: \xff\xfe\n"


SOON = {"effects", "arms", "cost"}  # drawn


def drawn(every: bool) -> dict[str, bytes]:
    """Every figure of a small study or some, and some of a walk through a network."""
    table = study(arms=3, seeds=2, epochs=2)
    found = {
        f"{plot.name}.{kind}": data
        for plot in gallery(Analysis(table))
        if every or plot.name in SOON
        for kind, data in style.render(plot.draw()).items()
    }
    values = np.linspace(-1, 1, 60).reshape(2, 3, 10)
    walked = {
        "steps": figures.draw_steps(values, ["one", "two"], "unit"),
        "scores": figures.draw_scores(values[:, 0], [f"class {k}" for k in range(10)], [1, 2]),
        "maps": figures.draw_maps(np.abs(values).reshape(2, 3, 2, 5), ["one", "two"]),
    }
    return found | {name: style.render(figure)["png"] for name, figure in walked.items()}


@pytest.fixture
def as_it_was() -> Iterator[None]:
    with mpl.rc_context():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_settings_of_a_user_change_no_figure_and_stay(every: bool, as_it_was: None) -> None:
    mpl.rcdefaults()
    plain = drawn(every)
    assert len(plain) >= 2 * len(SOON) + 3
    sns.set_theme(context="poster", style="darkgrid", palette="husl", font_scale=3)
    mpl.rcParams.update(cast("Any", OWN))
    before = dict(mpl.rcParams)
    changed = {name for name, data in drawn(every).items() if data != plain[name]}
    assert changed == set()
    assert dict(mpl.rcParams) == before


def report(folder: Path, **environment: str) -> dict[str, bytes]:
    """What `report` writes, run in `folder`; it must say nothing beside its answer."""
    answer = cli.run("report", "tiny", cwd=folder, **environment)
    assert answer.code == 0, answer.err
    assert answer.err == ""
    return cli.files(folder / "results" / "tiny")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished study in its results, not reported yet."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "results").mkdir()
    storage = new_storage(folder / "results")
    run_all(designed(storage))
    storage.engine.dispose()
    return folder


@pytest.fixture(scope="module")
def plain(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return report(copied(stored, tmp_path_factory.mktemp("plain") / "run"))


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "text"),
    [("working folder", b"text.usetex: True\n"), ("variable", BROKEN), ("home", BROKEN)],
)
def test_a_matplotlibrc_does_not_reach_a_report(
    where: str, text: bytes, stored: Path, plain: dict[str, bytes], tmp_path: Path
) -> None:
    folder, home = copied(stored, tmp_path / "run"), tmp_path / "home" / "matplotlib"
    (home / "stylelib").mkdir(parents=True)
    (home / "stylelib" / "mine.mplstyle").write_bytes(b"no_such_key: 1\n")
    environment = {"XDG_CONFIG_HOME": str(home.parent)}
    if where == "variable":
        environment["MATPLOTLIBRC"] = str(tmp_path / "matplotlibrc")
    own = {"working folder": folder, "variable": tmp_path, "home": home}[where]
    (own / "matplotlibrc").write_bytes(text)
    assert report(folder, **environment) == plain
