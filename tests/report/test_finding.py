"""The finding of a study is as careful as its statistics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from recorded import DIGITS, recorded

from ablate.report.finding import find

NETS = "seeds: {}\nvariants: [{{net: [WRN-10-1, WRN-10-2, NIN]}}]\n"
BASE = [10.0, 10.5, 11.0, 11.5, 12.0, 12.5]


def shifted(by: float) -> list[float]:
    return [error + by for error in BASE]


def finding(folder: Path, *errors: Sequence[float | None], more: str = "baseline: WRN-10-1", seeds: int = 6) -> str:
    text = f"{DIGITS}{NETS.format(seeds)}{more}\n"
    return find(recorded(folder, text, dict(enumerate(errors))).analysis())


@pytest.mark.parametrize(
    ("second", "third", "expected"),
    [
        (
            shifted(2),
            shifted(4),
            "WRN-10-1 has the lowest test error, 11.25%; all 2 others are worse, by 2.00 to 4.00 points.",
        ),
        (
            shifted(2),
            [9.9, 10.7, 10.9, 11.7, 12.1, 12.6],
            "WRN-10-1 has the lowest test error, 11.25%; 1 of 2 others is worse, by 2.00 points; NIN may be as good.",
        ),
        (
            shifted(-2),
            shifted(4),
            "WRN-10-2 is better than WRN-10-1, by 2.00 points; NIN is worse than WRN-10-1, by 4.00 points.",
        ),
        (
            [9.9, 10.7, 10.8, 11.3, 12.1, 12.4],
            [9.9, 10.7, 10.9, 11.7, 12.1, 12.6],
            "WRN-10-2 has the lowest test error, 11.05%, but no variant can be distinguished from WRN-10-1.",
        ),
    ],
)
def test_against_a_baseline(tmp_path: Path, second: list[float], third: list[float], expected: str) -> None:
    assert finding(tmp_path, BASE, second, third) == expected


def test_seeds_that_can_reach_no_verdict(tmp_path: Path) -> None:
    found = finding(tmp_path, *(of[:3] for of in (shifted(2), BASE, shifted(4))), seeds=3)
    assert found == "WRN-10-2 has the lowest test error, 10.50%, but 3 seeds are too few for a verdict."


def test_without_a_baseline_it_is_the_set_of_the_best(tmp_path: Path) -> None:
    found = finding(tmp_path, BASE, shifted(2), shifted(4), more="")
    assert (
        found == "WRN-10-1 has the lowest test error, 11.25%; with 95% confidence none of the 3 variants is better than it."
    )


def test_of_two_that_may_be_the_best_it_is_said_that_the_best_is_one(tmp_path: Path) -> None:
    found = finding(tmp_path, BASE, shifted(2), [9.9, 10.7, 10.9, 11.7, 12.1, 12.6], more="")
    assert found == "WRN-10-1 has the lowest test error, 11.25%; with 95% confidence the best is it or NIN."


def test_a_variant_that_is_better_although_its_median_is_not_is_said_to_be_better(tmp_path: Path) -> None:
    base = [float(error) for error in range(1, 11)]
    better = [error + (0.1 if error in (5, 6) else -1) for error in base]
    found = finding(tmp_path, base, better, [error + 3 for error in base], seeds=10)
    assert found == (
        "WRN-10-1 has the lowest test error, 5.50% in the median, yet by the test of the seeds WRN-10-2 is better than "
        "WRN-10-1, by 1.00 points; NIN is worse than WRN-10-1, by 3.00 points."
    )


def test_a_single_variant_that_only_leads_is_named_once(tmp_path: Path) -> None:
    text = f"{DIGITS}seeds: 6\nvariants: [{{net: [WRN-10-1, WRN-10-2]}}]\nbaseline: WRN-10-1\n"
    found = find(recorded(tmp_path, text, {0: BASE, 1: [9.9, 10.7, 10.8, 11.3, 12.1, 12.4]}).analysis())
    assert found == "WRN-10-2 has the lowest test error, 11.05%, but it cannot be distinguished from WRN-10-1."


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("baseline: WRN-10-1", "NIN is worse than WRN-10-1, by 4.00 points; 1 of 2 comparisons without a verdict."),
        ("baseline: WRN-10-2", "NIN is worse than WRN-10-2, by 3.90 points; 1 of 2 comparisons without a verdict."),
        ("", "with 95% confidence the best is WRN-10-1 or WRN-10-2."),
    ],
)
def test_variants_with_the_same_median_are_all_named(tmp_path: Path, baseline: str, expected: str) -> None:
    equal = [9.9, 10.7, 11.0, 11.5, 12.3, 12.6]
    found = finding(tmp_path, BASE, equal, shifted(4), more=baseline)
    assert found == f"WRN-10-1 and WRN-10-2 have the same lowest test error, 11.25%; {expected}"


def test_where_every_variant_diverged_none_is_called_the_lowest(tmp_path: Path) -> None:
    found = finding(tmp_path, *[[None] * 6] * 3)
    assert found.startswith("Of every variant half of the seeds or more diverged; no variant can be distinguished from")


def test_a_study_that_is_not_complete_says_so_and_one_without_records_finds_nothing(tmp_path: Path) -> None:
    assert finding(tmp_path) == ""
    assert finding(tmp_path, BASE, shifted(2)[:5]).endswith(" So far 11 of 18 trials are recorded.")


def test_variants_that_have_learned_nothing_are_said_to_be_close_to_guessing(tmp_path: Path) -> None:
    guessing = [90.0, 89.5, 90.2, 88.0, 90.0, 91.0]
    assert finding(tmp_path, guessing, guessing, [90.0] * 6) == (
        "No variant is clearly better than guessing (90.00%), so nothing can be compared: train longer, or change the "
        "recipe."
    )
    assert finding(tmp_path, BASE, guessing, shifted(4)).startswith(
        "WRN-10-2 is not clearly better than guessing (90.00%). WRN-10-1 has the lowest test error, 11.25%; all 2 others "
        "are worse"
    )
    learned = [error - 2 for error in guessing]
    assert "guessing" not in finding(tmp_path, BASE, learned, shifted(4))


def test_what_diverged_is_the_worst(tmp_path: Path) -> None:
    found = finding(tmp_path, BASE, [None] * 6, shifted(1))
    assert found == "WRN-10-1 has the lowest test error, 11.25%; all 2 others are worse."


def test_of_crossed_factors_it_is_their_effects(tmp_path: Path) -> None:
    text = f"{DIGITS}seeds: 4\nvariants: [{{grid: {{net: WRN-10-1, dropout: [0, 0.3], k: [1, 2]}}}}]\n"
    errors = {i: [10.0 + 3 * (i // 2) + seed + 0.1 * (i * seed % 3) for seed in range(4)] for i in range(4)}
    found = find(recorded(tmp_path, text, errors).analysis())
    assert found.startswith("Dropout 0.3 instead of 0 raises the test error by ") and "depends on" not in found
    errors[3] = [error + 6 for error in errors[3]]  # dropout costs more in wide networks
    (tmp_path / "together").mkdir()
    found = find(recorded(tmp_path / "together", text, errors).analysis())
    assert found.startswith("Dropout 0.3 instead of 0 raises the test error by ") and found.count(". ") == 1
    assert ". What dropout 0.3 instead of 0 does depends on k" in found


def test_seeds_that_only_one_side_lacks_are_said_to_be_its_own(tmp_path: Path) -> None:
    found = finding(tmp_path, BASE, shifted(2)[:1])
    assert found.startswith("WRN-10-1 has the lowest test error, 11.25%, but 1 seed of WRN-10-2 is too few for a verdict.")


def test_of_several_data_sets_guessing_names_its_own(tmp_path: Path) -> None:
    text = f"{DIGITS}seeds: 6\nvariants: [{{net: [WRN-10-1, WRN-10-2]}}]\nbaseline: WRN-10-1\n"
    text = text.replace("data: {name: digits, train_size: 128}", "data: [{name: digits, train_size: 128}, cifar10]")
    found = find(recorded(tmp_path, text, {0: BASE, 1: BASE, 2: shifted(2), 3: [90.0] * 6}).analysis())
    assert found.startswith("WRN-10-2 on CIFAR-10 is not clearly better than guessing (90.00%). On Digits, WRN-10-1 has")


def test_a_finding_begins_with_a_capital(tmp_path: Path) -> None:
    text = f"{DIGITS}seeds: 6\nvariants: [{{grid: {{net: [WRN-10-1, WRN-10-2], dropout: [0, 0.3]}}}}]\neffects: false\n"
    close = [error + 0.1 * (-1) ** place - 0.01 for place, error in enumerate(BASE)]
    errors = {0: BASE, 1: shifted(2), 2: close, 3: shifted(2)}
    found = find(recorded(tmp_path, f"{text}baseline: {{k: 1}}\n", errors).analysis())
    assert found == "No variant can be distinguished from its own baseline."


def test_a_verdict_moves_the_ranks_of_both(tmp_path: Path) -> None:
    """With two baselines the same report said that any of the four may be the best."""
    text = f"{DIGITS}seeds: 6\nvariants: [{{grid: {{net: [WRN-10-1, WRN-10-2], dropout: [0, 0.3]}}}}]\neffects: false\n"
    alike, noisy = [12 + seed / 100 for seed in range(6)], [8.0, 18.0, 9.0, 17.0, 10.0, 16.0]
    errors = {0: alike, 2: noisy}
    errors |= {row + 1: [error - 1 - seed / 20 for seed, error in enumerate(of)] for row, of in errors.items()}
    analysis = recorded(tmp_path, f"{text}baseline: {{dropout: 0}}\n", errors).analysis()
    (intervals,) = analysis.rank_intervals.values()
    assert intervals is not None and [each.best for each in intervals] == [2, 1, 2, 1]
    assert not any("any of the 4 variants" in sentence for sentence in analysis.sentences)
