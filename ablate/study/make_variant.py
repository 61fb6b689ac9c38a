"""One variant from the values of its axes; for a search, a candidate. What contradicts itself is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ablate.data.preprocessing import PREPROCESSING
from ablate.errors import BudgetError, NotationError, StudyError
from ablate.nets.architecture import Architecture, DepthRule, format_block
from ablate.nets.families import arguments_of, blueprint
from ablate.nets.family import STYLE_AXES
from ablate.nets.initialization import BATCH_NORM_INITS, ends_with_batch_norm
from ablate.nets.notation import depth_of
from ablate.own_code import KEYS as CODE_KEYS
from ablate.study.axes import Network, Networks, dotted
from ablate.study.costs import compile_choice
from ablate.study.data import Data
from ablate.study.data_forms import ANY
from ablate.study.designs import Design
from ablate.study.expression import compile_expression
from ablate.study.fields import all_fields, dotted_fields
from ablate.study.labels import label
from ablate.study.recipe import Recipe
from ablate.study.recipe_forms import optimizer_fields
from ablate.study.resolve import replace_fields
from ablate.study.study import Entry, Study, Variant
from ablate.study.task_file import task_objection


def make_variant(
    networks: Networks,
    entry: Entry,
    axes: dict[str, Any],
    data: Data,
    beside: dict[str, Any],
    row: str,
    design: Design | None,
    own: str,
) -> tuple[Variant, Network]:
    """The variant of some axes, and its network.

    Args:
        networks: Those of the study, which are made once each.
        entry: The item of `variants`.
        axes: The values of its axes, by name.
        data: The data set, without the changes of data.* axes.
        beside: The axes that distinguish the entry and the data set from others, as beside_axes() says them.
        row: The published row that the variant stands for; "" for the one with the network's own name.
        design: What the variant is in a designed item.
        own: The author's name of the row; "" for none.

    Raises:
        NotationError: A name or a value is not valid.
        StudyError: The values contradict each other.
        BudgetError: The network does not have an axis that is to be solved.
    """
    recipe, kept = entry.recipe, entry.kept
    if changes := dotted(axes, "recipe."):
        recipe = _replaced(recipe, _Changes(changes), networks.study, kept)
        kept += optimizer_fields(changes)
    if changes := dotted(axes, "data."):
        data = _replaced(data, _Changes(changes), networks.study)
    check_batches(recipe, data)
    _check_extra_tests(data)
    if wrong := task_objection(data.task, recipe, data)[1]:
        raise StudyError(wrong)
    network = networks.of(axes, entry.depth_rule, data, recipe)
    _check_init(recipe, network.architecture, data)
    if recipe.compile == "auto":
        recipe = _replaced(recipe, _Changes(compile=compile_choice(network.counts, data, recipe)), networks.study)
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
        kept=kept,
    )
    return variant, network


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
            variant, network = make_variant(networks, entry, axes, study.data, {}, "", None, "")
        except NotationError as error:
            raise StudyError(f"{study.places['search']}: {error}") from None
        if network.miss:
            raise BudgetError(f"{study.places['budget']}: {network.miss}")
        if holds and (why := excluded(study, holds, variant, entry.depth_rule)):
            raise StudyError(f"{study.places['where']}: {why}")
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


def excluded(
    study: Study,
    holds: Callable[[dict[str, Any]], bool],
    variant: Variant,
    rule: DepthRule,
    costs: Mapping[str, float] = MappingProxyType({}),
) -> str:
    """Why a study's `where` excludes a variant; "" if it does not.

    Args:
        study: With `where`.
        holds: The same, compiled.
        variant: The variant.
        rule: The layers that a depth counts.
        costs: What was measured of the variant, by name.

    Raises:
        StudyError: The expression cannot be computed; the message names its place.
    """
    try:
        kept = holds({**_names_for_where(variant, rule), **costs})
    except StudyError as error:
        raise StudyError(f"{study.places['where']}: {error}") from None
    return "" if kept else f"{label(variant)} is excluded by where: {study.where}"


def _names_for_where(variant: Variant, rule: DepthRule) -> dict[str, Any]:
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


def _replaced(model: Recipe | Data, changes: _Changes, study: Study, kept: tuple[str, ...] = ()) -> Any:
    """replace_fields(), cached: many variants change the same fields."""
    if changes.names_code:
        return replace_fields(model, dict(changes), study.folder, study.recorded, kept)
    return _replaced_before(model, changes, study.folder, kept)


@lru_cache(maxsize=4096)
def _replaced_before(model: Recipe | Data, changes: _Changes, folder: Path, kept: tuple[str, ...]) -> Any:
    return replace_fields(model, dict(changes), folder, kept=kept)  # own code that is not changed is read again too


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
    for other in (one.data for one in data.also_test if one.data):
        for field in ANY:
            if getattr(other, field) != getattr(data, field):
                found = f"found {getattr(other, field)} in {other.title}"
                raise StudyError(f"also_test.data.{field}: {found}; allowed: {getattr(data, field)}, as in {data.title}")
