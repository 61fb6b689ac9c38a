"""Seeds until it is decided, from the study file to the report: a program whose numbers are drawn from the seed."""

from __future__ import annotations

import io
import json
import math
import random
import shutil
from pathlib import Path

import pytest
from console import start_forked
from planned import plan_text
from recorded import record
from rich.console import Console

from ablate.api import load_experiment
from ablate.commands.status_text import status_text
from ablate.errors import StudyError
from ablate.launch.options import RunOptions
from ablate.launch.summary import INCOMPLETE, RunSummary
from ablate.network_experiment import Experiment
from ablate.program_experiment import ProgramExperiment
from ablate.report.compared import Outcome
from ablate.report.numbers import format_of
from ablate.report.rounds import Rounds, too_few_seeds
from ablate.report.rounds_table import _saved, _sentence
from ablate.report.writers.plain import document_text
from ablate.statistics.sequential import Rule, follow
from ablate.study.spec import load_any_study

STUDY = """\
name: rounds
program: {command: "python -S train.py {shift} {seed}", files: [train.py]}
measures: [error]
seeds: {from: 4, to: 10, until: decided, smallest_difference: 0.6}
variants: [{grid: {shift: [0, 0.1, 3, 0.35]}}]
baseline: {shift: 0}
"""
TRAIN = """\
import os, random, sys
shift, seed = float(sys.argv[1]), int(sys.argv[2])
if os.path.exists("broken") and shift == 3 and seed == 4: sys.exit("no good")
print('{"error": %r}' % (10 + shift + random.Random(f"{shift} {seed}").gauss(0, 0.25)))
"""
NETWORKS = """\
name: folded
data: {name: digits, train_size: 128}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32}
validation: {folds: 2}
seeds: {from: 3, to: 9, until: decided}
variants:
  - net: [WRN-10-0.25, WRN-10-0.5]
baseline: WRN-10-0.25
"""


def program(folder: Path, runs: str = "runs", study: str = STUDY) -> ProgramExperiment:
    (folder / "train.py").write_text(TRAIN)
    (folder / "study.yaml").write_text(study)
    found = load_experiment(folder / "study.yaml", runs=folder / runs)
    assert isinstance(found, ProgramExperiment)
    return found


def run(of: ProgramExperiment) -> tuple[RunSummary, str]:
    console = Console(file=io.StringIO(), width=200)
    summary = of.run(RunOptions(inline=True), console)
    return summary, console.file.getvalue()  # type: ignore[attr-defined]


def trained(of: ProgramExperiment) -> set[str]:
    return {path.parent.name for path in of.runs.glob("*/result.json")}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> ProgramExperiment:
    of = program(tmp_path_factory.mktemp("rounds"))
    assert run(of)[0].exit_code == 0
    return of


def test_a_comparison_stops_when_it_is_decided_and_another_goes_to_the_end(done: ProgramExperiment) -> None:
    equal, far, near = done.status()["comparisons"]
    assert (far["verdict"], far["next_seed"]) == ("different", None)
    assert far["seeds"] < 10 and far["interval"][0] > 0
    assert equal["verdict"] == "equivalent" and equal["seeds"] < 10
    assert (near["verdict"], near["seeds"]) == ("undecided", 10)
    assert trained(done) == {trial.id for trial in done.trials()}  # no other, and none twice
    assert len(done.trials()) == 10 + equal["seeds"] + far["seeds"] + 10
    again, said = run(done)
    assert (again.trained, again.recorded_before, again.exit_code) == (0, len(done.trials()), 0)
    assert "round" not in said


def test_status_plan_and_report_say_what_came_of_it(done: ProgramExperiment) -> None:
    text = status_text(done.status())
    assert "shift 3 against shift 0: decided after 9 seeds (different)" in text
    assert "shift 0.35 against shift 0: undecided after 10 seeds, the maximum" in text
    planned = done.plan()
    assert (planned["until"]["least"], planned["until"]["most"], planned["until"]["asked"]) == (16, 40, len(done.trials()))
    assert planned["until"]["recorded"] and 0.2 < planned["until"]["standard_deviation"] < 0.5
    assert "expected: " in plan_text(planned)
    report = done.report()
    said = document_text(report.document)
    assert "shift 3 is worse than shift 0 by" in said
    assert "equivalent within 0.6" in said and "is equivalent to shift 0 within 0.6" in report.finding()
    assert "shift 0.35 and shift 0: not decided after 10 seeds, the maximum of the study" in said
    assert "What is undecided can go on: raise seeds.to, up to 50; the test counts all looks up to there" in said
    assert "seeds.to may be raised to 50 later: all looks up to there are counted" in plan_text(planned)
    assert "trainings in all; a fixed number of seeds with the same power" in said
    assert "cannot be told apart" not in said and "Incomplete" not in said  # the verdicts are those of the rounds alone
    assert {"verdict", "seeds_decided", "interval_low", "p_sequential"} <= {*report.frames()["table"].columns}
    json.dumps(report.as_json(), allow_nan=False)


@pytest.mark.parametrize("seed", range(2))
def test_a_run_goes_on_from_any_part_of_the_records(done: ProgramExperiment, tmp_path: Path, seed: int) -> None:
    of = program(tmp_path)
    (tmp_path / "runs").mkdir()
    for name in sorted(trained(done)):
        if random.Random(f"{seed} {name}").random() < 0.6:
            shutil.copytree(done.runs / name, of.runs / name)
    kept = len(trained(of))
    summary, _ = run(of)
    assert trained(of) == trained(done)
    assert (summary.recorded_before + summary.trained, summary.exit_code) == (len(trained(done)), 0)
    assert summary.trained == len(trained(done)) - kept
    assert of.status()["comparisons"] == done.status()["comparisons"]


def test_the_records_of_all_rounds_are_adopted_at_once(done: ProgramExperiment, tmp_path: Path) -> None:
    program(tmp_path)
    shutil.copytree(done.runs, tmp_path / "runs")
    (tmp_path / "train.py").write_text(f"{TRAIN}shift = 0\n")
    of = load_experiment(tmp_path / "study.yaml", runs=tmp_path / "runs")
    assert isinstance(of, ProgramExperiment)
    found = of.adopt(RunOptions(inline=True, quiet=True))
    assert (sum(one.records for one in found.variants), found.exit_code) == (len(trained(done)), 0)
    assert of.status()["comparisons"] == done.status()["comparisons"]
    assert run(of)[0].trained == 0


def test_a_failed_trial_ends_the_rounds_and_the_next_run_goes_on(done: ProgramExperiment, tmp_path: Path) -> None:
    of = program(tmp_path)
    (tmp_path / "broken").touch()
    summary, said = run(of)
    assert (summary.exit_code, summary.open, len(summary.failed)) == (INCOMPLETE, 1, 1)
    assert "the round of seed 4: 3 of 3 comparisons open; it is not complete, so no further seed is trained" in said
    assert "shift 3 against shift 0: open, next seed 4" in status_text(of.status())
    (tmp_path / "broken").unlink()
    assert run(of)[0].exit_code == 0
    assert trained(of) == trained(done)


@pytest.mark.usefixtures("forked")
def test_parts_that_share_the_records_share_each_round(done: ProgramExperiment, tmp_path: Path) -> None:
    of = program(tmp_path)
    words = ("run", "study.yaml", "--slots", 1, "--shard")
    parts = [start_forked(*words, f"{part}/2", cwd=tmp_path) for part in (1, 2)]
    said = [part.communicate(timeout=120)[0] for part in parts]
    assert [part.returncode for part in parts] == [0, 0], said
    assert trained(of) == trained(done)
    assert "share each round through runs" in said[0]


def test_with_folds_a_seed_counts_by_its_mean_and_when_all_folds_are_recorded(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(NETWORKS)
    of = load_experiment(tmp_path / "study.yaml", runs=tmp_path / "runs")
    assert isinstance(of, Experiment)
    while (rounds := of.rounds()) and not rounds.over:
        before = len(of.trials())
        for trial in of.trials():
            error = 40.0 + trial.seed + (10.0 if trial.architecture.k == 0.5 else 0.0) + trial.data.held_out.fold  # type: ignore
            record(of.runs, trial, error, test_error=error)
        assert len(of.trials()) >= before
    assert rounds is not None
    (course,) = rounds.followed.courses
    assert (course.verdict, course.estimate, rounds.asked) == ("different", 10.0, 2 * 2 * course.n)
    assert len(of.trials()) == rounds.asked == of.analysis().recorded
    assert "WRN-10-0.5 is worse than WRN-10-0.25 by 10.00 points" in " ".join(of.analysis().sentences)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seeds.to=3", "seeds.to: found 3; allowed: 4 (seeds.from) or more"),
        ("seeds.too=3", "unknown key 'too'; did you mean 'to'?"),
        ("seeds.until=now", "seeds.until: found 'now'; allowed: decided"),
        ("seeds.to=51", "seeds.to: found 51; allowed: less than or equal to 50"),
        ("seeds.smallest_difference=0", "seeds.smallest_difference: found 0; allowed: greater than 0"),
        ("seeds={from: 4}", "seeds.to is missing; allowed: such as to: 20"),
        ("baseline=", "baseline"),
    ],
)
def test_what_is_wrong_with_the_rule_is_said(tmp_path: Path, override: str, said: str) -> None:
    program(tmp_path)
    with pytest.raises(StudyError) as raised:
        load_any_study(tmp_path / "study.yaml", [override])
    assert said in str(raised.value)


def test_a_variant_that_diverges_is_worse_without_a_number() -> None:
    rule, infinite = Rule(4, 20), (math.inf, math.inf)
    said = _sentence("a", "b", Outcome("a", "b", "worse", None, infinite, 7), rule, format_of("%"))
    assert said == "a is worse than b: decided after 7 seeds; seeds of one side diverged."


def test_a_study_without_a_baseline_or_with_too_few_seeds_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.replace("baseline: {shift: 0}\n", ""))
    with pytest.raises(StudyError, match=r"study.yaml:4:26: seeds.until needs 'baseline'"):
        load_any_study(tmp_path / "study.yaml")
    search = "search: {space: {shift: [0, 1]}, trials: 2, sampler: grid}\n"
    (tmp_path / "study.yaml").write_text(STUDY.replace("variants: [{grid: {shift: [0, 0.1, 3, 0.35]}}]\n", search))
    with pytest.raises(StudyError, match=r"seeds.until is not valid in a study with 'search'"):
        load_any_study(tmp_path / "study.yaml")
    few = program(tmp_path, study=STUDY.replace("to: 10", "to: 6")).remarks()
    assert few[-1] == "note: 6 seeds cannot show a difference in any of 3 comparisons; use seeds.to: 9"
    families = ["Digits", *["CIFAR-10"] * 17]  # 9 seeds can decide the one, not the seventeen
    assert too_few_seeds(Rule(4, 9), families) == [
        "note: 9 seeds cannot show a difference in any of 17 comparisons on CIFAR-10; use seeds.to: 12"
    ]


def test_seeds_that_can_show_no_difference_may_show_that_two_are_equivalent() -> None:
    """So the note is about differences alone. Each of the two tests of `equivalent` has the whole level."""
    rule = Rule(3, 8, margin=1.0)
    (said,) = too_few_seeds(rule, [""] * 2)
    assert said == "note: 8 seeds cannot show a difference in any of 2 comparisons; use seeds.to: 9"
    alike, better = dict.fromkeys(range(8), 0.0), dict.fromkeys(range(8), -3.0)
    followed = follow(rule, [(1, 0), (2, 0)], [0, 0], [alike, alike, better])
    assert [course.verdict for course in followed.courses] == ["equivalent", "undecided"]


def test_records_that_the_settings_did_not_ask_for_are_said_to_be_none_of_theirs(
    done: ProgramExperiment, tmp_path: Path
) -> None:
    """`to` may change after a look; that another alpha ended comparisons earlier shows in such records."""
    shutil.copytree(done.runs, tmp_path / "runs")
    assert "not asked for" not in document_text(done.report().document)
    looser = program(tmp_path, study=STUDY.replace("until: decided", "until: decided, alpha: 0.5"))
    note = "recorded trainings are not asked for by these settings, and do not count. If alpha, the smallest difference"
    assert note in document_text(looser.report().document) and note in plan_text(looser.plan()) and note in run(looser)[1]
    longer = program(tmp_path, study=STUDY.replace("to: 10", "to: 12"))
    before, after = done.status()["comparisons"], longer.status()["comparisons"]
    assert after[:2] == before[:2] and "not asked for" not in plan_text(longer.plan())  # what was decided stays decided
    assert (before[2]["verdict"], after[2]["verdict"], after[2]["next_seed"]) == ("undecided", "open", 10)


def test_what_can_decide_nothing_is_not_said_to_have_power() -> None:
    """A rule with too few seeds was said to find a difference of 8 standard deviations in 80% of cases."""
    rule, k = Rule(4, 6), 4
    pairs, values = tuple((i, 0) for i in range(1, k + 1)), [{seed: float(i) for seed in range(6)} for i in range(k + 1)]
    followed = follow(rule, pairs, (0,) * k, values)
    rounds = Rounds(rule, followed, pairs, (0,) * k, tuple("abcde"), 1, None)
    assert _saved(rounds, tuned=False) == "30 trainings in all; 6 seeds, the maximum, cannot show any difference."


@pytest.mark.parametrize(("far", "said"), [(1, "1 more was needed"), (0, "2 more were needed")])
def test_one_training_more_is_said_of_one(far: int, said: str) -> None:
    """Of two variants, one seed of which was not needed, and of two that had all."""
    rule = Rule(4, 20)
    seeds = Rounds(rule, follow(rule, ((1, 0),), (0,), [{}, {}]), ((1, 0),), (0,), ("a", "b"), 1, None).fixed[0]
    asked = [seeds + 1, seeds + 1 - far]
    followed = follow(rule, ((1, 0),), (0,), [{}, {}])._replace(asked=tuple(asked))
    assert _saved(Rounds(rule, followed, ((1, 0),), (0,), ("a", "b"), 1, None), tuned=False).endswith(f": {said}.")
