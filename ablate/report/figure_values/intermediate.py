"""The values of the figure with the errors that were reported to the pruner of a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.intermediate import CandidateLine, Intermediate

if TYPE_CHECKING:
    from ablate.report.search_analysis import SearchAnalysis


def intermediate_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if no error was reported, or without a pruner and any pruned candidate.

    Args:
        analysis: The analysis of the search.
    """
    study = analysis.study
    pruner, over_epochs = analysis.search.pruner, analysis.search.prunes_over_epochs
    lines = candidate_lines(analysis, first=0 if over_epochs else 1)
    if not lines or (pruner == "none" and all(line.kind != "pruned" for line in lines)):
        return
    several = len(study.seeds) > 1
    step = "epoch, over all trainings" if over_epochs else "training, by fold and seed" if several else "fold"
    told = "each error as it came" if pruner == "none" else f"what the pruner ({pruner}) was told"
    every = analysis.same_epochs if over_epochs and analysis.trainings > 1 else 0
    caption = f"{analysis.caption_start}; {told}{'; dotted: the next training begins' * bool(every)}."
    yield FigureInfo(Intermediate(lines, step, every, analysis.decision.axis), study.title, caption)


def candidate_lines(analysis: SearchAnalysis, first: int = 0) -> list[CandidateLine]:
    """A line for each candidate with reported errors, in the order of the numbers.

    Candidates with the same trainings, state and reported errors share one line.

    Args:
        analysis: The analysis of the search.
        first: The number that the figure shows for Optuna's step 0.
    """
    lines: dict[str, CandidateLine] = {}
    for one in sorted(analysis.of_state("complete", "pruned"), key=lambda one: one.number):
        points = [(step + first, error) for step, error in sorted(one.intermediate.items()) if analysis.has_value(error)]
        if points:
            pruned, best = one.state == "pruned", one is analysis.best
            kind: Literal["pruned", "best", "complete"] = "pruned" if pruned else "best" if best else "complete"
            alike = repr((kind, [trial.id for trial in one.trials], points))
            steps, errors = zip(*points)
            lines.setdefault(alike, CandidateLine(one.number, kind, list(steps), list(errors)))
    return list(lines.values())
