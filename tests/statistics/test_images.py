"""Comparisons over images: known tests as special cases, and the rates of error that reports/README.md states."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binomtest, ttest_1samp

from ablate.statistics import images as module
from ablate.statistics.family import holm
from ablate.statistics.images import compare_on_images
from tests.statistics.calibrate_images import Scenario, coverage, rates


def wrong(places: list[int], images: int = 40) -> npt.NDArray[np.bool_]:
    found = np.zeros(images, bool)
    found[places] = True
    return found


@pytest.mark.parametrize(("ours", "theirs"), [([0, 1, 2], []), ([*range(6)], [6]), ([1, 2, 3], [1, 2, 4])])
def test_one_network_a_side_is_mcnemars_exact_test(ours: list[int], theirs: list[int]) -> None:
    (found,) = compare_on_images([{0: wrong(ours)}, {7: wrong(theirs)}], [(0, 1)])
    only_ours, only_theirs = len({*ours} - {*theirs}), len({*theirs} - {*ours})
    expected = binomtest(only_ours, only_ours + only_theirs).pvalue
    assert found.networks.p_value == pytest.approx(expected) and found.networks.p_family == found.networks.p_value
    assert found.difference == pytest.approx(100 * (len(ours) - len(theirs)) / 40)
    assert found.disagree == pytest.approx((only_ours + only_theirs) / 40)
    assert found.trainings is None and not found.common and found.seeds == (1, 1)


def test_equal_networks_do_not_differ() -> None:
    alike = {seed: wrong([1, 5, 9]) for seed in range(3)}
    (found,) = compare_on_images([alike, alike], [(0, 1)])
    assert (found.difference, found.disagree, found.networks.p_value) == (0.0, 0.0, 1.0)
    assert found.trainings is not None and found.trainings.p_value == 1.0


def drawn(shift: float, seed: int, seeds: int = 4, images: int = 3000) -> dict[int, Any]:
    generator = np.random.default_rng(seed)
    hard = np.random.default_rng(9).random(images) * 0.4
    return {s: generator.random(images) < hard + shift for s in range(seeds)}


def test_where_images_add_nothing_new_trainings_are_students_test_of_the_seeds() -> None:
    ours, theirs = drawn(0.0, 1), drawn(0.0, 2)
    for seed, part in enumerate((0, 400, 60, 900)):  # seeds that differ far more than chance, in random images
        ours[seed] = ours[seed] | (np.random.default_rng(seed).random(3000) < part / 3000)
    (found,) = compare_on_images([ours, theirs], [(0, 1)])
    errors = [100 * (float(ours[s].mean()) - float(theirs[s].mean())) for s in ours]
    assert found.trainings is not None
    assert found.trainings.p_value == pytest.approx(ttest_1samp(errors, 0).pvalue, rel=0.15)
    assert found.networks.p_value < 0.01 < found.trainings.p_value  # these four networks do differ
    assert found.difference == pytest.approx(np.mean(errors))


def test_seeds_that_differ_by_chance_alone_leave_it_to_the_images() -> None:
    (found,) = compare_on_images([drawn(0.04, 3, seeds=3), drawn(0.0, 23, seeds=3)], [(0, 1)])
    assert found.trainings is not None and found.trainings.p_value < 0.001  # three seeds alone reach 0.1 at best
    assert found.trainings.interval.low < found.difference < found.trainings.interval.high
    assert found.networks.interval.low > 2 and found.networks.interval.high < 6


def test_a_family_is_corrected_and_seeds_need_not_be_common() -> None:
    variants = [drawn(0.0, 1), drawn(0.02, 2), drawn(0.0, 3), {seed + 50: one for seed, one in drawn(0.0, 4).items()}]
    found = compare_on_images(variants, [(1, 0), (2, 0), (3, 0)])
    assert all(one.networks.p_family >= one.networks.p_value and one.family == 3 for one in found)
    assert [one.common for one in found] == [True, True, False] and found[2].trainings is None
    p_values = [one.trainings.p_value for one in found[:2] if one.trainings]
    assert [one.trainings.p_family for one in found[:2] if one.trainings] == holm(p_values)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06]) and holm([0.9, 0.8]) == [1.0, 1.0]


def test_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="same images"):
        compare_on_images([{0: wrong([1])}, {0: wrong([1], 41)}], [(0, 1)])


def test_rates_of_error_and_power(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAWS", 199)
    false, found = rates(Scenario("", 3, images=400, k=2, trainings=0.02), 120)
    assert (false[:2] < 0.12).all() and false[2] == 0  # four times the error of 5% in 120 studies is 8 points
    assert found[0] > 0.12 and found[2] == 0  # three seeds alone find nothing
    differ, _ = rates(Scenario("", 3, images=1000, k=1, trainings=0.3), 60)
    assert differ[0] > 0.2 and differ[1] < 0.15  # taken as a statement on new trainings the first is wrong
    assert min(coverage(Scenario("", 5, images=400, trainings=0.02), 120)) > 0.87
