"""load_study(): a YAML file or a mapping -> Study. Nothing is left unchecked, and every error names its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ablate.data.copies import Copies, Copy
from ablate.errors import StudyError, allowed, describe
from ablate.statistics.sequential import Rule
from ablate.study.axis_text import plain
from ablate.study.chosen import Within, take_chosen
from ablate.study.design_schema import DESIGNS
from ablate.study.document import Document, KeyPath, Recorded, open_document
from ablate.study.expression import compile_expression
from ablate.study.heading import heading
from ablate.study.network_file import read_network_study
from ablate.study.program import ProgramStudy
from ablate.study.program_file import read_program_study, refuse_other_keys
from ablate.study.schema import StudyFile
from ablate.study.study import Study
from ablate.study.table_style import SEARCH_COLUMNS, read_labels
from ablate.study.until import read_until
from ablate.study.validation import validate
from ablate.study.values import read_seeds


def load_study(
    path: str | Path,
    overrides: Iterable[str] = (),
    scale: str = "",
    *,
    precision: Callable[[], str] | None = None,
    within: Within = (),
) -> Study:
    """The study of networks in a file, completely checked.

    Args:
        path: The YAML file.
        overrides: Values that replace those of the file, such as "recipe.epochs=30".
        scale: The name of one of the study's scales; "" for the study without a scale.
        precision: As in load_any_study().
        within: The studies that are being loaded and take a value from this one.

    Raises:
        StudyError: The study is not valid, or is of a training program; the message names the place.
    """
    found = load_any_study(path, overrides, scale, precision=precision, within=within)
    if isinstance(found, ProgramStudy):
        raise StudyError(f"{path}: a study with 'program'; allowed: a study with 'data' and 'recipe'")
    return found


def load_any_study(
    path: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    scale: str = "",
    *,
    copies: Sequence[Copy] = (),
    remembered: Sequence[Copy] = (),
    precision: Callable[[], str] | None = None,
    recorded: Recorded = tuple,
    within: Within = (),
) -> Study | ProgramStudy:
    """The study in a file or a mapping, of networks or of a training program, completely checked.

    Args:
        path: The YAML file, or a mapping with the keys of one; what a file finds beside it is then found in the current
            directory.
        overrides: As in load_study().
        scale: As in load_study().
        copies: Images in place of data sets that the study names.
        remembered: The like of earlier runs; not every study names their data sets.
        precision: Returns what `precision: auto` becomes; None: it is refused.
        recorded: As in Document.
        within: As in load_study().

    Raises:
        StudyError: The study is not valid; the message names the place.
    """
    document = open_document(path)
    document.copies = Copies({copy.data_set: copy for copy in copies}, {copy.data_set: copy for copy in remembered})
    document.choose_precision, document.recorded = precision, recorded
    path = Path(document.name)
    if scale:
        _lay_over(document, scale)
    for assignment in overrides:
        document.override(assignment)
    load = partial(load_any_study, remembered=(*remembered, *copies), precision=precision, recorded=recorded)
    if "studies" in document.value:
        document.fail(("studies",), "'studies' names whole studies and is none of its own; name its studies instead")
    chosen = take_chosen(document, (*within, (path.resolve(), scale)), load)
    _check_values(document, (), document.value)
    if "program" in document.value:
        refuse_other_keys(document)
    file = validate(document, StudyFile, (), document.value)
    for name, keys in file.scales.items():
        _check_scale(document, name, keys)
    _check_table(document, file)
    if file.where is not None:
        try:
            compile_expression(file.where)
        except StudyError as error:
            document.fail(("where",), str(error))
    seeds, until = _seeds(document, file)
    effects = file.effects if isinstance(file.effects, bool) else tuple(file.effects)
    shared = {**heading(document, file), "scale": scale, "folder": path.parent, "chosen": chosen}
    shared |= {"seeds": seeds, "until": until, "effects": effects}
    shared["labels"] = read_labels(document, file.labels, shared["table"].group_by)
    if file.program is not None:
        document.copies.check(copies)
        return read_program_study(document, file, shared)
    return read_network_study(document, file, shared, copies)


def _check_table(document: Document, file: StudyFile) -> None:
    """Check that a study has what the keys of its table need: variants that are trained, and published values."""
    if file.search is not None:
        _check_search_table(document, file)
    if file.table is None:
        return
    if file.seeds == 0:
        document.fail(("table",), "table: found seeds: 0; allowed: 1 or more seeds, as nothing else has results to order")
    if file.published:
        return
    for i, column in enumerate(file.table.columns or ()):
        if column in ("published", "minus_published"):
            document.fail(("table", "columns", i), f"table.columns: '{column}' needs 'published' rows; add them")
    if file.table.order == "published":
        document.fail(
            ("table", "order"), "table.order: 'published' needs 'published' rows; add them, or use result or study"
        )


def _check_search_table(document: Document, file: StudyFile) -> None:
    """Check that `table` and `labels` name what the table of a search has."""
    for i, column in enumerate((file.table.columns if file.table else None) or ()):
        if column not in SEARCH_COLUMNS:
            document.fail(("table", "columns", i), f"table.columns: found {column}; {allowed(column, SEARCH_COLUMNS)}")
    written = document.value.get("table")
    for key in ("group_by", "statistic", "mark"):
        if isinstance(written, dict) and key in written:
            document.fail(("table", key), f"table.{key}: not valid with 'search'; leave it out")
    space = file.search.space if file.search else {}
    known = {axis: dict.fromkeys(map(plain, each)) if isinstance(each, list) else None for axis, each in space.items()}
    read_labels(document, file.labels, None).check_known(known)


def _lay_over(document: Document, scale: str) -> None:
    """Apply one of the study's scales. Its name is added to the study's, so that reports have separate directories."""
    scales = document.value.get("scales")
    if not isinstance(scales, dict) or scale not in scales:
        known = allowed(scale, scales) if isinstance(scales, dict) and scales else "the study has no scales"
        raise StudyError(f"{document.name}: unknown scale '{scale}'; {known}")
    _check_scale(document, scale, scales[scale])
    if isinstance(name := document.value.get("name"), str):
        document.value["name"] = f"{name}_{scale}"
    document.overlay(("scales", scale), ("data", "recipe", "budget", "search", "tune", "program"))


def _check_scale(document: Document, scale: str, keys: Any) -> None:
    """Check that a scale is a mapping of a study's keys. Its values are checked when the scale is used."""
    if not isinstance(keys, dict):
        document.fail(("scales", scale), f"scales.{scale}: found {describe(keys)}; allowed: a mapping")
    known = [key for key in StudyFile.model_fields if key != "scales"]
    for key in keys:
        if key not in known:
            document.fail(("scales", scale, key), f"scales.{scale}: unknown key '{key}'; {allowed(key, known)}")


def _check_values(document: Document, path: KeyPath, value: Any) -> None:
    """Fail at a key without a value, which would silently mean the default, and at a number that an id cannot hold.

    In a scale a key without a value removes the key.
    """
    if path == ("scales",):
        return
    if value is None and not any(part == "args" or str(part).startswith("args.") for part in path):
        document.fail(path, f"{'.'.join(map(str, path))} has no value; give one, or leave the key out")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        found = f"{'.'.join(map(str, path))}: found {describe(value)}"
        document.fail(path, f"{found}; allowed: whole numbers of 64 bits, or text")
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        _check_values(document, (*path, key), child)


def _seeds(document: Document, file: StudyFile) -> tuple[tuple[int, ...], Rule | None]:
    """The seeds of a study, from their number or a list; or the most seeds, and the rule that says how many."""
    if isinstance(file.seeds, dict):
        designed = any(getattr(entry, kind) is not None for entry in file.variants or () for kind in DESIGNS)
        compared = file.baseline is not None or designed  # a design may have a baseline of its own
        until = read_until(document, file.seeds, compared, file.search is not None)
        return tuple(range(until.most)), until
    seeds = 1 if file.seeds is None else file.seeds  # only a search may leave them out
    return read_seeds(document, ("seeds",), seeds, 0, more=", or {from: 4, to: 20, until: decided}"), None
