from __future__ import annotations

import gc
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from planned import plan_trials

from ablate.errors import StudyError
from ablate.nets.families import count_network
from ablate.nets.notation import Architecture, parse_architecture
from ablate.study.baseline import find_baselines
from ablate.study.costs import training_cost
from ablate.study.data import Data
from ablate.study.labels import axis_value, label, varied_axes
from ablate.study.plan import Enumeration, enumerate_variants
from ablate.study.recipe import Recipe
from ablate.study.spec import load_study
from ablate.study.study import Study, Trial, Variant

STUDIES = Path(__file__).parents[2] / "studies"


def find_baseline(study: Study, enumeration: Enumeration) -> Variant | None:
    """The one baseline of a study with one data set."""
    (baseline,) = {id(found): found for found in find_baselines(study, enumeration)}.values()
    return baseline


def load(tmp_path: Path, *entries: str, **top: str) -> Study:
    """A study of some entries; top-level keys replace the defaults."""
    keys = {"name": "plan", "data": "cifar10", "recipe": "wrn_cifar", "seeds": "1", **top}
    lines = [f"{key}: {text}" for key, text in keys.items()] + ["variants:"] + [f"  - {entry}" for entry in entries]
    path = tmp_path / "s.yaml"
    path.write_text("\n".join(lines) + "\n")
    return load_study(path)


def plan(tmp_path: Path, *entries: str, **top: str) -> Enumeration:
    return enumerate_variants(load(tmp_path, *entries, **top))


def nets(enumeration: Enumeration) -> list[str]:
    return [variant.net for variant in enumeration.variants]


def error(tmp_path: Path, *entries: str, **top: str) -> str:
    with pytest.raises(StudyError) as caught:
        study = load(tmp_path, *entries, **top)
        find_baseline(study, enumerate_variants(study))
    return str(caught.value).removeprefix(f"{tmp_path / 's.yaml'}:")


@pytest.mark.parametrize(
    "entry, expected",
    [
        ("net: WRN-16-1", ["WRN-16-1"]),
        ("net: [WRN-22-1, WRN-10-2-B(3,3), WRN-13-1-B(3,1,3)]", ["WRN-22-1", "WRN-10-2-B(3,3)", "WRN-13-1-B(3,1,3)"]),
        ("grid: {k: [2, 1], N: [1, 2]}", ["WRN-10-2", "WRN-16-2", "WRN-10-1", "WRN-16-1"]),
        ("grid: {l: [1, 2], depth: 10, k: 1}", ["WRN-10-1-B(3)", "WRN-10-1-B(3,3)"]),
        ("grid: {N: 1, k: 1, dropout: [0, 0.3]}", ["WRN-10-1", "WRN-10-1-dropout0.3"]),
        (
            "grid: {net: [WRN-16-1, WRN-22-1], block: [B(3,1), B(5,3)]}",
            ["WRN-16-1-B(3,1)", "WRN-16-1-B(5,3)", "WRN-22-1-B(3,1)", "WRN-22-1-B(5,3)"],
        ),
        ("zip: {depth: [10, 16, 22], k: [4, 2, 1]}", ["WRN-10-4", "WRN-16-2", "WRN-22-1"]),
        ("zip: {depth: [10, 16], k: 4, dropout: 0.1}", ["WRN-10-4-dropout0.1", "WRN-16-4-dropout0.1"]),
        (
            "one_at_a_time: {base: WRN-16-1, k: [2, 4], block: [B(3,1)], N: 3}",
            ["WRN-16-1", "WRN-16-2", "WRN-16-4", "WRN-16-1-B(3,1)", "WRN-22-1"],
        ),
    ],
)
def test_expansion_order(tmp_path: Path, entry: str, expected: list[str]) -> None:
    assert nets(plan(tmp_path, entry)) == expected


def test_entries_follow_each_other(tmp_path: Path) -> None:
    assert nets(plan(tmp_path, "net: WRN-22-1", "grid: {k: 2, N: 1}", "net: WRN-10-1")) == [
        "WRN-22-1",
        "WRN-10-2",
        "WRN-10-1",
    ]


def test_axes_are_kept_as_written(tmp_path: Path) -> None:
    variants = plan(tmp_path, "one_at_a_time: {base: WRN-16-1, recipe.lr: [0.2]}", "grid: {k: 1, l: 1, N: 1}").variants
    assert [variant.axes for variant in variants] == [
        {"net": "WRN-16-1"},
        {"net": "WRN-16-1", "recipe.lr": 0.2},
        {"k": 1, "l": 1, "N": 1},
    ]


def test_same_plan_every_time(tmp_path: Path) -> None:
    study = load(tmp_path, "grid: {k: [1, 2], N: [1, 2, 3], recipe.lr: [0.1, 0.2]}", seeds="3")
    first, second = (plan_trials(study) for _ in range(2))
    assert [trial.id for trial in first] == [trial.id for trial in second]
    assert len({trial.id for trial in first}) == 2 * 3 * 2 * 3


def test_duplicates_are_merged_and_reported(tmp_path: Path) -> None:
    enumeration = plan(
        tmp_path,
        "net: [WRN-16-1, WRN-16-1-B(3,3)]",
        "grid: {k: 1, N: 2, recipe.lr: [0.1, 0.2]}",
        "{net: WRN-16-1, depth_rule: nominal}",
    )
    assert [label(variant) for variant in enumeration.variants] == ["WRN-16-1", "WRN-16-1, lr 0.2"]
    assert enumeration.merged == (
        "WRN-16-1-B(3,3) is the same as WRN-16-1",
        "WRN-16-1, lr 0.1 is the same as WRN-16-1",
        "WRN-16-1 occurs twice",
    )
    assert enumeration.dropped == ()


def test_solved_depths_are_reported(tmp_path: Path) -> None:
    study = load(
        tmp_path,
        "net: [WRN-40-1, WRN-16-1-B(3,1), WRN-16-1]",
        "grid: {k: 1, block: B(3,3,3)}",
        budget="{parameters: 175k, tolerance: 30%, solve: depth}",
        baseline="WRN-40-1",
        where="l < 3",
    )
    enumeration = enumerate_variants(study)
    assert nets(enumeration) == ["WRN-16-1", "WRN-28-1-B(3,1)"]
    assert enumeration.names["WRN-40-1"] == [enumeration.variants[0]]
    assert enumeration.remarks() == [
        "solved: WRN-40-1 becomes WRN-16-1 to meet the budget",
        "solved: WRN-16-1-B(3,1) becomes WRN-28-1-B(3,1) to meet the budget",
        "merged: WRN-16-1 occurs twice",
        "dropped: WRN-13-1-B(3,3,3) is excluded by where: l < 3",
    ]
    assert find_baseline(study, enumeration) is enumeration.variants[0]


def test_varied_axes(tmp_path: Path) -> None:
    entries = (
        "grid: {net: WRN-10-1, recipe.lr: [0.1, 0.2], recipe.epochs: 200}",
        "grid: {net: WRN-10-1, data.train_size: [1000]}",
    )
    variants = plan(tmp_path, *entries).variants
    assert varied_axes(variants) == ["recipe.lr", "data.train_size"]
    assert [axis_value(variant, "data.train_size") for variant in variants] == ["all", "all", 1000]
    assert [axis_value(variant, "recipe.lr") for variant in variants] == [0.1, 0.2, 0.1]


def test_where_keeps_and_drops(tmp_path: Path) -> None:
    enumeration = plan(
        tmp_path, "grid: {k: [1, 2], N: [1, 2], recipe.lr: [0.1]}", where="k * depth <= 20 and recipe.lr == 0.1"
    )
    assert nets(enumeration) == ["WRN-10-1", "WRN-16-1", "WRN-10-2"]
    assert enumeration.dropped == ("WRN-16-2, lr 0.1 is excluded by where: k * depth <= 20 and recipe.lr == 0.1",)


@pytest.mark.parametrize(
    "where, kept",
    [
        ("parameters == 77850", ["WRN-10-1"]),
        ("multiply_adds > 20000000", ["WRN-10-2"]),
        ("block == 'B(3,1)'", ["WRN-16-1-B(3,1)"]),
        ("net == 'WRN-10-1'", ["WRN-10-1"]),
        ("N > 1 and l == 2 and dropout == 0 and family == 'WRN'", ["WRN-16-1-B(3,1)"]),
        ("data.name == 'cifar10' and recipe.epochs == 200 and k > 1", ["WRN-10-2"]),
    ],
)
def test_names_of_where(tmp_path: Path, where: str, kept: list[str]) -> None:
    assert nets(plan(tmp_path, "net: [WRN-10-1, WRN-10-2, WRN-16-1-B(3,1)]", where=where)) == kept


def test_where_sees_depth_under_the_rule_of_its_entry(tmp_path: Path) -> None:
    entries = ("net: WRN-40-1-B(1,3,1)", "{net: WRN-40-1-B(1,3,1), depth_rule: nominal}", "net: WRN-58-1-B(1,3,1)")
    enumeration = plan(tmp_path, *entries, where="depth == 40")
    assert [variant.architecture.N for variant in enumeration.variants] == [4, 6]
    assert enumeration.dropped == ("WRN-58-1-B(1,3,1) is excluded by where: depth == 40",)


@pytest.mark.parametrize(
    "where, expected",
    [
        ("dept < 3", "5:1: where: unknown name 'dept'; did you mean 'depth'? allowed: net, family, block"),
        ("k < block", "5:1: where: 'k < block': '<' not supported"),
        ("k / (l - 2) < 1", "5:1: where: 'k / (l - 2) < 1': "),
        ("k + 1", "5:1: where: 'k + 1' is 2.0; allowed: something true or false"),
        ("k >", "5:1: where: 'k >' is not an expression"),
        ("k > 100", "6:1: no variant is left"),
    ],
)
def test_where_fails_at_its_place(tmp_path: Path, where: str, expected: str) -> None:
    assert error(tmp_path, "net: WRN-16-1", where=where).startswith(expected)


def test_depth_rule_of_study_and_entry(tmp_path: Path) -> None:
    entries = (
        "net: WRN-40-2-B(1,3,1)",
        "{net: WRN-40-2-B(1,3,1), depth_rule: convolutions}",
        "grid: {depth: 40, k: 1, l: 1}",
    )
    variants = plan(tmp_path, *entries, depth_rule="nominal").variants
    assert [(variant.net, variant.architecture.N) for variant in variants] == [
        ("WRN-40-2-B(1,3,1) (N = 6)", 6),
        ("WRN-40-2-B(1,3,1) (N = 4)", 4),
        ("WRN-40-1-B(3)", 6),
    ]


def test_dotted_axes_change_recipe_and_data(tmp_path: Path) -> None:
    entry = "zip: {net: WRN-10-1, recipe.lr: [0.1, 0.2], recipe.optimizer: [sgd, adam], data.train_size: [1000, 2000]}"
    variants = plan(tmp_path, entry, "grid: {net: WRN-10-1, data.augment: none}").variants
    found = [(v.recipe.lr, v.recipe.optimizer, v.data.train_size, v.data.augment) for v in variants]
    assert found == [
        (0.1, "sgd", 1000, "flip_crop"),
        (0.2, "adam", 2000, "flip_crop"),
        (0.1, "sgd", None, "none"),
    ]
    assert label(variants[1]) == "WRN-10-1, lr 0.2, optimizer adam, train size 2000"


@pytest.mark.parametrize(
    "entry, expected",
    [
        ("grid: {net: WRN-16-1, recipe.lr: [0.1, 0]}", "6:44: recipe.lr: found 0; allowed: greater than 0"),
        ("grid: {net: WRN-16-1, recipe.batch_size: 60000}", "6:27: recipe.batch_size: 60000 of 50000 training images"),
        ("grid: {net: WRN-16-1, data.train_size: 100}", "6:5: recipe.batch_size: 128 of 100 training images leaves no"),
        ("grid: {net: WRN-16-1, recipe.lrs: 1}", "6:27: unknown axis 'recipe.lrs'"),
        ("one_at_a_time: {base: WRN-16-1, depth: [22, 23]}", "6:49: depth 23 with B(3,3)"),
        ("zip: {N: [1, 3000], k: 1}", "6:18: N = 3000 blocks per group"),
    ],
)
def test_impossible_variants_fail_at_their_place(tmp_path: Path, entry: str, expected: str) -> None:
    assert error(tmp_path, entry)[: len(expected)] == expected


@pytest.mark.parametrize(
    "baseline, rule, found",
    [
        ("WRN-28-2", "nominal", "WRN-28-2-B(3,3)"),
        ("WRN-28-2-B(3,3)", "nominal", "WRN-28-2-B(3,3)"),
        ("WRN-40-2-B(1,3,1)", "nominal", "WRN-40-2-B(1,3,1)"),
        ("WRN-58-2-B(1,3,1)", "nominal", "WRN-40-2-B(1,3,1)"),
        ("WRN-28-2-B(1,3,1)", "convolutions", "WRN-40-2-B(1,3,1)"),
        ("WRN-22-2-B(3,3)", "nominal", "WRN-22-2"),
    ],
)
def test_baseline_in_either_spelling(tmp_path: Path, baseline: str, rule: str, found: str) -> None:
    study = load(tmp_path, "net: [WRN-40-2-B(1,3,1), WRN-28-2-B(3,3), WRN-22-2]", baseline=baseline, depth_rule=rule)
    variant = find_baseline(study, enumerate_variants(study))
    assert variant is not None and variant.net == found


def test_baseline_prefers_the_name_as_written(tmp_path: Path) -> None:
    # Counting convolutions these two have N = 6 and N = 4; the first is nominally a WRN-40.
    study = load(tmp_path, "net: [WRN-58-2-B(1,3,1), WRN-40-2-B(1,3,1)]", baseline="WRN-40-2-B(1,3,1)")
    variant = find_baseline(study, enumerate_variants(study))
    assert variant is not None and variant.architecture.N == 4


def test_no_baseline(tmp_path: Path) -> None:
    study = load(tmp_path, "net: WRN-16-1")
    assert find_baseline(study, enumerate_variants(study)) is None


def test_unknown_baseline(tmp_path: Path) -> None:
    found = error(tmp_path, "net: [WRN-16-1, WRN-22-1]", baseline="WRN-16-2")
    assert found == "5:1: baseline 'WRN-16-2' is none of the variants; allowed: WRN-16-1, WRN-22-1"


def test_table_2_study() -> None:
    study = load_study(STUDIES / "block_types.yaml")
    enumeration = enumerate_variants(study)
    assert [(v.net, v.architecture.N, v.counts.parameters) for v in enumeration.variants] == [
        ("WRN-40-2-B(1,3,1)", 6, 1_429_082),
        ("WRN-40-2-B(3,1)", 6, 1_211_354),
        ("WRN-40-2-B(1,3)", 6, 1_297_370),
        ("WRN-40-2-B(3,1,1)", 6, 1_343_066),
        ("WRN-28-2-B(3,3)", 4, 1_467_610),
        ("WRN-22-2-B(3,1,3)", 3, 1_145_498),
    ]
    baseline = find_baseline(study, enumeration)
    assert baseline is not None and baseline.net == "WRN-28-2-B(3,3)"
    trials = plan_trials(study)
    assert [trial.seed for trial in trials] == [0, 1, 2, 3, 4] * 6
    assert [trial.architecture.block for trial in trials[::5]] == [v.architecture.block for v in enumeration.variants]


def recipe(base: str = "wrn_cifar", **changes: Any) -> Recipe:
    return Recipe.named(base, **{"init": "ones", **changes})


def data(name: str = "cifar10", **changes: Any) -> Data:
    return Data.named(name, **changes)


def trial(net: str = "WRN-16-4-B(3,1)-dropout0.3", seed: int = 7, **parts: Any) -> Trial:
    return Trial(parse_architecture(net), parts.get("recipe", recipe()), parts.get("data", data()), seed)


@pytest.mark.parametrize("budget", ["", "{parameters: {max: 40M}, solve: k}"])
def test_dropout_of_minus_zero_is_none(tmp_path: Path, budget: str) -> None:
    study = "grid: {k: [1], depth: [16], dropout: [0, -0.0, 0.0]}"
    path = tmp_path / "zero.yaml"
    path.write_text(
        "name: zero\ndata: cifar10\nrecipe: wrn_cifar\nseeds: 1\n"
        + (f"budget: {budget}\n" if budget else "")
        + f"variants:\n  - {study}\n"
    )
    (variant,) = enumerate_variants(load_study(path)).variants
    assert str(variant.architecture.dropout) == "0.0"


def test_trial_ids_never_change() -> None:
    assert trial().id == "8a82ee7002de68a5"


def test_definition_says_everything() -> None:
    assert json.loads(trial().definition) == {
        "format": 1,
        "network": {"family": "WRN", "N": 2, "k": 4.0, "block": [3, 1], "dropout": 0.3},
        "data": {
            "name": "cifar10",
            "classes": 10,
            "image_size": 32,
            "channels": 3,
            "preprocess": "meanstd",
            "augment": "flip_crop",
        },
        "recipe": {
            "optimizer": "sgd",
            "lr": 0.1,
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 0.0005,
            "decay_on": "all",
            "batch_size": 128,
            "last_batch": "drop",
            "epochs": 200,
            "milestones": [0.3, 0.6, 0.8],
            "drop": 0.2,
            "momentum_at_drop": "discard",
            "precision": "float32",
        },
        "seed": 7,
    }


def test_id_is_a_prefix_of_the_digest_of_the_definition() -> None:
    one = trial()
    assert hashlib.sha256(one.definition).hexdigest().startswith(one.id)
    assert len(one.id) == 16


def test_trials_of_a_variant_are_defined_as_each_alone() -> None:
    one = trial()
    variant = Variant("", one.architecture, one.recipe, one.data, {}, count_network(one.architecture))
    assert variant.trials(()) == []
    for found in variant.trials((7, 0, 12_345)):
        alone = trial(seed=found.seed)
        assert found == alone and (found.definition, found.id) == (alone.definition, alone.id)
        what = orjson.loads(found.definition)
        assert what["seed"] == found.seed
        options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        assert found.definition == orjson.dumps(what, option=options)
        changed = replace(found, data=data(train_size=1000))
        assert changed.id == trial(seed=found.seed, data=data(train_size=1000)).id != found.id


DIFFERENT = [
    trial("WRN-22-4-B(3,1)-dropout0.3"),
    trial("WRN-16-2-B(3,1)-dropout0.3"),
    trial("WRN-16-4-B(1,3)-dropout0.3"),
    trial("WRN-16-4-B(3,1)-dropout0.4"),
    trial("WRN-16-4-B(3,1)"),
    trial(seed=8),
    trial(data=data("cifar100")),
    trial(data=data(train_size=1000)),
    trial(data=data(test_size=1000)),
    trial(data=data(augment="flip")),
    trial(data=data(preprocess="scale")),
    trial(recipe=recipe("adam")),
    *(
        trial(recipe=recipe(**{field: value}))
        for field, value in {
            "lr": 0.2,
            "momentum": 0.8,
            "nesterov": False,
            "weight_decay": 1e-4,
            "decay_on": "weights",
            "batch_size": 64,
            "last_batch": "keep",
            "epochs": 100,
            "milestones": (0.5,),
            "drop": 0.1,
            "momentum_at_drop": "keep",
            "precision": "bfloat16",
        }.items()
    ),
]


def test_every_difference_gives_another_id() -> None:
    ids = [one.id for one in [trial(), *DIFFERENT]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "one, other",
    [
        (trial(), trial("WRN-16-4.0-B( 3, 1 )-dropout0.30")),
        (trial(), trial(recipe=recipe(betas=(0.5, 0.9), eps=0.1))),
        (trial(recipe=recipe("adam")), trial(recipe=recipe("adam", momentum=0.5, nesterov=False))),
        (trial(), trial(data=data(title="Other"))),
    ],
    ids=["spelling", "adam fields under sgd", "sgd fields under adam", "title"],
)
def test_what_cannot_change_the_result_keeps_the_id(one: Trial, other: Trial) -> None:
    assert one.id == other.id


def test_adam_fields_count_under_adam() -> None:
    ids = {trial(recipe=recipe("adam", **changes)).id for changes in ({}, {"eps": 1e-7}, {"betas": (0.8, 0.999)})}
    assert len(ids) == 3


def test_title_names_the_images_of_a_folder() -> None:
    folder = {"classes": 10, "image_size": 32}
    one, other = (trial(data=data("image_folder", title=title, **folder)) for title in ("One", "Other"))
    assert one.id != other.id


def only_trial(study: Study) -> Trial:
    (one,) = plan_trials(study)
    return one


def test_same_trial_in_two_studies(tmp_path: Path) -> None:
    one = only_trial(load(tmp_path, "net: WRN-58-2-B(1,3,1)", name="one", title="One"))
    other = only_trial(
        load(
            tmp_path,
            "grid: {depth: 40, block: B(1,3,1), k: [2, 3], recipe.momentum: 0.9, recipe.lr: 0.1}",
            name="other",
            title="Other",
            source="a book",
            notes="some",
            depth_rule="nominal",
            seeds="[0]",
            where="k < 3",
            budget="{parameters: {max: 9M}}",
            recipe="{base: wrn_cifar, lr: 0.3}",
            data="{name: cifar10, root: elsewhere, train_size: 50000, test_size: 10000}",
        )
    )
    assert one.architecture == other.architecture == Architecture(6, 2.0, (1, 3, 1))
    assert one.id == other.id
    assert one.definition == other.definition


def test_all_images_and_some(tmp_path: Path) -> None:
    ids = [
        only_trial(load(tmp_path, "net: WRN-10-1", data=text)).id
        for text in ("cifar10", "{name: cifar10, train_size: 50000}", "{name: cifar10, train_size: 49999}")
    ]
    assert ids[0] == ids[1] != ids[2]


def test_seeds_are_numbered_or_listed(tmp_path: Path) -> None:
    counted = load(tmp_path, "net: WRN-10-1", seeds="3")
    listed = load(tmp_path, "net: WRN-10-1", seeds="[2, 0]")
    ids = [trial.id for trial in plan_trials(counted)]
    assert [trial.id for trial in plan_trials(listed)] == [ids[2], ids[0]]


def test_trials_of_a_variant(tmp_path: Path) -> None:
    (variant,) = plan(tmp_path, "net: WRN-10-1", data="digits").variants
    assert isinstance(variant, Variant)
    assert [trial.seed for trial in variant.trials((4, 2))] == [4, 2]
    assert variant.blueprint.input_shape == (1, 8, 8)
    assert variant.trials((0,))[0].blueprint == variant.blueprint


def test_training_cost_by_hand() -> None:
    # WRN-10-1 on a digit takes 763,520 multiply-adds; 1,297 images train, 500 test.
    one = trial("WRN-10-1", data=data("digits"), recipe=recipe(epochs=2))
    assert training_cost(one) == 763_520 * (3 * 1297 + 500) * 2
    fewer = trial("WRN-10-1", data=data("digits", train_size=100, test_size=50), recipe=recipe(epochs=1))
    assert training_cost(fewer) == 763_520 * 350


def test_garbage_is_looked_for_again_after_planning(tmp_path: Path) -> None:
    assert "depth 17" in error(tmp_path, "net: [WRN-16-1, WRN-17-1]")
    assert gc.isenabled()


def test_planning_does_not_import_torch() -> None:
    code = f"""
import sys
from ablate.study.baseline import find_baselines
from ablate.study.plan import enumerate_variants
from ablate.study.json_schema import json_schema
from ablate.study.spec import load_study
study = load_study({str(STUDIES / "block_types.yaml")!r})
enumeration = enumerate_variants(study)
find_baselines(study, enumeration)
assert len({{trial.id for variant in enumeration.variants for trial in variant.trials(study.seeds)}}) == 30
json_schema()
print(sorted({{"torch", "numpy", "pandas"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_a_merged_variant_is_found_by_the_name_it_had(tmp_path: Path) -> None:
    study = load(tmp_path, "net: [WRN-40-1, WRN-22-1]", budget="{parameters: 175k, solve: depth}", baseline="WRN-22-1")
    enumeration = enumerate_variants(study)
    assert nets(enumeration) == ["WRN-16-1"]
    assert find_baseline(study, enumeration) is enumeration.variants[0]


def test_axes_of_one_recipe_are_set_together(tmp_path: Path) -> None:
    both = ["recipe.momentum: 0", "recipe.nesterov: false"]
    for order in (both, both[::-1]):
        (variant,) = enumerate_variants(load(tmp_path, f"grid: {{net: WRN-16-1, {', '.join(order)}}}")).variants
        assert (variant.recipe.momentum, variant.recipe.nesterov) == (0.0, False)


def test_an_axis_may_hold_lists(tmp_path: Path) -> None:
    study = load(tmp_path, "grid: {net: WRN-16-1, recipe.milestones: [[0.5], [0.3, 0.6]]}")
    assert [variant.recipe.milestones for variant in enumerate_variants(study).variants] == [(0.5,), (0.3, 0.6)]


def test_a_name_of_two_networks_is_no_baseline(tmp_path: Path) -> None:
    entries = ("net: WRN-22-1-B(3,1,3)", "{net: WRN-22-1-B(3,1,3), depth_rule: nominal}")
    said = error(tmp_path, *entries, baseline="WRN-22-1-B(3,1,3)")
    assert "baseline 'WRN-22-1-B(3,1,3)' is several networks, with N = 2 and 3" in said


def test_one_training_is_one_variant_whatever_it_is_called(tmp_path: Path) -> None:
    study = load(tmp_path, "grid: {net: WRN-16-1, recipe.optimizer: [sgd, adam], recipe.momentum: [0.9, 0.5]}")
    enumeration = enumerate_variants(study)
    assert [(v.recipe.optimizer, v.recipe.momentum) for v in enumeration.variants] == [
        ("sgd", 0.9),
        ("sgd", 0.5),
        ("adam", 0.9),
    ]
    assert len(enumeration.merged) == 1


def test_what_where_leaves_out_cannot_miss_the_budget(tmp_path: Path) -> None:
    study = load(tmp_path, "grid: {k: [1, 8], depth: 16}", budget="{parameters: {max: 1M}}", where="k == 1")
    assert nets(enumerate_variants(study)) == ["WRN-16-1"]


def test_a_depth_that_is_solved_need_not_be_possible(tmp_path: Path) -> None:
    study = load(tmp_path, "grid: {block: [B(3,3), B(3,1,3)], k: 1, depth: 28}", budget="{parameters: 180k, solve: depth}")
    assert nets(enumerate_variants(study)) == ["WRN-16-1-B(3,3)", "WRN-22-1-B(3,1,3)"]


def test_an_endless_grid_is_refused_before_it_starts(tmp_path: Path) -> None:
    values = list(range(1, 101))
    axes = "{depth: 16, k: " + str(values) + ", dropout: " + str([v / 200 for v in values])
    axes += ", recipe.lr: " + str([v / 100 for v in values]) + ", recipe.epochs: " + str(values) + "}"
    assert "more than 1,000,000 variants" in error(tmp_path, f"grid: {axes}", where="k > 1000")


def test_of_several_recipes_the_studys_own_is_the_baseline(tmp_path: Path) -> None:
    lrs = "grid: {net: WRN-16-1, recipe.lr: [0.2, 0.1]}"
    study = load(tmp_path, lrs, baseline="WRN-16-1")
    baseline = find_baseline(study, enumerate_variants(study))
    assert baseline is not None and baseline.recipe.lr == 0.1
    said = error(tmp_path, lrs.replace("0.1", "0.3"), baseline="WRN-16-1")
    assert "is several variants: WRN-16-1, lr 0.2, WRN-16-1, lr 0.3" in said


def test_n_keeps_the_kind_of_block(tmp_path: Path) -> None:
    """A pre-ResNet has basic blocks where nothing else is said, however many."""
    assert nets(plan(tmp_path, "grid: {family: pre-ResNet, N: [1, 18, 27, 30]}")) == [
        "pre-ResNet-8",
        "pre-ResNet-110",
        "pre-ResNet-164-basic",
        "pre-ResNet-182-basic",
    ]
    solved = plan(tmp_path, "grid: {net: pre-ResNet-164, N: [2]}")
    assert nets(solved) == ["pre-ResNet-20-bottleneck"] and not solved.solved


@pytest.mark.parametrize(
    "entry, baseline, expected",
    [
        ("net: [WRN-34-2, CIFAR-WRN-34-2]", "WRN-34-2", "ResNet-34-w2"),
        ("net: [WRN-34-2, CIFAR-WRN-34-2]", "CIFAR-WRN-34-2", "CIFAR-WRN-34-2"),
        ("net: [WRN-34-2, WRN-50-2]", "WRN-50-2", "WRN-50-2-bottleneck"),
        ("net: [WRN-34-2, ImageNet-WRN-50-2]", "ResNet-34-w2", "ResNet-34-w2"),
    ],
)
def test_a_baseline_is_read_as_the_nets_are(tmp_path: Path, entry: str, baseline: str, expected: str) -> None:
    study = load(tmp_path, entry, data="imagenet", baseline=baseline)
    enumeration = enumerate_variants(study)
    found = find_baseline(study, enumeration)
    assert found is not None and found.net == expected
    assert set(nets(enumeration)) & {"WRN-34-2"} == set()


def test_a_baseline_s_options_come_in_any_order(tmp_path: Path) -> None:
    study = load(tmp_path, "net: [WRN-10-1, WRN-10-1-groupnorm-dropout0.3]", baseline="WRN-10-1-groupnorm-dropout0.3")
    found = find_baseline(study, enumerate_variants(study))
    assert found is not None and found.net == "WRN-10-1-dropout0.3-groupnorm"


def test_a_network_for_imagenet_on_other_images_is_said(tmp_path: Path) -> None:
    remarks = plan(tmp_path, "net: [ResNet-50, CIFAR-ResNet-50, ResNet-18-w2]").remarks()
    assert remarks == ["note: ResNet-50 is the network for ImageNet, not CIFAR-ResNet-50"]
    assert plan(tmp_path, "net: [ResNet-50]", data="imagenet").remarks() == []


@pytest.mark.parametrize(
    "entry, said",
    [
        ("grid: {family: python, depth: 10}", "family: found python; write a network of your own as net: {python:"),
        ("grid: {family: WNR, depth: 10}", "family: found 'WNR'; allowed: "),
        ("grid: {family: NIN, shortcut: A}", "shortcut: found A; NIN has norm, activation, pool"),
        ("grid: {family: ResNet, depth: 20, block: B(3,3)}", "block: found B(3,3); ResNet has basic or bottleneck"),
        ("grid: {family: ImageNet-ResNet, N: 3}", "N: found 3; ImageNet-ResNet has depth, 18, 34, 50, 101, 152, 200"),
        ("grid: {family: ImageNet-ResNet, depth: 19}", "depth 19: ImageNet-ResNet has 18, 34, 50"),
        ("grid: {net: WRN-16-1, cardinality: 2}", "cardinality: found 2; WRN has"),
        ("grid: {net: ResNet-20, norm: layer}", "norm: found 'layer'; allowed: batch, group, none"),
        ("grid: {net: ResNet-20, survival: 0}", "survival 0; allowed: above 0 to 1"),
    ],
)
def test_axes_that_a_family_lacks(tmp_path: Path, entry: str, said: str) -> None:
    assert said in error(tmp_path, entry)


def test_a_panel_names_networks_of_the_study(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    head = "name: s\ndata: cifar10\nrecipe: wrn_cifar\nseeds: 1\nvariants: [{net: [WRN-10-1, WRN-16-1]}]\n"
    path.write_text(f"{head}panels: {{Thin: [WRN-10-1, WRN-22-1]}}\n")
    with pytest.raises(StudyError, match=r"s\.yaml:6:1: panels\.Thin: found 'WRN-22-1'; did you mean"):
        enumerate_variants(load_study(path))


def test_an_average_that_is_slower_than_the_training_is_noted(tmp_path: Path) -> None:
    (slow,) = (line for line in plan(tmp_path, "net: NIN", recipe="{base: cifar_fast, epochs: 2, ema: 0.999}").remarks())
    assert slow.startswith("note: recipe.ema: 0.999 averages over about 1,000 steps of a training of 780")
    assert not plan(tmp_path, "net: NIN", recipe="{base: cifar_fast, epochs: 20, ema: 0.999}").remarks()
