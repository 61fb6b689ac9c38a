"""The JSON Schema of a study file, for editors: what pydantic says of the models, and what the tables say."""

from __future__ import annotations

from typing import Annotated, Any, Union

from pydantic import BaseModel, Field, TypeAdapter

from ablate.data.augmentation_lists import NAMED
from ablate.data.augmentations import AUGMENTATIONS
from ablate.data.data_sets import DATA_SETS
from ablate.kinds.recipes import RECIPES
from ablate.study.data_schema import AUGMENT, STEPS, data_model, optional, protocol_data_model, published_data_sets
from ablate.study.design_schema import DESIGNS
from ablate.study.measure_file import MeasureFile
from ablate.study.program_schema import BY_AXES
from ablate.study.recipe_schema import recipe_model
from ablate.study.schema import StudyFile, TaskFile
from ablate.study.tasks import CLASSIFICATION
from ablate.study.until import UntilFile
from ablate.study.written_forms import FROM, OWN, choice_of


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a study file, for editors."""
    schema = StudyFile.model_json_schema()
    models: dict[str, type[BaseModel]] = {
        "DataFile": optional("DataFile", data_model(), name=(Union[choice_of(DATA_SETS, "cifar10"), None], None)),
        "RecipeFile": optional(
            "RecipeFile",
            recipe_model(),
            base=(choice_of(RECIPES, "wrn_cifar"), ...),
            augment=(
                Annotated[Union[Annotated[Any, AUGMENT], None], Field(description=f"instead of data.augment: {STEPS}")],
                None,
            ),
        ),
        "ProtocolData": protocol_data_model(),
        "MeasureFile": MeasureFile,
        "UntilFile": UntilFile,
        "TaskFile": TaskFile,
    }
    for name, model in models.items():
        own = model.model_json_schema()
        schema["$defs"] |= {**own.pop("$defs", {}), name: own}
    schema["$defs"]["Augment"] = _augment_schema()
    schema["$defs"]["DataFile"]["anyOf"] = [{"required": ["name"]}, {"required": ["python"]}]
    _of_programs(schema)
    for key, table in (("data", DATA_SETS), ("recipe", RECIPES)):
        one = {"anyOf": [{"enum": list(table)}, {"$ref": f"#/$defs/{key.capitalize()}File"}]}
        several = {"type": "array", "minItems": 1, "items": one}
        schema["properties"][key] |= {"anyOf": [*one["anyOf"], several]} if key == "data" else one
    for field in schema["$defs"]["RecipeFile"]["properties"].values():
        if "anyOf" in field:  # all fields but base
            field["anyOf"].append(FROM)
    row = schema["$defs"]["RowFile"]
    row["additionalProperties"] = False
    row["properties"] |= {
        name: {"type": "number", "minimum": 0, "maximum": 100, "description": f"test error on {entry.title}, percent"}
        for name, entry in published_data_sets(CLASSIFICATION).items()
    }
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    _refer(whole)
    return whole


def _of_programs(schema: dict[str, Any]) -> None:
    """Let the axes of `variants` and of a search have any name in a study that has `program`."""
    axes = {"type": "object", "minProperties": 1}
    described = {key: {**axes, "description": "values by the name of a placeholder of the command"} for key in BY_AXES}
    described |= {key: schema["$defs"]["EntryFile"]["properties"][key] for key in (*DESIGNS, "label")}
    schema["$defs"]["ProgramEntry"] = {
        "type": "object",
        "description": "One item of 'variants' in a study that has 'program': one of these keys, and label.",
        "properties": described,
        "oneOf": [{"required": [key]} for key in (*BY_AXES, *DESIGNS)],
        "additionalProperties": False,
    }
    items: list[dict[str, Any]] = [
        {"properties": {"variants": {"items": {"$ref": f"#/$defs/{name}"}}}} for name in ("ProgramEntry", "EntryFile")
    ]
    properties = schema["properties"]
    spaces = [schema["$defs"][name]["properties"]["space"] for name in ("SearchFile", "TuneFile")]
    networks, tuned = ({key: space.pop(key) for key in ("properties", "propertyNames")} for space in spaces)
    items[0]["properties"]["base"] = {"type": "object", "minProperties": 1}
    items[1]["properties"] |= {
        "base": {"anyOf": properties["base"].pop("anyOf")},
        "search": {"required": ["validation"], "properties": {"space": networks}},
        "tune": {"properties": {"space": tuned}},
    }
    schema |= {"if": {"required": ["program"]}, "then": items[0], "else": items[1]}
    for kind in schema["properties"]["variants"]["anyOf"]:
        kind.pop("items", None)


def _refer(schema: Any) -> None:
    """Turn the markers of at_place() into references, and cut docstrings after their first paragraph.

    pydantic itself only refers to its own definitions.
    """
    if isinstance(schema, dict) and (place := schema.pop("x-as", None)):
        schema["$ref"] = f"#/{place}"
    if isinstance(schema, dict) and isinstance(text := schema.get("description"), str):
        schema["description"] = text.partition("\n\n")[0]
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _refer(part)


def _augment_schema() -> dict[str, Any]:
    """An augmentation, for editors: the name of a list, or steps with the fields of each."""
    alone = [name for name, entry in AUGMENTATIONS.items() if entry.fields.keys() <= {*entry.defaults, *entry.usual(32)}]
    steps: list[dict[str, Any]] = [{"enum": alone}, OWN]
    for name, entry in AUGMENTATIONS.items():
        fields = {key: TypeAdapter(kind).json_schema() for key, kind in entry.fields.items()}
        settings: list[dict[str, Any]] = [{"type": "object", "properties": fields, "additionalProperties": False}]
        settings += [fields[entry.short[0]]] if entry.short else []
        properties = {name: {"anyOf": settings, "description": entry.explained}}
        steps.append({"type": "object", "required": [name], "properties": properties, "additionalProperties": False})
    return {"anyOf": [{"enum": list(NAMED)}, {"type": "array", "items": {"anyOf": steps}}]}
