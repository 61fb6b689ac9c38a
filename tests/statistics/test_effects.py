"""Effects of factors: held against brute force, least squares and scipy, and their error rates against simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f as f_distribution
from scipy.stats import mannwhitneyu, permutation_test

from ablate.statistics import effect_tests as module
from ablate.statistics.effect_tests import flip_signs
from ablate.statistics.effects import Effect, Effects, find_effects
from ablate.statistics.family import holm
from ablate.statistics.shapley import shapley_values
from tests.statistics.calibrate_effects import rates

Floats = npt.NDArray[np.float64]
DIFFERENCES = st.lists(st.integers(-40, 40).map(lambda n: n / 8), min_size=6, max_size=9)


def full(*sizes: int) -> npt.NDArray[np.int64]:
    return np.array(list(itertools.product(*map(range, sizes))))


def invented(design: npt.NDArray[np.int64], seeds: int, seed: int = 0) -> Floats:
    """Values with an effect of the first factor, an interaction of the last two, and a part of each seed."""
    generator = np.random.default_rng(seed)
    clean = 50 - 1.5 * design[:, [0]] + 2.0 * design[:, [-2]] * design[:, [-1]]
    return np.asarray(
        clean + 2 * generator.standard_normal((1, seeds)) + 0.5 * generator.standard_normal((len(design), seeds))
    )


def of(found: Effects, *factors: int) -> Effect:
    return next(effect for effect in found.effects if effect.factors == factors)


def test_two_seeds_of_eight_combinations_show_what_no_pair_of_rows_can() -> None:
    design = full(2, 2, 2)
    # Within each of the four other combinations both seeds with the factor are lower than both without.
    values = 50 - 3.0 * design[:, [0]] + np.array([[0.0, 1.0]]) + 0.1 * np.arange(16).reshape(8, 2)
    rows = [(values[i], values[i + 4]) for i in range(4)]
    assert all(mannwhitneyu(a, b).pvalue > 0.3 for a, b in rows)  # two against two: never significant
    # With labels exchanged among both seeds of a combination the p-value is that of the issue, 2 / 6^4 = 0.0015.
    splits = [
        [sum(pool[i] for i in chosen) for chosen in itertools.combinations(range(4), 2)] for pool in map(np.ravel, rows)
    ]
    sums = [abs(sum(chosen) - values.sum() / 2) for chosen in itertools.product(*splits)]
    observed = abs(sum(a.sum() for a, _ in rows) - values.sum() / 2)
    assert np.mean([each >= observed - 1e-9 for each in sums]) == pytest.approx(2 / 6**4)
    # Common seeds are exchanged within each seed only, because they move all rows together: 2 / 2^8.
    effect = of(find_effects(values, design), 0)
    assert (effect.test, effect.p_value) == ("strata", 2 / 2**8)
    assert effect.adjusted_p is not None and effect.adjusted_p < 0.05


def test_the_exact_test_is_that_of_scipy() -> None:
    design = full(2, 2, 2)
    values = invented(design, 4, seed=3)
    found = find_effects(values, design)
    for factor in (0, 2):
        differences = (values[design[:, factor] == 1] - values[design[:, factor] == 0]).ravel()
        theirs = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
        effect = of(found, factor)
        assert effect.test == "strata" and effect.p_value == pytest.approx(theirs.pvalue)
        assert effect.changes[0].estimate == pytest.approx(differences.mean())
    twice = values.reshape(2, 2, 2, 4)
    differences = ((twice[1, 1] - twice[1, 0]) - (twice[0, 1] - twice[0, 0])).ravel()
    theirs = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    pair = of(found, 0, 1)
    assert pair.test == "strata" and pair.p_value == pytest.approx(theirs.pvalue)
    assert pair.changes[0].estimate == pytest.approx(differences.mean())


@settings(max_examples=30, deadline=None)
@given(DIFFERENCES)
def test_the_interval_holds_the_values_that_the_test_does_not_reject(differences: list[float]) -> None:
    given_ = np.array(differences)
    p, interval = flip_signs(given_)
    assert 0 < p <= 1 and interval is not None
    low, high = interval
    assert low <= given_.mean() <= high
    for inside in (low, (low + high) / 2, high):
        assert flip_signs(given_ - inside)[0] > 0.05
    for outside in (low - 0.01, high + 0.01):
        assert flip_signs(given_ - outside)[0] <= 0.05


def test_many_differences_are_sampled_and_close_to_the_exact_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(5).standard_normal(14) + 0.5
    exact_p, exact = flip_signs(differences)
    assert flip_signs(differences[:5])[1] is None
    monkeypatch.setattr(module, "MOST_EXACT", 4)
    module._subsets.cache_clear()
    p, interval = flip_signs(differences)
    module._subsets.cache_clear()
    assert exact is not None
    assert p == pytest.approx(exact_p, abs=0.02)
    assert interval == pytest.approx(exact, abs=0.15)


def test_three_levels_are_shuffled_within_seeds_and_other_levels() -> None:
    design = full(3, 2)
    values = np.random.default_rng(2).standard_normal((6, 2)) + 0.8 * design[:, [0]]
    strata = values.reshape(3, 2, 2).transpose(1, 2, 0).reshape(4, 3)
    sums = [
        (np.sum([stratum[list(order)] for stratum, order in zip(strata, orders)], axis=0) ** 2).sum()
        for orders in itertools.product(itertools.permutations(range(3)), repeat=4)
    ]
    exact = np.mean(np.array(sums) >= (strata.sum(axis=0) ** 2).sum() - 1e-9)
    effect = of(find_effects(values, design), 0)
    assert effect.test == "strata" and effect.p_value == pytest.approx(exact, abs=0.015)
    assert [change.level for change in effect.changes] == [1, 2]
    assert effect.changes[1].estimate == pytest.approx(values[design[:, 0] == 2].mean() - values[design[:, 0] == 0].mean())


def test_permuted_residuals_agree_with_f_where_noise_is_normal() -> None:
    design = full(3, 2)
    values = invented(design, 6, seed=1)
    effect = of(find_effects(values, design), 0, 1)
    mean = values.mean()
    cells = values.mean(axis=1).reshape(3, 2)
    both = cells - cells.mean(axis=1, keepdims=True) - cells.mean(axis=0, keepdims=True) + mean
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + mean
    ratio = (6 * (both**2).sum() / 2) / ((rest**2).sum() / 25)
    assert (effect.test, effect.df, effect.changes) == ("residuals", 2, ())
    assert effect.p_value == pytest.approx(f_distribution.sf(ratio, 2, 25), abs=0.01)


def test_shares_are_those_of_least_squares_and_sum_to_one() -> None:
    design = full(2, 3, 2)
    values = invented(design, 3)
    found = find_effects(values, design)
    total = ((values - values.mean()) ** 2).sum()

    def unexplained(*terms: tuple[int, ...]) -> float:
        """The squares that dummy variables of some terms leave."""
        columns = [np.ones(values.size)]
        for term in terms:
            names = np.repeat(design[:, list(term)], 3, axis=0)
            columns += [(names == level).all(axis=1).astype(float) for level in np.unique(names, axis=0)]
        matrix = np.column_stack(columns)
        fitted = matrix @ np.linalg.lstsq(matrix, values.ravel(), rcond=None)[0]
        return float(((values.ravel() - fitted) ** 2).sum())

    for effect in found.effects:
        parts = [(factor,) for factor in effect.factors] if len(effect.factors) > 1 else []
        assert effect.eta_squared * total == pytest.approx(unexplained(*parts) - unexplained(*parts, effect.factors))
    assert math.fsum(e.eta_squared for e in found.effects) + found.other + found.seeds + found.noise == pytest.approx(1)
    first = found.effects[0]
    noise = found.noise * total / found.df
    assert found.df == 22 and found.sd == pytest.approx(noise**0.5)
    assert first.omega_squared == pytest.approx((first.eta_squared * total - noise) / (total + noise))


def test_level_and_cell_means() -> None:
    design = full(2, 3)
    values = invented(design, 4)
    found = find_effects(values, design)
    for level, mean in enumerate(found.levels[1]):
        assert mean.mean == pytest.approx(values[design[:, 1] == level].mean())
        assert mean.by_seed == pytest.approx(values[design[:, 1] == level].mean(axis=0))
        assert mean.interval and mean.interval[0] < mean.mean < mean.interval[1]
    assert found.cells[0, 1] == pytest.approx(values.mean(axis=1).reshape(2, 3))


def test_a_seed_that_moves_all_rows_changes_no_effect() -> None:
    design = full(2, 2, 2)
    values = invented(design, 3)
    moved = values + np.array([[0.0, 100.0, -40.0]])
    one, other = find_effects(values, design), find_effects(moved, design)
    assert [e.p_value for e in one.effects] == [e.p_value for e in other.effects]
    for effect, same in zip(one.effects, other.effects):
        assert effect.changes[0].interval == pytest.approx(same.changes[0].interval)


def test_one_seed_has_only_the_exact_test() -> None:
    found = find_effects(invented(full(2, 2, 2, 2), 1), full(2, 2, 2, 2))
    assert found.sd is None and found.levels[0][0].interval is None
    assert {e.test for e in found.effects if e.p_value is not None} <= {"strata"}
    small = find_effects(invented(full(2, 2), 1), full(2, 2))
    assert [e.p_value for e in small.effects] == [None] * 3 and small.effects[0].omega_squared is None


def test_two_seeds_of_four_combinations_can_say_nothing() -> None:
    # Of the 576 orders 32 leave the effect as large as it is: there is no p-value below 0.0556, and every interval has 0.
    effect = find_effects(invented(full(2, 2), 2) + 50 * full(2, 2)[:, [0]], full(2, 2)).effects[0]
    assert effect.p_value == pytest.approx(32 / 576)
    interval = effect.changes[0].interval
    assert interval is not None and (interval[0] <= 1e-9 or interval[1] <= 1e-9)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


def test_equal_values_have_no_effect() -> None:
    found = find_effects(np.full((8, 3), 7.0), full(2, 2, 2))
    assert [e.p_value for e in found.effects] == [1.0] * 6
    assert [e.eta_squared for e in found.effects] == [0.0] * 6


def test_a_half_fraction_names_what_it_cannot_tell_apart() -> None:
    design = full(2, 2, 2)
    design = np.column_stack([design, design.sum(axis=1) % 2])  # D = A B C: resolution IV
    found = find_effects(invented(design, 3), design)
    assert [e.factors for e in found.effects] == [(0,), (1,), (2,), (3,), (0, 1), (0, 2), (0, 3)]
    assert [of(found, 0).aliases, of(found, 0, 1).aliases, of(found, 0, 3).aliases] == [(), ((2, 3),), ((1, 2),)]
    assert not of(found, 0, 1).partial and of(found, 0).test == "residuals"
    # Resolution III: interactions are aliases of main effects, and no effects of their own.
    small = np.array([(a, b, (a + b) % 2) for a, b in full(2, 2)])
    assert [(e.factors, e.aliases) for e in find_effects(invented(small, 3), small).effects] == [
        ((0,), ((1, 2),)), ((1,), ((0, 2),)), ((2,), ((0, 1),)),
    ]  # fmt: skip


def test_in_a_plackett_burman_design_interactions_are_mixed_in_part() -> None:
    first = [1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0]  # Plackett and Burman, 1946, twelve runs
    design = np.array([*(np.roll(first, shift) for shift in range(11)), [0] * 11])
    found = find_effects(np.random.default_rng(0).standard_normal((12, 3)) + 2 * design[:, [4]], design)
    assert [e.factors for e in found.effects] == [(factor,) for factor in range(11)]
    assert all(e.partial and len(e.aliases) == 45 for e in found.effects)
    assert min(found.effects, key=lambda e: e.p_value or 1).factors == (4,)
    assert of(found, 4).changes[0].estimate == pytest.approx(2, abs=1.2)


def test_only_the_wanted_factors_are_tested_and_corrected_for() -> None:
    design = full(2, 2, 2)
    found = find_effects(invented(design, 4), design, tested=(0, 2))
    assert [e.factors for e in found.effects] == [(0,), (2,), (0, 2)]
    assert of(found, 0).p_value == of(find_effects(invented(design, 4), design), 0).p_value
    assert len(found.levels) == 3


@pytest.mark.parametrize("design", [full(3, 2)[:-1], full(2, 2, 2)[:-1], full(2, 2)[[0, 1, 2, 3, 3]]])
def test_a_design_that_is_not_balanced_is_refused(design: npt.NDArray[np.int64]) -> None:
    with pytest.raises(ValueError, match="neither complete"):
        find_effects(np.zeros((len(design), 2)), design)


def test_shapley_values_of_two_components_by_hand() -> None:
    # Base 10, with A 8, with B 9, with both 4: A brings -2 alone and -5 after B, B brings -1 alone and -4 after A.
    values = shapley_values([[10.0], [9.0], [8.0], [4.0]], [(0, 0), (0, 1), (1, 0), (1, 1)])
    assert [(one.value, one.interval) for one in values] == [(-3.5, None), (-2.5, None)]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_shapley_values_are_means_over_all_orders_and_sum_to_the_difference(number: int, seeds: int, seed: int) -> None:
    on = full(*[2] * number)
    values = np.random.default_rng(seed).standard_normal((len(on), seeds))
    means = {tuple(row): values[i].mean() for i, row in enumerate(on.tolist())}
    brought = np.zeros(number)
    orders = list(itertools.permutations(range(number)))
    for order in orders:
        row = [0] * number
        for component in order:
            before = means[tuple(row)]
            row[component] = 1
            brought[component] += (means[tuple(row)] - before) / len(orders)
    found = shapley_values(values, on)
    assert [one.value for one in found] == pytest.approx(brought)
    assert math.fsum(one.value for one in found) == pytest.approx(means[(1,) * number] - means[(0,) * number])


def test_shapley_intervals_are_those_of_the_contrast() -> None:
    design = full(2, 2)
    values = invented(design, 5)
    found = shapley_values(values, design)[0]
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    error = math.sqrt((rest**2).sum() / 12 / 5 * 4 * 0.25)
    assert found.interval is not None
    assert found.interval[1] - found.value == pytest.approx(2.178812829663418 * error)  # t with 12 degrees of freedom


def test_the_size_of_the_tests_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds are three standard errors of 200 studies above 5%; calibrate_effects.py has the whole table."""
    monkeypatch.setattr(module, "DRAWS", 199)
    bound = 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    found = rates((2, 2), 4, "normal", 200, np.random.default_rng(1))
    assert max(found.main, found.pair, found.family) < bound
    assert found.covered is not None and found.covered > 1 - bound
    assert found.power > 0.3


def test_rounding_is_no_effect() -> None:
    """A program without noise: one factor adds the same to every seed, the other does nothing."""
    seeds = np.array([7.13, 6.88, 7.09, 7.46, 7.38, 7.28])
    table = np.array([(20 / 3 + seeds + 0.1) - 20 / 3, seeds + 0.1, (20 / 3 + seeds + 0.01) - 20 / 3, seeds + 0.01])
    one, other, both = find_effects(table, [(0, 0), (0, 1), (1, 0), (1, 1)]).effects
    assert one.adjusted_p is not None and one.adjusted_p < 0.05
    assert (other.adjusted_p, both.adjusted_p) == (1.0, 1.0) or min(other.adjusted_p or 0, both.adjusted_p or 0) > 0.05


def test_values_without_noise_have_shares_and_no_interval() -> None:
    """Seeds that agree, or add the same to all rows: variances of last bits gave intervals of 1e135, and p = 0."""
    design = full(2, 2)
    rows = np.array([[1.1], [2.9], [3.3], [8.7]])
    for table in (np.repeat(rows, 2, axis=1), rows + np.array([[0.1, 0.3, 0.7]])):
        found = find_effects(table, design)
        assert found.noise == 0 and found.sd == 0 and found.df > 0
        for effect in found.effects:
            assert effect.p_value is not None and effect.p_value >= 1 / 24**2 / 24
            assert effect.changes[0].interval is None and effect.eta_squared > 0.01
        assert all(level.interval is None for levels in found.levels for level in levels)
