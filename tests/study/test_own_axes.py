"""Arguments of a user's own network as axes: defaults of the signature, `where`, baselines, short names, budgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablate.errors import StudyError
from ablate.study.baseline import find_baselines
from ablate.study.labels import axis_value, label
from ablate.study.plan import Enumeration, enumerate_variants
from ablate.study.spec import load_study

CODE = """\
from torch import nn


def build(width=8, norm="layer", patch=2, heads=1, drop=0.0, stem=None, make=nn.ReLU, classes=10):
    if width % heads:
        raise ValueError("heads do not divide width")
    inner = [nn.Linear(64, width), make()] if norm == "layer" else [nn.Linear(64, width), nn.BatchNorm1d(width), make()]
    return nn.Sequential(nn.Flatten(), *inner, nn.Linear(width, classes))


def any_arguments(width=8, **others):
    return build(width)


def block(in_channels, out_channels, stride, expansion=2):
    middle = in_channels * expansion
    return nn.Sequential(nn.Conv2d(in_channels, middle, 1, stride), nn.ReLU(), nn.Conv2d(middle, out_channels, 1))


def focal(logits, labels, gamma=2.0):
    return ((1 - logits.softmax(1)) ** gamma).mean()
"""


def enumerated(folder: Path, *variants: str, **top: str) -> Enumeration:
    (folder / "own_axes.py").write_text(CODE)
    keys = {"name": "own", "data": "digits", "recipe": "wrn_cifar", "seeds": "1", **top}
    lines = [*(f"{key}: {text}" for key, text in keys.items()), "variants:", *(f"  - {text}" for text in variants)]
    (folder / "s.yaml").write_text("\n".join(lines) + "\n")
    return enumerate_variants(load_study(folder / "s.yaml"))


def labels(found: Enumeration) -> list[str]:
    return [label(variant) for variant in found.variants]


BUILD = "{python: own_axes:build}"
SWITCHES = f"one_at_a_time: {{base: {BUILD}, args.norm: [layer, batch], args.patch: [4]}}"


def test_a_value_that_is_the_default_is_the_base(tmp_path: Path) -> None:
    found = enumerated(tmp_path, SWITCHES)
    assert labels(found) == ["base", "norm batch", "patch 4"]
    assert found.merged == ("own_axes:build(norm='layer') is the same as own_axes:build()",)
    identity = json.loads(found.variants[0].trials((0,))[0].definition)["network"]
    assert "args" not in identity  # the id is that of the arguments that are written
    assert found.variants[0].network["args.norm"] == "layer"
    assert "args.classes" not in found.variants[0].network and "args.make" not in found.variants[0].network


def test_a_default_that_is_written_stays_in_the_id(tmp_path: Path) -> None:
    (variant,) = enumerated(tmp_path, "grid: {net: {python: own_axes:build}, args.norm: [layer]}").variants
    assert json.loads(variant.trials((0,))[0].definition)["network"]["args"] == '{"norm": "layer"}'


def test_where_knows_the_defaults(tmp_path: Path) -> None:
    assert labels(enumerated(tmp_path, SWITCHES, where="args.patch > 2")) == ["own_axes:build"]
    assert labels(enumerated(tmp_path, SWITCHES, where="args.norm == 'layer'")) == ["base", "patch 4"]


@pytest.mark.parametrize("baseline", ["{args.norm: layer, args.patch: 2}", "own_axes:build()", "base"])
def test_the_base_is_found_by_defaults_and_by_names(tmp_path: Path, baseline: str) -> None:
    found = enumerated(tmp_path, SWITCHES, baseline=baseline)
    base = found.variants[0]
    of_each = find_baselines(load_study(tmp_path / "s.yaml"), found)
    assert of_each[0] is base and (of_each[1] is base or baseline.startswith("{"))


@pytest.mark.parametrize("baseline", [BUILD, "{python: own_axes:build, args: {norm: layer}}", "base"])
def test_a_network_of_own_code_is_the_baseline_of_every_variant(tmp_path: Path, baseline: str) -> None:
    changes = f"one_at_a_time: {{base: {BUILD}, args.norm: batch, recipe.warmup: 1, data.augment: [[flip]]}}"
    found = enumerated(tmp_path, changes, baseline=baseline)
    assert find_baselines(load_study(tmp_path / "s.yaml"), found) == (found.variants[0],) * 4


def test_an_argument_that_is_solved_is_not_compared(tmp_path: Path) -> None:
    budget = "{parameters: 1.5k, solve: args.width}"
    found = enumerated(tmp_path, f"grid: {{net: {BUILD}, args.norm: [layer, batch]}}", baseline=BUILD, budget=budget)
    assert find_baselines(load_study(tmp_path / "s.yaml"), found) == (found.variants[0],) * 2


@pytest.mark.parametrize(
    "baseline, expected",
    [
        ("{python: own_axes:build, args: {width: 9}}", "baseline 'own_axes:build(width=9)' is none of the variants"),
        ("{python: own_axes:built}", "baseline: own_axes:built: AttributeError"),
    ],
)
def test_a_baseline_of_own_code_that_is_no_variant(tmp_path: Path, baseline: str, expected: str) -> None:
    found = enumerated(tmp_path, SWITCHES, baseline=baseline)
    with pytest.raises(StudyError) as caught:
        find_baselines(load_study(tmp_path / "s.yaml"), found)
    assert expected in str(caught.value)


def test_a_baseline_by_one_default(tmp_path: Path) -> None:
    found = enumerated(tmp_path, SWITCHES, baseline="{args.norm: layer}")
    base, batch, patch = found.variants
    assert find_baselines(load_study(tmp_path / "s.yaml"), found) == (base, base, patch)
    assert batch.net == "norm batch"


def test_an_argument_without_a_known_default_is_none(tmp_path: Path) -> None:
    switches = "one_at_a_time: {base: {python: own_axes:any_arguments}, args.act: [relu]}"
    found = enumerated(tmp_path, switches, baseline="{args.act: null}")
    base, _ = found.variants
    assert find_baselines(load_study(tmp_path / "s.yaml"), found) == (base, base)


@pytest.mark.parametrize(
    "variants, expected",
    [
        ([f"grid: {{net: {BUILD}, args.norm: [layer, batch], args.patch: [2]}}"], ["norm layer", "norm batch"]),
        (
            [f"grid: {{net: {BUILD}, args.norm: [layer, batch], args.patch: [2, 4]}}"],
            [f"norm {norm}, patch {patch}" for norm in ("layer", "batch") for patch in (2, 4)],
        ),
        ([f"grid: {{net: {BUILD}, recipe.lr: [0.1, 0.2]}}"], [f"own_axes:build, lr {lr}" for lr in (0.1, 0.2)]),
        (
            ["net: [{python: own_axes:build, args: {patch: 4}}, {python: own_axes:build, args: {patch: 8, norm: layer}}]"],
            ["patch 4", "patch 8"],
        ),
        (
            [SWITCHES, "net: WRN-10-1"],
            ["own_axes:build, base", "own_axes:build, norm batch", "own_axes:build, patch 4", "WRN-10-1"],
        ),
        (["grid: {block: own_axes:block, k: 1, depth: 10, args.expansion: [1, 2]}"], ["expansion 1", "expansion 2"]),
        (
            ["grid: {block: own_axes:block, k: [1, 2], depth: 10, args.expansion: [1]}"],
            ["WRN-10-1-own_axes:block", "WRN-10-2-own_axes:block"],
        ),
        ([f"grid: {{net: {BUILD}, args.stem: ['4', 4]}}"], ["stem '4'", "stem 4"]),
        ([f"grid: {{net: {BUILD}, args.stem.width: [4, 8]}}"], ["stem width 4", "stem width 8"]),
    ],
)
def test_names_show_what_varies(tmp_path: Path, variants: list[str], expected: list[str]) -> None:
    assert labels(enumerated(tmp_path, *variants)) == expected


def test_the_network_is_named_once(tmp_path: Path) -> None:
    base = "{python: own_axes:build, args: {width: 16}}"
    remarks = enumerated(tmp_path, f"one_at_a_time: {{base: {base}, args.norm: [batch], args.patch: [4]}}").remarks()
    assert remarks == ["network: own_axes:build(width=16) (base: norm layer, patch 2)"]


def test_panels_take_either_name(tmp_path: Path) -> None:
    enumerated(tmp_path, SWITCHES, panels="{one: [norm batch], other: ['own_axes:build()']}")
    with pytest.raises(StudyError, match=r"panels.one: found 'norm group'; allowed: .*norm batch"):
        enumerated(tmp_path, SWITCHES, panels="{one: [norm group]}")


def test_an_argument_is_solved_for_a_budget(tmp_path: Path) -> None:
    entry = f"grid: {{net: {BUILD}, args.norm: [layer, batch], args.heads: [1, 4]}}"
    found = enumerated(tmp_path, entry, budget="{parameters: {max: 3000}, solve: args.width}")
    widths = {variant.net: json.loads(variant.architecture.args)["width"] for variant in found.variants}
    largest = {"layer": (3000 - 10) // 75, "batch": (3000 - 10) // 77}  # 64 w + w + 10 w + 10, and 2 w for batch norm
    assert list(widths.values()) == [largest["layer"], 36, largest["batch"], 36]
    assert list(widths)[1] == "norm layer, heads 4, width 36"
    before = "own_axes:build(heads=1, norm='layer')"
    assert found.solved[0] == f"{before} becomes {before[:-1]}, width=39) to meet the budget"
    result = found.variants[1].budget_result
    assert result and result.below and result.above
    assert (result.below.net, result.above.net, result.above.count) == ("width 32", "width 40", 3010)


def test_a_range_and_a_step_bound_the_solved_argument(tmp_path: Path) -> None:
    budget = "{parameters: {max: 3000}, solve: args.width, low: 6, high: 30, step: 5}"
    (variant,) = enumerated(tmp_path, f"net: {BUILD}", budget=budget).variants
    assert json.loads(variant.architecture.args) == {"width": 26}


def test_depth_then_an_argument_of_a_block(tmp_path: Path) -> None:
    entry = "grid: {block: own_axes:block, k: 1, depth: 10}"
    (variant,) = enumerated(tmp_path, entry, budget="{parameters: {max: 80k}, solve: [depth, args.expansion]}").variants
    assert variant.counts.parameters <= 80_000 and variant.blocks_per_group and "expansion" in variant.architecture.args


@pytest.mark.parametrize(
    "solve, message",
    [
        ("args.wdth", "has no args.wdth; did you mean 'args.width'?"),
        ("args.norm", "args.norm of own_axes:build is 'layer'; allowed: a number"),
        ("args.width, low: 9, high: 8", "budget.high: found 8; allowed: from 9, the low"),
        ("args.width, step: 0", "budget.step"),
        (
            "args",
            "budget.solve: found 'args'; did you mean 'args.*'? allowed: depth, k, l, cardinality, base_width, args.*",
        ),
        ("k, low: 3", "'budget.low' is only valid with solve: args.*"),
    ],
)
def test_what_cannot_be_solved_is_refused(tmp_path: Path, solve: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        enumerated(tmp_path, f"net: {BUILD}", budget=f"{{parameters: 1k, solve: {solve}}}")
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 's.yaml'}:")


def test_a_network_of_ours_has_no_argument_to_solve(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"budget.solve: WRN has no args.width; only package.module:callable has"):
        enumerated(tmp_path, "net: WRN-10-1", budget="{parameters: 100k, solve: args.width}")


def test_defaults_of_a_loss_are_values_too(tmp_path: Path) -> None:
    entry = "one_at_a_time: {base: WRN-10-1, recipe.loss.args.gamma: [2.0, 3.0]}"
    recipe = "{base: wrn_cifar, loss: {python: own_axes:focal}}"
    found = enumerated(tmp_path, entry, recipe=recipe, baseline="{recipe.loss.args.gamma: 2.0}")
    assert labels(found) == ["WRN-10-1", "WRN-10-1, loss gamma 3"]
    base, three = found.variants
    assert axis_value(base, "recipe.loss.args.gamma") == 2.0 and axis_value(three, "recipe.loss.args.gamma") == 3.0
    assert "gamma" not in base.trials((0,))[0].definition.decode()
    assert find_baselines(load_study(tmp_path / "s.yaml"), found) == (base, base)
    found = enumerated(tmp_path, entry, recipe=recipe, where="recipe.loss.args.gamma > 2")
    assert [axis_value(variant, "recipe.loss.args.gamma") for variant in found.variants] == [3.0]


def test_a_default_that_no_id_can_hold_is_no_value(tmp_path: Path) -> None:
    (tmp_path / "huge_default.py").write_text(f"def loss(logits, labels, most={10**30}):\n    return logits.mean()\n")
    found = enumerated(tmp_path, "net: WRN-10-1", recipe="{base: wrn_cifar, loss: {python: huge_default:loss}}")
    assert labels(found) == ["WRN-10-1"]
