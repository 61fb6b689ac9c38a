"""Reads the `tune` of a study file into a Tune. Every error names its place in the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ablate.errors import allowed, describe
from ablate.study.data import HeldOut
from ablate.study.decision import ShownMeasure
from ablate.study.document import Document, KeyPath
from ablate.study.held_out import read_held_out
from ablate.study.program import Program
from ablate.study.program_axes import wanted_axes
from ablate.study.program_search import axis_check, check_pruner
from ablate.study.recipe import Recipe
from ablate.study.schema import StudyFile
from ablate.study.search import Parameter, Tune
from ablate.study.search_file import check_ends
from ablate.study.space_file import SpaceReader
from ablate.study.study import Entry
from ablate.study.values import read_seeds

TUNE = "tune"
OF_NETWORK = ("dropout", "survival")  # axes that can be tuned, besides args.*: they leave a network's layers as they are
FIRST_SEED = 1000  # of a candidate's trainings; a study that is not told otherwise reports seeds from 0


def read_tune(
    document: Document,
    file: StudyFile,
    recipe: Recipe,
    entries: Sequence[Entry],
    held_out: tuple[HeldOut, ...],
    reported: tuple[int, ...],
) -> Tune | None:
    """The tuning of a study of networks; None for a study without it.

    Args:
        document: The study file's values and their places.
        file: The checked file.
        recipe: The study's recipe.
        entries: Of the study's `variants`.
        held_out: The images that the study decides on, if it has `validation`.
        reported: The study's seeds.

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

    given = {axis for entry in entries for axes in (entry.axes, *(axes for axes, _ in entry.rows)) for axis in axes}
    for axis in tune.space:
        path = (TUNE, "space", axis)
        if axis not in OF_NETWORK and not axis.startswith(("recipe.", "data.", "args.")):
            document.fail(
                path, f"tune.space: {axis} cannot be tuned; allowed: recipe.*, data.*, args.*, {', '.join(OF_NETWORK)}"
            )
        if axis.startswith("args.") and file.budget:
            document.fail(path, f"tune.space: {axis} may change what 'budget' holds; leave one of them out")
        if any(overlap(axis, each) for each in given):
            document.fail(path, f"tune.space: {axis} is given by 'variants'; leave it out of one of them")

    def check(path: KeyPath, parameter: Parameter, written: Any) -> None:
        for one in data:
            check_ends(document, path, parameter, written, recipe, one)

    parts = tuple(part.model_copy(update={"test": False}) for part in held_out)
    if tune.validation is not None:
        parts, *_ = [read_held_out(document, (TUNE, "validation"), tune.validation, one) for one in data]
    seeds = _choosing_seeds(document, tune.seeds, reported)
    reader = SpaceReader(document, TUNE, tune, check=check)
    reader.check_pairs((len(parts) or 1) * len(seeds))
    reader.check_trials()
    return Tune(reader.search("validation_error", parts), seeds, also_untuned=tune.also_untuned)


def read_program_tune(
    document: Document,
    file: StudyFile,
    program: Program,
    measures: Sequence[ShownMeasure],
    decide_by: str,
    reported: tuple[int, ...],
) -> Tune | None:
    """The tuning of a study of a program; None for a study without it.

    Args:
        document: The study file's values and their places.
        file: The checked file.
        program: The program.
        measures: What it reports.
        decide_by: The measure that the study decides by.
        reported: The study's seeds.

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
    seeds = _choosing_seeds(document, tune.seeds, reported)
    if len(seeds) > 1 and "seed" not in program.placeholders:
        document.fail((TUNE, "seeds"), f"tune.seeds: no {{seed}} in program.command, so {len(seeds)} would be the same run")
    reader = SpaceReader(document, TUNE, tune, axis_check(wanted_axes(program)))
    reader.check_trials()
    check_pruner(reader, program, {})
    return Tune(reader.search(by), seeds, by, tune.also_untuned)


def _choosing_seeds(document: Document, written: Any, reported: Sequence[int]) -> tuple[int, ...]:
    """The seeds of a candidate's trainings. Where only their number is written, they are the first that none reports."""
    path: KeyPath = (TUNE, "seeds")
    seeds, first = read_seeds(document, path, written, 1, FIRST_SEED), FIRST_SEED
    if isinstance(written, list):
        for i, seed in enumerate(seeds):
            if seed in reported:
                wrong = (
                    f"tune.seeds: {seed} is a seed of the study; use another, so that no seed both chooses and is reported"
                )
                document.fail((*path, i), wrong)
        return seeds
    for seed in sorted(reported):
        if first <= seed < first + len(seeds):
            first = seed + 1
    return tuple(range(first, first + len(seeds)))


def overlap(one: str, other: str) -> bool:
    """Whether two axes are the same, or one is inside the other.

    Args:
        one: The name of an axis.
        other: Another one.
    """
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
