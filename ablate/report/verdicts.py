"""Verdicts: the comparisons of a study corrected for their number, and the sentence that each allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ablate.report.numbers import in_points
from ablate.statistics.comparison import ALPHA, MOST_SEEDS, Comparison, compare, holm, seeds_needed
from ablate.statistics.description import Errors


class Verdict(NamedTuple):
    """One of several comparisons, corrected for their number by Holm's method.

    Args:
        name: The name of the variant.
        comparison: The comparison without correction.
        adjusted_p: The corrected p-value.
        adjusted_floor: The smallest corrected p-value that is possible.
        needed: The number of seeds needed per side; see seeds_needed().
        sentence: The conclusion; see verdict_sentence().
    """

    name: str
    comparison: Comparison
    adjusted_p: float
    adjusted_floor: float
    needed: float | None
    sentence: str


def reach_verdicts(
    pairs: Sequence[tuple[tuple[str, Errors], tuple[str, Errors]]],
    alpha: float = ALPHA,
    power: float = 0.8,
    unit: str = "seed",
    maximized: bool = False,
    distance: Callable[[float], str] = in_points,
) -> list[Verdict]:
    """One verdict per pair of variant and baseline, corrected for the number of pairs.

    Args:
        pairs: For each comparison the name and errors of the variant, and the name and errors of its baseline; each side
            has at least one seed.
        alpha: The significance level.
        power: The power for the number of seeds needed.
        unit: The unit that one error belongs to, in the sentences: "seed" or "training".
        maximized: Whether the values are the higher the better. Their differences keep their sign.
        distance: Writes the absolute difference of two medians with its unit.
    """
    sign = -1 if maximized else 1
    pairs = [_signed(pair, sign) for pair in pairs]
    comparisons = [compare(errors, baseline_errors) for (_, errors), (_, baseline_errors) in pairs]
    adjusted = holm([comparison.p_value for comparison in comparisons])
    floors = holm([comparison.floor for comparison in comparisons])
    verdicts = []
    for ((name, errors), (baseline, baseline_errors)), comparison, p, floor in zip(pairs, comparisons, adjusted, floors):
        needed = seeds_needed(errors, baseline_errors, power, alpha / len(pairs))
        sentence = verdict_sentence(name, baseline, comparison, p, floor, len(pairs), needed, alpha, unit, distance)
        difference = comparison.difference and sign * comparison.difference
        verdicts.append(Verdict(name, comparison._replace(difference=difference), p, floor, needed, sentence))
    return verdicts


def _signed(pair: tuple[tuple[str, Errors], tuple[str, Errors]], sign: int) -> Any:
    """The pair with all values multiplied by a sign."""
    return tuple((name, {seed: sign * value for seed, value in values.items()}) for name, values in pair)


def verdict_sentence(
    name: str,
    baseline: str,
    comparison: Comparison,
    adjusted_p: float,
    adjusted_floor: float,
    comparisons: int = 1,
    needed: float | None = None,
    alpha: float = ALPHA,
    unit: str = "seed",
    distance: Callable[[float], str] = in_points,
) -> str:
    """The conclusion of a comparison as one sentence.

    Args:
        name: The name of the variant.
        baseline: The name of the baseline.
        comparison: The comparison.
        adjusted_p: Its corrected p-value.
        adjusted_floor: The smallest corrected p-value that is possible.
        comparisons: The number of comparisons that the p-value is corrected for.
        needed: The seeds needed per side. None: the sentence does not mention them. If there are already as many, the
            sentence says "a few more".
        alpha: The significance level.
        unit: The unit that one error belongs to: "seed" or "training".
        distance: Writes the absolute difference of two medians with its unit.
    """
    holms = f" after Holm's correction for {comparisons} comparisons" if comparisons > 1 else ""
    if adjusted_p < alpha:
        return f"{_told_apart(name, baseline, comparison, unit, distance)}; p {_p(adjusted_p)}{holms})."
    told = "would"
    sample = _sample(comparison, unit)
    sentence = f"{name} and {baseline} cannot be told apart with {sample}"
    if adjusted_floor >= alpha:
        told = "would tell them apart"
        sentence = (
            f"{name} and {baseline} cannot be told apart: with {sample} no difference can be significant "
            f"(smallest possible p {adjusted_floor:.2g}{holms})"
        )
    if needed is None:
        return f"{sentence}."
    if math.isinf(needed):
        return f"{sentence}; it would take more than {MOST_SEEDS:,} {unit}s."
    if needed <= min(comparison.n, comparison.baseline_n):
        return f"{sentence}; a few more {unit}s may."
    return f"{sentence}; about {needed:,.0f} {unit}s {told}."


def _told_apart(name: str, baseline: str, comparison: Comparison, unit: str, distance: Callable[[float], str]) -> str:
    better = comparison.probability > 0.5
    won = comparison.won if better else comparison.pairs - comparison.won
    pairs = f"all {comparison.pairs}" if won == comparison.pairs else f"{won:g} of {comparison.pairs}"
    sentence = f"{name} is {'better' if better else 'worse'} than {baseline}"
    difference = comparison.difference
    if difference is None:
        return f"{sentence} ({pairs} {unit} pairs"
    if distance(abs(difference)) == distance(0.0) or (difference < 0) != better:  # ranks and medians may disagree
        return f"{sentence} by its {unit}s, though not by their median ({pairs} {unit} pairs"
    return f"{sentence} by {distance(abs(difference))} ({pairs} {unit} pairs"


def _sample(comparison: Comparison, unit: str) -> str:
    """The sizes of the two samples, such as "5 seeds" or "5 and 3 seeds"."""
    if comparison.n == comparison.baseline_n:
        return f"{comparison.n} {unit}{'s' * (comparison.n > 1)}"
    return f"{comparison.n} and {comparison.baseline_n} {unit}s"


def _p(p: float) -> str:
    return f"= {p:.2g}" if p >= 1e-4 else "< 0.0001"
