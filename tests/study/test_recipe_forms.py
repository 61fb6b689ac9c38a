"""The forms in which a study writes optimizer, schedule, loss and own code, and what is said where a form is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from ablate.data.location import Location
from ablate.errors import RunError, StudyError
from ablate.kinds import optimizers
from ablate.launch.options import RunOptions
from ablate.launch.run import run_trials
from ablate.nets.families import count_network
from ablate.nets.notation import parse_architecture
from ablate.report.setting import describe_recipe
from ablate.study.costs import activation_memory, training_memory
from ablate.study.labels import axis_value, label, varied_axes
from ablate.study.plan import enumerate_variants
from ablate.study.recipe import Recipe
from ablate.study.spec import load_study
from ablate.study.study import Study

OWN = """
def focal(logits, labels, gamma=2.0):
    return logits.sum() * gamma


def rate(step, steps, lr):
    return lr


def entropy(logits):
    return logits.sum()


def Adam(network):
    return None


class Plain:
    def after_step(self, network):
        pass
"""


def load(folder: Path, recipe: str, axes: str = "", *overrides: str) -> Study:
    (folder / "mine.py").write_text(OWN)
    path = folder / "study.yaml"
    grid = f"{{grid: {{net: WRN-10-1, {axes}}}}}" if axes else "{net: WRN-10-1}"
    path.write_text(f"name: x\ndata: cifar10\nrecipe: {{base: wrn_cifar, {recipe}}}\nseeds: 1\nvariants: [{grid}]\n")
    return load_study(path, overrides)


def ids(study: Study) -> list[str]:
    return [variant.trials((0,))[0].id for variant in enumerate_variants(study).variants]


@pytest.mark.parametrize(
    ("mapping", "flat"),
    [
        ("schedule: {name: one_cycle, warmup: 0.2}", "schedule: one_cycle, warmup: 0.2"),
        ("schedule: {drop: 0.5}", "drop: 0.5"),
        ("optimizer: {name: adamw, lr: 0.01, betas: [0.8, 0.9]}", "optimizer: adamw, lr: 0.01, betas: [0.8, 0.9]"),
        ("loss: {name: bce, target_threshold: 0.2}", "loss: bce, target_threshold: 0.2"),
        ("mixup: {alpha: 0.2}, ema: {decay: 0.9}", "mixup: 0.2, ema: 0.9"),
        ("schedule: {name: cosine, warmup: 0, final: 0.0, per: step}", "schedule: cosine"),
        ("mixup: 0, cutmix: 0, ema: 0, clip_norm: 0, accumulate: 1, label_smoothing: 0, loss: cross_entropy", "lr: 0.1"),
        ("ema: {decay: 0, warmup: 5}, mixup: {alpha: 0, probability: 0.5}", "lr: 0.1"),  # both are off
        ("optimizer: {name: rmsprop}", "optimizer: rmsprop, momentum: 0.0"),  # not the momentum of the base's SGD
    ],
)
def test_a_mapping_means_the_flat_fields(tmp_path: Path, mapping: str, flat: str) -> None:
    assert ids(load(tmp_path, mapping)) == ids(load(tmp_path, flat))


def test_a_field_that_the_study_writes_holds_for_each_optimizer_that_has_it(tmp_path: Path) -> None:
    optimizers = "recipe.optimizer: [sgd, adamw, rmsprop, {name: rmsprop, momentum: 0.2}]"
    made = enumerate_variants(load(tmp_path, "betas: [0.5, 0.6], momentum: 0.8", optimizers)).variants
    used = [one.recipe.used for one in made]
    assert [one.get("momentum") for one in used] == [0.8, None, 0.8, 0.2]
    assert used[1]["betas"] == (0.5, 0.6)
    inside = load(tmp_path, "optimizer: {name: sgd, momentum: 0.8}", "recipe.optimizer: [sgd, rmsprop]")
    assert enumerate_variants(inside).variants[1].recipe.used["momentum"] == 0.8
    named = enumerate_variants(load(tmp_path, "lr: 0.1", "recipe.optimizer: [sgd, rmsprop]")).variants
    assert named[1].recipe.used["momentum"] == 0.0  # 0.9 is of the base recipe, which the study does not write


@pytest.mark.parametrize(
    "change",
    [
        *("warmup: 5", "warmup: 0.5", "schedule: cosine", "optimizer: muon", "mixup: 0.2", "ema: 0.9", "clip_norm: 1.0"),
        *("mixup: {alpha: 0.2, probability: 0.5}", "ema: {decay: 0.9, warmup: 5}", "accumulate: 2", "loss: bce"),
        *("class_weights: balanced", "sampler: balanced", "label_smoothing: 0.1"),
        *("loss: {python: mine:focal}", "python: mine:Plain"),
    ],
)
def test_what_can_change_a_result_changes_the_id(tmp_path: Path, change: str) -> None:
    assert ids(load(tmp_path, change)) != ids(load(tmp_path, "lr: 0.1"))


def test_an_average_that_is_turned_off_keeps_its_warmup_for_an_axis(tmp_path: Path) -> None:
    off = enumerate_variants(load(tmp_path, "ema: {decay: 0, warmup: 2}", "recipe.ema.decay: [0, 0.9]")).variants
    on = enumerate_variants(load(tmp_path, "ema: {decay: 0.9, warmup: 2}")).variants
    assert off[0].recipe.used["ema"] == Recipe.named("wrn_cifar").ema
    assert [one.recipe.identity() for one in off] == [Recipe.named("wrn_cifar").identity(), on[0].recipe.identity()]
    merged = enumerate_variants(load(tmp_path, "ema: {decay: 0, warmup: 2}", "recipe.ema.warmup: [0, 2]"))
    assert len(merged.variants) == 1 and "the same as" in merged.merged[0]


def test_axes_take_mappings_fields_of_them_and_own_code(tmp_path: Path) -> None:
    schedules = "recipe.schedule: [cosine, {name: step, drop: 0.1}, {name: step, drop: 0.2}, {python: mine:rate}]"
    variants = enumerate_variants(load(tmp_path, "weight_decay: 0", schedules)).variants
    assert [variant.recipe.values.get("drop") for variant in variants[1:3]] == [0.1, 0.2]
    assert label(variants[1]) == "WRN-10-1, schedule step with drop 0.1" and varied_axes(variants) == ["recipe.schedule"]
    assert str(variants[3].recipe.schedule) == "mine:rate"

    study = load(tmp_path, "schedule: cosine", "recipe.schedule.warmup: [0, 5]")
    variants = enumerate_variants(study).variants
    assert [axis_value(variant, "recipe.schedule.warmup") for variant in variants] == [0, 5]
    assert ids(study)[1:] == ids(load(tmp_path, "schedule: {name: cosine, warmup: 5}"))

    study = load(tmp_path, "loss: {python: mine:focal}", "recipe.loss.args.gamma: [1.0, 3.0]")
    variants = enumerate_variants(study).variants
    assert [str(variant.recipe.loss) for variant in variants] == ["mine:focal(gamma=1.0)", "mine:focal(gamma=3.0)"]
    assert ids(study)[1:] == ids(load(tmp_path, "loss: {python: mine:focal, args: {gamma: 3.0}}"))

    study = load(tmp_path, "mixup: 0.1", "recipe.mixup: [0, 0.5], recipe.mixup.probability: [0.5, 1.0]")
    assert [variant.recipe.mixup.alpha for variant in enumerate_variants(study).variants] == [0, 0.5, 0.5]


def test_recipes_of_entries_are_told_apart_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    (tmp_path / "mine.py").write_text(OWN)
    one, other = "{base: wrn_cifar, mixup: 0.2}", "{base: wrn_cifar, loss: {python: mine:focal}}"
    entries = f"[{{net: WRN-10-1, recipe: {one}}}, {{net: WRN-10-1, recipe: {other}}}]"
    path.write_text(f"name: x\ndata: cifar10\nrecipe: wrn_cifar\nseeds: 1\nvariants: {entries}\n")
    first, second = enumerate_variants(load_study(path)).variants
    assert (first.axes["recipe.mixup"], second.axes["recipe.mixup"]) == (0.2, 0.0)
    assert (first.axes["recipe.loss"], second.axes["recipe.loss"]) == ("cross_entropy", {"python": "mine:focal"})


def test_an_override_goes_into_a_short_form(tmp_path: Path) -> None:
    study = load(tmp_path, "schedule: cosine", "", "recipe.schedule.warmup=7", "recipe.loss.name=bce")
    assert (study.recipe.schedule, study.recipe.values["warmup"], study.recipe.loss) == ("cosine", 7, "bce")


def test_another_source_is_another_id_in_the_same_process(tmp_path: Path) -> None:
    axes = "recipe.loss: [{python: mine:focal}]"
    before = ids(load(tmp_path, "lr: 0.1", axes))
    OTHER = OWN.replace("* gamma", "* gamma * 2")
    study = load(tmp_path, "lr: 0.1", axes)
    (tmp_path / "mine.py").write_text(OTHER)
    assert ids(study) != before


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("schedule: cosine, milestones: [0.5]", "3:45: recipe.milestones is a field of schedule step; schedule is cosine"),
        ("final: 0.1", "3:27: recipe.final is a field of schedule linear, cosine, one_cycle, polynomial; schedule is step"),
        (
            "betas: [0.5, 0.9]",
            "3:27: recipe.betas is a field of optimizer adam, adamw, nadam, muon, lamb; optimizer is s",
        ),
        (
            "optimizer: {python: mine:Adam}, momentum: 0.5",
            "3:59: recipe.momentum is a field of optimizer sgd, rmspr",
        ),
        ("target_threshold: 0.1", "3:27: recipe.target_threshold is a field of loss bce; loss is cross_entropy"),
        ("schedule: {name: cosine, warmup: 5}, warmup: 3", "3:52: recipe.warmup is written in schedule and beside it"),
        ("schedule: {name: cosine, drop: 5}", "3:52: recipe.schedule: unknown key 'drop' of cosine; allowed: name"),
        ("schedule: {nam: cosine}", "3:38: recipe.schedule: unknown key 'nam' of step; did you mean 'name'?"),
        ("schedule: {name: cosin}", "3:38: recipe.schedule.name: found 'cosin'; did you mean 'cosine'?"),
        ("schedule: cosin", "3:27: recipe.schedule: found 'cosin'; did you mean 'cosine'? allowed: step"),
        ("schedule: {name: cosine, warmup: x}", "3:52: recipe.warmup: found 'x'; allowed: "),
        ("schedule: cosine, warmup: 200", "recipe: warmup: 200 epochs of 200; use fewer, or a fraction such as 0.1"),
        ("warmup: 5.0", "recipe: warmup: found 5.0; allowed: a fraction below 1.0, or epochs as a whole number such as 5"),
        ("ema: {decay: 0.9, warmup: 2.0}", "recipe: ema.warmup: found 2.0; allowed: a fraction below 1.0"),
        ("loss: {python: mine:absent}", "3:27: recipe.loss: mine:absent: AttributeError"),
        ("loss: {python: mine:focal, args: {gama: 1}}", "3:27: recipe.loss: mine:focal has no parameter 'gama'"),
        ("loss: {python: mine:entropy}", "mine:entropy has no parameter 'labels'; it must take logits and labels"),
        ("loss: {python: mine}", "3:27: recipe.loss.python: found 'mine'; allowed: package.module:callable"),
        ("optimizer: {python: mine:Plain}", "mine:Plain has no parameter 'network'; it must take network"),
        ("optimizer: {python: mine:rate}", "3:27: recipe.optimizer: mine:rate needs a value for its parameter 'step'"),
        ("python: mine:focal", "3:27: recipe: mine:focal: "),
        ("args: {x: 1}", "3:27: recipe.args is only valid with python: module:callable"),
        ("mixup: -1", "3:27: recipe.mixup.alpha: found -1; allowed: greater than or equal to 0"),
        ("mixup: {alpa: 1}", "3:35: unknown key 'alpa'; did you mean 'alpha'?"),
        ("mixup: {alpha: 1, probability: 0.8}, cutmix: {alpha: 1, probability: 0.5}", "are more than 1 together"),
        ("accumulate: 2, gpus: 2", "gpus: 2 needs accumulate: 1"),
        ("accumulate: 129", "accumulate: 129 parts of a batch of 128 images"),
        ("loss: {python: mine:focal}, class_weights: balanced", "class_weights: a loss of your own takes none"),
        ("optimizer: {name: muon, momentum: 0}", "nesterov needs a momentum above 0"),
    ],
)
def test_a_wrong_form_is_said_at_its_place(tmp_path: Path, recipe: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        load(tmp_path, recipe)
    assert said in str(caught.value) and str(caught.value).startswith(str(tmp_path / "study.yaml:3:"))


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ("recipe.schedule.wamup: [0, 5]", "unknown axis 'recipe.schedule.wamup'; did you mean 'warmup'?"),
        ("recipe.schedule: [{name: cosine, warmup: 1}], recipe.warmup: [2]", "recipe.warmup is written twice"),
        (
            "recipe.optimizer: [adam, lamb, {name: sgd}], recipe.alpha: [0.9]",
            "recipe.alpha is a field of optimizer rmsp",
        ),
        (
            "recipe.optimizer.ns_steps: [3, 5]",
            "recipe.ns_steps is a field of optimizer muon; optimizer is sgd; leave one",
        ),
        ("recipe.loss: [{python: mine:absent}]", "recipe.loss: mine:absent: AttributeError"),
        ("recipe.loss.args.gamma: [1]", "unknown axis 'recipe.loss.args.gamma'"),
    ],
)
def test_a_wrong_axis_is_said_at_its_place(tmp_path: Path, axes: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        enumerate_variants(load(tmp_path, "lr: 0.1", axes))
    assert said in str(caught.value) and str(caught.value).startswith(str(tmp_path / "study.yaml:5:"))


def test_captions_name_what_a_recipe_does() -> None:
    recipe = Recipe.named("wrn_cifar", schedule="cosine", warmup=5, mixup=0.2, cutmix={"alpha": 1, "probability": 0.3})
    assert describe_recipe(recipe, "wrn_cifar") == (
        "SGD, 200 epochs, batch 128, learning rate 0.1, float32, uniform batch norm weights; "
        "unlike the recipe WRN on CIFAR: schedule cosine, warmup 5, mixup 0.2, cutmix 1 (probability 0.3)"
    )
    assert "unlike" not in describe_recipe(Recipe.named("wrn_cifar"), "wrn_cifar")


def test_a_caption_says_that_an_own_recipe_replaces_what_it_names(tmp_path: Path) -> None:
    told = describe_recipe(load(tmp_path, "python: mine:Plain").recipe, "wrn_cifar")
    assert told.endswith(
        "unlike the recipe WRN on CIFAR: optimizer, rate, batch, loss, after_step of mine:Plain where it has them"
    )


def test_a_caption_leaves_out_what_varies_inside_a_part() -> None:
    one, other = (Recipe.named("cifar_modern", ema={"decay": decay, "warmup": 0.5}) for decay in (0.9, 0.999))
    told = {describe_recipe(recipe, "cifar_modern", ["recipe.ema.decay"]) for recipe in (one, other)}
    assert len(told) == 1 and told.pop().endswith("unlike the recipe modern CIFAR: ema warmup 0.5")
    told = {describe_recipe(recipe, "cifar_modern", ["recipe.ema.decay", "recipe.ema.warmup"]) for recipe in (one, other)}
    assert told == {describe_recipe(one, "cifar_modern", ["recipe.ema"])}
    mixed = Recipe.named("wrn_cifar", mixup={"alpha": 0.2, "probability": 0.5})
    assert describe_recipe(mixed, "wrn_cifar", ["recipe.mixup.probability"]).endswith(
        "unlike the recipe WRN on CIFAR: mixup 0.2"
    )


def test_an_average_and_parts_of_a_batch_count_in_the_memory() -> None:
    counts = count_network(parse_architecture("WRN-10-1"), 10, (3, 32, 32))
    plain, more = (training_memory(counts, Recipe.named("wrn_cifar", ema=decay)) for decay in (0, 0.9))
    assert more.total - plain.total == 4 * counts.parameters
    whole, parts = (activation_memory(counts, Recipe.named("wrn_cifar", accumulate=n)) for n in (1, 3))
    assert parts == whole * 43 // 128  # 43 of 128 images at most


def test_a_package_that_is_missing_is_said_in_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, said = load(tmp_path, "optimizer: lamb"), "recipe.optimizer: lamb needs the package timm; run: pip install timm"
    monkeypatch.setattr(optimizers, "find_spec", lambda name: True)
    assert enumerate_variants(study).remarks() == []
    monkeypatch.setattr(optimizers, "find_spec", lambda name: None)
    found = enumerate_variants(study)
    assert found.remarks() == [f"note: {said}"]
    with pytest.raises(RunError, match=said):
        run_trials(found.variants[0].trials((0,)), {}, tmp_path, Location(tmp_path, tmp_path), RunOptions(), Console())
