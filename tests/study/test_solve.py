"""Every axis that a budget can be solved along, for every measure, and several of them in turn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ablate.errors import StudyError
from ablate.nets.architecture import Architecture
from ablate.nets.counts import count
from ablate.nets.families import blueprint, count_network, counts_along, what_counts
from ablate.nets.notation import parse_architecture
from ablate.study.budget import solvable_values
from ablate.study.plan import Enumeration, enumerate_variants
from ablate.study.spec import load_study


def plan(tmp_path: Path, budget: str, variants: str, data: str = "cifar10", recipe: str = "wrn_cifar") -> Enumeration:
    path = tmp_path / "study.yaml"
    path.write_text(f"name: solve\ndata: {data}\nrecipe: {recipe}\nseeds: 1\nbudget: {budget}\nvariants:\n  - {variants}\n")
    return enumerate_variants(load_study(path))


def test_one_x_complexity_of_resnext(tmp_path: Path) -> None:
    """Base widths 64, 40, 24, 14, 4 for cardinalities 1, 2, 4, 8, 32 at ResNet-50's parameters."""
    budget = "{parameters: 25557032, solve: base_width}"
    entry = "grid: {family: ImageNet-ResNeXt, depth: 50, cardinality: [1, 2, 4, 8, 32]}"
    variants = plan(tmp_path, budget, entry, "imagenet").variants
    assert [variant.architecture.base_width for variant in variants] == [64, 40, 24, 14, 4]
    assert [variant.net for variant in variants] == [
        f"ResNeXt-50-{pair}d" for pair in ("1x64", "2x40", "4x24", "8x14", "32x4")
    ]
    assert variants[0].counts.parameters == 25_557_032  # 1x64d is ResNet-50


def test_cardinality_is_the_inverse(tmp_path: Path) -> None:
    budget = "{parameters: 25028904, solve: cardinality}"
    (variant,) = plan(tmp_path, budget, "net: ResNeXt-50-1x4d", "imagenet").variants
    assert variant.net == "ResNeXt-50-32x4d"
    assert variant.budget_result and variant.budget_result.deviation == 0


@pytest.mark.parametrize(
    "budget, entry, expected",
    [
        ("{parameters: 2243546, solve: l}", "net: WRN-16-2", None),
        ("{parameters: 8949210, solve: k}", "grid: {depth: 40, k: 1}", "WRN-40-4"),
        ("{parameters: 8949210, solve: k}", "grid: {depth: 40}", "WRN-40-4"),
        ("{multiply_adds: 5243328768, solve: k}", "net: WRN-28-1", "WRN-28-10"),
        ("{multiply_adds: 244500992, solve: depth}", "net: pre-ResNet-164", "pre-ResNet-164"),
        ("{parameters: 44549160, solve: depth}", "net: ResNet-50", "ResNet-101"),
        ("{parameters: 21797672, solve: depth}", "net: ResNet-18", "ResNet-34"),
        ("{parameters: 25875816, solve: k}", "net: ResNet-18", "ResNet-18-w1.5"),
        ("{parameters: 68883240, solve: k}", "net: ResNet-50", "WRN-50-2-bottleneck"),
    ],
)
def test_the_axis_that_made_a_count_is_found(tmp_path: Path, budget: str, entry: str, expected: str | None) -> None:
    data = "imagenet" if "ResNet-18" in entry or "ResNet-50" in entry else "cifar10"
    (variant,) = plan(tmp_path, budget, entry, data).variants
    assert variant.budget_result
    if expected:
        assert (variant.net, variant.budget_result.deviation) == (expected, 0)
    else:
        beside = [n.count for n in (variant.budget_result.below, variant.budget_result.above) if n]
        assert all(abs(n - 2_243_546) >= abs(variant.counts.parameters - 2_243_546) for n in beside)
        assert set(variant.architecture.block) == {3} and variant.architecture.N == 2


@pytest.mark.parametrize("quantum, step", [("", 8), (", quantum: 16", 16), (", quantum: exact", 1), (", quantum: 1", 1)])
def test_k_goes_in_steps_of_channels(tmp_path: Path, quantum: str, step: int) -> None:
    budget = f"{{parameters: 1.7M, tolerance: 50%, solve: k{quantum}}}"
    (variant,) = plan(tmp_path, budget, "net: WRN-28-1").variants
    width = 16 * variant.architecture.k
    assert width % step == 0
    assert variant.budget_result and variant.budget_result.below and variant.budget_result.above
    near = [parse_architecture(n.net).k for n in (variant.budget_result.below, variant.budget_result.above)]
    assert [16 * k - width for k in near] == [-step, step]


def test_activation_memory_is_of_a_batch_in_its_precision(tmp_path: Path) -> None:
    """bfloat16 and half the batch each halve it; blocks computed again leave room for more of them."""
    budget = "{activation_memory: {max: 1G}, solve: depth}"

    def deepest(recipe: str) -> int:
        (variant,) = plan(tmp_path, budget, "grid: {k: 2}", recipe=f"{{base: wrn_cifar, {recipe}}}").variants
        assert isinstance(variant.architecture.N, int)
        return variant.architecture.N

    plain = deepest("batch_size: 128")
    per_image = 10**9 / (128 * 4)
    counts = [count(blueprint(Architecture(n, 2.0))).kept for n in (plain, plain + 1)]
    assert counts[0] <= per_image < counts[1]
    assert deepest("batch_size: 64") == deepest("precision: bfloat16") > plain
    assert deepest("checkpoint_activations: blocks") > plain


@pytest.mark.parametrize("name", ["WRN-28-2", "ResNet-20", "pre-ResNet-29", "ResNeXt-29-2x4d", "WRN-13-2-B(1,3,1)-post"])
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_counts_of_any_depth_from_one_look(name: str, n: int) -> None:
    for survival, dropout in ((1.0, 0.0), (0.5, 0.0), (1.0, 0.3), (0.5, 0.1)):
        architecture = replace(parse_architecture(name), N=n, survival=survival, dropout=dropout)
        assert count_network(architecture) == count(blueprint(architecture))


@pytest.mark.parametrize("field, values", [("k", (0.25, 1.0, 1.3, 4.0)), ("block", ((3,), (3, 1, 3))), ("N", (1, 2, 9))])
@pytest.mark.parametrize("style", ["", "-dropout0.3", "-post-shortcutC", "-groupnorm-survival0.5", "-relu_only_pre-elu"])
def test_counts_along_an_axis(field: str, values: tuple[object, ...], style: str) -> None:
    architecture = parse_architecture(f"WRN-28-2{style}")
    along = counts_along(architecture, field)
    for value in values:
        assert along(value) == count(blueprint(replace(architecture, **{field: value})))


def test_what_counts() -> None:
    architecture = parse_architecture("WRN-28-2-dropout0.3")
    same = [replace(architecture, dropout=0.1), replace(architecture, survival=0.5)]
    other = [replace(architecture, **{axis: value}) for axis, value in DIFFERENT.items()]
    assert {what_counts(each) for each in same} == {what_counts(architecture)}
    assert len({what_counts(each) for each in (architecture, *other)}) == 1 + len(other)


DIFFERENT = {
    "dropout": 0.0,
    "N": 5,
    "k": 3.0,
    "block": (3, 1),
    "shortcut": "C",
    "activation_order": "post",
    "norm": "group",
}


@pytest.mark.parametrize("axis", ["depth", "k", "l", "cardinality", "base_width"])
@pytest.mark.parametrize("name", ["WRN-16-2", "ResNet-20", "ResNet-18", "ResNet-50", "ResNeXt-50-32x4d"])
def test_costs_increase_along_every_axis(axis: str, name: str) -> None:
    architecture = parse_architecture(name)
    try:
        field, steps, value = solvable_values(architecture, axis, 8)
    except StudyError:
        assert axis in ("l", "cardinality", "base_width", "k")
        return
    costs = [count_network(replace(architecture, **{field: value(step)})) for step in steps[:6]]
    for measure in ("parameters", "multiply_adds", "kept"):
        found = [getattr(cost, measure) for cost in costs]
        assert found == sorted(set(found))


@pytest.mark.parametrize(
    "entry, axis, said",
    [
        ("net: ResNet-20", "l", "solve: ResNet has no l"),
        ("net: WRN-16-2", "base_width", "solve: WRN has no base_width"),
        ("net: NIN", "depth", "solve: NIN has no depth"),
        ("net: WRN-16-2", "[depth, cardinality]", "solve: WRN has no cardinality"),
        ("grid: {block: 'B(3,1)'}", "[depth, k]", r"leave k open; solve: \[depth, k\] starts from a k that is written"),
        (
            "grid: {k: 2}",
            "[k, depth]",
            r"leave depth \(or N\) open; solve: \[k, depth\] starts from a depth that is written",
        ),
        ("grid: {block: 'B(3,1)'}", "depth", "the axes block leave k open$"),
    ],
)
def test_an_axis_that_a_family_lacks(tmp_path: Path, entry: str, axis: str, said: str) -> None:
    with pytest.raises(StudyError, match=said) as caught:
        plan(tmp_path, f"{{parameters: 1M, solve: {axis}}}", entry)
    assert str(caught.value).startswith(f"{tmp_path / 'study.yaml'}:")


@pytest.mark.parametrize(
    "budget, said",
    [
        (
            "{parameters: 1M, solve: k, quantum: half}",
            "budget.quantum: found 'half'; allowed: 1 to 1024 channels, or",
        ),
        (
            "{parameters: 1M, solve: k, quantum: {}}",
            "budget.quantum: found a mapping; allowed: 1 to 1024 channels, or exact",
        ),
        ("{parameters: 1M, solve: k, quantum: 0}", "budget.quantum: found 0; allowed: 1 to 1024 channels, or exact"),
        (
            "{parameters: 1M, solve: depth, quantum: 8}",
            "'budget.quantum' is only valid with solve: k",
        ),
        (
            "{parameters: 1M, solve: [depth, l], quantum: 8}",
            "'budget.quantum' is only valid with solve: k",
        ),
        ("{parameters: 1M, solve: [depth, k, depth]}", "budget.solve: depth is listed twice; list it once"),
        ("{parameters: 1M, solve: []}", "'budget.solve' is an empty list; name one axis or more"),
        ("{parameters: 1M, solve: dept}", "budget.solve: found 'dept'; did you mean 'depth'? allowed: depth, k, l, card"),
        ("{parameters: 1M, solve: [depth, 3]}", "budget.solve: found 3; allowed: depth, k, l, cardinality, base_width"),
        ("{parameters: 1M, solve: [[3]]}", "budget.solve: found a list; allowed: depth"),
        ("{parameters: 1M, solve: {depth: k}}", "budget.solve: found a mapping; allowed: depth"),
        ("{parameters: {min: 1M}, solve: [depth, k]}", "'budget.solve' needs a target or a max in 'budget.parameters'"),
        ("{activation_memory: 1T}", "found '1T'; allowed: a number such as 2200000 or 2.2M"),
        ("{activation_memory: {max: 1kB}}", "bytes of activation memory (+"),
        ("{parameters: 1MB}", "budget.parameters: found '1MB'"),
    ],
)
def test_budgets_that_cannot_be(tmp_path: Path, budget: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        plan(tmp_path, budget, "net: WRN-16-1")
    assert said in str(caught.value)


def test_depth_comes_close_and_k_takes_up_the_rest(tmp_path: Path) -> None:
    """The block types of WRN, Table 2, within half a step of k of one count; depth alone leaves them 10% apart."""
    blocks = "['B(3,3)', 'B(3,1)', 'B(1,3)', 'B(1,3,1)', 'B(3,1,1)', 'B(3,1,3)']"
    entry = f"grid: {{k: 2, block: {blocks}}}"
    by_depth = plan(tmp_path, "{parameters: 1.2M, tolerance: 11%, solve: depth}", entry).variants
    budget = "{parameters: 1.2M, tolerance: 2.1%, solve: [depth, k], quantum: exact}"
    by_both = plan(tmp_path, budget, entry)
    assert [v.architecture.N for v in by_both.variants] == [v.architecture.N for v in by_depth] == [3, 6, 6, 5, 5, 3]
    assert [v.architecture.k for v in by_both.variants] == [2.125, 2, 1.9375, 2, 2.0625, 2.0625]
    assert by_both.remarks() == []  # no name was written that became another
    for one, other in zip((v.budget_result for v in by_both.variants), (v.budget_result for v in by_depth)):
        assert one and other and abs(one.deviation) <= abs(other.deviation)
        assert one.below and one.above
        near = [parse_architecture(n.net) for n in (one.below, one.above)]
        assert [16 * (a.k - one.architecture.k) for a in near] == [-1, 1]
        assert {a.N for a in near} == {one.architecture.N}


@pytest.mark.parametrize("axis, entry", [("depth", "grid: {k: 2}"), ("k", "grid: {depth: 40}"), ("l", "net: WRN-16-2")])
def test_a_list_of_one_axis_is_that_axis(tmp_path: Path, axis: str, entry: str) -> None:
    one = plan(tmp_path, f"{{parameters: 2.2M, tolerance: 20%, solve: {axis}}}", entry)
    assert plan(tmp_path, f"{{parameters: 2.2M, tolerance: 20%, solve: [{axis}]}}", entry) == one


EXACT = ", quantum: exact"


@pytest.mark.parametrize(
    "solve, entry, written, net",
    [
        (f"[depth, k]{EXACT}", "net: WRN-40-2-B(3,1)", "WRN-40-2-B(3,1)", "WRN-58-1.9375-B(3,1)"),
        (f"[depth, k]{EXACT}", "grid: {depth: 40, k: 2}", "WRN-40-2", "WRN-34-2"),
        (f"[depth, k]{EXACT}", "grid: {N: 6, k: 2}", "WRN-40-2", "WRN-34-2"),
        (f"[depth, k]{EXACT}", "grid: {k: 2}", "", "WRN-34-2"),
        (f"[k, depth]{EXACT}", "net: WRN-16-1", "WRN-16-1", "WRN-16-3.25"),
        (f"[k, depth]{EXACT}", "grid: {depth: 16}", "", "WRN-16-3.25"),
        (f"[k, depth]{EXACT}", "grid: {N: 2}", "", "WRN-16-3.25"),
        (f"k{EXACT}", "grid: {N: 2}", "", "WRN-16-3.25"),
        ("[depth, cardinality]", "net: ResNeXt-29-4x16d", "ResNeXt-29-4x16d", "ResNeXt-11-6x16d"),
        ("[depth, cardinality]", "grid: {family: ResNeXt, depth: 29, base_width: 16}", "", "ResNeXt-47-1x16d"),
    ],
)
def test_what_becomes_what(tmp_path: Path, solve: str, entry: str, written: str, net: str) -> None:
    """The name as written and as solved; one that was not written whole becomes nothing."""
    enumeration = plan(tmp_path, f"{{parameters: 1.8M, tolerance: 50%, solve: {solve}}}", entry)
    assert [variant.net for variant in enumeration.variants] == [net]
    assert enumeration.remarks() == ([f"solved: {written} becomes {net} to meet the budget"] if written else [])
    assert set(enumeration.names) == {net, written or net}


def test_a_maximum_is_held_by_every_axis(tmp_path: Path) -> None:
    budget = "{parameters: {max: 1.2M}, solve: [depth, k], quantum: exact}"
    for variant in plan(tmp_path, budget, "grid: {k: [1, 2, 4], block: ['B(3,3)', 'B(1,3,1)']}").variants:
        assert variant.budget_result and variant.budget_result.above
        assert variant.budget_result.count <= 1_200_000 < variant.budget_result.above.count


def test_k_saves_what_no_depth_can(tmp_path: Path) -> None:
    """The smallest depth is over the budget; k then goes below what was written."""
    (variant,) = plan(tmp_path, "{parameters: 200k, solve: [depth, k], quantum: exact}", "grid: {k: 4}").variants
    assert variant.architecture.N == 1 and variant.architecture.k < 2


def test_a_miss_names_every_axis(tmp_path: Path) -> None:
    with pytest.raises(
        StudyError, match=r", the closest any depth and then any k comes, has .*; allowed: 1,200,000 ± 0\.1%"
    ):
        plan(tmp_path, "{parameters: 1.2M, tolerance: 0.1%, solve: [depth, k]}", "grid: {k: 2}")


def test_exact_steps_begin_where_k_does(tmp_path: Path) -> None:
    budget = "{parameters: 11689512, solve: k, quantum: exact}"
    (variant,) = plan(tmp_path, budget, "grid: {family: ImageNet-ResNet, depth: 18}", "imagenet").variants
    assert variant.net == "ResNet-18"
    budget = "{parameters: {max: 100k}, solve: k, quantum: exact}"
    (smallest,) = plan(tmp_path, budget, "net: ResNet-18", "imagenet").variants
    assert smallest.architecture.k == 1 / 16 and smallest.budget_result and smallest.budget_result.below is None
