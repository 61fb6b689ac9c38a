"""Named recipes and data sets with what a study changes in them -> Recipe and Data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablate.errors import StudyError, allowed
from ablate.study.document import SHORT_FORMS, Document, KeyPath, describe
from ablate.study.presets import DATA_SETS, RECIPES
from ablate.study.schema import DataFile, RecipeFile
from ablate.study.study import Data, Recipe
from ablate.study.validation import validate


def read_recipe(document: Document, path: KeyPath, value: Any) -> Recipe:
    """The recipe that a study writes at a path: a name, or a mapping with `base`. Raises StudyError."""
    file = validate(document, RecipeFile, path, written_out(document, path, value))
    return resolve_recipe(document, file.model_dump(exclude_none=True), path)


def read_data(document: Document, path: KeyPath, value: Any) -> tuple[Data, ...]:
    """The data sets that a study writes at a path: one, or a list. Raises StudyError."""
    if not isinstance(value, list):
        return (_read_data(document, path, value),)
    found = tuple(_read_data(document, (*path, i), each) for i, each in enumerate(value))
    if not found:
        document.fail(path, "data: an empty list; allowed: one data set or more")
    titles = [data.title for data in found]
    for i, title in enumerate(titles):
        if title in titles[:i]:
            document.fail((*path, i), f"data: '{title}' is there twice; allowed: different titles")
    return found


def _read_data(document: Document, path: KeyPath, value: Any) -> Data:
    file = validate(document, DataFile, path, written_out(document, path, value))
    fields = file.model_dump(exclude_none=True)
    try:
        if root := fields.get("root"):
            fields["root"] = str(Path(document.name).parent / Path(root).expanduser())
    except RuntimeError as error:
        document.fail((*path, "root"), f"data.root: found {describe(root)}: {error}")
    return resolve_data(document, fields, path)


def written_out(document: Document, path: KeyPath, value: Any) -> dict[str, Any]:
    """A recipe or data set as a mapping, where only its name is written."""
    key = next(part for part in reversed(path) if isinstance(part, str))
    if isinstance(value, str):
        return {SHORT_FORMS[key]: value}
    if not isinstance(value, dict):
        document.fail(path, f"{key}: found {describe(value)}; allowed: a name or a mapping")
    return value


def resolve_recipe(document: Document, fields: dict[str, Any], path: KeyPath = ("recipe",)) -> Recipe:
    """A named recipe with some fields replaced."""
    base = RECIPES[fields.pop("base", "wrn_cifar")]
    recipe: Recipe = validate(document, Recipe, path, {**base, **fields})
    return recipe


def resolve_data(document: Document, fields: dict[str, Any], path: KeyPath = ("data",)) -> Data:
    """A named data set with some fields replaced, its facts kept and its sizes checked."""
    facts = dict(DATA_SETS[fields["name"]])
    full = facts.pop("full")
    if fields["name"] == "image_folder" and "copy_of" in fields:
        original = DATA_SETS[fields["copy_of"]]
        if fields.get("classes", original["classes"]) != original["classes"]:
            found = f"data.classes: found {fields['classes']}; {fields['copy_of']} has {original['classes']}"
            document.fail((*path, "classes"), found)
        fields = {**{key: original[key] for key in ("classes", "image_size")}, **fields}
    elif "copy_of" in fields:
        document.fail((*path, "copy_of"), f"data.copy_of: {fields['name']} is none; allowed: with image_folder")
    for key in ("title", "classes", "image_size", "channels"):
        own_size = (fields["name"], key) == ("imagenet", "image_size")  # cropped to any size
        if key in fields and key in facts and fields[key] != facts[key] and not own_size:
            document.fail(
                (*path, key), f"data.{key}: found {describe(fields[key])}; {fields['name']} has {describe(facts[key])}"
            )
        if key not in fields and key not in facts:
            document.fail(path, f"data.{key} is missing; {fields['name']} needs title, classes and image_size")
    data: Data = validate(document, Data, path, {**facts, **fields})
    for key, most in zip(("train_size", "test_size"), full):
        size = getattr(data, key)
        if size is not None and most is not None and size > most:
            document.fail((*path, key), f"data.{key}: found {size}; {fields['name']} has {most}")
        if size == most:
            data = data.model_copy(update={key: None})
    return data


def replace_fields(model: Recipe | Data, changes: dict[str, Any]) -> Any:
    """A recipe or data with some fields changed. Raises StudyError that names the key, without its place."""
    kind = "recipe" if isinstance(model, Recipe) else "data"
    fixed = ("name", "title", "classes", "image_size", "channels", "copy_of", "root", "held_out")
    names = [name for name in type(model).model_fields if name not in fixed]
    for key in changes:
        if key not in names:
            raise StudyError(f"unknown axis '{kind}.{key}'; {allowed(key, names)}")
    document = Document("", {}, {})
    fields = {**model.model_dump(), **changes}
    if isinstance(model, Recipe):
        return validate(document, Recipe, (kind,), fields)
    return resolve_data(document, {key: value for key, value in fields.items() if value is not None})
