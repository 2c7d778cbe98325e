"""The walk through the network as files: a page, a figure a stage, the numbers as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ablation.files import write_atomic
from ablation.report.data.csv_file import csv_text
from ablation.report.figures import style
from ablation.report.rendering.templating import environment
from ablation.report.rendering.text_table import TextTable
from ablation.report.sections.figure import Picture
from crnn.data.classes import CLASSES
from crnn.network.config import ModelConfig
from crnn.trace import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crnn.trace.forward import StageTrace, Trace

UNITS = 8  # of the LSTM whose outputs the page has as numbers; lstm.csv has all

TITLES = {
    "input": "The images",
    "sequence": "The map as a sequence",
    "lstm": "LSTM",
    "flatten": "Every step's output, flattened",
    "linear3": "Scores",
}


@dataclass(frozen=True)
class Walk:
    """A trace and its words.

    Attributes:
        trace: what went through the network.
        title: whose network it is.
        notes: what to know of it, sentences.
        images: by image, where it comes from, such as ``validation image 17``.
        command: what makes these files anew.
    """

    trace: Trace
    title: str
    notes: list[str]
    images: list[str]
    command: str

    @property
    def names(self) -> list[str]:
        """The images with their true classes."""
        labels = self.trace.labels
        return [f"{name}: {CLASSES[k]}" for name, k in zip(self.images, labels, strict=True)]


def write_walk(walk: Walk, folder: Path) -> Path:
    """Write the page, the figures and the numbers; the page's path.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for place, (name, figure) in enumerate(_figures(walk)):
        drawn = style.render(figure)
        file = f"{place}_{name}"
        for suffix, data in drawn.items():
            write_atomic(folder / f"{file}.{suffix}", data)
        title = TITLES.get(name, f"{name.rstrip('0123456789').capitalize()} {name[-1]}")
        caption = _caption(walk, name)
        picture = Picture(file, name, title, caption, style.PAGE, drawn["svg"], drawn["png"])
        pictures.append(picture)
    write_atomic(folder / "scores.csv", csv_text(scores_frame(walk)))
    if any(stage.name == "lstm" for stage in walk.trace.stages):
        write_atomic(folder / "lstm.csv", csv_text(lstm_frame(walk)))
    tables = {"stages": stages_table(walk.trace), "lstm": lstm_tables(walk)}
    tables |= {"scores": scores_tables(walk), "verdicts": verdicts(walk)}
    template = environment("html", "crnn.trace").get_template("trace.html.j2")
    page = template.render({"walk": walk, "pictures": pictures, **tables})
    return write_atomic(folder / "trace.html", page)


def notes_on(model: ModelConfig) -> list[str]:
    """What the write-up's own walk has to do with this network, where it has."""
    left_out = "Its step functions also leave out the ReLUs between the linear layers."
    if model.effective() == ModelConfig(conv_layers=2).effective():
        return [
            "This reproduces the write-up's stage-by-stage walk: the same shapes at every stage, "
            "and its 9 LSTM steps. Its baseline has a third block and 18 steps; the walk skips "
            f"that block, or was made with two. {left_out}"
        ]
    if model.effective() == ModelConfig().effective():
        return [
            "The write-up's own walk through this network shows 9 LSTM steps. The network as it "
            "is described has 18, as here: the walk leaves out block 3, or was made with two. An "
            f"arm with conv_layers=2 has the walk's shapes. {left_out}"
        ]
    return []


def stages_table(trace: Trace) -> TextTable:
    """Every operation with the shapes before and after it."""
    rows = [
        [
            stage.name if place == 0 else "",
            *(operation.what, _shape(operation.before), _shape(operation.after)),
            f"{operation.parameters:,}" if operation.parameters else "",
        ]
        for stage in trace.stages
        for place, operation in enumerate(stage.operations)
    ]
    total = sum(stage.parameters for stage in trace.stages)
    rows.append(["in all", "", "", "", f"{total:,}"])
    return TextTable(["stage", "operation", "before", "after", "parameters"], rows, words=2)


def scores_tables(walk: Walk) -> list[tuple[str, TextTable]]:
    """By image, the ten final values and the probabilities that they come to."""
    tables = []
    for line, scores in zip(verdicts(walk), walk.trace.scores, strict=True):
        shares = np.exp(scores - scores.max())
        shares = 100 * shares / shares.sum()
        rows = zip(CLASSES, scores, shares, strict=True)
        cells = [[name, _number(score), f"{share:.1f} %"] for name, score, share in rows]
        titles = ["class", "score", "softmax"]
        tables.append((line, TextTable(titles, cells, 1, {int(scores.argmax())})))
    return tables


def verdicts(walk: Walk) -> list[str]:
    """Prediction and true label of each image, a line each."""
    trace = walk.trace
    rows = zip(walk.images, trace.predictions, trace.labels, strict=True)
    return [
        f"{image}: predicted {CLASSES[guess]}, is {CLASSES[true]} "
        f"({'right' if guess == true else 'wrong'})"
        for image, guess, true in rows
    ]


def lstm_tables(walk: Walk) -> list[tuple[str, TextTable]]:
    """By image, the first units' outputs at each step; none without an LSTM."""
    output = next((stage.output for stage in walk.trace.stages if stage.name == "lstm"), None)
    if output is None:
        return []
    titles = ["step", *(f"unit {unit + 1}" for unit in range(min(UNITS, output.shape[2])))]
    return [
        (name, TextTable(titles, [
            [str(step + 1), *(_number(x) for x in row[:UNITS])] for step, row in enumerate(values)
        ]))
        for name, values in zip(walk.names, output, strict=True)
    ]  # fmt: skip


def scores_frame(walk: Walk) -> pd.DataFrame:
    """Columns ``image``, ``class``, ``score``."""
    rows = [
        (image, name, float(score))
        for image, scores in zip(walk.images, walk.trace.scores, strict=True)
        for name, score in zip(CLASSES, scores, strict=True)
    ]
    return pd.DataFrame(rows, columns=["image", "class", "score"])


def lstm_frame(walk: Walk) -> pd.DataFrame:
    """Columns ``image``, ``step`` and ``unit`` (from 1), ``value``."""
    output = next(stage.output for stage in walk.trace.stages if stage.name == "lstm")
    places = np.indices(output.shape).reshape(3, -1)
    images = [walk.images[k] for k in places[0]]
    columns = {"image": images, "step": places[1] + 1, "unit": places[2] + 1}
    return pd.DataFrame({**columns, "value": output.ravel().astype(float)})


def _figures(walk: Walk) -> Iterator[tuple[str, Figure]]:
    trace, names = walk.trace, walk.names
    yield "input", figures.draw_images(trace.images, names)
    for stage in trace.stages:
        if stage.name == "linear3":
            yield stage.name, figures.draw_scores(stage.output, CLASSES, trace.labels.tolist())
        elif stage.name in ("sequence", "lstm"):
            across = "unit" if stage.name == "lstm" else "feature"
            yield stage.name, figures.draw_steps(stage.output, names, across)
        else:
            draw = figures.draw_maps if stage.output.ndim == 4 else figures.draw_vectors
            yield stage.name, draw(stage.output, names)


def _caption(walk: Walk, name: str) -> str:
    if name == "input":
        return (
            f"{', '.join(walk.names)}. 28 x 28 pixels, one channel, 0 to 255; the network gets "
            "them divided by 255."
        )
    stage: StageTrace = next(stage for stage in walk.trace.stages if stage.name == name)
    words = "; ".join(operation.what for operation in stage.operations)
    words = words[0].upper() + words[1:]
    seen = f" {'; '.join(verdicts(walk))}." if name == "linear3" else ""
    return f"{words}. {_shape(stage.before)} becomes {_shape(stage.after)}.{seen}"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _number(value: float) -> str:
    return f"{value:.4f}".replace("-", "−")
