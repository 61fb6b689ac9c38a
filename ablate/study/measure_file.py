"""The `measures` and `decide_by` of a study file -> what is measured and shown, and what the variants are compared by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema, model_validator

from ablate.errors import NotationError, allowed, describe
from ablate.kinds.measures import ERROR, MEASURES, OFFERED, OwnMeasure, find_measure, measures_of
from ablate.own_code import read_own_code
from ablate.study.data import ExtraTest
from ablate.study.decision import TEST_ERROR, VALIDATION_ERROR, Decision, Goal, ShownMeasure
from ablate.study.document import Document
from ablate.study.tasks import CLASSIFICATION, Task
from ablate.study.written_forms import Frozen

NAME = r"[A-Za-z][A-Za-z0-9_]{0,63}"  # of own code
MEASURE_NAME = r"^[A-Za-z_][\w./ -]*$"  # {0,99} would take 40 ms to compile at each start
TAKEN = ("loss", "seconds", "images", "images_in_training")  # fields of every record, after test_


class MeasureFile(Frozen):
    """A measure: one of the table, own code with `python`, or what a program reports. A name is short for {name: ...}."""

    name: Annotated[
        str,
        Field(
            max_length=100,
            pattern=MEASURE_NAME,
            description="a name of the table of measures, or as a program reports it; by default the callable's",
        ),
    ] = ""
    python: Annotated[
        str | None, Field(description="module:callable, called as measure(logits, labels); it returns a number")
    ] = None
    args: Annotated[dict[str, Any] | None, Field(description="further arguments of the callable, by name")] = None
    goal: Annotated[Goal | None, Field(description="whether low or high values are good; by default low")] = None
    unit: Annotated[str, Field(max_length=20, description="such as %")] = ""
    words: Annotated[str, Field(max_length=100, description="the name in sentences and on axes")] = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """A name is short for {name: ...}."""
        return {"name": value} if isinstance(value, str) else value


Measures = Annotated[
    list[MeasureFile],
    Field(min_length=1, max_length=100, examples=["[{name: val_error, unit: '%'}]"]),
    WithJsonSchema(
        {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string"}, {"x-as": "$defs/MeasureFile"}]}}
    ),
]


def read_measures(
    document: Document, measures: Sequence[MeasureFile], folder: Path
) -> tuple[tuple[str | OwnMeasure, ...], tuple[ShownMeasure, ...]]:
    """(what a trial measures besides the error, how reports show it).

    Args:
        document: The study file's values and their places.
        measures: As checked.
        folder: Of the study file; modules are searched there, then in the current directory.

    Raises:
        StudyError: A measure is not known, its own code cannot be used, or two have one name; the message names the place.
    """
    taken: list[str | OwnMeasure] = []
    shown: list[ShownMeasure] = []
    for i, one in enumerate(measures):
        found = _own(document, i, one, folder) if one.python is not None else _named(document, i, one)
        measure = find_measure(found)
        if measure is ERROR:  # it is measured always
            continue
        if any(measure.name == other.name for other in shown):
            document.fail(("measures", i), f"measures: '{measure.name}' is listed twice; give each a name of its own")
        taken.append(found)
        code = "" if isinstance(found, str) else str(found.code)
        words = one.words or measure.words.replace("_", " ")
        shown.append(ShownMeasure(measure.name, words, one.unit or measure.unit, one.goal or measure.goal, code))
    return tuple(taken), tuple(shown)


def _named(document: Document, index: int, one: MeasureFile) -> str:
    """The name of a measure of the table."""
    of_classes = measures_of(CLASSIFICATION)
    if one.name not in of_classes:
        known = f"{allowed(one.name, of_classes)}; or {{python: module:callable}}"
        document.fail(("measures", index), f"measures: found {describe(one.name)}; {known}")
    for key in ("args", "goal", "unit", "words"):
        if getattr(one, key):
            document.fail(("measures", index, key), f"measures.{key} is only valid with python: module:callable")
    return one.name


def _own(document: Document, index: int, one: MeasureFile, folder: Path) -> OwnMeasure:
    """A measure of the user's own, imported and checked."""
    path = ("measures", index)
    try:
        code = read_own_code({"python": one.python, **({"args": one.args} if one.args else {})}, (folder, Path()))
        code.check(*OFFERED)
    except NotationError as error:
        text = str(error)
        document.fail((*path, "python"), f"measures{text}" if text[:1] in ".:" else f"measures: {text}")
    name = one.name or code.python.rpartition(":")[2].rpartition(".")[2]
    if not re.fullmatch(NAME, name):
        document.fail((*path, "name"), f"measures.name: found {describe(name)}; allowed: letters, digits and '_'")
    if name in MEASURES or name in TAKEN:
        document.fail(path, f"measures: '{name}' is the name of another field; add a name, such as name: my_{name}")
    return OwnMeasure(name, code)


def read_decision(
    document: Document,
    decide_by: str | None,
    task: Task,
    shown: Sequence[ShownMeasure],
    validation: bool,
    also_test: Sequence[ExtraTest] = (),
) -> Decision:
    """What the variants of a study are compared by: a measure of its task or of its own, on its images or on further ones.

    Args:
        document: The study file's values and their places.
        decide_by: The name of the measure; None: the first one of the task.
        task: Of the study.
        shown: The study's measures.
        validation: Whether held-out images are decided on.
        also_test: Further test images, which decide where `decide_by` is a column such as "on_gaussian_noise_3_error".

    Raises:
        StudyError: There is no such measure, or test images decide beside held-out ones; the message names the place.
    """
    usual = [ShownMeasure(one.name, one.words, one.unit, one.goal) for one in task.measures]
    decide_by = decide_by or usual[0].name
    if decide_by == ERROR.name and ERROR in task.measures:
        return VALIDATION_ERROR if validation else TEST_ERROR
    further = {f"{extra.column}_{one.name}": (extra, one) for extra in also_test for one in (*usual, *shown)}
    if decide_by in further:
        if validation or document.value.get("epoch_rule", "last") != "last":
            wanted = "these images are evaluated once, at the end; leave out 'validation', 'search' and 'epoch_rule'"
            document.fail(("decide_by",), f"decide_by: found {decide_by}; {wanted}")
        extra, one = further[decide_by]
        words = f"{one.words} on {extra.title.replace(',', '')}"
        return Decision(decide_by, "test", one.goal, words, one.unit, one.name)
    measure = next((one for one in (*usual, *shown) if one.name == decide_by), None)
    if measure is None:
        names = (*(one.name for one in (*usual, *shown)), *(further if not validation else ()))
        document.fail(("decide_by",), f"decide_by: found {describe(decide_by)}; {allowed(str(decide_by), names)}")
    split = "validation" if validation else "test"
    return Decision(measure.name, split, measure.goal, f"{split} {measure.words}", measure.unit)  # type: ignore[arg-type]
