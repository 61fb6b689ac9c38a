"""Plain values -> pydantic models. A value that is not valid becomes one StudyError at its place in the document."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ablate.errors import allowed, describe, foreign_letter
from ablate.study.document import Document, KeyPath


def validate(document: Document, model: Any, path: KeyPath, value: Any) -> Any:
    """The model of a value.

    Args:
        document: The study file's values and their places.
        model: The pydantic model.
        path: Where the value is.
        value: A plain value of the document.

    Raises:
        StudyError: The value is not valid; the message has its place, the value found and the allowed values.
    """
    error: Any
    try:
        return model.model_validate_json(json.dumps(value))
    except ValidationError as validation:
        errors = validation.errors(include_url=False)
        error = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])  # a misspelt key is also missing
    if error["type"] != "extra_forbidden" and error["loc"][-1:] in (("float",), ("int",)):
        error["loc"] = error["loc"][:-1]  # pydantic's name of a union's member
    of_key = error["loc"][-1:] == ("[key]",)  # the key of a mapping with names of the reader's own
    error["loc"] = error["loc"][:-1] if of_key else error["loc"]
    full = (*path, *error["loc"])
    name = ".".join(str(part) for part in full if not isinstance(part, int)) or "study"
    match error["type"]:
        case "extra_forbidden":
            message = (
                f"unknown key '{full[-1]}'; {allowed(str(full[-1]), _model_at(model, error['loc'][:-1]).model_fields)}"
            )
        case "missing":
            message = f"{name} is missing{_such_as(model, error['loc'])}"
        case "value_error":
            message = f"{name}: {error['ctx']['error']}"
        case "literal_error":
            names = re.findall(r"'([^']*)'", error["ctx"]["expected"]) or [error["ctx"]["expected"]]
            message = f"{name}: found {describe(error['input'])}; {allowed(str(error['input']), names)}"
        case _:
            found = f"{describe(error['input'])}{foreign_letter(error['input'])}"
            message = f"{name}: found {found}; allowed: {_wanted(model, error)}"
    document.fail(full, message)


def _such_as(model: Any, loc: tuple[Any, ...]) -> str:
    """An example of a missing key's value, for the message."""
    field = _field_at(model, loc)
    return f"; allowed: such as {loc[-1]}: {field.examples[0]}" if field and field.examples else ""


def _wanted(model: Any, error: Any) -> str:
    """The values that pydantic would accept, in YAML's words."""
    field = _field_at(model, error["loc"])
    description = field.description if field and field.description else ""
    if error["type"] == "string_pattern_mismatch":
        return str(description) or "text in one line"
    text = str(error["msg"]).removeprefix("Input should be ").removeprefix("a valid ")
    text = {"array": "a list", "an object": "a mapping"}.get(text, text)
    if error["type"] == "too_short":
        text = f"at least {error['ctx']['min_length']}"
    return text[:1].lower() + text[1:] + (f" ({description})" if description else "")


def _field_at(model: Any, loc: tuple[Any, ...]) -> Any:
    """The field at a location in a model. A location inside a list belongs to the list's field."""
    while loc and isinstance(loc[-1], int):
        loc = loc[:-1]
    return _model_at(model, loc[:-1]).model_fields.get(loc[-1]) if loc else None


def _model_at(model: Any, loc: tuple[Any, ...]) -> Any:
    """The model at a location in a model."""
    for part in loc:
        if not isinstance(part, int) and part in model.model_fields:
            model = nested_model(model.model_fields[part].annotation) or model
    return model


def nested_model(annotation: Any) -> Any:
    """The model somewhere in a field's type; None if there is none.

    Args:
        annotation: The type. In Python 3.10 list[int] is an instance of `type` too.
    """
    if not get_args(annotation) and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := nested_model(part))), None)
