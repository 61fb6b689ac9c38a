"""Study -> variants -> trials: expansion, depth conventions, budget, constraint. Deterministic, and without torch."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson

from ablate.errors import BudgetError, NotationError, StudyError, allowed
from ablate.nets.architecture import Architecture, DepthRule
from ablate.nets.families import IMAGENET
from ablate.nets.notation import other_meanings, remark
from ablate.study.axes import Network, Networks
from ablate.study.data import Data
from ablate.study.designs import Design
from ablate.study.expand import beside_axes, cells
from ablate.study.expression import compile_expression, names_in
from ablate.study.fields import own_codes
from ablate.study.labels import label
from ablate.study.limits import Measure, Measured, limited_costs
from ablate.study.make_variant import excluded, make_variant, with_all_arguments
from ablate.study.names import in_own_words, told_apart
from ablate.study.recipe import Recipe
from ablate.study.short_names import describe_codes
from ablate.study.study import Entry, Study, Variant

MAX_TRIALS = 1_000_000
Cell = tuple[Entry, dict[str, Any], Data]  # an item of `variants`, the axes of one of its variants, and the data set


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
        cells: How the items of `variants` write each variant; empty where the baseline is not given by axes.
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
    cells: tuple[tuple[Cell, ...], ...] = ()

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
    measure: Measure = lambda variants: Measured([{}] * len(variants), ""),
) -> Enumeration:
    """Every variant of a study: duplicates merged, axes solved for the budget, constraint applied.

    Args:
        study: As loaded by load_study().
        beside: As returned by beside_axes() for more studies than this one; None: of this study.
        measure: Returns the measured costs of variants, for a study that limits them; by default none is measured.

    Raises:
        StudyError: A variant is not valid, none is left, or there are too many trials; the message names the place.
        BudgetError: A variant misses the budget, and the study does not drop such variants.
    """
    limited = limited_costs(study.where, study.measured_budget)
    holds = compile_expression(study.where) if study.where else None
    after = holds if study.where and names_in(study.where) & {*limited} else None  # it can only be applied at the end
    made, networks = _Made(study, None if after else holds), Networks(study)
    beside = beside or beside_axes(study)
    for entry, axes, data, row, design, own in cells(study):
        try:
            variant, network = make_variant(networks, entry, axes, data, beside(entry, data), row, design, own)
        except (NotationError, StudyError) as error:
            of_all = study.places["also_test"] if str(error).startswith("also_test") else ""
            raise StudyError(f"{of_all or _place(entry, axes, str(error))}: {error}") from None
        made.add((entry, axes, data), variant, network, own)
    if limited and made.found:
        made.keep_within(limited, after, measure)
    variants = made.named()
    _check_panels(study, made.names)
    of_designs = tuple(line for entry in study.entries for line in entry.remarks)
    return Enumeration(
        tuple(variants), tuple(made.solved), tuple(made.merged), tuple(made.dropped), made.names, study.chosen, of_designs,
        limited, tuple(made.unmeasured), made.conditions, tuple(tuple(made.cells[key]) for key in made.found if made.cells),
    )  # fmt: skip


class _Made:
    """The variants of a study that are made so far, each once, and what Enumeration says of them.

    Args:
        study: The study.
        holds: Its constraint, if that can be applied to each variant.
    """

    def __init__(self, study: Study, holds: Callable[[dict[str, Any]], bool] | None) -> None:
        self.study, self.holds, self.identities = study, holds, Identities()
        self.found: dict[tuple[Any, ...], Variant] = {}
        self.cells: dict[tuple[Any, ...], list[Cell]] = {}  # by the same keys; empty where no baseline needs them
        self.rules: dict[int, DepthRule] = {}  # the layers that a depth counts, by the id() of a variant in `found`
        self.again: dict[tuple[Any, ...], list[Design]] = {}  # the designs of variants that are there more than once
        self.names: dict[str, list[Variant]] = {}
        self.labels: dict[tuple[Any, ...], str] = {}  # the label of each variant that has one
        self.labelled: dict[str, tuple[str, set[tuple[Any, ...]]]] = {}  # the place and the variants of each label
        self.solved: list[str] = []
        self.merged: list[str] = []
        self.dropped: list[str] = []
        self.unmeasured: list[str] = []
        self.conditions = ""

    def add(self, cell: Cell, variant: Variant, network: Network, own: str) -> None:
        """Add the variant of a cell, unless it is dropped or is there already. `own` is the author's name of the row."""
        study, entry = self.study, cell[0]
        if self.holds and (why := excluded(study, self.holds, variant, entry.depth_rule)):
            self.dropped.append(why)
            return
        if network.miss and study.budget and study.budget.on_miss == "error":
            raise BudgetError(f"{study.places['budget']}: {network.miss}")
        if network.miss:
            self.dropped.append(network.miss)
            return
        if network.written != variant.net:  # many variants have the same line, which is kept once
            self.solved.append(sys.intern(f"{network.written} becomes {variant.net} to meet the budget"))
        key = self.identities.key(variant)
        if study.baseline_axes:
            self.cells.setdefault(key, []).append(cell)
        if (first := self.found.setdefault(key, variant)) is not variant:
            one, other = label(variant), label(first)
            self.again.setdefault(key, [*first.designs]).extend(variant.designs)
            self.merged.append(f"{one} occurs twice" if one == other else f"{one} is the same as {other}")
        self.rules.setdefault(id(first), entry.depth_rule)
        for name in dict.fromkeys((variant.net, network.written)):
            self.names.setdefault(name, []).append(first)
        if own:
            self.labels.setdefault(key, own)
            self.names.setdefault(own, []).append(first)
            self.labelled.setdefault(label(variant), (entry.place, set()))[1].add(key)

    def keep_within(self, limited: Sequence[str], holds: Callable[[dict[str, Any]], bool] | None, measure: Measure) -> None:
        """Remove the variants that do not meet the limits on measured costs. One that is not measured yet is kept.

        Args:
            limited: The names of the costs.
            holds: The constraint, if it names one of them.
            measure: As in enumerate_variants().
        """
        measured, budget = measure([*self.found.values()]), self.study.measured_budget
        self.conditions = measured.conditions
        for (key, variant), costs in zip([*self.found.items()], measured.costs):
            if not set(limited) <= costs.keys():
                self.unmeasured.append(label(variant))
                continue
            miss = excluded(self.study, holds, variant, self.rules[id(variant)], costs) if holds else ""
            if budget and not miss:
                miss = budget.miss(label(variant), costs[budget.measure])
                if miss and budget.on_miss == "error":
                    raise BudgetError(f"{self.study.places['budget']}: {miss}")
            if miss:
                self.dropped.append(miss)
                del self.found[key]
        left = set(map(id, self.found.values()))
        self.names = {name: kept for name, of in self.names.items() if (kept := [one for one in of if id(one) in left])}

    def named(self) -> list[Variant]:
        """The variants in order, each under a name of its own. Fails if none is left, or if there are too many."""
        study, found, place = self.study, self.found, self.study.places["variants"]
        if not found:
            raise StudyError(f"{place}: no variant is left of {len(self.dropped)}; the first: {self.dropped[0]}")
        trainings = len(study.seeds) * (len(study.held_out) or 1)
        if len(found) * trainings > MAX_TRIALS:
            each = "trainings" if len(study.held_out) > 1 else "seeds"
            wrong = f"{len(found):,} variants of {trainings:,} {each} are more than {MAX_TRIALS:,} trials"
            raise StudyError(f"{place}: {wrong}")
        for key, designs in self.again.items():
            if key in found:
                found[key] = replace(found[key], designs=tuple(designs))
        for key, own in self.labels.items():  # also of a row that was merged into one without a name
            if key in found and not found[key].title:
                found[key] = replace(found[key], title=own)
        words = in_own_words([*found.values()], study)
        for variant in words:
            for name in filter(None, (variant.title, variant.words)):
                self.names.setdefault(name, []).append(variant)
        variants = told_apart(words, study, self.names)
        times = Counter(map(label, variants) if self.labelled else ())
        for text, (at, of) in self.labelled.items():
            if len(of & found.keys()) > 1 or times[text] > 1 or (text in map(label, words) and not times[text]):
                raise StudyError(f"{at}: label: '{text}' names two variants; give each its own")
        return variants


def _check_panels(study: Study, names: Mapping[str, Any]) -> None:
    """Check that the networks of the panels of curves are in the study."""
    for title, nets in study.panels:
        for net in nets:
            if net not in names:
                raise StudyError(f"{study.places['panels']}: panels.{title}: found '{net}'; {allowed(net, names)}")


class Identities(dict[int, tuple[Any, bytes]]):
    """The identities of recipes and data as JSON, with every argument of own code, each made once.

    The key is the object's id(), which is fast.
    """

    def key(self, variant: Variant) -> tuple[Architecture, bytes, bytes]:
        """What makes a variant another one than the others: network, recipe and data.

        Args:
            variant: The variant.
        """
        return with_all_arguments(variant.architecture), self.of(variant.recipe), self.of(variant.data)

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
