from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.errors import BudgetError
from ablate.study.budget import Neighbour
from ablate.study.plan import Enumeration, enumerate_variants
from ablate.study.spec import load_study
from ablate.study.steps import closest_to, largest_within

costs = st.one_of(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=60).map(lambda steps: list(accumulate(steps))),
    st.tuples(st.integers(1, 1000), st.integers(1, 1000), st.integers(1, 60)).map(
        lambda line: [line[0] + line[1] * n for n in range(line[2])]
    ),
    st.tuples(st.integers(1, 9), st.integers(1, 40)).map(lambda curve: [n ** curve[0] for n in range(1, curve[1] + 1)]),
)


@given(costs, st.data())
@settings(deadline=None, max_examples=200)
def test_closest_and_largest_against_brute_force(sequence: list[int], data: st.DataObject) -> None:
    near = data.draw(st.sampled_from(sequence)) + data.draw(st.integers(-3, 3))
    target = data.draw(st.one_of(st.just(max(1, near)), st.integers(1, sequence[-1] * 2)))
    high = len(sequence)

    def cost(n: int) -> int:
        assert 1 <= n <= high
        return sequence[n - 1]

    assert largest_within(target, cost, high) == sum(value <= target for value in sequence)
    assert closest_to(target, cost, high) == min(range(1, high + 1), key=lambda n: (abs(cost(n) - target), n))


@pytest.mark.parametrize("target, closest, within", [(1, 1, 0), (10, 1, 1), (15, 1, 1), (16, 2, 1), (20, 2, 2), (99, 3, 3)])
def test_ties_go_to_the_smaller(target: int, closest: int, within: int) -> None:
    costs = [10, 20, 30]
    assert closest_to(target, lambda n: costs[n - 1], 3) == closest
    assert largest_within(target, lambda n: costs[n - 1], 3) == within


def test_linear_costs_need_few_looks() -> None:
    looks = []

    def cost(n: int) -> int:
        looks.append(n)
        return 100 + 7 * n

    assert closest_to(100 + 7 * 1234, cost, 2000) == 1234
    assert len(looks) < 15


@pytest.mark.parametrize("n", [1, 2, 3, 40, 700, 1000])
def test_quadratic_costs_need_few_looks(n: int) -> None:
    looks = set()

    def cost(n: int) -> int:
        looks.add(n)
        return 5000 + 300 * n + 12 * n * n - 256 * (n == 2)

    assert largest_within(cost(n), cost, 1000) == n
    assert len(looks) <= 7


def plan(tmp_path: Path, budget: str, variants: str) -> Enumeration:
    path = tmp_path / "study.yaml"
    path.write_text(
        f"name: budget\ndata: cifar10\nrecipe: wrn_cifar\nseeds: 1\nbudget: {budget}\nvariants:\n  - {variants}\n"
    )
    return enumerate_variants(load_study(path))


def error(tmp_path: Path, budget: str, variants: str) -> str:
    with pytest.raises(BudgetError) as caught:
        plan(tmp_path, budget, variants)
    return str(caught.value).removeprefix(f"{tmp_path / 'study.yaml'}:")


def test_table_3_solved(tmp_path: Path) -> None:
    variants = plan(tmp_path, "{parameters: 2.2M, solve: depth}", "grid: {l: [1, 2, 3, 4], k: 2}").variants
    assert [v.architecture.N for v in variants] == [12, 6, 4, 3]
    assert [v.net for v in variants] == [f"WRN-40-2-B({','.join('3' * l)})" for l in (1, 2, 3, 4)]
    assert {v.counts.parameters for v in variants} == {2_243_546}
    results = [v.budget_result for v in variants]
    assert all(result and result.deviation == pytest.approx(43_546 / 2_200_000) for result in results)
    assert [result and result.below for result in results] == [
        Neighbour("WRN-37-2-B(3)", 2_049_562),
        Neighbour("WRN-34-2-B(3,3)", 1_855_578),
        Neighbour("WRN-31-2-B(3,3,3)", 1_661_594),
        Neighbour("WRN-28-2-B(3,3,3,3)", 1_467_610),
    ]
    above = [result and result.above and result.above.count for result in results]
    assert above == [
        2_437_530,
        2_631_514,
        2_825_498,
        3_019_482,
    ]


def test_names_of_solved_networks_follow_the_depth_rule(tmp_path: Path) -> None:
    variants = plan(tmp_path, "{parameters: 2.2M, solve: depth}", "{grid: {l: [1, 4], k: 2}, depth_rule: nominal}").variants
    assert [v.net for v in variants] == ["WRN-76-2-B(3)", "WRN-22-2-B(3,3,3,3)"]


def test_smallest_network_has_none_below(tmp_path: Path) -> None:
    (variant,) = plan(tmp_path, "{parameters: 77930, tolerance: 1%, solve: depth}", "grid: {k: 1}").variants
    assert variant.architecture.N == 1
    assert variant.budget_result and variant.budget_result.below is None
    assert variant.budget_result.above == Neighbour("WRN-16-1", 175_066)


@pytest.mark.parametrize("tolerance, met", [("12.2%", True), ("0.1218", True), ("12.1%", False), ("0.1217", False)])
def test_tolerance_of_a_target(tmp_path: Path, tolerance: str, met: bool) -> None:
    budget = f"{{parameters: 2M, tolerance: {tolerance}}}"  # WRN-40-2 is 12.1773% above 2M
    if met:
        (variant,) = plan(tmp_path, budget, "net: WRN-40-2").variants
        assert variant.budget_result and variant.budget_result.deviation == pytest.approx(0.121773)
        assert variant.budget_result.below is variant.budget_result.above is None
    else:
        assert "WRN-40-2 has 2,243,546 parameters (+12.2%)" in error(tmp_path, budget, "net: WRN-40-2")


def test_miss_names_network_count_and_budget(tmp_path: Path) -> None:
    found = error(tmp_path, "{parameters: 2000k}", "net: WRN-40-2-B(3,3)")
    assert found == "5:1: WRN-40-2-B(3,3) has 2,243,546 parameters (+12.2%); allowed: 2,000,000 ± 5%"


def test_unsolvable_target(tmp_path: Path) -> None:
    found = error(tmp_path, "{parameters: 120k, solve: depth}", "grid: {k: 1}")
    assert found == "5:1: WRN-10-1, the closest any depth comes, has 77,850 parameters (-35.1%); allowed: 120,000 ± 5%"


def test_missing_variants_are_dropped_when_asked(tmp_path: Path) -> None:
    enumeration = plan(tmp_path, "{parameters: 2.2M, on_miss: drop}", "net: [WRN-40-1, WRN-40-2, WRN-40-4]")
    assert [v.net for v in enumeration.variants] == ["WRN-40-2"]
    assert [text.split(" (")[0] for text in enumeration.dropped] == [
        "WRN-40-1 has 563,930 parameters",
        "WRN-40-4 has 8,949,210 parameters",
    ]


@pytest.mark.parametrize(
    "bounds, met",
    [
        ("{min: 2243546}", True),
        ("{max: 2243546}", True),
        ("{min: 2243546, max: 2243546}", True),
        ("{min: 2243547}", False),
        ("{max: 2243545}", False),
        ("{min: 1M, max: 2.25M}", True),
    ],
)
def test_bounds_are_inclusive(tmp_path: Path, bounds: str, met: bool) -> None:
    budget = f"{{parameters: {bounds}}}"
    if met:
        assert [v.net for v in plan(tmp_path, budget, "net: WRN-40-2").variants] == ["WRN-40-2"]
    else:
        assert "WRN-40-2 has 2,243,546 parameters" in error(tmp_path, budget, "net: WRN-40-2")


def test_bounds_in_the_message(tmp_path: Path) -> None:
    found = error(tmp_path, "{parameters: {min: 1k, max: 2M}}", "net: WRN-40-2")
    assert found.endswith("allowed: at least 1,000 and at most 2,000,000")


def test_solved_maximum_takes_the_deepest_within(tmp_path: Path) -> None:
    variants = plan(tmp_path, "{parameters: {max: 2631513}, solve: depth}", "grid: {l: [1, 2], k: 2}").variants
    assert [(v.architecture.N, v.counts.parameters) for v in variants] == [(13, 2_437_530), (6, 2_243_546)]
    assert all(v.budget_result and v.budget_result.deviation < 0 for v in variants)


def test_multiply_adds_budget(tmp_path: Path) -> None:
    # WRN-10-1 on 3x32x32: conv1 442,368; conv2 4,718,592; conv3 and conv4 3,670,016 each; linear 640.
    wrn_10_1 = 442_368 + 4_718_592 + 2 * 3_670_016 + 640
    block = 3 * 4_718_592
    budget = f"{{multiply_adds: {wrn_10_1 + 3 * block}, tolerance: 0, solve: depth}}"
    (variant,) = plan(tmp_path, budget, "grid: {k: 1}").variants
    assert variant.net == "WRN-28-1"
    assert variant.counts.multiply_adds == wrn_10_1 + 3 * block
    assert variant.budget_result and variant.budget_result.deviation == 0
    assert variant.budget_result.below == Neighbour("WRN-22-1", wrn_10_1 + 2 * block)
    found = error(tmp_path, "{multiply_adds: 1G}", "net: WRN-10-1")
    assert f"WRN-10-1 has {wrn_10_1:,} multiply_adds (-98.7%); allowed: 1,000,000,000 ± 5%" in found
