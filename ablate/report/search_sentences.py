"""The conclusions that a search allows and does not allow, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ablate.report.candidate import Candidate
from ablate.report.numbers import counted
from ablate.report.search_analysis import SearchAnalysis
from ablate.report.seeds import TRAINING
from ablate.report.setting import MEASURES
from ablate.report.verdicts import FOLDS_SHARE, cannot_reach, listed
from ablate.study.axis_text import short_axis
from ablate.study.search import Search
from ablate.study.space import present

ALONE = "With one training per candidate it is not known how certain their order is."


def search_sentences(analysis: SearchAnalysis) -> list[str]:
    """The conclusions of a search: the best candidate and its certainty, and the candidates without a full result."""
    return [
        *_progress(analysis),
        *(_of_the_best(analysis, analysis.best) if analysis.best else _without_best(analysis)),
        *_set_aside(analysis),
    ]


def search_finding(analysis: SearchAnalysis) -> str:
    """The best candidate, and how sure it is that no other is better; empty before one has been trained to the end."""
    if analysis.best is None:
        return ""
    lowest, *_ = _of_the_best(analysis, analysis.best)
    certain = len(analysis.distinct) > 1 and len(analysis.best.errors) > 1
    return " ".join([lowest, *([_certainty(analysis, analysis.best)] if certain else [])])


def _progress(analysis: SearchAnalysis) -> Iterator[str]:
    if not analysis.candidates:
        yield "No candidate has been trained yet."
    elif not analysis.finished:
        running, stopped = len(analysis.of_state("running")), len(analysis.of_state("interrupted"))
        beside = [f"{running} being trained"] * bool(running) + [f"{stopped} interrupted"] * bool(stopped)
        yield f"The search is unfinished: {', '.join([analysis.progress, *beside])}."


def _of_the_best(analysis: SearchAnalysis, best: Candidate) -> Iterator[str]:
    search, found, n, by = analysis.search, analysis.distinct, len(best.errors), analysis.decision
    value = analysis.format.with_unit(analysis.objective(best))
    net = f", {best.variant.net}," if analysis.solved else ""
    lowest = f"C{best.name[1:]}{net} has the {by.lowest} {search.statistic} {by.words}, {value}"
    among = f"{lowest}, of {len(found)} candidates that were trained to the end{_of_ties(analysis)}."
    yield among if len(found) > 1 else f"{lowest}; it is the only candidate."
    yield from _edges(search, best)
    if len(found) > 1:
        yield _certainty(analysis, best) if n > 1 else ALONE
        if len(search.held_out) > 1:
            yield FOLDS_SHARE
        elif len(search.held_out) == 1:
            yield "All were measured on the same held-out images; on other images the order may differ."
        yield analysis.caution
    if search.also_minimize:
        front = len(analysis.front)
        there = f"{front} of them {'is' if front == 1 else 'are'} in the Pareto set"
        costs = [MEASURES[name] for name in search.also_minimize]
        others = "the other" if len(costs) == 1 else "the others"
        first = ", ".join([analysis.decision.noun, *costs[:-1]])
        yield f"{there}: no other candidate is better in {first} or {costs[-1]} without being worse in {others}."
    if repeats := len(analysis.ranked) - len(found):
        every = counted(len(analysis.ranked), "candidate")
        yield f"{repeats} of {every} repeated another one; its results were used again."


def _of_ties(analysis: SearchAnalysis) -> str:
    """The ties of the best, such as "; 3 others have the same value, and this one came first"; empty without ties."""
    if not analysis.ties:
        return ""
    costs = analysis.search.also_minimize
    why = f"with no fewer {MEASURES[costs[0]]}" if costs else "and this one came first"
    return f"; {analysis.ties} value, {why}"


def _edges(search: Search, best: Candidate) -> Iterator[str]:
    """Best values at the lower or upper end of the searched range: the range may have been too narrow."""
    for parameter in search.parameters:
        value = best.values.get(parameter.axis)
        there = parameter.kind in ("float", "int") and present(parameter, best.values)
        if there and value in (parameter.low, parameter.high):
            end = "lowest" if value == parameter.low else "highest"
            what = f"{short_axis(parameter.axis)}, {best.value_text(parameter.axis)}"
            yield f"Its {what}, is the {end} of the range that was searched."


def _certainty(analysis: SearchAnalysis, best: Candidate) -> str:
    """How sure it is that the best is the best: which of the others in the table cannot be distinguished from it."""
    verdicts = list(analysis.verdicts.values())
    second = verdicts[0]
    c = second.comparison
    won = c.pairs - c.won
    share = f"all {c.pairs}" if won == c.pairs else f"{won:g} of {c.pairs}"
    kind = "trainings" if c.paired else "pairs of trainings"
    against = f"Against the second, {second.name}, it is ahead in {share} {kind}"
    if not any(verdict.possible for verdict in verdicts):
        few = cannot_reach(counted(c.common if c.paired else c.n, TRAINING), second.family, second.adjusted_floor, None)
        return f"{against}. No other in the table can be distinguished from it, because {few}."
    better = [verdict.name for verdict in verdicts if verdict.reached and verdict.comparison.direction < 0]
    if better:  # a mean and the ranks can disagree
        be, kind = "is" if len(better) == 1 else "are", f"by the test of the {TRAINING}s"
        return f"{against}. Yet {kind} {listed(better)} {be} better than {best.name}, with 95% confidence."
    alike = [verdict.name.removeprefix("candidate ") for verdict in verdicts if not verdict.reached]
    if not alike:
        return (
            f"No other of the {len(verdicts) + 1} in the table is better than {best.name}, with 95% confidence. {against}."
        )
    if len(alike) == len(verdicts):
        return f"{against}; none of the {len(verdicts)} others in the table can be distinguished from it."
    some = f"{len(alike)} of the {len(verdicts)} others in the table"
    return f"{against}; {some} cannot be distinguished from it: {listed(alike)}."


def _without_best(analysis: SearchAnalysis) -> Iterator[str]:
    if analysis.candidates:
        yield f"There is no best candidate: none was trained to the end with a finite {analysis.decision.noun}."


def _set_aside(analysis: SearchAnalysis) -> Iterator[str]:
    """The candidates that were not trained to the end, and those that diverged."""
    if pruned := analysis.of_state("pruned"):
        yield f"{_were(len(pruned))} pruned after {_lengths(analysis.search, pruned)}, as worse than others."
    if failed := len(analysis.of_state("failed")):
        yield f"{_were(failed)} not trained to the end, because a training failed; the next search tries again."
    if diverged := len(analysis.diverged):
        noun = analysis.decision.noun
        yield f"The {noun} of {counted(diverged, 'candidate')} is infinite, because trainings diverged."
    if some := sum(any(map(math.isinf, one.errors.values())) for one in analysis.ranked):
        noun = analysis.decision.noun
        yield f"{counted(some, 'candidate')} had trainings that diverged; they count as worse than any {noun}."


def _lengths(search: Search, pruned: Sequence[Candidate]) -> str:
    """How far pruned candidates were trained, in the unit of the pruner: "2 to 4 of 5 trainings", "1 of 9 epochs"."""
    if search.prunes_over_epochs:
        reached = [max(one.intermediate, default=0) for one in pruned]
        wholes, unit = [one.epochs for one in pruned], "epoch"
    else:
        reached, wholes, unit = [len(one.errors) for one in pruned], [len(one.trials) for one in pruned], TRAINING
    after, of = (" to ".join(dict.fromkeys((str(min(n)), str(max(n))))) for n in (reached, wholes))
    return f"{after} of {of} {unit}{'' if max(wholes) == 1 else 's'}"


def _were(n: int) -> str:
    """A number of candidates with its verb: "1 candidate was", "3 candidates were"."""
    return f"{counted(n, 'candidate')} {'was' if n == 1 else 'were'}"
