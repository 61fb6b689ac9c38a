"""What a study may leave out or write in another form about its images: own code, and what images say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.data.augmentation_lists import as_written
from ablate.data.data_sets import DATA_SETS, DataSet
from ablate.errors import DataError, NotationError, describe
from ablate.own_code import OwnCode, own_code_error, read_own_code
from ablate.own_modules import default_arguments
from ablate.study.data import Data
from ablate.study.document import Document, KeyPath

OWN = ("python", "args")  # keys of own code that returns images
READING = ("resize", "split", "columns", "stream")  # keys that only some data sets have; see DataSet.options
ANY = {"classes": 2, "image_size": 32, "channels": 3}  # what images say of themselves, and values that are valid of any


def read_own_data(
    document: Document, fields: dict[str, Any], path: KeyPath, folder: Path
) -> tuple[OwnCode | None, dict[str, Any]]:
    """(the own code that returns the images, the other fields of the data). Own code needs no `name`.

    Args:
        document: The study file's values and their places.
        fields: Of the data, as written.
        path: Where the fields are.
        folder: Of the study file; own code is searched there first.

    Raises:
        StudyError: The own code is not valid, cannot be imported, or does not fit its arguments.
    """
    if "python" not in fields:
        if fields.get("name") == "python" or "args" in fields:
            key = "args" if "args" in fields else "name"
            document.fail((*path, key), "data.python is missing; allowed: such as python: my_data:load")
        return None, fields
    if (name := fields.get("name", "python")) != "python":
        document.fail((*path, "name"), f"data.name: found {describe(name)}; leave it out where data.python is given")
    written = {key: fields[key] for key in OWN if key in fields}
    if wrong := own_code_error(written):
        document.fail((*path, *(key for key in OWN if wrong.startswith(f".{key}"))), f"data{wrong}")
    try:
        own = read_own_code(written, (folder, Path()))
        own.check("root")
    except NotationError as error:
        document.fail((*path, "python"), f"data.python: {error}")
    return own, {"name": "python", **{key: value for key, value in fields.items() if key not in OWN}}


def check_reading(document: Document, fields: dict[str, Any], path: KeyPath, known: DataSet) -> None:
    """Check the keys that say how images are read, which not every data set has.

    Args:
        document: The study file's values and their places.
        fields: Of the data, as written.
        path: Where the fields are.
        known: The data set.

    Raises:
        StudyError: The data set does not have one of the keys.
    """
    for key in READING:
        if fields.get(key) and key not in known.options:
            names = [name for name, entry in DATA_SETS.items() if key in entry.options]
            document.fail(
                (*path, key), f"data.{key} is not valid for {known.name}; leave it out, or use {', '.join(names)}"
            )


def infer_missing(document: Document, path: KeyPath, data: Data, unknown: list[str]) -> dict[str, Any]:
    """The values of some of classes, image_size and channels, as the images themselves have them.

    Where the images are missing, these are the values that the records of the same images have.

    Args:
        document: The study file's values and their places.
        path: Where the data is.
        data: The data, with any values of what is unknown.
        unknown: The keys that the study does not write.

    Raises:
        StudyError: The images are missing and are in no record, or are not all of one size.
    """
    from ablate.data.cache import infer_facts
    from ablate.data.location import find_location

    sized = "image_size" in unknown
    if sized and data.resize:
        document.fail(path, f"data.image_size is missing; resize: {data.resize} needs it, such as image_size: 32")
    location = find_location(None).of(data.root)
    try:
        facts = infer_facts(data.name, location, data.read_options._replace(channels=None), 0 if sized else data.image_size)
    except (DataError, NotationError) as error:
        if known := _recorded_facts(document, data, unknown):
            return known
        if data.own:
            document.fail((*path, "python"), f"data.python: {error}")
        if data.root:
            remedy = f"correct the path, or write {' and '.join(unknown)} to plan without the images"
            document.fail((*path, "root"), f"data.root: {error}; {remedy}")
        document.fail(path, f"data.{unknown[0]} is missing: {error}; write {', '.join(unknown)}, or data.root")
    if sized and facts.image_size is None:
        document.fail(path, f"data.image_size is missing: images of {facts.found} pixels; write the size that they get")
    return {key: getattr(facts, key) for key in unknown}


def _recorded_facts(document: Document, data: Data, unknown: list[str]) -> dict[str, Any]:
    """The values of some keys in the records of the same images; empty if there is no record, or if records differ."""
    identity = data.identity()
    same = ("name", "title", "columns", *(key for key in ANY if key not in unknown))
    rows = [row for row in document.recorded() if all(row.get(key) == identity.get(key) for key in same)]
    if data.own:
        rows = _rows_of_code(data.own, rows)
    facts = [{key: row.get(key) for key in unknown} for row in rows]
    return facts[0] if facts and all(each == facts[0] for each in facts) else {}


def _rows_of_code(own: OwnCode, rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of some own code with its arguments; without these the first of the code, as an axis may give all others."""
    defaults, of_code, exact = default_arguments(own.python, own.code), [], []
    for row in rows:
        match row.get("own"):
            case {"python": own.python, "code": own.code, **rest} if isinstance(args := rest.get("args", {}), dict):
                of_code.append(row)
                if {**defaults, **args} == own.all_arguments:
                    exact.append(row)
    return exact or of_code[:1]


def data_fields(data: Data) -> dict[str, Any]:
    """The fields of data as a study file writes them, by name.

    Args:
        data: The data.
    """
    plain = {key: value.model_dump() for key in ("split", "columns") if (value := getattr(data, key))}
    own = data.own.written if data.own else {}
    fields = {**data.values, **plain, "augment": as_written(data.augment), **own}
    return {key: value for key, value in fields.items() if key != "own"}


def forget_facts(data: Data, fields: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of data whose own code gets other arguments, without what its images said before.

    Args:
        data: Before the changes.
        fields: After the changes, as written.
        changes: Values by field.
    """
    if not any(key.partition(".")[0] == "args" for key in changes):
        return fields
    kept = ("image_size",) if data.resize else ()
    return {key: value for key, value in fields.items() if key not in ANY or key in kept}
