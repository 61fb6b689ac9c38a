"""Seeds until it is decided: numbers against scipy and brute force, and what must hold of the rule."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics import sequential
from ablate.statistics.sequential import (
    FIRST,
    MOST,
    Rule,
    decide,
    expected_trainings,
    fixed_number,
    follow,
    interval,
    least_seeds,
)
from tests.statistics.looks import null_evidence, steps
from tests.statistics.sequential_simulation import false_verdicts

RULE = Rule(4, 12, 0.05, margin=1.0)
PAIRS, FAMILIES = [(1, 0), (2, 0), (3, 0)], [0, 0, 0]


def drawn(seed: int, means: tuple[float, ...] = (0, 0.1, 3, 1.2), n: int = 12) -> list[dict[int, float]]:
    rng = np.random.default_rng(seed)
    return [dict(enumerate(rng.normal(mean, 0.5, n))) for mean in means]


@pytest.mark.parametrize("n", [4, 7, 12])
def test_the_statistic_and_its_tail_are_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(0.4, 1, n)
    w = int(sequential._signed_rank_counts(values, 0.0, 1)[-1])
    expected = stats.wilcoxon(values, alternative="greater", method="exact")
    assert w == expected.statistic
    assert sequential._tail(n)[w] == pytest.approx(expected.pvalue)


def test_the_null_distribution_is_that_of_all_orders_and_signs() -> None:
    """Of 4 and 5 seeds, enumerated: 5! orders of the sizes, 2^5 signs."""
    least = []
    for order in itertools.permutations(range(1, 6)):
        for signs in itertools.product((1, -1), repeat=5):
            evidence = []
            for n in (4, 5):
                values = np.array(order[:n]) * signs[:n]
                ranks = stats.rankdata(np.abs(values))
                evidence.append(n * sequential._tail(n)[int(ranks[values > 0].sum())])
            least.append(min(evidence))
    null = null_evidence(4, 5, 2**17)
    for at in sorted(set(least))[:6]:
        share = np.searchsorted(null, at, side="right") / len(null)
        assert share == pytest.approx(np.mean(np.array(least) <= at), abs=0.005)


def test_the_table_of_the_null_distribution_is_that_of_other_draws_and_never_too_small() -> None:
    null, (p_values, evidence) = null_evidence(FIRST, MOST, 2**14, seed=1), sequential._looks()
    for p in (0.45, 0.25, 0.1, 0.025, 0.005):
        at = np.searchsorted(p_values, p) - 1
        share = np.searchsorted(null, evidence[at], side="right") / len(null)
        assert share == pytest.approx(p_values[at], abs=4 * math.sqrt(p / 2**14))
    assert (np.diff(p_values) > 0).all() and (np.diff(evidence) > 0).all()
    kept = steps(null)
    exact = {value: (np.searchsorted(null, value, side="right") + 1) / (len(null) + 1) for value in null.tolist()}
    for value, p in exact.items():
        upper = next((each for each, limit in kept if limit >= value), 1.0)
        assert p <= upper and (upper == 1.0 or upper <= 1.0101 * p)


def test_a_verdict_does_not_depend_on_the_most_seeds_that_are_allowed() -> None:
    """Who raises `to` after a look, or trains more seeds first, has the same test."""
    for seed in range(20):
        differences = np.random.default_rng(seed).normal(0.7, 1, (1, 3, 20))
        found = [decide(Rule(4, most), differences[:, :, :12], [0] * 3) for most in (12, 20, 50)]
        assert all((one.verdict == found[0].verdict).all() and (one.p == found[0].p).all() for one in found)


def test_false_verdicts_stay_below_alpha() -> None:
    for found in false_verdicts(1500, (1, 5), ("normal", "very skewed (log-normal)")):
        for rate in (found.alone, found.different, found.equivalent):
            assert rate <= 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / 1500), found
        assert found.naive > 0.09, found  # what the method is for


def test_the_interval_is_what_the_test_does_not_reject() -> None:
    differences = np.random.default_rng(3).normal(1, 0.6, (1, 1, 10))
    low, high = interval(RULE, differences[0, 0], 0.05)
    for shift, rejected in ((low - 1e-9, True), (low + 1e-9, False), (high - 1e-9, False), (high + 1e-9, True)):
        assert (decide(Rule(4, 12, 0.05), differences - shift, [0]).verdict[0, 0] == 1) is np.bool_(rejected)


def test_verdict_and_interval_agree() -> None:
    for seed in range(40):
        for course in follow(RULE, PAIRS, FAMILIES, drawn(seed)).courses:
            low, high = course.interval
            inside = low > -1.0 and high < 1.0
            assert (course.verdict == "different") <= (low > 0 or high < 0), course
            assert (course.verdict == "equivalent") <= inside, course


@given(st.integers(0, 10_000), st.permutations(range(48)), st.integers(0, 48))
@settings(max_examples=60)
def test_only_complete_rounds_count_whoever_ends_first(seed: int, order: list[int], known: int) -> None:
    """Of two records of one set of trials, the one that has more asks for no less, and changes nothing that is decided."""
    values = drawn(seed)
    whole = follow(RULE, PAIRS, FAMILIES, values)
    partly: list[dict[int, float]] = [{} for _ in values]
    for one in order[:known]:
        variant, n = divmod(one, 12)
        partly[variant][n] = values[variant][n]
    before = follow(RULE, PAIRS, FAMILIES, partly)
    assert all(some <= most for some, most in zip(before.asked, whole.asked))
    assert before.complete <= whole.complete
    for early, late in zip(before.courses, whole.courses):
        if early.verdict in ("different", "equivalent", "undecided"):
            assert (early.verdict, early.n) == (late.verdict, late.n)


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_breaks_anywhere_asks_for_the_same_seeds(seed: int) -> None:
    values, recorded = drawn(seed), [dict[int, float]() for _ in range(4)]
    rng = np.random.default_rng(seed)
    while (found := follow(RULE, PAIRS, FAMILIES, recorded)).waiting:
        open_ = [(v, n) for v, last in enumerate(found.asked) for n in range(last) if n not in recorded[v]]
        variant, n = open_[rng.integers(len(open_))]  # one trial, then everything is read again
        recorded[variant][n] = values[variant][n]
    assert found == follow(RULE, PAIRS, FAMILIES, values)
    assert [len(each) for each in recorded] == list(found.asked)  # nothing else was trained


def test_seeds_that_are_not_asked_for_change_nothing() -> None:
    values = drawn(1)
    found = follow(RULE, PAIRS, FAMILIES, values)
    assert found.asked[2] < 12 and not found.waiting
    values[2][found.asked[2]] = -99.0
    assert follow(RULE, PAIRS, FAMILIES, values) == found


def test_the_baseline_goes_on_as_long_as_a_comparison_is_open_and_a_lone_variant_does_not() -> None:
    found = follow(RULE, [(1, 0), (2, 0)], [0, 0], drawn(2, (0, 5, 0.6, 9)))
    assert found.asked[0] == max(found.asked[1:3]) == found.complete
    assert found.asked[3] == RULE.first


def test_a_diverged_seed_is_worse_than_any() -> None:
    base = dict.fromkeys(range(12), 1.0)
    assert follow(RULE, [(1, 0)], [0], [base, dict.fromkeys(range(12), math.inf)]).courses[0].verdict == "different"
    (both,) = follow(RULE, [(1, 0)], [0], [dict.fromkeys(range(12), math.inf)] * 2).courses
    assert (both.verdict, both.estimate, both.interval) == ("undecided", None, (-math.inf, math.inf))
    mixed = {**dict(enumerate(np.linspace(0.9, 1.1, 12))), 3: math.inf, 5: -math.inf}
    assert not math.isnan(follow(RULE, [(1, 0)], [0], [base, mixed]).courses[0].p)


def test_a_seed_that_diverged_in_both_counts_for_no_claim() -> None:
    rng, rule = np.random.default_rng(0), Rule(4, 30, 0.05, margin=1.0)
    for mean in (0.0, 0.3, 3.0):
        base, variant = (list(map(float, rng.normal(each, 0.5, 30))) for each in (0.0, mean))
        (alone,) = follow(rule, [(1, 0)], [0], [dict(enumerate(base)), dict(enumerate(variant))]).courses
        broken = [[math.inf, *side[:2], math.inf, *side[2:28]] for side in (base, variant)]
        (found,) = follow(rule, [(1, 0)], [0], [dict(enumerate(side)) for side in broken]).courses
        assert (found.verdict, found.n, found.p) == (alone.verdict, alone.n + 2, alone.p)
        assert (found.estimate, found.interval) == (alone.estimate, alone.interval)


@pytest.mark.parametrize(("value", "baseline"), [(0.7, 0.4), (5.4, 5.1), (93.9, 93.6)])
def test_a_difference_of_exactly_the_margin_is_not_within_it(value: float, baseline: float) -> None:
    """Errors of a test set have few digits, and 0.7 - 0.4 is below 0.3 by its last bit."""
    rule = Rule(4, 12, 0.05, margin=0.3)
    for one, other in ((value, baseline), (baseline, value)):
        values = [dict.fromkeys(range(12), each) for each in (other, one)]
        (course,) = follow(rule, [(1, 0)], [0], values).courses
        assert course.verdict == "different" and abs(course.estimate or 0) == pytest.approx(0.3)


def test_differences_that_cancel_but_for_their_last_bits_are_ties() -> None:
    differences = np.array([0.3 - 0.2, 0.1 - 0.2, 0.7 - 0.6, 0.6 - 0.7])  # 0.1 and -0.1, twice
    for scale in (1.0, 1e-9, 1e9):
        for sign in (1, -1):
            assert sequential._signed_rank_counts(differences * scale, 0.0, sign)[-1] == 3


def test_families_are_corrected_each_for_itself() -> None:
    values = drawn(4, (0, 3, 3, 3))
    apart = follow(RULE, PAIRS, [0, 1, 2], values).courses
    assert {course.corrected for course in apart} == {1}
    assert all(one.n <= other.n for one, other in zip(apart, follow(RULE, PAIRS, FAMILIES, values).courses))


def test_the_earliest_decision() -> None:
    rule = Rule(4, 20)
    assert [least_seeds(rule, k) for k in (1, 5, 17)] == [7, 10, 12]
    assert least_seeds(Rule(4, 8), 17) is None
    for k, n in ((1, 7), (17, 12)):
        assert 2 / 2**n <= 0.05 / k  # no test of signs can be earlier than log2(2 k / alpha)


def test_expected_trainings_and_the_fixed_number() -> None:
    rule = Rule(4, 20, 0.05, margin=1.0)
    large = expected_trainings(rule, [(1, 0)], [0], 2, 10.0, 0.5, 50)
    assert large == 14  # both variants at the earliest decision
    assert 4 * 2 < expected_trainings(rule, [(1, 0)], [0], 2, 0.0, 0.5, 50) < 40
    n, effect = fixed_number(rule, 1)
    values = np.random.default_rng(5).normal(effect, 1, (400, n))
    power = np.mean([stats.wilcoxon(each).pvalue <= 0.05 for each in values])
    assert power == pytest.approx(0.8, abs=0.1)
