"""How many seeds would tell two variants apart, as a range: a pilot knows the size of the difference only roughly.

Sources: Lehmann, 1975 (rank tests need pi/3 of the values of t); Hedges and Olkin, 1985 (the interval of an effect size).
"""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple

from ablate.statistics.comparison import ALPHA, PAIRED_FROM
from ablate.statistics.description import Errors

FEWEST_PILOT = 3
MOST_SEEDS = 1000
POWER = 0.8  # the probability of finding the difference
PILOT_LEVEL = 0.8  # of the interval of the effect; at 95% a pilot that found nothing would always say "or more"
EFFICIENCY = 3 / math.pi


class SeedsNeeded(NamedTuple):
    """The seeds a side that find a difference with a power of 0.8.

    Args:
        low: If the difference is as large as the pilot's interval allows.
        high: If it is as small; infinite above 1,000.
    """

    low: float
    high: float


def seeds_needed(variant: Errors, baseline: Errors, comparisons: int = 1) -> SeedsNeeded | None:
    """The seeds a side that tell two variants apart, for both ends of the 80% interval of the effect size.

    If 3 or more keys are common, the effect is that of the paired differences and the test is the paired one, so the
    number is never below 6. In simulations of one comparison the power at the true effect is 0.84 to 0.96, highest where
    fewer than 6 seeds would do (reports/README.md).

    Args:
        variant, baseline: The errors of the pilot by key.
        comparisons: In the family. The level is divided by them, which is a little more than the joint test needs.

    Returns:
        Above 20 rounded to tens, above 100 to hundreds. None with fewer than 3 seeds on a side, or if one diverged.
    """
    from ablate.statistics.rank_tests import paired_differences

    if min(len(variant), len(baseline)) < FEWEST_PILOT or not all(
        map(math.isfinite, [*variant.values(), *baseline.values()])
    ):
        return None
    differences = paired_differences(variant, baseline)
    paired, level = differences.size >= FEWEST_PILOT, ALPHA / comparisons
    if paired:
        n: float = differences.size
        effect, spread = abs(float(differences.mean())), float(differences.std(ddof=1))
    else:
        ours, theirs = [*variant.values()], [*baseline.values()]
        n = statistics.harmonic_mean([len(ours), len(theirs)]) / 2
        effect = abs(statistics.fmean(ours) - statistics.fmean(theirs))
        squares = sum((len(side) - 1) * statistics.variance(side) for side in (ours, theirs))
        spread = math.sqrt(squares / (len(ours) + len(theirs) - 2))
    if spread == 0:
        effect, half = (math.inf, 0.0) if effect else (0.0, 0.0)
    else:
        effect /= spread
        freedom = n - 1 if paired else len(variant) + len(baseline) - 2
        z = statistics.NormalDist().inv_cdf((1 + PILOT_LEVEL) / 2)
        half = z * math.sqrt(1 / n + effect**2 / (2 * freedom))
    low, high = (_seeds_for(max(end, 0.0), level, paired) for end in (effect + half, effect - half))
    return SeedsNeeded(low, high)


def _seeds_for(effect: float, level: float, paired: bool) -> float:
    """The fewest seeds a side with the power at an effect in standard deviations; infinite above MOST_SEEDS."""
    import numpy as np
    from scipy.stats import nct, t

    first = PAIRED_FROM if paired else 2
    seeds = np.array([*range(first, 20), *range(20, 100, 10), *range(100, MOST_SEEDS + 1, 100)])  # as they are rounded
    levels = np.array([_level(int(n), level, paired) for n in seeds])
    if effect == 0:
        return math.inf
    freedom = seeds - 1 if paired else 2 * seeds - 2
    shift = np.minimum(effect, 100.0) * np.sqrt(EFFICIENCY * (seeds if paired else seeds / 2))
    reached = (levels > 0) & (nct.sf(t.isf(np.maximum(levels, 1e-12) / 2, freedom), freedom, shift) >= POWER)
    return float(seeds[np.argmax(reached)]) if reached.any() else math.inf


def _level(n: int, level: float, paired: bool) -> float:
    """The level that the test of n seeds a side really has; 0 if it cannot reject."""
    from ablate.statistics.rank_tests import attainable_level

    if not paired:
        return level if 2 / math.comb(2 * n, n) < level else 0.0
    return (attainable_level(n, level) if n <= 20 else level) or level  # in a family six seeds can reject, so never 0
