"""The two tests of a comparison, over all rearrangements of seeds, with the estimates and intervals that invert them.

Wilcoxon's signed ranks of paired differences; Brunner and Munzel's studentized rank sum of two sides. See comparison.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from ablate.statistics.description import LEVEL, Errors, Interval

Floats = npt.NDArray[np.floating[Any]]

MOST_SPLITS = 20_000  # 8 against 8 seeds have 12,870 splits, so they are exact
KEPT = 10_000  # p-values per cache
DIGITS = 12  # of a value, to which differences are rounded


def paired_differences(variant: Errors, baseline: Errors) -> Floats:
    """The differences at the common keys, of shape (common,), variant minus baseline; NaN where both diverged.

    Args:
        variant, baseline: The errors by key.
    """
    keys = [key for key in variant if key in baseline]
    return subtracted(np.array([variant[key] for key in keys], float), np.array([baseline[key] for key in keys], float))


def side_differences(ours: Floats, theirs: Floats) -> Floats:
    """All differences between two sides, sorted; last those of two diverged seeds, which are NaN.

    Args:
        ours, theirs: Of shapes (n,) and (m,).
    """
    return np.sort(subtracted(ours[:, None], theirs[None, :]), axis=None)


def subtracted(ours: Floats, theirs: Floats) -> Floats:
    """The differences, rounded so that 0.3 - 0.2 ties with 0.2 - 0.1; NaN where both are infinite, as nobody knows theirs.

    Args:
        ours, theirs: Of shapes that fit each other.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        largest = np.log10(np.maximum(np.abs(ours), np.abs(theirs)))
        decimals = DIGITS - 1 - np.floor(np.where(np.isfinite(largest), largest, 0.0))
        scale = 10.0 ** np.clip(decimals, 0, 300)
        return np.asarray(np.rint((ours - theirs) * scale) / scale)


def signed_ranks(differences: Floats) -> Floats:
    """The signed ranks of all absolute differences of each matrix together, of the same shape; zero for zero and for NaN.

    Args:
        differences: Of shape (..., keys, comparisons); may be infinite, and NaN where there is no difference.
    """
    flat = np.abs(differences).reshape(*differences.shape[:-2], -1)
    flat = np.where(np.isnan(flat), 0.0, flat)
    ranks = rankdata(flat, axis=-1) - (flat == 0).sum(-1, keepdims=True)  # ranks of the differences that are not zero
    return np.asarray(np.where(flat > 0, ranks, 0.0).reshape(differences.shape) * np.sign(np.nan_to_num(differences)))


def signed_rank_p_values(differences: Floats) -> Floats:
    """The two-sided p-value of the signed ranks of each comparison over all signs, exact also with ties.

    Args:
        differences: Of shape (keys, comparisons); may be infinite. Zero and NaN are left out.
    """
    twice = np.rint(2 * signed_ranks(differences.T[..., None])[..., 0]).astype(int)  # (comparisons, keys): whole numbers
    weights, kinds = np.unique(np.sort(np.abs(twice), axis=1), axis=0, return_inverse=True)
    sums, kinds, found = np.maximum(twice, 0).sum(axis=1), kinds.reshape(-1), np.ones(len(twice))
    for kind, of_kind in enumerate(weights.tolist()):
        members = kinds == kind
        found[members] = _p_of_sums(tuple(weight for weight in of_kind if weight))[sums[members]]
    return found


@lru_cache(maxsize=1000)
def _p_of_sums(weights: tuple[int, ...]) -> Floats:
    """The two-sided p-value of each sum of a random subset of the weights, from 0 on."""
    below = np.cumsum(_sums(weights))  # the distribution is symmetric
    return np.asarray(np.minimum(1.0, 2 * np.minimum(below, below[::-1])))


def _sums(weights: Sequence[int]) -> Floats:
    """The probability of each sum of a random subset of the weights, from 0 on; exact up to 52 weights."""
    found = np.zeros(sum(weights) + 1)
    found[0] = 1.0
    for weight in weights:
        found /= 2
        found[weight:] += found[: found.size - weight].copy()
    return found


def attainable_level(n: int, alpha: float) -> float:
    """The largest p-value below alpha that n untied pairs can have; 0 if there is none."""
    return _depth(n, alpha)[1]


def _depth(n: int, alpha: float) -> tuple[int, float]:
    """How many averages of pairs the interval leaves out at each end, and how often it then misses.

    Without any average left out, if that misses too often already, the number is 0 and the second is 0.
    """
    missed = 2 * np.cumsum(_sums(range(1, n + 1)))
    depth = int(np.searchsorted(missed, alpha, side="right"))
    return depth, float(missed[depth - 1]) if depth else 0.0


def pair_averages(differences: Floats) -> Floats:
    """The averages of all pairs, each with itself too, in rising order; of two opposite infinities 0.

    Args:
        differences: Of shape (n,).
    """
    i, j = np.triu_indices(differences.size)
    with np.errstate(invalid="ignore"):
        averages = (differences[i] + differences[j]) / 2
    averages[np.isnan(averages)] = 0.0
    averages.sort()
    return np.asarray(averages)


def shift_of_pairs(differences: Floats) -> tuple[float, Interval]:
    """The Hodges-Lehmann estimate of paired differences, and the interval that inverts the signed-rank test.

    Args:
        differences: Of shape (n,); at least one.
    """
    averages = pair_averages(differences)
    depth, missed = _depth(differences.size, 1 - LEVEL)
    if depth == 0:  # the widest interval that there is
        depth, missed = 1, min(1.0, 2.0 ** (1 - differences.size))
    return float(np.median(averages)), Interval(float(averages[depth - 1]), float(averages[-depth]), 1 - missed)


def studentized_rank_sums(ours: Floats, theirs: Floats) -> Floats:
    """Brunner and Munzel's statistic without its sign, for many pairs of samples at once; infinite if they do not overlap.

    With one value on a side, which has no spread, it is the distance of the probability from a half.

    Args:
        ours, theirs: Of shapes (n, ...) and (m, ...).
    """
    n, m = len(ours), len(theirs)
    # Twice the pairs won: sums of whole numbers, so that statistics tie where they are equal, and sides can be exchanged.
    won = (ours[:, None] > theirs).astype(np.float32) * 2
    won += np.equal(ours[:, None], theirs)
    of_ours, of_theirs = won.sum(1, dtype=float), won.sum(0, dtype=float)
    distance = np.abs(of_ours.sum(0) - n * m)
    if min(n, m) == 1:
        return np.asarray(distance / (2 * n * m))
    one, other = (len(side) * (side**2).sum(0) - side.sum(0) ** 2 for side in (of_ours, of_theirs))
    spread = one * (m - 1) + other * (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt(distance**2 * ((n - 1) * (m - 1)) / spread)
    return np.asarray(np.where(distance == 0, 0.0, found))


def rank_sum_p(ours: Floats, theirs: Floats) -> float:
    """The two-sided p-value of the studentized rank sum over all splits, or over random ones where there are too many.

    Args:
        ours, theirs: Of shapes (n,) and (m,); may be infinite.
    """
    ranks = rankdata(np.concatenate([ours, theirs]))
    return _split_p(tuple(sorted(ranks[: ours.size])), tuple(sorted(ranks[ours.size :])))


@lru_cache(maxsize=KEPT)
def _split_p(ours: tuple[float, ...], theirs: tuple[float, ...]) -> float:
    """Cached: few seeds have few possible orders, 252 for five seeds a side."""
    n, ranks = len(ours), np.array([*ours, *theirs])
    observed = studentized_rank_sums(ranks[:n], ranks[n:])
    least = min(1.0, 2 / math.comb(ranks.size, n))  # with ties only one split may be as far, and none the other way
    return max(least, _tail(over_splits(tuple(ranks), n), float(observed)))


def _tail(rearranged: Floats, observed: float) -> float:
    """The share of rearrangements that are as far from none as the observed one."""
    beyond = rearranged.size - int(np.searchsorted(rearranged, observed))
    random = rearranged.size == MOST_SPLITS
    return (beyond + random) / (rearranged.size + random)


@lru_cache(maxsize=256)
def over_splits(ranks: tuple[float, ...], n: int) -> Floats:
    """The sorted statistics of all splits of the ranks with n on the first side; of random ones if there are too many.

    Args:
        ranks: Of all values, in any order.
        n: The values on the first side.
    """
    size, values = len(ranks), np.array(ranks)
    if math.comb(size, n) < MOST_SPLITS:
        chosen = np.array([*combinations(range(size), n)])
        inside = np.zeros((len(chosen), size), bool)
        np.put_along_axis(inside, chosen, True, axis=1)
        order = np.argsort(~inside, axis=1, kind="stable")
    else:
        order = np.random.default_rng(0).permuted(np.tile(np.arange(size), (MOST_SPLITS, 1)), axis=1)
    drawn = values[order]
    return np.sort(studentized_rank_sums(drawn[:, :n].T, drawn[:, n:].T))


def shift_interval(ours: Floats, theirs: Floats, differences: Floats) -> Interval:
    """The shifts that the studentized rank sum does not reject: its value changes at the differences only.

    Args:
        ours, theirs: Of shapes (n,) and (m,).
        differences: Of side_differences(), without NaN; at least one.
    """
    n, m = ours.size, theirs.size
    splits = math.comb(n + m, n)
    widest = Interval(float(differences[0]), float(differences[-1]), 1 - min(1.0, 2 / splits))
    rearranged = over_splits(tuple(np.arange(1.0, n + m + 1)), n)
    finite = np.unique(differences[np.isfinite(differences)])
    if 2 / splits > 1 - LEVEL or not finite.size:
        return widest
    edges = np.concatenate([[differences[0]], finite, [differences[-1]]])
    between = np.concatenate([[finite[0] - 1], (finite[1:] + finite[:-1]) / 2, [finite[-1] + 1]])
    if np.unique(ours).size == n and np.unique(theirs).size == m:  # no ties but those of a shift
        found = studentized_rank_sums(ours[:, None] - between, np.broadcast_to(theirs[:, None], (m, between.size)))
        tails = (rearranged.size - np.searchsorted(rearranged, found)) / rearranged.size
    else:
        tails = np.array([rank_sum_p(ours - shift, theirs) for shift in between])
    kept = np.flatnonzero(tails > 1 - LEVEL)
    if not kept.size:
        return widest
    possible = (rearranged.size - np.searchsorted(rearranged, np.unique(rearranged))) / rearranged.size
    missed = possible[possible <= 1 - LEVEL].max(initial=0.0)
    return Interval(float(edges[kept[0]]), float(edges[kept[-1] + 1]), float(1 - missed))
