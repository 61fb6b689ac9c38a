"""A study file with `studies`: other studies whose variants stand in one table, one set of figures and one page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ablate.errors import StudyError
from ablate.kinds.measures import OwnMeasure, name_of
from ablate.study.baseline import find_baselines
from ablate.study.data import Data
from ablate.study.document import Document
from ablate.study.expand import beside_axes
from ablate.study.heading import heading
from ablate.study.labels import label
from ablate.study.limits import limited_costs
from ablate.study.plan import Enumeration, enumerate_variants
from ablate.study.program import ProgramStudy
from ablate.study.resolve import check_titles
from ablate.study.schema import StudyFile
from ablate.study.study import Study, Variant
from ablate.study.validation import validate

KEYS = ("name", "title", "source", "notes", "studies", "figures", "figure_style", "panels", "table")
STUDY = "study"  # of `table.group_by`: a group of rows for each study


class Together(NamedTuple):
    """Studies in one report.

    Args:
        study: What they have in common, and the title, notes and table of the file that names them.
        enumeration: The variants of all, each once.
        baselines: The baseline of each variant in its own study; None for none.
    """

    study: Study
    enumeration: Enumeration
    baselines: tuple[Variant | None, ...]


def read_together(document: Document, scale: str, load: Callable[[Path], Study | ProgramStudy]) -> Together:
    """The studies that a file names.

    Args:
        document: The file, which has `studies`.
        scale: The name of the scale at which they are loaded; "" for none.
        load: Loads one of them.

    Raises:
        StudyError: One of them is not valid, or they cannot stand in one table; the message names the place.
    """
    for key in document.value:
        if key not in KEYS:
            document.fail((key,), f"'{key}' is not valid beside 'studies'; write it in the studies that are named")
    file = validate(document, StudyFile, (), document.value)
    folder = Path(document.name).parent
    paths = [folder / name for name in file.studies or ()]
    studies: list[Study] = []
    for i, path in enumerate(paths):
        study = load(path)
        if isinstance(study, ProgramStudy) or study.search or study.until or study.tune or not study.seeds:
            wanted = "allowed: a study of networks with 'variants' and a fixed number of seeds, without 'tune'"
            document.fail(("studies", i), f"studies: {path.name} is none that may stand beside others; {wanted}")
        _check_alike(document, i, studies, study)
        studies.append(study)
    check_titles(
        document,
        [(("studies", i), one) for i, study in enumerate(studies) for entry in study.entries for one in entry.data],
    )
    studies = _measured_alike(studies)
    first, head = studies[0], heading(document, file)
    if (group := head["table"].group_by) not in (None, STUDY):
        document.fail(("table", "group_by"), f"table.group_by: found '{group}'; allowed: {STUDY}")
    together = replace(
        first,
        **head | {"name": f"{file.name}_{scale}" if scale else file.name},
        copies=tuple({copy: None for study in studies for copy in study.copies}),
        auto_precision=max(study.auto_precision for study in studies),
        entries=tuple(entry for study in studies for entry in study.entries),
        where=None,
        budget=None,
        baseline=None,
        panels=tuple((title, tuple(nets)) for title, nets in file.panels.items()),
        published=tuple(one for study in studies for one in study.published),
        chosen=tuple(dict.fromkeys(text for study in studies for text in study.chosen)),
        measures=tuple(dict.fromkeys(one for study in studies for one in study.measures)),
        effects=False,
    )
    return Together(together, *_in_one(together, studies))


def _check_alike(document: Document, place: int, others: Sequence[Study], study: Study) -> None:
    """Check that a study may stand in one table with others: it decides by the same, on the same kind of images."""
    if limited := limited_costs(study.where, study.measured_budget):
        alone = f"{study.name} limits {limited[0]}, which is measured on a device; report it alone"
        document.fail(("studies", place), f"studies: {alone}")
    for first in others[:1]:
        alike: Iterable[tuple[str, object, object]] = (
            ("the directory", first.folder.resolve(), study.folder.resolve()),
            ("decide_by", first.decision, study.decision),
            ("epoch_rule", first.epoch_rule, study.epoch_rule),
            ("validation", first.held_out, study.held_out),
            ("seeds", first.seeds, study.seeds),
        )
        for key, one, other in alike:
            if one != other:
                differ = f"{first.name} and {study.name} differ in {key}"
                document.fail(("studies", place), f"studies: {differ}; one table needs the same in all of them")


def _measured_alike(studies: Sequence[Study]) -> list[Study]:
    """The studies with the measures of all, and on the same data with all further test images; no id has them."""
    data = [one for study in studies for entry in study.entries for one in entry.data]
    measures: dict[str, str | OwnMeasure] = {}
    for one in (one for each in data for one in each.measures):
        measures.setdefault(name_of(one), one)

    def with_all(one: Data) -> Data:
        tests = {test.column: test for each in data if each.title == one.title for test in each.also_test}
        return one.model_copy(update={"measures": tuple(measures.values()), "also_test": tuple(tests.values())})

    return [
        replace(study, entries=tuple(replace(entry, data=tuple(map(with_all, entry.data))) for entry in study.entries))
        for study in studies
    ]


def _in_one(together: Study, studies: Sequence[Study]) -> tuple[Enumeration, tuple[Variant | None, ...]]:
    """The variants of some studies, each once, under names that tell them apart, and their baselines."""
    beside = beside_axes(together)
    kept: dict[str, Variant] = {}
    baselines: dict[str, str | None] = {}
    remarks: list[tuple[str, ...]] = []
    for study in studies:
        enumeration = enumerate_variants(study, beside)
        ids = [variant.trials(study.seeds[:1])[0].id for variant in enumeration.variants]
        of_id = {id(variant): trial for variant, trial in zip(enumeration.variants, ids)}
        for variant, trial, base in zip(enumeration.variants, ids, find_baselines(study, enumeration)):
            group = study.title if together.table.group_by == STUDY else ""
            kept.setdefault(trial, replace(variant, designs=(), group=group))
            own = None if base is None else of_id[id(base)]
            if baselines.get(trial) in (None, trial):  # that of a study in which it is no baseline, if there is one
                baselines[trial] = own
        remarks.append(enumeration.dropped)
    variants = tuple(kept.values())
    texts = [label(variant) for variant in variants]
    if twice := [text for text in texts if texts.count(text) > 1]:
        raise StudyError(f"{together.name}: two studies name different variants '{twice[0]}'; give them a 'label'")
    dropped = tuple(line for lines in remarks for line in lines)
    names = {text: [variant] for text, variant in zip(texts, variants)}
    places = {trial: kept[base] if base else None for trial, base in baselines.items()}
    return Enumeration(variants, (), (), dropped, names, together.chosen, ()), tuple(places[trial] for trial in kept)
