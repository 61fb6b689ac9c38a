"""Several data sets in one study, and entries with data and recipe of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from planned import plan_trials

from ablate.errors import StudyError
from ablate.study.labels import label, varied_axes
from ablate.study.plan import enumerate_variants
from ablate.study.spec import load_study
from ablate.study.study import Study, Variant

BOTH = """\
name: both
data: [cifar10, {name: cifar100, preprocess: zca}]
recipe: wrn_cifar
seeds: 2
variants:
  - net: [WRN-10-1, WRN-16-1]
"""


def study(folder: Path, text: str) -> Study:
    path = folder / "s.yaml"
    path.write_text(text)
    return load_study(path)


def variants(folder: Path, text: str) -> tuple[Variant, ...]:
    return enumerate_variants(study(folder, text)).variants


def trial_ids(folder: Path, text: str) -> set[str]:
    found = study(folder, text)
    return {trial.id for trial in plan_trials(found)}


def error(folder: Path, text: str) -> str:
    with pytest.raises(StudyError) as caught:
        variants(folder, text)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder / 's.yaml'}:")


def test_every_network_stands_on_each_data_set_in_order(tmp_path: Path) -> None:
    found = variants(tmp_path, BOTH)
    assert [label(variant) for variant in found] == [
        "WRN-10-1, CIFAR-10",
        "WRN-10-1, CIFAR-100",
        "WRN-16-1, CIFAR-10",
        "WRN-16-1, CIFAR-100",
    ]
    assert [variant.data.preprocess for variant in found] == ["meanstd", "zca", "meanstd", "zca"]
    assert varied_axes(found) == ["data.title"]
    # The classifier alone differs: 64 inputs and a bias for each of 90 more classes.
    assert found[1].counts.parameters - found[0].counts.parameters == 90 * 65


def test_trials_are_shared_with_studies_of_one_data_set(tmp_path: Path) -> None:
    one = BOTH.replace("[cifar10, {name: cifar100, preprocess: zca}]", "cifar10").replace("both", "one")
    other = BOTH.replace("[cifar10, {name: cifar100, preprocess: zca}]", "{name: cifar100, preprocess: zca}")
    ids = trial_ids(tmp_path, BOTH)
    assert len(ids) == 8
    assert ids == trial_ids(tmp_path, one) | trial_ids(tmp_path, other)


def test_a_list_of_one_is_that_one(tmp_path: Path) -> None:
    (found, *_) = variants(tmp_path, BOTH.replace("[cifar10, {name: cifar100, preprocess: zca}]", "[cifar10]"))
    assert label(found) == "WRN-10-1"
    assert varied_axes([found]) == []


def test_the_first_data_set_is_the_studys_own(tmp_path: Path) -> None:
    assert study(tmp_path, BOTH).data.title == "CIFAR-10"


OWN = """\
name: own
data: [cifar10, cifar100]
recipe: wrn_cifar
seeds: 2
variants:
  - net: WRN-10-1
  - net: [WRN-10-1, WRN-16-1]
    data: svhn
    recipe: {base: wrn_svhn, epochs: 3}
  - net: WRN-16-1
    data: [svhn, cifar100]
"""


def test_an_entry_has_data_and_a_recipe_of_its_own(tmp_path: Path) -> None:
    found = variants(tmp_path, OWN)
    assert [(v.net, v.data.title, v.recipe.lr, v.recipe.epochs) for v in found] == [
        ("WRN-10-1", "CIFAR-10", 0.1, 200),
        ("WRN-10-1", "CIFAR-100", 0.1, 200),
        ("WRN-10-1", "SVHN", 0.01, 3),
        ("WRN-16-1", "SVHN", 0.01, 3),
        ("WRN-16-1", "SVHN", 0.1, 200),
        ("WRN-16-1", "CIFAR-100", 0.1, 200),
    ]
    assert label(found[3]) == "WRN-16-1, WRN on SVHN, SVHN"
    assert label(found[4]) == "WRN-16-1, WRN on CIFAR, SVHN"
    assert varied_axes(found) == ["recipe.name", "data.title"]


def test_an_entrys_trials_are_those_of_a_study_of_its_data_and_recipe(tmp_path: Path) -> None:
    alone = """\
name: alone
data: svhn
recipe: {base: wrn_svhn, epochs: 3}
seeds: 2
variants:
  - net: [WRN-10-1, WRN-16-1]
"""
    ids = trial_ids(tmp_path, OWN)
    assert len(ids) == 12
    assert trial_ids(tmp_path, alone) < ids


def test_axes_change_an_entrys_own_recipe(tmp_path: Path) -> None:
    text = BOTH.replace("- net: [WRN-10-1, WRN-16-1]", "- grid: {net: WRN-10-1, recipe.epochs: [3, 4]}\n    recipe: adam")
    found = variants(tmp_path, text)
    assert [(v.data.title, v.recipe.optimizer, v.recipe.epochs) for v in found] == [
        ("CIFAR-10", "adam", 3),
        ("CIFAR-100", "adam", 3),
        ("CIFAR-10", "adam", 4),
        ("CIFAR-100", "adam", 4),
    ]


def test_the_same_network_twice_is_merged_on_the_data_set_that_both_have(tmp_path: Path) -> None:
    enumeration = enumerate_variants(study(tmp_path, f"{BOTH}  - net: WRN-10-1\n    data: cifar10\n"))
    assert len(enumeration.variants) == 4
    assert enumeration.merged == ("WRN-10-1, CIFAR-10 occurs twice",)


def test_a_copy_has_the_size_and_classes_of_what_it_copies(tmp_path: Path) -> None:
    copy = "{name: image_folder, title: A copy, copy_of: cifar100}"
    data = study(tmp_path, BOTH.replace("[cifar10, {name: cifar100, preprocess: zca}]", copy)).data
    assert (data.classes, data.image_size, data.stands_for) == (100, 32, "cifar100")
    smaller = study(tmp_path, BOTH.replace("[cifar10, {name: cifar100, preprocess: zca}]", copy[:-1] + ", image_size: 16}"))
    assert (smaller.data.classes, smaller.data.image_size) == (100, 16)


def test_what_it_is_a_copy_of_does_not_change_a_trial(tmp_path: Path) -> None:
    copy = "{name: image_folder, title: A copy, copy_of: cifar10}"
    plain = "{name: image_folder, title: A copy, classes: 10, image_size: 32}"
    old = "[cifar10, {name: cifar100, preprocess: zca}]"
    assert trial_ids(tmp_path, BOTH.replace(old, copy)) == trial_ids(tmp_path, BOTH.replace(old, plain))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("data: [cifar10, ", "data: [] # [", "2:1: data: an empty list; allowed: one data set or more"),
        ("{name: cifar100, preprocess: zca}", "cifar11", "2:17: data.name: found 'cifar11'; did you mean 'cifar10'?"),
        ("{name: cifar100, preprocess: zca}", "5", "2:17: data: found 5; allowed: a name or a mapping"),
        ("{name: cifar100, preprocess: zca}", "[cifar100]", "2:17: data: found a list; allowed: a name or a mapping"),
        ("{name: cifar100, preprocess: zca}", "null", "2:17: data.1 has no value"),
        ("{name: cifar100, preprocess: zca}", "{preprocess: zca}", "2:17: data.name is missing"),
        ("preprocess: zca", "preproces: zca", "2:34: unknown key 'preproces'; did you mean 'preprocess'?"),
        (
            "name: cifar100",
            "name: cifar10",
            "2:17: data: 'CIFAR-10' is listed twice; give each data set a title of its own",
        ),
        ("name: cifar100", "name: cifar100, copy_of: cifar10", "2:34: data.copy_of is not valid for cifar100; leave"),
    ],
)
def test_errors_of_a_list_stand_at_its_item(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert error(tmp_path, BOTH.replace(old, new)).startswith(message)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("    data: []\n", "7:5: data: an empty list"),
        ("    data: [svhn, svhn]\n", "7:18: data: 'SVHN' is listed twice"),
        ("    data: 5\n", "7:5: data: found 5; allowed: a name or a mapping"),
        ("    recipe: [adam]\n", "7:5: recipe: found a list; allowed: a name or a mapping"),
        ("    recipe: {epochs: 3}\n", "7:5: variants.recipe.base is missing"),
        ("    recipe: {base: adam, epoch: 3}\n", "7:26: unknown key 'epoch'; did you mean 'epochs'?"),
        ("    recipe: adan\n", "7:5: variants.recipe.base: found 'adan'; did you mean 'adam'?"),
        ("    recipe: {base: adam, batch_size: 60000}\n", "6:11: recipe.batch_size: 60000 of 50000 training images"),
    ],
)
def test_errors_of_an_entrys_own_stand_at_it(tmp_path: Path, lines: str, message: str) -> None:
    assert error(tmp_path, BOTH + lines).startswith(message)


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("  - net: WRN-10-1\n    data: {name: image_folder, root: b/photos, copy_of: cifar10}\n", "8:5"),
        ("  - net: WRN-10-1\n    data: [cifar10, {name: image_folder, root: b/photos, copy_of: cifar10}]\n", "8:21"),
        ("  - net: WRN-10-1\n    data: {name: arrays, root: a/photos, copy_of: cifar10, channels: 3}\n", None),
        ("also_test: [{title: other, data: {name: image_folder, root: b/photos, classes: 10, image_size: 32}}]\n", "7:28"),
        (
            "  - net: WRN-10-1\n    data: {name: image_folder, root: a/../a/photos, copy_of: cifar10, train_size: 50}\n",
            None,
        ),
    ],
)
def test_one_title_is_of_one_data_set_in_all_items(tmp_path: Path, more: str, place: str | None) -> None:
    photos = BOTH.replace(
        "[cifar10, {name: cifar100, preprocess: zca}]", "{name: image_folder, root: a/photos, copy_of: cifar10}"
    )
    if place is None:
        assert study(tmp_path, photos + more)
        return
    sources = " and of ".join(str(tmp_path / folder / "photos") for folder in "ab")
    found = f"data: 'photos' is the title of {sources}; give each data set a title of its own"
    assert error(tmp_path, photos + more) == f"{place}: {found}"


@pytest.mark.parametrize(
    ("own", "axis", "values"),
    [
        ("recipe: {base: wrn_cifar, epochs: 3}", "recipe.epochs", [200, 3]),
        ("data: {name: cifar10, preprocess: zca}", "data.preprocess", ["meanstd", "zca"]),
    ],
)
def test_one_name_for_two_settings_is_told_apart_by_what_differs(
    tmp_path: Path, own: str, axis: str, values: list[object]
) -> None:
    text = BOTH.replace("[cifar10, {name: cifar100, preprocess: zca}]", "cifar10").replace(", WRN-16-1]", "]")
    found = variants(tmp_path, f"{text}  - net: WRN-10-1\n    {own}\n")
    assert varied_axes(found) == [axis] and [variant.axes[axis] for variant in found] == values
    assert [label(variant) for variant in found] == [f"WRN-10-1, {axis.split('.')[1]} {value}" for value in values]


def test_an_entrys_axis_goes_before_what_its_recipe_has(tmp_path: Path) -> None:
    own = "    recipe: {base: wrn_cifar, epochs: 3}\n  - grid: {net: WRN-10-1, recipe.epochs: [4]}\n"
    text = BOTH.replace("[cifar10, {name: cifar100, preprocess: zca}]", "cifar10").replace(", WRN-16-1]", "]")
    assert [label(variant) for variant in variants(tmp_path, text + own)] == [
        "WRN-10-1, epochs 3",
        "WRN-10-1, epochs 4",
    ]
