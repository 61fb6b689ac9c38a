"""The fields of a recipe or data by name, as a study file writes them, also those inside others."""

from __future__ import annotations

from typing import Any

from ablate.own_code import OwnCode
from ablate.study.data import Data
from ablate.study.data_forms import data_fields
from ablate.study.recipe import Part, Recipe
from ablate.study.recipe_schema import KINDS

LEADING = {
    "mixup": "alpha",
    "cutmix": "alpha",
    "ema": "decay",
    "init": "batch_norm_weight",
    "seed_of": "order",
}  # what one value means; of others `name`


def as_fields(model: Recipe | Data) -> dict[str, Any]:
    """The fields of a recipe or data as a study file writes them, by name.

    Args:
        model: The recipe or data.
    """
    if isinstance(model, Data):
        return data_fields(model)
    found = {key: each.written if isinstance(each, (OwnCode, Part)) else each for key, each in model.values.items()}
    return found | ({"python": None} | model.python.written if model.python else {})


def all_fields(model: Recipe | Data) -> dict[str, Any]:
    """The fields as as_fields() gives them, with the defaults of the signatures of own code among its `args`.

    Args:
        model: The recipe or data.
    """
    fields = as_fields(model)
    for name, own in own_codes(model).items():
        if name in ("python", "own"):  # it stands beside the other fields
            fields["args"] = own.all_arguments
        else:
            fields[name] = {**own.written, "args": own.all_arguments}
    return fields


def own_codes(model: Recipe | Data) -> dict[str, OwnCode]:
    """The user's own code in a recipe or data by its field, without augmentation steps.

    Args:
        model: The recipe or data.
    """
    if isinstance(model, Data):
        return {"own": model.own} if model.own else {}
    return model.own_code


def dotted_fields(prefix: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Fields by dotted name. Those inside a mapping stand beside the mapping: "recipe.loss" and "recipe.loss.args".

    Args:
        prefix: Of the names, such as "recipe".
        fields: As all_fields() gives them.
    """
    found: dict[str, Any] = {}
    for key, value in fields.items():
        found[f"{prefix}.{key}"] = value
        if isinstance(value, dict):
            found |= dotted_fields(f"{prefix}.{key}", value)
    return found


def value_at(model: Recipe | Data, field: str) -> Any:
    """The value of a field, as a study file writes it; None where it has none.

    Args:
        model: The recipe or data.
        field: Its name. A dotted field is inside another: "loss.args.gamma".
    """
    if isinstance(model, Recipe) and isinstance(found := getattr(model, field, None), (int, float)):
        return found  # most axes are numbers of a recipe, and a plan asks for them often
    first, *rest = field.split(".")
    found = all_fields(model).get(first)
    if isinstance(model, Recipe) and isinstance(found, str) and first in KINDS and rest:
        return found if rest == ["name"] else model.used.get(rest[0])
    for key in rest:
        if isinstance(found, dict):
            found = found.get(key)
        elif LEADING.get(first) != key:  # one value alone is that of its leading field
            return None
    return found
