"""How firm an order is: enumerated by hand, published examples, and scipy's own tests."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy.stats import friedmanchisquare, kendalltau

from ablate.statistics import ranking
from ablate.statistics.family import smallest_p_values
from ablate.statistics.ranking import critical_difference, order_agreement, rank_intervals


def seeds(*errors: float) -> dict[int, float]:
    return dict(enumerate(errors))


def test_variants_far_apart_have_one_rank_each() -> None:
    far = [seeds(*(10.0 * place + seed / 10 for seed in range(8))) for place in (2, 0, 1)]
    assert rank_intervals(far) == [(3, 3), (1, 1), (2, 2)]


def test_equal_variants_may_have_any_rank() -> None:
    same = [seeds(*(float(seed * (i + 1) % 7) for seed in range(7))) for i in range(4)]
    assert rank_intervals(same) == [(1, 4)] * 4


def test_the_variants_that_may_be_the_best_are_those_with_rank_one() -> None:
    base = [0.1, 0.5, 0.2, 0.9, 0.4, 0.6, 0.3]
    near = [0.3, 0.2, 0.6, 0.5, 0.8, 0.4, 0.5]
    found = rank_intervals([seeds(*base), seeds(*near), seeds(*(value + 5 for value in base))])
    assert found == [(1, 2), (1, 2), (3, 3)]


def test_seeds_that_allow_no_verdict_say_nothing_of_ranks() -> None:
    three = [seeds(1.0, 2.0, 3.0), seeds(11.0, 12.0, 13.0), seeds(21.0, 22.0, 23.0)]
    assert rank_intervals(three) is None
    assert rank_intervals([seeds(1.0)]) is None and rank_intervals([]) is None


def test_of_many_variants_some_show_that_no_verdict_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(keys: Any, pairs: Any, paired_from: int) -> list[float]:
        asked.append(len(pairs))
        return smallest_p_values(keys, pairs, paired_from)

    monkeypatch.setattr(ranking, "smallest_p_values", counted)
    assert rank_intervals([seeds(1.0, 2.0, 3.0, 4.0, 5.0)] * 300) is None and asked == [ranking.SOME - 1]
    keys, pairs = [range(5)] * 60, [(other, 0) for other in range(1, 60)]
    smallest = [min(smallest_p_values(keys, pairs[:number])) for number in (1, 2, 10, 30, 59)]
    assert smallest == sorted(smallest)  # more comparisons never have a smaller one


def test_a_variant_that_diverged_is_last() -> None:
    found = rank_intervals([seeds(*[math.inf] * 6), seeds(*(seed / 10 for seed in range(6)))])
    assert found == [(2, 2), (1, 1)]


def test_agreement_by_hand() -> None:
    """Of a, b, c, d: only (c, d) is turned round; x and y have no partner."""
    found = order_agreement({"a": 1, "x": 9, "b": 2, "c": 3, "d": 4}, {"y": 0, "d": 30, "c": 40, "b": 20, "a": 10})
    assert found[:4] == (4, 6, 5, 0)
    assert found.tau == pytest.approx(4 / 6)


def test_agreement_with_ties_is_tau_b() -> None:
    """WRN, Table 2: two block types of six are published as 5.78."""
    published = {"131": 6.06, "31": 5.78, "13": 6.42, "311": 5.86, "33": 5.73, "313": 5.78}
    ours = {"131": 45.35, "31": 43.2, "13": 43.7, "311": 44.9, "33": 39.9, "313": 40.95}
    found = order_agreement(ours, published)
    assert found[:4] == (6, 15, 12, 1)
    assert found.tau == pytest.approx((12 - 2) / math.sqrt(15 * 14))
    assert found.tau == pytest.approx(kendalltau(list(ours.values()), list(published.values())).statistic)


def test_agreement_of_values_without_order() -> None:
    assert order_agreement({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 2.0}) == (2, 1, 0, 1, None)
    assert order_agreement({"a": math.inf, "b": math.inf, "c": 1}, {"a": 1, "b": 2, "c": 0})[:4] == (3, 3, 2, 1)
    assert order_agreement({"a": 1.0}, {"b": 1.0}) == (0, 0, 0, 0, None)


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
