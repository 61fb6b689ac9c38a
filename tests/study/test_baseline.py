"""`baseline`: a network on every data set, or values of axes."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        ("{dropouts: 0}", "5:1: baseline: unknown axis 'dropouts'; did you mean 'dropout'? allowed: "),
        ("{depth: 10}", "5:1: baseline: unknown axis 'depth'"),
        ("{dropout: 0.5}", "5:1: baseline: no variant has dropout 0.5"),
        ("{dropout: 0, k: 3}", "5:1: baseline: no variant has dropout 0, k 3"),
        ("{dropout: [0, 0.3]}", "5:1: baseline: no variant has dropout [0, 0.3]"),
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
