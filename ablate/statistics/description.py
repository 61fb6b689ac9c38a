"""The seeds of one variant in numbers.

Source: Hettmansperger and Sheather, 1986 (the interval of a median).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# Seeds. With 5 the range misses the true median once in 16 times; with 7 the 95% interval is hardly narrower.
INTERVAL_FROM = 8
LEVEL = 0.95  # of intervals

Errors = Mapping[Any, float]  # by seed; with folds, by (fold, seed)


class Interval(NamedTuple):
    """An interval with the level that it has.

    Args:
        low: The lower end; may be infinite where seeds diverged.
        high: The upper end; may be infinite.
        level: How often such intervals contain the true value, 0 to 1. Below 0.95 where so few seeds allow no more.
    """

    low: float
    high: float
    level: float


class Description(NamedTuple):
    """The seeds of one variant in numbers. Errors are in percent.

    Args:
        n: The number of seeds.
        median: The median; infinite if half or more of the seeds diverged.
        mean: The mean; None if a seed diverged.
        std: The standard deviation of the sample, with n - 1 in the denominator; None if a seed diverged or for one seed.
        min: The lowest error.
        max: The highest error.
        interval: The lower and the upper end of the interval.
        interval_kind: "range" (minimum to maximum) or "95% interval" (of the median).
    """

    n: int
    median: float
    mean: float | None
    std: float | None
    min: float
    max: float
    interval: tuple[float, float]
    interval_kind: str


def describe(errors: Errors) -> Description:
    """The seeds of one variant in numbers.

    The interval of the median is the one of Hettmansperger and Sheather: it lies between the two pairs of order statistics
    with sign-test confidence just below and just above 95%. It needs no random draws and no assumption on the distribution
    of the errors. A bootstrap interval of a median ends at the same order statistics, but has less than 95% coverage with
    few seeds. With fewer than 8 seeds the interval is minimum to maximum, and its kind is "range".

    Args:
        errors: The errors of at least one seed.
    """
    ordered = sorted(errors.values())
    n, mean = len(ordered), statistics.fmean(ordered) if all(map(math.isfinite, ordered)) else None
    return Description(
        n=n,
        median=statistics.median(ordered),
        mean=mean,
        std=None if mean is None or n == 1 else math.sqrt(math.fsum((each - mean) ** 2 for each in ordered) / (n - 1)),
        min=ordered[0],
        max=ordered[-1],
        interval=(ordered[0], ordered[-1]) if n < INTERVAL_FROM else _median_interval(ordered),
        interval_kind="range" if n < INTERVAL_FROM else "95% interval",
    )


def _median_interval(ordered: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    n = len(ordered)
    # tail: how often the interval from the depth-th lowest to the depth-th highest misses the median.
    depth, tail = 1, 2 / 2**n
    while (deeper := tail + 2 * math.comb(n, depth) / 2**n) <= 1 - level:
        depth, tail = depth + 1, deeper
    share = (1 - level - tail) / (deeper - tail)
    weight = (n - depth) * share / (depth + (n - 2 * depth) * share)
    return (
        _between(ordered[depth - 1], ordered[depth], weight),
        _between(ordered[n - depth], ordered[n - depth - 1], weight),
    )


def _between(outer: float, inner: float, weight: float) -> float:
    return outer if outer == inner else (1 - weight) * outer + weight * inner
