"""What variants and their trainings are called, and the values in which variants differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ablate.study.axes import BESIDE
from ablate.study.axis_text import DATA_TITLE, RECIPE_NAME, named_value, plain, shown_value
from ablate.study.fields import value_at
from ablate.study.study import Trial, Variant

OPEN = "open"  # in place of a value that is not chosen yet


def label(variant: Variant) -> str:
    """The variant's label: its network's name, and the axes that the name does not show.

    Args:
        variant: The variant.
    """
    if variant.title:
        return ", ".join([variant.title, *beside_texts(variant, (RECIPE_NAME, DATA_TITLE))])
    return ", ".join([variant.words or variant.net, *beside_texts(variant)])


def beside_texts(variant: Variant, prefixes: tuple[str, ...] = BESIDE) -> list[str]:
    """The axes of a variant's recipe and data, as its label shows them.

    Args:
        variant: The variant.
        prefixes: Of the names of the axes.
    """
    named = {axis: plain(value) for axis, value in variant.axes.items() if axis.startswith(prefixes)}
    return [variant.labels.get(axis) or named_value(axis, text) for axis, text in named.items()]


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


def axis_value(variant: Variant, axis: str) -> Any:
    """The value of a recipe.* or data.* axis in a variant, or of one that is tuned; None where the variant has none.

    A number of images that is not given is "all".

    Args:
        variant: The variant.
        axis: Such as "recipe.lr" or "data.title".
    """
    if axis in variant.untuned:
        return OPEN
    if axis in variant.tuned:
        return variant.tuned[axis]
    if not axis.startswith(BESIDE):
        return None  # a tuned axis that another one's value leaves out
    if axis in (RECIPE_NAME, DATA_TITLE):
        return variant.axes[axis]
    if isinstance(written := variant.axes.get(axis), dict):
        return written
    group, _, field = axis.partition(".")
    if group == "recipe":
        value = value_at(variant.recipe, field)
        return variant.recipe.used.get(field) if value is None else value
    value = value_at(variant.data, field)
    return "all" if value is None and field in ("train_size", "test_size") else value


def varied_axes(variants: Sequence[Variant]) -> list[str]:
    """The recipe.* and data.* axes that some entry gives and in which variants differ; and all axes that are tuned.

    Args:
        variants: Of a study's enumeration.
    """
    named = dict.fromkeys(axis for variant in variants for axis in variant.axes if axis.startswith(BESIDE))
    varied = [axis for axis in named if len({repr(axis_value(variant, axis)) for variant in variants}) > 1]
    return list(dict.fromkeys([*varied, *(axis for variant in variants for axis in (*variant.tuned, *variant.untuned))]))


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
            **{axis: shown_value(axis_value(variant, axis)) for axis in beside},
            "net": variant.net,
        }
        for variant in variants
    ]
