"""The certainty of a table's order: given the seeds, compared with a published order, and over several data sets.

Errors are infinite where a seed diverged. The lowest error has rank 1. Equal errors share their ranks.

Sources: Hsu, 1996 (comparisons with the best); Mogstad, Romano, Shaikh and Wilhelm, 2024 (intervals of ranks from
many-to-one comparisons); Kendall, 1945 (tau-b); Demšar, 2006 (critical difference).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from ablate.statistics.comparison import ALPHA, PAIRED_FROM
from ablate.statistics.description import Errors
from ablate.statistics.family import REARRANGEMENTS, adjusted_p_values, directions, smallest_p_values

FEWEST_DATA_SETS = 5
FEWEST_VARIANTS = 3
# Of all families of rank_intervals() together, some seconds: 500 variants have all signs of 13 seeds, or 4,300 drawn ones.
MOST_STATISTICS = 2**30
SOME = 100  # variants, of which the smallest p-value is found in a moment
FEWEST_REARRANGEMENTS = 2000  # a p-value of 0.05 then has a standard error of 0.005


class RankInterval(NamedTuple):
    """The ranks that a variant may have, given the seeds; 1 is the lowest error.

    Args:
        best: One more than the number of variants that are better for sure.
        worst: The number of variants less those that are worse for sure.
    """

    best: int
    worst: int


class OrderAgreement(NamedTuple):
    """The agreement of two orders of the same names, pair by pair.

    Args:
        names: The number of names that both have.
        pairs: The number of pairs of names.
        concordant: The pairs with the same order on both sides.
        tied: The pairs that are equal on at least one side; their order is neither the same nor opposite.
        tau: Kendall's tau-b, -1 to 1; None if all values of one side are equal.
    """

    names: int
    pairs: int
    concordant: int
    tied: int
    tau: float | None


class CriticalDifference(NamedTuple):
    """The content of a critical-difference diagram.

    Args:
        average_ranks: The average rank of each variant over the data sets, the best first.
        data_sets: The number of data sets.
        friedman_p: The p-value of Friedman's test that no variant differs from another.
        difference: The difference of two average ranks from which on two variants differ (Nemenyi).
        groups: The variants that cannot be told apart, two or more names per group; no group contains another.
    """

    average_ranks: dict[str, float]
    data_sets: int
    friedman_p: float
    difference: float
    groups: tuple[tuple[str, ...], ...]


def rank_intervals(errors: Sequence[Errors], paired_from: int = PAIRED_FROM) -> list[RankInterval] | None:
    """The ranks that each variant may have: it is compared with all others, as one family of its own.

    Each interval by itself contains the true rank with probability 0.95. So the variants with 1 in their interval are
    those indistinguishable from the best, and the truly best one is among them with that probability. Of several that are
    equally good each one is.

    Args:
        errors: The errors of each variant, at least one seed each.
        paired_from: The fewest common keys that are compared in pairs; 1 for keys of folds.

    Returns:
        None for fewer than 2 variants, or if no comparison can be significant with these seeds.
    """
    keys = [each.keys() for each in errors]
    if all(each == keys[0] for each in keys):
        # One family answers for all. Some of its comparisons can do no worse: the largest statistic of more is not smaller.
        numbers = sorted({min(SOME, len(errors)), len(errors)})
        asked = (_against(0, number) for number in numbers)
        hopeless = any(min(smallest_p_values(keys, pairs, paired_from), default=1.0) >= ALPHA for pairs in asked)
    else:
        families = (_against(i, len(errors)) for i in range(len(errors)))
        hopeless = min((p for pairs in families for p in smallest_p_values(keys, pairs, paired_from)), default=1.0) >= ALPHA
    if hopeless:
        return None
    found = []
    rearrangements = max(FEWEST_REARRANGEMENTS, min(REARRANGEMENTS, MOST_STATISTICS // (len(errors) * (len(errors) - 1))))
    for pairs in (_against(i, len(errors)) for i in range(len(errors))):
        p_values = adjusted_p_values(errors, pairs, paired_from, rearrangements)
        sure = directions(errors, [pair for pair, p in zip(pairs, p_values) if p < ALPHA], paired_from)
        found.append(RankInterval(1 + sure.count(-1), len(errors) - sure.count(1)))
    return found


def _against(one: int, number: int) -> list[tuple[int, int]]:
    """The comparisons of all other variants with one."""
    return [(other, one) for other in range(number) if other != one]


def order_agreement(ours: Mapping[str, float], published: Mapping[str, float]) -> OrderAgreement:
    """The agreement of the order of two lists of values, for the names that both have.

    Args:
        ours: Our value by name; may be infinite.
        published: The published value by name.
    """
    from scipy.stats import kendalltau, rankdata

    names = [name for name in ours if name in published]
    # Ranks, because the difference of two infinite values is not a number.
    first, second = (rankdata([values[name] for name in names]) for values in (ours, published))
    pairs = list(combinations(range(len(names)), 2))
    products = [float((first[i] - first[j]) * (second[i] - second[j])) for i, j in pairs]
    varied = all(len(set(ranks)) > 1 for ranks in (first, second))
    return OrderAgreement(
        names=len(names),
        pairs=len(pairs),
        concordant=sum(product > 0 for product in products),
        tied=products.count(0),
        tau=float(kendalltau(first, second).statistic) if varied else None,
    )


def critical_difference(errors: Mapping[str, Mapping[str, float]]) -> CriticalDifference | None:
    """The variants that differ over several data sets.

    If Friedman's test finds no difference, all variants form one group.

    Args:
        errors: The median error over the seeds in percent, by data set and then by variant. A variant that some data set
            lacks is left out.

    Returns:
        None for fewer than 3 variants: there is one comparison and nothing to draw. None also for fewer than 5 data sets:
        both tests are approximations for many data sets, and with few hardly any difference of ranks is large enough.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    # scikit-posthocs is not used: it returns the p-value of each pair, not the difference that a diagram shows, and it
    # needs statsmodels.

    complete = set.intersection(*map(set, errors.values())) if errors else set()
    names = [name for name in next(iter(errors.values()), {}) if name in complete]
    if len(names) < FEWEST_VARIANTS or len(errors) < FEWEST_DATA_SETS:
        return None
    ranks = rankdata([[of_data[name] for name in names] for of_data in errors.values()], axis=1)
    average = dict(sorted(zip(names, ranks.mean(axis=0).tolist()), key=lambda item: item[1]))
    equal = bool((ranks == ranks[:, :1]).all())
    friedman_p = 1.0 if equal else float(friedmanchisquare(*ranks.T).pvalue)
    k, quantile = len(names), studentized_range.ppf(1 - ALPHA, len(names), math.inf) / 2**0.5
    difference = float(quantile * (k * (k + 1) / (6 * len(errors))) ** 0.5)
    groups = _groups(average, difference) if friedman_p < ALPHA else (tuple(average),)
    return CriticalDifference(average, len(errors), friedman_p, difference, groups)


def _groups(average_ranks: Mapping[str, float], difference: float) -> tuple[tuple[str, ...], ...]:
    """The longest runs of two or more names with ends closer than the difference. Ranks increase."""
    names, ranks, reached = list(average_ranks), list(average_ranks.values()), 0
    groups = []
    for start in range(len(names)):
        stop = sum(rank - ranks[start] < difference for rank in ranks)
        if stop > max(reached, start + 1):
            groups.append(tuple(names[start:stop]))
        reached = max(reached, stop)
    return tuple(groups)
