"""The walk through the network as files: its page, its figures, its numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crnn.data.classes import CLASSES
from crnn.data.fashion_mnist import FashionMNIST
from crnn.network.config import ModelConfig
from crnn.network.model import CRNN
from crnn.trace.forward import trace, two_images
from crnn.trace.page import (
    Walk,
    _figures,
    notes_on,
    scores_tables,
    stages_table,
    verdicts,
    write_walk,
)
from tests.helpers.browser import assert_accessible, chromium, watch
from tests.helpers.figures import faults
from tests.helpers.made.networks import small

pytestmark = pytest.mark.usefixtures("one_thread")

NASTY = "<script>alert(1)</script>"


def walk(sample: FashionMNIST, model: ModelConfig | None = None, **changes: Any) -> Walk:
    places = two_images(sample, small(), 0)
    found = trace(
        CRNN(model or small(**changes).model), sample.train_images[places],
        sample.train_labels[places],
    )  # fmt: skip
    return Walk(found, "study, arm", ["A note."], ["image 1", "image 2"], "python study.py trace")


@pytest.fixture(scope="module")
def walked(sample: FashionMNIST, one_thread: None) -> Walk:
    return walk(sample)


@pytest.fixture(scope="module")
def written(walked: Walk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of that walk, its other files beside it; not to be changed."""
    return write_walk(walked, tmp_path_factory.mktemp("walk") / "trace")


def test_the_files(written: Path) -> None:
    names = ["input", "block1", "block2", "block3", "sequence", "lstm", "flatten"]
    names += ["linear1", "linear2", "linear3"]
    expected = {f"{k}_{name}.{kind}" for k, name in enumerate(names) for kind in ("png", "svg")}
    expected |= {"trace.html", "lstm.csv", "scores.csv"}
    assert {path.name for path in written.parent.iterdir()} == expected


def test_the_numbers_are_written_out_in_full(walked: Walk, written: Path) -> None:
    folder = written.parent
    lstm = next(stage.output for stage in walked.trace.stages if stage.name == "lstm")
    rows = pd.read_csv(folder / "lstm.csv").set_index(["image", "step", "unit"])["value"]
    assert len(rows) == lstm.size
    assert rows["image 2", 3, 5] == lstm[1, 2, 4]
    scores = pd.read_csv(folder / "scores.csv").set_index(["image", "class"])["score"]
    assert scores["image 1"].tolist() == walked.trace.scores[0].tolist()
    assert list(scores["image 1"].index) == list(CLASSES)


@pytest.mark.slow
def test_built_twice_it_is_the_same_byte_for_byte(
    written: Path, sample: FashionMNIST, tmp_path: Path
) -> None:
    write_walk(walk(sample), tmp_path)
    for path in written.parent.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_the_page_shows_shapes_numbers_and_prediction(written: Path) -> None:
    page = written.read_text()
    assert "2 x 1 x 28 x 28" in page
    assert page.count("data:image/") == 10
    assert '<th scope="row"></th>' not in page  # says nothing to a screen reader
    assert "unit 8" in page
    assert "A note." in page
    assert not re.search("https?:", page.replace("http://www.w3.org", ""))


def test_the_page_tells_prediction_and_truth_also_without_its_figures(
    walked: Walk, written: Path
) -> None:
    page = written.read_text()
    for line in verdicts(walked):
        assert page.count(f"<li>{line}</li>") == 1
        assert page.count(f"<h3>{line}</h3>") == 1
        assert re.search(f'alt="Scores[^"]*{re.escape(line)}', page)


def test_what_has_an_order_is_not_to_be_sorted(written: Path) -> None:
    page = written.read_text()
    assert "<script" not in page
    assert "script-src 'none'" in page


@pytest.mark.slow
def test_what_users_type_is_text_in_the_page(sample: FashionMNIST, tmp_path: Path) -> None:
    found = walk(sample, lstm_layers=0, conv_layers=1)  # the fewest figures
    hostile = Walk(found.trace, NASTY, [NASTY], [NASTY, "b"], NASTY)
    assert "<script" not in write_walk(hostile, tmp_path).read_text()


@pytest.mark.slow
def test_without_an_lstm_there_is_none(sample: FashionMNIST, tmp_path: Path) -> None:
    write_walk(walk(sample, lstm_layers=0), tmp_path)
    assert not (tmp_path / "lstm.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("model", [ModelConfig(), ModelConfig(conv_layers=2, pooling_count=0)])
def test_no_text_lies_on_another_or_beyond_the_edge(
    model: ModelConfig, sample: FashionMNIST
) -> None:
    drawn = dict(_figures(walk(sample, model)))
    assert {name: found for name, figure in drawn.items() if (found := faults(figure))} == {}


def test_tables(walked: Walk) -> None:
    rows = stages_table(walked.trace).rows
    assert rows[0][2:] == ["2 x 1 x 28 x 28", "2 x 4 x 14 x 14", "40"]
    assert rows[-1][-1] == f"{sum(stage.parameters for stage in walked.trace.stages):,}"
    for (_, table), scores in zip(scores_tables(walked), walked.trace.scores, strict=True):
        shares = [float(row[2].removesuffix(" %")) for row in table.rows]
        assert shares == pytest.approx(list(100 * np.exp(scores) / np.exp(scores).sum()), abs=0.051)
        assert table.strong == {int(scores.argmax())}
    right = walked.trace.predictions == walked.trace.labels
    assert ["(right)" in line for line in verdicts(walked)] == list(right)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conv_layers": 2}, "reproduces the write-up's stage-by-stage walk"),
        ({"conv_layers": 2, "filter_sizes": (3, 3, 9)}, "and its 9 LSTM steps"),  # no such block
        ({}, "shows 9 LSTM steps. The network as it is described has 18"),
        ({"hidden_size": 256}, ""),
        ({"conv_layers": 2, "dropout": 0.1}, ""),
    ],
)
def test_the_write_ups_own_walk_is_named_where_this_is_it(
    changes: dict[str, Any], words: str
) -> None:
    notes = notes_on(ModelConfig(**changes))
    assert (words in notes[0]) if words else not notes


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(width: int, scheme: Any, written: Path) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked, troubles = watch(page)
        page.goto(written.as_uri())
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert not troubles
