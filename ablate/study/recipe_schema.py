"""The key `recipe` of a study file, as a pydantic model with the fields of every optimizer, schedule and loss."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema, create_model

from ablate.errors import StudyError, allowed, describe
from ablate.kinds.losses import LOSSES
from ablate.kinds.optimizers import OPTIMIZERS
from ablate.kinds.precisions import AUTO, CHOSEN, PRECISIONS
from ablate.kinds.schedules import SCHEDULES
from ablate.own_code import OwnCode
from ablate.registry import Kind, Registry
from ablate.study.recipe import Recipe
from ablate.study.written_forms import NET, choice_of


class _ClosedRecipe(Recipe, extra="forbid"):
    """Recipe without unknown fields. Its values leave out fields of optimizers and schedules that are not given."""

    @property
    def values(self) -> dict[str, Any]:
        """Every field by name, without the fields of optimizers and schedules that are not given."""
        return {name: value for name, value in super().values.items() if value is not None or name in Recipe.model_fields}


KINDS: dict[str, Registry[Any]] = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "loss": LOSSES}  # by a recipe's field
USUAL = {"schedule": "step", "loss": "cross_entropy"}  # the names of a recipe that names none
WITH: dict[str, tuple[str, ...]] = {
    "optimizer": ("lr", "weight_decay", "decay_on")
}  # fields of a mapping beside its kind's


def _read_own(value: Any) -> Any:
    """The own code of a value in which resolve.py has found it; other values unchanged."""
    return OwnCode(**value) if isinstance(value, dict) else value


def _kind_field(field: str, table: Registry[Any]) -> Any:
    """The type of a field that names an entry of a table, or own code."""

    def read(value: Any) -> Any:
        if (isinstance(value, str) and value in table) or isinstance(value, dict):
            return _read_own(value)
        raise ValueError(f"found {describe(value)}; {allowed(str(value), table)}, or {{python: module:callable}}")

    fields = dict.fromkeys(name for kind in table.values() for name in kind.fields)
    mapping = {
        "type": "object",
        "properties": {"name": {"enum": list(table)}, **{name: {} for name in (*fields, *WITH.get(field, ()))}},
        "additionalProperties": False,
    }
    explained = "; ".join(f"{name}: {entry.explained}" for name, entry in table.items() if entry.explained)
    forms = WithJsonSchema({"anyOf": [{"enum": list(table)}, mapping, *NET["anyOf"][2:]]})
    return Annotated[Any, PlainValidator(read), Field(description=explained), forms]


def _kind_fields() -> dict[str, Any]:
    """The fields of every optimizer, schedule and loss with their types.

    Raises:
        StudyError: Two of them give a field of one name different types.
    """
    found: dict[str, Any] = {}
    first: dict[str, Kind] = {}
    for kind in (kind for table in KINDS.values() for kind in table.values()):
        for name, field in kind.fields.items():
            if found.setdefault(name, field) != field:
                raise StudyError(f"{kind.name}: the field {name} has another type than that of {first[name].name}")
            first.setdefault(name, kind)
    return found


@lru_cache(maxsize=1)
def recipe_model() -> type[Recipe]:
    """Recipe with the fields of every optimizer, schedule and loss, each checked for type and bounds, and no others."""
    fields: dict[str, Any] = {name: (field, None) for name, field in _kind_fields().items()}
    fields |= {field: (_kind_field(field, table), USUAL.get(field, ...)) for field, table in KINDS.items()}
    own = Annotated[
        Any, PlainValidator(_read_own), Field(description="a recipe of your own"), WithJsonSchema({"type": "string"})
    ]
    arguments = Annotated[Any, Field(description="of the recipe of your own"), WithJsonSchema({"type": "object"})]
    fields |= {"python": (own, None), "args": (arguments, None)}
    words = f"{Recipe.model_fields['precision'].description}; {AUTO}: the first of {', '.join(CHOSEN)} that the device has"
    fields["precision"] = (Annotated[choice_of({**PRECISIONS, AUTO: None}), Field(description=words)], ...)
    return create_model("RecipeFields", __base__=_ClosedRecipe, **fields)
