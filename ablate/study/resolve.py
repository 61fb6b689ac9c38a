"""A named recipe or data set with the changes that a study writes -> Recipe, Data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from ablate.data.augmentation_lists import as_written, augmentation_error, read_augmentation, with_code
from ablate.data.copies import can_be_copied
from ablate.data.data_sets import DATA_SETS, DataSet
from ablate.data.preprocessing import PREPROCESSING
from ablate.errors import NotationError, StudyError, allowed, describe, printable
from ablate.files import expand
from ablate.kinds.precisions import AUTO, PRECISIONS
from ablate.kinds.recipes import RECIPES
from ablate.own_code import OwnCode
from ablate.registry import Entry, Registry
from ablate.study.data import Data
from ablate.study.data_forms import ANY, OWN, check_reading, forget_facts, infer_missing, read_own_data
from ablate.study.data_schema import NOT_WRITTEN, SET_BY_OTHERS, data_model
from ablate.study.document import SHORT_FORMS, Document, KeyPath, Recorded
from ablate.study.fields import LEADING, as_fields
from ablate.study.recipe import Part, Recipe
from ablate.study.recipe_forms import changed_kind, flat_fields, read_recipe_code, refuse_foreign
from ablate.study.recipe_schema import KINDS, WITH, recipe_model
from ablate.study.validation import validate

EXAMPLES = {"base": "wrn_cifar", "name": "cifar10"}
FIXED = (*("name", "title", "classes", "image_size", "channels"), *("copy_of", "root", "python", "columns"))  # no axes
BESIDE_FIELDS = ("base", "augment")  # keys of a recipe that are not fields of Recipe; `augment` becomes data.augment
WRITTEN = (*(name for name in Data.model_fields if name not in NOT_WRITTEN), *OWN)  # allowed in a study file


def read_recipe(document: Document, path: KeyPath, value: Any) -> Recipe:
    """The recipe that a study writes at a path.

    Args:
        document: The study file's values and their places.
        path: Where the recipe is, such as ("recipe",).
        value: A recipe's name, or a mapping with `base`.

    Raises:
        StudyError: The recipe is not valid; the message names the place.
    """
    fields = written_out(document, path, value)
    _refuse_unknown(document, path, fields, ("base", *recipe_model().model_fields, "augment"))
    base = _named(document, path, fields, "base", RECIPES).fields
    beside = {key: each for key, each in fields.items() if key not in BESIDE_FIELDS}
    written = flat_fields(document, path, beside, base, beside)
    full = {**base, **changed_kind(base, written), **written}
    refuse_foreign(document, path, written, full)
    return _recipe(document, path, full, Path(document.name).parent)


def recipe_augment(document: Document, path: KeyPath, value: Any) -> Any:
    """The augmentation that a recipe sets for its data, as written; None if it sets none.

    Args:
        document: The study file's values and their places.
        path: Where the recipe is.
        value: A recipe's name, or a mapping with `base`.

    Raises:
        StudyError: There is no such recipe; the message names the place.
    """
    fields = written_out(document, path, value)
    return fields["augment"] if "augment" in fields else _named(document, path, fields, "base", RECIPES).augment


def _recipe(document: Document, path: KeyPath, fields: dict[str, Any], folder: Path) -> Recipe:
    """The checked Recipe of some fields, whose own code is searched in a folder."""
    found = read_recipe_code(document, path, fields, folder)
    plain = {key: each.written if isinstance(each, Part) else _as_json(each) for key, each in found.items()}
    values = validate(document, recipe_model(), path, plain).values
    if values["precision"] == AUTO and (stated := document.overridden(("recipe", "precision"))) in PRECISIONS:
        values["precision"] = stated
    elif values["precision"] == AUTO:
        if document.choose_precision is None:
            where = "valid in the recipe of a study alone, as it becomes what the device has"
            document.fail((*path, "precision"), f"recipe.precision: auto is {where}; name a precision")
        document.auto_precision = values["precision"] = document.choose_precision()
    return Recipe(**values)


def _as_json(value: Any) -> Any:
    """A value as JSON can hold it."""
    return vars(value) if isinstance(value, OwnCode) else value


def _refuse_unknown(document: Document, path: KeyPath, fields: dict[str, Any], known: Sequence[str]) -> None:
    """Fail at the first unknown key. A misspelt key often means a missing one too, and is the better message."""
    for key in fields:
        if key not in known:
            document.fail((*path, key), f"unknown key '{key}'; {allowed(str(key), known)}")


def _named(document: Document, path: KeyPath, fields: dict[str, Any], key: str, table: Registry[Entry]) -> Entry:
    """The entry of a table that a study names under a key."""
    what, name = ".".join(part for part in path if isinstance(part, str)), fields.get(key)
    if name is None:
        document.fail((*path, key), f"{what}.{key} is missing; allowed: such as {key}: {EXAMPLES[key]}")
    if not isinstance(name, str) or name not in table:
        document.fail((*path, key), f"{what}.{key}: found {describe(name)}; {allowed(str(name), table)}")
    return table[name]


def read_data(document: Document, path: KeyPath, value: Any, recipe: tuple[KeyPath, Any] | None = None) -> tuple[Data, ...]:
    """The data sets that a study writes at a path.

    Args:
        document: The study file's values and their places.
        path: Where the data is, such as ("data",).
        value: A data set's name, a mapping with `name`, or a list of them.
        recipe: Where the recipe is that they are trained with, and its value; it may set `augment`.

    Raises:
        StudyError: A data set is not valid, or two have one title; the message names the place.
    """
    if not isinstance(value, list):
        return (_read_data(document, path, value, recipe),)
    found = tuple(_read_data(document, (*path, i), each, recipe) for i, each in enumerate(value))
    if not found:
        document.fail(path, "data: an empty list; allowed: one data set or more")
    titles = [data.title for data in found]
    for i, title in enumerate(titles):
        if title in titles[:i]:
            document.fail((*path, i), f"data: '{title}' is listed twice; give each data set a title of its own")
    return found


def check_titles(document: Document, data: Iterable[tuple[KeyPath, Data]]) -> None:
    """Check that no two data sets of a study have one title, by which trials know images of the reader's own.

    Args:
        document: The study file's values and their places.
        data: Each data set that it names, and its path.

    Raises:
        StudyError: Two have one; the message names the place.
    """
    known: dict[str, Data] = {}
    for path, one in data:
        first = known.setdefault(one.title, one)
        if one.source != first.source:
            found = f"'{one.title}' is the title of {first.source} and of {one.source}"
            document.fail(path, f"data: {found}; give each data set a title of its own")


def _read_data(document: Document, path: KeyPath, value: Any, recipe: tuple[KeyPath, Any] | None) -> Data:
    """One data set. A relative `root` is taken from the study file's folder."""
    fields = dict(written_out(document, path, value))
    _refuse_unknown(document, path, fields, WRITTEN)
    if "augment" in fields or recipe:
        fields |= _augment_field(document, (*path, "augment"), fields, recipe)
    fields = document.copies.put_in_place(fields)
    if isinstance(root := fields.get("root"), str):
        if (expanded := expand(root)).parts[:1] and expanded.parts[0].startswith("~"):
            document.fail((*path, "root"), f"data.root: found {describe(root)}; there is no such user")
        fields["root"] = str(Path(document.name).parent / expanded)
    return resolve_data(document, fields, path, Path(document.name).parent)


def _augment_field(
    document: Document, path: KeyPath, fields: dict[str, Any], recipe: tuple[KeyPath, Any] | None
) -> dict[str, Any]:
    """`augment` as data or its recipe writes it, with the digests of own steps; empty if neither does."""
    value, what = fields.get("augment"), "data.augment"
    if recipe and (of_recipe := recipe_augment(document, *recipe)) is not None:
        place, written = recipe
        if value is not None and isinstance(written, dict) and "augment" in written:
            document.fail((*place, "augment"), "recipe.augment: data.augment is written too; write one of them")
        if value is None:
            value, path, what = of_recipe, (*place, "augment"), "recipe.augment"
    if value is None:
        return {}
    entry = DATA_SETS.get(str(fields.get("name")))
    size = fields.get("image_size", entry and entry.image_size)
    try:
        value = with_code(value, (Path(document.name).parent, Path()))
        if what == "recipe.augment":  # an error is said at this place; that of data is found below
            read_augmentation(value, size if isinstance(size, int) else 32)
    except (NotationError, ValueError) as error:
        document.fail(path, f"{what}: {error}")
    return {"augment": value}


def written_out(document: Document, path: KeyPath, value: Any) -> dict[str, Any]:
    """A recipe or data set as a mapping, even if only its name is written.

    Args:
        document: The study file's values and their places.
        path: Where the value is; the last key is "data" or "recipe".
        value: A name or a mapping.

    Raises:
        StudyError: The value is neither; the message names the place.
    """
    key = next(part for part in reversed(path) if isinstance(part, str))
    if isinstance(value, str):
        return {SHORT_FORMS[key]: value}
    if not isinstance(value, dict):
        document.fail(path, f"{key}: found {describe(value)}; allowed: a name or a mapping")
    return value


def resolve_data(document: Document, fields: dict[str, Any], path: KeyPath = ("data",), folder: Path = Path()) -> Data:
    """A named data set with some fields replaced. Its facts are kept, and its sizes are checked.

    Args:
        document: The study file's values and their places.
        fields: Fields of Data as written; `name` or `python` is required.
        path: Where the fields are.
        folder: Of the study file; own code is searched there first.

    Raises:
        StudyError: A field is not valid for this data set; the message names the place.
    """
    own, fields = read_own_data(document, fields, path, folder)
    known = _named(document, path, fields, "name", DATA_SETS)
    facts = dict(known.facts)
    check_reading(document, fields, path, known)
    if known.title is None and "copy_of" in fields:
        original = _named(document, path, fields, "copy_of", DATA_SETS)
        if fields.get("classes", original.classes) != original.classes:
            found = f"data.classes: found {describe(fields['classes'])}; {original.name} has {original.classes}"
            document.fail((*path, "classes"), found)
        fields = {"classes": original.classes, "image_size": original.image_size, **fields}
    elif "copy_of" in fields:
        copies = ", ".join(name for name, entry in DATA_SETS.items() if entry.title is None)
        document.fail((*path, "copy_of"), f"data.copy_of is not valid for {known.name}; leave it out, or use {copies}")
    _check_facts(document, path, fields, known)
    root = fields.get("root")
    if "title" not in fields and known.title is None and (own or isinstance(root, str)):
        facts["title"] = (own.python.partition(":")[0] if own else printable(Path(root or "").stem))[:100] or known.name
    if "title" not in fields and "title" not in facts:
        document.fail(path, f"data.title is missing; {known.name} needs a title, or a root to be named after")
    text = {"root": printable(root)} if isinstance(root, str) else {}  # the name of a directory need not be text
    given = {**facts, **fields, **text}

    def checked(values: dict[str, Any]) -> Data:
        found = validate(document, data_model(), path, values).values
        data = Data(**{key: value for key, value in found.items() if key not in OWN})
        return data.model_copy(update={"root": root, "own": own, "stream": data.stream and not known.streamed})

    if unknown := [key for key in ANY if key not in given]:
        given |= infer_missing(document, path, checked({**ANY, **given, "augment": "none"}), unknown)
    return _settled(document, path, checked(given), known)


def _check_facts(document: Document, path: KeyPath, fields: dict[str, Any], known: DataSet) -> None:
    """Fail at a field that would change a fact of a named data set."""
    facts = known.facts
    for key in ("title", *ANY):
        changeable = key not in facts or (key == "image_size" and known.resizable) or known.title is None
        if key in fields and not changeable and fields[key] != facts[key]:
            found = f"data.{key}: found {describe(fields[key])}; {known.name} has {describe(facts[key])}"
            copied = key == "image_size" and can_be_copied(known.name)
            remedy = ", or run with a copy of this size given by `images`, which is remembered" if copied else ""
            document.fail((*path, key), f"{found}; leave it out{remedy}")


def _settled(document: Document, path: KeyPath, data: Data, known: DataSet) -> Data:
    """The data, where its fields go together, without those that say what is so anyway."""
    whitened = PREPROCESSING[data.preprocess].prepare is not None
    if wrong := augmentation_error(data.augment, data.channels, whitened, data.streamed):
        document.fail((*path, "augment"), f"data.augment: {wrong}")
    if data.stream:
        for key, value in (("channels", 3), ("resize", None)):
            if getattr(data, key) != value:
                found = describe(getattr(data, key))
                document.fail((*path, key), f"data.{key}: found {found}; allowed for stream: true: {value or 'none'}")
    if data.on_damaged == "skip" and (data.streamed or not known.folders):
        document.fail((*path, "on_damaged"), f"data.on_damaged: found skip; allowed for {known.name}: refuse")
    if known.options and data.resize == "crop" and "python" not in known.options and known.name != "arrays":
        data = data.model_copy(update={"resize": None})  # what image files get if nothing is said
    for key, most in zip(("train_size", "test_size"), known.images):
        size = getattr(data, key)
        if size is not None and most is not None and size > most:
            document.fail((*path, key), f"data.{key}: found {size}; {known.name} has {most}")
        if size == most:
            data = data.model_copy(update={key: None})
    return data


def replace_fields(
    model: Recipe | Data,
    changes: dict[str, Any],
    folder: Path = Path(),
    recorded: Recorded = tuple,
    kept: Collection[str] = (),
) -> Any:
    """A recipe or data with some fields changed.

    Args:
        model: The recipe or data.
        changes: Values by field, as written in a study file. A dotted field is inside another: "loss.args.gamma".
        folder: Of the study file; the modules of own code are searched there first.
        recorded: As in Document.
        kept: The fields of optimizers in a recipe that another optimizer does not set to its defaults.

    Raises:
        StudyError: A field or value is not valid; the message names the key, without its place.
    """
    if isinstance(model, Recipe) and "augment" in changes:
        raise StudyError("unknown axis 'recipe.augment'; use data.augment")
    kind = "recipe" if isinstance(model, Recipe) else "data"
    names = list(recipe_model().model_fields) if kind == "recipe" else [name for name in WRITTEN if name not in FIXED]
    for key in changes:
        if key.partition(".")[0] not in names:
            raise StudyError(f"unknown axis '{kind}.{key}'; {allowed(key, names)}")
    document = Document("", {}, {}, recorded=recorded)
    if isinstance(model, Recipe):
        return _recipe(document, (kind,), _changed_recipe(document, model, changes, kept), folder)
    fields = {**as_fields(model), "augment": as_written(model.augment, code=True)}
    if "augment" in changes:
        try:
            changes = {**changes, "augment": with_code(changes["augment"], (folder, Path()))}
        except NotationError as error:
            raise StudyError(f"data.augment: {error}") from None
    for key, value in changes.items():
        fields = _changed(fields, kind, key.split("."), value)
    fields = forget_facts(model, fields, changes)
    others = {name: getattr(model, name) for name in SET_BY_OTHERS}
    written = {key: value for key, value in fields.items() if value is not None and key not in others}
    return resolve_data(document, written, (kind,), folder).model_copy(update=others)


def _changed_recipe(document: Document, model: Recipe, changes: dict[str, Any], kept: Collection[str]) -> dict[str, Any]:
    """The fields of a recipe with some changes, flat. Whole fields are changed before values inside them."""
    fields, written = as_fields(model), dict[str, Any]()
    for key in sorted(changes, key=lambda key: key.count(".")):
        first, *rest = key.split(".")
        if first in KINDS and rest and isinstance(fields[first], str):  # the field of a named optimizer, schedule or loss
            field = first if rest == ["name"] else ".".join(rest)
            known = dict.fromkeys(name for entry in KINDS[first].values() for name in entry.fields)
            if field not in (first, *known, *WITH.get(first, ())):
                raise StudyError(f"unknown axis 'recipe.{key}'; {allowed(field, ('name', *known))}")
            flat = {field: changes[key]}
        else:
            fields = _changed(fields, "recipe", [first, *rest], changes[key])
            flat = flat_fields(document, ("recipe",), {first: fields[first]}, model.values, written)
        if twice := [field for field in flat if field in written and not rest]:
            raise StudyError(f"recipe.{key}: recipe.{twice[0]} is written twice; leave one of them out")
        written |= flat
        fields |= flat
    if "args" in written:
        written["python"] = fields.get("python")
    return {**model.values, **changed_kind(model.values, written, kept), **written}


def _changed(fields: dict[str, Any], place: str, path: list[str], value: Any) -> dict[str, Any]:
    """A mapping with one value changed, which may be inside mappings of it. A name there is short for {name: ...}."""
    first, *rest = path
    if not rest:
        return {**fields, first: value}
    place, inner = f"{place}.{first}", fields.get(first)
    if isinstance(inner, (str, int, float)):
        inner = {LEADING.get(first, "name"): inner}
    if not isinstance(inner, dict | None):
        raise StudyError(f"{place}.{'.'.join(rest)}: {place} is {describe(inner)}, not a mapping")
    return {**fields, first: _changed(inner or {}, place, rest, value)}
