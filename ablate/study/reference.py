"""The keys of a study file as one page of Markdown, read from the models and the tables."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from ablate.data.augmentation_lists import NAMED
from ablate.data.augmentations import AUGMENTATIONS
from ablate.data.data_sets import DATA_SETS
from ablate.data.preprocessing import PREPROCESSING
from ablate.kinds.figures import FIGURES
from ablate.kinds.measures import MEASURES
from ablate.kinds.recipes import RECIPES
from ablate.registry import Kind
from ablate.study.budget_file import BudgetFile
from ablate.study.data import Data, Keep
from ablate.study.data_schema import NOT_WRITTEN, data_model
from ablate.study.design_schema import FactorialFile, FractionalFile, LeaveOneOutFile
from ablate.study.extra_test_file import ExtraTestFile
from ablate.study.measure_file import MeasureFile
from ablate.study.program_schema import ProgramFile
from ablate.study.published import Protocol, PublishedFile, RowFile
from ablate.study.recipe import Recipe
from ablate.study.recipe_schema import KINDS, recipe_model
from ablate.study.schema import EntryFile, StudyFile, TaskFile
from ablate.study.search_schema import RangeFile, SearchFile, TuneFile, ValidationFile
from ablate.study.table_style import TableStyle
from ablate.study.until import UntilFile
from ablate.study.validation import nested_model

# title -> (model, what the section is about)
MODELS: dict[str, tuple[type[BaseModel], str]] = {
    "A study": (StudyFile, "The top level of a study file. A study with `search` is run by `ablate search`."),
    "`seeds` until it is decided": (UntilFile, "In place of a number. The study needs a `baseline`."),
    "`variants`": (EntryFile, "A list of items; each has exactly one of the first eight keys."),
    "`table`": (TableStyle, ""),
    "`leave_one_out`": (LeaveOneOutFile, ""),
    "`factorial`": (FactorialFile, ""),
    "`fractional`": (FractionalFile, ""),
    "`budget`": (BudgetFile, ""),
    "`validation`": (ValidationFile, ""),
    "`search`": (SearchFile, ""),
    "`tune`": (TuneFile, ""),
    "A parameter in `search.space` or `tune.space`": (RangeFile, "Or a list of choices."),
    "`program`": (ProgramFile, ""),
    "An item of `measures`": (MeasureFile, ""),
    "An item of `also_test`": (ExtraTestFile, ""),
    "`keep`": (Keep, ""),
    "`task`": (TaskFile, ""),
    "`published`": (PublishedFile, "A list of tables."),
    "`published.protocol`": (Protocol, ""),
    "A row in `published.rows`": (RowFile, ""),
}
HEAD = ("Key", "Value", "Default", "Meaning")


def reference() -> str:
    """Every key of a study file, its allowed values, its default and its meaning, as Markdown."""
    lines = [
        "# All keys of a study file",
        "",
        "Made by `ablate schema --markdown`. `ablate schema` prints the same as a JSON Schema, for editors. A mapping with",
        "a `name`, such as `{name: cosine}`, may be written as the name alone; inside it are its other keys.",
        "Where a data set, an augmentation step, an optimizer, a schedule, a loss or a measure is named, `{python:",
        "module:callable, args: {...}}` may stand instead.",
    ]
    study, *others = MODELS.items()
    lines += _section(*study)
    lines += ["", "## `data`", ""]
    named = [name for name in Data.model_fields if name not in NOT_WRITTEN]
    lines += _table(HEAD, _rows(data_model(), Data, named))
    lines += ["", "The data sets. A study gives the facts that are missing here.", ""]
    lines += _table(("Name", "Title", "Classes", "Pixels", "Training, test images"), _data_sets())
    lines += ["", "Preprocessing:", ""]
    lines += _table(("Name", "Meaning"), ([f"`{e.name}`", e.explained or e.words] for e in PREPROCESSING.values()))
    lists = ", ".join(f"`{name}` ({words})" for name, (_, words) in NAMED.items())
    lines += ["", f"`augment` is a list of steps in order, or one of {lists}. The steps:", ""]
    lines += _kinds(AUGMENTATIONS)
    lines += ["", "## `recipe`", "", "`base` is required: a recipe's name. Every other key is a change of it.", ""]
    lines += _table(HEAD, _rows(recipe_model(), Recipe, Recipe.model_fields))
    for key, table in KINDS.items():
        lines += ["", f"`{key}`, and the keys that only one of them has:", ""]
        lines += _kinds(table)
    lines += ["", "The named recipes. A key that a recipe does not have is at its default.", ""]
    keys = list(dict.fromkeys(key for entry in RECIPES.values() for key in entry.fields))
    values = ([f"`{key}`", *(_value(entry.fields.get(key)) for entry in RECIPES.values())] for key in keys)
    lines += _table(("Key", *(f"`{name}`" for name in RECIPES)), values)
    for each in others:
        lines += _section(*each)
    lines += ["", "## Names", "", "Measures:", ""]
    lines += _table(("Name", "Meaning"), ([f"`{one.name}`", f"{one.words}, {one.unit}"] for one in MEASURES.values()))
    lines += ["", "Figures:", ""]
    figures: dict[str, list[str]] = {}  # several kinds of reports have a figure of one name
    for one in FIGURES:
        if "search" not in one.reports:
            words = one.alt_text.format(measure="error", Measure="Error")
            figures.setdefault(one.name, [f"`{one.name}`", words, one.choice])
    lines += _table(("Name", "It shows", "Drawn"), figures.values())
    return "\n".join(lines) + "\n"


def _section(title: str, described: tuple[type[BaseModel], str]) -> list[str]:
    """The lines of a section on one model."""
    model, about = described
    text = about or " ".join(inspect.cleandoc(model.__doc__ or "").split("\n\n")[0].split())
    return ["", f"## {title}", "", text, "", *_table(HEAD, _rows(model, model, model.model_fields))]


def _rows(model: type[BaseModel], documented: type[BaseModel], names: Iterable[str]) -> Iterable[list[str]]:
    """A row of the table for each field. The meaning is the field's description, or stands in the class's docstring."""
    schema = model.model_json_schema()
    explained = _arguments(documented)
    sections = [each for each, _ in MODELS.values()]
    for name in names:
        info, written = model.model_fields[name], schema["properties"][name]
        default = "" if info.is_required() else _value(info.get_default(call_default_factory=True))
        required = info.is_required() and model is documented  # a recipe's or data set's name gives the other fields
        meaning = info.description or documented.model_fields[name].description or explained.get(name, "")
        meaning = meaning[:1].lower() + meaning[1:].removesuffix(".")
        yield [f"`{name}`", _allowed_values(written, schema), "required" if required else default, meaning]
        nested = nested_model(info.annotation)
        if nested and nested not in sections:
            for key, *row in _rows(nested, nested, nested.model_fields):
                yield [f"&emsp;{key}", *row]


def _arguments(model: type[BaseModel]) -> dict[str, str]:
    """The text on each argument in the docstrings of a class and of those that it is made from, by name."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        name = ""
        for line in inspect.cleandoc(each.__doc__ or "").partition("Args:\n")[2].split("\n"):
            if match := re.match(r" {4}(\w+): (.*)", line):
                name, found[match[1]] = match[1], match[2]
            elif name and line.startswith(" " * 8):
                found[name] += f" {line.strip()}"
            else:
                name = ""
    return found


def _kinds(table: Mapping[str, Kind]) -> list[str]:
    """The table of the entries of a kind and of their fields."""

    def rows() -> Iterable[list[str]]:
        for entry in table.values():
            yield [f"`{entry.name}`", "", "", entry.words]
            for name, annotation in entry.fields.items():
                schema = TypeAdapter(annotation).json_schema()
                default = _value(entry.defaults[name]) if name in entry.defaults else ""
                yield [f"&emsp;`{name}`", _allowed_values(schema, schema), default, schema.get("description", "")]

    return _table(HEAD, rows())


def _data_sets() -> Iterable[list[str]]:
    """A row for each data set."""
    for entry in DATA_SETS.values():
        pixels = f"{entry.image_size} x {entry.image_size} x {entry.channels}" if entry.image_size else ""
        counts = ", ".join(f"{n:,}" for n in entry.images if n is not None)
        yield [f"`{entry.name}`", entry.title or "", f"{entry.classes or ''}", pixels, counts]


def _allowed_values(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """The values that a JSON Schema allows, in words, such as "a number above 0, up to 100"."""
    if "$ref" in schema:
        return "a mapping"
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{_value(each)}`" for each in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        parts = [_allowed_values(part, whole) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(filter(None, parts)))
    low, high = (_bound(schema, *names) for names in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")))
    bounds = [f"{'above' if low[1] else 'from'} {low[0]}"] if low else []
    bounds += [f"{'below' if high[1] else 'up to'} {high[0]}"] if high else []
    match schema.get("type"):
        case "integer":
            return " ".join(["a whole number", *bounds])
        case "number":
            return " ".join(["a number", *bounds])
        case "boolean":
            return "`true`, `false`"
        case "string":
            return "a text"
        case "array":
            inner = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
            of = _allowed_values(inner, whole)
            return f"a list of: {of}" if of else "a list"
        case "object":
            return "a mapping"
    return ""


def _bound(schema: Mapping[str, Any], inclusive: str, exclusive: str) -> tuple[Any, bool] | None:
    """A bound of a JSON Schema and whether it is exclusive; None where there is none."""
    for key in (inclusive, exclusive):
        if key in schema:
            return (f"{schema[key]:,}" if isinstance(schema[key], int) else schema[key]), key == exclusive
    return None


def _value(value: Any) -> str:
    """A value as a study file writes it; "" for none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_value, value))}]" if value else ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None or isinstance(value, (dict, BaseModel)) else str(value)


def _table(head: tuple[str, ...], rows: Iterable[list[str]]) -> list[str]:
    """A Markdown table. A column without any value is left out."""
    cells = [[text.replace("|", "\\|").replace("\n", " ") for text in row] for row in rows]
    kept = [i for i in range(len(head)) if any(row[i] for row in cells)]
    widths = [max(len(row[i]) for row in (list(head), *cells)) for i in kept]

    def line(row: list[str] | tuple[str, ...]) -> str:
        return "| " + " | ".join(row[i].ljust(width) for i, width in zip(kept, widths)) + " |"

    return [line(head), "| " + " | ".join("-" * width for width in widths) + " |", *map(line, cells)]
