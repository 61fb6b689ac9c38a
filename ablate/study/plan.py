"""Study -> variants -> trials: expansion, depth conventions, budget, constraint. Instant, and the same every time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from ablate.errors import BudgetError, NotationError, StudyError
from ablate.nets.blueprint import Counts, Shape, count
from ablate.nets.notation import (
    BASIC,
    MAX_BLOCK,
    MAX_N,
    Architecture,
    DepthRule,
    blocks_per_group,
    depth_of,
    format_architecture,
    format_block,
    parse_block,
    read_name,
)
from ablate.nets.wide_resnet import wide_resnet
from ablate.study.budget import closest_to, largest_within
from ablate.study.expression import compile_expression
from ablate.study.presets import DATA_SETS
from ablate.study.spec import replace_fields
from ablate.study.study import Budget, Data, Entry, Fit, Neighbour, Recipe, Study, Trial, Variant

MAX_VARIANTS = 1_000_000


@dataclass(frozen=True)
class Enumeration:
    """A study's variants in order, and in words what was solved, merged and dropped on the way.

    names: the variant of every name in the study, that of a network whose depth was then solved too.
    """

    variants: tuple[Variant, ...]
    solved: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    names: dict[str, Variant] = field(default_factory=dict)

    def remarks(self) -> list[str]:
        """All of them, each line saying which it is."""
        groups = (("solved", self.solved), ("merged", self.merged), ("dropped", self.dropped))
        return [f"{what}: {line}" for what, lines in groups for line in lines]


def enumerate_variants(study: Study) -> Enumeration:
    """Every variant of a study, duplicates merged, budget solved, constraint applied. Raises StudyError with its place."""
    holds = compile_expression(study.where) if study.where else None
    seen: dict[Any, Variant] = {}
    solved: list[str] = []
    merged: list[str] = []
    dropped: list[str] = []
    names: dict[str, Variant] = {}
    for entry in study.entries:
        for axes in _expand(entry):
            try:
                variant, written = _variant(study, entry, axes)
            except BudgetError as error:
                if study.budget and study.budget.on_miss == "drop":
                    dropped.append(str(error))
                    continue
                raise BudgetError(f"{study.places['budget']}: {error}") from None
            except (NotationError, StudyError) as error:
                raise StudyError(f"{_place(entry, axes, str(error))}: {error}") from None
            if holds is not None:
                try:
                    kept = holds(_names(variant, entry.depth_rule))
                except StudyError as error:
                    raise StudyError(f"{study.places['where']}: {error}") from None
                if not kept:
                    dropped.append(f"{label(variant)}: not {study.where}")
                    continue
            if written != variant.net:
                solved.append(f"{written} becomes {variant.net} to meet the budget")
            key = (variant.architecture, variant.recipe, variant.data)
            if key in seen:
                one, other = label(variant), label(seen[key])
                merged.append(f"{one} is there twice" if one == other else f"{one} is the same as {other}")
            else:
                seen[key] = variant
            for name in (variant.net, written):
                names.setdefault(name, seen[key])
            if len(seen) > MAX_VARIANTS:
                raise StudyError(f"{study.places['variants']}: more than {MAX_VARIANTS} variants")
    if not seen:
        raise StudyError(f"{study.places['variants']}: no variant is left")
    return Enumeration(tuple(seen.values()), tuple(solved), tuple(merged), tuple(dropped), names)


def plan_trials(study: Study, variants: tuple[Variant, ...]) -> list[Trial]:
    """Every trial of a study: variants in order, seeds in order."""
    return [trial for variant in variants for trial in variant.trials(study.seeds)]


def find_baseline(study: Study, enumeration: Enumeration) -> Variant | None:
    """The variant the study compares with. Raises StudyError if none of them is that network."""
    if study.baseline is None:
        return None
    net, place = study.baseline
    if net in enumeration.names:
        return enumeration.names[net]
    for variant in enumeration.variants:
        rules: tuple[DepthRule, ...] = ("convolutions", "nominal")
        if net in {format_architecture(variant.architecture, rule, show) for rule in rules for show in (False, True)}:
            return variant
    known = ", ".join(variant.net for variant in enumeration.variants[:20])
    raise StudyError(f"{place}: baseline '{net}' is none of the variants; allowed: {known}")


def label(variant: Variant) -> str:
    """The variant's network and the axes its name does not show."""
    rest = [f"{axis} {_plain(value)}" for axis, value in variant.axes.items() if "." in axis]
    return ", ".join([variant.net, *rest])


def varied_axes(variants: Sequence[Variant]) -> list[str]:
    """The recipe.* and data.* axes that some entry names and that differ between variants."""
    named = dict.fromkeys(axis for variant in variants for axis in variant.axes if "." in axis)
    return [axis for axis in named if len({axis_value(variant, axis) for variant in variants}) > 1]


def axis_value(variant: Variant, axis: str) -> Any:
    """The value that a recipe.* or data.* axis has in a variant; "all" for a size that is not given."""
    group, _, field = axis.partition(".")
    value = getattr(variant.recipe if group == "recipe" else variant.data, field)
    return "all" if value is None else value


def training_cost(trial: Trial) -> float:
    """Multiply-adds of a whole training, for sorting: forward, backward (twice that), and the test set each epoch."""
    full = DATA_SETS[trial.data.name]["full"]
    train, test = (size or most or 50_000 for size, most in zip((trial.data.train_size, trial.data.test_size), full))
    counts = _count(trial.architecture, trial.data.classes, trial.data.input_shape)
    return float(counts.multiply_adds) * (3 * train + test) * trial.recipe.epochs


def _expand(entry: Entry) -> Iterator[dict[str, Any]]:
    """The axes of each variant of an entry, in order."""
    match entry.kind:
        case "net":
            for net in entry.axes["net"]:
                yield {"net": net}
        case "grid":
            for values in itertools.product(*entry.axes.values()):
                yield dict(zip(entry.axes, values))
        case "zip":
            for values in zip(*entry.axes.values()):
                yield dict(zip(entry.axes, values))
        case "one_at_a_time":
            yield {"net": entry.base}
            for axis, values in entry.axes.items():
                for value in values:
                    yield {"net": entry.base, axis: value}


def _variant(study: Study, entry: Entry, axes: dict[str, Any]) -> tuple[Variant, str]:
    """The variant of some axes, and the name the study gives its network before the budget chooses a depth."""
    recipe, data = study.recipe, study.data
    if changes := _dotted(axes, "recipe."):
        recipe = replace_fields(recipe, changes)
    if changes := _dotted(axes, "data."):
        data = replace_fields(data, changes)
    solve = study.budget.solve if study.budget else None
    architecture = _architecture(axes, entry.depth_rule, solve)
    fit, given = None, architecture
    if study.budget:
        architecture, fit = _fit(architecture, study.budget, entry.depth_rule, data, axes)
    _check_batches(recipe, data)
    counts = _count(architecture, data.classes, data.input_shape)
    net = _name(architecture, entry.depth_rule, axes)
    written = _name(given, entry.depth_rule, axes) if {"net", "depth", "N"} & set(axes) else net
    return Variant(net, architecture, recipe, data, axes, counts, fit), written


def _dotted(axes: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {axis.removeprefix(prefix): value for axis, value in axes.items() if axis.startswith(prefix)}


def _place(entry: Entry, axes: dict[str, Any], message: str) -> str:
    """Where the value that an error is about stands; the entry, where that could be several."""
    named = [axis for axis in axes if message.startswith((f"{axis}:", f"{axis} ", f"unknown axis '{axis}'"))]
    named = named or (["net"] if entry.kind == "net" else [])
    places = [place for axis in named if (place := entry.places.get((axis, repr(axes[axis]))))]
    return places[0] if places else entry.place


def _architecture(axes: dict[str, Any], rule: DepthRule, solve: str | None) -> Architecture:
    """The network of some axes, which change what `net` says; where depth is solved and not given, N is 1 for now."""
    for one, other in (("block", "l"), ("depth", "N")):
        if one in axes and other in axes:
            raise StudyError(f"{one} and {other} both given; allowed: one of them")
    parts: dict[str, Any] = {"block": BASIC, "dropout": 0.0}
    if "net" in axes:
        parts = read_name(axes["net"])._asdict()
    parts |= {axis: axes[axis] for axis in ("depth", "k", "dropout") if axis in axes}
    if "block" in axes:
        parts["block"] = parse_block(axes["block"])
    elif "l" in axes:
        if axes["l"] > MAX_BLOCK:
            raise StudyError(f"l: found {axes['l']}; allowed: 1 to {MAX_BLOCK}")
        parts["block"] = (3,) * axes["l"]
    if "N" in axes:
        n = axes["N"]
    elif "depth" in parts:
        n = blocks_per_group(parts["depth"], parts["block"], rule)
    elif solve == "depth":
        n = 1
    else:
        raise StudyError(f"the axes {', '.join(axes)} leave depth (or N) open")
    if "k" not in parts:
        raise StudyError(f"the axes {', '.join(axes)} leave k open")
    return Architecture(n, float(parts["k"]), parts["block"], float(parts["dropout"]))


def _name(architecture: Architecture, rule: DepthRule, axes: dict[str, Any]) -> str:
    """The network's name: as the study writes it where it writes one, showing the block wherever the study names it."""
    shown = "block" in axes or "l" in axes or "B(" in axes.get("net", "")
    return format_architecture(architecture, rule, shown)


def _fit(
    architecture: Architecture, budget: Budget, rule: DepthRule, data: Data, axes: dict[str, Any]
) -> tuple[Architecture, Fit]:
    """The architecture with the solved axis chosen, and how it meets the budget. Raises BudgetError."""

    def cost(n: int) -> int:
        counts = _count(replace(architecture, N=n), data.classes, data.input_shape)
        return int(getattr(counts, budget.measure))

    def neighbour(n: int) -> Neighbour | None:
        if not 1 <= n <= MAX_N:
            return None
        return Neighbour(_name(replace(architecture, N=n), rule, axes), cost(n))

    n, below, above = architecture.N, None, None
    if budget.solve:
        n = closest_to(budget.target, cost) if budget.target else max(1, largest_within(budget.maximum or 0, cost))
        below, above = neighbour(n - 1), neighbour(n + 1)
    found = cost(n)
    reference = budget.target or budget.maximum or budget.minimum
    assert reference is not None
    deviation = found / reference - 1
    if budget.target:
        met = abs(deviation) <= budget.tolerance
        asked = f"{reference:,} ± {100 * budget.tolerance:g}%"
    else:
        met = (budget.minimum or 0) <= found <= (budget.maximum or found)
        bounds = (("at least", budget.minimum), ("at most", budget.maximum))
        asked = " and ".join(f"{word} {bound:,}" for word, bound in bounds if bound)
    if not met:
        name = _name(replace(architecture, N=n), rule, axes)
        closest = ", the closest any depth comes," if budget.solve else ""
        raise BudgetError(f"{name}{closest} has {found:,} {budget.measure} ({deviation:+.1%}); allowed: {asked}")
    return replace(architecture, N=n), Fit(deviation, below, above)


def _check_batches(recipe: Recipe, data: Data) -> None:
    """A training epoch must have a step."""
    images = data.train_size or DATA_SETS[data.name]["full"][0]
    if images is not None and recipe.last_batch == "drop" and images < recipe.batch_size:
        raise StudyError(
            f"recipe.batch_size: {recipe.batch_size} of {images} training images leaves no batch; "
            "allowed: a smaller batch, or recipe.last_batch: keep"
        )


def _names(variant: Variant, rule: DepthRule) -> dict[str, Any]:
    """What a `where` expression can name."""
    architecture = variant.architecture
    names: dict[str, Any] = {
        "net": variant.net,
        "family": architecture.family,
        "block": format_block(architecture.block),
        "l": architecture.l,
        "k": architecture.k,
        "depth": depth_of(architecture, rule),
        "N": architecture.N,
        "dropout": architecture.dropout,
        "parameters": variant.counts.parameters,
        "multiply_adds": variant.counts.multiply_adds,
    }
    for prefix, model in (("recipe", variant.recipe), ("data", variant.data)):
        names |= {f"{prefix}.{key}": getattr(model, key) for key in type(model).model_fields}
    return names


@lru_cache(maxsize=65536)
def _count(architecture: Architecture, classes: int, input_shape: Shape) -> Counts:
    return count(wide_resnet(architecture, classes, input_shape))


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
