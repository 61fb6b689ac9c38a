"""Families: by brute force, by exact formulas, and by what must hold whatever the errors are."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product
from math import comb, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from ablate.statistics.comparison import compare
from ablate.statistics.family import adjusted_p_values, compare_family, smallest_p_values
from ablate.statistics.rank_tests import signed_ranks

MANY = [(i, 0) for i in range(1, 6)]
ERROR = st.sampled_from([3.0, 3.1, 3.3, 4.0, 5.0, math.inf])


def groups(n: int, *shifts: float, seed: int = 0) -> list[dict[int, float]]:
    drawn = np.random.default_rng(seed).normal(size=(len(shifts), n))
    return [dict(enumerate((values + shift).tolist())) for values, shift in zip(drawn, shifts)]


def test_a_paired_family_by_brute_force() -> None:
    """All 2^6 signs, ranks over the whole family, each set of hypotheses that remains."""
    errors = groups(6, 0, 2.0, 0.5, 0.0)
    pairs = [(1, 0), (2, 0), (3, 0)]
    differences = np.array([[errors[i][seed] - errors[0][seed] for i, _ in pairs] for seed in range(6)])
    signed = rankdata(np.abs(differences)).reshape(6, 3) * np.sign(differences)
    observed = np.abs(signed.sum(axis=0))
    flipped = np.abs(np.array([signs @ signed for signs in product((-1, 1), repeat=6)]))
    expected, highest = np.zeros(3), 0.0
    for step, i in enumerate(np.argsort(-observed)):
        remaining = np.argsort(-observed)[step:]
        highest = max(highest, (flipped[:, remaining].max(axis=1) >= observed[i]).mean())
        expected[i] = max(highest, compare(errors[pairs[i][0]], errors[0]).p_value)
    assert adjusted_p_values(errors, pairs) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 8, 17])
def test_six_seeds_reach_every_verdict(k: int) -> None:
    errors = groups(6, 0, *[20.0] * k)
    pairs = [(i, 0) for i in range(1, k + 1)]
    assert smallest_p_values([range(6)] * (k + 1), pairs) == [2 / 64] * k
    assert adjusted_p_values(errors, pairs) == [2 / 64] * k
    one = groups(6, 0, 20.0, *[0.0] * (k - 1))
    assert adjusted_p_values(one, pairs)[0] == 2 / 64  # although the others are at their extremes under other signs


def separated(n: int, k: int) -> float:
    """How often one of k samples of n does not overlap the baseline: moments of the spacings, which are Dirichlet."""
    total = Fraction(0)
    for j in range(1, k + 1):
        moments = sum(
            comb(j, i) * Fraction(factorial(n) * factorial(n * i) * factorial(n * (j - i)), factorial(n + n * j))
            for i in range(j + 1)
        )
        total += (-1) ** (j + 1) * comb(k, j) * moments
    return float(total)


@pytest.mark.parametrize(("n", "k"), [(3, 2), (4, 3), (5, 8), (5, 17)])
def test_the_smallest_p_value_of_an_unpaired_family_is_that_of_all_orders(n: int, k: int) -> None:
    found = smallest_p_values([range(n)] * (k + 1), [(i, 0) for i in range(1, k + 1)])
    assert found == pytest.approx([separated(n, k)] * k, abs=4 * math.sqrt(separated(n, k) / 20_000))


def test_one_comparison_is_not_adjusted() -> None:
    for n in (4, 7):
        errors = groups(n, 0, 1.0)
        (found,) = compare_family(errors, [(1, 0)])
        assert found.p_value == found.comparison.p_value and found.floor == found.comparison.floor and found.family == 1


def test_stepping_down_is_less_blunt_than_one_step_and_never_below_the_comparison_alone() -> None:
    errors = groups(5, 0, 9.0, 9.0, 1.5, 0.0, 0.0)
    adjusted = adjusted_p_values(errors, MANY)
    alone = [compare(errors[i], errors[0]).p_value for i, _ in MANY]
    assert all(p >= q for p, q in zip(adjusted, alone))
    assert adjusted[2] < 5 * alone[2]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 8), ERROR, min_size=1, max_size=9), min_size=3, max_size=5), st.randoms())
def test_every_family_has_p_values(errors: list[dict[int, float]], r: object) -> None:
    pairs = [(i, 0) for i in range(1, len(errors))]
    found = compare_family(errors, pairs)
    assert all(each.floor - 1e-9 <= each.p_value <= 1 for each in found if not each.comparison.paired)
    assert all(each.comparison.p_value - 1e-9 <= each.p_value <= 1 for each in found)
    turned = adjusted_p_values(errors, pairs[::-1])[::-1]
    assert turned == pytest.approx([each.p_value for each in found], abs=0.04)  # the draws are of another order


def test_seeds_that_some_variants_lack() -> None:
    errors = groups(10, 0, 3.0, 3.0, 3.0)
    for seed in (8, 9):
        del errors[1][seed]
    for seed in range(5, 10):
        del errors[2][seed]
    found = compare_family(errors, MANY[:3])
    assert [(each.comparison.paired, each.comparison.common) for each in found] == [(True, 8), (False, 5), (True, 10)]
    least = smallest_p_values([each.keys() for each in errors], MANY[:3])
    assert least[0] == 2 / 2**8 * 3 / 2 and least[2] == 2 / 2**10 * 3 / 2  # two of three comparisons are paired
    assert least[1] == pytest.approx(2 / comb(15, 5) * 3)


def test_each_with_its_own_baseline_is_one_family() -> None:
    errors = groups(7, 0, 5.0, 0, 5.0, 0, 0)
    found = adjusted_p_values(errors, [(1, 0), (3, 2), (5, 4)])
    assert found[:2] == [2 / 128] * 2 and found[2] > 0.05


def test_ranks_leave_out_what_is_equal_or_missing() -> None:
    differences = np.array([[0.0, 2.0], [-1.0, np.nan], [3.0, -math.inf]])
    assert signed_ranks(differences).tolist() == [[0, 2], [-1, 0], [3, -4]]
    many = np.stack([differences, -differences])
    assert (signed_ranks(many)[1] == -signed_ranks(differences)).all()


def test_more_seeds_than_can_be_counted_are_drawn() -> None:
    errors = groups(20, 0, 1.5, 0.0)
    first, second = adjusted_p_values(errors, MANY[:2])
    assert first < 0.01 < second and adjusted_p_values(errors, MANY[:2]) == [first, second]


@pytest.mark.parametrize(("n", "start"), [(20, 0), (12, 100)])
def test_the_smallest_p_value_of_random_rearrangements_is_reached_and_not_below(n: int, start: int) -> None:
    errors = [dict(enumerate(np.arange(float(n)).tolist())), dict(enumerate(np.arange(99.0, 99 + n).tolist(), start))]
    (found,) = compare_family(errors, [(1, 0)])
    assert found.p_value == found.floor == 1 / 20_001
