"""The candidates of a search as points, and the look of each kind of point in all figures of a search."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ablate.report.figures.colours import PALETTE
from ablate.report.figures.style import GREY, INK

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
        number: Of the candidate.
        kind: Decides the look of the point.
        error: Its objective in percent; infinite if it failed or diverged.
        label: Its network, and the values that the network's name does not show.
        trainings: The errors of its trainings in percent, infinite for a training that diverged.
        enqueued: Whether the study file names the candidate.
        repeat: Whether it has the same trainings as another candidate.
    """

    number: int
    kind: PointKind
    error: float
    label: str = ""
    trainings: Sequence[float] = ()
    enqueued: bool = False
    repeat: bool = False


def draw_points(axis: Axes, points: Sequence[tuple[float, CandidatePoint]]) -> None:
    """Draw each point with a finite error.

    Args:
        axis: The axes to draw on.
        points: (position on the horizontal axis, candidate) of each point.
    """
    for kind, drawn in LOOKS.items():
        of_kind = [(place, point.error) for place, point in points if point.kind == kind]
        if of_kind:
            axis.scatter(*zip(*of_kind), **drawn)


def point_handles(kinds: Collection[str]) -> list[Line2D]:
    """The legend entries of the kinds of points in a figure.

    Args:
        kinds: The kinds that the figure contains.
    """
    return [
        Line2D(
            [], [], label=WORDS[kind], linestyle="", marker=drawn["marker"], markerfacecolor=drawn["facecolor"],
            markeredgecolor=drawn["edgecolor"], markeredgewidth=drawn["linewidth"], markersize=drawn["s"] ** 0.5,
        )
        for kind, drawn in LOOKS.items()
        if kind in kinds
    ]  # fmt: skip
