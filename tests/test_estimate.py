"""What a plan says of the cost, by invented probes and records."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import joblib
import pytest
from planned import plan_text

from ablate.api import load_study
from ablate.commands.plan_text import cost_lines
from ablate.errors import RunError
from ablate.estimate import hardware
from ablate.estimate.cost import PlannedTrial, estimate_cost
from ablate.estimate.hardware import CostOptions
from ablate.network_experiment import Experiment
from ablate.processes.devices import cpu_model as real_cpu_model
from ablate.records.attempts import open_trial, write_result
from ablate.records.epochs import append_epoch, write_epochs
from ablate.records.records import trial_directory
from ablate.records.timings import Milliseconds, Probe, probe_path, read_probes, write_probe
from ablate.report.provenance import foreseen_lines
from ablate.report.summary import summarize
from ablate.schedule import slots
from ablate.study.study import Trial, Variant
from ablate.train.estimates import workload_of

STUDY = """\
name: invented
data: {name: digits, train_size: 128, test_size: 64}
recipe: {base: wrn_cifar, epochs: 10, batch_size: 32}
seeds: 3
variants:
  - net: [WRN-10-1, WRN-10-2, WRN-16-1]
"""
NOT_NEEDED = {"torch", "pandas", "matplotlib", "scipy", "optuna", "rich"}  # by a plan
CPU, GPU = "A processor (AVX2)", "NVIDIA X"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores of a processor, and no GPU."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    monkeypatch.setattr(slots, "DEVICE_FILES", ())
    monkeypatch.setattr(hardware, "cpu_model", lambda: "A processor")


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    path = tmp_path / "invented.yaml"
    path.write_text(STUDY)
    return load_study(path, runs=tmp_path / "runs")


def probed(experiment: Experiment, variant: Variant, step_ms: float, **changes: Any) -> Probe:
    """A probe, written: a batch of 64 test images takes as long as a step, a start 2 s."""
    probe = Probe(
        net=variant.net,
        workload=workload_of(variant),
        device=CPU,
        kind="cpu",
        side_by_side=2,
        threads=1,
        torch="2.11",
        multiply_adds=variant.counts.multiply_adds,
        train_step_ms=Milliseconds(step_ms, step_ms / 2),
        test_batch=64,
        test_batch_ms=Milliseconds(step_ms, step_ms / 2),
        images_per_second=32_000 / step_ms,
        startup_seconds=2.0,
        peak_memory_bytes=None,
        steps=10,
        date="2026-01-01T00:00:00+00:00",
    )
    write_probe(experiment.runs, probe := replace(probe, **changes))
    return probe


def recorded(experiment: Experiment, trial: Trial, seconds: float, device: str = CPU, **changes: Any) -> None:
    """A record of 10 epochs that took so many seconds, a fifth of them testing."""
    directory = trial_directory(experiment.runs, trial.id)
    open_trial(directory, trial.definition)
    result: dict[str, Any] = {
        "status": "completed",
        "epochs": 10,
        "test_error": 5.0,
        "train_seconds": 0.8 * seconds,
        "test_seconds": 0.2 * seconds,
        "train_images": 128,
        "test_images": 64,
        "data_digest": "00aa",
        "provenance": {"device": device, "finished": "2026-01-01"},
        "earlier_attempts": [],
    }
    result |= changes
    fields = ("lr", "train_loss", "train_error", "test_loss", "test_error", "train_seconds", "test_seconds")
    write_epochs(directory, [{"epoch": n + 1, **dict.fromkeys(fields, 5.0)} for n in range(result["epochs"])])
    write_result(directory, result)


def estimates(experiment: Experiment, options: CostOptions | None = None) -> tuple[list[Any], dict[str, Any]]:
    plan = experiment.plan(options=options)
    return [variant["estimate"] for variant in plan["variants"]], plan["cost"]


def test_a_trial_takes_its_steps_its_test_batches_and_its_start(experiment: Experiment) -> None:
    small, wide, deep = experiment.variants
    for variant, ms in ((small, 100.0), (wide, 400.0), (deep, 200.0)):
        probed(experiment, variant, ms)
    found, cost = estimates(experiment)
    # 10 epochs of 4 steps and 1 test batch, and 2 seconds
    assert [one["trial_seconds"] for one in found] == pytest.approx([7.0, 22.0, 12.0])
    assert [one["epoch_seconds"] for one in found] == pytest.approx([0.5, 2.0, 1.0])
    assert {one["basis"] for one in found} == {"probe"} and not any(one["approximate"] for one in found)
    here = cost["here"]
    assert (cost["device"], cost["open_trials"], here["slots"], here["trials"]) == (CPU, 9, 2, 9)
    assert here["trial_seconds"] == pytest.approx(3 * 41) and here["device_seconds"] == here["trial_seconds"]
    # Longest first, two at a time: 22 22 | 22 12 | 12 12 | 7 7 | 7: 22 + 22 + 12 + 7 = 63 beside 22 + 12 + 12 + 7 + 7
    assert here["makespan_seconds"] == pytest.approx(63.0)


def test_the_end_is_in_local_time(experiment: Experiment) -> None:
    probed(experiment, experiment.variants[0], 100.0)
    now = datetime(2026, 1, 1, 23, 59, 30, tzinfo=timezone(timedelta(hours=2)))
    trials: list[list[PlannedTrial]] = [[PlannedTrial("x", 0, "missing")] * 20, [], []]
    _, cost = estimate_cost(experiment.variants, trials, experiment.runs, CostOptions(), now)
    assert cost["here"]["makespan_seconds"] == pytest.approx(70.0)
    assert cost["here"]["ends"] == "2026-01-02T00:00:40+02:00"
    assert "20 open trials, 0.0389 trial-hours; done in 70 s, Fri 02 Jan 2026 00:00" in cost_lines(cost)[0]


def test_records_of_this_device_come_before_its_probe(experiment: Experiment) -> None:
    small, wide, deep = experiment.variants
    for variant in (small, wide, deep):
        probed(experiment, variant, 100.0)
    trials = small.trials((0, 1, 2))
    recorded(experiment, trials[0], 30.0)
    recorded(experiment, trials[1], 50.0)
    recorded(experiment, wide.trials((0,))[0], 999.0, "another processor")
    # Another study's trials of the same network and images count; those on fewer images do not.
    other = deep.trials((7,))[0]
    recorded(experiment, replace(other, recipe=other.recipe.model_copy(update={"lr": 0.5})), 60.0)
    recorded(experiment, replace(other, seed=8), 5.0, train_images=64)
    found, cost = estimates(experiment)
    assert [one["basis"] for one in found] == ["records", "probe", "records"]
    assert [one["trial_seconds"] for one in found] == pytest.approx([42.0, 7.0, 62.0])
    assert [one["open_seconds"] for one in found] == pytest.approx([42.0, 14.0, 186.0])
    assert cost["open_trials"] == 6


def test_what_is_done_of_an_interrupted_trial_costs_nothing(experiment: Experiment) -> None:
    small = experiment.variants[0]
    probed(experiment, small, 100.0)
    trial = small.trials((0,))[0]
    directory = trial_directory(experiment.runs, trial.id)
    open_trial(directory, trial.definition)
    fields = ("lr", "train_loss", "train_error", "test_loss", "test_error", "train_seconds", "test_seconds")
    for epoch in range(1, 8):
        append_epoch(directory, {"epoch": epoch, **dict.fromkeys(fields, 1.0)})
    assert estimates(experiment)[0][0]["open_seconds"] == pytest.approx(3 * 0.5 + 2 + 2 * 7)


def test_without_a_probe_the_nearest_network_is_scaled(experiment: Experiment) -> None:
    small, wide, deep = experiment.variants
    probe = probed(experiment, small, 100.0)
    found, cost = estimates(experiment)
    for one, variant in ((found[1], wide), (found[2], deep)):
        scale = variant.counts.multiply_adds / small.counts.multiply_adds
        assert one["epoch_seconds"] == pytest.approx(0.5 * scale)
        assert (one["basis"], one["approximate"], one["source"]) == ("scaled", True, small.net)
    assert cost["here"]["approximate"] and not found[0]["approximate"]
    text = plan_text(experiment.plan())
    assert f"~{found[1]['trial_seconds'] / 3600:.3g} " in text and "~: estimated from another network" in text
    # A recorded network that is nearer is taken instead.
    probe_path(experiment.runs, probe).unlink()
    recorded(experiment, deep.trials((0,))[0], 40.0)
    found, _ = estimates(experiment)
    assert found[2]["basis"] == "records" and {found[0]["source"], found[1]["source"]} == {deep.net}
    scale = small.counts.multiply_adds / deep.counts.multiply_adds
    assert found[0]["trial_seconds"] == pytest.approx(40.0 * scale)


def test_a_probe_with_another_number_side_by_side_is_approximate(experiment: Experiment) -> None:
    small = experiment.variants[0]
    probed(experiment, small, 100.0, side_by_side=1, date="2026-01-02T00:00:00+00:00")
    assert estimates(experiment)[0][0]["approximate"]
    assert not estimates(experiment, CostOptions(slots=1))[0][0]["approximate"]
    probed(experiment, small, 200.0)
    assert estimates(experiment)[0][0]["epoch_seconds"] == pytest.approx(1.0)  # though it is older
    assert estimates(experiment, CostOptions(slots=1))[0][0]["epoch_seconds"] == pytest.approx(0.5)


def test_a_run_on_many_gpus_is_simulated(experiment: Experiment) -> None:
    small, wide, deep = experiment.variants
    probed(experiment, small, 100.0)
    for variant, ms in ((small, 10.0), (wide, 40.0), (deep, 20.0)):
        probed(experiment, variant, ms, device=GPU, kind="cuda", side_by_side=1)
    found, cost = estimates(experiment, CostOptions(gpus=(1, 2, 512)))
    assert found[0]["trial_seconds"] == pytest.approx(7.0)  # of the processor here
    assert [(run["device"], run["gpus"], run["slots"]) for run in cost["gpus"]] == [
        (GPU, 1, 1),
        (GPU, 2, 2),
        (GPU, 512, 512),
    ]
    # Trials of 2.5, 4 and 3 seconds, the three seeds of a variant together: on two GPUs 12 | 9 7.5; on 512
    # two of the cheapest, as they take no longer than the others
    whole = [run["makespan_seconds"] for run in cost["gpus"]]
    assert whole == pytest.approx([28.5, 16.5, 5.0])
    assert [run["approximate"] for run in cost["gpus"]] == [True, True, True]  # seeds were not timed together
    assert all(run["device_seconds"] == pytest.approx(28.5) for run in cost["gpus"])
    lines = cost_lines(cost)
    assert any(line.startswith(f"512 GPUs ({GPU}): 9 open trials, ~0.00792 trial-hours; done in ~5 s") for line in lines)
    assert any("a trial stays on one GPU" in line for line in lines)
    # Two slots a GPU: half the device-hours a trial-hour, and the probe was of one.
    (shared,) = estimates(experiment, CostOptions(gpus=(1,), slots_per_gpu=2))[1]["gpus"]
    assert shared["slots"] == 2 and shared["makespan_seconds"] == pytest.approx(16.5) and shared["approximate"]
    assert shared["device_seconds"] == pytest.approx(shared["trial_seconds"] / 2)


def test_seeds_side_by_side_on_a_gpu_are_estimated_by_their_share(experiment: Experiment) -> None:
    """A seed's share of a step of three is half of a step alone; a network that was not timed is scaled from it."""
    share = Milliseconds(5.0, 4.0)
    both = {"together": 3, "together_step_ms": share, "together_test_ms": share}
    for variant in experiment.variants[:2]:
        probed(experiment, variant, 10.0, device=GPU, kind="cuda", side_by_side=1, **both)
    trials = [[PlannedTrial("x", 0, "missing")] * 3] * 3

    def on_one_gpu(variants: int, cohorts: bool) -> dict[str, Any]:
        given = (experiment.variants[:variants], trials[:variants], experiment.runs, CostOptions(gpus=(1,)))
        (run,) = estimate_cost(*given, cohorts=cohorts)[1]["gpus"]
        assert run["makespan_seconds"] == pytest.approx(run["trial_seconds"])
        return run

    # Ten epochs of four steps and a test batch, and two seconds of start
    assert on_one_gpu(2, True)["trial_seconds"] == pytest.approx(2 * 3 * (2 + 50 * 0.005))
    assert on_one_gpu(2, False)["trial_seconds"] == pytest.approx(2 * 3 * (2 + 50 * 0.010))
    assert not on_one_gpu(2, True)["approximate"] and on_one_gpu(3, True)["approximate"]
    starts = 3 * 3 * 2.0
    together, apart = (on_one_gpu(3, cohorts)["trial_seconds"] - starts for cohorts in (True, False))
    assert together == pytest.approx(apart / 2)


def test_failures_of_gpus_are_simulated(experiment: Experiment) -> None:
    for variant in experiment.variants:
        probed(experiment, variant, 1000.0, device=GPU, kind="cuda", side_by_side=1)
        probed(experiment, variant, 1000.0)
    without, found = (estimates(experiment, CostOptions(gpus=(2,), failures=rate))[1] for rate in (0.0, 2000.0))
    assert found["here"] == {**without["here"], "ends": found["here"]["ends"]} and found["here"]["failures"] == 0
    (before,), (run,) = without["gpus"], found["gpus"]
    # Nine trials of 52 s on two GPUs, three together: two such cohorts after each other on one.
    assert before["makespan_seconds"] == pytest.approx(312.0) and before["lower_bound_seconds"] == pytest.approx(234.0)
    assert run["lower_bound_seconds"] == before["lower_bound_seconds"]
    assert run["failures"] > 0 and 0 < run["wasted_seconds"] <= 15 * run["failures"]
    assert run["makespan_seconds"] > before["makespan_seconds"]
    assert any("; 1.33 of the least possible" in line for line in cost_lines(without))
    assert any(f"with {run['failures']} failures, " in line and "trained twice" in line for line in cost_lines(found))
    # Fifteen seconds an epoch of three: with a failure a second it is hardly ever done.
    with pytest.raises(
        RunError, match=r"`failures`: 90000 a day are too many for epochs of 0.00417 hours; use at most 2.88e\+04"
    ):
        estimates(experiment, CostOptions(gpus=(2,), failures=90_000.0))
    with pytest.raises(RunError, match="`failures`: nan"):
        estimates(experiment, CostOptions(gpus=(2,), failures=float("nan")))
    with pytest.raises(RunError, match="`failures` requires `gpus`"):
        estimates(experiment, CostOptions(failures=1.0))


def test_without_any_timing_there_is_a_hint(experiment: Experiment) -> None:
    found, cost = estimates(experiment, CostOptions(gpus=(8,)))
    assert found == [None, None, None] and cost["here"] is None and cost["gpus"] == []
    assert ["probe" in remark for remark in cost["remarks"]] == [True, True]
    assert "no estimate: nothing is timed on this device" in plan_text(experiment.plan())
    # A damaged probe and one of another processor are as none.
    elsewhere = probed(experiment, experiment.variants[0], 100.0, device="Another processor (AVX2)")
    probe_path(experiment.runs, replace(elsewhere, side_by_side=9)).write_text("{")
    assert estimates(experiment)[0] == [None, None, None]


def test_recorded_trials_cost_nothing(experiment: Experiment) -> None:
    for trial in experiment.trials():
        recorded(experiment, trial, 40.0)
    found, cost = estimates(experiment, CostOptions(gpus=(8,)))
    assert cost["open_trials"] == 0 and cost["here"]["trial_seconds"] == 0
    assert [one["open_seconds"] for one in found] == [0, 0, 0]
    assert "9 trials: 9 recorded" in plan_text(experiment.plan()) and cost_lines(estimates(experiment)[1]) == []


def test_how_many_images_a_folder_has_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "invented.yaml"
    data = "data: {name: image_folder, title: Mine, classes: 10, image_size: 32}\n"
    path.write_text("".join([STUDY.splitlines(True)[0], data, *STUDY.splitlines(True)[2:]]))
    experiment = load_study(path, runs=tmp_path / "runs")
    probed(experiment, experiment.variants[0], 100.0)
    found, cost = estimates(experiment)
    assert found == [None, None, None] and cost["remarks"][0].startswith("Mine: the number of images is not known")
    assert estimates(load_study(path, ["data.copy_of=cifar10"], runs=tmp_path / "runs"))[0][0]["trial_seconds"] > 0


def test_the_gpu_here_is_known_by_the_driver_or_is_the_last_probed(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(slots, "DEVICE_FILES", (str(tmp_path / "nvidia*"),))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    small = experiment.variants[0]
    probed(experiment, small, 10.0, device=GPU, kind="cuda", side_by_side=1)
    probed(experiment, small, 20.0, device="NVIDIA Y", kind="cuda", side_by_side=1, date="2026-01-05T00:00:00+00:00")
    monkeypatch.setattr(hardware, "gpu_models", list)
    here = estimates(experiment)[1]["here"]
    assert (here["device"], here["slots"], here["side_by_side"]) == ("NVIDIA Y", 2, 1)
    monkeypatch.setattr(hardware, "gpu_models", lambda: [GPU])
    assert estimates(experiment, CostOptions(slots_per_gpu=3))[1]["here"]["slots"] == 6
    assert estimates(experiment, CostOptions(slots=1))[1]["here"]["slots"] == 1
    assert estimates(experiment)[1]["device"] == GPU
    probed(experiment, small, 100.0)
    assert estimates(experiment, CostOptions(device="cpu"))[1]["device"] == CPU


def test_estimated_against_actual(experiment: Experiment) -> None:
    small, wide, _ = experiment.variants
    probed(experiment, small, 100.0)  # 5 seconds a trial, its start aside
    probed(experiment, small, 10.0, device=GPU, kind="cuda")
    probed(experiment, wide, 400.0, device=GPU, kind="cuda")
    trials = small.trials((0, 1, 2))
    recorded(experiment, trials[0], 6.0)
    recorded(experiment, trials[1], 5.0)
    recorded(experiment, trials[2], 100.0, earlier_attempts=[{"device": GPU}])
    recorded(experiment, wide.trials((0,))[0], 100.0)  # never probed on this device
    summaries = summarize(experiment.variants, experiment.study.seeds, experiment.runs)
    found = foreseen_lines(summaries, read_probes(experiment.runs))
    assert found == [f"{CPU}: 2 trials took 0.00306 device-hours; the probes estimated 0.00278 (+10%)"]  # 11 and 10 seconds
    assert foreseen_lines(summaries, []) == []


@pytest.mark.parametrize("options", [CostOptions(device="tpu"), CostOptions(slots=0), CostOptions(slots_per_gpu=0)])
def test_options_that_cannot_be(experiment: Experiment, options: CostOptions) -> None:
    for variant in experiment.variants:
        probed(experiment, variant, 100.0)
    with pytest.raises(RunError):
        experiment.plan(options=options)


def test_the_command_prints_all_of_it_without_torch(experiment: Experiment, tmp_path: Path) -> None:
    device = f"{real_cpu_model()} (AVX2)"
    for variant in experiment.variants:
        probed(experiment, variant, 100.0, device=device)
        probed(experiment, variant, 10.0, device=GPU, kind="cuda", side_by_side=1)
    script = (
        "import sys, atexit; from ablate.commands.cli import main\n"
        f"atexit.register(lambda: print(sorted({NOT_NEEDED} & set(sys.modules)), file=sys.stderr))\n"
        "main()"
    )

    def plan(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", script, "plan", "invented.yaml", "--device", "cpu", "--slots", "2", *words]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)

    done = plan("--gpus", "1,512", "--json")
    assert (done.returncode, done.stderr) == (0, "[]\n")
    cost = json.loads(done.stdout)["cost"]
    assert cost["device"] == device and cost["here"]["makespan_seconds"] == pytest.approx(5 * 7.0)
    assert [run["makespan_seconds"] for run in cost["gpus"]] == pytest.approx([9 * 2.5, 2 * 2.5])
    wrong = plan("--gpus", "many")
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: --gpus: found 'many'; allowed: numbers from 1")
