"""The finding of a study: one or two sentences, as careful as its statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ablate.report.compared import Compared, Outcome, none_better
from ablate.report.effects_sentences import effects_finding
from ablate.report.numbers import counted
from ablate.report.verdicts import MOST_NAMED, be, listed, too_few

NO_VARIANT = "no variant"


def find(analysis: Compared[Any]) -> str:
    """The finding of the recorded trials; empty if fewer than two variants have a recorded trial.

    Of factors that are crossed it is their effects, with the largest interaction that was found, because an average alone
    misleads there. Else it is a sentence for each data set.

    Args:
        analysis: Of a study or of a program.
    """
    titles = [title for title in analysis.titles if len(analysis.on(title)) > 1]
    if not titles:
        return ""
    effects = effects_finding(analysis.effects)
    found = _guessing(analysis, effects or [f"{_of_data(analysis, title)}." for title in titles])
    partly = f" So far {analysis.progress}." if analysis.recorded < analysis.planned else ""
    return " ".join(found) + partly


def _guessing(analysis: Compared[Any], found: Sequence[str]) -> Sequence[str]:
    """The sentences, after one on the variants that are close to guessing; if these are all, that one alone.

    Close is a median error of at most one point, and at most a tenth of the share of a class, below that of guessing.
    """
    if analysis.decision.measure != "error" or not analysis.decision.split:
        return found
    trained = [summary for summary in analysis.summaries if summary.n]
    chances = {id(one): 100 * (1 - 1 / one.variant.data.classes) for one in trained}
    guess = [one for one in trained if chances[id(one)] - min(1, 10 / one.variant.data.classes) <= one.median < math.inf]
    if not guess:
        return found
    levels = {chances[id(one)] for one in guess}
    level = f" ({_value(analysis, levels.pop())})" if len(levels) == 1 else ""
    if len(guess) == len(trained):
        return [
            f"No variant is clearly better than guessing{level}, so nothing can be compared: train longer, or change the "
            "recipe."
        ]
    several = len(analysis.titles) > 1
    names = list(dict.fromkeys(f"{one.name} on {one.data_title}" if several else one.name for one in guess))
    subject = listed(names) if len(names) <= MOST_NAMED else f"{len(names)} variants"
    return [f"{subject} {'is' if len(names) == 1 else 'are'} not clearly better than guessing{level}.", *found]


def _of_data(analysis: Compared[Any], title: str) -> str:
    where, summaries = analysis.on_words(title), analysis.on(title)
    outcomes = [outcome for summary in summaries if (outcome := analysis.outcome(summary))]
    baselines = list(dict.fromkeys(outcome.baseline for outcome in outcomes))
    costs = [analysis.decision.cost(summary.median) for summary in summaries]
    first = [summary for summary, cost in zip(summaries, costs) if cost == min(costs)]
    best = next((summary for summary in first if summary.name in baselines), first[0])
    lowest = _lowest(analysis, first, where)
    verdicts = [verdict for summary in summaries if (verdict := analysis.verdict(summary))]
    if outcomes and analysis.rounds is None and not any(verdict.possible for verdict in verdicts):
        few = too_few(verdicts, analysis.unit) if verdicts else counted(best.n, analysis.unit)
        return f"{lowest}, but {few} {be(few)} too few for a verdict"
    if not outcomes:
        return f"{lowest}; {_by_rank(analysis, title, best, 'it' if len(first) == 1 else best.name)}"
    results = {outcome.result for outcome in outcomes}
    told = _told(analysis, outcomes, baselines)
    if len(first) > 1:
        return f"{lowest}; {told}"
    if baselines == [best.name]:
        if "better" in results:  # ranks of differences and medians can disagree
            return f"{lowest} in the median, yet by the test of the seeds {told}"
        return f"{lowest}; {told if 'equivalent' in results else _others(analysis, outcomes)}"
    if len(baselines) == 1 and not any(outcome.reached for outcome in outcomes):
        only = len(outcomes) == 1 and outcomes[0].name == best.name
        return f"{lowest}, but {f'it cannot be distinguished from {baselines[0]}' if only else told}"
    return f"{where}{told}" if where or not told.startswith(NO_VARIANT) else told[0].upper() + told[1:]


def _lowest(analysis: Compared[Any], first: Sequence[Any], where: str) -> str:
    """Which variant has the lowest median, or which have it in common."""
    by = analysis.decision
    if not math.isfinite(first[0].median):
        return f"{where}{'of' if where else 'Of'} every variant half of the {analysis.unit}s or more diverged"
    has = f"has the {by.lowest}" if len(first) == 1 else f"have the same {by.lowest}"
    return f"{where}{_named(first)} {has} {by.words}, {_value(analysis, first[0].median)}"


def _value(analysis: Compared[Any], median: float) -> str:
    value = analysis.format.value(median)
    return f"{value}%" if analysis.decision.unit == "%" and math.isfinite(median) else value


def _others(analysis: Compared[Any], outcomes: Sequence[Outcome]) -> str:
    """What is said of the others where the baseline is the best, and none is better or equivalent."""
    worse = [outcome for outcome in outcomes if outcome.result == "worse"]
    alike = [outcome for outcome in outcomes if outcome.result != "worse"]
    if not worse:
        return (
            f"{alike[0].name} cannot be distinguished from it"
            if len(alike) == 1
            else "no other can be distinguished from it"
        )
    if not alike:
        others = f"all {len(worse)} others are" if len(worse) > 1 else "the other is"
        return f"{others} worse{_by(analysis, worse)}"
    number = f"{len(worse)} of {len(outcomes)} others {'is' if len(worse) == 1 else 'are'}"
    return f"{number} worse{_by(analysis, worse)}; {_named(alike)} may be as good"


def _named(variants: Sequence[Outcome] | Sequence[Any]) -> str:
    names = [variant.name for variant in variants]
    return listed(names) if len(names) <= MOST_NAMED else f"{len(names)} variants"


def _by(analysis: Compared[Any], outcomes: Sequence[Outcome]) -> str:
    """How large some differences are: ", by 2.10 points", ", by 2.10 to 4.00 points"; empty if one is not known."""
    sizes = sorted(abs(outcome.difference) for outcome in outcomes if outcome.difference is not None)
    if len(sizes) < len(outcomes):
        return ""
    low, high = (analysis.format.distance(size) for size in (sizes[0], sizes[-1]))
    return f", by {low}" if low == high else f", by {low.split()[0]} to {high}"


def _within(analysis: Compared[Any]) -> str:
    """What equivalent variants differ by at most: " within 0.30 points"."""
    margin = analysis.rounds.rule.margin if analysis.rounds else None
    return f" within {analysis.format.distance(margin)}" if margin else ""


def _told(analysis: Compared[Any], outcomes: Sequence[Outcome], baselines: Sequence[str]) -> str:
    """Which variants are better, worse and equivalent, and how many comparisons are open."""
    steps = all(any(design.kind == "path" for design in summary.variant.designs) for summary in analysis.summaries)
    one, many = ("the step before",) * 2 if steps else ("its own baseline", "their own baselines")
    than = baselines[0] if len(baselines) == 1 else one
    told = []
    for result, joined in (("better", "than"), ("worse", "than"), ("equivalent", "to")):
        if some := [outcome for outcome in outcomes if outcome.result == result]:
            verb = "is" if len(some) == 1 else "are"
            base = than if len(baselines) == 1 or len(some) == 1 else many
            size = _within(analysis) if result == "equivalent" else _by(analysis, some)
            told.append(f"{_named(some)} {verb} {result} {joined} {base}{size}")
    open_ = sum(not outcome.reached for outcome in outcomes)
    if not told:
        subject = f"{NO_VARIANT} can" if open_ > 1 else f"{outcomes[0].name} cannot"
        return f"{subject} be distinguished from {than}"
    return "; ".join([*told, *([f"{open_} of {counted(len(outcomes), 'comparison')} without a verdict"] if open_ else [])])


def _by_rank(analysis: Compared[Any], title: str, best: Any, it: str) -> str:
    """What is said of the others where there is no baseline; `it` names the best."""
    summaries, intervals = analysis.on(title), analysis.rank_intervals[title]
    first = [summary for summary, interval in zip(summaries, intervals or ()) if interval.best == 1]
    if not first or len(first) == len(summaries):
        return f"any of the {len(summaries)} variants may be the best"
    if first == [best]:
        return none_better(len(summaries), it)
    names = [it] if best in first else []  # the ranks of differences and the medians may disagree
    names += [summary.name for summary in first if summary is not best]
    some = " or ".join(names) if len(names) <= MOST_NAMED else f"among {len(names)} of the {len(summaries)} variants"
    return f"with 95% confidence the best is {some}"
