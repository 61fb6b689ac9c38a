"""Tuning: what a choice depends on, which candidate is chosen, and that a run which was killed equals one that was not."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import recorded
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from ablate.api import load_experiment
from ablate.commands.cli import app
from ablate.errors import RecordError, StudyError
from ablate.launch.options import RunOptions
from ablate.launch.summary import RunSummary
from ablate.network_experiment import Experiment
from ablate.program_experiment import ProgramExperiment
from ablate.records.choices import Choice, Tried, choice_path, plan_choices, read_choice, write_choice
from ablate.search import search_driver, tuning
from ablate.search.distributions import optuna_params, pick_values
from ablate.study.labels import label
from ablate.study.space import allows

PROGRAM = """\
import sys
lr, kind, seed = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])
value = (lr - {"a": 0.2, "b": 0.7, "diverges": 0}[kind]) ** 2 + 0.001 * (seed % 5)
print('{"epoch": 1, "loss": %s}' % ("NaN" if kind == "diverges" else repr(value)))
"""
STUDY = """\
name: fair
program: {command: "python -S train.py {lr} {kind} {seed}", files: [train.py]}
measures: [{name: loss, goal: minimize}]
seeds: 2
tune: {space: {lr: {low: 0, high: 1.0}}, trials: 3}
variants: [{grid: {kind: [a, b], lr: 0.5}}]
"""
NETWORKS = """\
name: fair
data: {name: digits, train_size: 128}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32}
seeds: 2
tune: {space: {recipe.lr: {low: 0.01, high: 0.5, log: true}, dropout: [0.0, 0.3]}, trials: 4}
variants: [{net: [WRN-10-1, WRN-16-1]}]
baseline: WRN-10-1
"""
OPTIONS = RunOptions(inline=True, quiet=True)


class Killed(BaseException):
    """What ends a run where it stands."""


def written(folder: Path, text: str = STUDY) -> ProgramExperiment:
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(PROGRAM)
    (folder / "fair.yaml").write_text(text)
    found = load_experiment(folder / "fair.yaml", runs=folder / "runs")
    assert isinstance(found, ProgramExperiment)
    return found


def run(experiment: ProgramExperiment) -> RunSummary:
    return experiment.run(OPTIONS, Console(file=io.StringIO()))


def kill_after_training(patch: pytest.MonkeyPatch) -> None:
    """A driver dies where its first candidate is recorded and not told."""
    real = search_driver.SearchDriver.train

    def train(*words: Any) -> Any:
        real(*words)
        raise Killed

    patch.setattr(search_driver.SearchDriver, "train", train)


def outcome(folder: Path) -> dict[str, Any]:
    """The choices byte for byte, and the values of all trials."""
    experiment = load_experiment(folder / "fair.yaml", runs=folder / "runs")
    assert isinstance(experiment, ProgramExperiment)
    chosen = {path.name: path.read_bytes() for path in (folder / "runs/tuned").iterdir()}
    return {**chosen, "values": [dict(one.error_by_seed) for one in experiment.analysis().summaries]}


def test_a_run_killed_at_any_moment_and_started_again_equals_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(written(tmp_path / "whole")).exit_code == 0
    broken, deaths = written(tmp_path / "broken"), 0

    def dying(name: str, of: Any, after: bool) -> None:
        real = getattr(of, name)

        def method(*args: Any, **more: Any) -> Any:
            nonlocal deaths
            result = real(*args, **more) if after else None
            if left.pop(name, None):
                deaths += 1
                raise Killed
            return result if after else real(*args, **more)

        monkeypatch.setattr(of, name, method)

    left: dict[str, bool] = {}
    dying("train", search_driver.SearchDriver, True)  # a candidate is recorded and not told
    dying("make_choice", tuning, False)  # all candidates have ended, and nothing is chosen
    dying("write_choice", tuning, True)  # one variant is tuned, the other is not
    for moment in ("train", "make_choice", "write_choice"):
        left[moment] = True
        with pytest.raises(Killed):
            run(broken)
    states = broken.status()
    assert [bool(one["chosen"]) for one in states["tuning"]] == [True, False] and deaths == 3
    assert run(broken).exit_code == 0
    assert outcome(tmp_path / "broken") == outcome(tmp_path / "whole")


def test_the_status_counts_a_damaged_candidate_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = written(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after_training(patch)
        run(experiment)
    (one,) = (tmp_path / "runs").glob("*/result.json")
    one.write_text("{")
    first, second = experiment.status()["tuning"]
    assert first["candidates"] == {"damaged": 1, "missing": 2} and second["problems"] == []
    (problem,) = first["problems"]
    assert problem.startswith(f"{one}: cannot be read") and problem.endswith("remove it and run again")
    shown = CliRunner().invoke(app, ["status", str(tmp_path / "fair.yaml"), "--runs", str(tmp_path / "runs")])
    assert isinstance(shown.exception, RecordError) and "0 of 2 variants tuned" in shown.stdout
    assert f"damaged: candidate of {experiment.tunings[0].name}: {problem}" in shown.stdout
    with pytest.raises(RecordError, match="cannot be read"):  # who asks what is left must not count it as done or not
        experiment.plan()


def test_trials_are_trained_at_the_best_of_the_values_tried(tmp_path: Path) -> None:
    experiment = written(tmp_path)
    assert not experiment.trials() and experiment.plan()["cost"]["open_trials"] == 2 * 3 + 2 * 2
    run(experiment)
    for one, best in zip(experiment.tunings, (0.2, 0.7)):
        choice = read_choice(tmp_path / "runs", one.id)
        assert choice
        tried = [candidate.values["lr"] for candidate in choice.candidates]
        assert tried[0] == 0.5 and len(tried) == 3 and choice.values["lr"] == min(tried, key=lambda lr: (lr - best) ** 2)
    draws = [[one.values for one in read_choice(tmp_path / "runs", t.id).candidates] for t in experiment.tunings]  # type: ignore
    assert draws[0] == draws[1]
    assert [trial.axes["lr"] for trial in experiment.trials()[::2]] == [v.tuned["lr"] for v in experiment.variants]
    assert {trial.seed for trial in experiment.trials()} == {0, 1}
    more = written(tmp_path, STUDY.replace("trials: 3", "trials: 5"))  # another choice, of which the first three are tried
    assert not more.trials() and run(more).tried == 4 and len(more.trials()) == 4
    assert len(written(tmp_path).trials()) == 4  # and the choice of three stays what it was


def test_where_all_diverge_a_variant_keeps_its_own_values(tmp_path: Path) -> None:
    experiment = written(tmp_path, STUDY.replace("[a, b]", "[a, diverges]"))
    assert run(experiment).exit_code == 3
    choice = read_choice(tmp_path / "runs", experiment.tunings[1].id)
    assert choice and choice.chosen == 0 and [one.errors for one in choice.candidates] == [(None,)] * 3


def test_a_candidate_that_fails_leaves_its_variant_open_and_the_others_go_on(tmp_path: Path) -> None:
    experiment = written(tmp_path, STUDY.replace("[a, b]", "[a, c]"))  # the program knows no c
    summary = run(experiment)
    assert (summary.exit_code, summary.untuned, summary.trained, len(summary.failed)) == (3, 1, 2, 3)
    assert [bool(variant.untuned) for variant in experiment.variants] == [False, True]


def networks(folder: Path, text: str = NETWORKS) -> Experiment:
    found = recorded.written(folder, text)
    assert isinstance(found, Experiment)
    return found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: fair", "name: other\ntitle: Another title\nnotes: Some"),
        ("seeds: 2", "seeds: 5"),
        ("[WRN-10-1, WRN-16-1]", "[WRN-10-1, WRN-22-1]"),
        ("baseline: WRN-10-1", "where: k < 8"),
        ("trials: 4", "trials: 4, also_untuned: true"),
        ("data: {name: digits, train_size: 128}", "data: {name: digits, train_size: 128, test_size: 50}"),
    ],
)
def test_an_edit_elsewhere_moves_no_choice(tmp_path: Path, old: str, new: str) -> None:
    before, after = networks(tmp_path).tunings, networks(tmp_path, NETWORKS.replace(old, new)).tunings
    assert before[0].id == after[0].id


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("high: 0.5", "high: 0.6"),
        ("trials: 4", "trials: 5"),
        ("trials: 4", "trials: 4, seed: 1"),
        ("trials: 4", "trials: 4, seeds: 2"),
        ("trials: 4", "trials: 4, sampler: random"),
        ("trials: 4", "trials: 4, validation: {holdout: 20}"),
        ("trials: 4", "trials: 4, enqueue: [{dropout: 0.3}]"),
        ("epochs: 2", "epochs: 3"),
        ("train_size: 128", "train_size: 120"),
        ("WRN-10-1, WRN", "WRN-10-1-dropout0.3, WRN"),
    ],
)
def test_a_change_of_the_space_or_the_variant_tunes_again(tmp_path: Path, old: str, new: str) -> None:
    changed = NETWORKS.replace("baseline: WRN-10-1\n", "").replace(old, new)
    assert networks(tmp_path).tunings[0].id != networks(tmp_path, changed).tunings[0].id


def test_a_change_of_own_code_among_the_choices_tunes_again(tmp_path: Path) -> None:
    study = NETWORKS.replace("dropout: [0.0, 0.3]", "recipe.loss: [cross_entropy, {python: mine:loss}]")

    def tuning_id(source: str) -> str:
        (tmp_path / "mine.py").write_text(f"def loss(logits, targets):\n    return {source}\n")
        return networks(tmp_path, study).tunings[0].id

    assert tuning_id("logits.sum()") == tuning_id("logits.sum()  # of all") != tuning_id("logits.mean()")


def test_own_values_of_many_digits_are_tried_first_and_kept(tmp_path: Path) -> None:
    lr, other = 0.0009765625, 0.00109765625
    space = f"{{recipe.lr: {{low: {lr}, high: 0.5, log: true}}}}, trials: 2, enqueue: [{{recipe.lr: {other}}}]}}"
    study = NETWORKS.replace("epochs: 2", f"epochs: 2, lr: {lr}")
    start = study.index("{recipe.lr"), study.index("\nvariants")
    one = networks(tmp_path, study[: start[0]] + space + study[start[1] :]).tunings[0]
    given = [optuna_params(one.search, values) for values in one.search.enqueue]
    picked = [pick_values(one.search, lambda name, _, params=params: params[name]) for params in given]
    assert picked == [{"recipe.lr": lr}, {"recipe.lr": other}]
    assert one.at(picked[0]).trials((0,)) == one.variant.trials((0,)) == one.untuned.trials((0,))
    assert all(allows(one.search.parameters, values) for values in picked)


@pytest.mark.parametrize(
    ("fields", "choices"),
    [
        ("recipe: {weight_decay: 0}", "recipe.weight_decay: [0.0005, 0]"),
        ("recipe: {lr: 1}", "recipe.lr: [0.1, 1]"),
        ("", "dropout: [0.3, 0]"),
        ("", "recipe.milestones: [[0.5], [0.3, 0.6, 0.8]]"),
        ("", "recipe.optimizer: [adamw, {name: sgd, momentum: 0.9}]"),
        ("recipe: {schedule: {name: cosine, warmup: 1}}", "recipe.schedule: [step, {name: cosine, warmup: 1}]"),
        ("recipe: {loss: {python: mine:loss}}", "recipe.loss: [cross_entropy, {python: mine:loss}]"),
        ("data: {augment: [flip, {crop: 2}]}", "data.augment: [none, [flip, {crop: 2}]]"),
        ("", "data.augment: [[flip], []]"),
    ],
)
def test_own_values_are_found_among_the_choices_however_they_are_written(tmp_path: Path, fields: str, choices: str) -> None:
    (tmp_path / "mine.py").write_text("def loss(logits, labels):\n    return logits.sum()\n")
    study = NETWORKS.replace("recipe.lr: {low: 0.01, high: 0.5, log: true}, dropout: [0.0, 0.3]", choices)
    if fields:
        key, _, inner = fields.partition(": {")
        study = study.replace(f"{key}: {{", f"{key}: {{{inner.removesuffix('}')}, ", 1)
    one = networks(tmp_path, study).tunings[0]
    ((axis, own),) = one.search.enqueue[0].items()
    (parameter,) = one.search.parameters
    assert repr(own) == repr(parameter.choices[1]) and axis == parameter.axis
    assert one.untuned.trials((0,))[0].id == one.variant.trials((0,))[0].id
    assert one.at({axis: parameter.choices[0]}).trials((0,))[0].id != one.variant.trials((0,))[0].id


@pytest.mark.parametrize(
    ("variants", "axis", "message"),
    [
        ("{factorial: {base: WRN-10-1, factors: {recipe.lr: [0.1, 0.01]}}}", "recipe.lr", "is given by 'variants'"),
        ("{leave_one_out: {base: WRN-10-1, without: {norm: {norm: none, recipe.lr: 0.02}}}}", "recipe.lr", "is given"),
        ("{path: [{base: WRN-10-1}, {slower: {recipe.lr: 0.02}}]}", "recipe.lr", "is given by 'variants'; leave it out"),
        (
            "{net: WRN-10-1}, {net: WRN-10-1, recipe: {base: wrn_cifar, epochs: 2, batch_size: 32, lr: 0.05}}",
            "recipe.lr",
            "WRN-10-1, lr 0.1 and WRN-10-1, lr 0.05 differ in recipe.lr alone, which is tuned for both; leave out the axis",
        ),
        (
            "{net: [WRN-10-1, WRN-16-1-dropout0.3, WRN-10-1-dropout0.3]}",
            "dropout",
            "WRN-10-1 and WRN-10-1-dropout0.3 differ in dropout alone",
        ),
        ("{net: [WRN-10-1, NIN]}", "dropout", "NIN has no dropout; leave one of them out"),
        ("{net: [{python: mine:net}, WRN-10-1]}", "args.width", "WRN-10-1 has no args.width; leave one of them out"),
        ("{net: {python: mine:net}}", "args.depth", "mine:net has no args.depth; leave one of them out"),
        ("{net: {python: mine:net}}", "dropout", "mine:net has no dropout; leave one of them out"),
    ],
)
def test_axes_that_variants_vary_or_lack_are_not_tuned(tmp_path: Path, variants: str, axis: str, message: str) -> None:
    layers = "torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))"
    (tmp_path / "mine.py").write_text(f"import torch\ndef net(classes, width=2):\n    return {layers}\n")
    space = {"recipe.lr": "{low: 0.01, high: 0.5}", "dropout": "[0, 0.3]"}.get(axis, "[null, 2]")
    tune = f"tune: {{space: {{{axis}: {space}}}, trials: 2}}\nvariants: [{variants}]\n"
    with pytest.raises(StudyError) as caught:
        networks(tmp_path, NETWORKS[: NETWORKS.index("tune:")] + tune)
    told = str(caught.value)
    assert f":5:16: tune.space: {message}" in told.replace(f"{axis} is given", "is given"), told


@pytest.mark.parametrize("depth_rule", ["convolutions", "nominal"])
def test_candidates_keep_to_where(tmp_path: Path, depth_rule: str) -> None:
    where = f"where: recipe.lr <= 0.2 and depth < 18\ndepth_rule: {depth_rule}"
    before, after = networks(tmp_path).tunings, networks(tmp_path, NETWORKS.replace("baseline: WRN-10-1", where)).tunings
    assert before[0].id != after[0].id and len(after) == 2
    for one in after:
        one.make({"recipe.lr": 0.2, "dropout": 0.3})
        with pytest.raises(StudyError, match=r"yaml:\d+:1: .* is excluded by where: recipe.lr <= 0.2 and depth < 18"):
            one.make({"recipe.lr": 0.21, "dropout": 0.3})


@pytest.mark.parametrize(
    ("study", "where", "named"),
    [(NETWORKS, "recipe.lr <= 0.2", "recipe.lr: 0.3, dropout: 0.3"), (STUDY, "lr < 0.6", "lr: 0.9")],
)
def test_an_enqueued_candidate_that_where_excludes_is_refused_by_the_plan(
    tmp_path: Path, study: str, where: str, named: str
) -> None:
    (tmp_path / "train.py").write_text(PROGRAM)
    said = named.replace(":", "")
    text = study.replace("}, trials: ", "}, enqueue: [{" + named + "}], trials: ") + f"where: {where}\n"
    with pytest.raises(StudyError, match=rf"^tune.enqueue: {said}: .*yaml:\d+:1: .* is excluded by where: {where}$"):
        recorded.written(tmp_path, text)
    recorded.written(tmp_path, text.replace(f"where: {where}\n", ""))


def test_candidates_of_a_program_keep_to_where(tmp_path: Path) -> None:
    experiment = written(tmp_path, STUDY.replace("trials: 3", "trials: 6") + "where: lr < 0.6 or kind == 'b'\n")
    assert run(experiment).exit_code == 0
    tried = [[one.values["lr"] for one in choice.candidates] for choice in choices(experiment)]
    assert max(tried[0]) < 0.6 < max(tried[1]) and {len(each) for each in tried} == {6}


def choices(experiment: ProgramExperiment) -> list[Choice]:
    found = [read_choice(experiment.runs, one.id) for one in experiment.tunings]
    return [one for one in found if one]


def test_a_measured_cost_does_not_limit_what_is_tuned(tmp_path: Path) -> None:
    where = "where: recipe.lr < 0.2 and step_time < 5"
    with pytest.raises(StudyError, match=r"where: step_time is measured, and recipe.lr is tuned; leave one of them out"):
        networks(tmp_path, NETWORKS.replace("baseline: WRN-10-1", where))


@pytest.mark.parametrize(
    ("seeds", "of_candidates", "expected"),
    [
        ("2", "2", (1000, 1001)),
        ("1500", "2", (1500, 1501)),
        ("[1000, 1001]", "1", (1002,)),
        ("[1001, 3]", "1", (1000,)),
        ("[1003, 1001]", "2", (1004, 1005)),
        ("[0, 1]", "[2, 7]", (2, 7)),
        ("[0, 7]", "[2, 7]", "5:19: tune.seeds: 7 is a seed of the study; use another, so that no seed both"),
    ],
)
def test_no_seed_both_chooses_and_is_reported(
    tmp_path: Path, seeds: str, of_candidates: str, expected: tuple[int, ...] | str
) -> None:
    for text, load in ((NETWORKS, networks), (STUDY, written)):
        changed = text.replace("seeds: 2", f"seeds: {seeds}").replace("tune: {", f"tune: {{seeds: {of_candidates}, ")
        if isinstance(expected, str):
            with pytest.raises(StudyError, match=expected):
                load(tmp_path, changed)
        else:
            assert load(tmp_path, changed).tunings[0].study.seeds == expected


def test_variants_may_have_other_values_of_a_tuned_axis_if_they_differ_besides(tmp_path: Path) -> None:
    other = "{net: WRN-10-1, recipe: {base: wrn_cifar, epochs: 2, batch_size: 32, lr: 0.05, optimizer: adamw}}"
    found = networks(tmp_path, NETWORKS.replace("{net: [WRN-10-1, WRN-16-1]}", f"{{net: WRN-10-1}}, {other}")).tunings
    assert [one.search.enqueue[0]["recipe.lr"] for one in found] == [0.1, 0.05]


@pytest.mark.parametrize("space", ["[0.1, 1.0]", "{low: 0.1, high: 1.0}"])
def test_a_program_is_told_its_own_values_as_they_are_written(tmp_path: Path, space: str) -> None:
    tuned = STUDY.replace("{low: 0, high: 1.0}", space).replace("lr: 0.5", "lr: 1")
    one = written(tmp_path, tuned).tunings[0]
    assert repr(one.search.enqueue[0]) == "{'lr': 1.0}"
    for variant in (one.untuned, one.make({"lr": 1.0})):
        assert variant.trials((0,))[0].id == one.variant.trials((0,))[0].id
    assert one.at({"lr": 0.1}).axes["lr"] == 0.1


def test_what_the_recipe_writes_for_other_optimizers_holds_in_the_tuning_of_them(tmp_path: Path) -> None:
    text = NETWORKS.replace("recipe.lr: {low: 0.01, high: 0.5, log: true}", "recipe.optimizer: [sgd, adamw]")
    texts = text, text.replace("epochs: 2", "epochs: 2, betas: [0.5, 0.6]")
    plain, written = (networks(tmp_path, each).tunings[0] for each in texts)
    assert plain.id != written.id and plain.untuned.trials((0,))[0].id == written.untuned.trials((0,))[0].id
    used = [tuning.make({"recipe.optimizer": "adamw"}).recipe.used["betas"] for tuning in (plain, written)]
    assert used == [(0.9, 0.999), (0.5, 0.6)]


def test_tuned_trials_are_those_of_a_study_that_writes_the_values(tmp_path: Path) -> None:
    experiment = networks(tmp_path)
    first, second = experiment.tunings
    assert [variant.trials((0, 1)) for variant in experiment.variants] == [[], []]
    plain = NETWORKS[: NETWORKS.index("tune:")]
    untuned = networks(tmp_path / "..", plain + "variants: [{net: [WRN-10-1, WRN-16-1]}]\n")
    assert [label(variant) for variant in experiment.variants] == [label(variant) for variant in untuned.variants]
    assert [one.untuned.trials((0,))[0].id for one in (first, second)] == [v.trials((0,))[0].id for v in untuned.variants]
    tuned = first.at({"recipe.lr": 0.03, "dropout": 0.3})
    grid = "variants: [{grid: {net: WRN-10-1, recipe.lr: 0.03, dropout: 0.3}}]\n"
    same = networks(tmp_path / "..", plain + grid)
    assert [trial.id for trial in tuned.trials((0, 1))] == [trial.id for trial in same.trials()]
    assert label(tuned) == "WRN-10-1" and tuned.tuned == {"recipe.lr": 0.03, "dropout": 0.3}


@pytest.mark.parametrize("values", [{"recipe.lr": 2.0, "dropout": 0.0}, {"recipe.lr": 0.1, "net": "WRN-16-1"}, {}])
def test_a_choice_of_values_that_the_study_does_not_have_is_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    experiment = networks(tmp_path)
    one = experiment.tunings[0]
    write_choice(experiment.runs, Choice(one.id, "median_validation_error", (Tried(values, (5.0,), ("0" * 16,)),), 0))
    with pytest.raises(RecordError, match=r"not in the space|not as `ablate run` writes it"):
        experiment.trials()


def test_a_damaged_choice_and_one_under_another_name_are_refused(tmp_path: Path) -> None:
    choice = Choice("0" * 16, "median_loss", (Tried({"lr": 0.5}, (1.0, None), ("a", "b")),), 0)
    write_choice(tmp_path, choice)
    path = choice_path(tmp_path, "0" * 16)
    assert read_choice(tmp_path, "0" * 16) == choice and read_choice(tmp_path, "1" * 16) is None
    path.with_name(f"{'1' * 16}.json").write_bytes(path.read_bytes())
    with pytest.raises(RecordError, match="not as `ablate run` writes it; remove it and run again"):
        read_choice(tmp_path, "1" * 16)
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.4"))
    with pytest.raises(RecordError, match="damaged, its sha256 is not that of its content"):
        read_choice(tmp_path, "0" * 16)


def test_a_merge_copies_choices_once_and_finds_those_that_differ(tmp_path: Path) -> None:
    choices = [Choice(str(i) * 16, "median_loss", (Tried({"lr": 0.5}, (float(i),), ("a",)),), 0) for i in range(3)]
    one, other, into = tmp_path / "one", tmp_path / "other", tmp_path / "into"
    for runs, of_runs in ((one, choices[:2]), (other, choices[1:]), (into, choices[2:])):
        for choice in of_runs:
            write_choice(runs, choice)
    copies, conflicts = plan_choices([one, other], into)
    assert copies == choices[:2] and not conflicts
    write_choice(other, Choice("1" * 16, "median_loss", (Tried({"lr": 0.5}, (7.0,), ("a",)),), 0))
    copies, conflicts = plan_choices([one, other], into)
    assert conflicts == [f"{choice_path(one, '1' * 16)} and {choice_path(other, '1' * 16)}: other candidates"]


@given(
    st.lists(st.tuples(st.sampled_from(["complete", "pruned"]), st.lists(st.floats(0, 9) | st.just(math.inf), min_size=1)))
    .filter(bool)
    .map(lambda tried: [("complete", tried[0][1]), *tried[1:]])
)
def test_the_chosen_candidate_is_complete_and_none_is_better(tried: list[tuple[str, Sequence[float]]]) -> None:
    from statistics import median
    from types import SimpleNamespace

    from ablate.study.decision import VALIDATION_ERROR

    candidates: Any = [
        SimpleNamespace(state=state, errors=dict(enumerate(errors)), values={"lr": i}, recorded_ids=())
        for i, (state, errors) in enumerate(tried)
    ]
    search = SimpleNamespace(objective="median_validation_error", objective_of=lambda errors: median(errors))
    kind: Any = SimpleNamespace(search=search, decision=VALIDATION_ERROR)
    chosen = tuning.make_choice("0" * 16, kind, candidates).chosen
    costs = [median(errors) if state == "complete" else math.inf for state, errors in tried]
    assert costs[chosen] == min(costs) and chosen == costs.index(min(costs)) and tried[chosen][0] == "complete"
