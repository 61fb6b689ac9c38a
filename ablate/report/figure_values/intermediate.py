"""What the pruner of a search was told of each candidate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from ablate.report.candidate import DIVERGED
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.intermediate import CandidateLine, Intermediate
from ablate.report.search_analysis import SearchAnalysis

if TYPE_CHECKING:
    from ablate.report.search_analysis import SearchAnalysis


def intermediate_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """Of the figure, where the search has a pruner and that was told something."""
    study = analysis.study
    pruner, over_epochs = analysis.search.pruner, analysis.search.prunes_over_epochs
    lines = candidate_lines(analysis, first=0 if over_epochs else 1)
    if not lines or (pruner == "none" and all(line.kind != "pruned" for line in lines)):
        return
    several = len(study.seeds) > 1
    step = "epoch, over all trainings" if over_epochs else "training, by fold and seed" if several else "fold"
    told = "each error as it came" if pruner == "none" else f"what the pruner ({pruner}) was told"
    next_begins = len(study.seeds) * len(analysis.search.held_out) > 1
    even = over_epochs and next_begins and "recipe.epochs" not in analysis.search.axes
    every = study.recipe.epochs if even else 0
    about = f"{analysis.setting('; ')}; {analysis.measured()}"
    caption = f"{about}; {told}{'; dotted: the next training begins' * bool(every)}."
    yield FigureInfo(Intermediate(lines, step, every), study.title, caption)


def candidate_lines(analysis: SearchAnalysis, first: int = 0) -> list[CandidateLine]:
    """A line a candidate of which the pruner was told something, in the order of their numbers.

    One for those that share their trainings and came equally far. first: what Optuna's step 0 is called.
    """
    lines: dict[str, CandidateLine] = {}
    for one in sorted(analysis.of_state("complete", "pruned"), key=lambda one: one.number):
        points = [(step + first, error) for step, error in sorted(one.intermediate.items()) if error < DIVERGED]
        if points:
            pruned, best = one.state == "pruned", one is analysis.best
            kind: Literal["pruned", "best", "complete"] = "pruned" if pruned else "best" if best else "complete"
            alike = repr((kind, [trial.id for trial in one.trials], points))
            steps, errors = zip(*points)
            lines.setdefault(alike, CandidateLine(one.number, kind, list(steps), list(errors)))
    return list(lines.values())
