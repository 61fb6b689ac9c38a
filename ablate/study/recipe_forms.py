"""The forms in which a study writes a recipe -> its flat fields.

`schedule: {name: one_cycle, warmup: 0.3}` means `schedule: one_cycle` and `warmup: 0.3`; optimizer and loss likewise. Own
code, `{python: module:callable, args: {...}}`, is found, digested, and its signature is checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ablate.errors import NotationError, allowed, describe
from ablate.kinds import losses, optimizers, schedules
from ablate.kinds.hooks import Hooks
from ablate.own_code import OwnCode, read_own_code
from ablate.study.document import Document, KeyPath
from ablate.study.recipe import OWN_CODE, Recipe
from ablate.study.recipe_schema import KINDS, USUAL, WITH

OFFERED = {"optimizer": optimizers.OFFERED, "schedule": schedules.OFFERED, "loss": losses.OFFERED}
NEEDED = {"optimizer": ("network",), "schedule": (), "loss": losses.OFFERED}  # of these, what it must have


def flat_fields(
    document: Document, path: KeyPath, fields: Mapping[str, Any], under: Mapping[str, Any], beside: Iterable[str] = ()
) -> dict[str, Any]:
    """The fields of a recipe, with the mappings of optimizer, schedule and loss written out.

    Args:
        document: The study file's values and their places.
        path: Where the recipe is.
        fields: As written.
        under: The fields that they change; a mapping without `name` means the entry that is named here.
        beside: Fields that must not stand in a mapping, because they are also written beside it.

    Raises:
        StudyError: A mapping is not valid, or a field is written twice; the message names the place.
    """
    flat = dict(fields)
    for field, table in KINDS.items():
        value = fields.get(field)
        if not isinstance(value, dict) or "python" in value:
            continue
        name = value.get("name", under.get(field, USUAL.get(field)))
        if not isinstance(name, str) or name not in table:
            found = describe(name) if "name" in value else "none"
            document.fail((*path, field, "name"), f"recipe.{field}.name: found {found}; {allowed(str(name), table)}")
        known = (*table[name].fields, *WITH.get(field, ()))
        for key, each in value.items():
            if key == "name":
                continue
            if key not in known:
                place = (*path, field, key)
                document.fail(
                    place, f"recipe.{field}: unknown key '{key}' of {name}; {allowed(str(key), ('name', 'python', *known))}"
                )
            if key in beside:
                place = (*path, field, key)
                document.fail(place, f"recipe.{key} is written in {field} and beside it; leave one of them out")
            flat[key] = each
            if (place := (*path, field, key)) in document.positions:
                document.positions.setdefault((*path, key), document.positions[place])
        flat[field] = name
    return flat


def refuse_foreign(document: Document, path: KeyPath, written: Iterable[str], fields: Mapping[str, Any]) -> None:
    """Fail at a field of a schedule or a loss that the recipe does not name.

    Args:
        document: The study file's values and their places.
        path: Where the recipe is.
        written: The fields that the study itself writes.
        fields: All fields of the recipe.
    """
    for key in written:
        for field in ("schedule", "loss"):
            table = KINDS[field]
            owners = [name for name, entry in table.items() if key in entry.fields]
            named = fields.get(field, USUAL[field])
            name = named if isinstance(named, str) else "your own"
            elsewhere = any(key in entry.fields for other, one in KINDS.items() if other != field for entry in one.values())
            if owners and name not in owners and not elsewhere and (name in table or not isinstance(named, str)):
                document.fail(
                    (*path, key),
                    f"recipe.{key} is a field of {field} {', '.join(owners)}; {field} is {name}; leave one of them out",
                )


@cache
def _optimizer_fields() -> frozenset[str]:
    """The fields of all optimizers; a plan asks for them often."""
    return frozenset(name for optimizer in KINDS["optimizer"].values() for name in optimizer.fields)


def optimizer_fields(written: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of optimizers among those of a recipe as written, whether flat or in the mapping of an optimizer.

    Args:
        written: Values by field. A dotted field is inside another: "optimizer.momentum".
    """
    inside = written.get("optimizer")
    names = [*written, *(inside if isinstance(inside, dict) else ())]
    return tuple(name for each in names if (name := each.removeprefix("optimizer.")) in _optimizer_fields())


def kept_values(axes: Iterable[str], recipe: Recipe, kept: Collection[str]) -> dict[str, Any]:
    """What the candidates of a search depend on beside their recipe's identity, for its digest; empty if on nothing.

    Args:
        axes: That are searched.
        recipe: That candidates change.
        kept: As in changed_kind().
    """
    searched = {"recipe.optimizer", "recipe.optimizer.name"}.intersection(axes)
    return {"kept": {name: recipe.values.get(name) for name in kept}} if searched and kept else {}


def without_optimizer(field: str, optimizers: Collection[str]) -> str:
    """The error in writing a field that only other optimizers have than those of a study; "" for any other field.

    Args:
        field: Of a recipe. It may be inside the optimizer: "optimizer.momentum".
        optimizers: The names of the study's optimizers, and of its own code.
    """
    name, table = field.removeprefix("optimizer."), KINDS["optimizer"]
    owners = [each for each, entry in table.items() if name in entry.fields]
    elsewhere = any(name in entry.fields for kind in ("schedule", "loss") for entry in KINDS[kind].values())
    if not owners or elsewhere or not {*owners}.isdisjoint(optimizers):
        return ""
    named = " or ".join(sorted(optimizers))
    return f"recipe.{name} is a field of optimizer {', '.join(owners)}; optimizer is {named}; leave one of them out"


def changed_kind(under: Mapping[str, Any], written: Mapping[str, Any], kept: Collection[str] = ()) -> dict[str, Any]:
    """The fields that start from the defaults of an optimizer because it is another than the one it replaces.

    The momentum of SGD, for example, is not that of RMSprop. Fields without a default are kept.

    Args:
        under: The fields of the recipe that is changed.
        written: The changes.
        kept: Fields of `under` that the study file itself writes, whatever the optimizer is.
    """
    table, named = KINDS["optimizer"], written.get("optimizer")
    if not isinstance(named, str) or named not in table or named == under.get("optimizer"):
        return {}
    return {name: value for name, value in table[named].defaults.items() if name not in written and name not in kept}


def read_recipe_code(document: Document, path: KeyPath, fields: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The fields of a recipe with all own code as OwnCode, each checked.

    Args:
        document: The study file's values and their places.
        path: Where the recipe is.
        fields: Flat; own code is a mapping, or OwnCode that has been read before. `args` are those of `python`.
        folder: Of the study file; modules are searched there, then in the current directory.

    Raises:
        StudyError: Own code is missing, raises an error, or its signature does not fit; the message names the place.
    """
    found = dict(fields)
    if isinstance(found.get("python"), str):
        arguments = {"args": found["args"]} if found.get("args") is not None else {}
        found["python"] = {"python": found["python"], **arguments}
    elif found.get("args") is not None and not isinstance(found.get("python"), OwnCode):
        document.fail((*path, "args"), "recipe.args is only valid with python: module:callable")
    found.pop("args", None)
    for key in OWN_CODE:
        value = found.get(key)
        if isinstance(value, dict):
            try:
                found[key] = own = read_own_code(value, (folder, Path()))
                if key == "python":
                    if "loss" in Hooks(own) and found.get("class_weights", "none") != "none":
                        raise NotationError(f"{own.python} has a loss, which takes no class_weights; leave one of them out")
                else:
                    own.check(*OFFERED[key], needed=NEEDED[key])
            except NotationError as error:
                named = "recipe" if key == "python" else f"recipe.{key}"
                text = str(error)
                document.fail((*path, key), f"{named}{text}" if text[:1] in ".:" else f"{named}: {text}")
        elif key == "python" and not isinstance(value, OwnCode | None):
            document.fail((*path, key), f"recipe.python: found {describe(value)}; allowed: package.module:callable")
    return found
