"""Seeds until it is decided: paired comparisons that are looked at after every seed, with errors held over all looks.

What is claimed. A comparison is "different" (its differences are not symmetric about 0) or "equivalent" (their centre lies
within a margin). Over all looks and all comparisons of a family, the probability of any false "different" is at most alpha,
and so is that of any false "equivalent".

The test of one comparison. After n seeds W_n is Wilcoxon's signed-rank statistic of the differences d_1 .. d_n, and q_n its
exact one-sided p-value for this n alone. The evidence is the least n * q_n over all looks so far. If the differences are
independent, with one continuous distribution that is symmetric about the shift tested, then signs are fair coins and
independent of the order of the absolute values, so the joint distribution of W_2 .. W_50 is known whatever that
distribution is. P(R), the probability that the least n * q_n over the looks 2 .. 50 is R or less, is therefore a p-value
at whatever look it is read, and it never rises: a group-sequential test. As P counts all looks up to 50, whichever of them
are taken, `from` and `to` are no part of it, and `to` may be raised after a look. P is the table looks.csv, from 2**23
random orders and signs as (b + 1) / (m + 1), which is valid for any m. A difference of exactly the shift, and each pair
that adds up to twice the shift, counts against the claim, so ties only make the test slower. Differences of two values of
one distribution are symmetric, whatever their skew. A seed that diverged in both tells nothing and is left out: the others
are still independent, and they are looked at no more often than there are seeds.

Two-sided: twice the smaller p. Equivalent: both one-sided tests, against the margin and against its negative. A true
difference lies at most on one side outside the margin, so each has the whole level.

Several comparisons: a claim is made where p <= alpha / m, with m the comparisons of the family for which this claim has not
been made. At the first false claim m counts at least all t true hypotheses, and the p-values never rise, so its probability
is at most t * alpha / t, whatever the dependence, and whenever a comparison was stopped.

Source: Wilcoxon, Individual comparisons by ranking methods, 1945. Jennison and Turnbull, Group Sequential Methods, 1999.
Reynolds, A sequential signed-rank test for symmetry, 1975. Phipson and Smyth, Permutation p-values should never be zero,
2010. Holm, A simple sequentially rejective multiple test procedure, 1979. Goeman and Solari, The sequential rejection
principle of familywise error control, 2010. Schuirmann, two one-sided tests, 1987.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdict = Literal["different", "equivalent", "undecided", "open"]
FIRST, MOST = 2, 50  # seeds of the first and the last look that the null distribution allows
POWER = 0.8  # how often fixed_number() calls the variant that differs different
LAST_BITS = 1e-12  # of the terms of a sum, which is no larger than another that it equals but for these
_OPEN, _DIFFERENT, _EQUIVALENT = 0, 1, 2


@dataclass(frozen=True)
class Rule:
    """When a comparison gets another seed.

    Args:
        first: The seeds before the first look, from FIRST.
        most: The seeds at which it is given up, up to MOST.
        alpha: The probability of any false claim, above 0 and below 1.
        margin: The smallest difference that matters, above 0, in the unit of the values; None: nothing is equivalent.
    """

    first: int
    most: int
    alpha: float = 0.05
    margin: float | None = None


class Course(NamedTuple):
    """What one comparison came to.

    Args:
        verdict: "open": it gets another seed; "undecided": it has had the most.
        n: The seeds that it has had at the last look; 0 before the first.
        corrected: The number of comparisons that its p-value and interval are corrected for.
        p: The sequential p-value of the verdict, without correction; of "different" where there is none.
        estimate: Hodges and Lehmann's, the median of the averages of all pairs of differences; None before the first look.
        interval: The differences that the test of its verdict does not reject at any look so far. It covers the true centre
            with a probability of 1 - alpha or more, at whatever look it is read; of "equivalent", whose two one-sided tests
            have the whole level each, of 1 - 2 alpha or more.
    """

    verdict: Verdict
    n: int
    corrected: int
    p: float
    estimate: float | None
    interval: tuple[float, float]


class Followed(NamedTuple):
    """What complete rounds of seeds came to.

    Args:
        courses: One for each comparison.
        asked: How many seeds each variant is to have: seeds 0 .. asked - 1. What else is recorded does not count.
        complete: The seeds of the last complete round; 0 before the first look.
        waiting: Whether some of the asked seeds have no value yet.
    """

    courses: tuple[Course, ...]
    asked: tuple[int, ...]
    complete: int
    waiting: bool


class Decided(NamedTuple):
    """Many studies decided at once; arrays of shape (studies, comparisons).

    Args:
        verdict: 0 open, 1 different, 2 equivalent.
        n: The seeds at the decision, or the last look.
        corrected: As in Course.
        p: As in Course.
    """

    verdict: NDArray[np.int8]
    n: NDArray[np.int64]
    corrected: NDArray[np.int64]
    p: NDArray[np.float64]


def follow(
    rule: Rule, pairs: Sequence[tuple[int, int]], families: Sequence[int], values: Sequence[Mapping[int, float]]
) -> Followed:
    """What the complete rounds of seeds came to, and which seeds are asked for next. It depends on nothing else.

    Round n is seed n - 1 of every variant of an open comparison; the first round is seeds 0 .. first - 1 of all variants.

    Args:
        rule: When a comparison gets another seed.
        pairs: The variant and the baseline of each comparison, as indices of `values`; at least one.
        families: The family of each comparison, which it is corrected within.
        values: Of each variant, by seed. Infinite where a training diverged: worse than any that did not.
    """
    import numpy as np

    from ablate.statistics.rank_tests import subtracted

    asked = [rule.first] * len(values)
    differences = np.zeros((1, len(pairs), rule.most))
    left, found, complete = list(range(len(pairs))), None, 0
    for n in range(rule.first, rule.most + 1):
        wanted = {variant for one in left for variant in pairs[one]} if complete else set(range(len(values)))
        for variant in wanted:
            asked[variant] = n
        if not left or any(seed not in values[variant] for variant in wanted for seed in range(n)):
            break
        for one in left:
            own, baseline = (np.array([values[variant][seed] for seed in range(n)], float) for variant in pairs[one])
            differences[0, one, :n] = subtracted(own, baseline)
        found, complete = decide(rule, differences[:, :, :n], families), n
        left = [one for one in left if found.verdict[0, one] == _OPEN]
    waiting = any(seed not in values[variant] for variant, last in enumerate(asked) for seed in range(last))
    return Followed(_courses(rule, found, differences[0], len(pairs)), tuple(asked), complete, waiting)


def decide(rule: Rule, differences: NDArray[np.float64], families: Sequence[int]) -> Decided:
    """The verdicts of many studies, each looked at after every seed from rule.first on.

    Args:
        rule, families: As in follow().
        differences: Variant minus baseline, of shape (studies, comparisons, seeds), with rule.first to rule.most seeds; NaN
            where both diverged. What follows the decision of a comparison has no effect.
    """
    import numpy as np

    studies, k, seeds = differences.shape
    p_above, p_below = (_p_values(rule, differences, 0.0, sign) for sign in (1, -1))
    p_different = np.minimum(1.0, 2.0 * np.minimum(p_above, p_below))
    p_equivalent = np.ones_like(p_different)
    if rule.margin is not None:
        inside = (_p_values(rule, differences, -sign * rule.margin, sign) for sign in (1, -1))
        p_equivalent = np.maximum(*inside)
    verdict = np.zeros((studies, k), np.int8)
    n = np.full((studies, k), seeds)
    p = p_different[:, :, -1].copy()
    corrected = np.zeros((studies, k), np.int64)
    of_family = [np.flatnonzero(np.asarray(families) == family) for family in dict.fromkeys(families)]
    for look in range(seeds - rule.first + 1):
        for members in of_family:
            for claim, p_claim in ((_DIFFERENT, p_different), (_EQUIVALENT, p_equivalent)):
                at_look = p_claim[:, members, look]
                while True:
                    left = len(members) - (verdict[:, members] == claim).sum(1, keepdims=True)
                    hit = (verdict[:, members] == _OPEN) & (at_look <= rule.alpha / np.maximum(left, 1))
                    if not hit.any():
                        break
                    study, member = np.nonzero(hit)
                    where = study, members[member]
                    verdict[where], n[where], p[where] = claim, look + rule.first, at_look[hit]
                    corrected[where] = np.broadcast_to(left, hit.shape)[hit]
    for members in of_family:
        left = len(members) - (verdict[:, members] == _DIFFERENT).sum(1, keepdims=True)
        corrected[:, members] = np.where(verdict[:, members] == _OPEN, left, corrected[:, members])
    return Decided(verdict, n, corrected, p)


@lru_cache(maxsize=8)
def fixed_number(rule: Rule, comparisons: int) -> tuple[int, float]:
    """The fixed number of seeds with which the verdicts of a fixed design have the power of a rule: 600 studies are drawn.

    One of several variants of normal errors differs from the baseline that they share; see family.py for the fixed design.

    Args:
        rule: When a comparison gets another seed.
        comparisons: How many there are in the family.

    Returns:
        The number of seeds, and the difference at which the power is POWER, in standard deviations of the differences.
    """
    import numpy as np

    alone, k = replace(rule, margin=None), comparisons
    errors = np.random.default_rng(0).standard_normal((600, k + 1, rule.most)) / math.sqrt(2)
    noise, lone = errors[:, 1:] - errors[:, :1], (np.arange(k) == 0)[:, None]
    low, high = 0.0, 8.0
    for _ in range(10):
        middle = (low + high) / 2
        found = decide(alone, noise + middle * lone, [0] * k).verdict[:, 0] == _DIFFERENT
        low, high = (low, middle) if found.mean() >= POWER else (middle, high)
    ranked = np.moveaxis(noise + high * lone, 1, 2)
    fewest, most = 2, rule.most
    while fewest < most:
        n = (fewest + most) // 2
        fewest, most = (fewest, n) if _fixed_power(ranked[:, :n], rule.alpha) >= POWER else (n + 1, most)
    return most, high


def _fixed_power(differences: NDArray[np.float64], alpha: float) -> float:
    """How often the first comparison is significant in studies of shape (studies, seeds, comparisons)."""
    import numpy as np

    from ablate.statistics.joint_tests import step_down
    from ablate.statistics.rank_tests import signed_rank_p_values, signed_ranks

    signed = signed_ranks(differences)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (400, differences.shape[1]))
    together = step_down(np.abs(signed.sum(1)), [np.abs(signs @ signed).swapaxes(1, 2)], random=True)[:, 0]
    alone = signed_rank_p_values(differences[:, :, 0].T)
    return float((np.maximum(together, alone) <= alpha).mean())


def expected_trainings(
    rule: Rule,
    pairs: Sequence[tuple[int, int]],
    families: Sequence[int],
    variants: int,
    difference: float,
    deviation: float,
    studies: int = 400,
) -> float:
    """The mean number of seeds of all variants together, by simulation with normal values.

    Args:
        rule, pairs, families: As in follow().
        variants: How many there are.
        difference: The true difference of each comparison; its sign alternates.
        deviation: The standard deviation of the differences of a comparison, above 0.
        studies: How many are simulated.
    """
    import numpy as np

    values = np.random.default_rng(0).standard_normal((studies, variants, rule.most)) * deviation / math.sqrt(2)
    first, second = (np.array(each) for each in zip(*pairs))
    signs = np.where(np.arange(len(pairs)) % 2, -1.0, 1.0)
    found = decide(rule, values[:, first] - values[:, second] + (signs * difference)[None, :, None], families)
    asked = np.full((studies, variants), rule.first)
    for one, pair in enumerate(pairs):
        for variant in pair:
            asked[:, variant] = np.maximum(asked[:, variant], found.n[:, one])
    return float(asked.sum(1).mean())


def least_seeds(rule: Rule, comparisons: int) -> int | None:
    """The seeds after which the largest difference can be decided, or None if rule.most do not suffice.

    Args:
        rule: When a comparison gets another seed.
        comparisons: How many there are in the family.
    """
    import numpy as np

    same = np.ones((1, 1, rule.most))
    found = decide(Rule(rule.first, rule.most, rule.alpha / comparisons), same, [0])
    return int(found.n[0, 0]) if found.verdict[0, 0] == _DIFFERENT else None


def _courses(rule: Rule, found: Decided | None, differences: NDArray[np.float64], k: int) -> tuple[Course, ...]:
    """The course of each comparison of one study."""
    if found is None:
        return (Course("open", 0, k, 1.0, None, (-math.inf, math.inf)),) * k
    import numpy as np

    from ablate.statistics.rank_tests import pair_averages

    names: dict[int, Verdict] = {_DIFFERENT: "different", _EQUIVALENT: "equivalent"}
    courses = []
    for one in range(k):
        verdict, n, corrected = int(found.verdict[0, one]), int(found.n[0, one]), int(found.corrected[0, one])
        own = differences[one, :n]
        level = rule.alpha / corrected * (2 if verdict == _EQUIVALENT else 1)
        name = names.get(verdict, "undecided" if n == rule.most else "open")
        middle = pair_averages(own[~np.isnan(own)])
        estimate = float((middle[(len(middle) - 1) // 2] + middle[len(middle) // 2]) / 2) if len(middle) else None
        courses.append(Course(name, n, corrected, float(found.p[0, one]), estimate, interval(rule, own, level)))
    return tuple(courses)


def interval(rule: Rule, differences: NDArray[np.float64], alpha: float) -> tuple[float, float]:
    """The shifts that the two-sided test of level alpha rejects at no look; ends may be infinite.

    Args:
        rule: For its looks.
        differences: Of one comparison, from rule.first seeds on; NaN where both diverged.
        alpha: The level, above 0 and below 1.
    """
    import numpy as np

    from ablate.statistics.rank_tests import pair_averages

    low, high = -math.inf, math.inf
    p_values, evidence = _looks()
    limit = max((e for p, e in zip(p_values, evidence) if p <= alpha / 2 * (1 + 1e-12)), default=0.0)
    for n in range(rule.first, len(differences) + 1):
        known = differences[:n][~np.isnan(differences[:n])]
        rank = next((w for w, score in enumerate(_scores(len(known))) if score <= limit), None)
        averages = pair_averages(known)
        if rank:
            low, high = max(low, float(averages[-rank])), min(high, float(averages[rank - 1]))
    return min(low, high), max(low, high)


def _p_values(rule: Rule, differences: NDArray[np.float64], shift: float, sign: int) -> NDArray[np.float64]:
    """The one-sided sequential p-values of each look, of shape (studies, comparisons, looks).

    The claim is that the centre of the differences is above the shift (sign 1) or below it (sign -1).
    """
    import numpy as np

    p_values, evidence = _looks()
    known = None if differences.dtype.kind == "i" else np.cumsum(~np.isnan(differences), axis=-1)
    found = _evidence(_signed_rank_counts(differences, shift, sign), rule.first, known)
    return np.append(p_values, 1.0)[np.searchsorted(evidence, found)]


def _signed_rank_counts(differences: NDArray[Any], shift: float, sign: int) -> NDArray[np.int16]:
    """Wilcoxon's statistic after each seed: the pairs, each seed with itself too, whose average is beyond the shift."""
    import numpy as np

    by_seed = np.ascontiguousarray(np.moveaxis(differences, -1, 0))
    sizes = None if by_seed.dtype.kind == "i" else np.minimum(np.abs(by_seed), 1e300) + abs(shift)
    counts = np.zeros(by_seed.shape, np.int16)
    with np.errstate(invalid="ignore"):
        for n, last in enumerate(by_seed):
            counts[n] = counts[n - 1] if n else 0
            for i, other in enumerate(by_seed[: n + 1]):
                sums, bits = other + last, 0.0 if sizes is None else LAST_BITS * (sizes[i] + sizes[n])
                counts[n] += sums > 2 * shift + bits if sign > 0 else sums < 2 * shift - bits
    return np.moveaxis(counts, 0, -1)


def _evidence(counts: NDArray[np.int16], first: int, known: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """The least n * q_n so far, at each look from `first` on, with n the seeds that are known."""
    import numpy as np

    looks = [np.asarray(_scores(n))[counts[..., n - 1]] for n in range(first, counts.shape[-1] + 1)]
    if known is not None:
        for look, n in zip(looks, range(first, counts.shape[-1] + 1)):
            for fewer in np.unique(known[..., n - 1][known[..., n - 1] < n]).tolist():
                of = known[..., n - 1] == fewer
                look[of] = np.asarray(_scores(fewer))[counts[..., n - 1][of]] if fewer >= FIRST else math.inf
    return np.minimum.accumulate(np.stack(looks, -1), -1)


@cache
def _looks() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The p-values up to 0.5 and the largest evidence that has each, both rising; see tests/statistics/looks.py."""
    import numpy as np

    p_values, evidence = np.loadtxt(Path(__file__).with_name("looks.csv"), delimiter=",", skiprows=1, unpack=True)
    return p_values, evidence


@cache
def _scores(n: int) -> tuple[float, ...]:
    """n * q_n for each value of the signed-rank statistic of n seeds."""
    return tuple(n * q for q in _tail(n))


@cache
def _tail(n: int) -> tuple[float, ...]:
    """The probability that the signed-rank statistic of n seeds is w or more, for w from 0 to n (n + 1) / 2."""
    counts = [1]
    for rank in range(1, n + 1):
        without, having = counts + [0] * rank, [0] * rank + counts
        counts = [one + other for one, other in zip(without, having)]
    total, tail = 0, []
    for count in reversed(counts):
        total += count
        tail.append(total / 2**n)
    return tuple(reversed(tail))
