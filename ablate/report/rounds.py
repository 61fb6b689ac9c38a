"""The rounds of a study with `seeds.until`: which seeds its records ask for, and what its comparisons came to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ablate.errors import StudyError
from ablate.report.numbers import counted, finite
from ablate.report.seeds import S
from ablate.statistics.sequential import MOST, Course, Followed, Rule, expected_trainings, fixed_number, follow, least_seeds


@dataclass(frozen=True)
class Rounds:
    """What the complete rounds of a study came to. It depends on its records alone.

    Args:
        rule: When a comparison gets another seed.
        followed: What the records came to.
        pairs: The variant and the baseline of each comparison, as places among the variants.
        families: The data set of each comparison, as a number: each is a family of comparisons of its own.
        names: Of the variants, with their data set where there are several.
        folds: How many trainings a seed of a variant has.
        deviation: The standard deviation of the recorded differences, pooled over the comparisons; None if not known.
        beyond: How many recorded trainings the rounds did not ask for.
    """

    rule: Rule
    followed: Followed
    pairs: tuple[tuple[int, int], ...]
    families: tuple[int, ...]
    names: tuple[str, ...]
    folds: int
    deviation: float | None
    beyond: int = 0

    @property
    def note(self) -> str:
        """A sentence on records that the rounds did not ask for; empty without any.

        `to` may be changed after a look, as all looks up to MOST seeds are allowed for. Other settings may not: where they
        let comparisons end earlier, such records are what remains of it.
        """
        if not self.beyond:
            return ""
        do, these = ("is", "does") if self.beyond == 1 else ("are", "do")
        return (
            f"{counted(self.beyond, 'recorded training')} {do} not asked for by these settings, and {these} not count. If "
            "alpha, the smallest difference or the variants were changed after a look, false verdicts are more probable."
        )

    @cached_property
    def course_of(self) -> dict[int, Course]:
        """The course of each comparison, by the place of its variant."""
        return {variant: course for (variant, _), course in zip(self.pairs, self.followed.courses)}

    @property
    def over(self) -> bool:
        """Whether no further seed is asked for and all that were are recorded."""
        return not self.followed.waiting

    def seeds(self, variant: int) -> tuple[int, ...]:
        """The seeds that a variant is asked for so far."""
        return tuple(range(self.followed.asked[variant]))

    @property
    def asked(self) -> int:
        """The number of trainings that are asked for so far."""
        return self.folds * sum(self.followed.asked)

    @property
    def largest_family(self) -> int:
        """The most comparisons of a data set."""
        return max(self.families.count(family) for family in self.families)

    @cached_property
    def fixed(self) -> tuple[int, float]:
        """The fixed number of seeds with the same power, and the difference of this power; see fixed_number()."""
        return fixed_number(self.rule, self.largest_family)

    def states(self, after: str = "") -> list[dict[str, Any]]:
        """The comparisons in the plain values that `ablate status --json` prints.

        Args:
            after: What follows the names of the variants.
        """
        return [
            {
                "net": self.names[variant] + after,
                "baseline": self.names[baseline] + after,
                "verdict": course.verdict,
                "seeds": course.n,
                "next_seed": self.followed.asked[variant] - 1 if course.verdict == "open" and course.n else None,
                "difference": finite(course.estimate),
                "interval": [finite(end) for end in course.interval],
                "p": course.p,
                "corrected_for": course.corrected,
            }
            for (variant, baseline), course in zip(self.pairs, self.followed.courses)
        ]

    def expected(self) -> dict[str, Any]:
        """What the study will train, in the plain values that `ablate plan --json` prints."""
        rule, variants = self.rule, len(self.names)
        spread = self.deviation or rule.margin or 1.0
        difference = spread if rule.margin is None else rule.margin

        def mean(true: float) -> float:
            return self.folds * expected_trainings(rule, self.pairs, self.families, variants, true, spread)

        return {
            "from": rule.first,
            "to": rule.most,
            "may_be_raised_to": MOST,
            "alpha": rule.alpha,
            "smallest_difference": rule.margin,
            "comparisons": len(self.pairs),
            "first_possible_decision": least_seeds(rule, self.largest_family),
            "least": self.folds * rule.first * variants,
            "most": self.folds * rule.most * variants,
            "asked": self.asked,
            "standard_deviation": spread,
            "recorded": self.deviation is not None,
            "beyond": self.beyond,
            "note": self.note,
            "difference": difference,
            "expected_without_difference": mean(0.0),
            "expected_with_difference": mean(difference),
        }


def follow_rounds(rule: Rule, summaries: Sequence[S], baselines: Sequence[S | None], folds: int = 1) -> Rounds:
    """What the records of a study with `seeds.until` came to.

    Args:
        rule: Of the study.
        summaries: One per variant, with all seeds that the rule allows at most.
        baselines: The baseline of each; itself, or None, for a variant that is not compared.
        folds: How many trainings a seed of a variant has.

    Raises:
        StudyError: No variant is compared.
    """
    place = {id(summary): number for number, summary in enumerate(summaries)}
    titles = list(dict.fromkeys(summary.data_title for summary in summaries))
    pairs = tuple(
        (number, place[id(baseline)])
        for number, baseline in enumerate(baselines)
        if baseline is not None and place[id(baseline)] != number
    )
    if not pairs:
        raise StudyError("seeds.until: no variant has a baseline other than itself, so there is nothing to decide")
    families = tuple(titles.index(summaries[variant].data_title) for variant, _ in pairs)
    values = [_by_seed(summary.error_by_seed, folds) for summary in summaries]
    several = len(titles) > 1
    names = tuple(f"{one.name} on {one.data_title}" if several else one.name for one in summaries)
    followed = follow(rule, pairs, families, values)
    beyond = sum(_seed(key) >= last for summary, last in zip(summaries, followed.asked) for key in summary.error_by_seed)
    return Rounds(rule, followed, pairs, families, names, folds, _deviation(pairs, values, followed), beyond)


def asked_only(
    rounds: Rounds | None, summaries: tuple[S, ...], baselines: tuple[S | None, ...]
) -> tuple[tuple[S, ...], tuple[S | None, ...]]:
    """The summaries and the baselines with the seeds alone that the rounds have asked for.

    Args:
        rounds: Of the study; None: every seed is asked for.
        summaries: One per variant.
        baselines: The baseline of each, one of `summaries`.
    """
    if rounds is None:
        return summaries, baselines
    asked = {id(one): one.first_seeds(n) for one, n in zip(summaries, rounds.followed.asked)}
    return tuple(asked.values()), tuple(None if one is None else asked[id(one)] for one in baselines)


def too_few_seeds(rule: Rule, families: Sequence[str]) -> list[str]:
    """A line for each family in which the most seeds of a rule can show no difference; two may still be equivalent.

    Args:
        rule: Of the study.
        families: The data set of each comparison.
    """
    lines = []
    for title in dict.fromkeys(families):
        comparisons = families.count(title)
        if least_seeds(rule, comparisons) is None:
            more = range(rule.most + 1, MOST + 1)
            enough = next((n for n in more if least_seeds(replace(rule, most=n), comparisons)), None)
            of = f"any of {counted(comparisons, 'comparison')}" + (f" on {title}" if len(set(families)) > 1 else "")
            than = f"use seeds.to: {enough}" if enough else f"nor can {MOST}"
            lines.append(f"note: {counted(rule.most, 'seed')} cannot show a difference in {of}; {than}")
    return lines


def comparison_states(followed: Sequence[Rounds], after: Sequence[str]) -> list[dict[str, Any]]:
    """The comparisons in the plain values that `ablate status --json` prints.

    Args:
        followed: The rounds of a study; with `tune`, at the chosen values and then at the variants' own.
        after: What follows the names of each.
    """
    return [state for rounds, also in zip(followed, after) for state in rounds.states(also)]


def round_lines(followed: Sequence[Rounds]) -> list[str]:
    """The line on each next round: "round of seed 7: 2 of 5 comparisons open".

    Args:
        followed: As in comparison_states().
    """
    own = ("", " at the variants' own values")
    return [_round_line(rounds, of) for rounds, of in zip(followed, own) if not rounds.over]


def _round_line(rounds: Rounds, of: str) -> str:
    courses = rounds.followed.courses
    left = sum(course.verdict == "open" for course in courses)
    seeds = f"seed {max(rounds.followed.asked) - 1}" if rounds.followed.complete else f"seeds 0 to {rounds.rule.first - 1}"
    return f"round of {seeds}{of}: {left} of {counted(len(courses), 'comparison')} open"


def _by_seed(values: Mapping[Any, float], folds: int) -> dict[int, float]:
    """The value of each seed, with folds the mean over them; without the seeds that lack one."""
    found: dict[int, list[float]] = {}
    for key, value in values.items():
        found.setdefault(_seed(key), []).append(value)
    return {seed: math.fsum(each) / folds for seed, each in found.items() if len(each) == folds}


def _seed(key: Any) -> int:
    """The seed of a key, which with folds is (fold, seed)."""
    return int(key[1] if isinstance(key, tuple) else key)


def _deviation(pairs: Sequence[tuple[int, int]], values: Sequence[Mapping[int, float]], followed: Followed) -> float | None:
    """The standard deviation of the finite differences of complete rounds, pooled; None if there are none that differ."""
    squares, free = 0.0, 0
    for (variant, baseline), course in zip(pairs, followed.courses):
        own, other = values[variant], values[baseline]
        differences = [own[seed] - other[seed] for seed in range(course.n) if math.isfinite(own[seed] - other[seed])]
        if len(differences) > 1:
            squares += statistics.variance(differences) * (len(differences) - 1)
            free += len(differences) - 1
    return math.sqrt(squares / free) if squares else None
