"""What n seeds can say: by hand for few seeds, and held against scipy's own tests."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations, product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu, rankdata, wilcoxon

from ablate.report.verdicts import Verdict, reach_verdicts, verdict_sentence
from ablate.statistics.comparison import (
    RESAMPLES,
    Comparison,
    _permuted,
    _rank_sum_p_value,
    _ranks,
    compare,
    holm,
    seeds_needed,
)
from ablate.statistics.description import describe

# Few distinct values, so that ties are common; a diverged seed among them.
ERROR = st.sampled_from([3.0, 3.1, 3.2, 3.3, 4.0, 4.5, 5.0, math.inf])
ERRORS = st.dictionaries(st.integers(0, 9), ERROR, min_size=1, max_size=5)
P_VALUES = st.lists(st.floats(0, 1), max_size=8)


def seeds(*errors: float) -> dict[int, float]:
    return dict(enumerate(errors))


def test_five_seeds_have_a_range() -> None:
    found = describe({3: 5.0, 1: 1.0, 0: 2.0, 7: 4.0, 2: 3.0})
    assert (found.n, found.median, found.mean, found.min, found.max) == (5, 3.0, 3.0, 1.0, 5.0)
    assert found.std == pytest.approx(math.sqrt(2.5))
    assert (found.interval, found.interval_kind) == ((1.0, 5.0), "range")


def test_one_seed_has_no_spread() -> None:
    found = describe({4: 6.5})
    assert (found.mean, found.std, found.interval, found.interval_kind) == (6.5, None, (6.5, 6.5), "range")


def test_a_diverged_seed_leaves_the_median() -> None:
    found = describe(seeds(5.0, math.inf, 6.0))
    assert (found.median, found.mean, found.std, found.max) == (6.0, None, None, math.inf)
    assert describe(seeds(5.0, math.inf)).median == math.inf


def test_eight_seeds_have_an_interval() -> None:
    """From lowest to highest the median is missed with 2/256, from second to seventh with 18/256; 5% is between."""
    share = (18 / 256 - 0.05) / (18 / 256 - 2 / 256)
    weight = 7 * (1 - share) / (1 + 6 * (1 - share))
    found = describe(seeds(8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0))
    assert found.interval_kind == "95% interval"
    assert list(found.interval) == pytest.approx([1 + weight, 8 - weight])


@pytest.mark.parametrize("n", [8, 9, 12, 15, 40])
def test_the_interval_lies_between_sign_test_intervals(n: int) -> None:
    """scipy's binomial gives how often the median lies outside the r-th lowest and r-th highest of n."""
    outer = max(r for r in range(1, n // 2) if 2 * binom.cdf(r - 1, n, 0.5) <= 0.05)
    low, high = describe(seeds(*map(float, range(1, n + 1)))).interval
    assert outer <= low < outer + 1
    assert low + high == pytest.approx(n + 1)


def test_the_interval_covers_the_median_of_skewed_errors() -> None:
    draws = np.random.default_rng(0).exponential(size=(2000, 9))
    inside = [low <= math.log(2) <= high for low, high in (describe(seeds(*row)).interval for row in draws)]
    assert 0.94 < np.mean(inside) < 0.97


def test_the_interval_may_end_at_a_diverged_seed() -> None:
    low, high = describe(seeds(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, math.inf)).interval
    assert 1 < low < 2 and high == math.inf
    assert describe(seeds(*[math.inf] * 8)).interval == (math.inf, math.inf)


def test_five_against_five_that_are_all_worse() -> None:
    """Two of the 252 splits are as far apart; the five pairs have 2 of 32 signs."""
    found = compare(seeds(6.0, 7.0, 8.0, 9.0, 10.0), seeds(5.0, 4.0, 3.0, 2.0, 1.0))
    assert (found.n, found.baseline_n, found.pairs, found.won, found.probability) == (5, 5, 25, 0, 0)
    assert found.difference == 5.0
    assert found.p_value == found.floor == pytest.approx(2 / 252)
    assert (found.common, found.paired_probability) == (5, 0)
    assert found.paired_p_value == found.paired_floor == 2 / 32
    assert found.resamples is None


def test_pairs_are_of_common_seeds_only() -> None:
    """Over all pairs: 1 beats 2 and 6, 5 beats 6 only, and 3 beats 6 only."""
    found = compare({0: 1.0, 1: 5.0, 2: 3.0}, {1: 6.0, 2: 2.0, 7: 2.0})
    assert found.won == 5 and found.probability == pytest.approx(5 / 9)
    assert (found.common, found.paired_probability, found.paired_p_value, found.paired_floor) == (2, 0.5, 1.0, 0.5)


def test_without_common_seeds_nothing_is_paired() -> None:
    found = compare({0: 1.0, 1: 2.0}, {2: 3.0, 3: 4.0})
    assert (found.common, found.paired_probability, found.paired_p_value, found.paired_floor) == (0, None, None, None)
    assert found.p_value == found.floor == pytest.approx(2 / 6)


def test_diverged_seeds_tie_and_lose_to_all_others() -> None:
    found = compare(seeds(1.0, math.inf), seeds(2.0, math.inf))
    assert (found.won, found.difference, found.paired_probability) == (2.5, None, 0.75)


def test_one_seed_proves_nothing() -> None:
    assert compare(seeds(1.0), seeds(2.0)).p_value == compare(seeds(1.0), seeds(2.0)).floor == 1.0
    lone = compare({9: 0.5}, seeds(1.0, 2.0, 3.0))
    assert (lone.p_value, lone.floor, lone.paired_floor) == (0.5, 0.5, None)


def by_hand(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Every split of the pooled errors, counted by the seed pairs won."""
    pooled = [*ours, *theirs]

    def won(chosen: tuple[int, ...]) -> float:
        others = [i for i in range(len(pooled)) if i not in chosen]
        return sum((pooled[i] < pooled[j]) + (pooled[i] == pooled[j]) / 2 for i in chosen for j in others)

    every = [won(chosen) for chosen in combinations(range(len(pooled)), len(ours))]
    observed = won(tuple(range(len(ours))))
    tails = sum(each <= observed for each in every), sum(each >= observed for each in every)
    return min(1.0, 2 * min(tails) / len(every))


@settings(max_examples=30, deadline=None)
@given(ERRORS, ERRORS)
def test_the_p_value_counts_all_splits(variant: dict[int, float], baseline: dict[int, float]) -> None:
    found = compare(variant, baseline)
    assert found.p_value == pytest.approx(by_hand(list(variant.values()), list(baseline.values())))
    assert found.floor - 1e-12 <= found.p_value <= 1
    if found.paired_p_value is not None and found.paired_floor is not None:
        assert found.paired_floor <= found.paired_p_value <= 1


@settings(max_examples=30, deadline=None)
@given(ERRORS, ERRORS, st.randoms())
def test_sides_mirror_and_order_does_not_matter(variant: dict[int, float], baseline: dict[int, float], r: Random) -> None:
    here, there = compare(variant, baseline), compare(baseline, variant)
    assert here.probability == pytest.approx(1 - there.probability)
    assert here.p_value == pytest.approx(there.p_value)
    assert here.paired_p_value == there.paired_p_value
    if here.paired_probability is not None and there.paired_probability is not None:
        assert here.paired_probability == pytest.approx(1 - there.paired_probability)
    items = list(variant.items())
    r.shuffle(items)
    assert compare(dict(items), baseline) == here


@pytest.mark.parametrize(("m", "n"), [(5, 5), (3, 7), (9, 9)])
def test_the_p_value_is_mann_and_whitneys(m: int, n: int) -> None:
    drawn = np.random.default_rng(m).normal(size=m + n)
    variant, baseline = drawn[:m] + 0.7, drawn[m:]
    expected = mannwhitneyu(variant, baseline, method="exact")
    found = compare(seeds(*variant), seeds(*baseline))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.pairs - found.won == expected.statistic
    assert found.resamples is None


def test_the_paired_p_value_is_wilcoxons() -> None:
    drawn = np.random.default_rng(1).normal(size=(2, 9))
    found = compare(seeds(*(drawn[0] + 1)), seeds(*drawn[1]))
    assert found.paired_p_value == pytest.approx(wilcoxon(drawn[0] + 1, drawn[1], method="exact").pvalue)


def test_equal_differences_tie_whatever_their_last_bit() -> None:
    """Differences 0.1, -0.1 and 0.8, so ranks 1.5, 1.5 and 3; their signed sum is 3."""
    found = compare(seeds(0.3, 0.1, 0.9), seeds(0.2, 0.2, 0.1))
    sums = [a * 1.5 + b * 1.5 + c * 3 for a, b, c in product((-1, 1), repeat=3)]
    assert found.paired_p_value == 2 * sum(each >= 3 for each in sums) / 8


def test_above_ten_seeds_it_is_exact_without_ties_and_estimated_with_them() -> None:
    drawn = np.random.default_rng(2).normal(size=(2, 12))
    exact = compare(seeds(*(drawn[0] + 0.8)), seeds(*drawn[1]))
    assert math.comb(20, 10) <= RESAMPLES < math.comb(22, 11)
    assert exact.resamples is None and 0.05 > exact.p_value > exact.floor
    ours, theirs = drawn[0] + 0.8, drawn[1]
    ours[0] = theirs[0]
    estimated = compare(seeds(*ours), seeds(*theirs))
    assert estimated.resamples == RESAMPLES and estimated == compare(seeds(*ours), seeds(*theirs))
    reference = mannwhitneyu(ours, theirs, method="asymptotic").pvalue
    assert estimated.p_value == pytest.approx(reference, rel=0.15)


def test_the_exact_count_without_ties_is_that_of_all_splits() -> None:
    ours, theirs = [5.0, 7.0, 1.0, 9.0], [2.0, 8.0, 6.0]
    ranks = {value: rank for rank, value in enumerate(sorted(ours + theirs), 1)}
    observed = sum(ranks[value] for value in ours)
    sums = [sum(split) for split in combinations(range(1, 8), 4)]
    tail = min(sum(s <= observed for s in sums), sum(s >= observed for s in sums)) / len(sums)
    assert compare(seeds(*ours), seeds(*theirs)).p_value == pytest.approx(min(1.0, 2 * tail))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0, 7.25, math.inf]), max_size=12))
def test_ranks_are_scipys(values: list[float]) -> None:
    assert list(_ranks(values)) == rankdata(values).tolist()


@settings(max_examples=20, deadline=None)
@given(ERRORS, ERRORS, st.randoms())
def test_a_p_value_that_was_kept_is_the_one_counted_anew(
    variant: dict[int, float], baseline: dict[int, float], r: Random
) -> None:
    """The same order of the seeds, after other errors in the same order."""
    half = [{seed: error / 2 for seed, error in errors.items()} for errors in (variant, baseline)]
    compare(*half)
    kept = compare(dict(r.sample([*variant.items()], len(variant))), baseline)
    for known in (_rank_sum_p_value, _permuted):
        known.cache_clear()
    assert compare(variant, baseline) == kept


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])  # 0.04 x 1 is raised to the 0.06 before it
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


@given(P_VALUES, st.randoms())
def test_holm_corrects_and_keeps_order(p_values: list[float], r: Random) -> None:
    adjusted = holm(p_values)
    assert all(
        p <= corrected <= min(1, len(p_values) * p + 1e-12) or corrected > p for p, corrected in zip(p_values, adjusted)
    )
    for (p, corrected), (q, other) in combinations(zip(p_values, adjusted), 2):
        assert corrected <= other if p < q else other <= corrected if q < p else corrected == other
    order = list(range(len(p_values)))
    r.shuffle(order)
    assert holm([p_values[i] for i in order]) == [adjusted[i] for i in order]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6))
def test_corrected_floors_are_floors_of_corrected_p_values(pairs: list[tuple[float, float]]) -> None:
    floors, p_values = [min(pair) for pair in pairs], [max(pair) for pair in pairs]
    assert all(floor <= p for floor, p in zip(holm(floors), holm(p_values)))


def test_seeds_needed_give_the_power_asked_for() -> None:
    """Quantiles of two normal distributions 1.5 deviations apart; as many seeds, simulated with scipy's exact test."""
    quantiles = [statistics.NormalDist().inv_cdf((i + 0.5) / 200) for i in range(200)]
    needed = seeds_needed(seeds(*(q + 1.5 for q in quantiles)), seeds(*quantiles))
    assert needed is not None
    draws = np.random.default_rng(0).normal(size=(2, 3000, int(needed)))
    power = np.mean(mannwhitneyu(draws[0] + 1.5, draws[1], axis=1, method="exact").pvalue < 0.05)
    assert 0.76 < power < 0.86


def test_seeds_needed_are_never_fewer_than_the_test_allows() -> None:
    """2/70 = 0.029 with 4 seeds, 2/252 = 0.008 with 5, 2/924 = 0.002 with 6."""
    far, near = seeds(*[9.0 + i / 10 for i in range(30)]), seeds(*[1.0 + i / 10 for i in range(30)])
    assert seeds_needed(far, near, power=0.05) == 4
    assert seeds_needed(far, near, power=0.05, alpha=0.01) == 5
    assert seeds_needed(far, near, power=0.05, alpha=0.005) == 6


def test_seeds_needed_grow_as_the_two_come_closer() -> None:
    base = seeds(1.0, 2.0, 3.0, 4.0, 5.0)
    counts = [seeds_needed(seeds(*(1.0 + by + i for i in range(5))), base) for by in (5, 2.5, 1.5, 0.5, 0)]
    assert None not in counts
    assert counts == sorted(counts, key=lambda count: count or 0) and len(set(counts)) == 5
    assert counts[-1] == math.inf
    assert all(count in range(21) or count == math.inf or (count or 1) % 10 == 0 for count in counts)


def test_seeds_needed_are_symmetric_and_unknown_for_two_seeds() -> None:
    variant, baseline = seeds(1.0, 3.0, 5.0, math.inf), seeds(2.0, 2.5, 3.5)
    assert seeds_needed(variant, baseline) == seeds_needed(baseline, variant)
    assert seeds_needed(seeds(1.0, 2.0), baseline) is None


BASE = seeds(39.5, 40.75, 41.15, 39.9, 38.6)
WORSE = seeds(43.6, 43.1, 43.7, 46.25, 44.0)
CLOSE = seeds(40.95, 40.3, 42.8, 40.4, 41.3)


def against(base: dict[int, float], **errors: dict[int, float]) -> list[Verdict]:
    return reach_verdicts([((name, of_variant), ("base", base)) for name, of_variant in errors.items()])


def test_a_difference_that_five_seeds_tell() -> None:
    """Of five comparisons four have 2/252, so each becomes 5 x 2/252 = 0.04."""
    found = against(BASE, a=WORSE, b=WORSE, c=WORSE, d=WORSE, close=CLOSE)
    verdicts = {verdict.name: verdict for verdict in found}
    assert list(verdicts) == ["a", "b", "c", "d", "close"]
    assert verdicts["a"].sentence == (
        "a is worse than base by 3.80 points (all 25 seed pairs; p = 0.04 after Holm's correction for 5 comparisons)."
    )
    assert verdicts["a"].adjusted_p == verdicts["a"].adjusted_floor == pytest.approx(5 * 2 / 252)
    close = verdicts["close"]
    assert close.needed == seeds_needed(CLOSE, BASE, alpha=0.05 / 5)
    assert close.sentence == f"close and base cannot be told apart with 5 seeds; about {close.needed} seeds would."


def test_a_single_comparison_needs_no_correction() -> None:
    (verdict,) = reach_verdicts([(("better", BASE), ("base", WORSE))])
    assert verdict.sentence == "better is better than base by 3.80 points (all 25 seed pairs; p = 0.0079)."


def test_too_few_seeds_are_said_to_be() -> None:
    (verdict,) = against(seeds(1.0, 2.0, 3.0), far=seeds(7.0, 8.0, 9.0))
    assert verdict.adjusted_floor == pytest.approx(0.1)
    assert verdict.sentence == (
        "far and base cannot be told apart: with 3 seeds no difference can be significant (smallest possible p 0.1); "
        f"about {verdict.needed} seeds would tell them apart."
    )
    low, high = seeds(1.0, 2.0, 3.0, 4.0), seeds(7.0, 8.0, 9.0, 10.0)
    verdicts = against(low, a=high, b=high)
    assert [verdict.adjusted_floor for verdict in verdicts] == pytest.approx([2 * 2 / 70] * 2)
    smallest = "(smallest possible p 0.057 after Holm's correction for 2 comparisons)"
    assert f"with 4 seeds no difference can be significant {smallest}" in verdicts[0].sentence


def test_each_pair_has_its_own_baseline() -> None:
    found = reach_verdicts([(("a", WORSE), ("b", BASE)), (("c", BASE), ("d", WORSE))])
    assert [verdict.name for verdict in found] == ["a", "c"]
    assert [verdict.comparison.difference for verdict in found] == pytest.approx([3.8, -3.8])
    assert reach_verdicts([]) == []


def sentence(comparison: Comparison, needed: float | None, p: float = 0.5) -> str:
    return verdict_sentence("a", "b", comparison, p, comparison.floor, needed=needed)


def test_what_is_said_of_the_seeds_needed() -> None:
    near = compare(CLOSE, BASE)
    assert sentence(near, None) == "a and b cannot be told apart with 5 seeds."
    assert sentence(near, math.inf) == "a and b cannot be told apart with 5 seeds; it would take more than 1,000 seeds."
    assert sentence(near, 5) == "a and b cannot be told apart with 5 seeds; a few more seeds may."
    uneven = compare(CLOSE, seeds(39.0, 40.0, 41.0, 42.0))
    assert sentence(uneven, 1000) == "a and b cannot be told apart with 5 and 4 seeds; about 1,000 seeds would."


def test_no_points_where_medians_cannot_say() -> None:
    diverged = compare(seeds(*[math.inf] * 5), BASE)
    assert sentence(diverged, None, 2 / 252) == "a is worse than b (all 25 seed pairs; p = 0.0079)."
    # The variant wins most pairs by its many low errors, yet its median is not the lower one.
    low, high = seeds(1, 1, 1, 1, 5.5, 5.5, 5.5, 5.5, 5.5), seeds(2, 2, 2, 2, 5, 6, 6, 6, 6)
    contrary = compare(low, high)
    assert contrary.probability > 0.5 and contrary.difference == 0.5
    assert "a is better than b by its seeds, though not by their median (56 of 81" in sentence(contrary, None, 0.01)


def test_another_unit_than_seeds_is_spoken_of() -> None:
    far, close, one = reach_verdicts(
        [(("a", WORSE), ("b", BASE)), (("c", CLOSE), ("b", BASE)), (("d", {0: 1.0}), ("b", BASE))], unit="training"
    )
    assert far.sentence.startswith("a is worse than b by 3.80 points (all 25 training pairs; p = 0.024")
    assert close.sentence.startswith("c and b cannot be told apart with 5 trainings; about ")
    assert one.sentence.startswith("d and b cannot be told apart: with 1 and 5 trainings no difference")
    assert "seed" not in far.sentence + close.sentence + one.sentence


def test_a_tiny_p_value_is_bounded() -> None:
    assert sentence(compare(WORSE, BASE), None, 1e-7).endswith("p < 0.0001).")


def test_libraries_wait_until_they_are_needed() -> None:
    code = "import sys\nfrom ablate.statistics import comparison, ranking\nprint({'numpy', 'scipy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
