"""The keys `table`, `labels` and `label` of a study file: how its author shapes the main table, and names what is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import Field, WithJsonSchema

from ablate.errors import StudyError, allowed
from ablate.study.document import Document
from ablate.study.written_forms import Frozen

ColumnName = Literal[
    "name", "axes", "stands_for", "result", "range", "difference", "published", "minus_published", "other", "log", "seeds",
    "parameters", "blocks", "multiply_adds", "measures", "test", "also_test", "step_time", "inference_time",
    "inference_time_128", "peak_memory", "energy",
]  # fmt: skip
SEARCH_COLUMNS = ("name", "axes", "parameters", "multiply_adds", "seeds", "result", "range", "difference", "measures")
Order = Literal["result", "study", "published"]
Mark = Literal["best", "second", "indistinguishable"]
Text = Annotated[str, Field(max_length=100, pattern=r"^[^\n\t]*$")]
OwnLabel = Annotated[
    Any,
    Field(description="the name of each row, as a text or a list side by side with the rows; '': its own name"),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
LabelsFile = Annotated[
    dict[str, dict[str, Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\n\t]+$")]]],
    Field(
        default_factory=dict,
        max_length=100,
        description="by axis and value: the words for it, such as {dropout: {'0': w/o dropout}}",
    ),
]


class TableStyle(Frozen):
    """How the main table is shaped. It changes no result and no verdict.

    Args:
        group_by: An axis; the rows of each of its values form a group below a title.
        statistic: What the column `result` shows: the median, or mean and standard deviation.
        mark: What is marked: alone, `best` and `indistinguishable` (from the best) are bold; beside `best`, what cannot be
            distinguished from it is shaded; `second` is underlined.
    """

    columns: Annotated[
        Union[list[ColumnName], None],
        Field(
            min_length=1,
            max_length=len(get_args(ColumnName)),
            description="the columns in order; by default all but those that are measured",
        ),
    ] = None
    order: Annotated[
        Union[Order, None],
        Field(
            description="result: best first; study: as written; published: as in the paper; by default published if there "
            "are published values, study for a path, else result"
        ),
    ] = None
    group_by: str | None = None
    statistic: Literal["median", "mean_std"] = "median"
    mark: Annotated[list[Mark], Field(default=["indistinguishable"], max_length=3)]


USUAL = TableStyle(mark=["indistinguishable"])


@dataclass(frozen=True)
class Labels:
    """The author's words for values of axes.

    Args:
        texts: The words by axis and by the value as text.
        places: "file:line:column" of each axis and value, by (axis,) and (axis, value).
        group_by: The axis of `table.group_by`, and its place; None for none.
    """

    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    places: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    group_by: tuple[str, str] | None = None

    def of(self, values: Mapping[str, str]) -> dict[str, str]:
        """The words for a variant's values, by axis.

        Args:
            values: The values as texts, by axis.
        """
        return {axis: texts[values[axis]] for axis, texts in self.texts.items() if values.get(axis) in texts}

    def check(self, variants: Iterable[Mapping[str, str]]) -> None:
        """Check that each axis and value is one of the study's.

        Args:
            variants: The values of each variant as texts, by axis.

        Raises:
            StudyError: One is not; the message has its place and what is allowed.
        """
        known: dict[str, dict[str, None]] = {}
        for values in variants:
            for axis, value in values.items():
                known.setdefault(axis, {})[value] = None
        self.check_known(known)

    def check_known(self, known: Mapping[str, Mapping[str, None] | None]) -> None:
        """Check that each axis and value is known.

        Args:
            known: The values of each axis as texts; None: it may have any.

        Raises:
            StudyError: One is not; the message has its place and what is allowed.
        """
        varied = [axis for axis, values in known.items() if values is None or len(values) > 1] or [*known]
        for axis, texts in self.texts.items():
            if axis not in known:
                raise StudyError(f"{self.places[axis,]}: labels: unknown axis '{axis}'; {allowed(axis, varied)}")
            if (values := known[axis]) is not None and (wrong := [value for value in texts if value not in values]):
                place = self.places[axis, wrong[0]]
                raise StudyError(f"{place}: labels.{axis}: found '{wrong[0]}'; {allowed(wrong[0], values)}")
        if self.group_by and self.group_by[0] not in known:
            axis, place = self.group_by
            raise StudyError(f"{place}: table.group_by: unknown axis '{axis}'; {allowed(axis, varied)}")


NO_LABELS = Labels()


def read_labels(document: Document, labels: Mapping[str, Mapping[str, str]], group_by: str | None) -> Labels:
    """The author's words for values of axes; whether the axes exist is checked when the variants are known.

    Args:
        document: The study file's values and their places.
        labels: The checked key `labels`.
        group_by: Of the key `table`.

    Raises:
        StudyError: Two values of an axis have the same words; the message names the place.
    """
    places: dict[tuple[str, ...], str] = {}
    for axis, texts in labels.items():
        places[axis,] = document.place("labels", axis)
        for value, text in texts.items():
            places[axis, value] = document.place("labels", axis, value)
            if Counter(texts.values())[text] > 1:
                document.fail(("labels", axis, value), f"labels.{axis}: '{text}' stands for two values; give each its own")
    return Labels(labels, places, (group_by, document.place("table", "group_by")) if group_by else None)


def read_own_labels(document: Document, path: tuple[Any, ...], label: Any) -> tuple[str, ...]:
    """The label of each row of an item of `variants`; empty for none.

    Args:
        document: The study file's values and their places.
        path: Of the key.
        label: The value of the key.

    Raises:
        StudyError: It is neither a text of one line nor a list of them, or two are equal; the message names the place.
    """
    if label is None:
        return ()
    texts = label if isinstance(label, list) else [label]
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text.isprintable() or len(text) > 100 or not (text or isinstance(label, list)):
            document.fail((*path, i), "label: allowed: a text of one line, at most 100 characters, or a list of such texts")
        if text and texts.count(text) > 1:
            document.fail((*path, i), f"label: '{text}' is given twice; give each variant its own")
    return tuple(texts)


def check_number(place: str, labels: tuple[str, ...], size: int) -> None:
    """Check that each row of an item of `variants` has a label, if any has.

    Args:
        place: "file:line:column" of the item.
        labels: As returned by read_own_labels().
        size: The number of rows.

    Raises:
        StudyError: There are more or fewer.
    """
    if labels and len(labels) != size:
        raise StudyError(f"{place}: label: found {len(labels)}; allowed: {size}, one per variant, '' for its own name")
