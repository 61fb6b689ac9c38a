"""The setting of a search in words, for captions."""

from __future__ import annotations

from ablate.kinds.costs import MEASURED_COSTS
from ablate.report.numbers import counted, quantity
from ablate.report.seeds import TRAINING
from ablate.report.setting import describe_data, describe_held_out, describe_recipe
from ablate.study.axis_text import short_axis
from ablate.study.budget import Budget
from ablate.study.study import Search, Study

MEASURES = {
    "parameters": "parameters", "multiply_adds": "multiply-adds", "activation_memory": "bytes of activation memory",
    **{name: cost.words for name, cost in MEASURED_COSTS.items()},
}  # fmt: skip


def describe_search(study: Study, separator: str) -> str:
    """Data, recipe, searched axes and budget: "Digits, 128 images; SGD, 2 epochs; searched: k (base WRN-16-4)".

    Args:
        study: As loaded by load_study(), with a search.
        separator: The text between two parts, "; " or ". "; after a full stop the next part begins with a capital.
    """
    search = _search_of(study)
    axes = search.axes
    data = study.data.model_copy(update={"test_size": None})  # the test images are not read
    base = search.base["python"] if isinstance(search.base, dict) else search.base
    what = f"{', '.join(map(short_axis, axes))}{f' (base {base})' if base else ''}"
    word = "Searched" if separator.startswith(".") else "searched"
    budget = [describe_budget(study.budget)] if study.budget else []
    recipe = describe_recipe(study.recipe, study.entries[0].recipe_name, axes)
    return separator.join([describe_data(data, axes), recipe, f"{word}: {what}", *budget])


def describe_budget(budget: Budget) -> str:
    """A budget in words, such as "1.20 M parameters within 4%, depth and k solved".

    Args:
        budget: A target with a tolerance, or a minimum or a maximum or both.
    """
    measure, solved = MEASURES[budget.measure], f", {' and '.join(budget.solve)} solved" if budget.solve else ""
    if budget.target:
        return f"{quantity(budget.target)} {measure} within {100 * budget.tolerance:g}%{solved}"
    bounds = (("at least", budget.minimum), ("at most", budget.maximum))
    return f"{' and '.join(f'{word} {quantity(bound)}' for word, bound in bounds if bound)} {measure}{solved}"


def describe_measured(study: Study) -> str:
    """What the errors of a search are measured on, and the trainings: "... on 5 folds of the training images, 5 trainings".

    Args:
        study: As loaded by load_study(), with a search.
    """
    parts, seeds = _search_of(study).held_out, len(study.seeds)
    both = f" ({counted(len(parts), 'fold')}, {counted(seeds, 'seed')})" if min(len(parts), seeds) > 1 else ""
    trainings = f"{counted(len(parts) * seeds, TRAINING)} per candidate{both}"
    return f"{study.decision.words} on {describe_held_out(parts)}, {trainings}"


def _search_of(study: Study) -> Search:
    assert study.search is not None
    return study.search
