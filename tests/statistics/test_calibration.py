"""The rates that reports/README.md states, in few simulated studies. The bounds are loose, and can fail."""

from __future__ import annotations

import numpy as np
import pytest

from ablate.statistics.family import adjusted_p_values
from tests.statistics.calibrate import (
    SCENARIOS,
    Scenario,
    best_coverage,
    draw,
    interval_coverage,
    new_p,
    old_p,
    prediction_coverage,
    rates,
    skewed,
)
from tests.statistics.tuned_simulation import called_different

STUDIES = 200
NOISE = 0.07  # four times the error of a share of 0.06 in 200 studies


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario("paired", 6, 5, 0.5),
        Scenario("paired, many", 7, 17, 0.0),
        Scenario("unpaired", 5, 5, 0.0),
        Scenario("ties", 8, 5, 0.5, grid=0.5),
        Scenario("skewed", 8, 5, 0.0, skewed),
        Scenario("folds", 10, 5, 0.0, folds=5, fold_effect=2.0),
        Scenario("unequal", 6, 1, 0.0, spread=3.0, baseline_n=12),
    ],
    ids=lambda scenario: scenario.title,
)
def test_differences_are_seldom_found_where_none_is(scenario: Scenario) -> None:
    found = rates(scenario, new_p, STUDIES)
    assert found.false_none < 0.05 + NOISE and not found.false_half > 0.05 + NOISE


def test_pairs_and_folds_find_what_the_old_rule_missed() -> None:
    seeds, folds = Scenario("", 10, 1, 0.5), Scenario("", 10, 1, 0.0, folds=5, fold_effect=2.0)
    six = Scenario("", 6, 8, 0.5)
    assert rates(seeds, new_p, STUDIES).found > rates(seeds, old_p, STUDIES).found + 0.02
    assert rates(folds, new_p, STUDIES).found > rates(folds, old_p, STUDIES).found + 0.4
    assert rates(six, new_p, STUDIES).found > rates(six, old_p, STUDIES).found


def test_the_old_rule_failed_where_spread_and_seeds_differ() -> None:
    scenario = Scenario("", 5, 1, 0.0, spread=3.0, baseline_n=20)
    old, new = (rates(scenario, rule, STUDIES).false_none for rule in (old_p, new_p))
    assert old > 0.09 and new < 0.12 and new < old


def test_the_best_is_in_the_set() -> None:
    for n in (5, 6):
        found = best_coverage(n, 60, 0.0)
        assert found.kept > 0.95 - NOISE and found.size > 5 and found.all_kept <= found.kept
    assert best_coverage(10, 30, 3.0).size < 1.5


def test_intervals_hold_what_they_promise() -> None:
    for n, paired in ((5, False), (6, True)):
        hits, better, level = interval_coverage(n, 80, paired=paired)
        assert hits > level - 2 * NOISE and better > 0.84
    inside, within = prediction_coverage(5, 5, 200)
    assert inside > 0.95 - NOISE and within < 0.9


def test_the_table_covers_what_was_asked_for() -> None:
    assert {(one.n, one.correlation, one.k) for one in SCENARIOS} >= {(n, c, 17) for n in (3, 5, 6, 10) for c in (0.0, 0.5)}


@pytest.mark.parametrize(
    "scenario", [Scenario("", 7, 4, grid=0.5), Scenario("", 5, 3, grid=0.5), Scenario("", 4, 3, 0.0, baseline_n=7)]
)
def test_the_simulated_rule_is_that_of_ablate(scenario: Scenario) -> None:
    variants, baseline = draw(scenario, 8, np.random.default_rng(0), 1.0)
    for of_study, base, p_values in zip(variants, baseline, new_p(scenario, variants, baseline)):
        start = scenario.n if scenario.baseline_n else 0
        groups = [dict(enumerate(base, start)), *(dict(enumerate(values)) for values in of_study.T)]
        found = adjusted_p_values(groups, [(i, 0) for i in range(1, len(groups))])
        assert p_values == pytest.approx(found, abs=1e-3)


def test_alike_variants_whose_searches_chose_otherwise_are_called_different() -> None:
    """The limit that reports/README.md states; where the space does nothing the verdicts are right."""
    assert called_different(300, 0.0, 8, 5, True) < 0.05 + NOISE
    assert called_different(300, 1.0, 8, 5, True) > 0.3
