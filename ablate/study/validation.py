"""Plain values -> pydantic models; what does not fit becomes one StudyError at its place in the document."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ablate.errors import allowed
from ablate.study.document import Document, KeyPath, describe


def validate(document: Document, model: Any, path: KeyPath, value: Any) -> Any:
    """The model of a value that stands at a path. Raises StudyError with place, value found and values allowed."""
    error: Any
    try:
        return model.model_validate_json(json.dumps(value))
    except ValidationError as validation:
        errors = validation.errors(include_url=False)
        error = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])  # a misspelt key is also missing
    full = (*path, *error["loc"])
    name = ".".join(str(part) for part in full if not isinstance(part, int)) or "study"
    match error["type"]:
        case "extra_forbidden":
            message = f"unknown key '{full[-1]}'; {allowed(str(full[-1]), _keys(model, error['loc'][:-1]))}"
        case "missing":
            message = f"{name} is missing"
        case "value_error":
            message = f"{name}: {error['ctx']['error']}"
        case "literal_error":
            names = re.findall(r"'([^']*)'", error["ctx"]["expected"]) or [error["ctx"]["expected"]]
            message = f"{name}: found {describe(error['input'])}; {allowed(str(error['input']), names)}"
        case _:
            message = f"{name}: found {describe(error['input'])}; allowed: {_wanted(model, error)}"
    document.fail(full, message)


def _wanted(model: type[BaseModel], error: Any) -> str:
    """What pydantic would have accepted, in YAML's words."""
    if error["type"] == "string_pattern_mismatch" and error["loc"]:
        field = model.model_fields.get(str(error["loc"][0]))
        if field is not None and field.description:
            return field.description
    text = str(error["msg"]).removeprefix("Input should be ").removeprefix("a valid ")
    text = {"array": "a list", "an object": "a mapping"}.get(text, text)
    return text[:1].lower() + text[1:]


def _keys(model: Any, loc: tuple[Any, ...]) -> list[str]:
    """The keys allowed at a place inside a model."""
    for part in loc:
        if not isinstance(part, int):
            model = _nested(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _nested(annotation: Any) -> Any:
    """The model somewhere in a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _nested(part))), None)
