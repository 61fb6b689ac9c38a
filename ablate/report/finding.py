"""The finding of a study: one or two sentences, as careful as its statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ablate.report.numbers import counted
from ablate.report.seeds import Compared
from ablate.report.verdicts import Verdict, listed

MOST_NAMES = 3  # more are counted


def find(analysis: Compared[Any]) -> str:
    """The finding of the recorded trials, a sentence a data set; empty if fewer than two variants have a recorded trial.

    Args:
        analysis: Of a study or of a program.
    """
    found = [f"{_of_data(analysis, title)}." for title in analysis.titles if len(analysis.on(title)) > 1]
    partly = f" So far {analysis.progress}." if found and analysis.recorded < analysis.planned else ""
    return " ".join(found) + partly


def _of_data(analysis: Compared[Any], title: str) -> str:
    where, summaries = analysis.on_words(title), analysis.on(title)
    best = min(summaries, key=lambda summary: analysis.decision.cost(summary.median))
    value = analysis.format.value(best.median)
    value = f"{value}%" if analysis.decision.unit == "%" and value != "diverged" else value
    lowest = f"{where}{best.name} has the {analysis.decision.lowest} {analysis.decision.words}, {value}"
    compared = [(summary, verdict) for summary in summaries if (verdict := analysis.verdict(summary))]
    verdicts = [verdict for _, verdict in compared]
    baselines = {id(analysis.baseline(summary)) for summary, _ in compared}
    if verdicts and not any(verdict.possible for verdict in verdicts):
        return f"{lowest}, but {counted(best.n, analysis.unit)} can reach no verdict"
    if len(baselines) == 1 and id(best) in baselines:
        return f"{lowest}{_others(analysis, verdicts)}"
    if len(baselines) == 1:
        return _after(where, _against_baseline(analysis, verdicts))
    if baselines:
        return _after(where, _own_baselines(verdicts))
    return f"{lowest}{_by_rank(analysis, title, best)}"


def _after(where: str, sentence: str) -> str:
    """A sentence after "On CIFAR-10, ", or alone."""
    begins = sentence.startswith(("None of", "Of "))
    return f"{where}{sentence[0].lower()}{sentence[1:]}" if where and begins else f"{where}{sentence}"


def _others(analysis: Compared[Any], verdicts: Sequence[Verdict]) -> str:
    """What is said of the others where the baseline is the best."""
    worse = [verdict for verdict in verdicts if verdict.reached and verdict.comparison.direction > 0]
    open_ = [verdict.name for verdict in verdicts if not verdict.reached]
    if not worse:
        return f"; none of the {len(verdicts)} others can be told from it" if len(verdicts) > 1 else ", but not for sure"
    if not open_:
        return f"; {'all' if len(worse) > 1 else 'the'} {_counted_others(len(worse))} worse{_by(analysis, worse)}"
    alike = f"{listed(open_)} may be as good" if len(open_) <= MOST_NAMES else f"{len(open_)} may be as good"
    return f"; {len(worse)} of {_counted_others(len(verdicts), len(worse))} worse{_by(analysis, worse)}; {alike}"


def _counted_others(n: int, subjects: int | None = None) -> str:
    """ "other is" or "5 others are"; the verb agrees with the number of `subjects` if that is another."""
    verb = "is" if (n if subjects is None else subjects) == 1 else "are"
    return f"other {verb}" if n == 1 else f"{n} others {verb}"


def _by(analysis: Compared[Any], verdicts: Sequence[Verdict]) -> str:
    """How large some differences are: ", by 2.10 points", ", by 2.10 to 4.00 points"."""
    sizes = sorted(abs(d) for verdict in verdicts if (d := verdict.comparison.difference) is not None)
    if len(sizes) < len(verdicts):
        return ""
    low, high = (analysis.format.distance(size) for size in (sizes[0], sizes[-1]))
    return f", by {low}" if low == high else f", by {low.split()[0]} to {high}"


def _against_baseline(analysis: Compared[Any], verdicts: Sequence[Verdict]) -> str:
    """Which variants are better and worse than a baseline that is not the best."""
    baseline = verdicts[0].baseline
    better = [verdict for verdict in verdicts if verdict.reached and verdict.comparison.direction < 0]
    worse = [verdict for verdict in verdicts if verdict.reached and verdict.comparison.direction > 0]
    open_ = len(verdicts) - len(better) - len(worse)
    if not better and not worse:
        some = f"{verdicts[0].name} cannot" if len(verdicts) == 1 else f"None of {len(verdicts)} variants can"
        return f"{some} be told from {baseline}"
    told = [
        f"{_named(some)} {'is' if len(some) == 1 else 'are'} {word} than {baseline}{_by(analysis, some)}"
        for some, word in ((better, "better"), (worse, "worse"))
        if some
    ]
    told += [f"{open_} of {len(verdicts)} cannot be told from it"] if open_ else []
    return "; ".join(told)


def _named(verdicts: Sequence[Verdict]) -> str:
    names = [verdict.name for verdict in verdicts]
    return listed(names) if len(names) <= MOST_NAMES else f"{len(names)} variants"


def _own_baselines(verdicts: Sequence[Verdict]) -> str:
    """What is said where each variant has a baseline of its own."""
    better = [v for v in verdicts if v.reached and v.comparison.direction < 0]
    worse = [v for v in verdicts if v.reached and v.comparison.direction > 0]
    counts = [f"in {len(some)} it is {word}" for some, word in ((better, "better"), (worse, "worse")) if some]
    left = len(verdicts) - len(better) - len(worse)
    counts += [f"in {left} they cannot be told apart"] if left else []
    return f"Of {counted(len(verdicts), 'comparison')} of a variant with its own baseline, {', '.join(counts)}"


def _by_rank(analysis: Compared[Any], title: str, best: Any) -> str:
    """What is said of the others where there is no baseline."""
    summaries, intervals = analysis.on(title), analysis.rank_intervals(title)
    first = [summary for summary, interval in zip(summaries, intervals or ()) if interval.best == 1]
    if not first or len(first) == len(summaries):
        return f"; any of the {len(summaries)} variants may be the best"
    others = [summary.name for summary in first if summary is not best]
    if not others:
        return f"; it is the best of the {len(summaries)} variants, with 95% confidence"
    alike = listed(others) if len(others) <= MOST_NAMES else f"{len(others)} others"
    return f"; {alike} cannot be told from it, the other {len(summaries) - len(first)} are worse"
