"""The median of further runs, and the seeds needed: by simulation and exact counts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ablate.statistics.further_runs import _beyond, _variance_of_median, predict_median
from ablate.statistics.sample_size import seeds_needed
from tests.statistics.calibrate import pilot_ranges, power_at_needed


def test_how_often_a_median_lies_below_is_counted_over_all_orders() -> None:
    """Five and five: three of five before the first of ours, 60 of 720 ways to begin."""
    assert _beyond(5, 5, 1) == pytest.approx(60 / 720)
    drawn = np.random.default_rng(0).random((100_000, 15))
    below = (np.median(drawn[:, :5], axis=1) < np.sort(drawn[:, 5:], axis=1)[:, 1]).mean()
    assert _beyond(10, 5, 2) == pytest.approx(below, abs=0.004)


def test_the_median_of_a_single_run_is_the_run() -> None:
    assert _variance_of_median(1) == pytest.approx(1)
    assert _variance_of_median(5) == pytest.approx(0.28683, abs=1e-5)  # Sarhan and Greenberg, 1962, table 10C.1


def test_ten_seeds_need_no_distribution_and_five_do() -> None:
    values = [float(i) for i in range(10)]
    exact = predict_median(values, 5)
    assert exact is not None and exact[:2] == (0.0, 9.0) and not exact.normal
    assert exact.level == pytest.approx(1 - 2 * _beyond(10, 5, 1)) and exact.level > 0.95
    few = predict_median(values[:5], 5)
    half = 2.776445 * math.sqrt(2.5) * math.sqrt(1 / 5 + 0.28683)  # t of 4 degrees of freedom
    assert few is not None and few[:2] == pytest.approx((2 - half, 2 + half), abs=1e-3) and few.normal


def test_even_numbers_and_too_few() -> None:
    assert predict_median([1.0, 2.0, 3.0], 4) == predict_median([1.0, 2.0, 3.0], 3)
    assert predict_median([5.0] * 5, 5) is None and predict_median([5.0] * 20, 5) is None  # no width, no interval
    assert predict_median([1.0], 5) is None and predict_median([1.0, math.inf], 1) is None
    diverged = predict_median([*map(float, range(9)), math.inf], 5)
    assert diverged is not None and diverged.high == math.inf


@pytest.mark.parametrize("effect", [2.5, 1.5])
def test_the_seeds_needed_have_the_power(effect: float) -> None:
    n, power = power_at_needed(effect, 600)
    assert n >= 6 and power > 0.72


def test_a_pilot_names_a_range_that_often_holds_the_right_number() -> None:
    right, low, high = pilot_ranges(5, 1.0, 120)
    assert right > 0.65 and low < 15 and high > 40


def test_seeds_needed_are_a_range_of_rounded_numbers() -> None:
    base = dict(enumerate([1.0, 2.0, 3.0, 4.0, 5.0]))
    close = {seed: value + change for (seed, value), change in zip(base.items(), (0.5, -0.2, 0.3, 0.1, 0.6))}
    few = seeds_needed(close, base)
    more = seeds_needed(close, base, comparisons=8)
    assert few and more and few.low <= more.low and few.high <= more.high
    assert few.low >= 6 and all(n <= 20 or n % 10 == 0 for n in (*few, *more))
    assert seeds_needed(base, close) == few
    assert seeds_needed(base, base) == (math.inf, math.inf)
    assert seeds_needed({0: 1.0, 1: 2.0}, base) is None
    assert seeds_needed({**base, 0: math.inf}, base) is None
    apart = seeds_needed({seed + 9: value + 20 for seed, value in base.items()}, base)
    assert apart == (4.0, 4.0)  # unpaired: 2 of 70 splits
