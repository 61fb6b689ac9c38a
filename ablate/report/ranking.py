"""How firm a table's order is: under other seeds, beside a published order, and over several data sets.

Errors are test errors in percent, infinite where a seed diverged. The lowest error has rank 1; equal errors share their
ranks. Sources: Efron, 1979 (bootstrap); Kendall, 1945 (tau-b); Demšar, 2006 (critical difference).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FEWEST_SEEDS = 3
FEWEST_DATA_SETS = 5
FEWEST_VARIANTS = 3


class RankStability(NamedTuple):
    """Shares of the bootstrap's draws; V variants in the order given."""

    rank_probability: npt.NDArray[np.float64]  # (V, V): that variant i has rank r + 1; rows and columns sum to 1
    same_order: float  # that the whole order is the observed one
    same_first: float  # that the first of the observed order is first
    draws: int


class OrderAgreement(NamedTuple):
    """Two orders of the same names, pair by pair."""

    names: int  # that both have
    pairs: int
    concordant: int
    discordant: int
    tied: int  # equal on either side, so neither of the two
    tau: float | None  # Kendall's tau-b, -1 to 1; None where one side is equal throughout


class CriticalDifference(NamedTuple):
    """What a critical-difference diagram shows. Average ranks over the data sets, the best first."""

    average_ranks: dict[str, float]
    data_sets: int
    friedman_p: float  # that no variant differs from another
    difference: float  # of two average ranks, from which on two variants differ (Nemenyi)
    groups: tuple[tuple[str, ...], ...]  # those not told apart, two names or more, none inside another


def rank_stability(errors: Sequence[Mapping[int, float]], draws: int = 10_000, seed: int = 0) -> RankStability | None:
    """How often the order by medians would be another with other seeds; a mapping seed -> error a variant.

    Seeds are drawn again with replacement; variants with the same seeds are given the same draws, as such trials share
    the order of their images, the others draws of their own. None for fewer than two variants, and where one has fewer
    than 3 seeds, since one seed drawn again and again would call any order certain.
    """
    import numpy as np
    from scipy.stats import rankdata

    if len(errors) < 2 or min(map(len, errors)) < FEWEST_SEEDS:
        return None
    generator = np.random.default_rng(seed)
    drawn: dict[tuple[int, ...], npt.NDArray[np.int64]] = {}
    medians = np.empty((draws + 1, len(errors)))  # the first row is the observed one
    for i, of_variant in enumerate(errors):
        seeds = tuple(sorted(of_variant))
        if seeds not in drawn:
            drawn[seeds] = generator.integers(len(seeds), size=(draws, len(seeds)))
        ordered = np.array([of_variant[each] for each in seeds])
        medians[0, i] = np.median(ordered)
        medians[1:, i] = np.median(ordered[drawn[seeds]], axis=1)
    # Equal medians share the ranks from first to last, each with the same probability.
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
    """How far two lists of values put the names that both have in the same order."""
    from scipy.stats import kendalltau, rankdata

    names = [name for name in ours if name in published]
    # Ranks, because two infinite values have no difference.
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
    """Which variants differ over several data sets: data set -> variant -> error in percent, its median over seeds.

    Variants that some data set lacks are left out. None for fewer than 3 variants, where there is one comparison and
    nothing to draw, and for fewer than 5 data sets: both tests are approximations for many, and with fewer hardly any
    difference of ranks is large enough. Unless Friedman's test finds a difference at all, all are one group.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    # scikit-posthocs returns the p-value of each pair, not the difference that a diagram shows, and needs statsmodels.

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
    """The longest runs of names, two or more, whose ends lie less than the difference apart; ranks increase."""
    names, ranks, reached = list(average_ranks), list(average_ranks.values()), 0
    groups = []
    for start in range(len(names)):
        stop = sum(rank - ranks[start] < difference for rank in ranks)
        if stop > max(reached, start + 1):
            groups.append(tuple(names[start:stop]))
        reached = max(reached, stop)
    return tuple(groups)
