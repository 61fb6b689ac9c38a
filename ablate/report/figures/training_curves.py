"""Training curves of seeds with their median as values, and how figures draw them: lines, bands, axes, names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from scipy.optimize import isotonic_regression

from ablate.report.figures.colours import GREY, INK, MARKERS, Look
from ablate.report.figures.style import LEGEND
from ablate.study.decision import TEST_ERROR, Decision

# nats, percent, percent; "test_error" is the measure that the study decides by, whatever its name and unit
MEASURES = ("train_loss", "train_error", "test_error")
Curve = npt.NDArray[np.float64]  # shape (epochs, measures), from epoch 1 on; NaN where there is no value
CROSS: dict[str, Any] = {"marker": "x", "markersize": 5, "markeredgewidth": 1.4, "linestyle": ""}
LEADER: dict[str, Any] = {"arrowstyle": "-", "linewidth": 1.1, "shrinkA": 1, "shrinkB": 1, "relpos": (0, 0.5)}
BAND = 0.18  # opacity


class SeedCurves(NamedTuple):
    """The curves of the recorded seeds of a variant.

    The values of a diverged seed are infinite from the epoch in which it diverged, as in the median of the tables.

    Args:
        seeds: The recorded seeds.
        values: The curve of each seed, shape (epochs, measures).
    """

    seeds: tuple[int, ...]
    values: tuple[Curve, ...]

    def median(self) -> Curve:
        """The median over the seeds that have a value, shape (epochs, measures). There must be at least one seed."""
        longest = max(map(len, self.values))
        values = np.full((longest, len(MEASURES), len(self.values)), np.nan)
        for seed, of_seed in enumerate(self.values):
            values[: len(of_seed), :, seed] = of_seed
        values.sort()  # NaN is sorted to the end
        known = np.count_nonzero(~np.isnan(values), axis=-1, keepdims=True)
        low, high = (np.take_along_axis(values, np.maximum(place, 0), -1) for place in ((known - 1) // 2, known // 2))
        middle: Curve = (low + high)[..., 0] / 2
        return middle

    def band(self, measure: str) -> tuple[Curve, Curve]:
        """The lowest and the highest finite value of the seeds at each epoch; NaN where there is none.

        Args:
            measure: One of MEASURES.
        """
        values = np.full((len(self.values), max(map(len, self.values))), np.nan)
        for row, of_seed in zip(values, self.values):
            row[: len(of_seed)] = of_seed[:, MEASURES.index(measure)]
        values[np.isinf(values)] = np.nan
        known = ~np.isnan(values).all(axis=0)
        low, high = np.full((2, values.shape[1]), np.nan)
        low[known], high[known] = np.nanmin(values[:, known], axis=0), np.nanmax(values[:, known], axis=0)
        return low, high


class ImportedCurve(NamedTuple):
    """A curve from another source, such as an author's log, drawn in grey.

    Args:
        label: The name of the curve.
        rows: One for each epoch, with epoch (from 1), train_loss (nats) and test_error (percent); the last two may be None.
        panel: The title of the panel that shows the curve; empty for every panel.
    """

    label: str
    rows: Sequence[Mapping[str, Any]]
    panel: str = ""


@dataclass(frozen=True)
class CurvePanel:
    """The curves of some variants.

    Args:
        title: Of the panel; empty for the only panel.
        labels: Of the variants, all different.
        curves: Of the variants.
        drops: The epochs after which the learning rate of all of them drops.
    """

    title: str
    labels: Sequence[str]
    curves: Sequence[SeedCurves]
    drops: Sequence[int] = ()


@dataclass(frozen=True)
class StudyCurves:
    """The curves of a study.

    Args:
        panels: In order.
        names: The text of each variant by its label.
        imported: Curves from the authors' logs.
        decision: The measure that the study decides by.
        value: Writes a value of the measure.
    """

    panels: Sequence[CurvePanel]
    names: Mapping[str, str]
    imported: Sequence[ImportedCurve] = ()
    decision: Decision = TEST_ERROR
    value: Callable[[float], str] = "{:.2f}".format


class LineEnd(NamedTuple):
    """The end of a line with its name.

    Args:
        height: The last value, in data coordinates.
        text: The name, and the last value in words.
        colour: Of the line.
    """

    height: float
    text: str
    colour: str


def draw_measure(axis: Axes, curves: SeedCurves, of: Look, measure: str, dashes: Any = "-") -> None:
    """Draw a measure of one variant: the median over the seeds, a band from the lowest to the highest seed, and crosses.

    A cross is the last epoch of a seed before it diverged. Markers repeat the colour for grey print.

    Args:
        axis: The axes to draw on.
        curves: Of the variant.
        of: The look of the variant.
        measure: One of MEASURES.
        dashes: A line style of matplotlib; "-" for a solid line.
    """
    if not curves.seeds:
        return
    if len(curves.seeds) > 1:
        low, high = curves.band(measure)
        axis.fill_between(np.arange(1, len(low) + 1), low, high, color=of.colour, alpha=BAND, linewidth=0, zorder=2)
    epochs, heights = finite_epochs(curves.median(), measure)
    axis.plot(
        epochs, heights, linestyle=dashes, linewidth=1.3, color=of.colour, zorder=4, marker=of.marker, markersize=4,
        markeredgecolor="white", markeredgewidth=0.5, markevery=_marked(len(epochs), MARKERS.find(of.marker)),
    )  # fmt: skip
    for values in curves.values if measure == "test_error" else ():
        epochs, heights = finite_epochs(values, measure)
        if len(epochs) and has_diverged(values):
            axis.plot(epochs[-1:], heights[-1:], **CROSS, color=of.colour, zorder=5)


def _marked(points: int, number: int) -> list[int]:
    """The points of a line that have a marker: the last one, and about four others, at other epochs than other markers."""
    every = max(1, points // 5)
    return [*range((number * 5 % 12) * every // 12, points - every // 2, every), points - 1] if points else []


def finite_epochs(values: Curve, measure: str) -> tuple[Any, Any]:
    """The epochs with a finite value, and these values. A line through them continues over epochs without a value.

    Args:
        values: The curve of a seed, or a median.
        measure: One of MEASURES.
    """
    heights = values[:, MEASURES.index(measure)]
    (places,) = np.nonzero(np.isfinite(heights))
    return places + 1, heights[places]


def has_diverged(values: Curve) -> bool:
    """Whether the curve of a seed ends in a divergence."""
    return bool(np.isinf(values[:, MEASURES.index("test_error")]).any())


def has_values(curves: Sequence[SeedCurves], measure: str) -> bool:
    """Whether some seed has a finite value of a measure.

    Args:
        curves: Of the variants.
        measure: One of MEASURES.
    """
    return any(len(finite_epochs(values, measure)[0]) for each in curves for values in each.values)


def set_epoch_axis(axis: Axes, curves: Sequence[SeedCurves], drops: Sequence[int] = ()) -> None:
    """Set the range of the horizontal axis, from epoch 1 to the last epoch, and mark where the learning rate drops.

    Args:
        axis: The axes.
        curves: Of the variants.
        drops: The epochs after which the learning rate drops.
    """
    last = max(1, _last_epoch(curves))
    axis.set_xlim(1 - (0.02 * (last - 1) or 0.5), last + (0.02 * (last - 1) or 0.5))
    several = MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10], min_n_ticks=2)
    axis.xaxis.set_major_locator(several if last > 1 else FixedLocator([1]))
    axis.grid(False, axis="x")
    for epoch in drops:
        axis.axvline(epoch + 0.5, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=1)


def _last_epoch(curves: Sequence[SeedCurves]) -> int:
    """The last epoch of some curves; 0 if there are none."""
    return max((len(values) for each in curves for values in each.values), default=0)


def set_measure_axis(axis: Axes, curves: Sequence[SeedCurves], *measures: str) -> None:
    """Set the range of a vertical axis: from zero unless all values are far from it; of the loss, logarithmic.

    The first quarter of the epochs may lie outside the range (not of the loss), and so may single seeds in the first half
    and seeds that diverged, because they would compress the rest.

    Args:
        axis: The axes.
        curves: Of the variants.
        measures: Of MEASURES; those that the axis shows.
    """
    values = np.concatenate([_framed(curves, measure) for measure in measures])
    if not len(values):
        axis.set_ylim(0.0, 1.0)
        return
    low, high = float(values.min()), float(values.max())
    if measures == ("train_loss",) and low > 0:
        axis.set_yscale("log")
        beside = (high / low) ** 0.06 if high > low else 1.1
        axis.set_ylim(low / beside, high * beside)
        decades, near = high > 30 * low, high < 4 * low
        axis.yaxis.set_major_locator(
            LogLocator() if decades else MaxNLocator(3) if near else LogLocator(subs=(1.0, 2.0, 5.0))
        )
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_locator(NullLocator())
        return
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    axis.set_ylim(0.0 if 0 <= low < high / 3 else low - margin, high + margin)


def _framed(curves: Sequence[SeedCurves], measure: str) -> Any:
    """The values of a measure that an axis must show."""
    column, shown = MEASURES.index(measure), [np.array([])]
    steady = [SeedCurves(each.seeds, tuple(v for v in each.values if not np.isinf(v[:, column]).any())) for each in curves]
    frame = steady if any(each.values for each in steady) else curves
    last = _last_epoch(frame)
    for each in frame:
        if each.values:
            first = 0 if measure == "train_loss" else last // 4
            shown += [each.median()[first:, column], *(v[math.ceil(last / 2) - 1 :, column] for v in each.values)]
    values = np.concatenate(shown)
    return values[np.isfinite(values)]


def final_value(curves: SeedCurves) -> float | None:
    """The last value of the median over the seeds; infinite if half of them diverged, None without a value."""
    heights = curves.median()[:, MEASURES.index("test_error")] if curves.seeds else np.array([])
    known = heights[~np.isnan(heights)]
    return float(known[-1]) if len(known) else None


def write_line_ends(figure: Figure, ends: Sequence[tuple[Axes, Sequence[LineEnd]]]) -> None:
    """Write the names of lines at the right of their axes, in the order of their heights, without overlap.

    Args:
        figure: The figure of the axes.
        ends: The axes, whose ranges are set, and the ends of the lines of each.
    """
    notes = [
        axis.annotate(
            end.text, (1, min(max(end.height, min(axis.get_ylim())), max(axis.get_ylim()))), (12, 0),
            xycoords=("axes fraction", "data"), textcoords="offset points", va="center", fontsize=LEGEND, linespacing=1.1,
            annotation_clip=False, color=INK,
            arrowprops={**LEADER, "color": end.colour},
        )
        for axis, of_axis in ends
        for end in of_axis
    ]  # fmt: skip
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # computes the heights of the axes, with room for the names
    for axis, _ in ends:
        mine = sorted((note for note in notes if note.axes is axis), key=lambda note: note.xy[1])
        if not mine:
            continue
        frame, points = axis.get_window_extent(), 72 / figure.dpi
        heights = [float(axis.transData.transform((0, note.xy[1]))[1] - frame.y0) * points for note in mine]
        sizes = [LEGEND * 1.3 * (note.get_text().count("\n") + 1) for note in mine]
        starts = np.cumsum([0.0, *((one + next_one) / 2 for one, next_one in pairwise(sizes))])
        free = isotonic_regression(np.array(heights) - starts).x  # the least shifts that keep the names apart
        most = frame.height * points - float(starts[-1])
        for note, height, place in zip(mine, heights, np.clip(free, min(0.0, most), max(0.0, most)) + starts):
            note.set_position((12, float(place) - height))


def cross_handles(curves: Sequence[SeedCurves]) -> list[Line2D]:
    """The legend entry of the crosses; none if no cross is drawn. A seed that diverged in epoch 1 has no cross."""
    diverged = [values for each in curves for values in each.values if has_diverged(values)]
    label = "a seed's last epoch before it diverged"
    return (
        [Line2D([], [], label=label, color=INK, **CROSS)]
        if any(len(finite_epochs(values, "test_error")[0]) for values in diverged)
        else []
    )
