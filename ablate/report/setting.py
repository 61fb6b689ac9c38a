"""Data, recipe, and the space and budget of a search in words, for captions."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from ablate.data.augmentation_lists import describe_augmentation
from ablate.data.preprocessing import PREPROCESSING
from ablate.kinds.costs import MEASURED_COSTS
from ablate.kinds.hooks import HOOKS
from ablate.own_code import OwnCode
from ablate.records.result import FINAL, TEST
from ablate.report.numbers import counted, quantity
from ablate.report.seeds import TRAINING
from ablate.report.summary import Summary
from ablate.study.axis_text import DATA_TITLE, RECIPE_NAME, plain, readable, short_axis
from ablate.study.budget import Budget
from ablate.study.data import Data, HeldOut
from ablate.study.recipe import Part, Recipe
from ablate.study.recipe_schema import KINDS, WITH
from ablate.study.search import Search
from ablate.study.short_names import describe_codes
from ablate.study.study import Study
from ablate.study.tasks import CLASSIFICATION

COMPILE = "recipe.compile"
RESIZE_WORDS = {"crop": "cropped at the centre", "stretch": "stretched to a square", "pad": "padded to a square"}
SAME_RESULT = ("checkpoint_activations", "lr_batch_size")  # the second is shown with the learning rate
MEASURES = {
    "parameters": "parameters", "multiply_adds": "multiply-adds", "activation_memory": "bytes of activation memory",
    **{name: cost.words for name, cost in MEASURED_COSTS.items()},
}  # fmt: skip


def describe_setting(summaries: Sequence[Summary], separator: str) -> str:
    """The data sets and recipes of some variants, copies among their images, and the axes that vary, in words.

    Networks of the user's own code are named, because rows and labels show only what varies in them.

    Args:
        summaries: The summaries of a study.
        separator: The text between two parts, "; " or ". "; after a full stop the next part begins with a capital.
    """
    varied = {axis for summary in summaries for axis in summary.axes}
    varied |= {COMPILE} if len({summary.variant.recipe.compile for summary in summaries}) > 1 else set()  # auto: either
    alike: dict[str, list[str]] = {}
    for summary in summaries:
        told = describe_data(summary.variant.data.model_copy(update={"title": ""}), varied)
        titles = alike.setdefault(told, [])
        titles += [] if summary.variant.data.title in titles else [summary.variant.data.title]
    data = [" and ".join(filter(None, [", ".join(titles[:-1]), titles[-1]])) + told for told, titles in alike.items()]
    data += describe_copies(summaries)
    recipes: dict[str, dict[str, None]] = {}
    tuned = list(dict.fromkeys(axis for one in summaries for axis in (*one.variant.tuned, *one.variant.untuned)))
    shown = sorted(varied - {DATA_TITLE, RECIPE_NAME, *tuned})
    varied |= following([summary.variant.recipe for summary in summaries], varied)
    for summary in summaries:
        name = readable(RECIPE_NAME, str(summary.axes.get(RECIPE_NAME, "")))
        recipes.setdefault(describe_recipe(summary.variant.recipe, summary.variant.recipe_name, varied), {})[name] = None
    named = [f"{' and '.join(names)}: {text}" if len(recipes) > 1 else text for text, names in recipes.items()]
    capital = separator.startswith(".")
    networks = describe_codes([summary.variant for summary in summaries])
    own = [f"{'Network' if capital else 'network'} {' and '.join(networks)}"] if networks else []
    varying = [f"{'Varied' if capital else 'varied'}: {', '.join(map(short_axis, shown))}"] if shown else []
    varying += [f"{'Tuned' if capital else 'tuned'} for each variant: {', '.join(map(short_axis, tuned))}"] if tuned else []
    return separator.join([*data, *named, *own, *varying])


def following(recipes: Sequence[Recipe], varied: Collection[str]) -> set[str]:
    """The axes of fields that differ because an optimizer, a schedule or a loss varies, such as "recipe.momentum".

    Args:
        recipes: Of some variants.
        varied: The axes that vary.
    """
    found = set()
    used = [recipe.used for recipe in recipes]
    for field, table in KINDS.items():
        if any(f"{axis}.".startswith(f"recipe.{field}.") for axis in varied):
            known = {name for entry in table.values() for name in entry.fields} | set(WITH.get(field, ()))
            found |= {f"recipe.{key}" for key in known if len({repr(each.get(key, ...)) for each in used}) > 1}
    return found


def describe_held_out(parts: Sequence[HeldOut]) -> str:
    """The images that are held out, such as "5,000 held-out training images" or "5 folds of the training images".

    Args:
        parts: The folds in order, or the one part.
    """
    first = parts[0]
    if first.folder is not None:
        return f"the folder {first.folder}"
    if first.images is not None:
        return f"{first.images:,} held-out training images"
    return f"{counted(len(parts), 'fold')} of the training images"


def describe_copies(summaries: Sequence[Summary]) -> list[str]:
    """Texts such as "16 of 16 test images are also training images", one for each data set of the records that has any.

    Args:
        summaries: Of a study, or of the trainings of a search.
    """
    found: dict[str, None] = {}
    several = len({summary.variant.data.title for summary in summaries}) > 1
    for summary in summaries:
        held_out = summary.trials[0].trial.data.held_out if summary.trials else None
        parts = {TEST: "held-out", FINAL: "test"} if held_out else {TEST: "test"}
        of = f" of {summary.variant.data.title}" if several else ""
        for record in summary.records:
            for prefix, what in parts.items():
                if copies := record.result.get(f"{prefix}images_in_training"):
                    images = record.result.get(f"{prefix}images", 0)
                    found[f"{copies:,} of {images:,} {what} images{of} are also training images"] = None
    return list(found)


def describe_data(data: Data, varied: Collection[str] = ()) -> str:
    """Data in words, such as "CIFAR-10 (JPEG copy), 5,000 training and 2,000 test images, mean/std, flips and crops".

    Args:
        data: The data of a variant.
        varied: The axes to leave out, such as "data.train_size", because they vary.
    """
    fields = (("train_size", "training"), ("test_size", "test"))
    sizes = [f"{size:,} {what}" for key, what in fields if (size := getattr(data, key)) and f"data.{key}" not in varied]
    said = {
        "title": data.title,
        "sizes": f"{' and '.join(sizes)} images" if sizes else "",
        "image_size": f"{data.image_size} pixels" if data.data_set.image_size not in (None, data.image_size) else "",
        "own": _describe_own(data, varied),
        "resize": RESIZE_WORDS.get(data.resize or "", ""),
        "split": _describe_split(data, varied),
        "stream": "decoded when needed" if data.stream else "",
        "on_damaged": "damaged images skipped" if data.on_damaged == "skip" else "",
        "preprocess": PREPROCESSING[data.preprocess].words,
        "augment": describe_augmentation(data.augment),
        "task": str(data.task) if data.task.name != CLASSIFICATION else "",
    }
    return ", ".join(text for key, text in said.items() if key == "title" or (text and f"data.{key}" not in varied))


def _describe_split(data: Data, varied: Collection[str]) -> str:
    """The draw of the test images, such as "20% of the images drawn as test images, seed 3", without what varies."""
    if data.split is None:
        return ""
    drawn = f"{data.split.test:,}" if isinstance(data.split.test, int) else f"{100 * data.split.test:g}%"
    drawn = "some" if "data.split.test" in varied else drawn
    seed = "" if "data.split.seed" in varied else f", seed {data.split.seed}"
    return f"{drawn} of the images drawn as test images{seed}"


def _describe_own(data: Data, varied: Collection[str]) -> str:
    """The own code that returns the images, such as "images of my_data:load(side=16)", without arguments that vary."""
    if data.own is None:
        return ""
    args = {key: value for key, value in data.own.args.items() if f"data.args.{key}" not in varied}
    return f"images of {replace(data.own, arguments=json.dumps(args))}"


def describe_recipe(recipe: Recipe, name: str, varied: Collection[str] = ()) -> str:
    """A recipe in words, with each difference from the named recipe that it is derived from.

    For example "SGD, 200 epochs, batch 128, learning rate 0.1, float32; unlike the recipe WRN on CIFAR: momentum
    0.5, weight decay 0".

    Args:
        recipe: The recipe of a variant.
        name: The name of the recipe that it is derived from; empty for none.
        varied: The axes to leave out, such as "recipe.lr", because they vary.
    """
    own = _without_varied("optimizer", recipe.optimizer, varied)
    scaled = f" for a batch of {recipe.lr_batch_size}" if recipe.lr_batch_size else ""
    said = {
        "optimizer": recipe.kinds[0].words if isinstance(recipe.optimizer, str) else plain(own),
        "epochs": counted(recipe.epochs, "epoch"),
        "batch_size": f"batch {recipe.batch_size}",
        "lr": f"learning rate {recipe.lr:g}{scaled}",
        "precision": recipe.arithmetic.words,
        **({"compile": "compiled blocks"} if recipe.compile == "always" else {}),
        **({"gpus": f"{recipe.gpus} GPUs"} if recipe.gpus > 1 else {}),
        **({"sync_batch_norm": "batch norm of the whole batch"} if recipe.sync_batch_norm else {}),
    }
    text = ", ".join(words for key, words in said.items() if f"recipe.{key}" not in varied)
    usual = Recipe.named(name).values if name else recipe.values
    told = {*said, *SAME_RESULT, "compile"} | {axis.removeprefix("recipe.") for axis in varied}
    usual = {**recipe.defaults, **usual}
    departures, shared = [], []
    for key, value in recipe.used.items():
        shown, normal, default = (
            _without_varied(key, each, varied) for each in (value, usual.get(key), recipe.defaults.get(key, value))
        )
        said_key = "" if key == "init" else f"{key.replace('_', ' ')} "  # its values say what they are of
        words = f"{said_key}{readable(f'recipe.{key}', plain(shown))}"
        words = f"{', '.join(HOOKS)} of {plain(shown)} where it has them" if key == "python" else words
        if key not in told and shown != normal:
            departures.append(words)
        elif key not in told and shown != default:  # the named recipe has it too
            shared.append(words)
    text = ", ".join([text, *shared])
    title = readable(RECIPE_NAME, name)
    if departures:
        return f"{text}; unlike the recipe {title}: {', '.join(departures)}"
    return f"{text}; the rest as in the recipe {title}" if name else text


def _without_varied(field: str, value: Any, varied: Collection[str]) -> Any:
    """Own code in a field without the arguments that vary, a part without the fields that vary; other values unchanged.

    A part is then a mapping of its other fields, as far as they are not usual.
    """
    if isinstance(value, Part) and any(axis.startswith(f"recipe.{field}.") for axis in varied):
        usual, (first, *_) = dict(type(value)()), dict(value)
        kept = {name: each for name, each in dict(value).items() if f"recipe.{field}.{name}" not in varied}
        return {"name" if name == first else name: each for name, each in kept.items() if each != usual[name]}
    prefix = "recipe.args." if field == "python" else f"recipe.{field}.args."
    if not isinstance(value, OwnCode):
        return value
    shared = {key: each for key, each in value.args.items() if f"{prefix}{key}" not in varied}
    return OwnCode(value.python, json.dumps(shared, sort_keys=True), value.code)


def describe_search(study: Study, separator: str) -> str:
    """Data, recipe, searched axes and budget: "Digits, 128 images; SGD, 2 epochs; searched: k (base WRN-16-4)".

    Args:
        study: As loaded by load_study(), with a search.
        separator: The text between two parts, "; " or ". "; after a full stop the next part begins with a capital.
    """
    search = _search_of(study)
    axes = search.axes
    data = study.data.model_copy(update={"test_size": None})  # the test images are not read
    base = search.base["python"] if isinstance(search.base, dict) else search.base
    what = f"{', '.join(map(short_axis, axes))}{f' (base {base})' if base else ''}"
    word = "Searched" if separator.startswith(".") else "searched"
    budget = [describe_budget(study.budget)] if study.budget else []
    recipe = describe_recipe(study.recipe, study.entries[0].recipe_name, axes)
    return separator.join([describe_data(data, axes), recipe, f"{word}: {what}", *budget])


def describe_budget(budget: Budget) -> str:
    """A budget in words, such as "1.20 M parameters within 4%, depth and k solved".

    Args:
        budget: A target with a tolerance, or a minimum or a maximum or both.
    """
    measure, solved = MEASURES[budget.measure], f", {' and '.join(budget.solve)} solved" if budget.solve else ""
    if budget.target:
        return f"{quantity(budget.target)} {measure} within {100 * budget.tolerance:g}%{solved}"
    bounds = (("at least", budget.minimum), ("at most", budget.maximum))
    return f"{' and '.join(f'{word} {quantity(bound)}' for word, bound in bounds if bound)} {measure}{solved}"


def describe_measured(study: Study) -> str:
    """What the errors of a search are measured on, and the trainings: "... on 5 folds of the training images, 5 trainings".

    Args:
        study: As loaded by load_study(), with a search.
    """
    parts, seeds = _search_of(study).held_out, len(study.seeds)
    both = f" ({counted(len(parts), 'fold')}, {counted(seeds, 'seed')})" if min(len(parts), seeds) > 1 else ""
    trainings = f"{counted(len(parts) * seeds, TRAINING)} per candidate{both}"
    return f"{study.decision.words} on {describe_held_out(parts)}, {trainings}"


def _search_of(study: Study) -> Search:
    assert study.search is not None
    return study.search
