"""The comparison of two variants by their seeds.

An errors mapping is seed -> a value that is the lower the better, such as the test error in percent. It is infinite for a
seed that diverged, which is worse than any other.

The p-value of a verdict is that of the exact permutation test of the rank sum (Wilcoxon; Mann and Whitney), two-sided,
over all seeds of both sides. Reasons for this test:
- Its statistic is the number of seed pairs that a variant wins, so the p-value and the probability agree.
- It handles ties and diverged seeds without special cases.
- For normal errors it needs 5% more seeds than a test of means, and a third fewer than a test of medians.

Common seeds are not paired in it. They share the order of the images and their augmentation, but that is a small part of
the effect of a seed: in reports/block_types_cpu the errors of one seed correlate by -0.08 (mean over the 15 pairs of
variants). Also, with five pairs the smallest possible p-value is 2/2^5 = 0.06, over all seeds it is 2/252 = 0.008. The
paired test is reported for information only; taking the smaller of the two p-values would not be a valid test. Where
common seeds do move the errors together, the test over all seeds is conservative.

Sources: Mann and Whitney, 1947; Lehmann, 1975 (the seeds needed); Holm, 1979.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from ablate.statistics.description import Errors

ALPHA = 0.05
RESAMPLES = 200_000  # 10 against 10 seeds have 184,756 splits, so they are exact
MOST_SEEDS = 1000
KEPT = 10_000  # p-values per cache


class Comparison(NamedTuple):
    """A variant compared with a baseline. The lower error wins a seed pair; a tie counts as half a win.

    Args:
        n: The seeds of the variant.
        baseline_n: The seeds of the baseline.
        difference: The median of the variant minus that of the baseline, in the unit; None if one of them is infinite.
        won: The pairs that the variant wins, of all n * baseline_n seed pairs.
        probability: Won / pairs: the probability that a seed of the variant is better than a seed of the baseline.
        p_value: The two-sided p-value of the rank sum.
        floor: The smallest p-value that is possible with these numbers of seeds.
        resamples: The number of random splits that the p-value is estimated from; None if it is exact.
        common: The number of seeds that both have.
        paired_probability: The share of the common seeds at which the variant wins; None without common seeds.
        paired_p_value: The two-sided p-value of the signed ranks, by sign flips; verdicts do not use it. None without
            common seeds.
        paired_floor: The smallest paired p-value that is possible; None without common seeds.
    """

    n: int
    baseline_n: int
    difference: float | None
    won: float
    probability: float
    p_value: float
    floor: float
    resamples: int | None
    common: int
    paired_probability: float | None
    paired_p_value: float | None
    paired_floor: float | None

    @property
    def pairs(self) -> int:
        """The number of seed pairs."""
        return self.n * self.baseline_n


def compare(variant: Errors, baseline: Errors) -> Comparison:
    """The comparison of a variant with a baseline.

    The p-value is twice the smaller tail over all splits of the seeds into two sides. It is exact, except where there are
    equal errors and more than 200,000 splits (10 seeds per side): then it is estimated from 200,000 random splits, which
    are the same every time. The paired p-value is computed likewise; it is exact up to 17 common seeds. Seeds without a
    difference are left out of it.

    Args:
        variant: The errors of at least one seed.
        baseline: The errors of at least one seed.
    """
    ours, theirs = sorted(variant.values()), sorted(baseline.values())
    ranks = _ranks([*ours, *theirs])
    won = _won(product(ours, theirs))
    splits = math.comb(len(ranks), len(ours))
    tied = len(set(ranks)) < len(ranks)  # without ties the exact p-value is fast at any number of seeds
    medians = statistics.median(ours), statistics.median(theirs)
    common = [(variant[seed], baseline[seed]) for seed in sorted(variant.keys() & baseline.keys())]
    return Comparison(
        n=len(ours),
        baseline_n=len(theirs),
        difference=medians[0] - medians[1] if all(map(math.isfinite, medians)) else None,
        won=won,
        probability=won / (len(ours) * len(theirs)),
        p_value=_rank_sum_p_value(ranks[: len(ours)], ranks[len(ours) :], splits, tied),
        floor=min(1.0, 2 / splits),
        resamples=None if splits <= RESAMPLES or not tied else RESAMPLES,
        common=len(common),
        paired_probability=_won(common) / len(common) if common else None,
        paired_p_value=_paired_p_value(common) if common else None,
        paired_floor=min(1.0, 2.0 ** (1 - len(common))) if common else None,
    )


def _won(pairs: Iterable[tuple[float, float]]) -> float:
    """The number of pairs in which the first is lower; ties count as half."""
    return sum((ours < theirs) + (ours == theirs) / 2 for ours, theirs in pairs)


def _ranks(values: Sequence[float]) -> tuple[float, ...]:
    """The rank of each value from 1; ties share their rank. scipy's rankdata() is slow for ten values."""
    ordered = sorted(values)
    return tuple((bisect_left(ordered, value) + bisect_right(ordered, value) + 1) / 2 for value in values)


@lru_cache(maxsize=KEPT)
def _rank_sum_p_value(ours: tuple[float, ...], theirs: tuple[float, ...], splits: int, tied: bool) -> float:
    """The p-value of the rank sum, cached: few seeds have few possible orders, 252 for five seeds per side."""
    from scipy.stats import mannwhitneyu

    return _permuted((ours, theirs), splits) if tied else float(mannwhitneyu(ours, theirs, method="exact").pvalue)


def _paired_p_value(pairs: Sequence[tuple[float, float]]) -> float:
    # Rounded, so that 0.3 - 0.2 ties with 0.2 - 0.1. Two diverged seeds count as equal; inf - inf would be NaN.
    differences = [round(ours - theirs, 9) for ours, theirs in pairs if ours != theirs]
    ranks = _ranks([abs(difference) for difference in differences])
    signed = tuple(math.copysign(*both) for both in zip(ranks, differences))
    rearrangements = 2 ** len(signed)
    return _permuted((tuple(sorted(signed)) if rearrangements <= RESAMPLES else signed,), rearrangements)


@lru_cache(maxsize=KEPT)
def _permuted(samples: tuple[tuple[float, ...], ...], rearrangements: int) -> float:
    """The two-sided permutation p-value of a sum.

    With two samples it is the sum of the first, over all splits; with one sample it is its sum, over all signs.
    """
    from scipy.stats import permutation_test

    if rearrangements <= 2:
        return 1.0
    if lone := [sample[0] for sample in samples if len(sample) == 1]:  # permutation_test() needs two seeds or more
        every = [rank for sample in samples for rank in sample]
        return min(1.0, 2 * min(sum(r <= lone[0] for r in every), sum(r >= lone[0] for r in every)) / len(every))
    result = permutation_test(
        samples,
        lambda *groups, axis: groups[0].sum(axis=axis),
        permutation_type="independent" if len(samples) == 2 else "samples",
        n_resamples=RESAMPLES,
        vectorized=True,
        batch=20_000,
        rng=0,
    )
    return float(result.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number by Holm's method, in the order given.

    For the smallest possible p-values the result is the smallest that each corrected p-value can be.

    Args:
        p_values: The p-values of all comparisons, 0 to 1.
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for step, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - step) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def seeds_needed(variant: Errors, baseline: Errors, power: float = 0.8, alpha: float = ALPHA) -> float | None:
    """The approximate number of seeds per side that tells two variants apart, if the observed probability is the true one.

    The formula is that of two normal samples with a distance that gives this probability. It uses the efficiency 3/pi of
    the rank test and the usual term for few seeds. In simulations with alpha from 0.05 to 0.005 and n > 4 the power is 0.77
    or more. The result is never below the n at which the exact test can reach alpha.

    Args:
        variant: The errors by seed.
        baseline: The errors by seed.
        power: The probability of finding the difference, 0 to 1.
        alpha: The significance level. For several comparisons use alpha / comparisons, the first step of Holm's method.

    Returns:
        Exact up to 20, then rounded up to tens, from 100 on to hundreds, because the observed probability is not known more
        precisely. Infinite above 1,000. None with fewer than 3 seeds on a side, which are too few for an estimate.
    """
    if min(len(variant), len(baseline)) < 3:
        return None
    normal = statistics.NormalDist()
    won = _won(product(variant.values(), baseline.values()))
    half = 0.5 / (len(variant) * len(baseline))  # half a pair: keeps the shift finite where all pairs are won
    probability = min(max(half, won * 2 * half), 1 - half)
    shift = math.sqrt(2) * abs(normal.inv_cdf(probability))
    significant, powerful = normal.inv_cdf(1 - alpha / 2), normal.inv_cdf(power)
    smallest = next(n for n in range(1, MOST_SEEDS) if 2 / math.comb(2 * n, n) < alpha)
    if shift == 0:
        return math.inf
    n = max(smallest, math.ceil(math.pi / 3 * 2 * ((significant + powerful) / shift) ** 2 + significant**2 / 4))
    step = 1 if n <= 20 else 10 if n <= 100 else 100
    return math.inf if n > MOST_SEEDS else step * math.ceil(n / step)
