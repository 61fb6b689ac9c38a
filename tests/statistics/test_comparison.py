"""A variant and a baseline: by hand for few seeds, and held against scipy's own tests."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from collections.abc import Sequence
from itertools import combinations, product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, brunnermunzel, permutation_test, wilcoxon

from ablate.statistics.comparison import Comparison, compare, is_paired
from ablate.statistics.rank_tests import (
    MOST_SPLITS,
    attainable_level,
    paired_differences,
    rank_sum_p,
    signed_rank_p_values,
    studentized_rank_sums,
)

# Few distinct values, so that ties are common; a diverged seed among them.
ERROR = st.sampled_from([3.0, 3.1, 3.2, 3.3, 4.0, 4.5, 5.0, math.inf])
ERRORS = st.dictionaries(st.integers(0, 9), ERROR, min_size=1, max_size=8)


def seeds(*errors: float, first: int = 0) -> dict[int, float]:
    return dict(enumerate(errors, first))


def drawn(n: int, shift: float = 0.0, seed: int = 0) -> list[float]:
    return (np.random.default_rng(seed).normal(size=n) + shift).tolist()


def test_the_design_depends_on_the_keys_alone() -> None:
    five, six = seeds(*drawn(5)), seeds(*drawn(6))
    assert not is_paired(five, six) and is_paired(six, seeds(*[math.inf] * 9))
    assert not is_paired(six, seeds(*drawn(6), first=6))
    assert is_paired({(1, 0): 2.0}, {(1, 0): 3.0}, paired_from=1)


def test_five_against_five_that_are_all_worse() -> None:
    """Two of the 252 splits are as far apart."""
    found = compare(seeds(6.0, 7.0, 8.0, 9.0, 10.0), seeds(5.0, 4.0, 3.0, 2.0, 1.0))
    assert (found.paired, found.n, found.baseline_n, found.common, found.pairs, found.won) == (False, 5, 5, 5, 25, 0)
    assert (found.direction, found.difference, found.probability) == (1, 5.0, 0)
    assert found.p_value == found.floor == pytest.approx(2 / 252)


def test_six_pairs_that_are_all_worse() -> None:
    """Two of the 64 signs are as far apart; a seed without a partner is left out."""
    found = compare(seeds(2.0, 4.0, 5.0, 7.0, 8.0, 9.0), seeds(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 99.0))
    assert (found.paired, found.n, found.baseline_n, found.common, found.pairs, found.won) == (True, 6, 7, 6, 6, 0)
    assert (found.direction, found.difference) == (1, 2.5)  # the 21 averages of 1, 2, 2, 3, 3, 3
    assert found.interval == (1.0, 3.0, 1 - 2 / 64)
    assert found.p_value == found.floor == 2 / 64


def test_diverged_seeds_lose_to_all_others_and_tie_among_themselves() -> None:
    found = compare(seeds(1.0, math.inf), seeds(2.0, math.inf))
    assert (found.won, found.difference, found.direction) == (2.5, -1.0, -1)
    worst = compare(seeds(*[math.inf] * 7), seeds(*drawn(7)))
    assert (worst.difference, worst.direction, worst.p_value) == (None, 1, 2 / 128)
    assert worst.interval[:2] == (math.inf, math.inf)
    mixed = compare(seeds(*[math.inf] * 2, *drawn(6)), seeds(*drawn(6, seed=1), *[math.inf] * 2))
    assert not any(math.isnan(value) for value in (mixed.p_value, *mixed.interval, mixed.difference or 0.0))


def test_one_seed_proves_nothing() -> None:
    assert compare(seeds(1.0), seeds(2.0)).p_value == compare(seeds(1.0), seeds(2.0)).floor == 1.0
    lone = compare({9: 0.5}, seeds(1.0, 2.0, 3.0))
    assert (lone.p_value, lone.floor) == (0.5, 0.5)


def by_hand(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Every split of the pooled errors, by scipy's statistic of Brunner and Munzel."""

    def statistic(one: Sequence[float], other: Sequence[float]) -> float:
        pairs = [(a > b) + (a == b) / 2 for a, b in product(one, other)]
        distance = abs(sum(pairs) / len(pairs) - 0.5)
        if min(len(one), len(other)) == 1:
            return distance
        if distance < 1e-9:
            return 0.0
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = abs(float(brunnermunzel(rank(one), rank(other)).statistic))
        return math.inf if math.isnan(found) or found > 1e9 else found

    pooled = sorted({*ours, *theirs})

    def rank(values: Sequence[float]) -> list[float]:
        return [float(pooled.index(value)) for value in values]

    both = [*ours, *theirs]
    observed, count, every = statistic(ours, theirs), 0, list(combinations(range(len(both)), len(ours)))
    for chosen in every:
        others = [both[i] for i in range(len(both)) if i not in chosen]
        count += statistic([both[i] for i in chosen], others) >= observed - 1e-6
    return max(count, min(2, len(every))) / len(every)


@settings(max_examples=15, deadline=None)
@given(st.lists(ERROR, min_size=1, max_size=4), st.lists(ERROR, min_size=1, max_size=4))
def test_the_unpaired_p_value_counts_all_splits(ours: list[float], theirs: list[float]) -> None:
    assert rank_sum_p(np.array(ours), np.array(theirs)) == pytest.approx(by_hand(ours, theirs))


@pytest.mark.parametrize(("n", "m"), [(5, 5), (4, 9), (12, 7)])
def test_the_unpaired_statistic_is_brunner_and_munzels(n: int, m: int) -> None:
    ours, theirs = np.round(drawn(n, 0.5), 1), np.round(drawn(m, seed=1), 1)
    found = float(studentized_rank_sums(ours, theirs))
    assert found == pytest.approx(abs(brunnermunzel(ours, theirs).statistic), abs=1e-4)


def test_many_seeds_are_estimated_the_same_way_every_time() -> None:
    ours, theirs = np.array(drawn(11, 0.9)), np.array(drawn(13, seed=1))
    p = rank_sum_p(ours, theirs)
    assert p == rank_sum_p(ours, theirs)
    assert compare(seeds(*ours), seeds(*theirs, first=50)).floor == 1 / (MOST_SPLITS + 1)
    assert p == pytest.approx(brunnermunzel(ours, theirs).pvalue, abs=0.01)


@pytest.mark.parametrize("n", [6, 9, 14])
def test_the_paired_p_value_is_wilcoxons(n: int) -> None:
    ours, theirs = drawn(n, 0.6), drawn(n, seed=1)
    expected = wilcoxon(np.subtract(ours, theirs), method="exact").pvalue
    assert compare(seeds(*ours), seeds(*theirs)).p_value == pytest.approx(expected)


def test_tied_differences_are_counted_exactly() -> None:
    differences = np.array([0.5, 0.5, -0.5, 1.0, 1.5, 0.0, 1.5, 2.0])
    kept = differences[differences != 0]
    ranks = np.array([2.0, 2.0, -2.0, 4.0, 5.5, 5.5, 7.0])
    assert sorted(abs(ranks)) == sorted(ranks[np.argsort(abs(kept), kind="stable")].__abs__())
    expected = permutation_test((ranks,), np.sum, permutation_type="samples", n_resamples=1000).pvalue
    one = np.array([math.inf, 9, 9, 9, 0, 0, math.nan, math.nan])  # two of four seeds: zero and missing
    found = signed_rank_p_values(np.array([differences, -differences, 0 * differences, one]).T)
    assert found == pytest.approx([expected, expected, 1.0, 2 / 2**4])


@settings(max_examples=40, deadline=None)
@given(ERRORS, ERRORS, st.randoms())
def test_sides_mirror_and_order_does_not_matter(variant: dict[int, float], baseline: dict[int, float], r: Random) -> None:
    here, there = compare(variant, baseline), compare(baseline, variant)
    assert here.probability == pytest.approx(1 - there.probability) and here.direction == -there.direction
    assert here.p_value == there.p_value and here.floor - 1e-12 <= here.p_value <= 1
    assert here.interval[:2] == pytest.approx((-there.interval.high, -there.interval.low))
    low, high = here.probability_interval
    assert 0 <= low <= here.probability <= high <= 1
    items = list(variant.items())
    r.shuffle(items)
    assert compare(dict(items), baseline) == here


def inside(found: Comparison, shift: float) -> bool:
    return found.interval.low <= shift <= found.interval.high


@pytest.mark.parametrize(("n", "m", "first"), [(6, 6, 0), (9, 9, 0), (5, 5, 0), (5, 8, 20)])
def test_an_interval_holds_the_shifts_that_the_test_does_not_reject(n: int, m: int, first: int) -> None:
    ours, theirs = drawn(n, 1.0), seeds(*drawn(m, seed=1), first=first)
    found = compare(seeds(*ours), theirs)
    assert found.difference is not None and inside(found, found.difference) and found.interval.level >= 0.95
    for shift in np.linspace(-2, 4, 61) + 0.001:
        kept = compare(seeds(*(value - shift for value in ours)), theirs).p_value > 0.05
        assert inside(found, shift) >= kept  # the hull: between two shifts that are kept all are
        if found.paired:
            assert inside(found, shift) == kept


def test_an_interval_that_seeds_do_not_allow_has_its_own_level() -> None:
    found = compare(seeds(4.0, 5.0, 6.0), seeds(1.0, 2.0, 3.0))
    assert found.interval == (1.0, 5.0, 1 - 2 / 20)
    folds = {(fold, 0): float(fold) for fold in range(5)}
    paired = compare({key: value + 1 for key, value in folds.items()}, folds, paired_from=1)
    assert paired.paired and paired.interval == (1.0, 1.0, 1 - 2 / 32)


def test_the_interval_of_a_share_is_the_exact_one() -> None:
    ours, theirs = seeds(*[1.0] * 7, 3.0, 3.0), seeds(*[2.0] * 9)
    exact = binomtest(7, 9).proportion_ci(0.95, "exact")
    assert compare(ours, theirs).probability_interval == pytest.approx((exact.low, exact.high))


def test_the_interval_of_a_probability_is_newcombes() -> None:
    """Newcombe, 2006, part 2, method 5, by its equation at both ends."""
    low, high = compare(seeds(1.0, 2.0, 4.0, 6.0), seeds(3.0, 5.0, 7.0, 8.0, 9.0)).probability_interval
    n, m, share = 4, 5, 17 / 20
    for end in (low, high):
        spread = end * (1 - end) * (1 + ((n + m) / 2 - 1) * ((1 - end) / (2 - end) + end / (1 + end))) / (n * m)
        assert abs(end - share) == pytest.approx(1.959964 * math.sqrt(spread), rel=1e-5)
    assert compare(seeds(1.0, 2.0), seeds(3.0, 4.0)).probability_interval[0] > 0.2


@pytest.mark.parametrize("n", [6, 7, 10, 12])
def test_levels_of_signed_ranks_are_those_of_all_signs(n: int) -> None:
    sums = [abs(sum(sign * rank for sign, rank in zip(signs, range(1, n + 1)))) for signs in product((-1, 1), repeat=n)]
    possible = {sum(each >= value for each in sums) / 2**n for value in set(sums)}
    assert attainable_level(n, 0.05) == max(p for p in possible if p <= 0.05)


def test_libraries_wait_until_they_are_needed() -> None:
    code = (
        "import sys\nfrom ablate.statistics import comparison, family, further_runs, ranking, sample_size\n"
        "from ablate.report import verdicts\nprint({'numpy', 'scipy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e12])
def test_values_of_any_size_are_compared_and_their_ties_found(scale: float) -> None:
    """A loss may be 1e-9; rounded to a fixed number of decimals all its differences were ties."""
    base = {seed: 0.1 * seed * scale for seed in range(1, 8)}
    variant = {seed: 0.1 * (seed + 1) * scale for seed in range(1, 8)}
    assert len(set(paired_differences(variant, base).tolist())) == 1
    found = compare(variant, base)
    assert found.p_value == 2 / 2**7 and found.difference == pytest.approx(0.1 * scale)


def test_statistics_that_are_equal_tie_whatever_their_last_bits() -> None:
    """Rounded single-precision statistics gave 0.310 for one order of the sides and 0.286 for the other."""
    variant, baseline = (dict(enumerate(side)) for side in ([3.0, 3.0, 3.1, 3.2, 3.2, 3.3], [3.1, 3.3, 4.0]))
    assert compare(variant, baseline).p_value == compare(baseline, variant).p_value == 26 / 84


def test_what_diverged_on_both_sides_has_no_difference() -> None:
    """A difference of 0.00 between two that diverged would pull the estimate and its interval to zero."""
    base = {seed: 9.0 + seed for seed in range(6)} | dict.fromkeys(range(6, 11), math.inf)
    variant = {seed: error + 2 for seed, error in base.items()}
    found = compare(variant, base)
    assert (found.difference, found.interval[:2], found.pairs, found.won) == (2.0, (2.0, 2.0), 11, 2.5)
    assert found.p_value == 2 / 2**6
    apart = compare({seed: variant[seed] for seed in (0, 1, 2, 6)}, {seed: base[seed] for seed in (3, 4, 5, 7)})
    assert apart.difference == pytest.approx(-1.0) and not apart.paired
    for seeds_of_each in (5, 6):
        none = compare(*[dict.fromkeys(range(seeds_of_each), math.inf)] * 2)
        assert (none.difference, none.interval, none.p_value) == (None, (-math.inf, math.inf, 0.0), 1.0)


def test_a_verdict_with_ties_has_an_interval_without_zero() -> None:
    """Errors on few images have few values; the interval must know the same ties as the p-value."""
    generator, verdicts = np.random.default_rng(0), 0
    for _ in range(150):
        sides = [np.round(generator.normal(mean, 0.5, 5) / 0.2) * 0.2 for mean in (3.0, 3.8)]
        found = compare(*(seeds(*side.round(1).tolist()) for side in sides))
        if found.p_value < 0.05:
            verdicts += 1
            assert found.interval.low >= 0 or found.interval.high <= 0
    assert verdicts > 50
