"""Study -> variants -> trials: expansion, depth conventions, budget, constraint. Deterministic, and without torch."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson

from ablate.errors import BudgetError, NotationError, StudyError, allowed
from ablate.nets.architecture import DepthRule
from ablate.nets.families import IMAGENET
from ablate.nets.notation import other_meanings, remark
from ablate.study.axes import Networks
from ablate.study.data import Data
from ablate.study.designs import Design
from ablate.study.expand import beside_axes, cells
from ablate.study.expression import compile_expression, names_in
from ablate.study.labels import label
from ablate.study.limits import Limited, Measure, limited_costs, nothing_measured
from ablate.study.make_variant import make_variant, names_for_where, with_all_arguments
from ablate.study.names import in_own_words, told_apart
from ablate.study.recipe import Recipe
from ablate.study.resolve import own_codes
from ablate.study.short_names import describe_codes
from ablate.study.study import Entry, Study, Variant

MAX_TRIALS = 1_000_000


@dataclass(frozen=True)
class Enumeration:
    """The variants of a study, in order, and remarks in words.

    Args:
        variants: In the order of the study.
        solved: One line for each network with a solved axis.
        merged: One line for each variant that equals an earlier one.
        dropped: One line for each variant that does not meet `where` or the budget.
        names: The variants of each network's name, and of the name that it had before axes were solved.
        chosen: One line for each value that a search chose.
        designs: Remarks on the designs, such as what a fractional one cannot tell apart.
        limited: The measured costs that the study limits.
        unmeasured: The labels of the variants of which one of these is not measured yet; they are kept.
        conditions: Where they were measured, in words.
    """

    variants: tuple[Variant, ...]
    solved: tuple[str, ...]
    merged: tuple[str, ...]
    dropped: tuple[str, ...]
    names: dict[str, list[Variant]]
    chosen: tuple[str, ...] = ()
    designs: tuple[str, ...] = ()
    limited: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    conditions: str = ""

    def remarks(self) -> list[str]:
        """All remarks, each line with its kind: "solved: ...", "note: ..."."""
        notes = tuple(filter(None, dict.fromkeys(text for variant in self.variants for text in _notes(variant))))
        done = (("solved", self.solved), ("merged", self.merged), ("dropped", self.dropped))
        networks = tuple(describe_codes(self.variants)) if any(one.whole_name for one in self.variants) else ()
        measured = tuple(filter(None, [self.not_measured, self._measured]))
        groups = (("chosen", self.chosen), ("network", networks), ("design", self.designs), *done, ("measured", measured))
        told = [f"{what}: {line}" for what, lines in (*groups, ("note", notes)) for line in lines]
        once: dict[str, str] = {}  # the same line of many variants is kept once
        return [once.setdefault(line, line) for line in told]

    @property
    def not_measured(self) -> str:
        """The line that costs which the study limits are not measured yet, and the remedy; "" if all are."""
        if not self.unmeasured:
            return ""
        costs, be = " and ".join(self.limited), "is" if len(self.limited) == 1 else "are"
        return (
            f"{costs} {be} not known for {len(self.unmeasured)} of {len(self.variants)} variants, the first is "
            f"{self.unmeasured[0]}; `ablate plan STUDY --probe` measures what this device can"
        )

    @property
    def _measured(self) -> str:
        """What the study limits, and where that was measured; "" without."""
        return f"{' and '.join(self.limited)} {self.conditions}" if self.limited and self.conditions else ""


def _notes(variant: Variant) -> Iterator[str]:
    """Remarks on a network, and on the other network that its name could mean; may be ""."""
    yield remark(variant.architecture)
    yield variant.recipe.kinds[0].missing
    yield _slow_average(variant)
    if variant.architecture.family.startswith(IMAGENET) and not variant.data.data_set.imagenet_names:
        others = [
            name for name in other_meanings(variant.net, variant.architecture.family) if not name.startswith(IMAGENET)
        ]
        yield f"{variant.net} is the network for ImageNet, not {others[0]}" if others else ""


def _slow_average(variant: Variant) -> str:
    """A remark where the average of the weights, which is tested, remembers much of the start of the training; else ""."""
    recipe, images = variant.recipe, variant.data.train_size or variant.data.data_set.images[0]
    if not recipe.ema.decay or images is None:
        return ""
    steps = recipe.epochs * max(1, images // recipe.batch_size)
    memory = 1 / (1 - recipe.ema.decay)
    if 5 * memory < steps:
        return ""
    return (
        f"recipe.ema: {recipe.ema.decay:g} averages over about {memory:,.0f} steps of a training of {steps:,}, so what is "
        "tested is close to the weights at its start; use a smaller decay, or 0 for none"
    )


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Turn garbage collection off in the block. A plan keeps everything that it makes, and repeated scans would be slow."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_without_garbage_collection()
def enumerate_variants(
    study: Study,
    beside: Callable[[Entry, Data], dict[str, Any]] | None = None,
    measure: Measure = nothing_measured,
) -> Enumeration:
    """Every variant of a study: duplicates merged, axes solved for the budget, constraint applied.

    Args:
        study: As loaded by load_study().
        beside: As returned by beside_axes() for more studies than this one; None: of this study.
        measure: Returns the measured costs of variants, for a study that limits them.

    Raises:
        StudyError: A variant is not valid, none is left, or there are too many trials; the message names the place.
        BudgetError: A variant misses the budget, and the study does not drop such variants.
    """
    limited = limited_costs(study.where, study.measured_budget)
    of_measured = study.where is not None and bool(names_in(study.where) & {*limited})
    holds = compile_expression(study.where) if study.where else None
    found: dict[tuple[Any, ...], Variant] = {}
    rules: dict[int, DepthRule] = {}  # of each variant, by its id(), in a study that limits measured costs
    names: dict[str, list[Variant]] = {}
    solved: list[str] = []
    lines: dict[str, str] = {}  # each line of `solved` once, as many variants have the same
    merged: list[str] = []
    dropped: list[str] = []
    beside, networks, identities = beside or beside_axes(study), Networks(study), _Identities()
    again: dict[tuple[Any, ...], list[Design]] = {}  # the designs of variants that are there more than once
    labelled: dict[str, str] = {}  # the place of each label
    for entry, axes, data, row, design, own in cells(study):
        try:
            variant, network = make_variant(networks, entry, axes, data, beside(entry, data), row, design, own)
        except (NotationError, StudyError) as error:
            raise StudyError(f"{_place(entry, axes, str(error))}: {error}") from None
        try:
            if holds and not of_measured and not holds(names_for_where(variant, entry.depth_rule)):
                dropped.append(f"{label(variant)} is excluded by where: {study.where}")
                continue
        except StudyError as error:
            raise StudyError(f"{study.places['where']}: {error}") from None
        if network.miss and study.budget and study.budget.on_miss == "error":
            raise BudgetError(f"{study.places['budget']}: {network.miss}")
        if network.miss:
            dropped.append(network.miss)
            continue
        if network.written != variant.net:
            line = f"{network.written} becomes {variant.net} to meet the budget"
            solved.append(lines.setdefault(line, line))
        definition = with_all_arguments(variant.architecture), identities.of(variant.recipe), identities.of(variant.data)
        if limited:
            rules[id(variant)] = entry.depth_rule
        if (first := found.setdefault(definition, variant)) is not variant:
            one, other = label(variant), label(first)
            again.setdefault(definition, [*first.designs]).extend(variant.designs)
            merged.append(f"{one} occurs twice" if one == other else f"{one} is the same as {other}")
        for name in dict.fromkeys((variant.net, network.written)):
            names.setdefault(name, []).append(first)
        if own:
            labelled[label(variant)] = entry.place
    limits = Limited()
    if limited and found:
        limits = _keep_within(study, found, rules, limited, holds if of_measured else None, measure)
        dropped += limits.dropped
        left = set(map(id, found.values()))
        names = {name: kept for name, of in names.items() if (kept := [one for one in of if id(one) in left])}
    if not found:
        raise StudyError(f"{study.places['variants']}: no variant is left of {len(dropped)}; the first: {dropped[0]}")
    trainings = len(study.seeds) * (len(study.held_out) or 1)
    if len(found) * trainings > MAX_TRIALS:
        place = study.places["variants"]
        each = "trainings" if len(study.held_out) > 1 else "seeds"
        raise StudyError(f"{place}: {len(found):,} variants of {trainings:,} {each} are more than {MAX_TRIALS:,} trials")
    for definition, designs in again.items():
        found[definition] = replace(found[definition], designs=tuple(designs))
    labels = in_own_words([*found.values()], study)
    for variant in labels:
        for name in filter(None, (variant.title, variant.words)):
            names.setdefault(name, []).append(variant)
    variants = told_apart(labels, study, names)
    times = Counter(map(label, variants) if labelled else ())
    if twice := [text for text in labelled if times[text] > 1 or (text in map(label, labels) and not times[text])]:
        raise StudyError(f"{labelled[twice[0]]}: label: '{twice[0]}' names two variants; give each its own")
    for title, nets in study.panels:
        for net in nets:
            if net not in names:
                raise StudyError(f"{study.places['panels']}: panels.{title}: found '{net}'; {allowed(net, names)}")
    of_designs = tuple(line for entry in study.entries for line in entry.remarks)
    return Enumeration(
        tuple(variants), tuple(solved), tuple(merged), tuple(dropped), names, study.chosen, of_designs, limited,
        tuple(limits.unmeasured), limits.conditions,
    )  # fmt: skip


def _keep_within(
    study: Study,
    found: dict[Any, Variant],
    rules: Mapping[int, DepthRule],
    limited: Sequence[str],
    holds: Callable[[dict[str, Any]], bool] | None,
    measure: Measure,
) -> Limited:
    """Remove the variants that do not meet the limits on measured costs. One that is not measured yet is kept.

    Args:
        study: The study.
        found: Its variants; is changed.
        rules: The layers that a depth counts, by the id() of a variant.
        limited: The names of the costs.
        holds: The constraint, if it names one of them.
        measure: As in enumerate_variants().
    """
    measured, budget = measure([*found.values()]), study.measured_budget
    limits = Limited(conditions=measured.conditions)
    for (key, variant), costs in zip([*found.items()], measured.costs):
        if not set(limited) <= costs.keys():
            limits.unmeasured.append(label(variant))
            continue
        try:
            met = holds is None or holds({**names_for_where(variant, rules[id(variant)]), **costs})
        except StudyError as error:
            raise StudyError(f"{study.places['where']}: {error}") from None
        miss = "" if met else f"{label(variant)} is excluded by where: {study.where}"
        if budget and not miss:
            miss = budget.miss(label(variant), costs[budget.measure])
            if miss and budget.on_miss == "error":
                raise BudgetError(f"{study.places['budget']}: {miss}")
        if miss:
            limits.dropped.append(miss)
            del found[key]
    return limits


class _Identities(dict[int, tuple[Any, bytes]]):
    """The identities of recipes and data as JSON, with every argument of own code, each made once.

    The key is the object's id(), which is fast.
    """

    def of(self, model: Recipe | Data) -> bytes:
        """The identity of a recipe or data, as JSON."""
        if id(model) not in self:
            # The model is kept alive, because Python reuses the ids of deleted objects.
            complete = {name: {**own.identity(), "args": own.all_arguments} for name, own in own_codes(model).items()}
            self[id(model)] = model, orjson.dumps(model.identity() | complete, option=orjson.OPT_SORT_KEYS)
        return self[id(model)][1]


def _place(entry: Entry, axes: dict[str, Any], message: str) -> str:
    """The place of the value that an error is about; the place of the entry if the value is not known."""
    named = [axis for axis in axes if message.startswith((f"{axis}:", f"{axis} ", f"unknown axis '{axis}'"))]
    named = named or (["net"] if entry.kind == "net" else [])
    places = [place for axis in named if (place := entry.places.get((axis, repr(axes[axis]))))]
    return places[0] if places else entry.place
