"""How firm an order is: enumerated by hand, published examples, and scipy's own tests."""

from __future__ import annotations

import math
import statistics
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare, kendalltau

from ablate.statistics.ranking import critical_difference, order_agreement, rank_stability

ERROR = st.sampled_from([3.0, 3.5, 4.0, 4.5, 5.0, math.inf])
ERRORS = st.lists(st.dictionaries(st.integers(0, 5), ERROR, min_size=3, max_size=5), min_size=2, max_size=5)


def seeds(*errors: float) -> dict[int, float]:
    return dict(enumerate(errors))


def test_variants_that_do_not_overlap_keep_their_order() -> None:
    found = rank_stability([seeds(7.0, 8.0, 9.0), seeds(1.0, 2.0, 3.0), seeds(4.0, 5.0, 6.0)], draws=200)
    assert found is not None
    assert found.rank_probability.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert (found.same_order, found.same_first, found.draws) == (1.0, 1.0, 200)


def test_shares_approach_those_of_all_draws() -> None:
    """Three common seeds have 27 joint draws; each is counted here."""
    ours, theirs = [1.0, 2.0, 6.0], [4.0, 3.0, 5.0]
    every = list(product(range(3), repeat=3))
    lower = sum(statistics.median(ours[i] for i in draw) < statistics.median(theirs[i] for i in draw) for draw in every)
    found = rank_stability([seeds(*ours), seeds(*theirs)])
    assert found is not None
    assert found.rank_probability[0, 0] == found.same_order == found.same_first
    assert found.same_order == pytest.approx(lower / 27, abs=0.02)


def test_common_seeds_are_drawn_together() -> None:
    """One variant is the other plus a little at each seed, so no joint draw turns them round; separate ones would."""
    ours = {seed: float(seed) for seed in range(5)}
    above = {seed: error + 0.01 for seed, error in ours.items()}
    joint = rank_stability([ours, above])
    apart = rank_stability([ours, {seed + 100: error for seed, error in above.items()}])
    assert joint is not None and apart is not None
    assert joint.same_order == 1.0
    assert 0.5 < apart.same_order < 0.8


def test_the_order_of_seeds_does_not_matter() -> None:
    ours, theirs = {0: 1.0, 1: 5.0, 2: 3.0}, {0: 2.0, 1: 4.0, 2: 3.0}
    first = rank_stability([ours, theirs], draws=500)
    turned = rank_stability([dict(reversed(ours.items())), theirs], draws=500)
    assert first is not None and turned is not None
    assert first.rank_probability.tolist() == turned.rank_probability.tolist()


def test_equal_variants_share_their_ranks() -> None:
    found = rank_stability([seeds(1.0, 2.0, 3.0)] * 2, draws=100)
    assert found is not None
    assert found.rank_probability.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert (found.same_order, found.same_first) == (1.0, 1.0)


@settings(max_examples=40, deadline=None)
@given(ERRORS)
def test_shares_are_probabilities(errors: list[dict[int, float]]) -> None:
    found = rank_stability(errors, draws=50)
    assert found is not None
    ranks = found.rank_probability
    assert ranks.sum(axis=0) == pytest.approx(1) and ranks.sum(axis=1) == pytest.approx(1)
    assert 0 <= found.same_order <= found.same_first + 1e-9


def test_too_few_seeds_say_nothing() -> None:
    assert rank_stability([seeds(1.0, 2.0), seeds(1.0, 2.0, 3.0)]) is None
    assert rank_stability([seeds(1.0, 2.0, 3.0)]) is None
    assert rank_stability([]) is None


def test_agreement_by_hand() -> None:
    """Of a, b, c, d: only (c, d) is turned round; x and y have no partner."""
    found = order_agreement({"a": 1, "x": 9, "b": 2, "c": 3, "d": 4}, {"y": 0, "d": 30, "c": 40, "b": 20, "a": 10})
    assert found[:5] == (4, 6, 5, 1, 0)
    assert found.tau == pytest.approx(4 / 6)


def test_agreement_with_ties_is_tau_b() -> None:
    """WRN, Table 2: two block types of six are published as 5.78."""
    published = {"131": 6.06, "31": 5.78, "13": 6.42, "311": 5.86, "33": 5.73, "313": 5.78}
    ours = {"131": 45.35, "31": 43.2, "13": 43.7, "311": 44.9, "33": 39.9, "313": 40.95}
    found = order_agreement(ours, published)
    assert found[:5] == (6, 15, 12, 2, 1)
    assert found.tau == pytest.approx((12 - 2) / math.sqrt(15 * 14))
    assert found.tau == pytest.approx(kendalltau(list(ours.values()), list(published.values())).statistic)


def test_agreement_of_values_without_order() -> None:
    assert order_agreement({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 2.0}) == (2, 1, 0, 0, 1, None)
    assert order_agreement({"a": math.inf, "b": math.inf, "c": 1}, {"a": 1, "b": 2, "c": 0})[:5] == (3, 3, 2, 0, 1)
    assert order_agreement({"a": 1.0}, {"b": 1.0}) == (0, 0, 0, 0, 0, None)


def ranked(*orders: str) -> dict[str, dict[str, float]]:
    """A data set an order, the best variant first."""
    return {f"data {i}": {name: float(place) for place, name in enumerate(order)} for i, order in enumerate(orders)}


@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)])
def test_nemenyis_difference_is_demsars(k: int, q: float) -> None:
    """Demšar, 2006, Table 5 (a): critical values of the two-tailed Nemenyi test for alpha = 0.05."""
    found = critical_difference(ranked(*["abcdefghij"[:k]] * 14))
    assert found is not None
    assert found.difference == pytest.approx(q * math.sqrt(k * (k + 1) / (6 * 14)), rel=3e-4)


def test_a_clear_order_has_its_groups() -> None:
    """Six data sets: the difference is 2.569 sqrt(20 / 36) = 1.91, so neighbours stay together and a, c part."""
    errors = ranked("abcd", "abdc", "abcd", "abdc", "abcd", "abdc")
    found = critical_difference(errors)
    assert found is not None
    assert found.average_ranks == {"a": 1, "b": 2, "c": 3.5, "d": 3.5}
    assert found.data_sets == 6
    columns = [[of_data[name] for of_data in errors.values()] for name in "abcd"]
    assert found.friedman_p == pytest.approx(friedmanchisquare(*columns).pvalue)
    assert found.groups == (("a", "b"), ("b", "c", "d"))


def test_no_difference_at_all_is_one_group() -> None:
    mixed = critical_difference(ranked("abc", "bca", "cab", "acb", "bac"))
    assert mixed is not None and mixed.friedman_p > 0.05
    assert [set(group) for group in mixed.groups] == [{"a", "b", "c"}]
    equal = critical_difference({str(i): {"a": 1.0, "b": 1.0, "c": 1.0} for i in range(5)})
    assert equal is not None
    assert (equal.friedman_p, equal.groups) == (1.0, (("a", "b", "c"),))


def test_infinite_errors_rank_last() -> None:
    found = critical_difference({str(i): {"a": math.inf, "b": 1.0, "c": math.inf} for i in range(5)})
    assert found is not None
    assert found.average_ranks == {"b": 1, "a": 2.5, "c": 2.5}


def test_incomplete_variants_and_too_little_data() -> None:
    errors = ranked(*["abcd"] * 5)
    del errors["data 3"]["b"]
    found = critical_difference(errors)
    assert found is not None and list(found.average_ranks) == ["a", "c", "d"]
    assert critical_difference(ranked(*["abc"] * 4)) is None
    assert critical_difference(ranked(*["ab"] * 9)) is None
    assert critical_difference({}) is None
