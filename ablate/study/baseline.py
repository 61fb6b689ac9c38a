"""The baseline: the variant that each variant is compared with."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar

from ablate.errors import NotationError, StudyError
from ablate.nets.architecture import Architecture, DepthRule
from ablate.nets.families import arguments_of
from ablate.nets.notation import parse_architecture
from ablate.study.axes import SAME, Networks, architecture_of, dotted, for_imagenet
from ablate.study.axis_text import ARGUMENT, plain, values_text
from ablate.study.designs import reference_rows
from ablate.study.labels import label
from ablate.study.make_variant import make_variant
from ablate.study.plan import Cell, Enumeration, Identities
from ablate.study.recipe_schema import KINDS
from ablate.study.study import Study, Variant

V = TypeVar("V")
MOST_NAMES = 20  # of variants, in a remark


def find_baselines(study: Study, enumeration: Enumeration) -> tuple[Variant | None, ...]:
    """The baseline of each variant, in order. A baseline is its own baseline; None: the variant has none.

    A study names either one network, which means the variant of it on the same data set, or values of axes, which mean the
    variant that has them and is written with the same values of all other axes, data and recipe. Of these,
    {python: module:callable, args: {...}} is a network. Without a baseline, a row of a design is compared with the one
    that its design says.

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
    if study.baseline_axes:
        return _by_axes(study, enumeration, study.baseline_axes, place)
    of_data = {variant.data.title: variant for variant in _by_name(study, enumeration, named, place)}
    return tuple(of_data.get(variant.data.title) for variant in variants)


def without_baseline(named: str | dict[str, Any], names: Sequence[str], baselines: Sequence[object]) -> list[str]:
    """A remark on the variants that a stated baseline does not reach; empty if it reaches all.

    Args:
        named: The baseline as written.
        names: The name of each variant.
        baselines: The baseline of each variant; None for none.
    """
    alone = [name for name, baseline in zip(names, baselines) if baseline is None]
    if not alone:
        return []
    by_axes = isinstance(named, dict) and "python" not in named
    why = f"differs from them in {' and '.join(named)} alone" if by_axes else f"on their data set is {plain(named)}"
    more = [f"{len(alone) - MOST_NAMES} more"] if len(alone) > MOST_NAMES else []
    told = "; ".join([*alone[:MOST_NAMES], *more])  # a name may have commas
    return [f"baseline: none for {len(alone)} of {len(names)} variants, as no variant {why}: {told}"]


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


def _by_axes(study: Study, enumeration: Enumeration, values: dict[str, Any], place: str) -> tuple[Variant | None, ...]:
    """For each variant, the one that its item of `variants` would make with these values in place of its own.

    So what follows from the values, or from the budget, may differ. A variant that several items write has the baseline of
    the first of them that gives it one.
    """
    solved = study.budget.solve[:1] if study.budget else ()  # the later ones start from what is written
    for axis in values:
        if ("depth" if axis == "N" else axis) in solved:
            raise StudyError(f"{place}: baseline: {axis} is solved by the budget; name an axis that is written")
    said = values_text(values)
    networks, errors, key = Networks(study), list[str](), Identities().key
    what = f"{place}: baseline: {said}"
    lookup = Lookup(enumeration.variants, key, lambda variant: _near(key(variant)), what, label)

    def changed(cell: Cell) -> Variant | None:
        entry, axes, data = cell
        if "net" in values and "net" not in axes:
            return None
        try:
            made, _ = make_variant(networks, entry, _with(axes, values), data, {}, "", None, "")
        except (NotationError, StudyError) as error:
            errors.append(str(error))
            return None
        fields = dotted(values, "recipe.").keys() & made.recipe.values.keys()
        return lookup.find(made) if fields <= made.recipe.used.keys() else None  # it may be of another optimizer

    found = tuple(next(filter(None, map(changed, cells)), None) for cells in enumeration.cells)
    if not any(found):
        every = len(errors) == sum(map(len, enumeration.cells))
        raise StudyError(f"{place}: baseline: {errors[0] if every else f'no variant has {said}'}")
    return found


def _with(axes: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The axes of a variant with some values in place of its own, and of all that these values replace."""
    gone = {other for pair in SAME for axis, other in (pair, pair[::-1]) if axis in values}
    inside = tuple(f"{axis}." for axis in values)
    if any(axis in values and ":" not in str(values[axis]) for axis in ("net", "block")):
        inside += (ARGUMENT,)  # of own code that is replaced by something else
    kept = {axis: value for axis, value in axes.items() if axis not in gone and not axis.startswith(inside)}
    for kind in KINDS:  # a value that is named as recipe.drop may be written as recipe.schedule: {name: step, drop: 0.1}
        if isinstance(written := kept.get(f"recipe.{kind}"), dict):
            kept[f"recipe.{kind}"] = {key: value for key, value in written.items() if f"recipe.{key}" not in values}
    return kept | values


class Lookup(Generic[V]):
    """Finds the variant of a study that equals another one.

    Args:
        variants: Of the study.
        exact: A key of a variant; those that have the same one are one variant.
        near: A key that is the same for values that a reader may mean by one another, such as 2 and 2.0.
        what: What is looked up, for messages.
        name: The name of a variant.
    """

    def __init__(
        self,
        variants: Sequence[V],
        exact: Callable[[V], Hashable],
        near: Callable[[V], Hashable],
        what: str,
        name: Callable[[V], str],
    ) -> None:
        self.exact, self.near, self.what, self.name = exact, near, what, name
        self.variants = {exact(variant): variant for variant in variants}

    def find(self, wanted: V) -> V | None:
        """The variant that is equal, else the one that is nearly equal, if there is one.

        Args:
            wanted: The other variant.

        Raises:
            StudyError: Several are nearly equal, and none is equal.
        """
        if found := self.variants.get(self.exact(wanted)):
            return found
        several = self._nearly.get(self.near(wanted), [])
        if len(several) > 1:
            raise StudyError(f"{self.what} is several variants: {', '.join(map(self.name, several))}")
        return several[0] if several else None

    @cached_property
    def _nearly(self) -> dict[Hashable, list[V]]:
        """The variants by their second key."""
        found: dict[Hashable, list[V]] = {}
        for variant in self.variants.values():
            found.setdefault(self.near(variant), []).append(variant)
        return found


def _near(key: tuple[Architecture, bytes, bytes]) -> Hashable:
    """The key of a variant of networks, where the numbers of own code are compared as numbers, and null is left out."""
    architecture, *texts = key
    return architecture.with_axis("args", ""), *map(_plainly, (architecture.args, *texts))


@lru_cache(maxsize=4096)
def _plainly(text: str | bytes) -> str:
    """The values of a JSON text, without null, and 2.0 as 2, as a text that can be compared."""

    def same(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: same(each) for key, each in value.items() if each is not None}
        if isinstance(value, list):
            return list(map(same, value))
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return repr(same(json.loads(text)))


def _meanings(net: str, imagenet: bool) -> list[Architecture]:
    """The networks that a name can mean, under either depth convention."""
    found = []
    rules: tuple[DepthRule, ...] = ("convolutions", "nominal")
    for rule in rules:
        with suppress(NotationError):
            found.append(parse_architecture(net, rule, imagenet=imagenet))
    return found
