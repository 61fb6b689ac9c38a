"""The candidates of a search as points, and how each kind of point looks in all figures of a search."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablate.report.figures.style import GREY, INK, PALETTE

PointKind = Literal["complete", "enqueued", "pruned", "best"]
LOOKS: dict[PointKind, dict[str, Any]] = {
    "complete": {"marker": "o", "facecolor": PALETTE[0], "edgecolor": "white", "linewidth": 0.5, "s": 34, "zorder": 4},
    "enqueued": {"marker": "D", "facecolor": PALETTE[2], "edgecolor": "white", "linewidth": 0.5, "s": 40, "zorder": 5},
    "pruned": {"marker": "o", "facecolor": "none", "edgecolor": GREY, "linewidth": 1.0, "s": 24, "zorder": 3},
    "best": {"marker": "*", "facecolor": PALETTE[3], "edgecolor": "white", "linewidth": 0.5, "s": 150, "zorder": 6},
}
CROSS: dict[str, Any] = {"marker": "x", "color": INK, "markersize": 5, "markeredgewidth": 1.3, "linestyle": ""}
WORDS = {"complete": "candidate", "enqueued": "named in the study file", "pruned": "pruned", "best": "best"}


@dataclass(frozen=True)
class CandidatePoint:
    """A candidate in a figure.

    Args:
        number: of the candidate.
        kind: how it is drawn.
        error: its objective in percent, infinite for one that failed or diverged.
        label: its network, and the values that the network's name does not show.
        trainings: the errors of its trainings in percent, infinite where one diverged.
        enqueued: whether the study file names it.
        repeat: whether it has the trainings of another.
    """

    number: int
    kind: PointKind
    error: float
    label: str = ""
    trainings: Sequence[float] = ()
    enqueued: bool = False
    repeat: bool = False


def draw_points(axis: Axes, points: Sequence[tuple[float, CandidatePoint]]) -> None:
    """Draws each point with a finite error at its place along the axis."""
    for kind, drawn in LOOKS.items():
        of_kind = [(place, point.error) for place, point in points if point.kind == kind]
        if of_kind:
            axis.scatter(*zip(*of_kind), **drawn)


def point_handles(kinds: Collection[str]) -> list[Line2D]:
    """The legend of the kinds of points that are there."""
    return [
        Line2D(
            [], [], label=WORDS[kind], linestyle="", marker=drawn["marker"], markerfacecolor=drawn["facecolor"],
            markeredgecolor=drawn["edgecolor"], markeredgewidth=drawn["linewidth"], markersize=drawn["s"] ** 0.5,
        )
        for kind, drawn in LOOKS.items()
        if kind in kinds
    ]  # fmt: skip
