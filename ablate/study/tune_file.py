"""Reads the `tune` of a study file into a Tune. Every error names its place in the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ablate.errors import allowed, describe
from ablate.study.data import HeldOut
from ablate.study.document import Document, KeyPath
from ablate.study.held_out import read_held_out
from ablate.study.program import Program, ProgramMeasure
from ablate.study.program_axes import wanted_axes
from ablate.study.program_search import PRUNERS, axis_check, most_epochs
from ablate.study.recipe import Recipe
from ablate.study.schema import StudyFile, TuneFile
from ablate.study.search_file import (
    DEFAULT_STATISTIC,
    LEAST_PAIRS,
    CheckAxis,
    check_ends,
    check_trials,
    read_enqueued,
    read_grid,
    read_space,
)
from ablate.study.study import Entry, Parameter, Search, Tune
from ablate.study.values import axis_values

TUNE = "tune"
OF_NETWORK = (
    "dropout",
    "survival",
)  # axes of a network that can be tuned, besides args.*: they leave its layers as they are
FIRST_SEED = 1000  # of a candidate's trainings; a study that is not told otherwise reports seeds from 0


def read_tune(
    document: Document, file: StudyFile, recipe: Recipe, entries: Sequence[Entry], held_out: tuple[HeldOut, ...]
) -> Tune | None:
    """The tuning of a study of networks; None for a study without it.

    Args:
        document: The study file's values and their places.
        file: The checked file.
        recipe: The study's recipe.
        entries: Of the study's `variants`.
        held_out: The images that the study decides on, if it has `validation`.

    Raises:
        StudyError: A value is not valid, or keys contradict each other; the message names the place.
    """
    tune = file.tune
    if tune is None:
        return None
    if tune.decide_by is not None:
        document.fail((TUNE, "decide_by"), "'tune.decide_by' is only valid in a study with 'program'; leave it out")
    if file.seeds == 0:
        document.fail(("seeds",), "seeds: found 0; a study that has 'tune' needs 1 or more")
    data = list(dict.fromkeys(one for entry in entries for one in entry.data))

    for axis in tune.space:
        path = (TUNE, "space", axis)
        if axis not in OF_NETWORK and not axis.startswith(("recipe.", "data.", "args.")):
            document.fail(
                path, f"tune.space: {axis} cannot be tuned; allowed: recipe.*, data.*, args.*, {', '.join(OF_NETWORK)}"
            )
        if axis.startswith("args.") and file.budget:
            document.fail(path, f"tune.space: {axis} may change what 'budget' holds; leave one of them out")
        if any(_overlap(axis, each) for entry in entries for each in entry.axes):
            document.fail(path, f"tune.space: {axis} is given by 'variants'; leave it out of one of them")

    def check(path: KeyPath, parameter: Parameter, written: Any) -> None:
        for one in data:
            check_ends(document, TUNE, path, parameter, written, recipe, one)

    parts = tuple(part.model_copy(update={"test": False}) for part in held_out)
    if tune.validation is not None:
        parts, *_ = [read_held_out(document, (TUNE, "validation"), tune.validation, one) for one in data]
    seeds = _seeds(document, tune)
    if tune.pruner == "wilcoxon" and (len(parts) or 1) * len(seeds) < LEAST_PAIRS:
        found = f"wilcoxon cannot prune with {(len(parts) or 1) * len(seeds)} trainings per candidate"
        document.fail((TUNE, "pruner"), f"tune.pruner: {found}; use none, median or hyperband, or more folds")
    search = _search(document, tune, axis_values, check, parts, "validation_error")
    return Tune(search, seeds, also_untuned=tune.also_untuned)


def read_program_tune(
    document: Document, file: StudyFile, program: Program, measures: Sequence[ProgramMeasure], decide_by: str
) -> Tune | None:
    """The tuning of a study of a program; None for a study without it.

    Args:
        document: The study file's values and their places.
        file: The checked file.
        program: The program.
        measures: What it reports.
        decide_by: The measure that the study decides by.

    Raises:
        StudyError: A value is not valid, or keys contradict each other; the message names the place.
    """
    tune = file.tune
    if tune is None:
        return None
    names = [measure.name for measure in measures]
    by = tune.decide_by or decide_by
    if by not in names:
        document.fail((TUNE, "decide_by"), f"tune.decide_by: found {describe(by)}; {allowed(by, names)}")
    if tune.validation is not None:
        document.fail(
            (TUNE, "validation"),
            f"'tune.validation' is not valid in a study with 'program'; its {by} chooses, on its own images",
        )
    seeds = _seeds(document, tune)
    if len(seeds) > 1 and "seed" not in program.placeholders:
        document.fail((TUNE, "seeds"), f"tune.seeds: no {{seed}} in program.command, so {len(seeds)} would be the same run")
    check_axis = axis_check(wanted_axes(program))
    search = _search(document, tune, check_axis, lambda path, parameter, written: None, (), by)
    if search.pruner not in PRUNERS:
        document.fail(
            (TUNE, "pruner"),
            f"tune.pruner: found {search.pruner}; allowed in a study with 'program': {', '.join(PRUNERS)}",
        )
    if search.pruner != "none" and most_epochs(program, {}, search.parameters) is None:
        document.fail(
            (TUNE, "pruner"),
            f"tune.pruner: {search.pruner} compares epochs, and their number is not known; add program.epochs",
        )
    return Tune(search, seeds, by, tune.also_untuned)


def _overlap(one: str, other: str) -> bool:
    """Whether two axes are the same, or one is inside the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _search(
    document: Document,
    tune: TuneFile,
    check_axis: CheckAxis,
    check: Callable[[KeyPath, Parameter, Any], None],
    held_out: tuple[HeldOut, ...],
    measure: str,
) -> Search:
    """The search, as far as it is the same for all variants."""
    parameters = read_space(document, TUNE, tune, check_axis, check)
    check_trials(document, TUNE, tune)
    cells = read_grid(document, TUNE, parameters) if tune.sampler == "grid" else []
    statistic, _, named = (tune.objective or DEFAULT_STATISTIC).partition("_")
    if named not in ("", measure):
        document.fail((TUNE, "objective"), f"tune.objective: found {tune.objective}; allowed: median, mean (of {measure})")
    return Search(
        None,
        tuple(parameters),
        held_out,
        f"{statistic}_{measure}",
        (),
        min(tune.trials or len(cells), len(cells) or tune.trials or 0),
        tune.sampler,
        tune.pruner,
        tune.seed,
        read_enqueued(document, TUNE, tune, parameters, check_axis),
        "",
    )


def _seeds(document: Document, tune: TuneFile) -> tuple[int, ...]:
    """The seeds of a candidate's trainings, from their number or a list."""
    seeds = tune.seeds
    found = seeds if isinstance(seeds, list) else [seeds]
    whole = bool(found) and all(isinstance(seed, int) and not isinstance(seed, bool) for seed in found)
    if not whole or not all(0 <= seed < 2**31 for seed in found) or len(set(found)) < len(found) or seeds == 0:
        wanted = "how many, from 1, or a list of different whole numbers from 0"
        document.fail((TUNE, "seeds"), f"tune.seeds: found {describe(seeds)}; allowed: {wanted}")
    return tuple(seeds) if isinstance(seeds, list) else tuple(range(FIRST_SEED, FIRST_SEED + seeds))
