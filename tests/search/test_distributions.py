"""A search's parameters as Optuna has them, and back."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from recorded import DIGITS

from ablate.search.distributions import all_distributions, optuna_params, pick_values, suggest_with
from ablate.study.search import Search
from ablate.study.space import contains, grid, present
from ablate.study.spec import load_study

EVERY_KIND = """
    family: [WRN, pre-ResNet]
    k: {low: 1, high: 3}
    dropout:
      - {when: {family: WRN}, low: 0, high: 0.5}
      - {when: {family: pre-ResNet}, low: 0, high: 0.2, step: 0.1}
    block: {when: {family: WRN}, l: {low: 1, high: 3}, kernels: [1, 3]}
    recipe.lr: {low: 0.01, high: 1.0, log: true}
    recipe.batch_size: {low: 16, high: 64, log: true}
    recipe.nesterov: [true, false]
    recipe.milestones: [[0.5], [0.3, 0.6]]
    args.width: [null, 4, {a: 1}, '4']
    net: [WRN-10-1, {python: 'mine:net', args: {width: 4}}]"""


def searched(folder: Path, space: str) -> Search:
    path = folder / "searched.yaml"
    (folder / "mine.py").write_text("def net(width):\n    return width\n")
    path.write_text(f"{DIGITS}search:\n  space: {space}\n  validation: {{folds: 2}}\n  trials: 4\n")
    search = load_study(path).search
    assert search is not None
    return search


def at_random(seed: int) -> Any:
    """Picks any value of a distribution."""
    draw = random.Random(seed)

    def pick(name: str, distribution: BaseDistribution) -> Any:
        match distribution:
            case CategoricalDistribution(choices=choices):
                return draw.choice(choices)
            case IntDistribution(low=low, high=high, step=step):
                return draw.randrange(low, high + 1, step)
            case FloatDistribution(low=low, high=high, step=None):
                return draw.uniform(low, high)
            case FloatDistribution(low=low, high=high, step=step):
                assert step is not None
                return low + step * draw.randrange(round((high - low) / step) + 1)
        raise AssertionError(name)

    return pick


def test_each_parameter_as_optuna_has_it(tmp_path: Path) -> None:
    assert all_distributions(searched(tmp_path, EVERY_KIND)) == {
        "family": CategoricalDistribution(["WRN", "pre-ResNet"]),
        "k": IntDistribution(1, 3),
        "dropout[family=WRN]": FloatDistribution(0.0, 0.5),
        "dropout[family=pre-ResNet]": FloatDistribution(0.0, 0.2, step=0.1),
        "block[family=WRN].l": IntDistribution(1, 3),
        **{f"block[family=WRN].kernel{i}": CategoricalDistribution([1, 3]) for i in (1, 2, 3)},
        "recipe.lr": FloatDistribution(0.01, 1.0, log=True),
        "recipe.batch_size": IntDistribution(16, 64, log=True),
        "recipe.nesterov": CategoricalDistribution([True, False]),
        "recipe.milestones": CategoricalDistribution(["[0.5]", "[0.3, 0.6]"]),
        "args.width": CategoricalDistribution(["null", 4, '{"a": 1}', "4"]),
        "net": CategoricalDistribution(["WRN-10-1", '{"args": {"width": 4}, "python": "mine:net"}']),
    }


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("{k: {low: 1, high: 7, step: 3}}", IntDistribution(1, 7, step=3)),
        ("{k: {low: 1, high: 2, step: 0.25}}", FloatDistribution(1.0, 2.0, step=0.25)),
        ("{dropout: {low: 0.0, high: 0.6, step: 0.05}}", FloatDistribution(0.0, 0.6, step=0.05)),
        ("{N: {low: 1, high: 8, log: true}}", IntDistribution(1, 8, log=True)),
    ],
)
def test_ranges(tmp_path: Path, space: str, expected: BaseDistribution) -> None:
    (found,) = all_distributions(searched(tmp_path, space)).values()
    assert found == expected


def test_a_candidate_has_what_its_conditions_leave(tmp_path: Path) -> None:
    search = searched(tmp_path, EVERY_KIND)
    picked: dict[str, Any] = {
        "family": "WRN", "k": 2, "dropout[family=WRN]": 0.12345678, "block[family=WRN].l": 2,
        "block[family=WRN].kernel1": 3, "block[family=WRN].kernel2": 1, "recipe.lr": 0.0312345678, "recipe.batch_size": 32,
        "recipe.nesterov": False, "recipe.milestones": "[0.3, 0.6]", "args.width": '{"a": 1}', "net": "WRN-10-1",
    }  # fmt: skip
    asked: list[str] = []

    def pick(name: str, distribution: BaseDistribution) -> Any:
        asked.append(name)
        return picked[name]

    assert pick_values(search, pick) == {
        "family": "WRN", "k": 2, "dropout": 0.123457, "block": "B(3,1)", "recipe.lr": 0.0312346, "recipe.batch_size": 32,
        "recipe.nesterov": False, "recipe.milestones": [0.3, 0.6], "args.width": {"a": 1}, "net": "WRN-10-1",
    }  # fmt: skip
    assert asked == list(picked)
    asked.clear()
    picked |= {"family": "pre-ResNet", "dropout[family=pre-ResNet]": 0.2, "args.width": "null"}
    values = pick_values(search, pick)
    assert values["dropout"] == 0.2 and "block" not in values and values["args.width"] is None
    assert not [name for name in asked if "WRN" in name]


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    """What a candidate was is found again under the names that Optuna has for it."""
    search = searched(tmp_path, EVERY_KIND)
    for seed in range(200):
        values = pick_values(search, at_random(seed))
        params = optuna_params(search, values)
        assert pick_values(search, lambda name, _, params=params: params[name]) == values
        distributions = all_distributions(search)
        for name, value in params.items():
            assert distributions[name]._contains(distributions[name].to_internal_repr(value)), (name, value)
        for parameter in search.parameters:
            assert (parameter.axis in values) == any(
                one.axis == parameter.axis and present(one, values) for one in search.parameters
            )
            if parameter.axis in values and present(parameter, values):
                assert contains(parameter, values[parameter.axis])


def test_some_values_of_a_candidate(tmp_path: Path) -> None:
    search = searched(tmp_path, EVERY_KIND)
    assert optuna_params(search, {}) == {}
    assert optuna_params(search, {"k": 2}) == {"k": 2}
    assert optuna_params(search, {"dropout": 0.1, "family": "pre-ResNet"}) == {
        "family": "pre-ResNet",
        "dropout[family=pre-ResNet]": 0.1,
    }
    assert optuna_params(search, {"block": "B(3,1)", "family": "WRN"}) == {
        "family": "WRN", "block[family=WRN].l": 2, "block[family=WRN].kernel1": 3, "block[family=WRN].kernel2": 1,
    }  # fmt: skip


def test_every_candidate_of_a_grid_has_parameters_of_its_own(tmp_path: Path) -> None:
    space = "{block: {l: {low: 1, high: 3}, kernels: [1, 3]}, dropout: {low: 0.0, high: 0.3, step: 0.1}, k: [1, 2]}"
    search = searched(tmp_path, space)
    cells = list(grid(search.parameters))
    params = [optuna_params(search, values) for values in cells]
    assert len({repr(sorted(one.items())) for one in params}) == len(cells) == (2 + 4 + 8) * 4 * 2
    assert [pick_values(search, lambda name, _, one=one: one[name]) for one in params] == cells


def test_an_optuna_trial_suggests_and_remembers(tmp_path: Path) -> None:
    """In a database, where all that Optuna keeps has been text or a number."""
    search = searched(tmp_path, EVERY_KIND)
    storage = RDBStorage(f"sqlite:///{tmp_path / 'search.db'}")
    opened = optuna.create_study(storage=storage, study_name="s", sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(6):
        optuna_trial = opened.ask()
        values = pick_values(search, suggest_with(optuna_trial))
        assert pick_values(search, suggest_with(optuna_trial)) == values
        again = optuna.load_study(study_name="s", storage=RDBStorage(f"sqlite:///{tmp_path / 'search.db'}"))
        kept = again.trials[-1]
        assert pick_values(search, lambda name, _, kept=kept: kept.params[name]) == values
        assert {name: all_distributions(search)[name] for name in kept.params} == kept.distributions
