"""Tuning: a variant of a study with `tune`, and the search that it is given before its seeds are trained.

The search is an ordinary one: a study of its own that has `search`. Its digest hashes the space and all that the variant's
trainings depend on, so that an edit elsewhere in the file changes no choice, and two studies share it. The variant's own
values are the first candidate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

import orjson

from ablate.errors import AblateError, NotationError, StudyError
from ablate.files import content_id
from ablate.nets.architecture import Architecture, format_block
from ablate.nets.families import arguments_of, axes_of, count_network
from ablate.own_modules import takes_argument
from ablate.study.axes import BESIDE, dotted, with_argument
from ablate.study.axis_text import plain, values_text
from ablate.study.data import HeldOut, hold_out
from ablate.study.decision import VALIDATION_ERROR
from ablate.study.expression import compile_expression, names_in
from ablate.study.fields import value_at
from ablate.study.labels import label
from ablate.study.limits import limited_costs
from ablate.study.make_variant import check_batches, excluded
from ablate.study.program import ProgramStudy, ProgramVariant
from ablate.study.recipe_forms import kept_values
from ablate.study.resolve import replace_fields
from ablate.study.search import Parameter, Search, Tune
from ablate.study.space import contains, equal_choices, present, same_value, space_code
from ablate.study.study import Study, Trial, Variant
from ablate.study.tune_file import OF_NETWORK, overlap

NAME = "tune"  # of the searches in Optuna's storage, before their digest
SHARE = 10  # one in so many training images is held out where the study does not say how many
V = TypeVar("V", Variant, ProgramVariant)


@dataclass(frozen=True)
class Tuning(Generic[V]):
    """A variant and the search that it is given.

    Args:
        name: The variant's name for people.
        variant: As the study has it, at its own values.
        study: Of the variant alone, with `search`.
        make: The variant of a candidate from its values by axis, in that search; raises StudyError if it is not valid.
        at: The variant of the study at some values.
    """

    name: str
    variant: V
    study: Study | ProgramStudy
    make: Callable[[dict[str, Any]], V]
    at: Callable[[Mapping[str, Any]], V]

    @property
    def search(self) -> Search:
        """The search of the variant."""
        assert self.study.search is not None
        return self.study.search

    @property
    def id(self) -> str:
        """The id of the choice: 16 hexadecimal digits, of the search and its number of candidates."""
        return content_id(f"{self.search.digest} {self.search.trials}".encode())

    @property
    def untuned(self) -> V:
        """The variant at its own values, with the ids that it has in a study without `tune`."""
        return self.at(self.search.enqueue[0])

    @property
    def open(self) -> V:
        """The variant before its values are chosen."""
        shown = self.at({})
        return replace(shown, untuned=tuple(self.search.axes))


def network_tunings(study: Study, variants: Sequence[Variant]) -> list[Tuning[Variant]]:
    """The tuning of each variant of a study of networks, in order.

    Args:
        study: With `tune`.
        variants: Of its enumeration.

    Raises:
        StudyError: A variant lacks an axis of the space, or its own values are not in it; two variants differ in tuned axes
            alone; a variant cannot have the values of `tune.enqueue`; or the number of images is not known.
    """
    tune = study.tune
    assert tune is not None
    place, where, found = study.places["where"], _condition(study.where, study.places["where"], tune.search.axes), []
    holds = compile_expression(where) if where else None
    more: dict[str, Any] = {"code": space_code(tune.search.parameters, None, study.folder), "where": where}
    rules = dict.fromkeys(entry.depth_rule for entry in study.entries)
    for variant in variants:
        name, parts = label(variant), tune.search.held_out or (_tenth(tune, variant),)
        for parameter in tune.search.parameters:
            _check_axis(variant.architecture, parameter, name)
        data = hold_out(variant.data, parts[0])
        data = data.model_copy(update={"held_out": None, "measures": (), "decide_by": "", "also_test": ()})
        bare = replace(variant, data=data, folds=(), net=name, axes={})
        first = Trial(bare.architecture, bare.recipe, hold_out(data, parts[0]), 0)
        own = partial(_own_of, study, bare)
        also = {**more, **kept_values(tune.search.axes, variant.recipe, variant.kept)}
        search = _search_of(replace(tune.search, held_out=parts), tune, name, own, first.definition, also)
        of_variant = replace(
            study, name=NAME, data=data, recipe=variant.recipe, seeds=tune.seeds, entries=(), where=None, budget=None,
            measured_budget=None, baseline=None, published=(), search=search, decision=VALIDATION_ERROR, held_out=(),
            measures=(), tune=None,
        )  # fmt: skip

        def make(
            values: dict[str, Any], variant: Variant = variant, bare: Variant = bare, part: HeldOut = parts[0]
        ) -> Variant:
            made = _changed(study, bare, values)
            check_batches(made.recipe, hold_out(made.data, part))
            if holds:  # a variant has one of the rules, under which it is kept
                rule = next(rule for rule in rules if not excluded(study, holds, variant, rule))
                if why := excluded(study, holds, _changed(study, variant, values), rule):
                    raise StudyError(f"{place}: {why}")
            shown = {axis: value for axis, value in values.items() if not axis.startswith(BESIDE)}
            return replace(made, net=f"{made.net}, {values_text(shown)}" if shown else made.net)

        def at(values: Mapping[str, Any], variant: Variant = variant) -> Variant:
            made = _changed(study, variant, values)
            axes = {axis: value for axis, value in variant.axes.items() if axis not in tune.search.axes}
            return replace(made, axes=axes, tuned=dict(values))

        found.append(Tuning(name, variant, of_variant, make, at))
    _refuse_twins(found)
    _check_enqueued(found)
    return found


def program_tunings(study: ProgramStudy) -> list[Tuning[ProgramVariant]]:
    """The tuning of each variant of a study of a program, in order.

    Args:
        study: With `tune`.

    Raises:
        StudyError: The variants vary an axis of the space, a variant's own values are not in it, or it cannot have those
            of `tune.enqueue`.
    """
    tune = study.tune
    assert tune is not None
    for parameter in tune.search.parameters:
        if len({repr(variant.axes[parameter.axis]) for variant in study.variants}) > 1:
            raise StudyError(
                f"{parameter.place}: tune.space: {parameter.axis} is varied by 'variants'; leave it out of one of them"
            )
    text, place = study.where or ("", "")
    where = _condition(text, place, tune.search.axes)
    holds = compile_expression(where) if where else None
    by = next(measure for measure in study.measures if measure.name == tune.decide_by)
    found = []
    for variant in study.variants:
        about = {"program": study.program.identity(), "axes": dict(variant.axes), "by": by.name, "goal": by.goal}
        own = partial(_axis_of, variant)
        search = _search_of(tune.search, tune, variant.net, own, _as_json(about), {"where": where})
        base = {axis: value for axis, value in variant.axes.items() if axis not in search.axes}
        of_variant = replace(
            study, name=NAME, seeds=tune.seeds, variants=(), baselines=(), decide_by=tune.decide_by, search=search,
            base=base, where=None, tune=None,
        )  # fmt: skip

        def make(values: dict[str, Any], variant: ProgramVariant = variant) -> ProgramVariant:
            label = f"{variant.net}, {values_text(values)}"
            made = ProgramVariant(label, study.program, _changed_axes(variant, values))
            if holds and not holds(dict(made.axes)):
                raise StudyError(f"{place}: {label} is excluded by where: {text}")
            return made

        def at(values: Mapping[str, Any], variant: ProgramVariant = variant) -> ProgramVariant:
            return replace(variant, axes=_changed_axes(variant, values), tuned=dict(values))

        found.append(Tuning(variant.net, variant, of_variant, make, at))
    _check_enqueued(found)
    return found


def _condition(text: str | None, place: str, axes: Sequence[str]) -> str:
    """The `where` of a study at a place, if the values of tuned axes can change whether it holds; else ""."""
    counts = {"parameters", "multiply_adds"} if any(axis.startswith("args.") for axis in axes) else set()
    named = names_in(text) if text else set()
    touched = [axis for axis in axes if named & counts or any(overlap(axis, name) for name in named)]
    if not text or not touched:
        return ""
    if measured := limited_costs(text, None):
        raise StudyError(f"{place}: where: {measured[0]} is measured, and {touched[0]} is tuned; leave one of them out")
    return text


def _check_axis(architecture: Architecture, parameter: Parameter, name: str) -> None:
    """Fail if a network lacks the axis of a parameter, so that all of its values would be one network."""
    group, _, field = parameter.axis.partition(".")
    if group == "args":
        reference = architecture.python or format_block(architecture.block)
        there = bool(architecture.code) and takes_argument(reference, field.partition(".")[0])
    else:
        there = group in ("recipe", "data") or (not architecture.code and parameter.axis in axes_of(architecture))
    if not there:
        raise StudyError(f"{parameter.place}: tune.space: {name} has no {parameter.axis}; leave one of them out")


def _refuse_twins(tunings: Sequence[Tuning[Variant]]) -> None:
    """Fail if two variants differ in tuned axes alone: at the same values they are one, so nothing would be compared."""
    search, known = tunings[0].search, dict[str, Tuning[Variant]]()
    for one in tunings:
        try:
            key = one.at(search.enqueue[0]).trials((0,))[0].id
        except AblateError:  # a value that only the first can have
            continue
        if (twin := known.setdefault(key, one)) is not one:
            pairs = [(axis, *(_own_value(each.variant, axis) for each in (twin, one))) for axis in search.axes]
            differ = " and ".join(axis for axis, mine, other in pairs if not same_value(mine, other))
            raise StudyError(
                f"{search.parameters[0].place}: tune.space: {twin.name} and {one.name} differ in {differ} alone, which is "
                "tuned for both; leave out the axis or one of them"
            )


def _check_enqueued(tunings: Sequence[Tuning[V]]) -> None:
    """Fail if a candidate that the study names whole is not valid for a variant. A run checks those named in part."""
    for one in tunings:
        for values in one.search.enqueue[1:]:
            if all(each.axis in values for each in one.search.parameters if present(each, values)):
                try:
                    one.make(values)
                except AblateError as error:
                    raise StudyError(f"tune.enqueue: {values_text(values)}: {error}") from None


def _tenth(tune: Tune, variant: Variant) -> HeldOut:
    """The part that is held out where the study does not say which."""
    images = variant.data.train_size or variant.data.full_sizes[0]
    if images is None:
        raise StudyError(
            f"{tune.search.parameters[0].place}: tune.validation is missing, and how many training images "
            f"{variant.data.title} has is not known before a run; add such as validation: {{holdout: 1000}}"
        )
    return HeldOut(images=max(1, images // SHARE))


def _search_of(
    search: Search, tune: Tune, name: str, own: Callable[[Parameter], Any], definition: bytes, more: Mapping[str, Any]
) -> Search:
    """The search of a variant: its own values come first, and its digest is of all that the choice depends on.

    `own` returns the variant's value of a parameter; `more` is what else the choice depends on, if it is not empty.
    """
    first: dict[str, Any] = {}
    for parameter in search.parameters:
        if not present(parameter, first):
            continue
        value = own(parameter)
        if not contains(parameter, value):
            raise StudyError(
                f"{parameter.place}: tune.space.{parameter.axis}: {name} has {plain(value)}, which is not in the space; "
                "widen it, as each variant's own values are its first candidate"
            )
        match parameter.kind:  # the form in which Optuna returns values
            case "float":
                value = float(value)
            case "categorical":
                (value,) = equal_choices(parameter, value)
        first[parameter.axis] = value
    what = {
        "space": [{key: each for key, each in asdict(p).items() if key != "place"} for p in search.parameters],
        "held_out": [part.model_dump() for part in search.held_out],
        "search": [search.objective, search.sampler, search.pruner, search.seed, search.enqueue],
        "seeds": tune.seeds,
        "variant": definition.decode(),
        **{key: value for key, value in more.items() if value},
    }
    others = tuple(each for each in search.enqueue if each != first)
    return replace(search, enqueue=(first, *others), digest=content_id(_as_json(what)))


def _as_json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _axis_of(variant: ProgramVariant, parameter: Parameter) -> Any:
    """The value of a parameter that a variant of a program has of its own."""
    return variant.axes[parameter.axis]


def _changed_axes(variant: ProgramVariant, values: Mapping[str, Any]) -> dict[str, Any]:
    """The axes of a variant of a program with other values of some. At its own values they are as written."""
    return {**variant.axes, **{axis: one for axis, one in values.items() if not same_value(variant.axes[axis], one)}}


def _own_of(study: Study, variant: Variant, parameter: Parameter) -> Any:
    """The value of a parameter that a variant has of its own; where it can be written in several ways, the choice."""
    value = _own_value(variant, parameter.axis)
    if parameter.kind == "categorical" and not contains(parameter, value):
        own = variant.trials((0,))[0].id
        for choice in parameter.choices:
            with suppress(AblateError):
                if _changed(study, variant, {parameter.axis: choice}).trials((0,))[0].id == own:
                    return choice
    return value


def _own_value(variant: Variant, axis: str) -> Any:
    """The value of an axis that a variant has of its own; None without one."""
    group, _, field = axis.partition(".")
    if group in ("recipe", "data"):
        return value_at(variant.recipe if group == "recipe" else variant.data, field)
    if group != "args":
        return getattr(variant.architecture, axis)
    found: Any = arguments_of(variant.architecture)
    for key in field.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _changed(study: Study, variant: Variant, values: Mapping[str, Any]) -> Variant:
    """A variant with other values of some axes. At its own values it is the same, with the same ids."""
    changes = {axis: value for axis, value in values.items() if not same_value(_own_value(variant, axis), value)}
    recipe, data, architecture = variant.recipe, variant.data, variant.architecture
    try:
        if of_recipe := dotted(changes, "recipe."):
            recipe = replace_fields(recipe, of_recipe, study.folder, kept=variant.kept)
        if of_data := dotted(changes, "data."):
            data = replace_fields(data, of_data, study.folder, study.recorded)
        fields: dict[str, Any] = {axis: float(value) for axis, value in changes.items() if axis in OF_NETWORK}
        if arguments := dotted(changes, "args."):
            written = json.loads(architecture.args)
            for name, value in arguments.items():
                written = with_argument(written, name.split("."), value)
            architecture = architecture.with_axis("args", json.dumps(written, sort_keys=True))
        architecture = replace(architecture, **fields)
        changed = of_data or architecture != variant.architecture
        counts = count_network(architecture, *data.asked) if changed else variant.counts
    except NotationError as error:
        raise StudyError(str(error)) from None
    return replace(variant, recipe=recipe, data=data, architecture=architecture, counts=counts)
