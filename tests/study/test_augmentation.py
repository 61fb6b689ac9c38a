"""Augmentation in a study file: how steps are written, what is refused and where, ids, axes, recipes that set it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ablate.data.augmentation_lists import as_written, read_augmentation
from ablate.data.augmentations import AUGMENTATIONS, Step
from ablate.errors import StudyError
from ablate.kinds import recipes
from ablate.kinds.recipes import RECIPES, WRN_CIFAR, NamedRecipe
from ablate.own_code import OwnCode
from ablate.report.setting import describe_data
from ablate.study.json_schema import json_schema
from ablate.study.labels import label
from ablate.study.plan import enumerate_variants
from ablate.study.spec import load_study
from ablate.study.study import Study, Trial

STUDY = """\
name: x
data: {data}
recipe: {recipe}
seeds: 1
variants: [{variants}]
"""
WHITENED = "name: cifar10, preprocess: zca"
CUT = """\
def cut(images, generator, size=8):
    return images


def other(x, size):
    return x
"""


def study_of(
    folder: Path, data: str = "cifar10", recipe: str = "wrn_cifar", variants: str = "{net: WRN-16-1}", *overrides: str
) -> Study:
    path = folder / "x.yaml"
    path.write_text(STUDY.format(data=data, recipe=recipe, variants=variants))
    return load_study(path, overrides)


def trial_of(folder: Path, data: str = "cifar10", recipe: str = "wrn_cifar") -> Trial:
    study = study_of(folder, data, recipe)
    return enumerate_variants(study).variants[0].trials((0,))[0]


def augmented(augment: str, more: str = "name: cifar10") -> str:
    return f"{{{more}, augment: {augment}}}"


@pytest.mark.parametrize(
    "written, steps",
    [
        (["color_jitter", {"erase": 8}], None),
        ([{"erase": 8}], (Step("erase", (("size", 8),)),)),
        (["erase"], (Step("erase"),)),
        ([{"crop": {"padding": 4, "mode": "reflect"}}, "flip"], "flip_crop"),
        ([{"crop": {"mode": "zero"}}], (Step("crop", (("mode", "zero"),)),)),
        ([{"color_jitter": 0.4}], (Step("color_jitter", (("brightness", 0.4), ("contrast", 0.4), ("saturation", 0.4))),)),
        ([{"random_resized_crop": [0.2, 1]}], (Step("random_resized_crop", (("scale", (0.2, 1.0)),)),)),
        ([{"rand_augment": {"n": 2, "m": 9}}, "trivial_augment"], (Step("rand_augment"), Step("trivial_augment"))),
        ([{"auto_augment": "svhn"}], (Step("auto_augment", (("policy", "svhn"),)),)),
    ],
)
def test_how_steps_are_written(written: Any, steps: Any) -> None:
    if steps is None:
        with pytest.raises(ValueError, match="color_jitter: give one of brightness, contrast, saturation, hue"):
            read_augmentation(written, 32)
        return
    found = read_augmentation(written, 32)
    assert found == steps
    assert read_augmentation(json.loads(json.dumps(as_written(found))), 32) == found


@pytest.mark.parametrize(
    "augment, said",
    [
        ("[trivialaugment]", "found the step 'trivialaugment'; did you mean 'trivial_augment'?"),
        ("[auto_augment]", "the step auto_augment needs policy; write it as {auto_augment: {policy: ...}}"),
        ("[{auto_augment: cifar100}]", "the step auto_augment: found 'cifar100'; allowed: input should be 'cifar10'"),
        ("[{rand_augment: {n: 2, m: 31}}]", "the step rand_augment: found 31; allowed: input should be less than or equal"),
        ("[{rand_augment: {k: 2}}]", "the step rand_augment: unknown key 'k'; allowed: n, m"),
        (
            "[{crop: {mode: mirror}}]",
            "the step crop: found 'mirror'; allowed: input should be 'reflect', 'zero', 'mean' or 'edge'",
        ),
        ("[{random_resized_crop: [1, 0.2]}]", "random_resized_crop: scale: found [1, 0.2]; write the smaller number first"),
        (
            "[{random_resized_crop: {ratio: [0, 2]}}]",
            "random_resized_crop: found 0; allowed: input should be greater",
        ),
        ("[{erase: {size: 4, scale: [0.1, 0.2]}}]", "erase: scale and ratio are only valid without size"),
        ("[{erase: 65}]", "erase: size needs to be at most 64 pixels"),
        ("[{trivial_augment: 3}]", "the step trivial_augment has no setting; write it as trivial_augment"),
        ("[3]", "found 3 as a step; allowed: a name, one name with its settings such as {crop: 4}, or {python:"),
        ("[{python: my}]", "python: found 'my'; allowed: package.module:callable"),
        ("[{python: my_steps:cut, code: abc}]", "unknown key 'code'; allowed: python, args"),
        ("[{python: absent_steps:cut}]", "absent_steps:cut: ModuleNotFoundError"),
        ("[{python: my_steps:cut, args: {sise: 3}}]", "my_steps:cut has no parameter 'sise'; did you mean 'size'?"),
        ("[{python: my_steps:other, args: {size: 3}}]", "my_steps:other needs a value for its parameter 'x'"),
    ],
)
def test_a_wrong_step_is_refused_at_its_place(tmp_path: Path, augment: str, said: str) -> None:
    (tmp_path / "my_steps.py").write_text(CUT)
    with pytest.raises(StudyError) as caught:
        study_of(tmp_path, augmented(augment))
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'x.yaml'}:2:23: data.augment: ")


@pytest.mark.parametrize(
    "data, said",
    [
        (
            augmented("[flip, trivial_augment]", WHITENED),
            "found trivial_augment; allowed for whitened",
        ),
        (
            augmented("[{python: my_steps:cut}]", WHITENED),
            "found my_steps:cut; allowed for whitened",
        ),
        (augmented("[lighting]", "name: digits"), "found lighting, which needs 3 channels; the images have 1"),
        (augmented("[{crop: 3}]", "name: imagenet"), "allowed for streamed images: crop without settings, flip, random_"),
        (
            augmented("[erase, crop]", "name: imagenet"),
            "streamed images: crops before steps that change pixels",
        ),
        (
            augmented("[{python: my_steps:cut}, flip]", "name: imagenet"),
            "streamed images: steps of your own last",
        ),
    ],
)
def test_a_step_that_the_images_exclude_is_refused(tmp_path: Path, data: str, said: str) -> None:
    (tmp_path / "my_steps.py").write_text(CUT)
    with pytest.raises(StudyError, match=r"x.yaml:2:\d+: data.augment: found ") as caught:
        study_of(tmp_path, data)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        augmented("[{crop: {padding: 2, mode: edge}}, erase]", WHITENED),
        augmented("[crop, flip, {rand_augment: 5}, lighting, erase, {python: my_steps:cut}]", "name: imagenet"),
        augmented("[{random_resized_crop: [0.2, 1]}, {color_jitter: {hue: 0.1}}]", "name: imagenet"),
    ],
)
def test_steps_that_the_images_allow(tmp_path: Path, data: str) -> None:
    (tmp_path / "my_steps.py").write_text(CUT)
    study_of(tmp_path, data)


def test_an_id_has_the_steps_their_order_and_their_settings(tmp_path: Path) -> None:
    (tmp_path / "my_steps.py").write_text(CUT)

    def of(augment: str) -> str:
        return trial_of(tmp_path, augmented(augment)).id

    same = [("[{rand_augment: {n: 2, m: 9}}]", "[rand_augment]"), ("[{erase: 8}]", "[{erase: {size: 8, fill: mean}}]")]
    for one, other in same:
        assert of(one) == of(other)
    others = [
        "[flip, {crop: 4}]", "[{crop: 4}, flip]", "[{crop: {mode: zero}}, flip]", "[trivial_augment, {crop: 4}]",
        "[{crop: 4}, trivial_augment]", "[erase]", "[{erase: 8}]", "[{erase: 9}]", "[{rand_augment: {m: 8}}]",
        "[{python: my_steps:cut}]", "[{python: my_steps:cut, args: {size: 8}}]",
        "[{python: my_steps:cut, args: {size: 9}}]",
    ]  # fmt: skip
    assert len({of(augment) for augment in others}) == len(others)


def test_an_id_has_the_digest_of_an_own_step(tmp_path: Path) -> None:
    (tmp_path / "my_steps.py").write_text(CUT)
    data = augmented("[flip, {python: my_steps:cut, args: {size: 4}}]")
    first = trial_of(tmp_path, data)
    step = json.loads(first.definition)["data"]["augment"][1]
    assert step == {"python": "my_steps:cut", "args": {"size": 4}, "code": first.own_code[0].code} and step["code"]
    assert describe_data(first.data) == "CIFAR-10, mean/std, flips, my_steps:cut(size=4)"
    (tmp_path / "my_steps.py").write_text(CUT + "# a comment\n")
    assert trial_of(tmp_path, data).id == first.id
    (tmp_path / "my_steps.py").write_text(CUT.replace("return images", "return images + 0"))
    assert trial_of(tmp_path, data).id != first.id


def test_an_axis_of_augmentations(tmp_path: Path) -> None:
    (tmp_path / "my_steps.py").write_text(CUT)
    axis = "[none, [flip, {crop: {padding: 4, mode: zero}}], [trivial_augment], [{python: my_steps:cut, args: {size: 3}}]]"
    study = study_of(tmp_path, variants=f"{{grid: {{net: WRN-16-1, data.augment: {axis}}}}}")
    variants = enumerate_variants(study).variants
    assert [label(variant) for variant in variants] == [
        "WRN-16-1, augment none",
        "WRN-16-1, augment [flip, crop padding 4 and mode zero]",
        "WRN-16-1, augment [trivial augment]",
        "WRN-16-1, augment [my_steps:cut(size=3)]",
    ]
    (own,) = variants[3].data.augment
    assert isinstance(own, OwnCode) and own.args == {"size": 3} and own.code
    again = study_of(tmp_path, augmented("[{python: my_steps:cut, args: {size: 3}}]"))
    assert again.data == variants[3].data
    axis = axis.replace("size", "sise")
    wrong = study_of(tmp_path, variants=f"{{grid: {{net: WRN-16-1, data.augment: {axis}}}}}")
    with pytest.raises(StudyError, match=r"x.yaml:5:\d+: data.augment: my_steps:cut has no parameter 'sise'"):
        enumerate_variants(wrong)


def test_other_axes_keep_an_own_step(tmp_path: Path) -> None:
    (tmp_path / "my_steps.py").write_text(CUT)
    data = augmented("[{python: my_steps:cut}]")
    study = study_of(tmp_path, data, variants="{grid: {net: WRN-16-1, data.train_size: [200, 300]}}")
    variants = enumerate_variants(study).variants
    assert [variant.data.augment for variant in variants] == [study.data.augment] * 2


@pytest.fixture
def modern(monkeypatch: pytest.MonkeyPatch) -> None:
    """A named recipe that sets an augmentation."""
    known = NamedRecipe("modern", WRN_CIFAR, augment=["flip", "trivial_augment"])
    monkeypatch.setitem(recipes.RECIPES.built_in, "modern", known)
    monkeypatch.setitem(RECIPES._all, "modern", known)


def test_a_recipe_may_set_it(tmp_path: Path, modern: None) -> None:
    """The id has it in its data, wherever it was written."""
    wanted = trial_of(tmp_path, augmented("[flip, trivial_augment]"))
    assert wanted.id == trial_of(tmp_path, recipe="{base: wrn_cifar, augment: [flip, trivial_augment]}").id
    assert wanted.id == trial_of(tmp_path, recipe="modern").id
    flips = trial_of(tmp_path, augmented("flip"))
    assert flips.id == trial_of(tmp_path, augmented("flip"), "modern").id  # what a study writes comes before a named recipe
    assert flips.id == trial_of(tmp_path, recipe="{base: modern, augment: flip}").id
    with pytest.raises(StudyError, match=r"3:27: recipe.augment: data.augment is written too; write one of them"):
        trial_of(tmp_path, augmented("flip"), "{base: wrn_cifar, augment: flip}")
    with pytest.raises(StudyError, match=r"3:27: recipe.augment: absent_steps:cut: ModuleNotFoundError"):
        trial_of(tmp_path, recipe="{base: wrn_cifar, augment: [{python: absent_steps:cut}]}")
    with pytest.raises(StudyError, match=r"3:27: recipe.augment: found the step 'flap'; did you mean 'flip'"):
        trial_of(tmp_path, augmented("flip").replace(", augment: flip", ""), "{base: wrn_cifar, augment: [flap]}")
    with pytest.raises(StudyError, match=r"2:1: data.augment: found trivial_augment; allowed for whitened images"):
        trial_of(tmp_path, f"{{{WHITENED}}}", "modern")
    with pytest.raises(StudyError, match=r"image_size: found 'x'"):
        trial_of(tmp_path, "{name: cifar10, image_size: x}", "modern")
    with pytest.raises(StudyError, match=r"unknown axis 'recipe.augment'; use data.augment"):
        enumerate_variants(study_of(tmp_path, variants="{grid: {net: WRN-16-1, recipe.augment: [flip, none]}}"))


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES.values() if recipe.augment], ids=lambda one: one.name)
@pytest.mark.parametrize("data", ["cifar10", "digits", "imagenet"])
def test_what_named_recipes_set_is_possible(tmp_path: Path, data: str, recipe: NamedRecipe) -> None:
    small = recipe.name in ("resnext_cifar", "stochastic_depth_cifar")  # images are padded
    large = recipe.name in ("fb_resnet", "resnext_imagenet")  # bicubic crops
    if (small and data == "imagenet") or (large and data != "imagenet"):
        with pytest.raises(StudyError, match="streamed images"):
            study_of(tmp_path, data, recipe.name)
        return
    found = study_of(tmp_path, data, recipe.name).data
    assert found.augment == read_augmentation(recipe.augment, found.image_size)


def test_an_entry_with_its_own_recipe_has_the_augmentation_of_that(tmp_path: Path, modern: None) -> None:
    entries = "{net: WRN-16-1}, {net: WRN-16-1, recipe: wrn_cifar}, {net: WRN-16-1, data: {name: cifar10, train_size: 500}}"
    variants = enumerate_variants(study_of(tmp_path, recipe="modern", variants=entries)).variants
    trivial = (Step("flip"), Step("trivial_augment"))
    assert [variant.data.augment for variant in variants] == [trivial, "flip_crop", trivial]


def test_the_schema_has_every_step_and_a_recipes_augment() -> None:
    schema = json_schema()
    for place in ("DataFile", "RecipeFile"):
        assert "#/$defs/Augment" in str(schema["$defs"][place]["properties"]["augment"])
    steps = schema["$defs"]["Augment"]["anyOf"][1]["items"]["anyOf"]
    named = {name for step in steps if "required" in step for name in step["required"]}
    assert named == {*AUGMENTATIONS, "python"} and {*steps[0]["enum"]} == AUGMENTATIONS.keys() - {"auto_augment"}
