"""The `search` of a study of a training program: read from the file, and how its candidates are made."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ablate.errors import StudyError, describe
from ablate.study.axis_text import values_text
from ablate.study.decision import ShownMeasure
from ablate.study.document import Document, KeyPath, is_whole
from ablate.study.expression import compile_expression
from ablate.study.program import EPOCHS, Program, ProgramStudy, ProgramVariant
from ablate.study.program_axes import check_axis_name, check_value, wanted_axes
from ablate.study.schema import StudyFile
from ablate.study.search import Parameter, Search
from ablate.study.search_file import SEARCH, digests_of, refuse_beside_search
from ablate.study.space import grid, present
from ablate.study.space_file import MAX_GRID, CheckAxis, SpaceReader

NOT_WITH = ("variants", "tune", "baseline", "figures", "effects")  # keys that exclude `search`
PRUNERS = ("none", "median", "hyperband")


def read_program_search(
    document: Document, file: StudyFile, program: Program, decide_by: ShownMeasure, seeds: tuple[int, ...]
) -> tuple[Search, dict[str, Any]]:
    """The search of a study of a program, and the values of the axes that are not searched.

    Args:
        document: The study file's values and their places.
        file: The checked file, which has a `search`.
        program: The program.
        decide_by: The measure that candidates are compared by.
        seeds: Of each candidate.

    Raises:
        StudyError: A value is not valid, or keys contradict each other; the message names the place.
    """
    search = file.search
    assert search is not None
    refuse_beside_search(document, NOT_WITH)
    for key, why in (("validation", f"its {decide_by.name} decides, on its own images"), ("also_minimize", "leave it out")):
        if getattr(search, key):
            document.fail((SEARCH, key), f"'search.{key}' is not valid in a study with 'program'; {why}")
    wanted = wanted_axes(program)
    reader = SpaceReader(document, SEARCH, search, axis_check(wanted))
    base = _base(document, file.base, wanted, [parameter for parameter in reader.parameters if not parameter.when])
    _check_complete(document, wanted, base, reader.parameters)
    reader.check_trials()
    check_pruner(reader, program, base)
    about = {"program": program.identity(), "decide_by": decide_by.name, "goal": decide_by.goal, "seeds": seeds}
    return reader.search(decide_by.name, digests=digests_of(document, search.objective, about)), base


def check_pruner(reader: SpaceReader, program: Program, base: Mapping[str, Any]) -> None:
    """Check that the pruner can follow the epochs of a program.

    Args:
        reader: Of a search or of the tuning of a program.
        program: The program.
        base: The values of the axes that are not searched.

    Raises:
        StudyError: It compares folds, or the number of epochs is not known; the message names the place.
    """
    pruner = reader.file.pruner
    if pruner not in PRUNERS:
        reader.fail("pruner", f"found {pruner}; allowed in a study with 'program': {', '.join(PRUNERS)}")
    if pruner != "none" and most_epochs(program, base, reader.parameters) is None:
        reader.fail("pruner", f"{pruner} compares epochs, and their number is not known; add program.epochs")


def axis_check(wanted: list[str]) -> CheckAxis:
    """A function that checks the values of a placeholder's axis.

    Args:
        wanted: As returned by wanted_axes().
    """

    def check_axis(document: Document, path: KeyPath, axis: str, values: Any) -> tuple[Any, ...]:
        check_axis_name(document, path, axis, wanted)
        listed = isinstance(values, list)
        for i, value in enumerate(values if listed else [values]):
            check_value(document, (*path, i) if listed else path, axis, value)
        return tuple(values) if listed else (values,)

    return check_axis


def most_epochs(program: Program, base: Mapping[str, Any], parameters: Sequence[Parameter]) -> int | None:
    """The most epochs that a training of a candidate has; None if that is not known.

    Args:
        program: The program.
        base: The values of the axes that are not searched.
        parameters: The space.
    """
    known = [program.epochs] if program.epochs is not None else [base[EPOCHS]] if EPOCHS in base else []
    for parameter in parameters:
        if parameter.axis == EPOCHS:
            known += parameter.choices if parameter.kind == "categorical" else (parameter.low, parameter.high)
    whole = [value for value in known if is_whole(value) and value > 0]
    return max(whole) if whole and len(whole) == len(known) else None


def program_candidate_maker(study: ProgramStudy) -> Callable[[dict[str, Any]], ProgramVariant]:
    """A function that makes the variant of a search's candidate from the values of its axes, by name.

    The function raises StudyError for a candidate that does not fulfill the study's `where`.

    Args:
        study: It has a search.
    """
    text, place = study.where or ("", "")
    holds = compile_expression(text) if text else None

    def make(values: dict[str, Any]) -> ProgramVariant:
        label, axes = values_text(values), {**study.base, **values}
        try:
            kept = holds is None or holds(axes)
        except StudyError as error:
            raise StudyError(f"{place}: {error}") from None
        if not kept:
            raise StudyError(f"{place}: {label} is excluded by where: {text}")
        return ProgramVariant(label, study.program, axes)

    return make


def _base(document: Document, base: Any, wanted: list[str], always: list[Parameter]) -> dict[str, Any]:
    """The values of the axes that are not searched, or that a candidate may lack."""
    if base is None:
        return {}
    if not isinstance(base, dict) or not base:
        document.fail(("base",), f"base: found {describe(base)}; allowed: values of axes, such as {{lr: 0.1}}")
    searched = [parameter.axis for parameter in always]
    for axis, value in base.items():
        check_axis_name(document, ("base", axis), axis, wanted)
        check_value(document, ("base", axis), axis, value)
        if axis in searched:
            document.fail(("base", axis), f"base: {axis} is searched in every candidate; leave one of them out")
    return dict(base)


def _check_complete(document: Document, wanted: list[str], base: dict[str, Any], parameters: list[Parameter]) -> None:
    """Check that every candidate has a value for each placeholder."""
    for axis in wanted:
        if axis in base:
            continue
        parts = [parameter for parameter in parameters if parameter.axis == axis]
        if not parts:
            document.fail(
                (SEARCH, "space"), f"{{{axis}}} of program.command: add it to 'search.space', or its value to 'base'"
            )
        if all(part.when for part in parts):
            named = {above for part in parts for above, _ in part.when}
            for values in itertools.islice(grid(_closed(named, parameters)), MAX_GRID):
                if not any(present(part, values) for part in parts):
                    told = values_text(values)
                    document.fail(
                        (SEARCH, "space", axis),
                        f"{{{axis}}} of program.command has no value with {told}; add one to 'base'",
                    )


def _closed(named: set[str], parameters: list[Parameter]) -> list[Parameter]:
    """The parameters of some axes and of those that these depend on, in order."""
    found = set(named)
    for parameter in reversed(parameters):
        if parameter.axis in found:
            found |= {above for above, _ in parameter.when}
    return [parameter for parameter in parameters if parameter.axis in found]
