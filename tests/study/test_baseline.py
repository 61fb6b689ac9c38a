"""`baseline`: a network on every data set, or values of axes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate import load_study as load
from ablate.errors import StudyError
from ablate.study.baseline import find_baselines
from ablate.study.labels import label
from ablate.study.plan import enumerate_variants
from ablate.study.spec import load_study

HEAD = """\
name: s
data: [cifar10, cifar100]
recipe: wrn_cifar
seeds: 1
"""


def compared(folder: Path, baseline: str, variants: str) -> dict[str, str | None]:
    """What each variant is compared with, by their labels."""
    path = folder / "s.yaml"
    path.write_text(f"{HEAD}baseline: {baseline}\nvariants:\n{variants}")
    study = load_study(path)
    enumeration = enumerate_variants(study)
    found = find_baselines(study, enumeration)
    assert all(one is None or one in enumeration.variants for one in found)
    return {label(variant): label(one) if one else None for variant, one in zip(enumeration.variants, found)}


def error(folder: Path, baseline: str, variants: str) -> str:
    with pytest.raises(StudyError) as caught:
        compared(folder, baseline, variants)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder / 's.yaml'}:")


def test_a_network_is_the_baseline_of_each_data_set(tmp_path: Path) -> None:
    assert compared(tmp_path, "WRN-10-1", "  - net: [WRN-10-1, WRN-16-1]\n") == {
        "WRN-10-1, CIFAR-10": "WRN-10-1, CIFAR-10",
        "WRN-10-1, CIFAR-100": "WRN-10-1, CIFAR-100",
        "WRN-16-1, CIFAR-10": "WRN-10-1, CIFAR-10",
        "WRN-16-1, CIFAR-100": "WRN-10-1, CIFAR-100",
    }


def test_a_data_set_without_the_network_has_no_baseline(tmp_path: Path) -> None:
    variants = "  - net: WRN-10-1\n    data: cifar10\n  - net: WRN-16-1\n"
    assert compared(tmp_path, "WRN-10-1", variants) == {
        "WRN-10-1, CIFAR-10": "WRN-10-1, CIFAR-10",
        "WRN-16-1, CIFAR-10": "WRN-10-1, CIFAR-10",
        "WRN-16-1, CIFAR-100": None,
    }


def test_of_several_recipes_the_studys_own_is_meant(tmp_path: Path) -> None:
    variants = "  - net: WRN-10-1\n    recipe: adam\n    data: cifar10\n  - net: WRN-10-1\n    data: cifar10\n"
    assert compared(tmp_path, "WRN-10-1", variants) == {
        "WRN-10-1, WRN with Adam": "WRN-10-1, WRN on CIFAR",
        "WRN-10-1, WRN on CIFAR": "WRN-10-1, WRN on CIFAR",
    }


def test_a_data_set_with_a_recipe_of_its_own_has_its_own_baseline(tmp_path: Path) -> None:
    variants = "  - net: [WRN-10-1, WRN-16-1]\n    data: svhn\n    recipe: wrn_svhn\n  - net: WRN-10-1\n    data: cifar10\n"
    assert compared(tmp_path, "WRN-10-1", variants) == {
        "WRN-10-1, WRN on SVHN, SVHN": "WRN-10-1, WRN on SVHN, SVHN",
        "WRN-16-1, WRN on SVHN, SVHN": "WRN-10-1, WRN on SVHN, SVHN",
        "WRN-10-1, WRN on CIFAR, CIFAR-10": "WRN-10-1, WRN on CIFAR, CIFAR-10",
    }


def test_values_of_axes_give_each_variant_its_own(tmp_path: Path) -> None:
    variants = "  - grid: {net: [WRN-10-1, WRN-16-1], dropout: [0, 0.3]}\n    data: cifar10\n"
    found = compared(tmp_path, "{dropout: 0}", variants + "  - grid: {net: WRN-10-1, dropout: [0.4, 0]}\n    data: svhn\n")
    assert found == {
        "WRN-10-1, CIFAR-10": "WRN-10-1, CIFAR-10",
        "WRN-10-1-dropout0.3, CIFAR-10": "WRN-10-1, CIFAR-10",
        "WRN-16-1, CIFAR-10": "WRN-16-1, CIFAR-10",
        "WRN-16-1-dropout0.3, CIFAR-10": "WRN-16-1, CIFAR-10",
        "WRN-10-1-dropout0.4, SVHN": "WRN-10-1, SVHN",
        "WRN-10-1, SVHN": "WRN-10-1, SVHN",
    }


def test_a_variant_whose_partner_is_not_there_has_none(tmp_path: Path) -> None:
    variants = "  - net: [WRN-10-1, WRN-10-1-dropout0.3, WRN-16-1-dropout0.3]\n    data: cifar10\n"
    assert compared(tmp_path, "{dropout: 0}", variants) == {
        "WRN-10-1": "WRN-10-1",
        "WRN-10-1-dropout0.3": "WRN-10-1",
        "WRN-16-1-dropout0.3": None,
    }


@pytest.mark.parametrize("order", ["[WRN-10-1, NIN, WRN-10-2]", "[NIN, WRN-10-1, WRN-10-2]"])
def test_a_network_without_the_axis_has_none(tmp_path: Path, order: str) -> None:
    assert compared(tmp_path, "{k: 1}", f"  - net: {order}\n    data: cifar10\n") == {
        "NIN": None,
        "WRN-10-1": "WRN-10-1",
        "WRN-10-2": "WRN-10-1",
    }


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("{recipe.lr: 0.1}", ["a", "a", "b", "b"]),
        ("{recipe.lr: 0.1, recipe.nesterov: True}", ["a", "a", None, None]),
        ("{recipe.nesterov: True}", ["a", "c", "a", "c"]),
    ],
)
def test_axes_of_the_recipe(tmp_path: Path, baseline: str, expected: list[str | None]) -> None:
    """a: lr 0.1 with Nesterov; c: lr 0.2 with it; b: lr 0.1 without."""
    variants = "  - grid: {net: WRN-10-1, recipe.nesterov: [true, false], recipe.lr: [0.1, 0.2]}\n    data: cifar10\n"
    names = {"a": "nesterov on, lr 0.1", "b": "nesterov off, lr 0.1", "c": "nesterov on, lr 0.2"}
    found = compared(tmp_path, baseline, variants)
    if baseline.count(":") == 2:  # both given: one variant is everyone's
        expected = ["a"] * 4
    assert list(found.values()) == [f"WRN-10-1, {names[name]}" if name else None for name in expected]


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("WRN-28-2", "5:1: baseline 'WRN-28-2' is none of the variants; allowed: WRN-10-1, WRN-16-1"),
        ("nothing", "5:1: baseline 'nothing' is none of the variants"),
        ("{dropouts: 0}", "5:12: unknown axis 'dropouts'; did you mean 'dropout'? allowed: "),
        ("{recipe.lrs: 0}", "5:1: baseline: unknown axis 'recipe.lrs'; did you mean 'lr'? allowed: "),
        ("{depth: 11}", "5:1: baseline: depth 11 with B(3,3)"),
        ("{dropout: 0.5}", "5:1: baseline: no variant has dropout 0.5"),
        ("{dropout: 0, k: 3}", "5:1: baseline: no variant has dropout 0, k 3"),
        ("{dropout: [0, 0.3]}", "5:22: dropout: found a list; allowed: a number"),
        ("{python: m:f, k: 1}", "5:1: net: "),
        ("{dropout: null}", "5:12: baseline.dropout has no value"),
        ("[WRN-10-1]", "5:1: baseline"),
        ("10", "5:1: baseline"),
    ],
)
def test_errors_stand_at_the_baseline(tmp_path: Path, baseline: str, message: str) -> None:
    assert error(tmp_path, baseline, "  - net: [WRN-10-1, WRN-16-1]\n").startswith(message)


def test_several_variants_of_one_recipe_are_no_baseline(tmp_path: Path) -> None:
    variants = "  - grid: {net: WRN-10-1, recipe.lr: [0.05, 0.2]}\n    data: cifar10\n"
    message = error(tmp_path, "WRN-10-1", variants)
    assert message == "5:1: baseline 'WRN-10-1' is several variants: WRN-10-1, lr 0.05, WRN-10-1, lr 0.2"


def test_a_label_of_a_row_that_is_merged_is_the_name_of_the_row_that_is_kept(tmp_path: Path) -> None:
    twice = "  - net: [WRN-10-1, WRN-16-1]\n    data: cifar10\n  - net: WRN-10-1\n    data: cifar10\n    label: ours\n"
    assert compared(tmp_path, "ours", twice) == {"ours": "ours", "WRN-16-1": "ours"}
    thrice = f"{twice}  - net: [WRN-10-1, WRN-10-2]\n    data: cifar10\n    label: [theirs, '']\n"
    assert compared(tmp_path, "theirs", thrice) == {"ours": "ours", "WRN-16-1": "ours", "WRN-10-2": "ours"}
    wrong = thrice.replace("[theirs, '']", "[theirs, ours]")
    assert error(tmp_path, "ours", wrong).endswith("label: 'ours' names two variants; give each its own")
    other = f"{thrice}  - net: WRN-10-2\n    data: cifar10\n    label: theirs\n"
    assert error(tmp_path, "ours", other).endswith("label: 'theirs' names two variants; give each its own")


SGD = "{net: WRN-10-1, recipe.optimizer: [sgd, muon, rmsprop, {name: adamw, lr: 0.001}]}"
STEPS = "{net: WRN-10-1, recipe.schedule: [{name: step, drop: 0.1}, step, cosine]}"


@pytest.mark.parametrize(
    ("baseline", "grid", "expected"),
    [
        ("{block: B(3,3)}", "{block: [B(3,3), B(3,1,3)], k: [1, 2], depth: 22}", [0, 1, 0, 1]),  # another N, another l
        ("{l: 2}", "{block: [B(3,3), B(3,1,3)], k: [1, 2], depth: 22}", [0, 1, 0, 1]),
        ("{l: 2}", "{l: [1, 2], k: 1, N: 1}", [1, 1]),
        ("{depth: 10}", "{depth: [16, 10], k: [1, 2]}", [2, 3, 2, 3]),
        ("{N: 1}", "{depth: [16, 10], k: [1, 2]}", [2, 3, 2, 3]),
        ("{depth: 10}", "{net: [WRN-16-1, WRN-10-1]}", [1, 1]),
        ("{net: WRN-10-1}", "{net: [WRN-16-2, WRN-10-1], dropout: [0, 0.3]}", [2, 3, 2, 3]),
        ("{recipe.optimizer: sgd}", SGD, [0, 0, 0, 0]),
        ("{recipe.optimizer: sgd}", SGD.replace("]}", "], recipe.warmup: [0, 1]}"), [0, 1] * 4),
        ("{recipe.momentum: 0.9}", "{net: WRN-10-1, recipe.optimizer: [sgd, adamw]}", [0, None]),
        ("{recipe.schedule: step}", STEPS, [1, 1, 1]),
        ("{recipe.drop: 0.2}", STEPS, [1, 1, None]),
        ("{recipe.lr: 0.1234561}", "{net: WRN-10-1, recipe.lr: [0.1234561, 0.1234562]}, label: [a, b]", [0, 0]),
        ("{recipe.lr: 1}", "{net: WRN-10-1, recipe.lr: [1.0, 0.1]}", [0, 0]),
    ],
)
def test_what_follows_from_the_named_values_is_not_compared(
    tmp_path: Path, baseline: str, grid: str, expected: list[int | None]
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"{HEAD.replace(', cifar100', '')}baseline: {baseline}\nvariants: [{{grid: {grid}}}]\n")
    study = load_study(path)
    enumeration = enumerate_variants(study)
    numbers = {id(variant): i for i, variant in enumerate(enumeration.variants)}
    assert [one and numbers[id(one)] for one in find_baselines(study, enumeration)] == expected


def test_values_that_names_do_not_tell_apart_need_a_label(tmp_path: Path) -> None:
    variants = "  - grid: {net: WRN-10-1, recipe.lr: [0.1234561, 0.1234562]}\n    data: cifar10\n"
    message = "6:1: 'WRN-10-1 (N = 1), lr 0.123456' names two variants; give each a label of its own"
    assert error(tmp_path, "{recipe.lr: 0.1234561}", variants) == message


def test_a_network_that_no_item_writes_is_no_value(tmp_path: Path) -> None:
    assert error(tmp_path, "{net: WRN-10-1}", "  - grid: {depth: [10, 16], k: 1}\n") == (
        "5:1: baseline: no variant has net WRN-10-1"
    )


SOLVED = """\
  - grid: {block: [B(3,3), B(3,1), B(1,3,1)], k: 1, dropout: [0, 0.3]}
    data: cifar10
budget: {parameters: 185k, tolerance: 8%, solve: depth}
"""


def test_a_depth_that_the_budget_solves_is_not_compared(tmp_path: Path) -> None:
    found = compared(tmp_path, "{block: B(3,3)}", SOLVED)
    assert [*found.values()] == ["WRN-16-1-B(3,3)", "WRN-16-1-B(3,3)-dropout0.3"] * 3
    assert (
        error(tmp_path, "{depth: 16}", SOLVED)
        == "5:1: baseline: depth is solved by the budget; name an axis that is written"
    )


def test_of_two_items_that_write_a_variant_the_first_with_a_baseline_counts(tmp_path: Path) -> None:
    by_n, by_depth = (
        "  - zip: {N: 2, k: 1, block: [B(3,1), B(3,1,3)]}\n",
        "  - grid: {depth: 22, k: 1, block: [B(3,3), B(3,1,3)]}\n",
    )
    items = [text + "    data: cifar10\n" for text in (by_n, by_depth)]
    for variants in (items, items[::-1]):
        found = compared(tmp_path, "{block: B(3,3)}", "".join(variants))
        assert found["WRN-22-1-B(3,1,3)"] == "WRN-22-1-B(3,3)" and found["WRN-16-1-B(3,1)"] is None


def test_a_plan_names_the_variants_that_the_baseline_does_not_reach(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    text = f"{HEAD.replace(', cifar100', '')}baseline: {{k: 1}}\nvariants: [{{net: [WRN-10-1, NIN, WRN-16-2, WRN-10-2]}}]\n"
    path.write_text(text)
    assert load(path).remarks() == [
        "baseline: none for 2 of 4 variants, as no variant differs from them in k alone: NIN; WRN-16-2"
    ]
    path.write_text(text.replace("{k: 1}", "WRN-10-1").replace("WRN-10-2]}", "WRN-10-2]}, {net: NIN, data: svhn}"))
    remark = "baseline: none for 1 of 5 variants, as no variant on their data set is WRN-10-1: NIN, SVHN"
    assert load(path).remarks() == [remark]
    path.write_text(text.replace("{k: 1}", "WRN-10-1"))
    assert load(path).remarks() == []
