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
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.statistics.description import LEVEL, Errors, Interval

if TYPE_CHECKING:
    from ablate.statistics.rank_tests import Floats

ALPHA = 0.05
PAIRED_FROM = 6  # common keys: 2/2^6 = 0.031 is the first below 0.05
DRAWS = 20_000  # rearrangements of a family, where there are too many to count


class Comparison(NamedTuple):
    """A variant compared with a baseline. The lower error wins; a tie counts as half a win.

    Args:
        n: The seeds of the variant.
        baseline_n: The seeds of the baseline.
        common: The seeds that both have.
        paired: Whether common seeds are compared with each other, and seeds that only one side has are left out.
        direction: -1 if the test statistic says that the variant has the lower errors, 1 for the higher, 0 for neither.
        difference: The Hodges-Lehmann estimate of the variant minus the baseline, in the unit: the median of the averages
            of two differences (paired), or of all differences between the sides (unpaired), without those of two diverged
            seeds. None if it is infinite, or no difference is left.
        interval: Of the difference, for this comparison alone: all differences that the test does not reject.
        won: The pairs that the variant wins, of `pairs`.
        pairs: `common` if paired, else n * baseline_n.
        probability: won / pairs: the probability that the variant is better, at the same seed if paired.
        probability_interval: Of the probability, 95%.
        p_value: Two-sided, of this comparison alone.
        floor: The smallest p-value that is possible with these seeds, for this comparison alone.
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


def is_paired(variant: Errors, baseline: Errors, paired_from: int = PAIRED_FROM) -> bool:
    """Whether two variants are compared by their common keys. It depends on the keys only, never on the errors.

    Args:
        variant, baseline, paired_from: As in compare().
    """
    return len(variant.keys() & baseline.keys()) >= paired_from


def compare(variant: Errors, baseline: Errors, paired_from: int = PAIRED_FROM) -> Comparison:
    """The comparison of a variant with a baseline.

    Args:
        variant, baseline: The errors by key, of at least one seed.
        paired_from: The fewest common keys that are compared in pairs. 1 for keys of folds: folds differ more than seeds,
            so a test that does not pair them sees nothing.
    """
    import numpy as np

    from ablate.statistics import rank_tests

    paired = is_paired(variant, baseline, paired_from)
    common = len(variant.keys() & baseline.keys())
    if paired:
        differences = rank_tests.paired_differences(variant, baseline)
        pairs = common
        value = float(rank_tests.signed_rank_p_values(differences[:, None])[0])
        floor = min(1.0, 2.0 ** (1 - common))
    else:
        ours, theirs = (np.sort(np.array([*errors.values()], float)) for errors in (variant, baseline))
        differences = rank_tests.side_differences(ours, theirs)
        pairs = ours.size * theirs.size
        splits = math.comb(ours.size + theirs.size, ours.size)
        value = rank_tests.rank_sum_p(ours, theirs)
        exact = splits < rank_tests.MOST_SPLITS  # else rearrangements are drawn, always the same
        floor = min(1.0, 2 / splits) if exact else 1 / (rank_tests.MOST_SPLITS + 1)
    won, known = _won(differences), differences[~np.isnan(differences)]
    if not known.size:
        estimate, interval = math.inf, Interval(-math.inf, math.inf, 0.0)
    elif paired:
        estimate, interval = rank_tests.shift_of_pairs(known)
    else:
        estimate, interval = float(np.median(known)), rank_tests.shift_interval(ours, theirs, known)
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
    )


def direction(variant: Errors, baseline: Errors, paired_from: int = PAIRED_FROM) -> int:
    """-1 if the test statistic says that the variant has the lower errors, 1 for the higher, 0 for neither.

    Args:
        variant, baseline, paired_from: As in compare().
    """
    import numpy as np

    from ablate.statistics import rank_tests

    if is_paired(variant, baseline, paired_from):
        differences = rank_tests.paired_differences(variant, baseline)
        return _sign(float(rank_tests.signed_ranks(differences[:, None]).sum()))
    ours, theirs = (np.array([*errors.values()], float) for errors in (variant, baseline))
    return _sign(ours.size * theirs.size / 2 - _won(rank_tests.side_differences(ours, theirs)))


def _won(differences: Floats) -> float:
    """The pairs that the variant wins; a tie, also of two diverged seeds, is half of one."""
    won, lost = (differences < 0).sum(), (differences > 0).sum()
    return float(won + (differences.size - won - lost) / 2)


def _sign(number: float) -> int:
    return int(number > 0) - int(number < 0)


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
