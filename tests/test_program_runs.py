"""A study of a program from the file to its records: runs in workers, failures, retries, stops, plan and status."""

from __future__ import annotations

import io
import signal
from pathlib import Path

import pytest
from console import start_forked
from planned import plan_text
from rich.console import Console
from waiting import wait_for

from ablate.api import load_experiment
from ablate.commands.outcome_text import run_text, verification_text
from ablate.commands.status_text import status_text
from ablate.errors import RunError
from ablate.launch.options import RunOptions
from ablate.launch.summary import INCOMPLETE, RunSummary
from ablate.processes.signals import PREEMPTED
from ablate.program_experiment import ProgramExperiment

pytestmark = pytest.mark.usefixtures("forked")

STUDY = """\
name: program
program:
  command: python -S train.py {mode} {seed}
  files: [train.py]
  epochs: 3
measures: [error]
seeds: 1
variants:
  - grid: {mode: [good, bad]}
"""
TRAIN = """\
import os, sys, time
own, mode = os.environ["ABLATE_TRIAL"], sys.argv[1]
begun = os.path.exists(own + "/begun")
open(own + "/begun", "w").close()
for epoch in range(1, 4):
    print('{"epoch": %d, "error": %d}' % (epoch, 9 - epoch))
    if mode == "bad": sys.exit("no good")
    if mode == "killed" and not begun: os.kill(os.getpid(), 9)
    if mode == "slow" and not begun: time.sleep(60)
    if mode == "env": print({key: os.environ[key] for key in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")})
"""


def experiment(folder: Path, modes: str = "good, bad") -> ProgramExperiment:
    (folder / "train.py").write_text(TRAIN)
    (folder / "study.yaml").write_text(STUDY.replace("good, bad", modes))
    found = load_experiment(folder / "study.yaml", runs=folder / "runs")
    assert isinstance(found, ProgramExperiment)
    return found


def run(of: ProgramExperiment, slots: int = 1) -> tuple[RunSummary, str]:
    console = Console(file=io.StringIO(), width=200)
    summary = of.run(RunOptions(device="cpu", slots=slots), console)
    return summary, console.file.getvalue()  # type: ignore[attr-defined]


def test_trials_that_fail_by_one_cause_are_one_line() -> None:
    failed = [(f"seed {n}", "the program exited with code 1" if n else "killed", Path(f"{n}/log.txt")) for n in range(4)]
    lines = run_text(RunSummary(4, failed=failed)).splitlines()
    assert lines[1:] == [
        "failed: seed 0: killed (0/log.txt)",
        "failed: seed 1 and 2 more trials: the program exited with code 1 (1/log.txt)",
    ]
    assert len(run_text(RunSummary(4, failed=failed[:3])).splitlines()) == 4  # of two both are named


def test_a_failed_program_costs_its_own_trial_alone(tmp_path: Path) -> None:
    of = experiment(tmp_path)
    summary, said = run(of)
    assert (summary.trained, summary.open, summary.exit_code) == (1, 1, INCOMPLETE)
    ((label, cause, log),) = summary.failed
    assert (label, cause) == ("mode bad seed 0", "the program exited with code 1: no good")
    assert "no good" in log.read_text()
    assert "6 error" in said
    assert of.status()["states"] == {"recorded": 1, "failed": 1}
    assert "failed: mode bad seed 0: the program exited with code 1: no good" in status_text(of.status())
    again, _ = run(of)
    assert (again.recorded_before, again.trained, len(again.failed)) == (1, 0, 1)


def test_a_killed_program_is_tried_again_and_sees_one_core(tmp_path: Path) -> None:
    of = experiment(tmp_path, "killed, env")
    summary, said = run(of, slots=2)
    assert (summary.trained, summary.exit_code) == (2, 0)
    assert "mode killed seed 0: Broken: the program was ended by SIGKILL; again from its checkpoint" in said
    log = of.runs / of.trials()[1].id / "log.txt"
    assert "{'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}" in log.read_text()


def test_a_preempted_run_ends_its_programs_and_goes_on_later(tmp_path: Path) -> None:
    of = experiment(tmp_path, "slow")
    begun = of.runs / of.trials()[0].id / "epochs.jsonl"
    process = start_forked("run", "study.yaml", "--slots", 1, cwd=tmp_path)
    try:
        wait_for(lambda: begun.exists() and begun.stat().st_size, 60)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == PREEMPTED
    finally:
        process.kill()
    assert of.status()["states"] == {"interrupted": 1}
    assert run(of)[0].trained == 1


def test_a_command_that_is_not_here_can_be_planned_but_not_run(tmp_path: Path) -> None:
    experiment(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY.replace("python -S", "pythn -S"))
    of = load_experiment(tmp_path / "study.yaml", runs=tmp_path / "runs")
    assert isinstance(of, ProgramExperiment)
    said = "study.yaml:3:3: program.command: there is no program 'pythn' on the path or in "
    assert said in plan_text(of.plan())
    with pytest.raises(RunError, match=said):
        run(of)
    assert not (tmp_path / "runs").exists()


def test_a_plan_shows_ids_and_the_first_command(tmp_path: Path) -> None:
    of = experiment(tmp_path)
    text = plan_text(of.plan())
    assert all(trial.id in text for trial in of.trials())
    assert f"first command, in {tmp_path}: python -S train.py good 0" in text
    assert text.splitlines()[-1] == "2 variants, 2 trials: 2 missing"
    with pytest.raises(RunError, match="a program cannot be timed"):
        of.plan(probe=True)


def test_an_edit_of_the_program_leaves_no_record_unsaid(tmp_path: Path) -> None:
    run(experiment(tmp_path, "good, code"))
    (tmp_path / "train.py").write_text(f"{TRAIN}# edited\n")
    edited = load_experiment(tmp_path / "study.yaml", runs=tmp_path / "runs")
    assert isinstance(edited, ProgramExperiment)
    (line,) = edited.earlier()
    assert line.startswith("2 records under an earlier train.py (")
    assert line.endswith("`ablate adopt` takes over those that are still the same")
    assert line in status_text(edited.status()).splitlines() and line in plan_text(edited.plan()).splitlines()


def test_verify_compares_all_that_a_program_reports(tmp_path: Path) -> None:
    of = experiment(tmp_path, "good, env")
    run(of, slots=2)
    console, options = Console(file=io.StringIO()), RunOptions(device="cpu", slots=2, quiet=True)
    found = of.verify(2, 0, options, console)
    assert found.exit_code == 0
    assert "mode good seed 0" in verification_text(found) and "2 of 2 bit-equal" in verification_text(found)
    (tmp_path / "train.py").write_text(TRAIN.replace("9 - epoch", "9 - epoch - (epoch == 2)"))  # as a program that draws
    other = of.verify(1, 0, options, console)
    assert "differs from epoch 2 on, errors at most 1 off: 6 then, 6 now" in verification_text(other)
    assert other.as_json()["trials"][0]["error"] == {"then": 6, "now": 6}


def test_records_under_an_earlier_file_are_told_and_adopted_where_equal(tmp_path: Path) -> None:
    of = experiment(tmp_path, "good, env")
    run(of, slots=2)
    text = TRAIN.replace("import os", "# a remark\nimport os").replace("print({key", 'print("x", {key')
    (tmp_path / "train.py").write_text(text.replace("9 - epoch", "9 - epoch - (mode == 'env')"))
    edited = load_experiment(tmp_path / "study.yaml", runs=of.runs)
    assert isinstance(edited, ProgramExperiment)
    (remark,) = edited.status()["remarks"]
    assert remark.startswith("2 records under an earlier train.py (")
    adoption = edited.adopt(RunOptions(device="cpu", slots=2, quiet=True), Console(file=io.StringIO()))
    assert [one.how for one in adoption.variants] == ["equal", "different"]
    assert edited.status()["states"] == {"recorded": 2}


def test_a_plan_says_how_long_recorded_trials_took(tmp_path: Path) -> None:
    of = experiment(tmp_path)
    assert of.plan()["cost"] == {"trial_seconds": None, "open_trials": 2}
    run(of, slots=2)
    cost = of.plan()["cost"]
    assert cost["open_trials"] == 1 and 0 < cost["trial_seconds"] < 60
    assert "; 1 open trial: " in plan_text(of.plan())
