"""The `search` of a study file: every kind of parameter, what it may not be, and what its digest stands for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import StudyError
from ablate.study.data import HeldOut
from ablate.study.search import Parameter, Search
from ablate.study.space import contains, grid, is_finite, present, round_value, settings
from ablate.study.space_file import MAX_GRID
from ablate.study.spec import load_study
from ablate.study.study import Study

SPACE = "{dropout: {low: 0.0, high: 0.6, step: 0.05}}"
BASE = f"""\
name: s
data: {{name: digits, train_size: 128}}
recipe: {{base: wrn_cifar, epochs: 2, batch_size: 32}}
base: WRN-10-1
search:
  space: {SPACE}
  validation: {{folds: 2}}
  trials: 40
"""
NET = "def net(classes, width=4):\n    return classes * width\n"


def study(folder: Path, text: str = BASE, overrides: Sequence[str] = (), scale: str = "") -> Study:
    path = folder / "s.yaml"
    path.write_text(text)
    return load_study(path, overrides, scale)


def searched(folder: Path, *changes: tuple[str, str], overrides: Sequence[str] = ()) -> Search:
    """The search of the study above, with some of its text replaced."""
    search = study(folder, changed(*changes), overrides).search
    assert search is not None
    return search


def changed(*changes: tuple[str, str]) -> str:
    text = BASE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def parameters(folder: Path, space: str) -> tuple[Parameter, ...]:
    """The parameters of a space, their places aside."""
    return tuple(replace(parameter, place="") for parameter in searched(folder, (SPACE, space)).parameters)


def error(folder: Path, text: str, overrides: Sequence[str] = (), scale: str = "") -> str:
    """The message of a study that is refused, without the file's name before it."""
    with pytest.raises(StudyError) as caught:
        study(folder, text, overrides, scale)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder / 's.yaml'}:")


# What may be searched


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("{dropout: {low: 0.0, high: 0.6}}", Parameter("dropout", "dropout", "float", 0.0, 0.6)),
        ("{dropout: {low: 0, high: 0.5}}", Parameter("dropout", "dropout", "float", 0.0, 0.5)),
        (SPACE, Parameter("dropout", "dropout", "float", 0.0, 0.6, 0.05)),
        ("{k: {low: 1, high: 4}}", Parameter("k", "k", "int", 1, 4, 1)),
        ("{k: {low: 1, high: 4, step: 0.5}}", Parameter("k", "k", "float", 1.0, 4.0, 0.5)),
        ("{k: {low: 0.5, high: 2.5, step: 1}}", Parameter("k", "k", "float", 0.5, 2.5, 1.0)),
        ("{depth: {low: 10, high: 40, step: 6}}", Parameter("depth", "depth", "int", 10, 40, 6)),
        ("{depth: {low: 10, high: 41, step: 1}}", Parameter("depth", "depth", "int", 10, 41, 1)),
        ("{N: {low: 1, high: 8, log: true}}", Parameter("N", "N", "int", 1, 8, 1, True)),
        (
            "{recipe.lr: {low: 0.001, high: 1, log: true}}",
            Parameter("recipe.lr", "recipe.lr", "float", 0.001, 1.0, None, True),
        ),
        (
            "{recipe.batch_size: {low: 16, high: 64, step: 16}}",
            Parameter("recipe.batch_size", "recipe.batch_size", "int", 16, 64, 16),
        ),
        ("{dropout: [0, 0.3]}", Parameter("dropout", "dropout", "categorical", choices=(0, 0.3))),
        ("{dropout: {choices: [0, 0.3]}}", Parameter("dropout", "dropout", "categorical", choices=(0, 0.3))),
        ("{k: [4]}", Parameter("k", "k", "categorical", choices=(4,))),
        (
            "{recipe.nesterov: [true, false]}",
            Parameter("recipe.nesterov", "recipe.nesterov", "categorical", choices=(True, False)),
        ),
        (
            "{recipe.milestones: [[0.5], [0.3, 0.6]]}",
            Parameter("recipe.milestones", "recipe.milestones", "categorical", choices=([0.5], [0.3, 0.6])),
        ),
        (
            "{data.augment: [none, flip_crop]}",
            Parameter("data.augment", "data.augment", "categorical", choices=("none", "flip_crop")),
        ),
        ("{args.w: [null, 4, {a: 1}]}", Parameter("args.w", "args.w", "categorical", choices=(None, 4, {"a": 1}))),
        ("{args.width: {low: 4, high: 8}}", Parameter("args.width", "args.width", "int", 4, 8, 1)),
        ("{block: [B(3,3), basic]}", Parameter("block", "block", "categorical", choices=("B(3,3)", "basic"))),
        ("{net: [NIN, 'WRN-16-1-B(3,1)']}", Parameter("net", "net", "categorical", choices=("NIN", "WRN-16-1-B(3,1)"))),
        (
            "{net: [WRN-10-1, {python: 'mine:net', args: {w: 4}}]}",
            Parameter("net", "net", "categorical", choices=("WRN-10-1", {"python": "mine:net", "args": {"w": 4}})),
        ),
        (
            "{block: {l: {low: 1, high: 4}, kernels: [1, 3]}}",
            Parameter("block", "block", "kernels", 1, 4, 1, choices=(1, 3)),
        ),
        ("{shortcut: [A, B, C]}", Parameter("shortcut", "shortcut", "categorical", choices=("A", "B", "C"))),
    ],
)  # fmt: skip
def test_every_kind_of_parameter(tmp_path: Path, space: str, expected: Parameter) -> None:
    (tmp_path / "mine.py").write_text(NET)
    (found,) = parameters(tmp_path, space)
    assert repr(found) == repr(expected)  # 1 and 1.0 are not the same in a study


FAMILIES = """
    family: [WRN, pre-ResNet]
    k: {low: 1, high: 3}
    dropout:
      - {when: {family: WRN}, low: 0, high: 0.5}
      - {when: {family: pre-ResNet, k: [1, 2]}, low: 0, high: 0.2, step: 0.1}
      - {when: {family: pre-ResNet, k: 3}, choices: [0, 0.3]}
    block: {when: {family: WRN}, l: {low: 1, high: 2}, kernels: [1, 3]}"""


def test_parts_with_conditions(tmp_path: Path) -> None:
    found = parameters(tmp_path, FAMILIES)
    wrn, other = ("family", ("WRN",)), ("family", ("pre-ResNet",))
    assert found[2:] == (
        Parameter("dropout[family=WRN]", "dropout", "float", 0.0, 0.5, when=(wrn,)),
        Parameter("dropout[family=pre-ResNet,k=1|2]", "dropout", "float", 0.0, 0.2, 0.1, when=(other, ("k", (1, 2)))),
        Parameter("dropout[family=pre-ResNet,k=3]", "dropout", "categorical", choices=(0, 0.3), when=(other, ("k", (3,)))),
        Parameter("block[family=WRN]", "block", "kernels", 1, 2, 1, choices=(1, 3), when=(wrn,)),
    )
    for values, axes in (
        ({"family": "WRN", "k": 3}, [True, False, False, True]),
        ({"family": "pre-ResNet", "k": 2}, [False, True, False, False]),
        ({"family": "pre-ResNet", "k": 3}, [False, False, True, False]),
        ({"family": "pre-ResNet"}, [False] * 4),
        ({}, [False] * 4),
    ):
        assert [present(parameter, values) for parameter in found[2:]] == axes


def test_a_parameter_stands_where_it_is_written(tmp_path: Path) -> None:
    found = searched(tmp_path, (SPACE, FAMILIES)).parameters
    places = [parameter.place.removeprefix(str(tmp_path)) for parameter in found]
    assert places == [f"/s.yaml:{place}" for place in ("7:5", "8:5", "10:9", "11:9", "12:9", "13:5")]


def test_what_a_search_has_when_little_is_written(tmp_path: Path) -> None:
    whole = study(tmp_path)
    search = whole.search
    assert search is not None and whole.seeds == (0,)
    assert (search.base, search.trials, search.sampler, search.pruner, search.seed) == ("WRN-10-1", 40, "tpe", "none", 0)
    assert (search.objective, search.also_minimize, search.enqueue) == ("mean_validation_error", (), ())
    assert search.held_out == (HeldOut(folds=2, fold=0), HeldOut(folds=2, fold=1))
    assert whole.data.held_out is None and whole.baseline is None
    assert whole.places["search"] == f"{tmp_path / 's.yaml'}:5:1"


def test_what_a_search_has_when_all_is_written(tmp_path: Path) -> None:
    more = "  trials: 7\n  objective: mean_validation_error\n  sampler: random\n  seed: 3\n  also_minimize: parameters\n"
    more += "  enqueue: [{dropout: 0}, {dropout: 0.3}]\nseeds: [4, 7]\n"
    text = changed(("  trials: 40\n", more), ("{folds: 2}", "{holdout: 20, seed: 5}"))
    whole = study(tmp_path, text)
    search = whole.search
    assert search is not None and whole.seeds == (4, 7)
    assert (search.trials, search.sampler, search.pruner, search.seed) == (7, "random", "none", 3)
    assert (search.objective, search.also_minimize) == ("mean_validation_error", ("parameters",))
    assert search.held_out == (HeldOut(images=20, seed=5),)
    assert search.enqueue == ({"dropout": 0.0}, {"dropout": 0.3})


@pytest.mark.parametrize("pruner", ["wilcoxon", "median", "hyperband", "none"])
def test_pruners(tmp_path: Path, pruner: str) -> None:
    folds = ("{folds: 2}", "{folds: 5}")
    assert searched(tmp_path, folds, ("trials: 40", f"trials: 40\n  pruner: {pruner}")).pruner == pruner


def test_wilcoxon_needs_five_trainings_a_candidate(tmp_path: Path) -> None:
    pruned = ("trials: 40", "trials: 40\n  pruner: wilcoxon")
    found = "9:3: search.pruner: wilcoxon cannot prune with 4 trainings per candidate"
    assert error(tmp_path, f"{changed(pruned)}seeds: 2\n") == f"{found}; use none, median or hyperband, or more folds"
    assert study(tmp_path, f"{changed(pruned)}seeds: 3\n").search


def test_a_network_of_the_readers_own_may_be_the_base(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NET)
    own = "{python: 'mine:net', args: {width: 4}}"
    search = searched(tmp_path, ("base: WRN-10-1", f"base: {own}"), (SPACE, "{args.width: [4, 8]}"))
    assert search.base == {"python": "mine:net", "args": {"width": 4}}
    assert searched(tmp_path, ("base: WRN-10-1\n", "")).base is None


# The digest

CHANGES = [
    (("dropout: {low: 0.0,", "dropout: {low: 0.05,"),),
    (("high: 0.6", "high: 0.5"),),
    (("step: 0.05", "step: 0.1"),),
    ((SPACE, "{dropout: [0.0, 0.6]}"),),
    ((SPACE, "{dropout: {low: 0.0, high: 0.6, step: 0.05}, k: [1, 2]}"),),
    (("{folds: 2}", "{folds: 3}"),),
    (("{folds: 2}", "{folds: 2, seed: 1}"),),
    (("{folds: 2}", "{holdout: 64}"),),
    (("  trials: 40\n", "  trials: 40\n  sampler: random\n"),),
    (("  trials: 40\n", "  trials: 40\n  pruner: median\n"),),
    (("  trials: 40\n", "  trials: 40\n  objective: mean_validation_error\n"),),
    (("  trials: 40\n", "  trials: 40\n  also_minimize: parameters\n"),),
    (("  trials: 40\n", "  trials: 40\n  seed: 1\n"),),
    (("  trials: 40\n", "  trials: 40\n  enqueue: [{dropout: 0.3}]\n"),),
    (("  trials: 40\n", "  trials: 40\nseeds: 2\n"),),
    (("  trials: 40\n", "  trials: 40\nbudget: {parameters: {max: 1M}}\n"),),
    (("  trials: 40\n", "  trials: 40\nwhere: dropout < 0.5\n"),),
    (("  trials: 40\n", "  trials: 40\ndepth_rule: nominal\n"),),
    (("WRN-10-1", "WRN-10-2"),),
    (("epochs: 2", "epochs: 3"),),
    (("base: wrn_cifar, ", "base: wrn_svhn, "),),
    (("train_size: 128", "train_size: 129"),),
    (("train_size: 128", "train_size: 128, augment: flip"),),
    (("name: digits, train_size: 128", "name: cifar10, train_size: 128"),),
]


def test_the_digest_stands_for_all_that_a_search_depends_on(tmp_path: Path) -> None:
    digests = [searched(tmp_path, *changes).digest for changes in [(), *CHANGES]]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 16 and set(digest) <= set("0123456789abcdef") for digest in digests)


@pytest.mark.parametrize(
    "changes",
    [
        (("trials: 40", "trials: 41"),),
        (("name: s", "name: other\ntitle: A title\nsource: WRN\nnotes: Some"),),
        (("{dropout: {low: 0.0, high: 0.6, step: 0.05}}", "{dropout: {step: 0.05, high: 0.6, low: 0.0}}"),),
        (("base: wrn_cifar, epochs: 2", "epochs: 2, base: wrn_cifar, lr: 0.1"),),  # what the recipe has anyway
        (("train_size: 128", "train_size: 128, test_size: 64"),),  # test images are not read
        (("  trials: 40\n", "  trials: 40\nscales: {small: {search: {trials: 2}}}\n"),),
        (("  trials: 40\n", "  trials: 40\nseeds: 1\n"),),
        (("recipe:", "# a comment\nrecipe:"),),
    ],
)
def test_the_digest_stands_for_nothing_else(tmp_path: Path, changes: tuple[tuple[str, str], ...]) -> None:
    assert searched(tmp_path, *changes).digest == searched(tmp_path).digest


def test_what_the_recipe_writes_for_other_optimizers_is_in_the_digest_of_their_search(tmp_path: Path) -> None:
    optimizers = (SPACE, "{recipe.optimizer: [sgd, adamw]}")
    digests = {
        searched(tmp_path, optimizers, ("epochs: 2", f"epochs: 2{written}")).digest
        for written in ("", ", betas: [0.5, 0.9]", ", betas: [0.6, 0.9]")
    }
    assert len(digests) == 3


def test_the_digest_of_an_override_is_that_of_the_same_study_written_out(tmp_path: Path) -> None:
    said = searched(tmp_path, overrides=["search.seed=1", "recipe.epochs=5"])
    assert said.digest == searched(tmp_path, ("trials: 40", "trials: 40\n  seed: 1"), ("epochs: 2", "epochs: 5")).digest


@pytest.mark.parametrize(
    ("base", "space"),
    [
        ("{python: 'mine:net'}", "{args.width: [4, 8]}"),
        ("WRN-10-1", "{net: [WRN-10-1, {python: 'mine:net', args: {width: 8}}]}"),
        ("WRN-10-1", "{block: ['B(3,3)', 'mine:net']}"),
        ("WRN-10-1", "{recipe.loss: [cross_entropy, {python: 'mine:net'}]}"),
        ("WRN-10-1", "{recipe.python: ['mine:net']}"),
        ("WRN-10-1", "{data.augment: [[flip], [flip, {python: 'mine:net', args: {python: other:net}}]]}"),
    ],
)
def test_the_digest_stands_for_own_code(tmp_path: Path, base: str, space: str) -> None:
    def digest(source: str) -> str:
        (tmp_path / "mine.py").write_text(source)
        return searched(tmp_path, ("base: WRN-10-1", f"base: {base}"), (SPACE, space)).digest

    first = digest(NET)
    assert digest(f"# a remark\n{NET}") == first != digest(NET.replace("*", "+"))
    wrong = changed(("base: WRN-10-1", f"base: {base}"), (SPACE, space)).replace("mine:net", "mine:nothing")
    assert "mine:nothing: AttributeError: module 'mine' has no attribute 'nothing'" in error(tmp_path, wrong)


# Values


def values_of(folder: Path, space: str) -> list[Any]:
    (parameter,) = parameters(folder, space)
    return list(settings(parameter))


def test_every_value_of_a_parameter(tmp_path: Path) -> None:
    rates = values_of(tmp_path, SPACE)
    assert rates == [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6]  # not 0.15000000000000002
    assert values_of(tmp_path, "{k: {low: 1, high: 7, step: 3}}") == [1, 4, 7]
    assert values_of(tmp_path, "{N: {low: 1, high: 4, log: true}}") == [1, 2, 3, 4]
    assert values_of(tmp_path, "{dropout: [0.3, 0]}") == [0.3, 0]
    blocks = values_of(tmp_path, "{block: {l: {low: 1, high: 3}, kernels: [1, 3]}}")
    assert blocks[:7] == ["B(1)", "B(3)", "B(1,1)", "B(1,3)", "B(3,1)", "B(3,3)", "B(1,1,1)"] and len(blocks) == 2 + 4 + 8


@pytest.mark.parametrize(
    "space",
    [
        "{dropout: {low: 0.0, high: 0.9, step: 0.000001}}",
        "{block: {l: {low: 1, high: 16}, kernels: [1, 3, 5]}}",
        "{args.n: {low: 1, high: 1000000000000000000}}",
    ],
)
def test_the_first_values_are_had_without_the_others(tmp_path: Path, space: str) -> None:
    """There may be more than memory holds."""
    (parameter,) = parameters(tmp_path, space)
    assert len(list(itertools.islice(settings(parameter), 3))) == 3
    assert len(list(itertools.islice(grid([parameter]), 3))) == 3


def test_a_grid_is_every_candidate_in_order(tmp_path: Path) -> None:
    space = "{k: [1, 2], dropout: [{when: {k: 1}, low: 0.0, high: 0.2, step: 0.1}, {when: {k: 2}, choices: [0.3]}]}"
    expected = [{"k": 1, "dropout": 0.0}, {"k": 1, "dropout": 0.1}, {"k": 1, "dropout": 0.2}, {"k": 2, "dropout": 0.3}]
    assert list(grid(parameters(tmp_path, space))) == expected
    absent = "{k: [1, 2], dropout: {when: {k: 1}, choices: [0, 0.3]}}"
    assert list(grid(parameters(tmp_path, absent))) == [{"k": 1, "dropout": 0}, {"k": 1, "dropout": 0.3}, {"k": 2}]


def test_a_grid_has_as_many_trials_as_it_has_candidates(tmp_path: Path) -> None:
    grid_of = (SPACE, "{k: [1, 2, 4], dropout: {low: 0.0, high: 0.5, step: 0.1}}")
    assert searched(tmp_path, grid_of, ("trials: 40", "sampler: grid")).trials == 18
    assert searched(tmp_path, grid_of, ("trials: 40", "sampler: grid\n  trials: 5")).trials == 5


@pytest.mark.parametrize(
    ("space", "finite"),
    [
        (SPACE, True),
        ("{dropout: {low: 0.0, high: 0.6}}", False),
        ("{k: [1, 2], block: {l: {low: 1, high: 16}, kernels: [1, 3]}, depth: {low: 10, high: 40}}", True),
        ("{k: [1, 2], recipe.lr: {when: {k: 1}, low: 0.1, high: 0.2}}", False),
    ],
)
def test_what_is_finite(tmp_path: Path, space: str, finite: bool) -> None:
    assert is_finite(searched(tmp_path, (SPACE, space))) is finite


@pytest.mark.parametrize(
    ("space", "inside", "outside"),
    [
        (SPACE, [0.0, 0, 0.05, 0.15, 0.6], [0.07, 0.61, -0.05, "0.1", True, None, [0.1]]),
        ("{dropout: {low: 0.1, high: 0.6}}", [0.1, 0.123456, 0.6], [0.0999, 0.600001, "0.1", False]),
        ("{k: {low: 1, high: 7, step: 3}}", [1, 4, 7], [2, 8, -2, True, "4"]),
        ("{dropout: [0, 0.3]}", [0, 0.0, 0.3], [0.31, "0.3", "0", False]),
        ("{recipe.nesterov: [true]}", [True], [1, False, "true"]),
        ("{recipe.milestones: [[0.5], [0.3, 0.6]]}", [[0.5], [0.3, 0.6]], [[], [0.3], 0.5]),
        (
            "{block: {l: {low: 2, high: 3}, kernels: [1, 3]}}",
            ["B(1,3)", "B(3, 3)", "B(1,1,1)"],
            ["B(3)", "B(3,3,3,3)", "B(3,5)", "basic", 33, None, ["B(3,3)"]],
        ),
    ],
)
def test_what_a_parameter_contains(tmp_path: Path, space: str, inside: list[Any], outside: list[Any]) -> None:
    (parameter,) = parameters(tmp_path, space)
    assert [value for value in inside if not contains(parameter, value)] == []
    assert [value for value in outside if contains(parameter, value)] == []


@pytest.mark.parametrize(
    ("space", "value", "rounded"),
    [
        (SPACE, 0.15000000000000002, 0.15),
        ("{dropout: {low: 0.0, high: 0.6}}", 0.123456789, 0.123457),
        ("{dropout: {low: 0.0, high: 0.6}}", 0.0000004, 0.0),  # no name of a network has more than six decimals
        ("{recipe.lr: {low: 1.0e-9, high: 1.0, log: true}}", 1.23456789e-7, 1.23457e-7),
        ("{recipe.lr: {low: 0.0009765624, high: 0.1}}", 0.00097656241, 0.0009765624),  # not below low
        ("{recipe.lr: {low: 0.01, high: 0.1234567}}", 0.1234566, 0.1234567),
        ("{recipe.lr: {low: 0.0009765625, high: 0.0048828125, step: 0.0009765625}}", 0.0029296876, 0.0029296875),
        ("{k: {low: 1, high: 4}}", 3, 3),
        ("{recipe.lr: [0.1, 0.123456789]}", 0.123456789, 0.123456789),
    ],
)
def test_numbers_are_rounded_as_a_reader_would_write_them(tmp_path: Path, space: str, value: Any, rounded: Any) -> None:
    (parameter,) = parameters(tmp_path, space)
    assert repr(round_value(parameter, value)) == repr(rounded)
    assert contains(parameter, rounded) and repr(round_value(parameter, value, [value])) == repr(value)


# Candidates that come first


def enqueue(values: str) -> tuple[str, str]:
    return ("trials: 40", f"trials: 40\n  enqueue: [{values}]")


@pytest.mark.parametrize(
    ("space", "values", "expected"),
    [
        (SPACE, "{dropout: 0.3}", {"dropout": 0.3}),
        (SPACE, "{dropout: 0}", {"dropout": 0.0}),  # as Optuna and a grid have it
        ("{k: [1, 2], dropout: [0, 0.3]}", "{dropout: 0.3}", {"dropout": 0.3}),
        ("{k: [1, 2]}", "{k: 1.0}", {"k": 1}),  # the choice
        ("{block: {l: {low: 1, high: 3}, kernels: [1, 3]}}", "{block: 'B(3, 1)'}", {"block": "B(3,1)"}),
        (FAMILIES, "{family: WRN, dropout: 0.5, block: B(3)}", {"family": "WRN", "dropout": 0.5, "block": "B(3)"}),
        (FAMILIES, "{dropout: 0.2, k: 1, family: pre-ResNet}", {"dropout": 0.2, "k": 1, "family": "pre-ResNet"}),
        (FAMILIES, "{family: pre-ResNet}", {"family": "pre-ResNet"}),
        ("{recipe.milestones: [[0.5], [0.3, 0.6]]}", "{recipe.milestones: [0.5]}", {"recipe.milestones": [0.5]}),
    ],
)
def test_candidates_that_come_first(tmp_path: Path, space: str, values: str, expected: dict[str, Any]) -> None:
    (found,) = searched(tmp_path, (SPACE, space), enqueue(values)).enqueue
    assert repr(found) == repr(expected)


@pytest.mark.parametrize(
    ("space", "values", "message"),
    [
        (SPACE, "{dropout: 0.07}", "9:14: search.enqueue: dropout 0.07 is not in search.space"),
        (SPACE, "{dropout: 0.65}", "9:14: search.enqueue: dropout 0.65 is not in search.space"),
        (SPACE, "{dropout: '0.1'}", "9:14: dropout: found '0.1'; allowed: a number"),
        (SPACE, "{dropout: true}", "9:14: dropout: found true; allowed: a number"),
        (SPACE, "{dropout: {a: 1}}", "9:14: dropout: found a mapping; allowed: a number"),
        (SPACE, "{dropout: null}", "9:14: search.enqueue.0.dropout has no value"),
        (SPACE, "{droput: 0.1}", "9:14: search.enqueue: unknown axis 'droput'; did you mean 'dropout'? allowed: dropout"),
        (SPACE, "{k: 1}", "9:14: search.enqueue: unknown axis 'k'; allowed: dropout"),
        (SPACE, "{dropout: 0.1}, {dropout: 0.7}", "9:30: search.enqueue: dropout 0.7 is not in search.space"),
        (SPACE, "{}", "9:13: search.enqueue: a candidate has no value; name one or more of dropout"),
        (SPACE, "3", "9:13: search.enqueue: found 3; allowed: a mapping"),
        ("{k: [1, 2]}", "{k: 1.5}", "9:14: search.enqueue: k 1.5 is not in search.space"),
        ("{k: [1, 2]}", "{k: [1]}", "9:18: k: found a list; allowed: a number"),
        (
            "{block: {l: {low: 1, high: 2}, kernels: [1, 3]}}",
            "{block: 'B(3,1,3)'}",
            "9:14: search.enqueue: block 'B(3,1,3)' is not in search.space",
        ),
        # each part of an axis has a range of its own
        (FAMILIES, "{family: pre-ResNet, k: 1, dropout: 0.5}", "16:40: search.enqueue: dropout 0.5 is not in search.space"),
        (FAMILIES, "{dropout: 0.2}", "16:14: search.enqueue: dropout is only valid with family WRN; or family pre-"),
        (FAMILIES, "{family: pre-ResNet, dropout: 0.2}", "16:34: search.enqueue: dropout is only valid with "),
        (FAMILIES, "{family: pre-ResNet, block: B(3)}", "16:34: search.enqueue: block is only valid with family WRN"),
    ],
)
def test_candidates_that_cannot_come_first(tmp_path: Path, space: str, values: str, message: str) -> None:
    found = error(tmp_path, changed((SPACE, space), enqueue(values)))
    assert found[: len(message)] == message


# Scales and overrides

SCALES = """\
scales:
  small:
    search: {trials: 5, validation: {holdout: 20}}
    base: WRN-10-0.25
  steps:
    search: {space: {dropout: [0, 0.3]}, sampler: null, pruner: null}
"""


def test_a_scale_is_laid_over_the_search_key_by_key(tmp_path: Path) -> None:
    text = changed(("trials: 40", "trials: 40\n  sampler: random\n  pruner: median")) + SCALES
    small, steps = (study(tmp_path, text, scale=scale) for scale in ("small", "steps"))
    assert small.search and steps.search
    assert (small.name, small.scale, steps.name) == ("s_small", "small", "s_steps")
    assert (small.search.trials, small.search.base, small.search.sampler) == (5, "WRN-10-0.25", "random")
    assert small.search.held_out == (HeldOut(images=20),)
    assert small.search.parameters == study(tmp_path, text).search.parameters  # type: ignore[union-attr]
    assert [p.choices for p in steps.search.parameters] == [(0, 0.3)]
    assert (steps.search.sampler, steps.search.pruner, steps.search.trials) == ("tpe", "none", 40)
    assert len({study(tmp_path, text, scale=scale).search.digest for scale in ("", "small", "steps")}) == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials: 5,", "trials: 0,", "11:14: search.trials: found 0; allowed: "),
        ("trials: 5,", "trails: 5,", "11:14: unknown key 'trails'; did you mean 'trials'?"),
        ("{holdout: 20}", "{holdout: 20, folds: 2}", "11:25: 'search.validation' needs exactly one"),
        ("search: {trials: 5", "serch: {trials: 5", "11:5: scales.small: unknown key 'serch'; did you mean 'search'?"),
        ("base: WRN-10-0.25", "base: WRN-10-x", "12:5: base: network 'WRN-10-x'"),
        ("base: WRN-10-0.25", "search_: 3", "12:5: scales.small: unknown key 'search_'"),
    ],
)
def test_errors_in_a_scale_stand_in_the_scale(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert error(tmp_path, BASE + SCALES.replace(old, new), scale="small").startswith(message)


def test_overrides(tmp_path: Path) -> None:
    found = searched(tmp_path, overrides=["search.trials=3", "search.sampler=random", "search.validation.folds=4"])
    assert (found.trials, found.sampler, len(found.held_out)) == (3, "random", 4)
    assert found.digest != searched(tmp_path).digest
    assert searched(tmp_path, overrides=["search.space.dropout.high=0.3"]).parameters[0].high == 0.3
    swapped = ["search.validation.folds=null", "search.validation.holdout=20"]
    assert searched(tmp_path, overrides=swapped).held_out == (HeldOut(images=20),)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.trials=0", "override: search.trials: found 0; allowed: "),
        ("search.trials=null", "5:1: 'search.trials' is missing; add it, such as trials: 40"),
        ("search.trials.x=1", "override: 'search.trials.x' goes into 'trials', which is not a mapping"),
        ("search.space=null", "override: search.space is missing; allowed: "),
        ("search.space={}", "override: search.space: found a mapping; allowed: "),
        ("search.space.dropout.low=0.7", "6:11: search.space.dropout: found low 0.7, high 0.6; allowed: low below high"),
        ("search.space.k=[1, 1]", "override: search.space.k: a choice is listed twice; list it once"),
        ("search.enqueue=[{dropout: 0.7}]", "override: search.enqueue: dropout 0.7 is not in search.space"),
        ("search=[]", "override: search: found a list; allowed: a mapping"),
        ("search=null", "1:1: 'seeds' is missing; add it, such as seeds: 5"),
        (
            "variants=[{net: WRN-10-1}]",
            "override: 'variants' is not valid in a study that has 'search'",
        ),
        ("seeds=0", "override: seeds: found 0; a study that has 'search' needs 1 or more"),
    ],
)
def test_overrides_are_checked_like_the_file(tmp_path: Path, override: str, message: str) -> None:
    found = error(tmp_path, BASE, [override])
    assert found[: len(message)] == message


# What cannot be

TWO = "k: [1, 2], dropout: "
SPACES = [
    # ranges
    ("{dropout: {low: 0.6, high: 0.0}}", "6:11: search.space.dropout: found low 0.6, high 0.0; allowed: low below high, "),
    ("{dropout: {low: 0.6, high: 0.6}}", "6:11: search.space.dropout: found low 0.6, high 0.6; allowed: low below high, "),
    ("{dropout: {low: 0.1}}", "6:11: search.space.dropout: found low 0.1, high nothing; allowed: low below high, both "),
    ("{dropout: {high: 0.5}}", "6:11: search.space.dropout: found a mapping; allowed: {low: 0, high: 1} or a list of"),
    ("{dropout: {low: a, high: b}}", "6:21: search.space.dropout.low: found 'a'; allowed: number"),
    ("{dropout: {low: false, high: true}}", "6:21: search.space.dropout.low: found false; allowed: number"),
    ("{dropout: {low: 0.1, high: 0.5, hihg: 1}}", "6:42: unknown key 'hihg'; did you mean 'high'? allowed: low, high, "),
    ("{dropout: {low: .nan, high: 0.5}}", "6:26: the number .nan is not finite"),
    ("{depth: {low: 10.5, high: 40.5}}", "6:11: depth: found 10.5; allowed: a whole number from 1"),
    ("{depth: {low: 0, high: 40}}", "6:11: depth: found 0; allowed: a whole number from 1"),
    ("{depth: {low: 10, high: 40, step: 1.5}}", "6:38: depth: found 1.5; allowed: a whole number from 1"),
    # steps
    ("{dropout: {low: 0.0, high: 0.6, step: 0}}", "6:42: search.space.dropout.step: found 0; allowed: greater than 0"),
    ("{dropout: {low: 0.0, high: 0.6, step: -0.1}}", "6:42: search.space.dropout.step: found -0.1; allowed: greater than"),
    ("{dropout: {low: 0.0, high: 0.6, step: true}}", "6:42: search.space.dropout.step: found true; allowed: number"),
    ("{dropout: {low: 0.0, high: 0.6, step: 0.07}}", "6:42: search.space.dropout: found 0.0 to 0.6 in steps of 0.07; allo"),
    ("{dropout: {low: 0.0, high: 0.6, step: 0.9}}", "6:42: search.space.dropout: found 0.0 to 0.6 in steps of 0.9; allow"),
    ("{k: {low: 1, high: 4, step: 2}}", "6:32: search.space.k: found 1 to 4 in steps of 2; allowed: a whole number of st"),
    ("{k: {low: 1, high: 3, step: 1.0e-12}}", "6:32: search.space.k: found 1 to 3 in steps of 1e-12; allowed: at most 1"),
    ("{args.x: {low: 0, high: 1.0e+30, step: 0.1}}", "6:43: search.space.args.x: found 0 to 1e+30 in steps of 0.1; all"),
    # logarithms
    ("{dropout: {low: 0.0, high: 0.6, log: true}}", "6:42: search.space.dropout: 'log' is only valid with low"),
    (
        "{args.x: {low: -1, high: 1, log: true}}",
        "6:38: search.space.args.x: 'log' is only valid with low",
    ),
    (
        "{dropout: {low: 0.1, high: 0.6, step: 0.1, log: true}}",
        "6:53: search.space.dropout: 'log' is only valid with low",
    ),
    ("{dropout: {low: 0.1, high: 0.6, log: yes}}", "6:42: search.space.dropout.log: found 'yes'; allowed: boolean"),
    # choices
    ("{dropout: [0.1, 0.3, 0.1]}", "6:11: search.space.dropout: a choice is listed twice; list it once"),
    ("{dropout: [0, 0.0]}", "6:11: search.space.dropout: a choice is listed twice; list it once"),
    ("{args.x: [1, true]}", "6:11: search.space.args.x: a choice is listed twice; list it once"),
    ("{recipe.milestones: [[0.5], [0.5]]}", "6:11: search.space.recipe.milestones: a choice is listed twice; list it once"),
    ("{dropout: []}", "6:11: search.space.dropout.choices: found a list; allowed: at least 1"),
    ("{dropout: {choices: []}}", "6:21: search.space.dropout.choices: found a list; allowed: at least 1"),
    ("{dropout: {choices: 0.1}}", "6:21: search.space.dropout.choices: found 0.1; allowed: a list"),
    (
        "{dropout: {choices: [0.1], low: 0}}",
        "6:11: search.space.dropout: found low and choices; allowed: {low: 0, high: 1}",
    ),
    (
        "{dropout: {choices: [0.1], step: 1}}",
        "6:37: search.space.dropout: 'step' is not valid beside 'choices'",
    ),
    (
        "{dropout: {choices: [0.1], log: true}}",
        "6:37: search.space.dropout: 'log' is not valid beside 'choices'",
    ),
    ("{dropout: [0.1, two]}", "6:26: dropout: found 'two'; allowed: a number"),
    ("{dropout: [[0.1], [0.2]]}", "6:21: dropout: found a list; allowed: a number"),
    ("{dropout: [null, 0.1]}", "6:21: search.space.dropout.0 has no value; give one, or leave the key out"),
    ("{shortcut: [A, D]}", "6:25: shortcut: found 'D'; allowed: A, B, C"),
    ("{family: [WRN, WRM]}", "6:25: family: found 'WRM'; allowed: "),
    ("{family: {low: 1, high: 2}}", "6:11: family: found 1; allowed: a family's name"),
    ("{net: [WRN-10-1, 5]}", "6:27: net: found 5; allowed: a network's name"),
    ("{net: [WRN-10-1, VGG-16]}", "6:27: search.space.net: network 'VGG-16': read 'VGG', stopped at '-16'"),
    ("{net: ['mine:net']}", "6:17: net: found 'mine:net'; allowed: a name, or {python: mine:net}"),
    ("{net: [{python: 3}]}", "6:17: net.python: found 3; allowed: package.module:callable"),
    ("{net: [{pyhton: 'm:f'}]}", "6:17: net: unknown key 'pyhton'; did you mean 'python'? allowed: python, args"),
    # neither
    ("{dropout: 0.1}", "6:11: search.space.dropout: found 0.1; allowed: {low: 0, high: 1} or a list of choices"),
    ("{dropout: true}", "6:11: search.space.dropout: found true; allowed: {low: 0, high: 1} or a list of choices"),
    ("{dropout: text}", "6:11: search.space.dropout: found 'text'; allowed: {low: 0, high: 1} or a list of choices"),
    ("{dropout: {}}", "6:11: search.space.dropout: found a mapping; allowed: {low: 0, high: 1} or a list of choices"),
    ("{dropout: null}", "6:11: search.space.dropout has no value; give one, or leave the key out"),
    # blocks
    (
        "{block: {l: {low: 1, high: 4}}}",
        "6:11: search.space.block: found a mapping; allowed: {low: 0, high: 1} or a list of",
    ),
    (
        "{block: {kernels: [1, 3]}}",
        "6:11: search.space.block: 'kernels' needs 'l', such as l:",
    ),
    (
        "{block: {l: 2, kernels: [1, 3]}}",
        "6:19: search.space.block: 'kernels' needs 'l', such as l:",
    ),
    ("{block: {l: {low: 4, high: 1}, kernels: [1]}}", "6:19: search.space.block.l: found low 4, high 1; allowed: low bel"),
    ("{block: {l: {low: 0, high: 4}, kernels: [1]}}", "6:19: l: found 0; allowed: a whole number from 1"),
    ("{block: {l: {low: 1, high: 17}, kernels: [1]}}", "6:19: search.space.block: a block of 17 convolutions; allowed: 1"),
    ("{block: {l: {low: 1.0, high: 2}, kernels: [1]}}", "6:19: l: found 1.0; allowed: a whole number from 1"),
    ("{block: {l: {low: true, high: 2}, kernels: [1]}}", "6:23: search.space.block.l.low: found true; allowed: number"),
    ("{block: {l: {low: 1, high: 3, step: 2}, kernels: [1]}}", "6:40: search.space.block: l: found step; allowed: low, h"),
    ("{block: {l: {choices: [1, 3]}, kernels: [1]}}", "6:23: search.space.block: l: found choices; allowed: low, high"),
    ("{block: {l: {low: 1, high: 2}, kernels: []}}", "6:41: search.space.block.kernels: found a list; allowed: at leas"),
    ("{block: {l: {low: 1, high: 2}, kernels: [1, a]}}", "6:54: search.space.block.kernels: found 'a'; allowed: integer"),
    ("{block: {l: {low: 1, high: 2}, kernels: [3, 2]}}", "6:54: search.space.block: kernel size 2 in B(2); allowed: odd"),
    ("{block: {l: {low: 1, high: 2}, kernels: [17]}}", "6:51: search.space.block: kernel size 17 in B(17); allowed: odd"),
    ("{block: {l: {low: 1, high: 2}, kernels: [-1]}}", "6:51: block: found 'B(-1)'; allowed: "),
    (
        "{block: {l: {low: 1, high: 2}, kernels: [1, 1]}}",
        "6:41: search.space.block: a kernel is listed twice",
    ),
    ("{block: {l: {low: 1, high: 2}, kernels: [1], choices: ['B(3)']}}", "6:11: search.space.block: found choices and ke"),
    ("{block: {low: 1, high: 2}}", "6:11: block: found 1; allowed: B(3,3) and the like"),
    ("{block: ['B(3,3)', 'B(3,2)']}", "6:29: search.space.block: kernel size 2 in B(3,2); allowed: odd, 1 to 15"),
    ("{block: ['B(3,3)', 33]}", "6:29: block: found 33; allowed: B(3,3) and the like"),
    ("{k: {l: {low: 1, high: 4}, kernels: [1, 3]}}", "6:37: search.space.k: 'kernels' is only valid for block"),
    (
        "{k: {low: 1, high: 4, l: 3}}",
        "6:32: search.space.k: 'l' is not valid beside 'low'",
    ),
    # axes
    ("{droput: [0, 0.3]}", "6:11: unknown axis 'droput'; did you mean 'dropout'? allowed: net, family, "),
    ("{recipe: [wrn_cifar]}", "6:11: unknown axis 'recipe'; did you mean 'recipe.*'?"),
    ("{'': [1]}", "6:11: unknown axis ''; allowed: net, "),
    ("{args.a-b: [1]}", "6:11: unknown axis 'args.a-b'"),
    ("{recipe.lrr: [0.1, 0.2]}", "6:24: search.space.recipe.lrr: unknown axis 'recipe.lrr'; did you mean 'lr'? allowed:"),
    ("{data.name: [digits, cifar10]}", "6:23: search.space.data.name: unknown axis 'data.name'; allowed: "),
    (
        "{data.held_out: [1]}",
        "6:27: search.space.data.held_out: unknown axis 'data.held_out'; allowed: preprocess, augment",
    ),
    (
        "{data.test_size: [20, 30]}",
        "6:11: search.space: data.test_size cannot be searched; of data",
    ),
    ("{block: [B(3)], l: [1, 2]}", "6:26: search.space: l and block both given; use one of them"),
    (
        "{l: [1, 2], block: {l: {low: 1, high: 2}, kernels: [1]}}",
        "6:22: search.space: block and l both given",
    ),
    ("{depth: [16], N: [1]}", "6:24: search.space: N and depth both given; use one of them"),
    # values that nothing can have
    ("{dropout: {low: 0, high: 1}}", "6:11: search.space.dropout: dropout rate 1; allowed: 0 to below 1"),
    ("{dropout: [0, 0.3, 1.5]}", "6:29: search.space.dropout: dropout rate 1.5; allowed: 0 to below 1"),
    ("{dropout: {low: 0.1234567, high: 0.5}}", "6:11: search.space.dropout: dropout rate = 0.1234567; allowed: at most "),
    ("{k: {low: 0.01, high: 2.0}}", "6:11: search.space.k: widening factor k = 0.01; allowed: 0.0625 to 64"),
    ("{survival: {low: 0.0, high: 1.0}}", "6:11: search.space.survival: survival 0; allowed: above 0 to 1"),
    ("{cardinality: [1, 5000]}", "6:28: search.space.cardinality: cardinality 5000; allowed: 1 to 1024"),
    ("{l: [1, 17]}", "6:18: search.space.l: a block of 17 convolutions; allowed: 1 to 16"),
    ("{N: {low: 1, high: 2001}}", "6:11: search.space.N: N = 2001 blocks per group; allowed: 1 to 2000"),
    ("{recipe.lr: {low: -0.1, high: 0.5}}", "6:11: search.space.recipe.lr: found -0.1; allowed: greater than 0"),
    ("{recipe.lr: [0.1, fast]}", "6:28: search.space.recipe.lr: found 'fast'; allowed: number"),
    ("{recipe.lr: [{a: 1}]}", "6:23: search.space.recipe.lr: found a mapping; allowed: number"),
    ("{recipe.epochs: {low: 1.0, high: 3}}", "6:11: search.space.recipe.epochs: found 1.0; allowed: integer"),
    ("{recipe.epochs: {low: 1, high: 4, step: 1.5}}", "6:11: search.space.recipe.epochs: found 1.0; allowed: integer"),
    ("{recipe.milestones: [[0.5], [60]]}", "6:38: search.space.recipe.milestones: found 60; allowed: less than 1"),
    ("{data.augment: [none, flap]}", "6:32: search.space.data.augment: found 'flap'; did you mean 'flip'? allowed: "),
    ("{data.augment: {low: 1, high: 2}}", "6:11: search.space.data.augment: found 1; allowed: flip_crop, "),
    ("{data.train_size: {low: 64, high: 20000}}", "6:11: search.space.data.train_size: found 20000; digits has 1297"),
    (f"{{{TWO}[{{when: {{k: 2}}, low: 0, high: 1}}]}}", "6:32: search.space.dropout: dropout rate 1; allowed: 0 to below"),
    ("{k: [1, 99999999999999999999]}", "6:18: search.space.k.1: found 99999999999999999999; allowed: whole numbers"),
    ("{args.x: [1, 99999999999999999999]}", "6:23: search.space.args.x.1: found 99999999999999999999; allowed: whole "),
    # conditions
    (
        f"{{{TWO}{{low: 0, high: 0.5, when: {{q: 1}}}}}}",
        "6:58: when: 'q' is no axis above it",
    ),
    (f"{{{TWO}{{low: 0, high: 0.5, when: {{k: 3}}}}}}", "6:58: when: found k 3; allowed: 1, 2"),
    (f"{{{TWO}{{low: 0, high: 0.5, when: {{k: '1'}}}}}}", "6:58: when: found k '1'; allowed: 1, 2"),
    (f"{{{TWO}{{low: 0, high: 0.5, when: {{k: [1, 3]}}}}}}", "6:58: when: found k 3; allowed: 1, 2"),
    (f"{{{TWO}{{low: 0, high: 0.5, when: {{k: []}}}}}}", "6:58: when: k is an empty list; name one value or more"),
    (f"{{{TWO}{{low: 0, high: 0.5, when: {{k: {{a: 1}}}}}}}}", "6:58: when: found k a mapping; allowed: 1, 2"),
    (
        f"{{{TWO}{{low: 0, high: 0.5, when: k}}}}",
        "6:51: search.space.dropout.when: found 'k'; allowed: a m",
    ),
    (f"{{{TWO}{{low: 0, high: 0.5, when: null}}}}", "6:51: search.space.dropout.when has no value; give one"),
    (
        f"{{{TWO}{{low: 0, high: 0.5, when: {{dropout: 0}}}}}}",
        "6:58: when: 'dropout' is no axis above it",
    ),
    (
        "{dropout: {low: 0, high: 0.5, when: {k: 1}}, k: [1, 2]}",
        "6:47: when: 'k' is no axis above it with choices or whole numbers; there is none",
    ),
    (
        "{k: {low: 1.0, high: 2.0}, dropout: {low: 0, high: 0.5, when: {k: 1}}}",
        "6:73: when: 'k' is no axis above it with choices or whole numbers; there is none",
    ),
    (
        "{k: {low: 1, high: 5, step: 2}, dropout: {low: 0, high: 0.5, when: {k: 2}}}",
        "6:78: when: found k 2; allowed: 1 to 5",
    ),
    # parts
    (
        f"{{{TWO}[{{when: {{k: 1}}, low: 0, high: 0.5}}, {{when: {{k: [1, 2]}}, low: 0, high: 0.2}}]}}",
        "6:67: search.space.dropout: two parts can hold at once; make their 'when' exclusive",
    ),
    (
        f"{{{TWO}[{{when: {{k: 1}}, low: 0, high: 0.5}}, {{when: {{}}, low: 0, high: 0.2}}]}}",
        "6:67: search.space.dropout: two parts can hold at once; make their 'when' exclusive",
    ),
    (
        "{k: [1, 2], l: [1, 2], dropout: [{when: {k: 1}, low: 0, high: 0.5}, {when: {l: 1}, low: 0, high: 0.2}]}",
        "6:78: search.space.dropout: two parts can hold at once; make their 'when' exclusive",
    ),
    (
        f"{{{TWO}[{{when: {{k: 1}}, low: 0, high: 0.5}}, {{low: 0, high: 0.2}}]}}",
        "6:32: dropout: found a mapping; allowed: a number",
    ),
    (
        "{k: [1, 2], block: {when: {k: 1}, choices: ['B(3)']}, l: {when: {k: [1, 2]}, choices: [1]}}",
        "6:64: search.space: l and block both given; use one of them",
    ),
    # no space
    ("{}", "6:3: search.space: found a mapping; allowed: at least 1"),
    ("null", "6:3: search.space has no value; give one, or leave the key out"),
    ("true", "6:3: search.space: found true; allowed: a mapping"),
    ("[dropout]", "6:3: search.space: found a list; allowed: a mapping"),
    ("dropout", "6:3: search.space: found 'dropout'; allowed: a mapping"),
]


@pytest.mark.parametrize(("space", "message"), SPACES, ids=[space for space, _ in SPACES])
def test_spaces_that_cannot_be(tmp_path: Path, space: str, message: str) -> None:
    found = error(tmp_path, changed((SPACE, space)))
    assert found[: len(message)] == message


@pytest.mark.parametrize(
    "space",
    [
        "{k: [1, 2], dropout: [{when: {k: 1}, low: 0, high: 0.5}, {when: {k: 2}, low: 0, high: 0.2}]}",
        "{k: [1, 2], block: {when: {k: 1}, choices: ['B(3)']}, l: {when: {k: 2}, choices: [1, 2]}}",
        "{recipe.nesterov: [true, false], recipe.momentum: [0.0, 0.9]}",  # not all of them together
        "{recipe.batch_size: [32, 1000], data.train_size: [128, 1200]}",
        "{depth: {low: 10, high: 41}}",  # most depths are none of a wide ResNet
        "{family: [WRN, NIN], k: {when: {family: WRN}, choices: [1, 2]}, dropout: {when: {family: NIN}, choices: [0]}}",
    ],
)
def test_what_some_candidates_cannot_have_may_be_searched(tmp_path: Path, space: str) -> None:
    assert searched(tmp_path, (SPACE, space)).parameters


SEARCHES = [
    # validation
    ("{folds: 2}", "{folds: 1}", "7:16: search.validation.folds: found 1; allowed: greater than or equal to 2"),
    ("{folds: 2}", "{folds: 101}", "7:16: search.validation.folds: found 101; allowed: less than or equal to 100"),
    ("{folds: 2}", "{folds: 2.0}", "7:16: search.validation.folds: found 2.0; allowed: integer"),
    (
        "{folds: 2}",
        "{folds: 2, holdout: 10}",
        "7:3: 'search.validation' needs exactly one of folds, such as 5; holdout,",
    ),
    ("{folds: 2}", "{}", "7:3: 'search.validation' needs exactly one of folds, such as 5; holdout,"),
    ("{folds: 2}", "{seed: 1}", "7:3: 'search.validation' needs exactly one of folds, such as 5; holdout,"),
    ("{folds: 2}", "{holdout: 0}", "7:16: search.validation.holdout: found 0; allowed: greater than or equal to 1"),
    ("{folds: 2}", "{holdout: 128}", "7:16: search.validation.holdout: found 128; allowed: fewer than the 128 training"),
    ("{folds: 2}", "{folds: 2, seed: -1}", "7:26: search.validation.seed: found -1; allowed: "),
    ("{folds: 2}", "{fold: 2}", "7:16: unknown key 'fold'; did you mean 'folds'? allowed: folds, holdout, folder, seed"),
    ("{folds: 2}", "5", "7:3: search.validation: found 5; allowed: a mapping"),
    ("  validation: {folds: 2}\n", "", "5:1: search.validation is missing; allowed: such as validation: {folds: 5}"),
    # trials
    ("trials: 40", "trials: 0", "8:3: search.trials: found 0; allowed: greater than or equal to 1"),
    ("trials: 40", "trials: 2.5", "8:3: search.trials: found 2.5; allowed: integer"),
    ("trials: 40", "trials: many", "8:3: search.trials: found 'many'; allowed: integer"),
    ("trials: 40", "trials: 100001", "8:3: search.trials: found 100001; allowed: less than or equal to 100000"),
    ("  trials: 40\n", "", "5:1: 'search.trials' is missing; add it, such as trials: 40"),
    ("  trials: 40\n", "  sampler: cmaes\n", "5:1: 'search.trials' is missing; add it, such as trials: 40"),
    # the other keys of a search
    ("trials: 40", "sampler: tpee", "8:3: search.sampler: found 'tpee'; did you mean 'tpe'? allowed: tpe, gp, random, gr"),
    ("trials: 40", "sampler: [tpe]", "8:3: search.sampler: found a list"),
    ("trials: 40", "pruner: wilcoxen", "8:3: search.pruner: found 'wilcoxen'; did you mean 'wilcoxon'? allowed: none, "),
    ("trials: 40", "also_minimize: params", "8:3: search.also_minimize: found 'params'; did you mean 'parameters'?"),
    ("trials: 40", "objective: test_error", "8:3: search.objective: found 'test_error'; allowed: median_validation_error"),
    ("trials: 40", "seed: -1", "8:3: search.seed: found -1; allowed: greater than or equal to 0"),
    ("trials: 40", "epochs: 3", "8:3: unknown key 'epochs'; allowed: space, validation, objective, trials, "),
    ("trials: 40", "enqueue: {dropout: 0.1}", "8:3: search.enqueue: found a mapping; allowed: a list"),
    (
        "trials: 40",
        "trials: 40\n  pruner: median\n  also_minimize: parameters",
        "9:3: search.pruner: found median; with 'also_minimize' use none",
    ),
    (
        "trials: 40",
        "trials: 40\n  sampler: cmaes\n  also_minimize: parameters",
        "9:3: search.sampler: found cmaes; with 'also_minimize' use tpe, gp, random or grid",
    ),
    # beside it
    *(
        (
            "trials: 40\n",
            f"trials: 40\n{key}: {value}\n",
            f"9:1: '{key}' is not valid in a study that has 'search'",
        )
        for key, value in (
            ("variants", "[{net: WRN-10-1}]"),
            ("baseline", "WRN-10-1"),
            ("published", "[]"),
            ("figures", "[errors]"),
            ("panels", "{a: [WRN-10-1]}"),
            ("epoch_rule", "best"),
        )
    ),
    ("trials: 40\n", "trials: 40\nseeds: 0\n", "9:1: seeds: found 0; a study that has 'search' needs 1 or more"),
    ("trials: 40\n", "trials: 40\nseeds: []\n", "9:1: seeds: found a list; allowed: how many"),
    ("trials: 40\n", "trials: 40\nseeds: [1, 1]\n", "9:12: seeds: 1 is listed twice; list it once"),
    (
        "trials: 40\n",
        "trials: 40\nseeds: [1, -1]\n",
        "9:12: seeds: found -1; allowed: whole numbers from 0 below 2,147,483,648",
    ),
    (
        "trials: 40\n",
        "trials: 40\nseeds: [2147483648]\n",
        "9:9: seeds: found 2147483648; allowed: whole numbers from 0 below",
    ),
    ("trials: 40\n", "trials: 40\nwhere: k <\n", "9:1: where: 'k <' is not an expression"),
    ("trials: 40\n", "trials: 40\nbudget: {}\n", "9:1: 'budget' needs exactly one of parameters, multiply_adds"),
    (
        "data: {name: digits, train_size: 128}",
        "data: [digits, cifar10]",
        "2:1: data: found 2 data sets; a study that has 'search' has one",
    ),
    ("train_size: 128", "held_out: {folds: 2}", "2:22: unknown key 'held_out'; allowed: name, title, "),
    # the base
    ("base: WRN-10-1", "base: 5", "4:1: net: found 5; allowed: a network's name"),
    ("base: WRN-10-1", "base: [WRN-10-1]", "4:1: base: found a list; allowed: one network"),
    ("base: WRN-10-1", "base: xyz", "4:1: base: network 'xyz'; allowed: WRN-"),
    ("base: WRN-10-1", "base: WRN-10-1x", "4:1: base: network 'WRN-10-1x': read 'WRN-10-1', stopped at 'x'"),
    ("base: WRN-10-1", "base: {python: 5}", "4:1: net.python: found 5; allowed: package.module:callable"),
    ("base: WRN-10-1", "base: null", "4:1: base has no value; give one, or leave the key out"),
    # a grid
    (
        f"{SPACE}\n",
        "{dropout: {low: 0.0, high: 0.6}}\n  sampler: grid\n",
        "6:11: search.space.dropout: sampler grid needs a step or choices",
    ),
    (
        f"{SPACE}\n",
        "{recipe.lr: {low: 0.001, high: 1, step: 0.001}, dropout: {low: 0, high: 0.9, step: 0.001}}\n  sampler: grid\n",
        f"6:3: search.space: sampler grid takes at most {MAX_GRID:,} candidates",
    ),
    (
        f"{SPACE}\n",
        "{args.n: {low: 1, high: 1000000000000000000}}\n  sampler: grid\n",
        f"6:3: search.space: sampler grid takes at most {MAX_GRID:,} candidates",
    ),
    (
        f"{SPACE}\n",
        "{block: {l: {low: 1, high: 16}, kernels: [1, 3, 5, 7]}}\n  sampler: grid\n",
        f"6:3: search.space: sampler grid takes at most {MAX_GRID:,} candidates",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), SEARCHES, ids=[f"{new.strip()}" for _, new, _ in SEARCHES])
def test_searches_that_cannot_be(tmp_path: Path, old: str, new: str, message: str) -> None:
    found = error(tmp_path, changed((old, new)))
    assert found[: len(message)] == message


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("[]", "5:1: search: found a list; allowed: a mapping"),
        ("[{space: {k: [1]}}]", "5:1: search: found a list; allowed: a mapping"),
        ("null", "5:1: search has no value; give one, or leave the key out"),
        ("true", "5:1: search: found true; allowed: a mapping"),
        ("{}", "5:1: search.space is missing; allowed: such as space: {dropout: "),
        ("{space: {k: [1]}}", "5:1: search.validation is missing; allowed: such as validation: {folds: 5}"),
        ("{validation: {folds: 2}}", "5:1: search.space is missing; allowed: such as space: "),
    ],
)
def test_what_is_no_search(tmp_path: Path, search: str, message: str) -> None:
    assert error(tmp_path, BASE[: BASE.index("search:")] + f"search: {search}\n").startswith(message)


PLAIN = "name: s\ndata: digits\nrecipe: wrn_cifar\nseeds: 2\nvariants: [{net: WRN-10-1}]\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: 2\n", "", "1:1: 'seeds' is missing; add it, such as seeds: 5"),
        ("variants: [{net: WRN-10-1}]\n", "", "1:1: 'variants' is missing; add it, such as variants: [{net: WRN-28-2}]"),
        ("seeds: 2\n", "seeds: 2\nbase: WRN-10-1\n", "5:1: 'base' is only valid in a study that has 'search'"),
        ("variants: [{net: WRN-10-1}]", "variants: []", "5:1: variants: found a list; allowed: at least 1"),
    ],
)
def test_a_study_without_search_is_asked_for_what_it_always_was(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert PLAIN.count(old) == 1 and study(tmp_path, PLAIN).search is None
    assert study(tmp_path, PLAIN.replace("seeds: 2", "seeds: 0")).seeds == ()
    found = error(tmp_path, PLAIN.replace(old, new))
    assert found[: len(message)] == message


def test_a_search_by_another_measure_and_for_several_costs(tmp_path: Path) -> None:
    by_error = searched(tmp_path)
    text = changed(("trials: 40", "trials: 40\n  also_minimize: [parameters, multiply_adds]"))
    measured = text + "measures: [accuracy]\ndecide_by: accuracy\n"
    found = study(tmp_path, measured)
    search = found.search
    assert search is not None and search.digest != by_error.digest
    assert search.also_minimize == ("parameters", "multiply_adds") and search.objective == "mean_validation_accuracy"
    assert found.decision.maximized and found.decision.name == "validation_accuracy"
    wrong = measured.replace("trials: 40", "trials: 40\n  objective: median_validation_error")
    assert "search.objective: found median_validation_error; allowed: mean, median (of accuracy)" in error(tmp_path, wrong)
    assert "'parameters' is listed twice" in error(tmp_path, text.replace("multiply_adds", "parameters"))
