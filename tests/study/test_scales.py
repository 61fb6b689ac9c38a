"""`scales`: what one lays over the study, and where its errors stand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from planned import plan_trials

from ablate.errors import StudyError
from ablate.kinds.figures import DEFAULTS
from ablate.study.plan import enumerate_variants
from ablate.study.spec import load_study
from ablate.study.study import Study

STUDY = """\
name: whole
title: A title
data: {name: cifar10, preprocess: zca}
recipe: {base: wrn_cifar, epochs: 50, lr: 0.2}
seeds: 5
variants:
  - net: [WRN-28-2, WRN-16-2]
budget: {parameters: {max: 9M}}
baseline: WRN-28-2
figures: [errors]
scales:
  small:
    data: {train_size: 1000}
    recipe: {epochs: 3}
    budget: {tolerance: 3%}
    variants:
      - net: [WRN-10-1, WRN-16-1]
    baseline: WRN-10-1
  bare: {}
"""
WRITTEN_OUT = """\
name: anything
data: {name: cifar10, preprocess: zca, train_size: 1000}
recipe: {base: wrn_cifar, epochs: 3, lr: 0.2}
seeds: 5
variants:
  - net: [WRN-10-1, WRN-16-1]
"""


def study(folder: Path, text: str, scale: str = "small", overrides: Sequence[str] = ()) -> Study:
    path = folder / "s.yaml"
    path.write_text(text)
    return load_study(path, overrides, scale)


def trial_ids(study: Study) -> list[str]:
    return [trial.id for trial in plan_trials(study)]


def error(folder: Path, text: str, scale: str = "small", overrides: Sequence[str] = ()) -> str:
    """The message, without the file's name before it."""
    with pytest.raises(StudyError) as caught:
        study(folder, text, scale, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder / 's.yaml'}:")


def test_data_recipe_and_budget_are_merged_key_by_key_and_others_replaced(tmp_path: Path) -> None:
    small = study(tmp_path, STUDY)
    assert (small.data.name, small.data.preprocess, small.data.train_size) == ("cifar10", "zca", 1000)
    assert (small.recipe.epochs, small.recipe.lr) == (3, 0.2)
    assert small.budget and (small.budget.maximum, small.budget.tolerance) == (9_000_000, 0.03)
    assert [variant.net for variant in enumerate_variants(small).variants] == ["WRN-10-1", "WRN-16-1"]
    assert small.baseline and small.baseline[0] == "WRN-10-1"
    assert (small.title, small.seeds, small.figures) == ("A title", (0, 1, 2, 3, 4), ("errors",))


def test_without_a_scale_nothing_is_laid_over(tmp_path: Path) -> None:
    whole = study(tmp_path, STUDY, "")
    assert (whole.name, whole.scale, whole.recipe.epochs, whole.data.train_size) == ("whole", "", 50, None)
    assert [variant.net for variant in enumerate_variants(whole).variants] == ["WRN-28-2", "WRN-16-2"]


def test_a_scale_has_a_name_of_its_own(tmp_path: Path) -> None:
    assert (study(tmp_path, STUDY).name, study(tmp_path, STUDY).scale) == ("whole_small", "small")
    bare = study(tmp_path, STUDY, "bare")
    assert (bare.name, bare.scale, bare.recipe.epochs) == ("whole_bare", "bare", 50)


def test_trials_are_those_of_the_same_study_written_out(tmp_path: Path) -> None:
    ids = trial_ids(study(tmp_path, STUDY))
    assert ids == trial_ids(study(tmp_path, WRITTEN_OUT, ""))
    assert len(set(ids)) == 10
    assert not set(ids) & set(trial_ids(study(tmp_path, STUDY, "")))
    assert trial_ids(study(tmp_path, STUDY, "bare")) == trial_ids(study(tmp_path, STUDY, ""))


@pytest.mark.parametrize(
    ("under", "over", "expected"),
    [
        ("wrn_svhn", "{epochs: 3}", (0.01, 3)),  # the short form of {base: wrn_svhn}
        ("{base: wrn_svhn, epochs: 9}", "adam", (0.001, 200)),  # a name replaces the whole
        ("{base: wrn_svhn, epochs: 9}", "{base: adam}", (0.001, 9)),
        ("{base: wrn_svhn, epochs: 9}", "{epochs: null}", (0.01, 160)),
    ],
)
def test_recipes_in_short_and_in_full(tmp_path: Path, under: str, over: str, expected: tuple[float, int]) -> None:
    text = STUDY.replace("{base: wrn_cifar, epochs: 50, lr: 0.2}", under).replace("recipe: {epochs: 3}", f"recipe: {over}")
    recipe = study(tmp_path, text).recipe
    assert (recipe.lr, recipe.epochs) == expected


def test_a_list_of_data_sets_is_replaced(tmp_path: Path) -> None:
    text = STUDY.replace("data: {name: cifar10, preprocess: zca}", "data: [cifar10, cifar100]")
    text = text.replace("data: {train_size: 1000}", "data: {name: cifar10, train_size: 1000}")
    variants = enumerate_variants(study(tmp_path, text)).variants
    assert [(variant.net, variant.data.title) for variant in variants] == [
        ("WRN-10-1", "CIFAR-10"),
        ("WRN-16-1", "CIFAR-10"),
    ]


def test_null_takes_a_key_out(tmp_path: Path) -> None:
    text = STUDY.replace("    baseline: WRN-10-1\n", "    baseline: null\n    figures: null\n    where: null\n")
    small = study(tmp_path, text)
    assert small.baseline is None
    assert small.figures == DEFAULTS
    wider = STUDY.replace("{parameters: {max: 9M}}", "{parameters: {max: 9M}, on_miss: drop, tolerance: 1%}")
    budget = study(tmp_path, wider.replace("tolerance: 3%", "on_miss: null")).budget
    assert budget and (budget.on_miss, budget.tolerance) == ("error", 0.01)
    assert error(tmp_path, STUDY.replace("recipe: {epochs: 3}", "recipe: null")).startswith("14:5: recipe is missing")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("recipe: {epochs: 3}", "recipe: {epochs: 0}", "14:14: recipe.epochs: found 0"),
        ("recipe: {epochs: 3}", "recipe: {epoch: 3}", "14:14: unknown key 'epoch'; did you mean 'epochs'?"),
        ("recipe: {epochs: 3}", "recipe: {base: null}", "14:14: recipe.base is missing"),
        ("recipe: {epochs: 3}", "recipe: 5", "14:5: recipe: found 5; allowed: a name or a mapping"),
        ("data: {train_size: 1000}", "data: {train_size: 60000}", "13:12: data.train_size: found 60000; cifar10 has 50000"),
        ("tolerance: 3%", "solve: width", "15:14: budget.solve: found 'width'"),
        ("[WRN-10-1, WRN-16-1]", "[WRN-10-1, null]", "17:25: variants.0.net.1 has no value"),
        ("    baseline: WRN-10-1\n", "    seedz: 3\n", "18:5: scales.small: unknown key 'seedz'; did you mean 'seeds'?"),
        ("    baseline: WRN-10-1\n", "    seeds: many\n", "18:5: seeds: found 'many'"),
        ("    baseline: WRN-10-1\n", "    name: null\n", "18:5: name is missing"),
        # What a scale leaves as it is keeps its own place.
        ("epochs: 50, lr: 0.2", "epochs: 50, lr: -1", "4:39: recipe.lr: found -1"),
        ("figures: [errors]", "figures: [error]", "10:11: figures: found 'error'"),
    ],
)
def test_errors_stand_where_the_value_does(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in STUDY
    assert error(tmp_path, STUDY.replace(old, new)).startswith(message)


def test_a_misspelt_key_of_a_scale_is_said_whether_or_not_it_is_asked_for(tmp_path: Path) -> None:
    wrong = STUDY.replace("    baseline: WRN-10-1\n", "    seedz: 3\n")
    for scale in ("", "bare", "small"):
        assert error(tmp_path, wrong, scale).startswith("18:5: scales.small: unknown key 'seedz'")
    assert error(tmp_path, STUDY.replace("bare: {}", "bare: 5"), "") == "19:3: scales.bare: found 5; allowed: a mapping"


def test_errors_of_planning_stand_in_the_scale(tmp_path: Path) -> None:
    small = study(tmp_path, STUDY.replace("[WRN-10-1, WRN-16-1]", "[WRN-10-1, WRN-11-1]"))
    with pytest.raises(StudyError, match=r"s\.yaml:17:25: depth 11"):
        enumerate_variants(small)


@pytest.mark.parametrize(
    ("text", "scale", "message"),
    [
        (STUDY, "smal", " unknown scale 'smal'; did you mean 'small'? allowed: small, bare"),
        (STUDY, "tiny", " unknown scale 'tiny'; allowed: small, bare"),
        (WRITTEN_OUT, "small", " unknown scale 'small'; the study has no scales"),
        (f"{WRITTEN_OUT}scales: {{}}\n", "small", " unknown scale 'small'; the study has no scales"),
        (f"{WRITTEN_OUT}scales: [small]\n", "small", " unknown scale 'small'; the study has no scales"),
    ],
)
def test_an_unknown_scale_is_one_clear_line(tmp_path: Path, text: str, scale: str, message: str) -> None:
    assert error(tmp_path, text, scale) == message


def test_overrides_go_over_a_scale(tmp_path: Path) -> None:
    small = study(tmp_path, STUDY, overrides=["recipe.epochs=7", "name=mine", "baseline=null"])
    assert (small.recipe.epochs, small.recipe.lr, small.name, small.baseline) == (7, 0.2, "mine", None)
    assert study(tmp_path, STUDY, overrides=["data.train_size=64"]).data.train_size == 64
    with pytest.raises(StudyError, match=r"^override: recipe\.epochs: found 0"):
        study(tmp_path, STUDY, overrides=["recipe.epochs=0"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("recipe: {base: wrn_cifar, epochs: 50, lr: 0.2}", "recipe: 5", "14:5: recipe.base is missing"),
        ("budget: {parameters: {max: 9M}}", "budget: 5", "15:5: 'budget' needs exactly one of"),
        ("name: whole", "name: 5", "1:1: name: found 5"),
        ("name: whole\n", "", "name is missing"),
        ("  bare: {}", "  bare: 5", "19:3: scales.bare: found 5; allowed: a mapping"),
    ],
)
def test_what_cannot_be_laid_over_is_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in error(tmp_path, STUDY.replace(old, new, 1), "bare" if "bare" in new else "small")
