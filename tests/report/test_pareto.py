"""The points that no other one beats."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from ablate.report.pareto import pareto_front


def test_pareto_front_by_hand() -> None:
    points: list[tuple[float, float | None]] = [
        (3, 5.0),
        (1, 9.0),
        (2, 9.0),
        (2, 6.0),
        (4, 5.0),
        (0.5, None),
        (0.1, math.inf),
    ]
    assert pareto_front(points) == [1, 3, 0]
    assert pareto_front([(1, 2.0), (1, 2.0)]) == [0, 1]
    assert pareto_front([]) == []


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=12))
def test_pareto_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    def beats(a: tuple[int, int], b: tuple[int, int]) -> bool:
        return a[0] <= b[0] and a[1] <= b[1] and a != b

    front = pareto_front([(float(cost), float(error)) for cost, error in points])
    assert set(front) == {i for i, point in enumerate(points) if not any(beats(other, point) for other in points)}
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)
