"""The comparison of two variants by their seeds.

An errors mapping is seed -> a value that is the lower the better, such as the test error in percent; with folds its keys
are (fold, seed). It is infinite for a seed that diverged, which is worse than any other.

The test is chosen by the design, before errors are seen:

- Paired, if the two have 6 or more keys in common: Wilcoxon's signed-rank test of the differences at common keys. What the
  order of the images, their augmentation, the initial weights or a fold add to both errors cancels. The unit whose sign is
  exchanged is one training; with folds, one (fold, seed). The null hypothesis is then about these folds only.
- Unpaired, else: five pairs cannot reach p < 0.05 (2/2^5 = 0.06), five seeds against five can (2/252). The test is Brunner
  and Munzel's studentized rank sum over all splits of the seeds into two sides. It holds with unequal spread, and with
  unequal numbers of seeds far better than the rank sum does.

Each difference has the Hodges-Lehmann estimate and the interval of all differences that the same test does not reject.
Sources: Wilcoxon, 1945; Hodges and Lehmann, 1963; Brunner and Munzel, 2000; Neubert and Brunner, 2007 (permuted); Newcombe,
2006 (the interval of a probability). The error rates are in reports/README.md, from `python -m tests.statistics.calibrate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.statistics.description import Errors

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]

ALPHA = 0.05
LEVEL = 0.95  # of intervals
PAIRED_FROM = 6  # common keys: 2/2^6 = 0.031 is the first below 0.05
MOST_SPLITS = 20_000  # 8 against 8 seeds have 12,870 splits, so they are exact
KEPT = 10_000  # p-values per cache
DIGITS = 12  # of a value, to which differences are rounded


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


class Comparison(NamedTuple):
    """A variant compared with a baseline. The lower error wins; a tie counts as half a win.

    Args:
        n: The seeds of the variant.
        baseline_n: The seeds of the baseline.
        common: The seeds that both have.
        paired: Whether common seeds are compared with each other, and seeds that only one side has are left out.
        direction: -1 if the test statistic says that the variant has the lower errors, 1 for the higher, 0 for neither.
        difference: The Hodges-Lehmann estimate of the variant minus the baseline, in the unit: the median of the averages
            of two differences (paired), or of all differences between the sides (unpaired). None if it is infinite.
        interval: Of the difference, for this comparison alone: all differences that the test does not reject.
        won: The pairs that the variant wins, of `pairs`.
        pairs: `common` if paired, else n * baseline_n.
        probability: won / pairs: the probability that the variant is better, at the same seed if paired.
        probability_interval: Of the probability, 95%.
        p_value: Two-sided, of this comparison alone.
        floor: The smallest p-value that is possible with these seeds, for this comparison alone.
        exact: Whether all rearrangements were counted; else the p-value is estimated from random ones, always the same.
    """

    n: int
    baseline_n: int
    common: int
    paired: bool
    direction: int
    difference: float | None
    interval: Interval
    won: float
    pairs: int
    probability: float
    probability_interval: tuple[float, float]
    p_value: float
    floor: float
    exact: bool


def is_paired(variant: Errors, baseline: Errors, paired_from: int = PAIRED_FROM) -> bool:
    """Whether two variants are compared by their common keys. It depends on the keys only, never on the errors.

    Args:
        variant: The errors by key.
        baseline: The errors by key.
        paired_from: The fewest common keys that are compared in pairs.
    """
    return len(variant.keys() & baseline.keys()) >= paired_from


def compare(variant: Errors, baseline: Errors, paired_from: int = PAIRED_FROM) -> Comparison:
    """The comparison of a variant with a baseline.

    Args:
        variant: The errors of at least one seed.
        baseline: The errors of at least one seed.
        paired_from: The fewest common keys that are compared in pairs. 1 for keys of folds: folds differ more than seeds,
            so a test that does not pair them sees nothing.
    """
    import numpy as np

    paired = is_paired(variant, baseline, paired_from)
    common = len(variant.keys() & baseline.keys())
    if paired:
        differences = paired_differences(variant, baseline)
        won, pairs = _won(differences), common
        value, exact = float(signed_rank_p_values(differences[:, None])[0]), True
        estimate, interval = _walsh(differences)
        floor = min(1.0, 2.0 ** (1 - common))
    else:
        ours, theirs = (np.sort(np.array([*errors.values()], float)) for errors in (variant, baseline))
        differences = _differences(ours, theirs)
        won, pairs = _won(differences), ours.size * theirs.size
        splits = math.comb(ours.size + theirs.size, ours.size)
        value, exact = rank_sum_p(ours, theirs), splits < MOST_SPLITS
        estimate, interval = float(np.median(differences)), _shifts(ours, theirs, differences)
        floor = min(1.0, 2 / splits) if exact else 1 / (MOST_SPLITS + 1)
    return Comparison(
        n=len(variant),
        baseline_n=len(baseline),
        common=common,
        paired=paired,
        direction=direction(variant, baseline, paired_from),
        difference=estimate if math.isfinite(estimate) else None,
        interval=interval,
        won=won,
        pairs=pairs,
        probability=won / pairs,
        probability_interval=_share_interval(won, pairs) if paired else _win_interval(won, len(variant), len(baseline)),
        p_value=value,
        floor=floor,
        exact=exact,
    )


def direction(variant: Errors, baseline: Errors, paired_from: int = PAIRED_FROM) -> int:
    """-1 if the test statistic says that the variant has the lower errors, 1 for the higher, 0 for neither.

    Args:
        variant: The errors by key.
        baseline: The errors by key.
        paired_from: The fewest common keys that are compared in pairs.
    """
    import numpy as np

    if is_paired(variant, baseline, paired_from):
        return _sign(float(signed_ranks(paired_differences(variant, baseline)[:, None]).sum()))
    ours, theirs = (np.array([*errors.values()], float) for errors in (variant, baseline))
    return _sign(ours.size * theirs.size / 2 - _won(_differences(ours, theirs)))


def paired_differences(variant: Errors, baseline: Errors) -> Floats:
    """The differences at the common keys, of shape (common,), variant minus baseline; zero where both diverged.

    Args:
        variant: The errors by key.
        baseline: The errors by key.
    """
    import numpy as np

    keys = [key for key in variant if key in baseline]
    return subtracted(np.array([variant[key] for key in keys], float), np.array([baseline[key] for key in keys], float))


def subtracted(ours: Floats, theirs: Floats) -> Floats:
    """The differences, rounded so that 0.3 - 0.2 ties with 0.2 - 0.1; zero where both are infinite.

    Args:
        ours: Of any shape.
        theirs: Of a shape that fits.
    """
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        largest = np.log10(np.maximum(np.abs(ours), np.abs(theirs)))
        decimals = DIGITS - 1 - np.floor(np.where(np.isfinite(largest), largest, 0.0))
        scale = 10.0 ** np.clip(decimals, 0, 300)
        return np.asarray(np.where(ours == theirs, 0.0, np.rint((ours - theirs) * scale) / scale))


def _differences(ours: Floats, theirs: Floats) -> Floats:
    """All differences between two sides, sorted."""
    import numpy as np

    return np.sort(subtracted(ours[:, None], theirs[None, :]), axis=None)


def _won(differences: Floats) -> float:
    return float((differences < 0).sum() + (differences == 0).sum() / 2)


def _sign(number: float) -> int:
    return int(number > 0) - int(number < 0)


def signed_ranks(differences: Floats) -> Floats:
    """The signed ranks of all absolute differences of each matrix together, of the same shape; zero for zero and for NaN.

    Args:
        differences: Of shape (..., keys, comparisons); may be infinite, and NaN where there is no difference.
    """
    import numpy as np
    from scipy.stats import rankdata

    flat = np.abs(differences).reshape(*differences.shape[:-2], -1)
    flat = np.where(np.isnan(flat), 0.0, flat)
    ranks = rankdata(flat, axis=-1) - (flat == 0).sum(-1, keepdims=True)  # ranks of the differences that are not zero
    return np.asarray(np.where(flat > 0, ranks, 0.0).reshape(differences.shape) * np.sign(np.nan_to_num(differences)))


def signed_rank_p_values(differences: Floats) -> Floats:
    """The two-sided p-value of the signed ranks of each comparison over all signs, exact also with ties.

    Args:
        differences: Of shape (keys, comparisons); may be infinite. Zero and NaN are left out.
    """
    import numpy as np

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
    import numpy as np

    below = np.cumsum(_sums(weights))  # the distribution is symmetric
    return np.asarray(np.minimum(1.0, 2 * np.minimum(below, below[::-1])))


def _sums(weights: Sequence[int]) -> Floats:
    """The probability of each sum of a random subset of the weights, from 0 on; exact up to 52 weights."""
    import numpy as np

    found = np.zeros(sum(weights) + 1)
    found[0] = 1.0
    for weight in weights:
        found /= 2
        found[weight:] += found[: found.size - weight].copy()
    return found


def attainable_level(n: int, alpha: float) -> float:
    """The largest p-value below alpha that n untied pairs can have; 0 if there is none.

    Args:
        n: The number of pairs.
        alpha: The significance level.
    """
    return _depth(n, alpha)[1]


def _depth(n: int, alpha: float) -> tuple[int, float]:
    """How many averages of pairs the interval leaves out at each end, and how often it then misses.

    Without any average left out, if that misses too often already, the number is 0 and the second is 0.
    """
    import numpy as np

    missed = 2 * np.cumsum(_sums(range(1, n + 1)))
    depth = int(np.searchsorted(missed, alpha, side="right"))
    return depth, float(missed[depth - 1]) if depth else 0.0


def _walsh(differences: Floats) -> tuple[float, Interval]:
    """The Hodges-Lehmann estimate of paired differences, and the interval that inverts the signed-rank test."""
    import numpy as np

    i, j = np.triu_indices(differences.size)
    with np.errstate(invalid="ignore"):
        averages = np.nan_to_num((differences[i] + differences[j]) / 2, nan=0.0, posinf=np.inf, neginf=-np.inf)
    averages = np.sort(averages)
    depth, missed = _depth(differences.size, 1 - LEVEL)
    if depth == 0:  # the widest interval that there is
        depth, missed = 1, min(1.0, 2.0 ** (1 - differences.size))
    return float(np.median(averages)), Interval(float(averages[depth - 1]), float(averages[-depth]), 1 - missed)


def studentized_rank_sums(ours: Floats, theirs: Floats) -> Floats:
    """Brunner and Munzel's statistic without its sign, for many pairs of samples at once; infinite if they do not overlap.

    With one value on a side, which has no spread, it is the distance of the probability from a half.

    Args:
        ours: Of shape (n, ...).
        theirs: Of shape (m, ...).
    """
    import numpy as np

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
        ours: Of shape (n,); may be infinite.
        theirs: Of shape (m,); may be infinite.
    """
    import numpy as np
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([ours, theirs]))
    return _split_p(tuple(sorted(ranks[: ours.size])), tuple(sorted(ranks[ours.size :])))


@lru_cache(maxsize=KEPT)
def _split_p(ours: tuple[float, ...], theirs: tuple[float, ...]) -> float:
    """Cached: few seeds have few possible orders, 252 for five seeds a side."""
    import numpy as np

    n, ranks = len(ours), np.array([*ours, *theirs])
    observed = studentized_rank_sums(ranks[:n], ranks[n:])
    least = min(1.0, 2 / math.comb(ranks.size, n))  # with ties only one split may be as far, and none the other way
    return max(least, _tail(over_splits(tuple(ranks), n), float(observed)))


def _tail(rearranged: Floats, observed: float) -> float:
    """The share of rearrangements that are as far from none as the observed one."""
    import numpy as np

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
    import numpy as np

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


def _shifts(ours: Floats, theirs: Floats, differences: Floats) -> Interval:
    """The shifts that the studentized rank sum does not reject: its value changes at the differences only."""
    import numpy as np

    n, m = ours.size, theirs.size
    splits = math.comb(n + m, n)
    widest = Interval(float(differences[0]), float(differences[-1]), 1 - min(1.0, 2 / splits))
    rearranged = over_splits(tuple(np.arange(1.0, n + m + 1)), n)
    finite = np.unique(differences[np.isfinite(differences)])
    if 2 / splits > 1 - LEVEL or not finite.size:
        return widest
    edges = np.concatenate([[differences[0]], finite, [differences[-1]]])
    between = np.concatenate([[finite[0] - 1], (finite[1:] + finite[:-1]) / 2, [finite[-1] + 1]])
    found = studentized_rank_sums(ours[:, None] - between, np.broadcast_to(theirs[:, None], (m, between.size)))
    tails = (rearranged.size - np.searchsorted(rearranged, found)) / rearranged.size
    kept = np.flatnonzero(tails > 1 - LEVEL)
    if not kept.size:
        return widest
    possible = (rearranged.size - np.searchsorted(rearranged, np.unique(rearranged))) / rearranged.size
    missed = possible[possible <= 1 - LEVEL].max(initial=0.0)
    return Interval(float(edges[kept[0]]), float(edges[kept[-1] + 1]), float(1 - missed))


def _share_interval(won: float, n: int) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share of n trials."""
    from scipy.stats import beta

    tail = (1 - LEVEL) / 2
    low = 0.0 if won == 0 else float(beta.ppf(tail, won, n - won + 1))
    return low, 1.0 if won == n else float(beta.ppf(1 - tail, won + 1, n - won))


def _win_interval(won: float, n: int, m: int) -> tuple[float, float]:
    """Newcombe's interval (his method 5) of the probability that one of n is better than one of m."""
    from scipy.optimize import brentq

    share, z, size = won / (n * m), NormalDist().inv_cdf((1 + LEVEL) / 2), (n + m) / 2 - 1

    def beyond(p: float) -> Any:
        spread = p * (1 - p) * (1 + size * ((1 - p) / (2 - p) + p / (1 + p))) / (n * m)
        return abs(p - share) - z * math.sqrt(max(spread, 0.0))

    tiny = 1e-9  # the ends themselves are roots where all pairs are won
    low = 0.0 if share == 0 else float(brentq(beyond, tiny, min(share, 1 - tiny)))
    return low, 1.0 if share == 1 else float(brentq(beyond, max(share, tiny), 1 - tiny))
