"""Which figures a search has, each drawn from its report, and what each shows in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablate.search.standing import axes_of
from ablate.search.wording import MEASURES, OBJECTIVES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ablate.search.report import SearchReport

ALT_TEXTS = {
    "objective": "Validation error against each value that was searched",
    "history": "Validation error by candidate, and the best so far",
    "importances": "How much of the differences each parameter explains",
    "intermediate": "What was known of each candidate as it was trained",
    "pareto": "Validation error against cost, with the Pareto front",
}


def draw_figures(report: SearchReport) -> dict[str, Figure]:
    """Every figure of a search by its name; none before a candidate has a finite error."""
    return dict(_figures(report))


def _figures(report: SearchReport) -> Iterator[tuple[str, Figure]]:
    from ablate.search.history_figure import draw_history
    from ablate.search.importance_figure import draw_importances
    from ablate.search.intermediate_figure import draw_intermediate, intermediate_lines
    from ablate.search.marks import candidate_marks, finite_marks
    from ablate.search.objective_figure import axis_panels, draw_objective
    from ablate.search.pareto_figure import draw_pareto
    from ablate.search.pruning import OVER_EPOCHS

    standing, title, badge = report.standing, report.study.title, report.badge
    kind = OBJECTIVES[standing.search.objective]
    about = f"{report.setting('; ')}; {report.measured()}"
    marks = candidate_marks(standing)
    panels = axis_panels(standing.search, marks)
    reached = ", of a pruned one what it had reached" if any(mark.kind == "pruned" for mark in marks) else ""
    if panels:
        yield "objective", draw_objective(panels, title, f"{about}; large marks: {kind} of a candidate{reached}.", badge)
    if finite_marks(marks):
        yield "history", draw_history(marks, title, f"{about}; {kind} of each candidate{reached}.", badge)
    if report.importances and len(report.importances) > 1:
        caption = f"{about}. Importance by functional analysis of variance (fANOVA) of a random forest."
        yield "importances", draw_importances(report.importances, title, caption, badge)
    over_epochs = standing.search.pruner in OVER_EPOCHS
    lines = intermediate_lines(standing, first=0 if over_epochs else 1)
    if lines and (standing.search.pruner != "none" or any(line.kind == "pruned" for line in lines)):
        several = len(report.study.seeds) > 1
        step = "epoch, over all trainings" if over_epochs else "training, by fold and seed" if several else "fold"
        pruner = standing.search.pruner
        told = "each error as it came" if pruner == "none" else f"what the pruner ({pruner}) was told"
        next_begins = len(report.study.seeds) * len(standing.search.held_out) > 1
        even = over_epochs and next_begins and "recipe.epochs" not in axes_of(standing.search)
        every = report.study.recipe.epochs if even else 0
        caption = f"{about}; {told}{'; dotted: the next training begins' * bool(every)}."
        yield "intermediate", draw_intermediate(lines, step, title, caption, badge, every)
    if standing.front and (cost := standing.search.also_minimize):
        looks = f"filled: the Pareto set of error and {MEASURES[cost]}; star: the lowest error"
        caption = f"{about}; {kind} of each candidate; {looks}."
        yield "pareto", draw_pareto(standing, title, caption, badge)
