"""Where the median of further runs lies, for runs like ours.

Source: the distribution-free interval counts orders (Fligner and Wolfe, 1976); the other is Student's prediction interval.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from ablate.statistics.description import LEVEL

FEWEST = 2


class Prediction(NamedTuple):
    """An interval that contains the median of further runs with a stated probability, if they are like ours.

    Args:
        low: The lower end.
        high: The upper end; may be infinite where seeds diverged.
        level: The probability, 0 to 1.
        normal: Whether the errors were taken as about normal; else it holds for any distribution.
    """

    low: float
    high: float
    level: float
    normal: bool


def predict_median(errors: Collection[float], runs: int) -> Prediction | None:
    """The interval for the median of further runs: the shortest between two of our errors that holds for any distribution.

    Where so few errors allow none, it is Student's, with the variance that a median of so many normal runs has.

    Args:
        errors: Of our seeds; may be infinite.
        runs: The number of further runs; 1 for a single run. An even number counts as one less.

    Returns:
        None for fewer than 2 errors, for errors that are all the same, as an interval without width says more than few
        runs and rounded errors can know, and if there are too few for the first kind and some are infinite.
    """
    from scipy.stats import t

    ordered, n = sorted(errors), len(errors)
    if n < FEWEST or ordered[0] == ordered[-1]:
        return None
    odd = runs if runs % 2 else runs - 1
    for depth in range(n // 2, 0, -1):
        if (reached := 1 - 2 * _beyond(n, odd, depth)) >= LEVEL:
            return Prediction(ordered[depth - 1], ordered[-depth], reached, False)
    if not all(map(math.isfinite, ordered)):
        return None
    mean, spread = statistics.fmean(ordered), statistics.stdev(ordered) * math.sqrt(1 / n + _variance_of_median(odd))
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * spread
    return Prediction(mean - half, mean + half, LEVEL, True)


def _beyond(n: int, runs: int, depth: int) -> float:
    """How often the median of further runs is below the depth-th lowest of n errors: of all orders, alike probable."""
    middle = (runs + 1) // 2
    orders = sum(
        math.comb(below + depth - 1, below) * math.comb(runs - below + n - depth, n - depth)
        for below in range(middle, runs + 1)
    )
    return orders / math.comb(n + runs, n)


@lru_cache(maxsize=64)
def _variance_of_median(runs: int) -> float:
    """The variance of the median of an odd number of standard normal values."""
    from scipy.integrate import quad
    from scipy.stats import beta, norm

    middle = (runs + 1) / 2
    return float(quad(lambda x: x * x * beta.pdf(norm.cdf(x), middle, middle) * norm.pdf(x), -9, 9)[0])
