"""The published values of a study file -> Published."""

from __future__ import annotations

from typing import Any

from ablate.errors import NotationError, StudyError
from ablate.nets.notation import parse_architecture
from ablate.study.document import Document
from ablate.study.resolve import read_recipe
from ablate.study.schema import DepthRuleField, PublishedFile, RowFile
from ablate.study.study import Published, PublishedRow

DATA_KEYS = ("cifar10", "cifar100", "svhn", "imagenet")


def published_values(
    document: Document, index: int, file: PublishedFile, rule: DepthRuleField, imagenet: bool
) -> Published:
    """One published table, each row's network known by its architecture. Raises StudyError."""
    path = ("published", index)
    recipe = None
    if file.protocol.recipe is not None:
        recipe = read_recipe(document, (*path, "protocol", "recipe"), file.protocol.recipe)
    rows = []
    for i, row in enumerate(file.rows):
        place = (*path, "rows", i)
        if not row.label and not row.net:
            document.fail(place, "published.rows: found neither net nor label; allowed: one of them or both")
        if any(isinstance(value, bool) or not isinstance(value, (int, float, str)) for value in row.other.values()):
            document.fail((*place, "other"), "published.rows.other: allowed: numbers and texts by their titles")
        rows.append(_row(document, place, row, file.depth_rule or rule, imagenet))
    data: dict[str, Any] = file.protocol.data.model_dump(exclude_none=True) if file.protocol.data else {}
    return Published(file.source, file.note, tuple(rows), file.protocol.seeds, recipe, data)


def _row(document: Document, place: tuple[Any, ...], row: RowFile, rule: DepthRuleField, imagenet: bool) -> PublishedRow:
    architecture = None
    if row.net:
        try:
            architecture = parse_architecture(row.net, rule, imagenet=imagenet or row.imagenet is not None)
        except (NotationError, StudyError) as error:
            document.fail((*place, "net"), f"net: {error}")
    errors = {key: float(value) for key in DATA_KEYS if (value := getattr(row, key)) is not None}
    return PublishedRow(
        row.label or row.net or "", architecture, row.parameters, errors, dict(row.other), row.not_run, row.note
    )
