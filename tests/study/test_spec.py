from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ablate.data.data_sets import DATA_SETS
from ablate.errors import AblateError, StudyError
from ablate.kinds.recipes import RECIPES
from ablate.nets.notation import Architecture
from ablate.study.baseline import find_baselines
from ablate.study.budget import Budget
from ablate.study.document import Document
from ablate.study.fields import as_fields
from ablate.study.json_schema import json_schema
from ablate.study.make_variant import candidate_maker
from ablate.study.plan import Enumeration, enumerate_variants
from ablate.study.program import ProgramStudy
from ablate.study.recipe import Initialization, Recipe
from ablate.study.resolve import read_recipe, replace_fields, resolve_data
from ablate.study.schema import StudyFile
from ablate.study.space import grid
from ablate.study.spec import load_any_study, load_study
from ablate.study.study import Study, Variant

STUDIES = Path(__file__).parents[2] / "studies"
HUGE = 2**64

FULL = """\
name: full
title: A title
source: WRN, Table 2
notes: |
  Two lines
  of notes
data: {name: cifar10, root: images, train_size: 1000, test_size: 500, augment: flip}
recipe: {base: wrn_svhn, epochs: 12, batch_size: 64, precision: bfloat16}
seeds: [0, 7, 3]
depth_rule: nominal
variants:
  - net: [WRN-16-1, WRN-16-1-B(3,1)]
  - grid: {k: [1, 0.5], depth: 16, block: B(1,3,1)}
    depth_rule: convolutions
  - zip: {N: [1, 2], k: 1, l: [2, 3]}
  - one_at_a_time: {base: WRN-16-1, dropout: [0.3], recipe.lr: [0.1, 0.2]}
where: k <= 2
budget: {parameters: {min: 1k, max: 2.5M}, tolerance: 3%, on_miss: drop}
baseline: WRN-16-1
"""

BASE = """\
name: base
data: {name: cifar10, train_size: 1000}
recipe: {base: wrn_cifar, epochs: 2}
seeds: 3
variants:
  - net: [WRN-16-1, WRN-16-2]
  - grid: {k: [1, 2], depth: 16}
  - zip: {k: [1, 2], N: [1, 2]}
  - one_at_a_time: {base: WRN-16-1, k: [2]}
where: k < 3
budget: {parameters: {max: 9M}}
baseline: WRN-16-1
"""


def find_baseline(study: Study, enumeration: Enumeration) -> Variant | None:
    """The one baseline of a study with one data set."""
    (baseline,) = {id(found): found for found in find_baselines(study, enumeration)}.values()
    return baseline


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    return path


def error(tmp_path: Path, text: str, *overrides: str) -> str:
    path = write(tmp_path, text)
    with pytest.raises(StudyError) as caught:
        study = load_study(path, overrides)
        find_baseline(study, enumerate_variants(study))
    return str(caught.value).removeprefix(f"{path}:")


def test_full_study(tmp_path: Path) -> None:
    study = load_study(str(write(tmp_path, FULL)))
    assert (study.name, study.title, study.source) == ("full", "A title", "WRN, Table 2")
    assert study.notes == "Two lines\nof notes"
    assert study.data.root == str(tmp_path / "images")
    assert (study.data.name, study.data.title, study.data.classes, study.data.input_shape) == (
        "cifar10",
        "CIFAR-10",
        10,
        (3, 32, 32),
    )
    assert (study.data.train_size, study.data.test_size, study.data.augment) == (1000, 500, "flip")
    assert (study.recipe.lr, study.recipe.drop, study.recipe.milestones) == (0.01, 0.1, (0.5, 0.75))
    assert (study.recipe.epochs, study.recipe.batch_size, study.recipe.precision) == (12, 64, "bfloat16")
    assert study.seeds == (0, 7, 3)
    assert [(entry.kind, entry.depth_rule, entry.base) for entry in study.entries] == [
        ("net", "nominal", None),
        ("grid", "convolutions", None),
        ("zip", "nominal", None),
        ("one_at_a_time", "nominal", "WRN-16-1"),
    ]
    assert study.entries[1].axes == {"k": (1, 0.5), "depth": (16,), "block": ("B(1,3,1)",)}
    assert study.entries[2].axes == {"N": (1, 2), "k": (1, 1), "l": (2, 3)}
    assert study.where == "k <= 2"
    assert study.budget == Budget("parameters", None, pytest.approx(0.03), 1000, 2_500_000, "drop")
    assert study.baseline is not None and study.baseline[0] == "WRN-16-1"


def test_short_study(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, "name: short\ndata: digits\nrecipe: adam\nseeds: 2\nvariants: [{net: WRN-10-1}]\n"))
    assert (study.title, study.source, study.notes, study.data.root) == ("short", "", "", None)
    assert (study.recipe.optimizer, study.recipe.lr, study.recipe.epochs) == ("adam", 1e-3, 200)
    assert (study.data.title, study.data.input_shape, study.data.train_size) == ("Digits", (1, 8, 8), None)
    assert study.seeds == (0, 1)
    assert study.where is study.budget is study.baseline is None
    assert enumerate_variants(study).variants[0].architecture == Architecture(1, 1.0)


def test_base_text_of_the_error_cases_is_valid(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, BASE))
    assert find_baseline(study, enumerate_variants(study)) is not None


ERRORS = [
    # keys
    ("seeds: 3", "seed: 3", "4:1: unknown key 'seed'; did you mean 'seeds'? allowed: name, title, source"),
    ("epochs: 2", "epohcs: 2", "3:27: unknown key 'epohcs'; did you mean 'epochs'? allowed: base, "),
    ("train_size: 1000", "train_sizes: 9", "2:23: unknown key 'train_sizes'; did you mean 'train_size'? allowed: name"),
    ("- grid", "- gird", "7:5: unknown key 'gird'; did you mean 'grid'? allowed: net, grid, zip"),
    ("{parameters", "{parametres", "11:10: unknown key 'parametres'; did you mean 'parameters'? allowed: parameters"),
    ("{max: 9M}", "{maxi: 9M}", "11:23: unknown key 'maxi'; did you mean 'max'? allowed: min, max"),
    ("{k: [1, 2], d", "{kk: 1, k: [1, 2], d", "7:12: unknown axis 'kk'; did you mean 'k'? allowed: net, "),
    ("{k: [1, 2], d", "{recipe: 1, k: [1, 2], d", "7:12: unknown axis 'recipe'"),
    ("{k: [1, 2], d", "{recipe.lrr: 1, k: [1, 2], d", "7:12: unknown axis 'recipe.lrr'; did you mean 'lr'? allowed: "),
    ("{k: [1, 2], d", "{data.classes: 1, k: [1, 2], d", "7:12: unknown axis 'data.classes'; "),
    ("name: base\n", "", "1:1: name is missing"),
    ("seeds: 3\n", "", "1:1: 'seeds' is missing"),
    ("name: cifar10, ", "", "2:1: data.name is missing"),
    # types
    ("epochs: 2", "epochs: two", "3:27: recipe.epochs: found 'two'; allowed: "),
    ("epochs: 2", "epochs: 2.0", "3:27: recipe.epochs: found 2.0; allowed: "),
    ("epochs: 2", "epochs: '2'", "3:27: recipe.epochs: found '2'; allowed: "),
    ("epochs: 2", "epochs: true", "3:27: recipe.epochs: found true; allowed: "),
    ("epochs: 2", "nesterov: yes", "3:27: recipe.nesterov: found 'yes'; allowed: "),
    ("recipe: {base: wrn_cifar, epochs: 2}", "recipe: 3", "3:1: recipe: found 3; allowed: "),
    ("name: base", "name: [base]", "1:1: name: found a list; allowed: "),
    ("where: k < 3", "where: true", "10:1: where: found true; allowed: "),
    ("budget: {parameters: {max: 9M}}", "budget: 9M", "11:1: budget: found '9M'; allowed: "),
    # ranges
    ("epochs: 2", "epochs: 0", "3:27: recipe.epochs: found 0; allowed: greater than or equal to 1"),
    ("epochs: 2", "lr: -0.1", "3:27: recipe.lr: found -0.1; allowed: greater than 0"),
    ("epochs: 2", "momentum: 1", "3:27: recipe.momentum: found 1; allowed: less than 1"),
    ("epochs: 2", "optimizer: sdg", "3:27: recipe.optimizer: found 'sdg'; did you mean 'sgd'? allowed: sgd, adam"),
    (
        "base: wrn_cifar",
        "base: wrn",
        "3:10: recipe.base: found 'wrn'; allowed: wrn_cifar, wrn_svhn, resnext_cifar",
    ),
    ("recipe: {base: wrn_cifar, epochs: 2}", "recipe: wrn", "3:1: recipe.base: found 'wrn'; allowed: wrn_cifar"),
    ("epochs: 2", "momentum: 0", "3:1: recipe: nesterov needs a momentum above 0"),
    ("name: cifar10", "name: cifar", "2:8: data.name: found 'cifar'; did you mean 'cifar10'? allowed: digits, cifar10"),
    ("train_size: 1000", "train_size: 1", "2:23: data.train_size: found 1; allowed: greater than or equal to 2"),
    ("train_size: 1000", "train_size: 50001", "2:23: data.train_size: found 50001; cifar10 has 50000"),
    ("train_size: 1000", "test_size: 10001", "2:23: data.test_size: found 10001; cifar10 has 10000"),
    ("train_size: 1000", "classes: 100", "2:23: data.classes: found 100; cifar10 has 10"),
    ("train_size: 1000", "title: Mine", "2:23: data.title: found 'Mine'; cifar10 has 'CIFAR-10'"),
    ("train_size: 1000", "digest: xyz", "2:23: data.digest: found 'xyz'; allowed: "),
    ("name: cifar10", "name: image_folder", "2:1: data.title is missing; image_folder needs a title, or a root"),
    ("name: cifar10", "name: image_folder, title: A, classes: 2", "2:1: data.image_size is missing"),
    ("train_size: 1000", "train_size: 100", "6:11: recipe.batch_size: 128 of 100 training images leaves no batch"),
    (
        "seeds: 3",
        "seeds: 3\ndepth_rule: nominally",
        "5:1: depth_rule: found 'nominally'; did you mean 'nominal'?",
    ),
    # names
    *(
        ("name: base", f"name: {name}", f"1:1: name: found '{name.strip(chr(34))}'")
        for name in ("a/b", "..", ".hidden", "a\\b", "-x", "a b", '""', "é", "x" * 65)
    ),
    # seeds
    *(
        ("seeds: 3", f"seeds: {seeds}", f"4:1: seeds: found {found}; allowed: how many (0 to 10000), or a list")
        for seeds, found in [
            ("-1", "-1"),
            ("10001", "10001"),
            ("true", "true"),
            ("2.0", "2.0"),
            ("two", "'two'"),
            ("[]", "a list"),
        ]
    ),
    *(
        (
            "seeds: 3",
            f"seeds: [0, {seed}]",
            f"4:12: seeds: found {found}; allowed: whole numbers from 0 below 2,147,483,648",
        )
        for seed, found in [("-1", "-1"), ("true", "true"), ("2147483648", "2147483648"), ("[1]", "a list")]
    ),
    # budget
    (
        "{parameters: {max: 9M}}",
        "{}",
        "11:1: 'budget' needs exactly one of parameters, multiply_adds",
    ),
    ("{parameters: {max", "{multiply_adds: 1G, parameters: {max", "11:1: 'budget' needs exactly one of parameters, "),
    ("{max: 9M}", "{}", "11:10: 'budget.parameters' needs min, max or both"),
    ("{max: 9M}", "{min: 10M, max: 9M}", "11:10: 'budget.parameters' needs min, max or both"),
    ("{max: 9M}}", "{min: 9}, solve: depth}", "11:10: 'budget.solve' needs a target or a max in 'budget.parameters'"),
    ("{max: 9M}", "{max: 9 million}", "11:23: budget.parameters.max: found '9 million'; allowed: a number such as"),
    ("{max: 9M}", "nine", "11:10: budget.parameters: found 'nine'; allowed: a number such as 2200000 or 2.2M"),
    ("{max: 9M}", "0", "11:10: budget.parameters: found 0; allowed"),
    ("{max: 9M}", "true", "11:10: budget.parameters: found true; allowed"),
    ("{max: 9M}", "[1, 2]", "11:10: budget.parameters: found a list; allowed"),
    ("9M}}", "9M}, tolerance: 100%}", "11:33: budget.tolerance: found '100%'; allowed: 0% to below 100%"),
    ("9M}}", "9M}, tolerance: -0.1}", "11:33: budget.tolerance: found -0.1; allowed: 0% to below 100%"),
    ("9M}}", "9M}, solve: width}", "11:33: budget.solve: found 'width'; did you mean 'base_width'? allowed: depth, k, l"),
    ("9M}}", "9M}, on_miss: skip}", "11:33: budget.on_miss: found 'skip'; allowed: error, drop"),
    ("{max: 9M}", "{max: 100k}", "11:1: WRN-16-1 has 175,066 parameters (+75.1%); allowed: at most 100,000"),
    # entries and axes
    ("variants:\n", "variants: []\nnotes: |\n", "5:1: variants: found a list; allowed: "),
    ("- net: [WRN-16-1, WRN-16-2]", "- {}", "6:5: variants: found none of them; allowed: one of net, grid, zip"),
    ("- grid", "- net: WRN-16-1\n    grid", "7:5: variants: found net and grid; allowed: one of net"),
    ("[WRN-16-1, WRN-16-2]", "[]", "6:5: net: an empty list; allowed: one value or more"),
    ("[WRN-16-1, WRN-16-2]", "[WRN-16-1, 5]", "6:21: net: found 5; allowed: a network's name"),
    ("[WRN-16-1, WRN-16-2]", "[WRN-16-1, WRN-17-2]", "6:21: depth 17 with B(3,3): depth = 6 N + 4 has no whole N"),
    ("[WRN-16-1, WRN-16-2]", "[WRN-16-1, VGG-16]", "6:21: network 'VGG-16': read 'VGG', stopped at '-16'"),
    ("[WRN-16-1, WRN-16-2]", "WRN-16-1x", "6:5: network 'WRN-16-1x': read 'WRN-16-1', stopped at 'x'"),
    ("{k: [1, 2], d", "{k: [], d", "7:12: k: an empty list"),
    ("{k: [1, 2], d", "{k: [1, two], d", "7:19: k: found 'two'; allowed: a number"),
    ("{k: [1, 2], d", "{k: [1, true], d", "7:19: k: found true; allowed: a number"),
    ("depth: 16", "depth: 1.5", "7:23: depth: found 1.5; allowed: a whole number from 1"),
    ("depth: 16", "N: 0", "7:23: N: found 0; allowed: a whole number from 1"),
    ("depth: 16", "N: 2001", "7:23: N = 2001 blocks per group; allowed: 1 to 2000"),
    ("depth: 16", "depth: [16, 18]", "7:35: depth 18 with B(3,3)"),
    ("depth: 16", "depth: 16, block: 33", "7:34: block: found 33; allowed: B(3,3) and the like"),
    ("depth: 16", "depth: 16, block: [B(3,x)]", "7:42: block: found 'B(3,x)'; allowed: B(M) with M a list"),
    ("depth: 16", "depth: 16, family: VGG", "7:16: k: found 1.0; VGG has norm, activation, pool"),
    ("depth: 16", "depth: 16, dropout: 1.5", "7:34: dropout rate 1.5; allowed: 0 to below 1"),
    ("depth: 16", "depth: 16, block: B(3,3), l: 2", "7:34: block and l both given; use one of them"),
    ("depth: 16", "depth: 16, N: 2", "7:23: depth and N both given; use one of them"),
    ("k: [1, 2], depth", "depth", "7:5: the axes depth leave k open"),
    ("[1, 2], depth: 16}", "[1, 2]}", "7:5: the axes k leave depth (or N) open"),
    ("depth: 16", "depth: 16, recipe.lr: [0.1, fast]", "7:51: recipe.lr: found 'fast'; allowed: "),
    ("depth: 16", "depth: 16, data.train_size: [500, 60000]", "7:57: data.train_size: found 60000; cifar10 has 50000"),
    ("depth: 16", "depth: 16, data.train_size: [abc]", "7:52: data.train_size: found 'abc'; allowed: integer"),
    ("seeds: 3\n", "", "1:1: 'seeds' is missing; add it, such as seeds: 5"),
    ("seeds: 3", "seeds: [1, 1]", "4:12: seeds: 1 is listed twice; list it once"),
    ("base: wrn_cifar, ", "", "3:1: recipe.base is missing; allowed: such as base: wrn_cifar"),
    ("epochs: 2", "milestones: [60]", "3:40: recipe.milestones: found 60; allowed: less than 1 (fractions of the epochs)"),
    ("depth: 16", "depth: 16, recipe.lr: [{a: 1}]", "7:46: recipe.lr: found a mapping; allowed: number"),
    ("{k: [1, 2], d", "{k: 1.12345678, d", "7:5: widening factor k = 1.12345678; allowed: at most 6 decimals"),
    ("depth: 16", "depth: 16, l: 1000000", "7:34: l: found 1000000; allowed: 1 to 16"),
    (
        "data: {name: cifar10, train_size: 1000}",
        "data: {name: cifar10, root: ~nosuchuser/x}",
        "2:23: data.root: found '~nosuchuser/x'",
    ),
    (
        "recipe: {base: wrn_cifar, epochs: 2}",
        "recipe: {base: adam, milestones: {a: 1}}",
        "3:22: recipe.milestones: found a mapping; allowed: a list",
    ),
    ("depth: 16", "depth: 16, recipe.momentum: 0", "7:5: recipe: nesterov needs a momentum above 0"),
    ("{k: [1, 2], N: [1, 2]}", "{k: [1, 2, 3], N: [1, 2]}", "8:5: 'zip' has lists of 3 (k), 2 (N); use lists of"),
    ("{k: [1, 2], N: [1, 2]}", "{}", "8:5: 'zip' has no axis"),
    ("base: WRN-16-1, ", "", "9:5: 'one_at_a_time' needs 'base', the network that is changed"),
    ("base: WRN-16-1, k: [2]", "base: WRN-16-1", "9:5: 'one_at_a_time' has no axis"),
    ("base: WRN-16-1, k", "base: WRN-17-1, k", "9:5: depth 17 with B(3,3)"),
    # where and baseline
    ("where: k < 3", "where: k <", "10:1: where: 'k <' is not an expression"),
    ("where: k < 3", "where: k ** 2 < 3", "10:1: where: 'k ** 2' is not accepted"),
    ("where: k < 3", "where: kk < 3", "10:1: where: unknown name 'kk'; did you mean 'k'?"),
    ("where: k < 3", "where: k < net", "10:1: where: 'k < net': '<' not supported"),
    ("where: k < 3", "where: k > 3", "5:1: no variant is left"),
    ("baseline: WRN-16-1", "baseline: WRN-40-1", "12:1: baseline 'WRN-40-1' is none of the variants; allowed: WRN-16-1, "),
    # text
    ("seeds: 3", "seeds: 3\nseeds: 4", "5:1: duplicate key 'seeds', first at line 4"),
    ("seeds: 3", "seeds: &s 3", "4:8: anchors and aliases"),
]


@pytest.mark.parametrize("old, new, expected", ERRORS, ids=[new.replace("\n", "/")[:40] for _, new, _ in ERRORS])
def test_errors_say_where_and_what(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert BASE.count(old) >= 1
    found = error(tmp_path, BASE.replace(old, new, 1))
    assert found[: len(expected)] == expected


@pytest.mark.parametrize(
    "override, expected",
    [
        ("recipe.epochs=0", "override: recipe.epochs: found 0; allowed"),
        ("recipe.epohcs=1", "override: unknown key 'epohcs'; did you mean 'epochs'?"),
        ("seeds=-1", "override: seeds: found -1"),
        ("seeds=[", "override seeds:1:2: not YAML"),
        ("baseline=WRN-22-1", "override: baseline 'WRN-22-1' is none of the variants"),
    ],
)
def test_overrides_are_checked_like_the_file(tmp_path: Path, override: str, expected: str) -> None:
    assert error(tmp_path, BASE, override)[: len(expected)] == expected


def test_overrides_apply(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, BASE), ["recipe.lr=0.05", "seeds=[4]", "data.augment=none", "baseline=null"])
    assert (study.recipe.lr, study.recipe.epochs) == (0.05, 2)
    assert study.seeds == (4,)
    assert (study.data.augment, study.data.train_size) == ("none", 1000)
    assert study.baseline is None


@pytest.mark.parametrize(
    "text, expected",
    [("2200000", 2_200_000), ("2.2e6", 2_200_000), ("2.2M", 2_200_000), ("180k", 180_000), ("1 G", 10**9)],
)
def test_quantities(tmp_path: Path, text: str, expected: int) -> None:
    study = load_study(write(tmp_path, BASE.replace("{max: 9M}", text)))
    assert study.budget == Budget("parameters", expected, 0.05, None, None, "error")


@pytest.mark.parametrize("text, expected", [("12%", 0.12), ("0.5 %", 0.005), ("0.12", 0.12), ("0", 0.0)])
def test_percentages(tmp_path: Path, text: str, expected: float) -> None:
    study = load_study(write(tmp_path, BASE.replace("9M}}", f"9M}}, tolerance: {text}}}")))
    assert study.budget and study.budget.tolerance == pytest.approx(expected)


def nowhere() -> Document:
    return Document("", {}, {})


@pytest.mark.parametrize("base", RECIPES)
def test_named_recipes_are_complete(base: str) -> None:
    recipe = read_recipe(nowhere(), ("recipe",), base)
    written = as_fields(recipe)
    defaults = {key: field.default for key, field in Recipe.model_fields.items() if not field.is_required()}
    named = {
        key: Initialization(**value).written if isinstance(value, dict) else value
        for key, value in RECIPES[base].fields.items()
    }
    assert {key: written[key] for key in RECIPES[base].fields} == named
    others = {key: value for key, value in recipe.values.items() if key not in RECIPES[base].fields}
    assert others == {key: defaults[key] for key in others}


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"milestones": [0.6, 0.3]}, "milestones must increase"),
        ({"milestones": [0.5, 0.5]}, "milestones must increase"),
        ({"milestones": [0.5, 1.0]}, "recipe.milestones: found 1.0; allowed: less than 1"),
        ({"momentum": 0}, "nesterov needs a momentum above 0"),
        ({"betas": [0.9]}, "recipe.betas"),
    ],
)
def test_inconsistent_recipes(fields: dict, expected: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_recipe(nowhere(), ("recipe",), {"base": "wrn_cifar", **fields})
    assert expected in str(caught.value)


def test_adam_may_have_no_momentum() -> None:
    assert read_recipe(nowhere(), ("recipe",), {"base": "adam", "momentum": 0.0}).values["momentum"] == 0


@pytest.mark.parametrize("name", [name for name, entry in DATA_SETS.items() if entry.title])
def test_all_images_are_the_default(name: str) -> None:
    train, test = DATA_SETS[name].images
    whole = resolve_data(nowhere(), {"name": name})
    assert resolve_data(nowhere(), {"name": name, "train_size": train, "test_size": test}) == whole
    assert whole.train_size is whole.test_size is None


def test_one_field_replaced() -> None:
    recipe = Recipe.named("wrn_cifar")
    assert replace_fields(recipe, {"lr": 0.5}) == recipe.model_copy(update={"lr": 0.5})
    assert replace_fields(recipe, {"milestones": [0.5]}).values["milestones"] == (0.5,)
    data = resolve_data(nowhere(), {"name": "cifar10"})
    assert replace_fields(data, {"train_size": 100}).train_size == 100
    assert replace_fields(data, {"train_size": 50_000}) == data


def test_schema_is_json_and_names_the_keys() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert set(schema["properties"]) == set(StudyFile.model_fields)
    assert set(schema["required"]) == {"name"}
    assert {frozenset(each["required"]) for each in schema["anyOf"]} == {
        frozenset(("data", "recipe", "seeds", "variants")), frozenset(("data", "recipe", "search")),
        frozenset(("program", "measures", "seeds", "variants")), frozenset(("program", "measures", "search")),
        frozenset(("studies",)),
    }  # fmt: skip
    assert schema["properties"]["data"]["anyOf"][0] == {"enum": list(DATA_SETS)}
    assert schema["properties"]["recipe"]["anyOf"][0] == {"enum": list(RECIPES)}
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_plan(path: Path) -> None:
    study = load_any_study(path, precision=lambda: "float32")
    if isinstance(study, ProgramStudy):
        assert study.name == path.stem and len({trial.id for trial in study.trials()}) == len(study.trials())
        return
    if study.search:
        return  # the next test's
    enumeration = enumerate_variants(study)
    trials = [trial for variant in enumeration.variants for trial in variant.trials(study.seeds)]
    assert study.name == path.stem
    assert not enumeration.merged
    assert len({trial.id for trial in trials}) == len(enumeration.variants) * len(study.seeds)
    assert study.baseline is None or all(find_baselines(study, enumeration))


@pytest.mark.parametrize(("path", "candidates"), [("dropout_search", 13), ("search_block", 6)])
def test_shipped_searches_plan(path: str, candidates: int) -> None:
    study = load_study(STUDIES / f"{path}.yaml")
    assert study.search is not None
    make = candidate_maker(study)
    tried = study.search.enqueue or tuple(grid(study.search.parameters))
    assert len({variant.net for variant in map(make, tried)}) == len(tried) == candidates


def test_there_are_shipped_studies() -> None:
    assert {"block_types", "quickstart"} <= {path.stem for path in STUDIES.glob("*.yaml")}


@pytest.mark.parametrize(
    "study",
    [
        {"program": {"command": "python x.py {lr} {seed}"}, "measures": ["e"], "variants": [{"grid": {"lr": [[HUGE], 1]}}]},
        {"data": "digits", "recipe": {"base": "wrn_cifar", "loss": {"python": "x:y", "args": {"g": {"h": HUGE}}}}},
        {"data": "digits", "recipe": "wrn_cifar", "variants": [{"grid": {"net": "WRN-10-1", "args.g": [HUGE]}}]},
    ],
)
def test_a_number_that_no_id_can_hold_is_refused_where_it_stands(study: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match=rf"^study.*: found {HUGE}; allowed: whole numbers of 64 bits, or text$"):
        load_any_study({"name": "s", "seeds": 2, "variants": [{"net": "WRN-10-1"}], **study})


@pytest.mark.parametrize("text", [b"\xff", b"- a", b"", b"[", b"a: &x [*x]"])
def test_unreadable_study_is_an_ablate_error(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(text)
    with pytest.raises(AblateError, match=r"s\.yaml"):
        load_study(path)


def test_lists_in_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    text = "name: s\ndata: cifar10\nseeds: 1\nvariants: [{net: WRN-16-1}]\n"
    text += "recipe: {base: adam, milestones: [0.5], betas: [0.5, 0.9]}\n"
    path.write_text(text)
    assert load_study(path).recipe.milestones == (0.5,) and load_study(path).recipe.betas == (0.5, 0.9)
    assert load_study(path, ["recipe.milestones=[]"]).recipe.milestones == ()
