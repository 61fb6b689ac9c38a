"""pareto_front(): which of some points of cost and error no other one beats."""

from __future__ import annotations

import math
from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float | None]]) -> list[int]:
    """The indices of the (cost, error) points that no other beats (at least as good in both, better in one), by cost.

    Points without a finite error are in no front; equal points are in it together.
    """
    finite = [(cost, error, i) for i, (cost, error) in enumerate(points) if error is not None and math.isfinite(error)]
    return [
        i
        for cost, error, i in sorted(finite)
        if not any(c <= cost and e <= error and (c, e) != (cost, error) for c, e, _ in finite)
    ]
