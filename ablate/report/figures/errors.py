"""Test error by variant, the best at the top: seeds in grey, medians with their numbers, published values as diamonds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ablate.report.figures.axes import ERRORS, log_ticks, on_log_axis
from ablate.report.figures.colours import ACCENT, GREY, INK, PALE, SHADE
from ablate.report.figures.style import SMALL, TEXT, canvas_width, open_canvas, set_row_axis, styled, wrap_labels, wrap_text
from ablate.study.decision import TEST_ERROR, Decision

Options = dict[str, Any]  # of a line of matplotlib
MEDIAN: Options = {
    "marker": "o", "markersize": 6.5, "markeredgecolor": "white", "markeredgewidth": 0.8, "linestyle": "",
}  # fmt: skip
BASELINE: Options = {**MEDIAN, "marker": "s", "markersize": 6}
SEED: Options = {"marker": "o", "markersize": 3.6, "markerfacecolor": "none", "markeredgecolor": PALE, "linestyle": ""}
DIAMOND: Options = {"marker": "D", "markersize": 5, "markerfacecolor": "white", "markeredgecolor": INK, "linestyle": ""}


@dataclass(frozen=True, kw_only=True)
class VariantErrors:
    """A variant on one data set.

    Args:
        label: Its name, different from that of every other variant in the panel.
        parameters: The number of parameters of the network.
        errors: The values of the seeds that did not diverge, such as test errors in percent, in the order of the seeds.
        median: Of all seeds; infinite if half or more of them diverged, None without any seed.
        on_front: Whether no other variant of the panel dominates it in parameters and median.
        baseline: Whether other variants are compared with it.
        like_best: Whether the seeds cannot tell it from the best of the panel.
        published: The published value, where its protocol is ours; else None.
    """

    label: str
    parameters: int = 0
    errors: Sequence[float]
    median: float | None
    on_front: bool = False
    baseline: bool = False
    like_best: bool = False
    published: float | None = None


@dataclass(frozen=True)
class ErrorPanel:
    """The variants of one data set.

    Args:
        title: Of the panel; empty for the only panel.
        variants: In order.
    """

    title: str
    variants: Sequence[VariantErrors]

    @property
    def errors(self) -> list[float]:
        """The finite values of all variants."""
        return [error for variant in self.variants for error in variant.errors]

    @property
    def drawn(self) -> list[float]:
        """The finite values of all variants, and the published ones."""
        return self.errors + [variant.published for variant in self.variants if variant.published is not None]


@dataclass(frozen=True)
class StudyErrors:
    """The errors of a study.

    Args:
        panels: One for each data set.
        names: The text of each variant by its label, in the order of the rows.
        decision: The measure.
        unit: What one value belongs to: "seed" or "training".
        value: Writes a value of the measure.
        gaps: The rows before which others are left out.
    """

    panels: Sequence[ErrorPanel]
    names: Mapping[str, str]
    decision: Decision = TEST_ERROR
    unit: str = "seed"
    value: Callable[[float], str] = "{:.2f}".format
    gaps: Sequence[int] = ()

    def set_empty(self, set_limits: Callable[[float, float], Any]) -> None:
        """Set the range of an axis without values."""
        set_limits(0, 100 if self.decision.unit == "%" else 1)


def swarm(values: Sequence[float], apart: float, step: float, most: float) -> list[float]:
    """A shift for each value, so that points close to each other do not overlap: 0, step, -step, ...

    Args:
        values: Positions along the axis.
        apart: Two values closer than this are close to each other.
        step: The distance between two shifts.
        most: The largest shift. If all shifts are taken, several values share one.
    """
    places = [0.0]
    for n in range(1, int(most / step + 1e-9) + 1):
        places += [n * step, -n * step]
    placed: list[tuple[float, float]] = []
    shifts = [0.0] * len(values)
    for i in sorted(range(len(values)), key=lambda i: values[i]):
        near = [shift for value, shift in placed if abs(value - values[i]) < apart]
        shifts[i] = min(places, key=near.count)  # the first of those that are used least
        placed.append((values[i], shifts[i]))
    return shifts


@styled
def draw_errors(errors: StudyErrors, *texts: str) -> Figure:
    """A row for each variant, a panel for each data set; the medians stand in numbers at the right.

    Variants that the seeds cannot tell from the best have a shaded row. The median of a panel's only baseline is a line
    across the rows.
    """
    panels = errors.panels
    names, longest = wrap_labels(errors.names.values())
    width = canvas_width(longest + 0.9 + (4.2 if len(panels) == 1 else 2.9 * len(panels)))
    columns = len(panels) if (width - longest) / len(panels) > 1.4 else 1
    figure, axes = open_canvas(
        *texts, width=width, legend=_legend(errors), rows=len(panels) // columns, columns=columns,
        sharey=True, body=len(panels) // columns * (0.65 + sum(0.13 + 0.13 * (name.count("\n") + 1) for name in names)),
    )  # fmt: skip
    rows = {label: row for row, label in enumerate(errors.names)}
    baselines = {variant.label for panel in panels for variant in panel.variants if variant.baseline}
    for panel, axis in zip(panels, axes):
        log = on_log_axis(panel.drawn, ERRORS)
        if log:
            axis.set_xscale("log")
        spread = np.log(panel.errors) if log else np.array(panel.errors)
        apart = max(0.018 * (spread.max() - spread.min()) if len(spread) else 0.0, 1e-9)
        for variant in panel.variants:
            mine = np.log(variant.errors) if log else np.array(variant.errors)
            heights = rows[variant.label] + np.array(swarm(mine.tolist(), apart, 0.14, 0.28))
            axis.plot(variant.errors, heights, **SEED, zorder=3)
            _draw_median(axis, variant, rows[variant.label], errors)
        of_panel = [variant.median for variant in panel.variants if variant.baseline]
        if len(of_panel) == 1 and of_panel[0] is not None and math.isfinite(of_panel[0]):
            axis.axvline(of_panel[0], color=ACCENT, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        for row in errors.gaps:
            axis.axhline(row - 0.5, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=2)
        axis.margins(x=0.06)
        if not panel.drawn:
            errors.set_empty(axis.set_xlim)
        if log:
            log_ticks(axis.xaxis)
        words = f"{errors.decision.axis}{', log scale' if log else ''}"
        axis.set_xlabel("\n".join(wrap_text(words, 2.4, TEXT)))
        axis.set_title(panel.title)
        axis.annotate(
            "median", (1, 1), (6, 2), xycoords="axes fraction", textcoords="offset points", va="bottom", fontsize=SMALL,
            color=GREY,
        )  # fmt: skip
        set_row_axis(axis, names)
        axis.spines["left"].set_visible(False)
    for axis in axes[::columns]:
        for label, text in zip(errors.names, axis.get_yticklabels()):
            if label in baselines:
                text.set(color=ACCENT, fontweight="bold")
    return figure


def _draw_median(axis: Axes, variant: VariantErrors, row: int, errors: StudyErrors) -> None:
    """Draw the shade, the median with its number, and the published value of a row."""
    if variant.like_best:
        axis.axhspan(row - 0.5, row + 0.5, color=SHADE, linewidth=0, zorder=0)
    colour = ACCENT if variant.baseline else INK
    if variant.median is not None:
        known = math.isfinite(variant.median)
        axis.annotate(
            errors.value(variant.median) if known else "diverged", (1, row), (6, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center_baseline", fontsize=TEXT, color=colour,
            fontweight="bold" if variant.like_best else "normal",
        )  # fmt: skip
        if known:
            axis.plot(variant.median, row, color=colour, zorder=4, **(BASELINE if variant.baseline else MEDIAN))
    if variant.published is not None:
        axis.plot(variant.published, row, zorder=5, **DIAMOND)


def _legend(errors: StudyErrors) -> list[Artist]:
    """The entries of the legend; only for what is drawn."""
    variants = [variant for panel in errors.panels for variant in panel.variants]
    entries: list[tuple[bool, Artist]] = [
        (True, Line2D([], [], label=errors.unit, **SEED)),
        (True, Line2D([], [], label="median", color=INK, **MEDIAN)),
        (any(variant.baseline for variant in variants), Line2D([], [], label="baseline", color=ACCENT, **BASELINE)),
        (any(variant.like_best for variant in variants), Patch(color=SHADE, label="indistinguishable from the best")),
        (any(variant.published is not None for variant in variants), Line2D([], [], label="published", **DIAMOND)),
    ]
    return [artist for shown, artist in entries if shown]
