"""Summaries -> figures. What is drawn is computed first (curve_points, error_points); the drawing is thin.

One style for all: a colour and a marker a variant, the same in every figure of a study; colour-blind safe, and the
markers and dashes keep it readable in grey.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from ablate.report.growth import GrowthPoint, growth_exponents, net_axes
from ablate.report.summary import Summary
from ablate.report.tables import quantity
from ablate.study.study import Variant

INK, PALE = "#222222", "#d9d9d9"
MARKERS = "osD^vPX*<>hp"
STYLE: dict[str, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ebebeb",
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "svg.hashsalt": "ablate",
}


def curve_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """Columns variant, epoch, train_loss (nats), test_error (percent): medians over the recorded seeds.

    A diverged seed counts as infinite from the epoch in which it diverged, as it does in the table's median.
    """
    rows = []
    for index, summary in enumerate(summaries):
        for record in summary.records:
            epochs = record.epochs()
            kept = epochs[:-1] if record.diverged else epochs
            rows += [(index, row["epoch"], row["train_loss"], row["test_error"]) for row in kept]
            lost = range(len(kept) + 1, summary.variant.recipe.epochs + 1)
            rows += [(index, epoch, math.inf, math.inf) for epoch in lost]
    frame = pd.DataFrame(rows, columns=["variant", "epoch", "train_loss", "test_error"])
    frame = frame.astype({"train_loss": float, "test_error": float})
    return frame.groupby(["variant", "epoch"], as_index=False).median()


def error_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """Columns variant, parameters, seed, test_error (percent), a row a seed that did not diverge."""
    rows = [
        (index, summary.variant.counts.parameters, run.trial.seed, run.record.test_error)
        for index, summary in enumerate(summaries)
        for run in summary.runs
        if run.record and run.record.test_error is not None
    ]
    return pd.DataFrame(rows, columns=["variant", "parameters", "seed", "test_error"])


# What every drawing function is wrapped in, so that importing this module changes nothing for others.
styled = matplotlib.rc_context(STYLE)  # type: ignore[arg-type]


@styled
def draw_curves(summaries: Sequence[Summary], title: str, caption: str) -> Figure:
    """Test error solid on the right axis, training loss dashed on the left one, as WRN's figure 2."""
    points = curve_points(summaries)
    figure, loss_axis = _canvas(title, caption, height=4.0)
    error_axis = loss_axis.twinx()
    drawn = []
    for index, summary in enumerate(summaries):
        curve = points[points.variant == index]
        if curve.empty:
            continue
        colour, marker = _look(index, len(summaries))
        every = max(1, len(curve) // 8)
        mark = {"color": colour, "marker": marker, "markevery": (index % every, every), "markersize": 3.5}
        curve = curve.replace(math.inf, math.nan)  # drawn as a gap
        loss_axis.plot(curve.epoch, curve.train_loss, linestyle=(0, (4, 2)), linewidth=1.0, color=colour, alpha=0.8)
        error_axis.plot(curve.epoch, curve.test_error, **mark)
        drawn.append(Line2D([], [], label=summary.label, color=colour, marker=marker, markersize=4))
    loss_axis.set(xlabel="epoch", ylabel="training loss, nats (dashed)")
    error_axis.set_ylabel("test error, % (solid)")
    loss_axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    loss_axis.grid(False, axis="y")
    loss_axis.margins(x=0.02)
    if len(points):
        # The first tenth of the training would press the rest flat, so it may leave the frame.
        shown = points[points.epoch > points.epoch.max() / 10]
        loss_axis.set_ylim(*_limits(shown.train_loss))
        error_axis.set_ylim(*_limits(shown.test_error))
    for axis in (loss_axis, error_axis):
        sns.despine(ax=axis, right=False)
    _legend(figure, drawn)
    return figure


@styled
def draw_errors(summaries: Sequence[Summary], title: str, caption: str, baseline: Summary | None = None) -> Figure:
    """A row a variant: every seed a point, the median a bar; the baseline's median runs through as a line."""
    points = error_points(summaries)
    names = [f"{summary.label}{_missing(summary)}" for summary in summaries]
    figure, axis = _canvas(title, caption, height=1.3 + 0.36 * len(summaries), width=5.2 + 0.075 * max(map(len, names)))
    if baseline and baseline.median is not None and np.isfinite(baseline.median):
        axis.axvline(baseline.median, color=INK, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    for index, summary in enumerate(summaries):
        colour, marker = _look(index, len(summaries))
        errors = np.sort(points[points.variant == index].test_error.to_numpy())
        axis.scatter(errors, index + _offsets(errors), s=22, color=colour, marker=marker, alpha=0.8, linewidth=0, zorder=3)
        if summary.median is not None and np.isfinite(summary.median):
            axis.plot([summary.median] * 2, [index - 0.34, index + 0.34], color=INK, linewidth=2.2, solid_capstyle="butt")
    axis.set_yticks(range(len(summaries)), names)
    axis.set_ylim(len(summaries) - 0.4, -0.6)
    axis.set_xlabel("test error, % (a point a seed, the bar their median)")
    axis.grid(False, axis="y")
    axis.tick_params(axis="y", length=0)
    sns.despine(ax=axis, left=True)
    return figure


@styled
def draw_parameters(summaries: Sequence[Summary], title: str, caption: str) -> Figure:
    """Test error against parameters: medians large, seeds small."""
    points = error_points(summaries)
    figure, axis = _canvas(title, caption, height=3.6)
    drawn = []
    for index, summary in enumerate(summaries):
        seeds = points[points.variant == index]
        colour, marker = _look(index, len(summaries))
        axis.scatter(seeds.parameters, seeds.test_error, s=12, color=colour, marker=marker, alpha=0.4, linewidth=0)
        if summary.median is not None and np.isfinite(summary.median):
            axis.scatter(
                [summary.variant.counts.parameters], [summary.median], s=64, color=colour, marker=marker,
                edgecolor="white", linewidth=0.8, zorder=3,
            )  # fmt: skip
            drawn.append(Line2D([], [], label=summary.label, color=colour, marker=marker, linestyle="", markersize=6))
    spread = points.parameters.max() / max(1, points.parameters.min()) if len(points) else 1
    if spread > 5:
        axis.set_xscale("log")
    axis.xaxis.set_major_formatter(EngFormatter(sep=" "))
    if spread <= 5:
        axis.xaxis.set_major_locator(MaxNLocator(6))
    axis.set(xlabel="parameters", ylabel="test error, %")
    axis.margins(x=0.08, y=0.1)
    sns.despine(ax=axis)
    _legend(figure, drawn)
    return figure


@styled
def draw_growth(points: Sequence[GrowthPoint], base: Variant, title: str, caption: str) -> Figure:
    """Parameters and multiply-adds against each axis, all relative to the base, with the fitted exponents."""
    figure = Figure(figsize=(8.0, 3.9))
    figure.set_layout_engine("constrained", wspace=0.08)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    _entitle(panels[0], title, caption)
    of_base, exponents = net_axes(base), growth_exponents(points)
    axes = list(dict.fromkeys(point.axis for point in points))
    for axis, measure in zip(panels, ("parameters", "multiply_adds")):
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        drawn = []
        for index, name in enumerate(axes):
            xs = [point.value / of_base[name] for point in points if point.axis == name]
            ys = [getattr(point, measure) / getattr(base.counts, measure) for point in points if point.axis == name]
            fitted = next(e.fitted for e in exponents if (e.axis, e.measure) == (name, measure))
            colour, marker = _look(index, len(axes))
            size = max(3, 7 - 1.5 * index)  # lines that coincide stay apart
            drawn += axis.plot(xs, ys, color=colour, marker=marker, markersize=size, label=f"{name}: {fitted:.2f}")
        ratios = [point.value / of_base[point.axis] for point in points]
        ends = np.array([min(ratios) / 1.2, max(ratios) * 1.2])
        for power, word, beside in ((1, "linear", (0, 12)), (2, "quadratic", (9, -3))):
            axis.plot(ends, ends**power, color="#b0b0b0", linewidth=0.7, zorder=1)
            where = (ends[0], ends[0] ** power)
            axis.annotate(word, where, beside, textcoords="offset points", fontsize=7, color="#808080")
        for each in (axis.xaxis, axis.yaxis):
            each.set_major_formatter(FuncFormatter(lambda value, _: f"{Fraction(value).limit_denominator(4096)}"))
        count = getattr(base.counts, measure)
        xlabel = f"{', '.join(axes)}, relative to {base.net}"
        axis.set(xlabel=xlabel, ylabel=f"{measure.replace('_', '-')}, relative to {quantity(count)}")
        axis.legend(handles=drawn, title="axis: exponent", loc="upper left", title_fontsize=8, alignment="left")
        sns.despine(ax=axis)
    return figure


@styled
def to_bytes(figure: Figure, kind: str) -> bytes:
    """The figure as "png" or "svg", the same bytes each time."""
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, metadata=metadata, bbox_inches="tight", pad_inches=0.1)
    return buffer.getvalue()


def _canvas(title: str, caption: str, height: float, width: float = 6.4) -> tuple[Figure, Axes]:
    """An empty figure with its title and what it was made from."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    _entitle(axis, title, caption)
    return figure, axis


def _entitle(axis: Axes, title: str, caption: str) -> None:
    """A title above the axes and, in small, what they were made from."""
    lines = textwrap.wrap(caption, 100)
    axis.set_title(title, color=INK, pad=6 + 10 * len(lines))
    about = axis.annotate(
        "\n".join(lines),
        (0, 1),
        (0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=7.5,
        color="#666666",
    )
    about.set_in_layout(False)  # a long line must not squeeze the axes


def _look(index: int, total: int) -> tuple[Any, str]:
    """The colour and marker of a variant."""
    palette = sns.color_palette("colorblind" if total <= 10 else "husl", max(total, 1))
    return palette[index], MARKERS[index % len(MARKERS)]


def _legend(figure: Figure, handles: list[Line2D]) -> None:
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(3, len(handles)), fontsize=8, frameon=False)


def _offsets(errors: Any) -> Any:
    """Vertical shifts that keep equal errors apart: 0, +1, -1, +2, ... steps within each run of equal values."""
    shifts, run = np.zeros(len(errors)), 0
    for i in range(1, len(errors)):
        run = run + 1 if errors[i] - errors[i - 1] < 1e-9 else 0
        shifts[i] = 0.11 * ((run + 1) // 2) * (1 if run % 2 else -1)
    return shifts


def _limits(values: pd.Series) -> tuple[float, float]:
    """The range of an axis for some values: from zero, unless they all lie far from it."""
    values = values[np.isfinite(values)]
    if values.empty:
        return 0.0, 1.0
    low, high = values.min(), values.max()
    margin = 0.08 * (high - low) or 1.0
    return (0.0 if low < high / 3 else low - margin), high + margin


def _missing(summary: Summary) -> str:
    gaps = [] if summary.n == summary.planned else [f"{summary.n}/{summary.planned}"]
    gaps += [f"{len(summary.diverged)} diverged"] if summary.diverged else []
    return f" ({', '.join(gaps)})" if gaps else ""
