"""One variant in numbers: by hand, and held against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from ablate.statistics.description import describe


def seeds(*errors: float) -> dict[int, float]:
    return dict(enumerate(errors))


def test_five_seeds_have_a_range() -> None:
    found = describe({3: 5.0, 1: 1.0, 0: 2.0, 7: 4.0, 2: 3.0})
    assert (found.n, found.median, found.mean, found.min, found.max) == (5, 3.0, 3.0, 1.0, 5.0)
    assert found.std == pytest.approx(math.sqrt(2.5))
    assert (found.interval, found.interval_kind) == ((1.0, 5.0), "range")


def test_one_seed_has_no_spread() -> None:
    found = describe({4: 6.5})
    assert (found.mean, found.std, found.interval, found.interval_kind) == (6.5, None, (6.5, 6.5), "range")


def test_a_diverged_seed_leaves_the_median() -> None:
    found = describe(seeds(5.0, math.inf, 6.0))
    assert (found.median, found.mean, found.std, found.max) == (6.0, None, None, math.inf)
    assert describe(seeds(5.0, math.inf)).median == math.inf


def test_eight_seeds_have_an_interval() -> None:
    """From lowest to highest the median is missed with 2/256, from second to seventh with 18/256; 5% is between."""
    share = (18 / 256 - 0.05) / (18 / 256 - 2 / 256)
    weight = 7 * (1 - share) / (1 + 6 * (1 - share))
    found = describe(seeds(8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0))
    assert found.interval_kind == "95% interval"
    assert list(found.interval) == pytest.approx([1 + weight, 8 - weight])


@pytest.mark.parametrize("n", [8, 9, 12, 15, 40])
def test_the_interval_lies_between_sign_test_intervals(n: int) -> None:
    """scipy's binomial gives how often the median lies outside the r-th lowest and r-th highest of n."""
    outer = max(r for r in range(1, n // 2) if 2 * binom.cdf(r - 1, n, 0.5) <= 0.05)
    low, high = describe(seeds(*map(float, range(1, n + 1)))).interval
    assert outer <= low < outer + 1
    assert low + high == pytest.approx(n + 1)


def test_the_interval_covers_the_median_of_skewed_errors() -> None:
    draws = np.random.default_rng(0).exponential(size=(2000, 9))
    inside = [low <= math.log(2) <= high for low, high in (describe(seeds(*row)).interval for row in draws)]
    assert 0.94 < np.mean(inside) < 0.97


def test_the_interval_may_end_at_a_diverged_seed() -> None:
    low, high = describe(seeds(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, math.inf)).interval
    assert 1 < low < 2 and high == math.inf
    assert describe(seeds(*[math.inf] * 8)).interval == (math.inf, math.inf)
