"""The sentences on families of comparisons, and what a plan says of them."""

from __future__ import annotations

import math

from ablate.report.numbers import format_of, interval_text, p_text, p_words
from ablate.report.verdicts import (
    Verdict,
    cannot_reach,
    fewest_seeds,
    listed,
    plan_families,
    reach_verdicts,
    verdict_interval_cell,
    verdict_sentences,
    verdict_values,
)
from ablate.statistics.description import Errors

BASE = dict(enumerate([39.5, 40.75, 41.15, 39.9, 38.6]))
WORSE = dict(enumerate([43.6, 43.1, 43.7, 46.25, 44.0]))
CLOSE = dict(enumerate([40.95, 40.3, 42.8, 40.4, 41.3]))


def against(base: Errors, **errors: Errors) -> list[Verdict]:
    variants = [("base", base), *errors.items()]
    return reach_verdicts(variants, [(i, 0) for i in range(1, len(variants))])


def first(base: Errors, count: int) -> Errors:
    return dict(list(base.items())[:count])


def test_a_difference_has_its_size_interval_and_pairs() -> None:
    (verdict,) = against(WORSE, better=BASE)
    assert [*verdict_sentences([verdict])] == [
        "better is better than base by 4.10 points (96% interval −6.35 to −2.55; in all 25 seed pairs; p = 0.0079)."
    ]


def test_all_that_cannot_be_told_apart_are_one_line() -> None:
    found = [*verdict_sentences(against(BASE, a=WORSE, b=CLOSE, c=CLOSE, d=CLOSE))]
    assert len(found) == 2
    assert found[0].startswith(
        "a is worse than base by 4.10 points (96% interval +2.55 to +6.35; in all 25 seed pairs; p = 0.0"
    )
    assert found[0].endswith("in a family of 4 comparisons).")
    assert found[1] == "b, c and d cannot be distinguished from base with 5 seeds."


def test_ranges_that_do_not_overlap_are_said_to_although_no_verdict_is_possible() -> None:
    low = {0: 1.0, 1: 2.0, 2: 3.0}
    high, lower = {seed: 9 + value for seed, value in low.items()}, {seed: value - 9 for seed, value in low.items()}
    found = [*verdict_sentences(against(low, a=high, b=high, c=lower, d={0: 2.0, 1: 1.0, 2: 3.5}), enough=5)]
    assert found[0].startswith("c is better than base in all 9 seed pairs, which is no verdict yet: p = 0.2")
    assert found[1].startswith("a and b are worse than base in all 9 seed pairs, which is no verdict yet: p = 0.2")
    assert found[2].startswith("d and base cannot be told apart with 3 seeds; it takes ")
    assert found[3].startswith("3 seeds are too few for 4 comparisons: p cannot be below 0.2")
    assert found[3].endswith("; use 5 seeds.") and len(found) == 4


def test_only_the_variants_with_too_few_seeds_are_said_to_have_too_few() -> None:
    base = dict(enumerate(range(10)))
    found = [*verdict_sentences(against(base, few=first(base, 2), many=base, more=base), enough=5)]
    assert found[-1] == "2 seeds of few are too few: p cannot be below 0.091; use 5 seeds."
    assert "1 seed of few is too few: " in list(verdict_sentences(against(base, few=first(base, 1), many=base)))[-1]


def test_each_pair_has_its_own_baseline() -> None:
    variants = [("a", CLOSE), ("b", BASE), ("c", BASE), ("d", CLOSE)]
    found = reach_verdicts(variants, [(0, 1), (2, 3)])
    assert [verdict.comparison.difference for verdict in found] == [1.05, -1.05]
    assert [*verdict_sentences(found)] == ["a from b and c from d cannot be told apart with 5 seeds."]
    assert reach_verdicts([], []) == [] and [*verdict_sentences([])] == []


def test_differences_of_a_measure_that_is_the_higher_the_better() -> None:
    costs = [{seed: -value for seed, value in values.items()} for values in (BASE, WORSE)]
    (verdict,) = reach_verdicts([("base", costs[0]), ("high", costs[1])], [(1, 0)], maximized=True)
    assert verdict.comparison.difference == 4.1 and verdict.comparison.interval[:2] == (2.55, 6.35)
    (sentence,) = verdict_sentences([verdict], "training", format_of("nats"))
    assert sentence.startswith(
        "high is better than base by 4.1 nats (96% interval +2.55 to +6.35; in all 25 training pairs"
    )


def test_diverged_seeds_leave_no_points() -> None:
    found = [*verdict_sentences(against(BASE, diverged=dict.fromkeys(range(5), math.inf)))]
    assert found == ["diverged is worse than base (in all 25 seed pairs; p = 0.0079)."]


def test_unequal_numbers_of_seeds() -> None:
    (alike, never) = verdict_sentences(against(BASE, few=first(CLOSE, 2)))
    assert alike == "few and base cannot be told apart with 2 to 5 seeds."
    assert never == "2 seeds of few are too few: p cannot be below 0.095."


def test_names_with_commas_are_parted_by_semicolons() -> None:
    assert listed(["a"]) == "a" and listed(["B(1,3)", "b"]) == "B(1,3) and b"
    assert listed(["a", "b", "c"]) == "a, b and c" and listed(["B(1,3)", "b", "c"]) == "B(1,3); b; c"


def test_the_fewest_seeds_that_can() -> None:
    many = [(i, 0) for i in range(1, 18)]
    assert fewest_seeds(1, 18, many, 3) == 6 and fewest_seeds(1, 2, [(1, 0)], 1) == 4
    assert fewest_seeds(5, 2, [(1, 0)], 1, 1) == 2  # five folds of one seed are 5 pairs, 2/2^5


def test_a_plan_says_what_each_family_can_reach() -> None:
    variants: list[tuple[str, int | None]] = [("A", 0), ("A", 0), ("B", 2), *[("B", 2)] * 8, ("C", None)]
    three, six = plan_families(variants, 3), plan_families(variants, 6)
    assert [(one.data, one.comparisons, one.seeds_that_can) for one in three] == [("A", 1, 4), ("B", 8, 6)]
    assert three[0].smallest_p == 0.1 and three[1].smallest_p > 0.4
    assert [one.smallest_p for one in six] == [2 / 64] * 2 and [one.seeds_that_can for one in six] == [6, 6]
    assert [one.cannot for one in three] == [1, 8] and [one.cannot for one in six] == [0, 0]
    assert plan_families(variants, 0) == [] and plan_families([("A", None)], 5) == []
    (folds,) = plan_families(variants[:2], 1, folds=5)
    assert (folds.smallest_p, folds.seeds_that_can) == (2 / 32, 2)


def test_zero_has_no_sign_in_a_maximized_measure() -> None:
    same = dict.fromkeys(range(6), 1.0)
    (verdict,) = reach_verdicts([("base", same), ("same", same)], [(1, 0)], maximized=True)
    found = verdict.comparison.difference, verdict.comparison.interval.low, verdict.comparison.interval.high
    assert not any(math.copysign(1.0, each) < 0 for each in found if each == 0)


def test_comparisons_of_which_some_can_reach_no_verdict() -> None:
    said = cannot_reach("5 seeds", 9, 0.04, 6, cannot=3)
    assert said == "5 seeds are too few for 3 of 9 comparisons: p cannot be below 0.040; use 6 seeds"
    assert " for 9 comparisons: " in cannot_reach("5 seeds", 9, 0.06, 6, cannot=9)


def test_an_interval_that_misses_more_often_than_it_holds_is_not_shown() -> None:
    write = format_of("%")
    texts = [verdict_interval_cell(of.comparison.interval, write).text for of in against({0: 1.0}, one={1: 2.0})]
    assert texts == ["–"] and verdict_values(*against({0: 1.0}, one={1: 2.0}))["interval_level"] is None
    (three,) = against(first(BASE, 3), three=first(WORSE, 3))
    assert verdict_interval_cell(three.comparison.interval, write).text.endswith(" (90%)")
    (diverged,) = against(BASE, diverged=dict.fromkeys(range(5), math.inf))
    assert verdict_interval_cell(diverged.comparison.interval, write).text == "diverged"
    assert interval_text((-math.inf, math.inf), write) == "no limits"
    assert interval_text((0.5, math.inf), write) == "+0.50 to no limit"


def test_a_difference_or_p_value_that_is_told_is_not_rounded_to_none() -> None:
    percent, plain = format_of("%"), format_of("")
    differences = (0.0, -1e-17, -0.0042, 0.006, -1.2)
    assert [percent.signed(each) for each in differences] == ["+0.00", "+0.00", "−0.004", "+0.01", "−1.20"]
    assert percent.distance(0.0004) == "0.0004 points" and percent.value(0.0) == "0.00"
    assert [plain.value(each) for each in (12345.6, 100000.0, 9999.96, 0.00012, 2.5e9)] == [
        "12346", "100000", "10000", "0.00012", "2.5e+09",
    ]  # fmt: skip
    assert (plain.spread(123.4), plain.signed(-12345.6)) == ("123", "−12346")
    assert [p_text(p) for p in (0.0497, 0.049996, 0.05, 0.0312)] == ["0.0497", "0.049996", "0.050", "0.031"]
    assert (p_words(0.0497), p_words(0.0312)) == ("p = 0.0497", "p = 0.031")


def test_the_variants_that_lack_seeds_are_named() -> None:
    """ "1 to 6 seeds are too few" blames the six."""
    found = [*verdict_sentences(against({**BASE, 5: 40.0}, a=first(WORSE, 1), b=first(CLOSE, 2)), enough=5)]
    assert found[-1].startswith("1 to 2 seeds of a and b are too few for 2 comparisons: ")
    assert found[-1].endswith("; use 5 seeds.")
