"""The key `published` of a study file -> Published tables."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from ablate.data.data_sets import DATA_SETS
from ablate.errors import NotationError, StudyError, allowed, describe
from ablate.nets.notation import parse_architecture
from ablate.study.data_schema import protocol_data_model, published_data_sets
from ablate.study.document import Document, is_number
from ablate.study.resolve import read_recipe, recipe_augment
from ablate.study.study import Published, PublishedRow
from ablate.study.tasks import CLASSIFICATION
from ablate.study.validation import validate
from ablate.study.written_forms import DepthRuleField, Frozen, Title, at_place


class Protocol(Frozen):
    """How published values were obtained. recipe and data are written as in a study, as far as they are known.

    Args:
        recipe: As in a study.
        data: As in a study; `name` may be left out.
    """

    seeds: Annotated[int | None, Field(ge=1, description="how many trainings each value is the median of")] = None
    recipe: Annotated[Any, at_place("properties/recipe")] = None
    data: Annotated[Any, at_place("$defs/ProtocolData")] = None


class RowFile(Frozen):
    """A row of a published table. It also has a test error in percent under the name of each data set.

    Args:
        net: The network, by its name.
        note: A remark on the row.
    """

    model_config = ConfigDict(extra="allow")

    label: Annotated[str, Field(max_length=200, description="the name as printed; by default that under net")] = ""
    net: str | None = None
    parameters: Annotated[str, Field(max_length=200, description="the count as printed, such as 1.4M")] = ""
    other: Annotated[
        dict[Title, Any], Field(default_factory=dict, max_length=100, description="other printed values, by title and unit")
    ]
    values: Annotated[
        dict[str, dict[str, float]],
        Field(default_factory=dict, description="by data set and measure, such as {cifar10: {error: 4.8, nll: 0.2}}"),
    ]
    not_run: Annotated[str, Field(max_length=1000, description="why the network is not trained here")] = ""
    note: Annotated[str, Field(max_length=1000)] = ""


class PublishedFile(Frozen):
    """A table of published test errors, shown beside ours.

    Args:
        source: The paper and its table.
        note: A remark on the table.
        protocol: How the values were obtained; differences from ours are named in the report.
        depth_rule: How names in this table count depth; by default as in the study.
        rows: The rows, in order.
    """

    source: Annotated[str, Field(min_length=1, max_length=200, examples=["WRN, Table 2"])]
    note: Annotated[str, Field(max_length=1000)] = ""
    protocol: Protocol = Protocol()
    depth_rule: DepthRuleField | None = None
    rows: Annotated[list[RowFile], Field(min_length=1, max_length=1000)]


def published_values(
    document: Document, index: int, file: PublishedFile, rule: DepthRuleField, imagenet: bool
) -> Published:
    """One published table. The network of each row is known by its architecture.

    Args:
        document: The study file's values and their places.
        index: The position in the study's `published`, from 0.
        file: The table as written.
        rule: The study's depth rule, for a table without its own.
        imagenet: Whether a network's name that two families share means the ImageNet family.

    Raises:
        StudyError: A value is not valid; the message names its place.
    """
    path = ("published", index)
    recipe = None
    if file.protocol.recipe is not None:
        recipe = read_recipe(document, (*path, "protocol", "recipe"), file.protocol.recipe)
    rows = []
    for i, row in enumerate(file.rows):
        place = (*path, "rows", i)
        if not row.label and not row.net:
            document.fail(place, "published.rows: a row needs 'net', 'label' or both")
        if not all(is_number(value) or isinstance(value, str) for value in row.other.values()):
            document.fail((*place, "other"), "published.rows.other: values must be numbers or texts")
        rows.append(_row(document, place, row, file.depth_rule or rule, imagenet))
    data: dict[str, Any] = {}
    if file.protocol.data is not None:
        stated = validate(document, protocol_data_model(), (*path, "protocol", "data"), file.protocol.data)
        data = {key: value for key, value in stated if value is not None}
    if file.protocol.recipe is not None and "augment" not in data:
        at = (*path, "protocol", "recipe")
        if (of_recipe := recipe_augment(document, at, file.protocol.recipe)) is not None:
            stated = validate(document, protocol_data_model(), at, {"augment": of_recipe})
            data["augment"] = dict(stated)["augment"]
    return Published(file.source, file.note, tuple(rows), file.protocol.seeds, recipe, data)


def _row(document: Document, place: tuple[Any, ...], row: RowFile, rule: DepthRuleField, imagenet: bool) -> PublishedRow:
    """One row of a published table, checked."""
    written = dict(row.model_extra or {})
    values = _values(document, place, row, written)
    architecture, errors = None, _errors(document, place, written)
    if row.net:
        named = imagenet or any(DATA_SETS[data].imagenet_names for data in errors)
        try:
            architecture = parse_architecture(row.net, rule, imagenet=named)
        except (NotationError, StudyError) as error:
            document.fail((*place, "net"), f"net: {error}")
    return PublishedRow(
        row.label or row.net or "", architecture, row.parameters, errors, dict(row.other), row.not_run, row.note, values
    )


def _values(
    document: Document, place: tuple[Any, ...], row: RowFile, written: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """The values of other measures by data set and measure; errors among them are added to those that are `written`."""
    known, found = published_data_sets(), dict[str, dict[str, float]]()
    for data, values in row.values.items():
        at = (*place, "values", data)
        if data not in known:
            document.fail(at, f"published.rows.values: unknown data set '{data}'; {allowed(data, known)}")
        if "error" in values and data in written:
            document.fail(at, f"published.rows.values.{data}: the error is written twice; leave one of them out")
        found[data] = {measure: value for measure, value in values.items() if measure != "error"}
        written |= {data: values["error"]} if "error" in values else {}
    return {data: values for data, values in found.items() if values}


def _errors(document: Document, place: tuple[Any, ...], written: dict[str, Any]) -> dict[str, float]:
    """The test errors of a row, in percent, by data set: every key that is not a field of RowFile."""
    known = published_data_sets(CLASSIFICATION)
    for key, value in written.items():
        if key not in known:
            document.fail((*place, key), f"unknown key '{key}'; {allowed(key, (*RowFile.model_fields, *known))}")
        if not is_number(value) or not 0 <= value <= 100:
            document.fail(
                (*place, key), f"published.rows.{key}: found {describe(value)}; allowed: 0 to 100 (test error, percent)"
            )
    return {key: float(written[key]) for key in known if key in written}
