"""Graphs for a study's page in optuna-dashboard: DataFrame -> plotly; they compute no statistics.

Fractions are percent or points on the axes. Plotly reads a few tags in text, so whatever a user can
name is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ablation.objective.metric import Metric
from ablation.report.figures.style import BLACK, BLUE, GREY, ORANGE, PALE, PLUM, VERDICT_COLORS
from ablation.report.rendering.formatting import records

LONGEST = 42  # characters of a name
SYMBOLS = ("triangle-up", "triangle-down", "square", "circle", "x")
LOOKS: dict[str, dict[str, Any]] = {
    kind: {"color": color, "symbol": symbol}
    for (kind, color), symbol in zip(VERDICT_COLORS.items(), SYMBOLS, strict=True)
}
"""By verdict, as in the report's figure of effects."""
COLORS = (BLUE, ORANGE, PLUM, "#009e73", "#56b4e9", "#d55e00", "#cc79a7", GREY)
LAYOUT: dict[str, Any] = {
    "template": "none",
    "paper_bgcolor": "white",  # also where the page is dark, as the report's figures are
    "plot_bgcolor": "white",
    "font": {"color": BLACK, "size": 12},
    "margin": {"l": 60, "r": 20, "t": 60, "b": 50},
    "hovermode": "closest",
}
AXIS: dict[str, Any] = {"automargin": True, "zeroline": False, "gridcolor": "#e6e6e6"}


def forest(
    effects: pd.DataFrame, margin: float, metric: Metric, *, settled: bool, cut: str = ""
) -> go.Figure:
    """Effects, once settled with their 95 % intervals; no difference at 0, the margin a grey band.

    Args:
        effects: the rows to show of ``ablation.report.effects.effects.effects``, without the
            baseline.
        margin: within which differences are too small to matter.
        metric: what the effects are on.
        settled: show intervals and verdicts; else, for as long as trials lack, means alone:
            whoever watches would otherwise test after each trial.
        cut: how many of the arms are shown, where not all are.
    """
    effects = effects.assign(place=range(len(effects)))
    kinds = LOOKS if settled else {"so far": {"color": GREY, "symbol": "circle"}}
    said = effects["verdict"] if settled else pd.Series("so far", effects.index)
    present = [kind for kind in kinds if (said == kind).any()]
    marks = [_arms(effects[said == kind], kind, kinds[kind], metric, settled) for kind in present]
    figure = go.Figure(marks)
    band = metric.scale * margin
    unit = f", {metric.difference_unit}" if metric.difference_unit else ""
    about = "Effects" if settled else "Effects so far: no intervals before the last trial"
    repeated = "repeated " if "repeated_low" in effects else ""
    interval = f" ({repeated}95 % interval)" if settled else ""
    figure.update_layout(
        **LAYOUT,
        title=f"{about}<br><sub>{cut.partition(':')[0]}</sub>" if cut else about,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"},
        showlegend=settled,
        xaxis={**AXIS, "title": f"effect{unit}{interval}"},
        yaxis={
            **AXIS,
            "tickvals": list(effects["place"]),
            "ticktext": [shown(arm) for arm in effects["arm"]],
            "range": [len(effects) - 0.5, -0.5],
            "tickfont": {"size": 12 if len(effects) <= 15 else 9},
        },
        shapes=[_band(-band, band, PALE), _band(0, 0, BLACK)],
    )
    return figure


def _arms(
    rows: pd.DataFrame, name: str, look: dict[str, Any], metric: Metric, settled: bool
) -> go.Scatter:
    """Arms of one look: a mark at the mean, once settled a bar along the interval."""
    delta, scale = metric.scale * rows["delta"], metric.scale
    written = "%{x:+.2f} points" if metric.in_percent else f"%{{x:+.3g}} {metric.unit}".strip()
    bars = {
        "type": "data",
        "symmetric": False,
        "array": _numbers(scale * rows["ci_high"] - delta),
        "arrayminus": _numbers(delta - scale * rows["ci_low"]),
        "color": look["color"],
    }
    return go.Scatter(
        name=name or "not tested",
        mode="markers",
        x=_numbers(delta),
        y=list(rows["place"]),
        text=[
            f"{shown(row['arm'], 200)}<br>n = {_count(row)}{_why(row, settled)}"
            for row in records(rows)
        ],
        hovertemplate=f"%{{text}}<br>{written}<extra></extra>",
        marker={**look, "size": 10},
        error_x=bars if settled else None,
    )


def _count(row: Mapping[str, Any]) -> str:
    """How many pairs an effect rests on; of unpaired runs those of both sides."""
    if pd.isna(row["pairs"]) and "n_against" in row:
        return f"{row['n']} against {row['n_against']}"
    return str(row["pairs"])


def _why(row: Mapping[str, Any], settled: bool) -> str:
    """The reason of a verdict, on a line of its own."""
    return f"<br>{shown(row['reason'], 200)}" if settled and row["reason"] else ""


def _band(low: float, high: float, color: str) -> dict[str, Any]:
    """From the graph's top to its bottom, behind the marks; a line where the ends are equal."""
    line = {"color": color, "width": 1 if low == high else 0}
    ends = {"type": "rect", "x0": low, "x1": high, "yref": "paper", "y0": 0, "y1": 1}
    return {**ends, "line": line, "fillcolor": color, "opacity": 0.5, "layer": "below"}


def curves(
    means: pd.DataFrame, names: Mapping[str, str], metric: Metric, word: str = "epoch"
) -> go.Figure:
    """The metric by epoch, a line an arm, the first (the baseline) wide and black.

    Args:
        means: of ``ablation.report.effects.replicates.mean_curves``.
        names: by arm to show, the baseline and the best others, what it is called in the key.
        metric: what decides.
        word: what an epoch is called.
    """
    written = ".2%" if metric.is_fraction else ".4g"
    figure = go.Figure()
    for place, (arm, name) in enumerate(names.items()):
        rows = means[means["arm"] == arm]
        color, width = (BLACK, 4) if place == 0 else (COLORS[(place - 1) % len(COLORS)], 2)
        figure.add_scatter(
            name=shown(name),
            mode="lines+markers",
            x=list(rows["epoch"]),
            y=_numbers(rows["value"]),
            hovertemplate=f"{shown(arm, 200)}<br>{word} %{{x}}: %{{y:{written}}}<extra></extra>",
            line={"color": color, "width": width},
            marker={"size": 5},
        )
    figure.update_layout(
        **LAYOUT,
        title="Learning curves: means of the baseline and the best others",
        showlegend=True,
        legend={"font": {"size": 10}, "orientation": "h", "y": -0.2},
        xaxis={**AXIS, "title": word, "dtick": max(1, int(means["epoch"].max()) // 8)},
        yaxis={
            **AXIS,
            "title": metric.label,
            **({"tickformat": ".1%"} if metric.is_fraction else {}),
        },
    )
    return figure


def shown(name: str, longest: int = LONGEST) -> str:
    """A name as one line of plain text, its tags as they were typed."""
    line = " ".join(str(name).split())
    return html.escape(line if len(line) <= longest else line[:longest] + "…", quote=False)


def _numbers(values: pd.Series[float]) -> list[float | None]:
    """Six digits each, for they are stored as text; None, which plotly leaves out, else."""
    return [
        float(f"{value:.6g}") if abs(value) < float("inf") else None
        for value in values.astype(float).tolist()
    ]
