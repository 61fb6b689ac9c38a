"""Candidates -> the marks of a search's figures, and how each kind of mark looks in all of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablate.report.figures.style import GREY, INK, PALETTE, log_ticks
from ablate.search.candidates import DIVERGED, Candidate
from ablate.search.standing import Standing

LOG_RATIO = 8  # as in the figures of studies: errors that differ by more get a logarithmic axis
Kind = Literal["complete", "enqueued", "pruned", "best"]
LOOKS: dict[Kind, dict[str, Any]] = {
    "complete": {"marker": "o", "facecolor": PALETTE[0], "edgecolor": "white", "linewidth": 0.5, "s": 34, "zorder": 4},
    "enqueued": {"marker": "D", "facecolor": PALETTE[2], "edgecolor": "white", "linewidth": 0.5, "s": 40, "zorder": 5},
    "pruned": {"marker": "o", "facecolor": "none", "edgecolor": GREY, "linewidth": 1.0, "s": 24, "zorder": 3},
    "best": {"marker": "*", "facecolor": PALETTE[3], "edgecolor": "white", "linewidth": 0.5, "s": 150, "zorder": 6},
}
CROSS: dict[str, Any] = {"marker": "x", "color": INK, "markersize": 5, "markeredgewidth": 1.3, "linestyle": ""}
WORDS = {"complete": "candidate", "enqueued": "named in the study file", "pruned": "pruned", "best": "best"}


class Mark(NamedTuple):
    """A candidate in a figure. error: its objective in percent, infinite for one that failed or diverged.

    repeat: whether it has the trainings of another.
    """

    candidate: Candidate
    kind: Kind
    error: float
    repeat: bool = False


def candidate_marks(standing: Standing) -> list[Mark]:
    """A mark a candidate that has ended, in the order of their numbers.

    A pruned one stands at what of it is recorded; where that is nothing, at what the pruner was told last.
    """
    whole, distinct = standing.ranks, {one.number for one in standing.distinct}
    marks = []
    for one in sorted(standing.of_state("complete", "pruned", "failed"), key=lambda one: one.number):
        if one.number in whole:
            kind: Kind = "best" if one is standing.best else "enqueued" if one.enqueued else "complete"
            marks.append(Mark(one, kind, standing.objective(one), one.number not in distinct))
        elif one.state == "pruned":
            marks.append(Mark(one, "pruned", _reached(standing, one)))
        else:
            marks.append(Mark(one, "complete", math.inf))
    return marks


def _reached(standing: Standing, pruned: Candidate) -> float:
    if pruned.errors:
        return standing.objective(pruned)
    last = pruned.intermediate[max(pruned.intermediate)] if pruned.intermediate else math.inf
    return last if last < DIVERGED else math.inf


def finite_marks(marks: Sequence[Mark]) -> list[Mark]:
    return [mark for mark in marks if math.isfinite(mark.error)]


def draw_marks(axis: Axes, points: Sequence[tuple[float, Mark]]) -> None:
    """Each mark at its place along the axis."""
    for kind, drawn in LOOKS.items():
        of_kind = [(place, mark.error) for place, mark in points if mark.kind == kind]
        if of_kind:
            axis.scatter(*zip(*of_kind), **drawn)


def mark_handles(kinds: Collection[str]) -> list[Line2D]:
    """The legend of the kinds of marks that are there."""
    return [
        Line2D(
            [], [], label=WORDS[kind], linestyle="", marker=drawn["marker"], markerfacecolor=drawn["facecolor"],
            markeredgecolor=drawn["edgecolor"], markeredgewidth=drawn["linewidth"], markersize=drawn["s"] ** 0.5,
        )
        for kind, drawn in LOOKS.items()
        if kind in kinds
    ]  # fmt: skip


def on_log_axis(errors: Sequence[float]) -> bool:
    """Whether errors in percent differ by so much that a linear axis would press the lowest together."""
    return bool(errors) and min(errors) > 0 and max(errors) / min(errors) > LOG_RATIO


def set_error_axis(axis: Axes, errors: Sequence[float]) -> bool:
    """Title, scale and range of the vertical axis for finite errors in percent; whether it is logarithmic."""
    log = on_log_axis(errors)
    axis.set_ylabel(f"validation error, %{', log scale' if log else ''}")
    if log:
        axis.set_yscale("log")
        beside = (max(errors) / min(errors)) ** 0.08
        axis.set_ylim(min(errors) / beside, max(errors) * beside)
        log_ticks(axis.yaxis)
    else:
        margin = 0.08 * (max(errors) - min(errors)) or 1.0
        axis.set_ylim(max(0.0, min(errors) - margin), max(errors) + margin)
    return log
