"""Forms in which several keys of a study file are written, as pydantic types, and the base of its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from ablate.nets.family import STYLE_AXES

NET_AXES = ("net", "family", "block", "l", "k", "depth", "N", "cardinality", "base_width", *STYLE_AXES)


class Frozen(BaseModel):
    """A model that cannot be changed, refuses unknown keys and converts no types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def axes_schema(**more: Any) -> WithJsonSchema:
    """A mapping from axes to values, for editors."""
    names = "|".join((*NET_AXES, *more))
    return WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "properties": {axis: more.get(axis, {}) for axis in (*NET_AXES, *more)},
            "propertyNames": {"pattern": rf"^({names}|recipe(\.\w+)+|data(\.\w+)+|args\.\w+)$"},
        }
    )


Axes = Annotated[dict[str, Any], axes_schema()]
FROM: dict[str, Any] = {
    "type": "object",
    "description": "a value that a search chose; from: the search or its best.yaml; key: the axis, if another",
    "required": ["from"],
    "properties": {"from": {"type": "string"}, "key": {"type": "string"}},
    "additionalProperties": False,
}
OWN: dict[str, Any] = {
    "type": "object",
    "required": ["python"],
    "properties": {"python": {"type": "string"}, "args": {"type": "object"}},
    "additionalProperties": False,
}
NET: dict[str, Any] = {"anyOf": [FROM, {"type": "string"}, OWN]}
Changes = Annotated[dict[str, Any], axes_schema(base=NET)]
DepthRuleField = Literal["convolutions", "nominal"]
Title = Annotated[str, Field(max_length=200)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def at_place(place: str) -> WithJsonSchema:
    """A marker for the schema at another place. json_schema() turns it into a reference.

    Args:
        place: Such as "$defs/Augment".
    """
    return WithJsonSchema({"x-as": place})


def choice_of(table: Mapping[str, Any], example: str = "") -> Any:
    """The type of the names of a table.

    Args:
        table: By name.
        example: For messages and editors.
    """
    return Annotated[Literal[tuple(table)], Field(examples=[example] if example else None)]
