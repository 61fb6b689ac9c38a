"""pareto_front(): the points of costs and error that no other point dominates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import le


def pareto_front(points: Sequence[tuple[float | None, ...]]) -> list[int]:
    """The indices of the points that no other point dominates, in the order of increasing cost.

    A point dominates another if it is at least as good in all values and better in one. Equal points are in the front
    together. Points without a finite error are in no front.

    Args:
        points: (cost, error) of each point, or with further costs before the error; lower is better, and the error may be
            None or infinite.
    """
    known = ((i, [math.inf if value is None else value for value in point]) for i, point in enumerate(points))
    finite = sorted((point, i) for i, point in known if math.isfinite(point[-1]))
    return [i for point, i in finite if not any(all(map(le, other, point)) and other != point for other, _ in finite)]
