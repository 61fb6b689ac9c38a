"""Data and recipe in the words of a caption."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ablate.report.summary import Summary
from ablate.report.tables import counted
from ablate.study.plan import DATA_TITLE, RECIPE_NAME
from ablate.study.study import Data, Recipe


def describe_setting(summaries: Sequence[Summary], separator: str) -> str:
    """The data sets and recipes of some variants, and what is varied in them."""
    varied = {axis for summary in summaries for axis in summary.axes}
    data = dict.fromkeys(describe_data(summary.variant.data, varied) for summary in summaries)
    recipes: dict[str, dict[str, None]] = {}
    for summary in summaries:
        name = str(summary.axes.get(RECIPE_NAME, ""))
        recipes.setdefault(describe_recipe(summary.variant.recipe, varied), {})[name] = None
    named = [f"{' and '.join(names)}: {text}" if len(recipes) > 1 else text for text, names in recipes.items()]
    shown = sorted(varied - {DATA_TITLE, RECIPE_NAME})
    word = "Varied" if separator.startswith(".") else "varied"
    return separator.join([*data, *named, *([f"{word}: {', '.join(shown)}"] if shown else [])])


def describe_data(data: Data, varied: Collection[str] = ()) -> str:
    """ "CIFAR-10 (JPEG copy), subset: 5,000 training and 2,000 test images"; sizes that are varied are left out."""
    fields = (("train_size", "training"), ("test_size", "test"))
    sizes = [(getattr(data, key), what) for key, what in fields if f"data.{key}" not in varied]
    said = [f"{size:,} {what}" for size, what in sizes if size]
    return f"{data.title}, subset: {' and '.join(said)} images" if said else data.title


def describe_recipe(recipe: Recipe, varied: Collection[str] = ()) -> str:
    """ "SGD, 200 epochs, batch 128, learning rate 0.1, float32"; what is varied is left out."""
    said = {
        "optimizer": {"sgd": "SGD", "adam": "Adam"}[recipe.optimizer],
        "epochs": counted(recipe.epochs, "epoch"),
        "batch_size": f"batch {recipe.batch_size}",
        "lr": f"learning rate {recipe.lr:g}",
        "precision": recipe.precision,
    }
    return ", ".join(text for key, text in said.items() if f"recipe.{key}" not in varied)
