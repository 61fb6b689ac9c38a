"""read_network_study(): a study file of networks -> Study. Every error names file:line:column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ablate.data.copies import Copy
from ablate.errors import StudyError, allowed, describe
from ablate.kinds.measures import MEASURES
from ablate.study.budget import Budget
from ablate.study.budget_file import read_budget
from ablate.study.data import Data, HeldOut, hold_out
from ablate.study.decision import ShownMeasure
from ablate.study.design_file import Axis, Row, kind_of, read_design
from ablate.study.design_schema import DESIGNS
from ablate.study.document import Document, KeyPath
from ablate.study.extra_test_file import read_extra_tests
from ablate.study.held_out import read_held_out
from ablate.study.limits import MeasuredBudget, limited_costs
from ablate.study.measure_file import read_decision, read_measures
from ablate.study.published import published_values
from ablate.study.recipe import Recipe
from ablate.study.recipe_forms import optimizer_fields, without_optimizer
from ablate.study.resolve import check_titles, read_data, read_recipe, written_out
from ablate.study.schema import EXPANSIONS, EntryFile, StudyFile
from ablate.study.search import Search
from ablate.study.search_file import read_search
from ablate.study.study import Entry, Published, Study
from ablate.study.table_style import read_own_labels
from ablate.study.task_file import read_task, task_objection
from ablate.study.tasks import CLASSIFICATION, ChosenTask
from ablate.study.tune_file import read_tune
from ablate.study.values import axis_values
from ablate.study.written_forms import NET_AXES

PLACES = ("budget", "where", "effects", "variants", "recipe", "data", "panels", "base", "search", "also_test")


def read_network_study(document: Document, file: StudyFile, shared: dict[str, Any], copies: Sequence[Copy]) -> Study:
    """The study of networks, completely checked.

    Args:
        document: The study file's values and their places.
        file: The same as a model.
        shared: The fields of AnyStudy that have been read, by name.
        copies: Images in place of data sets that the study names.

    Raises:
        StudyError: The study is not valid; the message names the place.
    """
    seeds = shared["seeds"]
    for key in ("data", "recipe"):
        _require(document, file, (key,), f"{key} is missing; allowed: such as", key)
    recipe = read_recipe(document, ("recipe",), file.recipe)
    data = read_data(document, ("data",), file.data, (("recipe",), file.recipe))
    if file.baseline is not None and (not isinstance(file.baseline, (str, dict)) or not file.baseline):
        wanted = "a network's name, or values of axes such as {dropout: 0}"
        document.fail(("baseline",), f"baseline: found {describe(file.baseline)}; allowed: {wanted}")
    if isinstance(file.baseline, dict):
        for axis, value in ({"net": file.baseline} if "python" in file.baseline else file.baseline).items():
            axis_values(document, ("baseline", axis), axis, [value])
    task = read_task(document, file.task.model_dump(exclude_unset=True, exclude_none=True))
    for used in data:
        place, wrong = task_objection(task, recipe, used)
        if wrong:
            document.fail(place, wrong)
    held_out = _held_out(document, file, data)
    taken, shown = read_measures(document, file.measures or (), shared["folder"])
    extra: dict[str, Any] = {"keep": file.keep} if file.keep else {}
    extra |= {"task": task} if task.name != CLASSIFICATION else {}
    extra |= {"also_test": read_extra_tests(document, file.also_test, data[0])} if file.also_test else {}
    extra |= {"measures": taken, "decide_by": file.decide_by or ""} if taken else {}
    extra |= {"decide_by": file.decide_by or ""} if task.name != CLASSIFICATION else {}
    data = _with(data, held_out, extra)
    allowed_cost = read_budget(document, file.budget)
    measured_budget = allowed_cost if isinstance(allowed_cost, MeasuredBudget) else None
    budget = allowed_cost if isinstance(allowed_cost, Budget) else None
    if file.search and (limited := limited_costs(file.where, measured_budget)):
        at = ("budget",) if measured_budget else ("where",)
        document.fail(at, f"{at[0]}: {limited[0]} is measured, and limits a study alone; in a search use 'also_minimize'")
    search = None
    if file.search is None:
        for key in ("seeds", "variants"):
            _require(document, file, (), f"'{key}' is missing; add it, such as", key)
        if file.base is not None:
            document.fail(("base",), "'base' is only valid in a study that has 'search'")
        entries = tuple(
            _entry(document, i, entry, file, data, recipe, held_out, extra) for i, entry in enumerate(file.variants or ())
        )
    else:  # one entry: what all candidates have in common
        search = read_search(document, file, data, recipe, seeds, budget)
        written = written_out(document, ("recipe",), file.recipe)
        entries = (
            Entry(
                "grid", {}, data, recipe, written["base"], (), file.depth_rule, file.base, document.place("search"),
                kept=optimizer_fields(written),
            ),
        )  # fmt: skip
    named: list[tuple[KeyPath, Data]] = [(("data", i), one) for i, one in enumerate(data)]
    named += [(("variants", i, "data", j), one) for i, entry in enumerate(entries) for j, one in enumerate(entry.data)]
    extra_tests = enumerate(extra.get("also_test", ()))
    check_titles(document, [*named, *((("also_test", i, "data"), one.data) for i, one in extra_tests if one.data)])
    tune = read_tune(document, file, recipe, entries, held_out, seeds)
    _check_optimizers(document, file, recipe, entries, [each for each in (search, tune and tune.search) if each])
    document.copies.check(copies)
    return Study(
        **shared,
        data=data[0],
        copies=tuple(document.copies.used.values()),
        auto_precision=document.auto_precision,
        recorded=document.recorded,
        recipe=recipe,
        entries=entries,
        where=file.where,
        budget=budget,
        measured_budget=measured_budget,
        baseline=(file.baseline, document.place("baseline")) if file.baseline else None,
        epoch_rule=file.epoch_rule,
        panels=tuple((title, tuple(nets)) for title, nets in file.panels.items()),
        published=_published(document, file, data, task, shown),
        places={key: document.place(key) for key in PLACES},
        search=search,
        decision=read_decision(
            document, file.decide_by, task.entry, shown, bool(search or held_out), extra.get("also_test", ())
        ),
        measures=shown,
        held_out=held_out,
        tune=tune,
    )


def _published(
    document: Document, file: StudyFile, data: tuple[Data, ...], task: ChosenTask, shown: Sequence[ShownMeasure]
) -> tuple[Published, ...]:
    """The published tables, whose measures are those of the study."""
    imagenet = data[0].data_set.imagenet_names
    found = tuple(published_values(document, i, table, file.depth_rule, imagenet) for i, table in enumerate(file.published))
    known = {measure.name for measure in task.entry.measures} | {measure.name for measure in shown}
    known |= {name for one in data for name in one.data_set.measures}
    for i, one in enumerate(found):
        for name in sorted(one.measures - known):
            remedy = "add it to measures" if name in MEASURES else allowed(name, known)
            document.fail(("published", i), f"published.rows.values: '{name}' is no measure of the study; {remedy}")
    return found


def _require(document: Document, file: StudyFile, at: KeyPath, missing: str, key: str) -> None:
    """Fail if a study lacks a key, with an example of it."""
    if getattr(file, key) is None:
        example = StudyFile.model_fields[key].examples
        document.fail(at, f"{missing} {key}: {example[0] if example else ''}")


def _held_out(document: Document, file: StudyFile, data: tuple[Data, ...]) -> tuple[HeldOut, ...]:
    """The images that a study decides on; empty for the test images, and for a search, which has its own key."""
    if file.validation is None or file.search is not None:
        return ()
    if file.epoch_rule != "last":
        document.fail(
            ("epoch_rule",),
            f"epoch_rule: found {file.epoch_rule}; with 'validation' use last: the test images are evaluated after the "
            "last epoch, and the weights of an earlier one are not kept",
        )
    found = [read_held_out(document, ("validation",), file.validation, one, test=True) for one in data]
    return found[0]


def _with(data: tuple[Data, ...], held_out: tuple[HeldOut, ...], extra: dict[str, Any]) -> tuple[Data, ...]:
    """The data sets with what other keys of the study say of them: images that are held out, and measures."""
    parted = [hold_out(one, held_out[0]) for one in data] if held_out else data
    return tuple(one.model_copy(update=extra) if extra else one for one in parted)


def _entry(
    document: Document,
    index: int,
    file: EntryFile,
    study: StudyFile,
    data: tuple[Data, ...],
    recipe: Recipe,
    held_out: tuple[HeldOut, ...],
    extra: dict[str, Any],
) -> Entry:
    """One item of `variants`, checked."""
    path = ("variants", index)
    kind = kind_of(document, path, file, EXPANSIONS)
    content = getattr(file, kind)
    places: dict[tuple[str, Any], str] = {}
    rows, remarks = _designed(document, (*path, kind), content, places) if kind in DESIGNS else ([], [])
    axes = {} if kind in DESIGNS else {"net": content} if kind == "net" else dict(content)
    base = axes.pop("base", None) if kind == "one_at_a_time" else None
    if kind == "one_at_a_time" and not isinstance(base, (str, dict)):
        document.fail((*path, kind), "'one_at_a_time' needs 'base', the network that is changed, such as base: WRN-28-2")
    if base is not None:
        (base,) = axis_values(document, (*path, kind, "base"), "net", base)
    if not axes and not rows:
        document.fail((*path, kind), f"'{kind}' has no axis; add one of {', '.join(NET_AXES)}, recipe.*, data.*")
    single = {axis for axis, values in axes.items() if not isinstance(values, list)}
    for axis, values in axes.items():
        place = path if kind == "net" else (*path, kind)
        axes[axis] = axis_values(document, (*place, axis), axis, values)
        for i, value in enumerate(axes[axis]):
            places[axis, repr(value)] = document.place(*place, axis, i)
    lengths = {axis: len(values) for axis, values in axes.items()}
    if kind == "zip":
        lists = {axis: n for axis, n in lengths.items() if axis not in single}
        if len(set(lists.values())) > 1:
            found = ", ".join(f"{n} ({axis})" for axis, n in lists.items())
            document.fail((*path, kind), f"'zip' has lists of {found}; use lists of one length, and single values")
        longest = max(lengths.values())
        axes = {axis: values * longest if axis in single else values for axis, values in axes.items()}
    own_recipe = recipe if file.recipe is None else read_recipe(document, (*path, "recipe"), file.recipe)
    written = written_out(document, ("recipe",), study.recipe if file.recipe is None else file.recipe)
    if file.data is not None or file.recipe is not None:  # a recipe may set the augmentation
        used: tuple[KeyPath, Any] = (("recipe",), study.recipe) if file.recipe is None else ((*path, "recipe"), file.recipe)
        at: KeyPath = ("data",) if file.data is None else (*path, "data")
        data = read_data(document, at, study.data if file.data is None else file.data, used)
        if study.validation and held_out:
            for one in data:
                read_held_out(document, ("validation",), study.validation, one)
        data = _with(data, held_out, extra)
    name, kept = written["base"], optimizer_fields(written)
    return Entry(
        kind, axes, data, own_recipe, name, tuple(file.stands_for or ()), file.depth_rule or study.depth_rule, base,
        document.place(*path), places, held_out if len(held_out) > 1 else (), tuple(rows), tuple(remarks),
        read_own_labels(document, (*path, "label"), file.label), kept,
    )  # fmt: skip


def _check_optimizers(
    document: Document, file: StudyFile, recipe: Recipe, entries: Sequence[Entry], searches: Sequence[Search]
) -> None:
    """Fail at a field of optimizers that the study writes and that none of its optimizers has: it would do nothing."""
    parameters = [parameter for search in searches for parameter in search.parameters]
    found = [(one.axis, choice, one.place) for one in parameters for choice in one.choices or (None,)]
    for entry in entries:
        values = [(axis, value) for axis, listed in entry.axes.items() for value in listed]
        values += [pair for axes, _ in entry.rows for pair in axes.items()]
        found += [(axis, value, entry.places.get((axis, repr(value)), entry.place)) for axis, value in values]
    recipes: dict[KeyPath, Any] = {("recipe",): file.recipe}
    recipes |= {("variants", i, "recipe"): item.recipe for i, item in enumerate(file.variants or ()) if item.recipe}
    for path, written in recipes.items():
        fields = written_out(document, path, written)
        found += [(f"recipe.{key}", value, document.place(*path, key)) for key, value in fields.items()]
    optimizers = {str(one.optimizer) for one in (recipe, *(entry.recipe for entry in entries))}
    for axis, value, _ in found:
        if axis in ("recipe.optimizer", "recipe.optimizer.name"):
            named = [value.get("name"), value.get("python")] if isinstance(value, dict) else [value]
            optimizers.update(str(name) for name in named if name is not None)
    for axis, _, place in found:
        if not axis.startswith("recipe.") or place == "override":  # that of a command may be for many studies
            continue
        if wrong := without_optimizer(axis.removeprefix("recipe."), optimizers):
            raise StudyError(f"{place}: {wrong}")


def _designed(
    document: Document, path: KeyPath, content: Any, places: dict[tuple[str, Any], str]
) -> tuple[list[Row], list[str]]:
    """The rows of a design of networks, and remarks on it. `places` is filled with the place of each value."""

    def base(at: KeyPath, written: Any) -> dict[str, Any]:
        if written is None and path[-1] in ("factorial", "fractional"):
            return {}
        if not isinstance(written, (str, dict)):
            document.fail(at, f"{path[-1]}.base: found {describe(written)}; allowed: a network, such as WRN-28-2")
        check(at, "net", written)
        return {"net": written}

    def check(at: KeyPath, axis: str, value: Any) -> None:
        axis_values(document, at, axis, [value])
        places[axis, repr(value)] = document.place(*at)

    return read_design(document, path, content, Axis(base, check))
