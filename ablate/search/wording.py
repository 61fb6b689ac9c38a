"""What a search may say of itself, in sentences; and its setting in the words of a caption."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ablate.report.setting import describe_data, describe_recipe
from ablate.report.statistics import ALPHA
from ablate.report.tables import counted, quantity
from ablate.search.candidates import Candidate
from ablate.search.standing import UNIT, Standing, axes_of, name_of, value_text
from ablate.study.budget import Budget
from ablate.study.space import present
from ablate.study.study import Search, Study

OBJECTIVES = {"median_validation_error": "median", "mean_validation_error": "mean"}
MEASURES = {
    "parameters": "parameters", "multiply_adds": "multiply-adds", "activation_memory": "bytes of activation memory",
}  # fmt: skip


def describe_search(study: Study, separator: str) -> str:
    """Data, recipe, what is searched, the budget: "Digits, 128 images; SGD, 2 epochs; searched: k (base WRN-16-4)"."""
    search = _search_of(study)
    axes = axes_of(search)
    data = study.data.model_copy(update={"test_size": None})  # the test images are not read
    base = search.base["python"] if isinstance(search.base, dict) else search.base
    what = f"{', '.join(axes)}{f' (base {base})' if base else ''}"
    word = "Searched" if separator.startswith(".") else "searched"
    budget = [describe_budget(study.budget)] if study.budget else []
    return separator.join(
        [
            describe_data(data, axes),
            describe_recipe(study.recipe, study.entries[0].recipe_name, axes),
            f"{word}: {what}",
            *budget,
        ]
    )


def describe_budget(budget: Budget) -> str:
    """ "1.20 M parameters within 4%, depth and k solved"."""
    measure, solved = MEASURES[budget.measure], f", {' and '.join(budget.solve)} solved" if budget.solve else ""
    if budget.target:
        return f"{quantity(budget.target)} {measure} within {100 * budget.tolerance:g}%{solved}"
    bounds = (("at least", budget.minimum), ("at most", budget.maximum))
    return f"{' and '.join(f'{word} {quantity(bound)}' for word, bound in bounds if bound)} {measure}{solved}"


def describe_validation(study: Study) -> str:
    """What the errors of a search are measured on: "validation error on 5 folds of the training images"."""
    held_out = _search_of(study).held_out
    if (images := held_out[0].images) is not None:
        return f"validation error on {images:,} held-out training images"
    return f"validation error on {counted(len(held_out), 'fold')} of the training images"


def describe_trainings(study: Study) -> str:
    """How often each candidate is trained: "5 trainings a candidate", "15 trainings a candidate (5 folds, 3 seeds)"."""
    folds, seeds = len(_search_of(study).held_out), len(study.seeds)
    both = f" ({counted(folds, 'fold')}, {counted(seeds, 'seed')})" if min(folds, seeds) > 1 else ""
    return f"{counted(folds * seeds, UNIT)} a candidate{both}"


def search_sentences(study: Study, standing: Standing) -> list[str]:
    """What can and cannot be said: the best and how sure that is, what was not measured to its end, what is missing."""
    return [
        *_progress(standing),
        *(_of_the_best(study, standing, standing.best) if standing.best else _without_best(standing)),
        *_set_aside(standing),
    ]


def describe_progress(standing: Standing) -> str:
    """ "31 of 40 candidates have ended"."""
    return f"{standing.ended} of {counted(standing.planned, 'candidate')} {'has' if standing.ended == 1 else 'have'} ended"


def _progress(standing: Standing) -> Iterator[str]:
    if not standing.candidates:
        yield "No candidate has been trained yet."
    elif not standing.finished:
        running, stopped = len(standing.of_state("running")), len(standing.of_state("interrupted"))
        beside = [f"{running} being trained"] * bool(running) + [f"{stopped} interrupted"] * bool(stopped)
        yield f"The search is unfinished: {', '.join([describe_progress(standing), *beside])}."


def _of_the_best(study: Study, standing: Standing, best: Candidate) -> Iterator[str]:
    search, found, n = standing.search, standing.distinct, len(best.errors)
    error = standing.objective(best)
    net = f", {best.variant.net}," if standing.solved else ""
    lowest = f"C{name_of(best)[1:]}{net} has the lowest {OBJECTIVES[search.objective]} validation error, {error:.2f}%"
    among = f"{lowest}, of {len(found)} that were trained to the end{_of_ties(standing)}."
    yield among if len(found) > 1 else f"{lowest}; it is the only one."
    yield from _edges(search, best)
    if verdict := standing.runner_up:
        alone = "With one training a candidate nothing can be said of how sure their order is."
        yield f"The two that come first: {verdict.sentence}" if n > 1 else alone
    if (others := len(standing.verdicts)) > 1 and n > 1:
        alike = sum(verdict.adjusted_p >= ALPHA for verdict in standing.verdicts.values())
        yield _of_the_others(others, alike, min(verdict.adjusted_floor for verdict in standing.verdicts.values()))
    if len(found) > 1:
        if len(search.held_out) > 2:
            yield (
                "Any two folds share most of the images that were trained on, so the errors are not independent and the "
                "p-values are a guide only."
            )
        elif search.held_out[0].images is not None:
            yield "All were measured on the same held-out images; on others the order may be another."
        yield (
            f"The lowest of {len(found)} errors flatters itself: it was chosen for being low, so {error:.2f}% is not an "
            "estimate of the test error. The test images were not read; a study that takes these values measures them."
        )
    if search.also_minimize:
        front = len(standing.front)
        there = f"{front} of them {'is' if front == 1 else 'are'} in the Pareto set"
        measure = MEASURES[search.also_minimize]
        yield f"{there}: nothing that was tried is better in error or {measure} and as good in the other."
    if repeats := len(standing.ranked) - len(found):
        yield f"{counted(repeats, 'candidate')} had the values of another and shared its trainings."


def _of_ties(standing: Standing) -> str:
    """ "; 3 others have the same, and it came first"; empty where none has."""
    if not standing.ties:
        return ""
    cost = standing.search.also_minimize
    why = f"with no fewer {MEASURES[cost]}" if cost else "and it came first"
    return f"; {counted(standing.ties, 'other')} {'has' if standing.ties == 1 else 'have'} the same, {why}"


def _edges(search: Search, best: Candidate) -> Iterator[str]:
    """Where the best value is the lowest or highest that was allowed: the search may have been too narrow."""
    for parameter in search.parameters:
        value = best.values.get(parameter.axis)
        there = parameter.kind in ("float", "int") and present(parameter, best.values)
        if there and value in (parameter.low, parameter.high):
            end = "lowest" if value == parameter.low else "highest"
            yield f"Its {parameter.axis}, {value_text(best, value)}, is the {end} of the range that was searched."


def _of_the_others(others: int, alike: int, floor: float) -> str:
    """How many of those in the table can be told apart from the best. floor: the smallest p-value that there can be."""
    if floor >= ALPHA:
        return (
            f"So few trainings can tell none of the {others} others in the table apart from it (smallest possible p "
            f"{floor:.2g} after Holm's correction)."
        )
    said = "None" if alike == others else str(alike) if alike else "Each"
    told = "can be" if alike == others else "cannot be" if alike else "is"
    return f"{said} of the {others} others in the table {told} told apart from it after Holm's correction."


def _without_best(standing: Standing) -> Iterator[str]:
    if standing.candidates:
        yield "There is no best candidate: none was trained to the end with a finite error."


def _set_aside(standing: Standing) -> Iterator[str]:
    """What was not measured to its end, and what diverged."""
    if pruned := standing.of_state("pruned"):
        yield f"{_were(len(pruned))} pruned after {_lengths(standing.search, pruned)}, as worse than others."
    if failed := len(standing.of_state("failed")):
        yield f"{_were(failed)} not trained to the end, because a training failed; the next search tries again."
    if diverged := len(standing.diverged):
        yield f"The error of {counted(diverged, 'candidate')} is infinite, because too many of the trainings diverged."
    if some := sum(any(map(math.isinf, one.errors.values())) for one in standing.ranked):
        yield f"{counted(some, 'candidate')} had trainings that diverged; they count as worse than any error."


def _lengths(search: Search, pruned: Sequence[Candidate]) -> str:
    """How far pruned candidates came, in what the pruner counts: "2 to 4 of 5 trainings", "1 of 9 epochs"."""
    from ablate.search.pruning import OVER_EPOCHS  # here, because it imports Optuna

    if search.pruner in OVER_EPOCHS:
        reached = [max(one.intermediate, default=0) for one in pruned]
        wholes, unit = [sum(trial.recipe.epochs for trial in one.trials) for one in pruned], "epoch"
    else:
        reached, wholes, unit = [len(one.errors) for one in pruned], [len(one.trials) for one in pruned], UNIT
    after, of = (" to ".join(dict.fromkeys((str(min(n)), str(max(n))))) for n in (reached, wholes))
    return f"{after} of {of} {unit}{'' if max(wholes) == 1 else 's'}"


def _were(n: int) -> str:
    """ "1 candidate was", "3 candidates were"."""
    return f"{counted(n, 'candidate')} {'was' if n == 1 else 'were'}"


def _search_of(study: Study) -> Search:
    assert study.search is not None
    return study.search
