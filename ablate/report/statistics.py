"""What n seeds can say: a variant in numbers, two variants compared, and the sentence that follows.

An errors mapping is seed -> test error in percent, infinite for a seed that diverged, which is worse than any other.

The p-value of a verdict is that of the exact permutation test of the rank sum (Wilcoxon; Mann and Whitney), two-sided,
over all seeds of both sides. Its statistic is the number of seed pairs that a variant wins, so p-value and probability
say the same thing; it takes ties and diverged seeds as they are; for normal errors it needs 5% more seeds than a test of
means, and a third fewer than one of medians. Common seeds are not paired in it. They share the order of the images and
their augmentation, but that is little of what a seed changes: in reports/block_types_cpu the errors of one seed correlate
by -0.08, the mean over the 15 pairs of variants. And with five pairs the smallest p-value is 2/2^5 = 0.06, over all seeds
2/252 = 0.008. The paired test stands beside it for information; to take the smaller of the two would be no test. Where
common seeds do move errors together, the test over all seeds errs to the careful side.

Sources: Mann and Whitney, 1947; Lehmann, 1975 (the seeds needed); Holm, 1979; Hettmansperger and Sheather, 1986.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

ALPHA = 0.05
INTERVAL_FROM = 8  # seeds; with 5, minimum to maximum misses the median once in 16 times; with 7 little is inside it
RESAMPLES = 200_000  # all splits of 10 against 10 seeds are 184,756
MOST_SEEDS = 1000
KEPT = 10_000  # p-values in memory

Errors = Mapping[int, float]


class Description(NamedTuple):
    """One variant's seeds. Errors in percent; mean and std are None if a seed diverged, std also for one seed."""

    n: int
    median: float
    mean: float | None
    std: float | None  # of the sample: n - 1 in the denominator
    min: float
    max: float
    interval: tuple[float, float]
    interval_kind: str  # "range" or "95% interval"


class Comparison(NamedTuple):
    """A variant against a baseline. A seed pair is won by the lower error; a tie is half won."""

    n: int
    baseline_n: int
    difference: float | None  # variant - baseline, of the medians, in points; None if one is infinite
    won: float  # of all n * baseline_n seed pairs
    probability: float  # won / pairs: that a seed of the variant beats a seed of the baseline
    p_value: float
    floor: float  # the smallest p-value that so many seeds allow
    resamples: int | None  # None where the p-value is exact; else how many random splits it is estimated from
    common: int  # seeds of both
    paired_probability: float | None  # the share of the common seeds at which the variant wins
    paired_p_value: float | None  # sign flips of the signed ranks, two-sided; not the test that verdicts use
    paired_floor: float | None

    @property
    def pairs(self) -> int:
        return self.n * self.baseline_n


class Verdict(NamedTuple):
    """A comparison among several. adjusted_*: after Holm's correction."""

    name: str
    comparison: Comparison
    adjusted_p: float
    adjusted_floor: float
    needed: float | None  # see seeds_needed()
    sentence: str


def describe(errors: Errors) -> Description:
    """One variant's seeds in numbers; errors of at least one seed.

    The interval of the median is Hettmansperger and Sheather's: between the two pairs of order statistics whose sign-test
    confidence lies on either side of 95%. It needs no random draws and no shape of the errors. A bootstrap's interval of
    a median has those same order statistics for ends, but reaches less than 95% with few seeds. With fewer than 8 seeds
    the interval is minimum to maximum, and its kind is "range".
    """
    ordered = sorted(errors.values())
    n, mean = len(ordered), statistics.fmean(ordered) if math.isfinite(ordered[-1]) else None
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


def _median_interval(ordered: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    n = len(ordered)
    depth, tail = 1, 2 / 2**n  # the interval from the depth-th lowest to the depth-th highest misses the median so often
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


def compare(variant: Errors, baseline: Errors) -> Comparison:
    """A variant against a baseline, each with at least one seed.

    The p-value doubles the smaller tail over all splits of the seeds into two sides. It is exact, but for equal errors
    among more than 200,000 splits (10 seeds a side), where as many random ones estimate it, the same every time. The
    paired one likewise, up to 17 common seeds; those without a difference are left out of it.
    """
    ours, theirs = sorted(variant.values()), sorted(baseline.values())
    ranks = _ranks([*ours, *theirs])
    won = _won(product(ours, theirs))
    splits = math.comb(len(ranks), len(ours))
    tied = len(set(ranks)) < len(ranks)  # without ties all splits are counted at once, at any number of seeds
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
    """Pairs of which the first is lower, equal ones half."""
    return sum((ours < theirs) + (ours == theirs) / 2 for ours, theirs in pairs)


def _ranks(values: Sequence[float]) -> tuple[float, ...]:
    """Each value's place from 1, equal ones sharing theirs; rankdata() is for arrays, and slow for ten values."""
    ordered = sorted(values)
    return tuple((bisect_left(ordered, value) + bisect_right(ordered, value) + 1) / 2 for value in values)


@lru_cache(maxsize=KEPT)
def _rank_sum_p_value(ours: tuple[float, ...], theirs: tuple[float, ...], splits: int, tied: bool) -> float:
    """The p-value of the rank sum; kept, for few seeds can stand in few orders: 252, if there are five a side."""
    from scipy.stats import mannwhitneyu

    return _permuted((ours, theirs), splits) if tied else float(mannwhitneyu(ours, theirs, method="exact").pvalue)


def _paired_p_value(pairs: Sequence[tuple[float, float]]) -> float:
    # Rounded, so that 0.3 - 0.2 ties with 0.2 - 0.1; two diverged seeds have no difference, though inf - inf is none.
    differences = [round(ours - theirs, 9) for ours, theirs in pairs if ours != theirs]
    ranks = _ranks([abs(difference) for difference in differences])
    signed = tuple(math.copysign(*both) for both in zip(ranks, differences))
    rearrangements = 2 ** len(signed)
    return _permuted((tuple(sorted(signed)) if rearrangements <= RESAMPLES else signed,), rearrangements)


@lru_cache(maxsize=KEPT)
def _permuted(samples: tuple[tuple[float, ...], ...], rearrangements: int) -> float:
    """The two-sided p-value of a sum: of the first of two samples over all splits, of one over all its signs."""
    from scipy.stats import permutation_test

    if rearrangements <= 2:
        return 1.0
    if lone := [sample[0] for sample in samples if len(sample) == 1]:  # permutation_test() wants two seeds or more
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
    """P-values corrected for their number, in the order given. Of floors: the smallest that each can become."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for step, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - step) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def seeds_needed(variant: Errors, baseline: Errors, power: float = 0.8, alpha: float = ALPHA) -> float | None:
    """About how many seeds a side tell the two apart, were the observed probability the true one.

    Infinite above 1,000; None with fewer than 3 seeds on a side, which say too little. Exact to 20, then rounded up to
    tens, from 100 on to hundreds; the observed probability alone is known too badly for more. For several comparisons
    give alpha / comparisons, which is Holm's first step.

    The formula is that of two normal samples as far apart as gives this probability, with the rank test's efficiency of
    3/pi and the usual term for few seeds; for alpha = 0.05 to 0.005 and n > 4 simulated power is 0.77 or more. It is
    never below the n at which the exact test can reach alpha.
    """
    if min(len(variant), len(baseline)) < 3:
        return None
    normal = statistics.NormalDist()
    won = _won(product(variant.values(), baseline.values()))
    half = 0.5 / (len(variant) * len(baseline))  # of a pair: where all are won, the shift is not infinite
    probability = min(max(half, won * 2 * half), 1 - half)
    shift = math.sqrt(2) * abs(normal.inv_cdf(probability))
    significant, powerful = normal.inv_cdf(1 - alpha / 2), normal.inv_cdf(power)
    smallest = next(n for n in range(1, MOST_SEEDS) if 2 / math.comb(2 * n, n) < alpha)
    if shift == 0:
        return math.inf
    n = max(smallest, math.ceil(math.pi / 3 * 2 * ((significant + powerful) / shift) ** 2 + significant**2 / 4))
    step = 1 if n <= 20 else 10 if n <= 100 else 100
    return math.inf if n > MOST_SEEDS else step * math.ceil(n / step)


def reach_verdicts(
    pairs: Sequence[tuple[tuple[str, Errors], tuple[str, Errors]]],
    alpha: float = ALPHA,
    power: float = 0.8,
    unit: str = "seed",
) -> list[Verdict]:
    """A verdict a pair (name and errors of the variant, of its baseline), corrected for the number of pairs.

    Every side needs at least one seed. `power` and `alpha` are those of the seeds needed. unit: what an error is of, in
    the sentences.
    """
    comparisons = [compare(errors, baseline_errors) for (_, errors), (_, baseline_errors) in pairs]
    adjusted = holm([comparison.p_value for comparison in comparisons])
    floors = holm([comparison.floor for comparison in comparisons])
    verdicts = []
    for ((name, errors), (baseline, baseline_errors)), comparison, p, floor in zip(pairs, comparisons, adjusted, floors):
        needed = seeds_needed(errors, baseline_errors, power, alpha / len(pairs))
        sentence = verdict_sentence(name, baseline, comparison, p, floor, len(pairs), needed, alpha, unit)
        verdicts.append(Verdict(name, comparison, p, floor, needed, sentence))
    return verdicts


def verdict_sentence(
    name: str,
    baseline: str,
    comparison: Comparison,
    adjusted_p: float,
    adjusted_floor: float,
    comparisons: int = 1,
    needed: float | None = None,
    alpha: float = ALPHA,
    unit: str = "seed",
) -> str:
    """What may be said of a comparison, as one sentence.

    Of the n seeds needed it says nothing where that is None, and "a few more" where it is no more than there are.
    """
    holms = f" after Holm's correction for {comparisons} comparisons" if comparisons > 1 else ""
    if adjusted_p < alpha:
        return f"{_told_apart(name, baseline, comparison, unit)}; p {_p(adjusted_p)}{holms})."
    told = "would"
    sample = _sample(comparison, unit)
    sentence = f"{name} and {baseline} cannot be told apart with {sample}"
    if adjusted_floor >= alpha:
        told = "would tell them apart"
        sentence = (
            f"{name} and {baseline} cannot be told apart: with {sample} no difference can be significant "
            f"(smallest possible p {adjusted_floor:.2g}{holms})"
        )
    if needed is None:
        return f"{sentence}."
    if math.isinf(needed):
        return f"{sentence}; it would take more than {MOST_SEEDS:,} {unit}s."
    if needed <= min(comparison.n, comparison.baseline_n):
        return f"{sentence}; a few more {unit}s may."
    return f"{sentence}; about {needed:,.0f} {unit}s {told}."


def _told_apart(name: str, baseline: str, comparison: Comparison, unit: str) -> str:
    better = comparison.probability > 0.5
    won = comparison.won if better else comparison.pairs - comparison.won
    pairs = f"all {comparison.pairs}" if won == comparison.pairs else f"{won:g} of {comparison.pairs}"
    sentence = f"{name} is {'better' if better else 'worse'} than {baseline}"
    difference = comparison.difference
    if difference is None:
        return f"{sentence} ({pairs} {unit} pairs"
    if round(difference, 2) == 0 or (difference < 0) != better:  # ranks and medians need not agree
        return f"{sentence} by its {unit}s, though not by their median ({pairs} {unit} pairs"
    return f"{sentence} by {abs(difference):.2f} points ({pairs} {unit} pairs"


def _sample(comparison: Comparison, unit: str) -> str:
    """ "5 seeds", "5 and 3 seeds"."""
    if comparison.n == comparison.baseline_n:
        return f"{comparison.n} {unit}{'s' * (comparison.n > 1)}"
    return f"{comparison.n} and {comparison.baseline_n} {unit}s"


def _p(p: float) -> str:
    return f"= {p:.2g}" if p >= 1e-4 else "< 0.0001"
