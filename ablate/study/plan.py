"""Study -> variants -> trials: expansion, depth conventions, budget, constraint. Deterministic, and without torch."""

from __future__ import annotations

import gc
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from ablate.data.preprocessing import PREPROCESSING
from ablate.errors import BudgetError, NotationError, StudyError, allowed
from ablate.nets.architecture import Architecture, DepthRule, format_block
from ablate.nets.families import IMAGENET, arguments_of, blueprint
from ablate.nets.family import STYLE_AXES
from ablate.nets.initialization import BATCH_NORM_INITS, ends_with_batch_norm
from ablate.nets.notation import depth_of, other_meanings, remark
from ablate.own_code import KEYS as CODE_KEYS
from ablate.study.axes import BESIDE, Network, Networks, dotted
from ablate.study.costs import compile_choice
from ablate.study.data import Data
from ablate.study.designs import Design
from ablate.study.expand import DATA_TITLE, RECIPE_NAME, beside_axes, cells
from ablate.study.expression import compile_expression, names_in
from ablate.study.limits import Limited, Measure, limited_costs, nothing_measured
from ablate.study.recipe import Recipe
from ablate.study.resolve import all_fields, dotted_fields, own_codes, replace_fields, value_at
from ablate.study.short_names import describe_codes, in_words, readable, short_axis, short_names
from ablate.study.study import Entry, Study, Trial, Variant
from ablate.study.task_file import task_objection

MAX_TRIALS = 1_000_000
OPEN, NONE = "open", "none"  # in place of a value that is not chosen yet, and of one that a variant does not have


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
        networks = tuple(describe_codes(self.variants, plain)) if any(one.whole_name for one in self.variants) else ()
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
            variant, network = _variant(networks, entry, axes, data, beside(entry, data), row, design, own)
        except (NotationError, StudyError) as error:
            raise StudyError(f"{_place(entry, axes, str(error))}: {error}") from None
        try:
            if holds and not of_measured and not holds(_names(variant, entry.depth_rule)):
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
    labels = _in_words([*found.values()], study)
    for variant in labels:
        for name in filter(None, (variant.title, variant.words)):
            names.setdefault(name, []).append(variant)
    variants = _tell_apart(_shortly_named(_with_own_titles(labels), study, names))
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
            met = holds is None or holds({**_names(variant, rules[id(variant)]), **costs})
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


def candidate_maker(study: Study) -> Callable[[dict[str, Any]], Variant]:
    """A function that makes the variant of a search's candidate from the values of its axes, by name.

    The function raises StudyError for a candidate that is not feasible, and BudgetError for one that misses the budget.

    Args:
        study: As loaded by load_study(); it has a search.
    """
    assert study.search is not None
    holds = compile_expression(study.where) if study.where else None
    (entry,), search = study.entries, study.search
    base, networks = search.base, Networks(study)

    def make(values: dict[str, Any]) -> Variant:
        axes = values if base is None else {"net": base, **values}
        try:
            variant, network = _variant(networks, entry, axes, study.data, {}, "", None, "")
        except NotationError as error:
            raise StudyError(f"{study.places['search']}: {error}") from None
        if network.miss:
            raise BudgetError(f"{study.places['budget']}: {network.miss}")
        try:
            kept = holds is None or holds(_names(variant, entry.depth_rule))
        except StudyError as error:
            raise StudyError(f"{study.places['where']}: {error}") from None
        if not kept:
            raise StudyError(f"{study.places['where']}: {label(variant)} is excluded by where: {study.where}")
        check_batches(variant.recipe, variant.data.model_copy(update={"held_out": search.held_out[0]}))
        return variant

    return make


def with_all_arguments(architecture: Architecture) -> Architecture:
    """A network with every argument of its user-defined code written. Two of them are equal if they are one network.

    Args:
        architecture: The network. One without user-defined code is returned as it is.
    """
    if not architecture.code:
        return architecture
    return architecture.with_axis("args", json.dumps(arguments_of(architecture), sort_keys=True))


def name_training(trial: Trial) -> str:
    """A training of a variant or a candidate in words: "seed 0", or "fold 2 seed 0". Folds are counted from 1.

    Args:
        trial: The training.
    """
    fold = fold_of(trial)
    return f"seed {trial.seed}" if fold is None else f"fold {fold} seed {trial.seed}"


def fold_of(trial: Trial) -> int | None:
    """The number of the part of the training images that is held out, from 1; None if there is only one part, or none.

    Args:
        trial: The training.
    """
    held_out = trial.data.held_out
    return None if held_out is None or held_out.fold is None else held_out.fold + 1


def label(variant: Variant) -> str:
    """The variant's label: its network's name, and the axes that the name does not show.

    Args:
        variant: The variant.
    """
    if variant.title:
        return ", ".join([variant.title, *_beside(variant, (RECIPE_NAME, DATA_TITLE))])
    return ", ".join([variant.words or variant.net, *_beside(variant)])


def _beside(variant: Variant, prefixes: tuple[str, ...] = BESIDE) -> list[str]:
    """The axes of a variant's recipe and data, as its label shows them."""
    named = {axis: plain(value) for axis, value in variant.axes.items() if axis.startswith(prefixes)}
    return [variant.labels.get(axis) or named_value(axis, text) for axis, text in named.items()]


def named_value(axis: str, text: str) -> str:
    """A value with the short name of its axis, such as "lr 0.1"; the names of recipes and data sets stand alone.

    Args:
        axis: Such as "recipe.lr".
        text: The value as text.
    """
    shown = readable(axis, text)
    return shown if axis in (RECIPE_NAME, DATA_TITLE) else f"{short_axis(axis)} {shown}"


def values_as_text(variants: Sequence[Variant]) -> list[dict[str, str]]:
    """The values of each variant as texts, by axis: of its network, and of recipe and data as far as entries give them.

    Args:
        variants: Of a study.
    """
    beside = dict.fromkeys(axis for variant in variants for axis in variant.axes if axis.startswith(BESIDE))
    return [
        {
            **{axis: plain(value) for axis, value in variant.network.items() if value is not None},
            **{axis: plain(value) for axis, value in variant.axes.items()},
            **{axis: plain(axis_value(variant, axis)) for axis in beside},
            "net": variant.net,
        }
        for variant in variants
    ]


def varied_axes(variants: Sequence[Variant]) -> list[str]:
    """The recipe.* and data.* axes that some entry gives and in which variants differ; and all axes that are tuned.

    Args:
        variants: Of a study's enumeration.
    """
    named = dict.fromkeys(axis for variant in variants for axis in variant.axes if axis.startswith(BESIDE))
    varied = [axis for axis in named if len({repr(axis_value(variant, axis)) for variant in variants}) > 1]
    return list(dict.fromkeys([*varied, *(axis for variant in variants for axis in (*variant.tuned, *variant.untuned))]))


def axis_value(variant: Variant, axis: str) -> Any:
    """The value of a recipe.* or data.* axis in a variant, or of one that is tuned; "all" for a size that is not given.

    Args:
        variant: The variant.
        axis: Such as "recipe.lr" or "data.title".
    """
    if axis in variant.untuned:
        return OPEN
    if axis in variant.tuned:
        return variant.tuned[axis]
    if not axis.startswith(BESIDE):
        return NONE  # a tuned axis that another one's value leaves out
    if axis in (RECIPE_NAME, DATA_TITLE):
        return variant.axes[axis]
    if isinstance(written := variant.axes.get(axis), dict):
        return written
    group, _, field = axis.partition(".")
    if group == "recipe":
        value = value_at(variant.recipe, field)
        return variant.recipe.used.get(field) if value is None else value
    value = value_at(variant.data, field)
    return "all" if value is None else value


def plain(value: Any) -> str:
    """A value as text, with at most six significant digits: 0.05, not 0.05000000000000001.

    Args:
        value: A number, a text, or a list or mapping of them.
    """
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return " ".join(map(plain, value))
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, dict) and "python" in value:  # {python: mine:focal, args: {gamma: 2}} -> mine:focal(gamma=2)
        args = value.get("args")
        given = ", ".join(f"{key}={plain(each)}" for key, each in args.items()) if isinstance(args, dict) else ""
        return f"{value['python']}({given})" if given else str(value["python"])
    if isinstance(value, dict):  # {name: one_cycle, warmup: 0.3} -> one_cycle warmup 0.3
        return " ".join(plain(each) if key == "name" else f"{key} {plain(each)}" for key, each in value.items())
    return str(value)


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


def _variant(
    networks: Networks,
    entry: Entry,
    axes: dict[str, Any],
    data: Data,
    beside: dict[str, Any],
    row: str,
    design: Design | None,
    own: str,
) -> tuple[Variant, Network]:
    """The variant of some axes, and its network."""
    recipe = entry.recipe
    if changes := dotted(axes, "recipe."):
        recipe = _replaced(recipe, _Changes(changes), networks.study.folder)
    if changes := dotted(axes, "data."):
        data = _replaced(data, _Changes(changes), networks.study.folder)
    check_batches(recipe, data)
    _check_extra_tests(data)
    if wrong := task_objection(data.task, recipe, data)[1]:
        raise StudyError(wrong)
    network = networks.of(axes, entry.depth_rule, data, recipe)
    _check_init(recipe, network.architecture, data)
    if recipe.compile == "auto":
        recipe = _replaced(recipe, _Changes(compile=compile_choice(network.counts, data, recipe)), networks.study.folder)
    variant = Variant(
        network.net,
        network.architecture,
        recipe,
        data,
        beside | axes if beside else axes,  # most studies have nothing beside: the design has the same mapping then
        network.counts,
        network.budget_result,
        row,
        entry.recipe_name,
        folds=entry.folds,
        designs=(design,) if design else (),
        title=own or (design.label if design else ""),
    )
    return variant, network


class _Changes(dict[str, Any]):
    """Changed fields, hashable. They are compared as text, because 1, 1.0 and true differ in a study."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(self))

    def __eq__(self, other: object) -> bool:
        return repr(self) == repr(other)

    @property
    def names_code(self) -> bool:
        """Whether a user's own code is among them, which may have changed since it was read before."""
        keys = {part for key in self for part in key.split(".")}
        return not keys.isdisjoint(CODE_KEYS) or any("'python':" in repr(each) for each in self.values())


def _replaced(model: Recipe | Data, changes: _Changes, folder: Path) -> Any:
    """replace_fields(), cached: many variants change the same fields."""
    if changes.names_code:
        return replace_fields(model, dict(changes), folder)
    return _replaced_before(model, changes)


@lru_cache(maxsize=4096)
def _replaced_before(model: Recipe | Data, changes: _Changes) -> Any:
    return replace_fields(model, dict(changes))


def _place(entry: Entry, axes: dict[str, Any], message: str) -> str:
    """The place of the value that an error is about; the place of the entry if the value is not known."""
    named = [axis for axis in axes if message.startswith((f"{axis}:", f"{axis} ", f"unknown axis '{axis}'"))]
    named = named or (["net"] if entry.kind == "net" else [])
    places = [place for axis in named if (place := entry.places.get((axis, repr(axes[axis]))))]
    return places[0] if places else entry.place


def _shortly_named(variants: list[Variant], study: Study, names: dict[str, list[Variant]]) -> list[Variant]:
    """The variants with the short names of user-defined networks, which are added to `names` beside the whole names."""
    if not any(one.architecture.code for one in variants):
        return variants
    solved = study.budget.solve if study.budget else ()
    short = short_names(variants, solved, [", ".join(_beside(variant)) for variant in variants], plain)
    for name, variant in zip(short, variants):
        if name != variant.net:
            names.setdefault(name, []).append(variant)
    return [replace(one, net=name, whole_name=one.net) if name != one.net else one for name, one in zip(short, variants)]


def _in_words(variants: list[Variant], study: Study) -> list[Variant]:
    """The variants with the author's words for their values, and the groups of the main table.

    A network is called by the words for its axes, if these tell it from the others, else with the axes that entries vary,
    else with its own name before them.
    """
    if not study.labels.texts and study.labels.group_by is None:
        return variants
    values = values_as_text(variants)
    study.labels.check(values)
    texts = [study.labels.of(each) for each in values]
    group_by = study.labels.group_by and study.labels.group_by[0]
    groups = [
        of.get(group_by) or named_value(group_by, v.get(group_by, "–")) if group_by else "" for v, of in zip(values, texts)
    ]
    variants = [replace(one, labels=of, group=group) for one, of, group in zip(variants, texts, groups)]
    given = dict.fromkeys(axis for one in variants for axis in one.axes if not axis.startswith(BESIDE))
    varied = [axis for axis in given if axis != "net" and len({each.get(axis) for each in values}) > 1]
    ways: list[list[Variant]] = [[], [], []]
    for one, of, each in zip(variants, texts, values):
        words = {axis: text for axis, text in of.items() if not axis.startswith(BESIDE)}
        names = [""] * 3
        if words and not one.title:
            first = words.get("net") or ", ".join(words.values())
            rest = [named_value(axis, each[axis]) for axis in varied if axis in each and axis not in words]
            names = [first, ", ".join([first, *rest]), f"{one.net} ({first})"]
        for way, name in zip(ways, names):
            way.append(replace(one, title=in_words(one.title, each, of), words=name))
    times = [Counter(map(label, way)) for way in ways]
    return [next((one for one, n in zip(same, times) if n[label(one)] == 1), same[-1]) for same in zip(*ways)]


def _with_own_titles(variants: Iterable[Variant]) -> list[Variant]:
    """The variants, without the titles that two of them have beside one data set and recipe, as of two designs."""
    kept = list(variants)
    times = Counter(label(variant) for variant in kept if variant.title)
    return [replace(one, title="") if one.title and times[label(one)] > 1 else one for one in kept]


def _tell_apart(variants: list[Variant]) -> list[Variant]:
    """The variants, with N added to the names of those with equal labels (one depth under both conventions)."""
    labels = [label(variant) for variant in variants]
    times = Counter(labels)
    return [
        variant
        if times[text] == 1 or variant.title
        else replace(variant, net=f"{variant.net} (N = {variant.architecture.N})")
        for variant, text in zip(variants, labels)
    ]


def _check_init(recipe: Recipe, architecture: Architecture, data: Data) -> None:
    """Check that a rule for the batch norm at the end of a block has one to set; without, it would silently do nothing."""
    rule = BATCH_NORM_INITS[recipe.init.batch_norm_weight]
    if rule.last and not ends_with_batch_norm(blueprint(architecture, *data.asked)):
        raise StudyError(
            f"recipe.init: no block of the network ends with batch norm, so {rule.name} sets nothing; use ones"
        )


def check_batches(recipe: Recipe, data: Data) -> None:
    """Check that a training epoch has a step.

    Args:
        recipe: With the size of a batch.
        data: With the number of training images, as far as it is known.

    Raises:
        StudyError: It has none.
    """
    images = data.train_size or data.data_set.images[0]
    if images is not None and (part := data.held_out):
        images -= part.taken(images)
    if images is not None and recipe.last_batch == "drop" and images < recipe.batch_size:
        raise StudyError(
            f"recipe.batch_size: {recipe.batch_size} of {images} training images leaves no batch; "
            "use a smaller batch, or recipe.last_batch: keep"
        )


def _check_extra_tests(data: Data) -> None:
    """Check that further test images can be made of the test images of a variant, whose data may be its own."""
    if data.also_test and PREPROCESSING[data.preprocess].prepare:
        raise StudyError(f"also_test: not possible with data.preprocess: {data.preprocess}; use another one")
    if data.streamed and any(one.corruption for one in data.also_test):
        raise StudyError("also_test.corruption: not possible with images that are streamed; use data")


def _names(variant: Variant, rule: DepthRule) -> dict[str, Any]:
    """The names that a `where` expression can use, and their values."""
    architecture = variant.architecture
    names: dict[str, Any] = {
        "net": variant.net,
        "family": architecture.family,
        "block": format_block(architecture.block),
        "l": architecture.l,
        "k": architecture.k,
        "depth": depth_of(architecture, rule) or math.nan,  # NaN is neither deeper nor shallower
        "N": variant.blocks_per_group if isinstance(variant.blocks_per_group, int) else math.nan,
        **{axis: getattr(architecture, axis) for axis in ("cardinality", "base_width", *STYLE_AXES)},
        "parameters": variant.counts.parameters,
        "multiply_adds": variant.counts.multiply_adds,
    }
    names |= {f"args.{key}": value for key, value in arguments_of(architecture).items()}
    for prefix, model in (("recipe", variant.recipe), ("data", variant.data)):
        names |= dotted_fields(prefix, all_fields(model))
    return names
