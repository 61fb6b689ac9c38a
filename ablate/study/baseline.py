"""The baseline: the variant that each variant is compared with."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ablate.errors import NotationError, StudyError, allowed
from ablate.nets.architecture import Architecture, DepthRule
from ablate.nets.families import arguments_of
from ablate.nets.notation import parse_architecture
from ablate.study.axes import architecture_of, for_imagenet
from ablate.study.axis_text import plain
from ablate.study.designs import reference_rows
from ablate.study.fields import all_fields, dotted_fields
from ablate.study.labels import label
from ablate.study.plan import Enumeration
from ablate.study.study import Study, Variant


def find_baselines(study: Study, enumeration: Enumeration) -> tuple[Variant | None, ...]:
    """The baseline of each variant, in order. A baseline is its own baseline; None: the variant has none.

    A study names either one network, which means the variant of it on the same data set, or values of axes, which mean the
    variant that differs in these axes only. {python: module:callable, args: {...}} is a network. Without a baseline, a row
    of a design is compared with the one that its design says.

    Args:
        study: As loaded by load_study().
        enumeration: Its variants.

    Raises:
        StudyError: No variant is the baseline, or several are.
    """
    variants = enumeration.variants
    if study.baseline is None:
        return reference_rows(variants, lambda variant: variant.data.title)
    named, place = study.baseline
    if isinstance(named, dict) and not ("python" in named and named.keys() <= {"python", "args"}):
        return _by_axes(named, place, variants)
    of_data = {variant.data.title: variant for variant in _by_name(study, enumeration, named, place)}
    return tuple(of_data.get(variant.data.title) for variant in variants)


def _by_name(study: Study, enumeration: Enumeration, named: str | dict[str, Any], place: str) -> list[Variant]:
    """The variants of the named network, one on each data set. Of several recipes, the study's own recipe is preferred."""
    net = plain(named)
    if isinstance(named, dict):
        found = _of_own_code(study, enumeration, named, place)
    else:
        meant = _meanings(named, for_imagenet(study))
        found = enumeration.names.get(named) or [v for v in enumeration.variants if v.architecture in meant]
    if not found:
        known = ", ".join(dict.fromkeys(variant.net for variant in enumeration.variants[:20]))
        raise StudyError(f"{place}: baseline '{net}' is none of the variants; allowed: {known}")
    depths = sorted({variant.architecture.N for variant in found}, key=str)
    if len(depths) > 1:
        raise StudyError(f"{place}: baseline '{net}' is several networks, with N = {' and '.join(map(str, depths))}")
    own = [variant for variant in found if (variant.recipe, variant.data) == (study.recipe, study.data)]
    chosen: dict[Any, Variant] = {}
    titles = dict.fromkeys(variant.data.title for variant in found)
    for title in titles:
        on_it = [variant for variant in found if variant.data.title == title]
        best = [v for v in on_it if v in own] or [v for v in on_it if v.recipe == study.recipe] or on_it
        if len({variant.trials((0,))[0].definition for variant in best}) > 1:
            raise StudyError(f"{place}: baseline '{net}' is several variants: {', '.join(map(label, best))}")
        chosen[title] = best[0]
    definitions = {variant.trials((0,))[0].definition for variant in chosen.values()}
    return [v for v in enumeration.variants if v.trials((0,))[0].definition in definitions]


def _of_own_code(study: Study, enumeration: Enumeration, named: dict[str, Any], place: str) -> list[Variant]:
    """The variants of a network of a user's own code, whose arguments are those given, or at the signature's defaults."""
    solved = study.budget.solve if study.budget else ()

    def key(architecture: Architecture) -> str:
        """The code and its arguments, without those that the budget solves."""
        given = arguments_of(architecture)
        rest = sorted((name, repr(value)) for name, value in given.items() if f"args.{name}" not in solved)
        return repr((architecture.python, rest))

    try:
        wanted = key(architecture_of(study, {"net": named}, "convolutions", True)[0])
    except (NotationError, StudyError) as error:
        raise StudyError(f"{place}: baseline: {error}") from None
    return [v for v in enumeration.variants if v.architecture.python and key(v.architecture) == wanted]


def _by_axes(values: dict[str, Any], place: str, variants: tuple[Variant, ...]) -> tuple[Variant | None, ...]:
    """For each variant, the one that has the given values of some axes and equals it in all other axes."""
    axes = [_all_axes(variant) for variant in variants]
    known = dict.fromkeys(axis for each in axes for axis in each)  # not every network has every axis
    for axis in values:
        if axis not in known:
            raise StudyError(f"{place}: baseline: unknown axis '{axis}'; {allowed(axis, known)}")
    base = {
        _rest(each, values): variant
        for each, variant in zip(axes, variants)
        if all(_has(each, axis, value) for axis, value in values.items())
    }
    if not base:
        said = ", ".join(f"{axis} {plain(value)}" for axis, value in values.items())
        raise StudyError(f"{place}: baseline: no variant has {said}")
    return tuple(base.get(_rest(each, values)) for each in axes)


def _all_axes(variant: Variant) -> dict[str, Any]:
    """Every axis of a variant: the network's, the recipe's and the data's."""
    recipe, data = (
        dotted_fields(prefix, all_fields(model)) for prefix, model in (("recipe", variant.recipe), ("data", variant.data))
    )
    return {**variant.network, "N": variant.architecture.N, **recipe, **data}


def _has(axes: dict[str, Any], axis: str, value: Any) -> bool:
    """Whether an axis has a value. An argument without a value is none, as it has no default that is known."""
    if axis not in axes:
        return value is None and axis.startswith("args.")
    return plain(axes[axis]) == plain(value)


def _rest(axes: dict[str, Any], without: dict[str, Any]) -> str:
    """The axes that are not in `without`, as a text that can be compared; mappings around and in these are left out too."""
    rest = [
        (axis, repr(value))
        for axis, value in axes.items()
        if not any(f"{other}.".startswith(f"{axis}.") or axis.startswith(f"{other}.") for other in without)
    ]
    return repr(sorted(rest))


def _meanings(net: str, imagenet: bool) -> list[Architecture]:
    """The networks that a name can mean, under either depth convention."""
    found = []
    rules: tuple[DepthRule, ...] = ("convolutions", "nominal")
    for rule in rules:
        with suppress(NotationError):
            found.append(parse_architecture(net, rule, imagenet=imagenet))
    return found
