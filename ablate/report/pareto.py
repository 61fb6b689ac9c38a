"""pareto_front(): the points of cost and error that no other point dominates."""

from __future__ import annotations

import math
from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float | None]]) -> list[int]:
    """The indices of the points that no other point dominates, in the order of increasing cost.

    A point dominates another if it is at least as good in both values and better in one. Equal points are in the front
    together. Points without a finite error are in no front.

    Args:
        points: (cost, error) of each point; lower is better, and the error may be None or infinite.
    """
    finite = [(cost, error, i) for i, (cost, error) in enumerate(points) if error is not None and math.isfinite(error)]
    return [
        i
        for cost, error, i in sorted(finite)
        if not any(c <= cost and e <= error and (c, e) != (cost, error) for c, e, _ in finite)
    ]
