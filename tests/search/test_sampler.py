"""Whatever the sampler, every candidate that Optuna hears of can be, and a break changes none of them."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage, RDBStorage
from recorded import DIGITS

from ablate.api import load_search
from ablate.errors import AblateError, StudyError
from ablate.nets.options import parse_block
from ablate.search import sampler as sampler_module
from ablate.search.distributions import all_distributions, optuna_params, pick_values, suggest_with
from ablate.search.optuna_internals import continue_trial
from ablate.search.sampler import FeasibleSampler, draw_values
from ablate.search.storage import open_search
from ablate.study.make_variant import candidate_maker
from ablate.study.space import contains, grid, present
from ablate.study.spec import load_study
from ablate.study.study import Study

FILE = "searched.yaml"
LEARNT = {"tpe": 14, "random": 8, "cmaes": 14, "gp": 11, "grid": 8}  # candidates until a sampler uses what it was told
SAMPLERS = tuple(LEARNT)
# About one random candidate in thirteen is within the budget and does what `where` asks.
NARROW = """\
search:
  space:
    depth: [10, 16, 22, 28, 34]
    k: {low: 0.25, high: 6.0, step: 0.25}
    dropout: {low: 0.0, high: 0.5}
    recipe.lr: {low: 0.01, high: 1.0, log: true}
  validation: {folds: 2}
  trials: 16
"""
TIGHT = "budget: {parameters: {max: 200k}}\nwhere: dropout < 0.4 and recipe.lr < 0.8"
TIED = "where: 13 < depth * k and depth * k < 19"  # a depth of one candidate and a k of another hardly ever can be
FAMILIES = """\
search:
  space:
    family: [WRN, pre-ResNet]
    depth:
      - {when: {family: WRN}, choices: [10, 16, 22]}
      - {when: {family: pre-ResNet}, choices: [11, 20, 29]}
    k: {when: {family: WRN}, low: 0.25, high: 6.0, step: 0.25}
    dropout:
      - {when: {family: WRN}, low: 0.0, high: 0.5}
      - {when: {family: pre-ResNet}, low: 0.0, high: 0.2, step: 0.05}
  validation: {folds: 2}
  trials: 16
"""

BLOCKS = """\
search:
  space: {block: {l: {low: 1, high: 4}, kernels: [1, 3]}, k: {low: 0.5, high: 4.0, step: 0.5}}
  validation: {folds: 2}
  trials: 16
"""


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def searched(folder: Path, search: str, more: str = "", base: str = "base: WRN-16-1") -> Study:
    """The study of a search over the digits."""
    path = folder / FILE
    path.write_text(f"{DIGITS}{base}\n{search}\n{more}\n")
    return load_study(path)


def narrow(folder: Path, sampler: str, more: str = "", seed: int = 0, limits: str = TIGHT) -> Study:
    text = f"{NARROW}  sampler: {sampler}\n  seed: {seed}\n{more}"
    if sampler == "grid":
        text = text.replace("high: 0.5}", "high: 0.5, step: 0.1}").replace(
            "high: 1.0, log: true}", "high: 0.91, step: 0.3}"
        )
    return searched(folder, text, limits)


def objective(values: dict[str, Any]) -> float:
    """An invented error: a dropout rate of 0.3 is best, and narrow networks are."""
    return 5 + 20 * (values.get("dropout", 0.5) - 0.3) ** 2 + float(values.get("k", 1))


def ask(study: Study, opened: optuna.Study, number: int) -> list[dict[str, Any]]:
    """The values of so many more candidates, each told to Optuna before the next is asked for."""
    assert study.search is not None
    found = []
    for _ in range(number):
        optuna_trial = opened.ask()
        found.append(pick_values(study.search, suggest_with(optuna_trial)))
        values = [objective(found[-1]), float(optuna_trial.number)]
        opened.tell(optuna_trial, values[: len(opened.directions)])
    return found


def begin(study: Study, storage: Any = None) -> optuna.Study:
    """A new search in a storage, sampled as a driver samples it."""
    assert study.search is not None
    directions = ["minimize"] * (1 + len(study.search.also_minimize))
    return optuna.create_study(
        storage=storage or InMemoryStorage(),
        study_name="search",
        directions=directions,
        sampler=FeasibleSampler(study.search, candidate_maker(study)),
    )


def heard_of(study: Study, opened: optuna.Study) -> list[dict[str, Any]]:
    """The values of every candidate in the storage, whatever has become of it."""
    search = study.search
    assert search is not None
    return [pick_values(search, lambda name, _, trial=trial: trial.params[name]) for trial in opened.trials]


def can_be(study: Study, values: dict[str, Any]) -> bool:
    try:
        candidate_maker(study)(values)
    except AblateError:
        return False
    return True


def test_most_random_candidates_miss_the_budget(tmp_path: Path) -> None:
    """Else the tests below could not fail."""
    study = narrow(tmp_path, "random")
    assert study.search is not None
    drawn = [draw_values(study.search, lambda values: None, seed) for seed in range(200)]
    assert sum(can_be(study, values) for values in drawn) < 40


@dataclass(frozen=True)
class Whole:
    """A search that nothing disturbed."""

    study: Study
    asked: list[dict[str, Any]]
    opened: optuna.Study

    def up_to(self, number: int, storage: Any = None) -> optuna.Study:
        """The same search after so many candidates, opened again."""
        opened = begin(self.study, storage)
        opened.add_trials(self.opened.trials[:number])
        return opened


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Whole]:
    """The undisturbed search of a sampler, with as many candidates as it takes for it to use what it has learnt."""
    found: dict[str, Whole] = {}

    def search(sampler: str) -> Whole:
        if sampler not in found:
            study = narrow(tmp_path_factory.mktemp(sampler), sampler)
            opened = begin(study)
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of experimental samplers, of steps, of independent sampling
                found[sampler] = Whole(study, ask(study, opened, LEARNT[sampler]), opened)
        return found[sampler]

    return search


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_candidate_is_within_the_budget(whole: Callable[[str], Whole], sampler: str) -> None:
    found = whole(sampler)
    assert found.study.search is not None
    assert heard_of(found.study, found.opened) == found.asked
    assert all(can_be(found.study, values) for values in found.asked)
    assert len({repr(values) for values in found.asked}) > 5  # and not one that can be again and again
    for values in found.asked:
        assert list(values) == [parameter.axis for parameter in found.study.search.parameters]
        for parameter in found.study.search.parameters:
            assert contains(parameter, values[parameter.axis]), (parameter, values)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_seed_has_other_candidates(tmp_path: Path, whole: Callable[[str], Whole], sampler: str) -> None:
    first = whole(sampler).asked[:5]
    for seed in (0, 1):
        study = narrow(tmp_path, sampler, seed=seed)
        assert (ask(study, begin(study), 5) == first) == (seed == 0)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_is_opened_again_goes_on_as_if_it_had_not_been_closed(
    tmp_path: Path, whole: Callable[[str], Whole], sampler: str
) -> None:
    found = whole(sampler)
    for number in (0, len(found.asked) - 1):
        opened = found.up_to(number, RDBStorage(f"sqlite:///{tmp_path / f'{number}.db'}"))
        assert ask(found.study, opened, 1) == found.asked[number : number + 1]


@pytest.mark.parametrize(("sampler", "known"), [*((sampler, 2) for sampler in SAMPLERS), ("tpe", 0), ("cmaes", 0)])
def test_a_candidate_whose_driver_died_while_it_was_sampled_keeps_its_values(
    whole: Callable[[str], Whole], sampler: str, known: int
) -> None:
    """known: how many of its parameters Optuna had been told."""
    found = whole(sampler)
    search = found.study.search
    assert search is not None
    number = len(found.asked) - 1
    opened = found.up_to(number)
    dying = opened.ask()
    for name, distribution in list(all_distributions(search).items())[:known]:
        suggest_with(dying)(name, distribution)
    assert len(opened.trials[number].params) == known
    taken_over = continue_trial(opened, opened.trials[dying.number])
    assert pick_values(search, suggest_with(taken_over)) == found.asked[number]


def test_what_is_known_of_a_candidate_stays_though_others_have_ended_meanwhile(tmp_path: Path) -> None:
    """Two drivers: from ten candidates on TPE would have sampled another one, and half of each may be neither."""
    for seed in range(6):
        study = narrow(tmp_path, "tpe", seed=seed, limits=TIED)
        assert study.search is not None
        opened = begin(study)
        ask(study, opened, 9)
        dying = opened.ask()
        (name, distribution), *_ = all_distributions(study.search).items()
        depth = suggest_with(dying)(name, distribution)
        ask(study, opened, 3)
        values = pick_values(study.search, suggest_with(continue_trial(opened, opened.trials[dying.number])))
        assert values["depth"] == depth and can_be(study, values)


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp"])
def test_two_objectives(tmp_path: Path, sampler: str) -> None:
    study = narrow(tmp_path, sampler, "  also_minimize: multiply_adds\n")
    opened = begin(study)
    assert all(can_be(study, values) for values in ask(study, opened, 11))
    assert len(heard_of(study, opened)) == 11


def test_samplers_learn(tmp_path: Path) -> None:
    """What is drawn again after a miss is still the sampler's own, not merely random: it comes closer to the best."""
    space = "{dropout: {low: 0.0, high: 0.9}, recipe.drop: {low: 0.01, high: 1.0}}"
    missed: dict[str, float] = {}
    for sampler in ("random", "tpe", "cmaes"):
        text = f"search: {{space: {space}, validation: {{folds: 2}}, trials: 30, sampler: {sampler}, seed: 1}}"
        study = searched(tmp_path, text, "where: dropout < 0.6")
        opened = begin(study)
        for _ in range(30):
            optuna_trial = opened.ask()
            values = pick_values(study.search, suggest_with(optuna_trial))  # type: ignore[arg-type]
            opened.tell(optuna_trial, (values["dropout"] - 0.3) ** 2 + (values["recipe.drop"] - 0.7) ** 2)
        missed[sampler] = statistics.median(trial.values[0] for trial in opened.trials[15:])
    assert max(missed["tpe"], missed["cmaes"]) < missed["random"] / 2


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_enqueued_comes_first_and_as_it_is(tmp_path: Path, sampler: str) -> None:
    study = narrow(tmp_path, sampler, limits=TIED)
    assert study.search is not None
    whole = {"depth": 10, "k": 1.5, "dropout": 0.3, "recipe.lr": 0.31}
    parts: list[dict[str, Any]] = [{"dropout": 0.2}, {"recipe.lr": 0.61, "k": 1.0}, *[{"k": 0.5}] * 3, *[{"depth": 22}] * 3]
    opened = begin(study)
    ask(study, opened, 2)  # also after others
    for values in (whole, *parts):
        opened.enqueue_trial(optuna_params(study.search, values))
    first, *others = ask(study, opened, 9)
    assert first == whole
    for values, wanted in zip(others, parts):
        assert wanted.items() <= values.items() and len(values) == 4
    assert all(can_be(study, values) for values in heard_of(study, opened))


@pytest.mark.parametrize("values", [{"k": 6.0, "depth": 34}, {"k": 1.0, "depth": 10, "dropout": 0.45}])
def test_what_is_enqueued_and_cannot_be_is_one_error_before_anything_is_trained(
    tmp_path: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler_module, "DRAWS", 100)
    narrow(tmp_path, "tpe", f"  enqueue: [{{{', '.join(f'{axis}: {value}' for axis, value in values.items())}}}]\n")
    with pytest.raises(StudyError) as caught:
        load_search(tmp_path / FILE, runs=tmp_path / "runs").run()
    said = str(caught.value)
    assert said.startswith("enqueue: k ") and "\n" not in said
    assert ("excluded by where: dropout < 0.4 and recipe.lr < 0.8" if "dropout" in values else "200,000") in said
    assert not list((tmp_path / "runs").glob("????????????????"))


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "gp"])
def test_a_candidate_has_the_parts_of_its_family_only(tmp_path: Path, sampler: str) -> None:
    study = searched(tmp_path, f"{FAMILIES}  sampler: {sampler}\n", "budget: {parameters: {max: 200k}}", base="")
    search = study.search
    assert search is not None
    opened = begin(study)
    asked = ask(study, opened, 12)
    assert {values["family"] for values in asked} == {"WRN", "pre-ResNet"}
    for values, trial in zip(asked, opened.trials):
        there = [parameter for parameter in search.parameters if present(parameter, values)]
        assert list(values) == [parameter.axis for parameter in there]
        assert list(trial.params) == [parameter.name for parameter in there]  # Optuna is told of nothing else
        assert all(contains(parameter, values[parameter.axis]) for parameter in there)
        assert can_be(study, values)


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "gp"])
def test_a_block_has_as_many_kernels_as_convolutions(tmp_path: Path, sampler: str) -> None:
    study = searched(tmp_path, f"{BLOCKS}  sampler: {sampler}\n", "where: k * l <= 3\ndepth_rule: nominal")
    search = study.search
    assert search is not None
    opened = begin(study)
    asked = ask(study, opened, 12)
    for values, trial in zip(asked, opened.trials):
        kernels = parse_block(values["block"])
        told = {"block.l": len(kernels), **{f"block.kernel{i}": kernel for i, kernel in enumerate(kernels, 1)}}
        assert trial.params == {**told, "k": values["k"]}
        assert contains(search.parameters[0], values["block"]) and can_be(study, values)
    assert len({values["block"] for values in asked}) > 3


@pytest.mark.parametrize(
    ("limits", "base", "said"),
    [
        ("budget: {parameters: 1k, tolerance: 1%}", "WRN-16-1", "parameters (+"),
        ("where: k > 64", "WRN-16-1", "excluded by where: k > 64"),
        ("where: kk > 64", "WRN-16-1", "where: unknown name 'kk'; did you mean 'k'?"),
        ("", "VGG", "VGG has norm, activation, pool"),
        ("where: recipe.batch_size > 64", "WRN-16-1", "excluded by where: recipe.batch_size > 64"),
    ],
)
def test_a_space_in_which_nothing_can_be_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: str, base: str, said: str
) -> None:
    monkeypatch.setattr(sampler_module, "DRAWS", 60)
    path = tmp_path / FILE
    searched(tmp_path, NARROW, limits, base=f"base: {base}")
    for use in (lambda search: search.plan(), lambda search: search.run()):
        with pytest.raises(StudyError) as caught:
            use(load_search(path, runs=tmp_path / "runs"))
        assert str(caught.value).startswith(f"{path}:"), str(caught.value)
        assert said in str(caught.value) and "\n" not in str(caught.value)


ALL_CAN_BE = [
    # An end that some other value of the candidate rules out is no mistake.
    ("{k: {low: 0.25, high: 8.0}, dropout: {low: 0.0, high: 0.5}}", "where: k < 1"),
    ("{dropout: {low: 0.0, high: 0.6, step: 0.1}}", "where: dropout < 0.5"),
    ("{recipe.lr: {low: 0.1, high: 1.0}, k: [1, 2]}", "where: recipe.lr < 0.5"),
    ("{k: [0.5, 1, 8]}", "budget: {parameters: {max: 100k}}"),
    ("{depth: {low: 10, high: 40}}", ""),
    *(
        (f"{{{before}recipe.nesterov: [true, false], recipe.momentum: [0.0, 0.9]}}", "")
        for before in ("", "k: [1, 2], ", "k: [1, 2, 3, 4], ", "recipe.decay_on: [all, weights], dropout: [0, 0.1, 0.2], ")
    ),
    ("{recipe.batch_size: [16, 32], data.train_size: [24, 128]}", ""),
]


@pytest.mark.parametrize(("space", "more"), ALL_CAN_BE)
def test_ends_that_some_candidate_can_have_are_no_mistake(tmp_path: Path, space: str, more: str) -> None:
    searched(tmp_path, f"search: {{space: {space}, validation: {{folds: 2}}, trials: 3}}", more)
    assert load_search(tmp_path / FILE, runs=tmp_path / "runs").plan()["search"]["drawn"] > 0


NONE_CAN_BE = [
    ("{dropout: {low: 0.0, high: 1.0}}", "dropout rate 1; allowed: 0 to below 1"),
    ("{dropout: [0, 1.5]}", "dropout rate 1.5; allowed: 0 to below 1"),
    ("{k: {low: 0.01, high: 2.0}}", "widening factor k = 0.01; allowed: 0.0625 to 64"),
    ("{survival: {low: 0.0, high: 1.0}}", "survival 0; allowed: above 0 to 1"),
    ("{recipe.lr: {low: -0.1, high: 0.5}}", "recipe.lr: found -0.1; allowed: greater than 0"),
    ("{recipe.lr: [0.1, fast]}", "recipe.lr: found 'fast'; allowed: number"),
    ("{data.augment: [none, flap]}", "data.augment: found 'flap'; did you mean 'flip'?"),
    ("{data.train_size: {low: 64, high: 20000}}", "data.train_size: found 20000; digits has 1297"),
    ("{k: [1, 2], dropout: {when: {k: 1}, low: 0.0, high: 1.0}}", "dropout rate 1; allowed: 0 to below 1"),
    ("{k: [1, 2], dropout: {when: {k: 2}, low: 0.0, high: 1.0}}", "dropout rate 1; allowed: 0 to below 1"),
]


@pytest.mark.parametrize(("space", "said"), NONE_CAN_BE)
def test_ends_that_no_candidate_can_have_are_said_at_their_place(tmp_path: Path, space: str, said: str) -> None:
    path = tmp_path / FILE
    line = 5 + space.count("\n")
    with pytest.raises(StudyError) as caught:
        searched(tmp_path, f"search: {{space: {space}, validation: {{folds: 2}}, trials: 3}}")
        load_search(path, runs=tmp_path / "runs").plan()
    assert str(caught.value).startswith(f"{path}:{line}:")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def in_order(study: Study, folder: Path, possible: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """What the first candidates of a search are, as far as they are enqueued."""
    search = study.search
    assert search is not None
    opened = open_search(study, f"sqlite:///{folder / 'g.db'}", folder / "runs", possible)
    opened.sampler = FeasibleSampler(search, candidate_maker(study))
    return ask(study, opened, len(opened.trials))


def test_a_grid_is_every_cell_that_can_be_once(tmp_path: Path) -> None:
    space = "{k: [0.5, 1, 4], dropout: {low: 0.0, high: 0.2, step: 0.1}}"
    text = f"search: {{space: {space}, validation: {{folds: 2}}, sampler: grid}}"
    study = searched(tmp_path, text, "budget: {parameters: {max: 200k}}")
    assert study.search is not None and study.search.trials == 9
    found = in_order(study, tmp_path, lambda values: can_be(study, values))
    assert found == [{"k": k, "dropout": dropout} for k in (0.5, 1) for dropout in (0.0, 0.1, 0.2)]
    assert found == [values for values in grid(study.search.parameters) if can_be(study, values)]


@pytest.mark.parametrize(
    ("enqueue", "first"),
    [
        ("{k: 1, dropout: 0.1}", [{"k": 1, "dropout": 0.1}]),
        ("{dropout: 0, k: 1}", [{"k": 1, "dropout": 0.0}]),  # a whole number where the range has fractions
        ("{k: 1}", [{"k": 1, "dropout": dropout} for dropout in (0.0, 0.1, 0.2)]),  # every cell that it leaves open
    ],
)
def test_a_grid_with_candidates_that_come_first_is_no_larger(
    tmp_path: Path, enqueue: str, first: list[dict[str, Any]]
) -> None:
    space = "{k: [0.5, 1], dropout: {low: 0.0, high: 0.2, step: 0.1}}"
    text = f"search: {{space: {space}, validation: {{folds: 2}}, sampler: grid, enqueue: [{enqueue}]}}"
    study = searched(tmp_path, text)
    assert study.search is not None
    found = in_order(study, tmp_path, lambda values: True)
    cells = list(grid(study.search.parameters))
    assert found[: len(first)] == first
    assert sorted(map(repr, found)) == sorted(map(repr, cells))
