"""The certainty of a table's order: under other seeds, compared with a published order, and over several data sets.

Errors are test errors in percent, infinite where a seed diverged. The lowest error has rank 1. Equal errors share their
ranks.

Sources: Efron, 1979 (bootstrap); Kendall, 1945 (tau-b); Demšar, 2006 (critical difference).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FEWEST_SEEDS = 3
FEWEST_DATA_SETS = 5
FEWEST_VARIANTS = 3


class RankStability(NamedTuple):
    """Shares of the bootstrap draws, for V variants in the order given.

    Args:
        rank_probability: (V, V): the share in which variant i has rank r + 1; rows and columns sum to 1.
        same_order: The share in which the whole order is the observed one.
        same_first: The share in which the first of the observed order is first.
        draws: The number of draws.
    """

    rank_probability: npt.NDArray[np.float64]
    same_order: float
    same_first: float
    draws: int


class OrderAgreement(NamedTuple):
    """The agreement of two orders of the same names, pair by pair.

    Args:
        names: The number of names that both have.
        pairs: The number of pairs of names.
        concordant: The pairs with the same order on both sides.
        discordant: The pairs with opposite orders.
        tied: The pairs that are equal on at least one side; they are neither concordant nor discordant.
        tau: Kendall's tau-b, -1 to 1; None if all values of one side are equal.
    """

    names: int
    pairs: int
    concordant: int
    discordant: int
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


def rank_stability(errors: Sequence[Mapping[Any, float]], draws: int = 10_000, seed: int = 0) -> RankStability | None:
    """How often the order of the medians would change with other seeds.

    Seeds are drawn with replacement. Variants with the same seeds use the same draws, because their trials share the order
    of the images. Other variants use independent draws.

    Args:
        errors: One mapping from seed to error per variant.
        draws: The number of bootstrap draws.
        seed: The seed of the draws.

    Returns:
        None for fewer than two variants, or if a variant has fewer than 3 seeds: a single seed drawn again and again would
        make any order look certain.
    """
    import numpy as np
    from scipy.stats import rankdata

    if len(errors) < 2 or min(map(len, errors)) < FEWEST_SEEDS:
        return None
    generator = np.random.default_rng(seed)
    drawn: dict[tuple[Any, ...], npt.NDArray[np.int64]] = {}
    medians = np.empty((draws + 1, len(errors)))  # row 0 is the observed one
    for i, of_variant in enumerate(errors):
        seeds = tuple(sorted(of_variant))
        if seeds not in drawn:
            drawn[seeds] = generator.integers(len(seeds), size=(draws, len(seeds)))
        ordered = np.array([of_variant[each] for each in seeds])
        medians[0, i] = np.median(ordered)
        medians[1:, i] = np.median(ordered[drawn[seeds]], axis=1)
    # Equal medians share the ranks from first to last; each rank has the same probability.
    first, last = (np.asarray(rankdata(medians, method=end, axis=1)) for end in ("min", "max"))
    shared = 1 / (last - first + 1)
    at_rank = (((first <= rank) & (rank <= last)) * shared for rank in range(1, len(errors) + 1))
    rank_probability = np.stack([each[1:].mean(axis=0) for each in at_rank], axis=1)
    return RankStability(
        rank_probability=rank_probability,
        same_order=float(((first[1:] == first[0]) & (last[1:] == last[0])).all(axis=1).mean()),
        same_first=float(rank_probability[first[0] == 1, 0].sum()),
        draws=draws,
    )


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
        discordant=sum(product < 0 for product in products),
        tied=products.count(0),
        tau=float(kendalltau(first, second).statistic) if varied else None,
    )


def critical_difference(errors: Mapping[str, Mapping[str, float]], alpha: float = 0.05) -> CriticalDifference | None:
    """The variants that differ over several data sets.

    If Friedman's test finds no difference, all variants form one group.

    Args:
        errors: The median error over the seeds in percent, by data set and then by variant. A variant that some data set
            lacks is left out.
        alpha: The significance level, 0 to 1.

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
    k, quantile = len(names), studentized_range.ppf(1 - alpha, len(names), math.inf) / 2**0.5
    difference = float(quantile * (k * (k + 1) / (6 * len(errors))) ** 0.5)
    groups = _groups(average, difference) if friedman_p < alpha else (tuple(average),)
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
