"""What a study's summaries say together: verdicts, sentences, orders."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import DIGITS, recorded

from ablate.report.analysis import StudyAnalysis
from ablate.report.summary import Summary
from ablate.statistics.comparison import compare
from ablate.statistics.family import adjusted_p_values
from ablate.statistics.ranking import order_agreement
from ablate.statistics.sample_size import seeds_needed

STUDY = f"""\
{DIGITS}seeds: 5
variants:
  - net: [WRN-10-1, WRN-10-2, WRN-10-4]
baseline: WRN-10-1
"""
ERRORS: dict[int, list[float | None]] = {
    0: [10.0, 11.0, 12.0, 13.0, 14.0],
    1: [5.0, 6.0, 7.0, 8.0, 9.0],
    2: [10.5, 11.5, 12.5, 13.5, 14.5],
}


def by_net(found: StudyAnalysis) -> dict[str, Summary]:
    return {summary.label: summary for summary in found.summaries}


@pytest.fixture
def found(tmp_path: Path) -> StudyAnalysis:
    return recorded(tmp_path, STUDY, ERRORS).analysis()


def test_every_variant_but_the_baseline_has_a_verdict(found: StudyAnalysis) -> None:
    base, wide, wider = found.summaries
    assert found.baseline(base) is found.baseline(wide) is base
    assert found.verdict(base) is None
    assert found.verdict(wide) and found.verdict(wider)


def test_a_verdict_is_the_comparison_adjusted_for_its_family(found: StudyAnalysis) -> None:
    base, wide, wider = found.summaries
    expected = [compare(summary.error_by_seed, base.error_by_seed) for summary in (wide, wider)]
    adjusted = adjusted_p_values([summary.error_by_seed for summary in (wide, base, wider)], [(0, 1), (2, 1)])
    for summary, comparison, p in zip((wide, wider), expected, adjusted):
        verdict = found.verdict(summary)
        assert verdict
        assert (verdict.comparison, verdict.adjusted_p, verdict.family) == (comparison, p, 2)
        assert verdict.needed == seeds_needed(summary.error_by_seed, base.error_by_seed, 2)
    first = found.verdict(wide)
    assert first and (first.comparison.difference, first.comparison.probability) == (-5.0, 1.0)
    # All 25 seed pairs are won: two of 252 splits are as far apart, and a little more than that in a family of two.
    assert first.comparison.p_value == pytest.approx(2 / 252)
    assert first.adjusted_p == first.adjusted_floor == pytest.approx(0.0152, abs=0.004)


def test_the_sentences_say_what_the_seeds_can(found: StudyAnalysis) -> None:
    better, alike, order = found.sentences
    assert better.startswith(
        "WRN-10-2 is better than WRN-10-1 by 5.00 points (96% interval −7.00 to −3.00; in all 25 seed pairs; p = 0.01"
    )
    assert better.endswith(" in a family of 2 comparisons).")
    assert alike.startswith("WRN-10-4 and WRN-10-1 cannot be told apart with 5 seeds; it takes ")
    assert order == "With 95% confidence none of the 3 variants is better than WRN-10-2."
    assert found.leading == {id(found.summaries[1])}


def test_six_common_seeds_are_compared_in_pairs(tmp_path: Path) -> None:
    """Each seed moves all errors by a lot, and one seed more of the baseline has no partner."""
    moved = [0.0, 5.0, 9.0, 2.0, 7.0, 4.0, 1.0]
    errors: dict[int, list[float | None]] = {
        0: [10 + x for x in moved],
        1: [9.7 + x + more for x, more in zip(moved[:6], (0, 0.1, 0.05) * 2)],
    }
    text = STUDY.replace("seeds: 5", "seeds: 7").replace(", WRN-10-4", "")
    found = recorded(tmp_path, text, errors).analysis()
    (verdict,) = found.verdicts.values()
    assert (verdict.comparison.paired, verdict.comparison.common, verdict.adjusted_p) == (True, 6, 2 / 64)
    assert found.sentences[0].endswith("at all 6 seeds; p = 0.031).")
    assert found.as_json()["summaries"][1]["against_baseline"]["test"] == "paired"


def test_a_variant_without_seeds_is_not_compared(tmp_path: Path) -> None:
    found = recorded(tmp_path, STUDY, {0: ERRORS[0], 2: ERRORS[2]}).analysis()
    _, wide, wider = found.summaries
    assert found.verdict(wide) is None
    verdict = found.verdict(wider)
    assert verdict and verdict.adjusted_p == verdict.comparison.p_value  # the only comparison
    assert not any("family" in sentence for sentence in found.sentences)
    assert found.titles == ["Digits"] and found.on("Digits") == [found.summaries[0], wider]


def test_without_seeds_of_the_baseline_nothing_is_compared(tmp_path: Path) -> None:
    found = recorded(tmp_path, STUDY, {1: ERRORS[1], 2: ERRORS[2]}).analysis()
    assert found.verdicts == {} and not any("told apart" in sentence for sentence in found.sentences)


def test_without_any_seeds_nothing_is_said(tmp_path: Path) -> None:
    found = recorded(tmp_path, STUDY, {}).analysis()
    assert found.verdicts == {} and found.sentences == [] and found.titles == []


def test_seeds_that_can_tell_none_from_the_best_say_so(tmp_path: Path) -> None:
    errors = {key: values[:3] for key, values in ERRORS.items()}
    found = recorded(tmp_path, STUDY, errors).analysis()
    assert found.leading == set() and found.rank_intervals["Digits"] is None
    assert "With 3 seeds any of the 3 variants may be the best." in found.sentences
    cannot = "3 seeds are too few for 2 comparisons: p cannot be below 0.17"
    assert any(sentence.startswith(cannot) and sentence.endswith("; use 5 seeds.") for sentence in found.sentences)
    assert found.sentences[0].startswith("WRN-10-2 is better than WRN-10-1 in all 9 seed pairs, which is no verdict yet: p")


def test_of_two_variants_the_verdict_says_the_order_already(tmp_path: Path) -> None:
    found = recorded(tmp_path, STUDY.replace(", WRN-10-4", ""), {0: ERRORS[0], 1: ERRORS[1]}).analysis()
    assert len(found.sentences) == 1 and found.leading == {id(found.summaries[1])}


def test_json_has_the_verdicts_numbers(found: StudyAnalysis) -> None:
    base, wide, _ = found.as_json()["summaries"]
    assert base["against_baseline"] is None and base["baseline"] == "WRN-10-1"
    against, verdict = wide["against_baseline"], found.verdicts[id(found.summaries[1])]
    assert (against["hodges_lehmann"], against["won"], against["p_family"]) == (-5.0, 25, verdict.adjusted_p)
    assert (against["interval_low"], against["interval_high"], against["comparisons"]) == (-7.0, -3.0, 2)
    assert wide["published"] is None


def test_the_images_are_a_sample_too(found: StudyAnalysis) -> None:
    assert "SE of the images: the standard error of the median from the sample of 500 test images" in found.sampling


BOTH = f"""\
{DIGITS.replace("data: {name: digits, train_size: 128}", "data: [{name: digits, train_size: 128}, cifar10]")}seeds: 3
variants:
  - net: [WRN-10-1, WRN-10-2, WRN-10-4]
baseline: WRN-10-1
published:
  - source: Table 1
    rows:
      - {{net: WRN-10-1, cifar10: 7}}
      - {{net: WRN-10-2, cifar10: 6}}
      - {{net: WRN-10-4, cifar10: 5}}
"""


@pytest.fixture
def both(tmp_path: Path) -> StudyAnalysis:
    """Variants: each network on the digits, then on CIFAR-10."""
    errors: dict[int, list[float | None]] = {
        0: [30.0, 31.0, 32.0],
        1: [17.0, 18.0, 19.0],
        2: [20.0, 21.0, 22.0],
        3: [15.0, 16.0, 17.0],
        4: [10.0, 11.0, 12.0],
        5: [16.0, 17.0, 18.0],
    }
    return recorded(tmp_path, BOTH, errors).analysis()


def test_each_data_set_has_its_baseline_and_is_a_family(both: StudyAnalysis) -> None:
    of = by_net(both)
    assert both.baseline(of["WRN-10-2, Digits"]) is of["WRN-10-1, Digits"]
    assert both.baseline(of["WRN-10-2, CIFAR-10"]) is of["WRN-10-1, CIFAR-10"]
    verdict = both.verdict(of["WRN-10-2, Digits"])
    # Two comparisons a data set, each of 3 seeds against 3: 2 of 20 splits at best.
    assert verdict and verdict.comparison.p_value == pytest.approx(0.1) and verdict.family == 2
    cannot = [sentence for sentence in both.sentences if "too few" in sentence]
    assert [sentence[:9] for sentence in cannot] == ["On Digits", "On CIFAR-"] and "too few for 2 comparisons" in cannot[0]


def test_each_data_set_has_its_order(both: StudyAnalysis) -> None:
    orders = [sentence for sentence in both.sentences if "may be the best" in sentence]
    assert orders == [
        f"On {title}, with 3 seeds any of the 3 variants may be the best." for title in ("Digits", "CIFAR-10")
    ]


def test_the_order_is_held_against_the_published_one(both: StudyAnalysis) -> None:
    """Medians 18, 16, 17 against 7, 6, 5: of the three pairs the last, 16 < 17 but 6 > 5, stands the other way round."""
    (agreement,) = (sentence for sentence in both.sentences if "published order" in sentence)
    assert agreement.startswith("2 of 3 pairs of networks have the published order")
    assert "Kendall's tau 0.33" in agreement and "the protocols differ" in agreement and "on CIFAR-10" in agreement
    ours = {"a": 18.0, "b": 16.0, "c": 17.0}
    found = order_agreement(ours, {"a": 7.0, "b": 6.0, "c": 5.0})
    assert (found.concordant, found.pairs, round(found.tau or 0, 2)) == (2, 3, 0.33)


def test_a_diverged_seed_is_worse_than_any_error(tmp_path: Path) -> None:
    found = recorded(tmp_path, STUDY.replace(", WRN-10-4", ""), {0: ERRORS[0], 1: [5.0, 6.0, None, None, None]}).analysis()
    verdict = found.verdict(found.summaries[1])
    # 5 and 6 are below all five, the three that diverged below none: 10 of 25 pairs.
    assert verdict and (verdict.comparison.won, verdict.comparison.difference) == (10, None)
