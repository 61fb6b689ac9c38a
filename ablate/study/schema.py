"""The shape of a study file, as pydantic models; its JSON Schema is what `ablate schema` prints."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, Field, WithJsonSchema, create_model

from ablate.nets.family import STYLE_AXES
from ablate.study.presets import DATA_SETS, RECIPES
from ablate.study.study import Data, Frozen, Recipe

NET_AXES = ("net", "family", "block", "l", "k", "depth", "N", "cardinality", "base_width", *STYLE_AXES)


def _optional(title: str, model: type[BaseModel], /, **fields: Any) -> type[BaseModel]:
    """A model of the same fields, none of them needed."""
    for key, info in model.model_fields.items():
        fields.setdefault(
            key, (Annotated[Union[info.rebuild_annotation(), None], Field(description=info.description)], None)
        )
    return create_model(title, __base__=Frozen, **fields)


def _axes_schema(**more: Any) -> WithJsonSchema:
    """A mapping from axes to values, for editors."""
    names = "|".join((*NET_AXES, *more))
    return WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "properties": {axis: more.get(axis, {}) for axis in (*NET_AXES, *more)},
            "propertyNames": {"pattern": rf"^({names}|recipe\.\w+|data\.\w+|args\.\w+)$"},
        }
    )


Axes = Annotated[dict[str, Any], _axes_schema()]
_NET: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "required": ["python"],
            "properties": {"python": {"type": "string"}, "args": {"type": "object"}},
            "additionalProperties": False,
        },
    ]
}
_NUMBER = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "^[0-9.]+ *[kMG]$"}]}
_BOUNDS = {"type": "object", "properties": {"min": _NUMBER, "max": _NUMBER}, "additionalProperties": False}
_PERCENTAGE = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^[0-9.]+ *%$"}]}
Changes = Annotated[dict[str, Any], _axes_schema(base=_NET)]
Quantity = Annotated[Any, WithJsonSchema(_NUMBER)]
QuantityOrBounds = Annotated[Any, WithJsonSchema({"anyOf": [_NUMBER, _BOUNDS]})]
Percentage = Annotated[Any, WithJsonSchema(_PERCENTAGE)]
DepthRuleField = Literal["convolutions", "nominal"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Bounds(Frozen):
    min: Quantity = None
    max: Quantity = None


class BudgetFile(Frozen):
    parameters: QuantityOrBounds = None
    multiply_adds: QuantityOrBounds = None
    activation_memory: Annotated[QuantityOrBounds, Field(description="bytes of a batch, kept for the backward pass")] = None
    tolerance: Percentage = "5%"
    solve: Literal["depth", "k", "l", "cardinality", "base_width"] | None = None
    quantum: Annotated[
        Any,
        Field(description="k in steps of so many channels of the first group, 8 unless given; exact: of one"),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1024}, {"const": "exact"}]}),
    ] = None
    on_miss: Literal["error", "drop"] = "error"


class EntryFile(Frozen):
    """One of net, grid, zip and one_at_a_time."""

    net: Annotated[
        Any,
        WithJsonSchema({"anyOf": [*_NET["anyOf"], {"type": "array", "items": _NET}]}),
    ] = None
    grid: Axes | None = None
    zip: Axes | None = None
    one_at_a_time: Changes | None = None
    depth_rule: DepthRuleField | None = None


_DataName: Any = Annotated[Literal[tuple(DATA_SETS)], Field(examples=["cifar10"])]
_RecipeName: Any = Annotated[Literal[tuple(RECIPES)], Field(examples=["wrn_cifar"])]
DataFile = _optional("DataFile", Data, name=(_DataName, ...), root=(str | None, None))
RecipeFile = _optional("RecipeFile", Recipe, base=(_RecipeName, ...))


class StudyFile(Frozen):
    """A study: which networks, trained how, on what, with which seeds."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
            description="a letter or digit, then letters, digits, '_', '.', '-'",
            examples=["width"],
        ),
    ]
    title: Annotated[str, Field(max_length=200)] = ""
    source: Annotated[str, Field(max_length=200, description="the paper's table or figure")] = ""
    notes: Annotated[str, Field(max_length=10_000, description="printed with every table")] = ""
    data: Annotated[DataFile, Field(examples=["cifar10"])]  # type: ignore[valid-type]
    recipe: Annotated[RecipeFile, Field(examples=["wrn_cifar"])]  # type: ignore[valid-type]
    seeds: Annotated[
        Any,
        Field(examples=[5], description="how many, or which; 0: nothing is trained, networks are counted"),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "array", "items": {"type": "integer"}}]}),
    ]
    variants: Annotated[list[EntryFile], Field(min_length=1, max_length=1000, examples=["[{net: WRN-28-2}]"])]
    depth_rule: DepthRuleField = "convolutions"
    where: str | None = None
    budget: BudgetFile | None = None
    baseline: str | None = None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a study file, for editors."""
    schema = StudyFile.model_json_schema()
    for key, tables in (("data", DATA_SETS), ("recipe", RECIPES)):
        schema["properties"][key] = {"anyOf": [{"enum": list(tables)}, schema["properties"][key]]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
