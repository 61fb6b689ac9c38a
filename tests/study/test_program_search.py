"""The search of a study of a program: what a file may say, and the candidates that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.errors import StudyError
from ablate.study.program import ProgramStudy
from ablate.study.program_search import most_epochs, program_candidate_maker
from ablate.study.space import round_value
from ablate.study.spec import load_any_study

STUDY = """\
name: tune
program: {command: "train --opt {opt} --lr {lr} --wd {wd} --seed {seed}"}
measures: [{name: accuracy, goal: maximize}]
seeds: 2
base: {wd: 0.0}
search:
  space:
    opt: [sgd, adam]
    lr: {low: 0.0000001, high: 1, log: true}
  trials: 4
where: not (opt == 'adam' and lr > 0.1)
"""


def load(folder: Path, text: str = STUDY) -> ProgramStudy:
    (folder / "study.yaml").write_text(text)
    found = load_any_study(folder / "study.yaml")
    assert isinstance(found, ProgramStudy)
    return found


def test_the_objective_is_of_the_measure_that_decides(tmp_path: Path) -> None:
    search = load(tmp_path).search
    assert search and (search.objective, search.statistic) == ("mean_accuracy", "mean")
    assert search.objective_of([1.0, 2.0, 6.0]) == 3.0
    median = load(tmp_path, STUDY.replace("trials: 4", "trials: 9\n  objective: median")).search
    assert median and median.objective == "median_accuracy" and median.objective_of([1.0, 2.0, 6.0]) == 2.0
    assert median.digest != search.digest and search.former_digest and not median.former_digest
    assert load(tmp_path, STUDY.replace("trials: 4", "trials: 9")).search.digest == search.digest  # type: ignore[union-attr]


def test_a_small_rate_is_not_rounded_away(tmp_path: Path) -> None:
    search = load(tmp_path).search
    assert search and round_value(search.parameters[1], 1.2345678e-7) == 1.23457e-07


def test_a_candidate_has_the_values_of_base_too_and_meets_where(tmp_path: Path) -> None:
    study = load(tmp_path)
    make = program_candidate_maker(study)
    made = make({"opt": "adam", "lr": 0.01})
    assert made.net == "opt adam, lr 0.01"
    assert [t.command("") for t in made.trials((7,))] == [
        ["train", "--opt", "adam", "--lr", "0.01", "--wd", "0.0", "--seed", "7"]
    ]
    with pytest.raises(StudyError, match=r"study.yaml:11:1: opt adam, lr 0.5 is excluded by where: not \(opt == 'adam'"):
        make({"opt": "adam", "lr": 0.5})


def test_a_condition_may_give_every_candidate_a_value(tmp_path: Path) -> None:
    parts = "lr: [{when: {opt: sgd}, low: 0.01, high: 1}, {when: {opt: adam}, choices: [0.001]}]"
    search = load(tmp_path, STUDY.replace("lr: {low: 0.0000001, high: 1, log: true}", parts)).search
    assert search and len(search.parameters) == 3


def test_the_epochs_of_a_candidate(tmp_path: Path) -> None:
    text = STUDY.replace("--wd {wd}", "--wd {wd} --epochs {epochs}").replace("opt: [sgd, adam]", "opt: [sgd]")
    text = text.replace("where: not (opt == 'adam' and lr > 0.1)\n", "")
    for old, new, most in (
        ("{wd: 0.0}", "{wd: 0.0, epochs: 7}", 7),
        ("opt: [sgd]", "opt: [sgd]\n    epochs: {low: 2, high: 9}", 9),
        ("opt: [sgd]", "opt: [sgd]\n    epochs: [3, 5]", 5),
        ("opt: [sgd]", "opt: [sgd]\n    epochs: [3, many]", None),
    ):
        study = load(tmp_path, text.replace(old, new))
        assert study.search and most_epochs(study.program, study.base, study.search.parameters) == most


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("opt: [sgd, adam]", "otp: [sgd]", "8:5", "otp: no placeholder {otp} in program.command"),
        ("    opt: [sgd, adam]\n", "", "7:3", "{opt} of program.command: add it to 'search.space', or its value to 'base'"),
        ("{wd: 0.0}", "{wd: 0.0, lr: 1}", "5:17", "base: lr is searched in every candidate"),
        ("{wd: 0.0}", "{wdd: 0.0}", "5:8", "wdd: no placeholder {wdd}"),
        ("{wd: 0.0}", "WRN-16-1", "5:1", "base: found 'WRN-16-1'; allowed: values of axes"),
        ("trials: 4", "pruner: none", "6:1", "'search.trials' is missing"),
        ("trials: 4", "trials: 4\n  validation: {folds: 2}", "11:3", "'search.validation' is not valid in a study with"),
        ("trials: 4", "trials: 4\n  also_minimize: parameters", "11:3", "'search.also_minimize' is not valid"),
        ("trials: 4", "trials: 4\n  objective: mean_validation_error", "11:3", "allowed: mean, median (of accuracy"),
        ("trials: 4", "trials: 4\n  pruner: wilcoxon", "11:3", "found wilcoxon; allowed in a study with 'program': none"),
        ("trials: 4", "trials: 4\n  pruner: median", "11:3", "their number is not known; add program.epochs"),
        ("trials: 4", "trials: 4\n  sampler: grid", "9:5", "search.space.lr: sampler grid needs a step or choices"),
        ("trials: 4", "trials: 4\n  enqueue: [{lr: 2}]", "11:14", "search.enqueue: lr 2 is not in search.space"),
        ("lr: {low", "lr: {when: {opt: sgd}, low", "9:5", "{lr} of program.command has no value with opt adam"),
        ("[sgd, adam]", "{kernels: [1, 3], l: {low: 1, high: 2}}", "8:11", "'kernels' is only valid for block"),
        ("seeds: 2", "seeds: 0", "4:1", "seeds: found 0"),
        ("where: not", "where: not not not (", "11:1", "is not an expression"),
        ("name: tune", "name: tune\nfigures: [curves]", "2:1", "'figures' is not valid in a study that has 'search'"),
    ],
)  # fmt: skip
def test_errors_name_their_place(tmp_path: Path, old: str, new: str, place: str, said: str) -> None:
    assert old in STUDY
    with pytest.raises(StudyError) as error:
        load(tmp_path, STUDY.replace(old, new, 1))
    assert str(error.value).startswith(f"{tmp_path / 'study.yaml'}:{place}: ")
    assert said in str(error.value)
