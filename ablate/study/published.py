"""Reads the published values of a study file into Published tables."""

from __future__ import annotations

from typing import Any

from ablate.data.data_sets import DATA_SETS
from ablate.errors import NotationError, StudyError, allowed, describe
from ablate.nets.notation import parse_architecture
from ablate.study.data_schema import protocol_data_model, published_data_sets
from ablate.study.document import Document
from ablate.study.published_schema import PublishedFile, RowFile
from ablate.study.resolve import read_recipe, recipe_augment
from ablate.study.study import Published, PublishedRow
from ablate.study.tasks import CLASSIFICATION
from ablate.study.validation import validate
from ablate.study.written_forms import DepthRuleField


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
        if any(isinstance(value, bool) or not isinstance(value, (int, float, str)) for value in row.other.values()):
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
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
            document.fail(
                (*place, key), f"published.rows.{key}: found {describe(value)}; allowed: 0 to 100 (test error, percent)"
            )
    return {key: float(written[key]) for key in known if key in written}
