"""Data and recipe in the words of a caption."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ablate.report.summary import Summary
from ablate.report.tables import counted
from ablate.study.expand import DATA_TITLE, RECIPE_NAME
from ablate.study.study import Data, Recipe

COMPILE = "recipe.compile"


def describe_setting(summaries: Sequence[Summary], separator: str) -> str:
    """The data sets and recipes of some variants, and what is varied in them."""
    varied = {axis for summary in summaries for axis in summary.axes}
    varied |= {COMPILE} if len({summary.variant.recipe.compile for summary in summaries}) > 1 else set()  # auto
    alike: dict[str, list[str]] = {}
    for summary in summaries:
        told = describe_data(summary.variant.data.model_copy(update={"title": ""}), varied)
        titles = alike.setdefault(told, [])
        titles += [] if summary.variant.data.title in titles else [summary.variant.data.title]
    data = [" and ".join(filter(None, [", ".join(titles[:-1]), titles[-1]])) + told for told, titles in alike.items()]
    recipes: dict[str, dict[str, None]] = {}
    for summary in summaries:
        name = str(summary.axes.get(RECIPE_NAME, ""))
        recipes.setdefault(describe_recipe(summary.variant.recipe, varied), {})[name] = None
    named = [f"{' and '.join(names)}: {text}" if len(recipes) > 1 else text for text, names in recipes.items()]
    shown = sorted(varied - {DATA_TITLE, RECIPE_NAME})
    word = "Varied" if separator.startswith(".") else "varied"
    return separator.join([*data, *named, *([f"{word}: {', '.join(shown)}"] if shown else [])])


PREPROCESSING = {"meanstd": "mean/std", "zca": "ZCA-whitened", "scale": "divided by 255", "none": "raw"}
AUGMENTATION = {"flip_crop": "flips and crops", "flip": "flips", "crop": "crops", "none": "no augmentation"}


def describe_data(data: Data, varied: Collection[str] = ()) -> str:
    """ "CIFAR-10 (JPEG copy), 5,000 training and 2,000 test images, mean/std, flips and crops"; without what is varied."""
    fields = (("train_size", "training"), ("test_size", "test"))
    sizes = [f"{size:,} {what}" for key, what in fields if (size := getattr(data, key)) and f"data.{key}" not in varied]
    said = {
        "title": data.title,
        "sizes": f"{' and '.join(sizes)} images" if sizes else "",
        "preprocess": PREPROCESSING[data.preprocess],
        "augment": AUGMENTATION[data.augment],
    }
    return ", ".join(text for key, text in said.items() if key == "title" or (text and f"data.{key}" not in varied))


def describe_recipe(recipe: Recipe, varied: Collection[str] = ()) -> str:
    """ "SGD, 200 epochs, batch 128, learning rate 0.1, float32"; what is varied is left out."""
    scaled = f" for a batch of {recipe.lr_batch_size}" if recipe.lr_batch_size else ""
    said = {
        "optimizer": {"sgd": "SGD", "adam": "Adam"}[recipe.optimizer],
        "epochs": counted(recipe.epochs, "epoch"),
        "batch_size": f"batch {recipe.batch_size}",
        "lr": f"learning rate {recipe.lr:g}{scaled}",
        "precision": recipe.precision,
        **({"compile": "compiled blocks"} if recipe.compile == "always" else {}),
        **({"gpus": f"{recipe.gpus} GPUs"} if recipe.gpus > 1 else {}),
        **({"sync_batch_norm": "batch norm of the whole batch"} if recipe.sync_batch_norm else {}),
    }
    return ", ".join(text for key, text in said.items() if f"recipe.{key}" not in varied)
