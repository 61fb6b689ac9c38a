"""run_searches() on invented landscapes: what is trained, told and counted. Breaks are in test_resume.py."""

from __future__ import annotations

import math
import shutil
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState
from PIL import Image
from search.landscape import DROPOUT, Landscape, invent, optuna_trials, search, told, valley

from ablate.api import load_search
from ablate.commands.outcome_text import search_text
from ablate.errors import RecordError, RunError
from ablate.estimate.probing import make_probe
from ablate.launch.options import RunOptions
from ablate.records.attempts import read_failure
from ablate.records.epochs import read_epochs
from ablate.records.records import read_record, trial_directory, trial_state
from ablate.records.timings import write_probe
from ablate.report.candidate import Candidate
from ablate.search import search_driver
from ablate.search.results import importances
from ablate.search.sampler import FeasibleSampler
from ablate.study.study import Trial
from ablate.train import attempt as training

TWO = "{dropout: [0.0, 0.3]}"


def candidates(path: Path, runs: Path) -> list[Candidate]:
    return load_search(path, runs=runs).candidates()


def names(trained: list[tuple[Trial, int]]) -> list[tuple[float, int, int]]:
    """(dropout, fold, epoch) of what was trained."""
    return [(trial.architecture.dropout, trial.data.held_out.fold, epoch) for trial, epoch in trained]  # type: ignore


def test_every_fold_of_every_candidate_is_a_trial_with_its_own_record(tmp_path: Path) -> None:
    path, runs, landscape = invent(tmp_path), tmp_path / "runs", Landscape()
    summary = search(path, runs, landscape)
    assert (summary.candidates, summary.evaluated, summary.trained, summary.exit_code) == (4, 4, 12, 0)
    found = candidates(path, runs)
    assert [candidate.state for candidate in found] == ["complete"] * 4
    trials = [trial for candidate in found for trial in candidate.trials]
    assert len({trial.id for trial in trials}) == 12
    assert [trial.data.held_out.fold for trial in trials] == [0, 1, 2] * 4  # type: ignore[union-attr]
    for candidate in found:
        for number, trial in enumerate(candidate.trials):
            record = read_record(runs, trial.id)
            assert (
                record
                and record.split == "validation"
                and record.eval_error == valley(trial, 2) == candidate.errors[number]
            )
        assert candidate.median == sorted(candidate.errors.values())[1]
    values = [trial.value for trial in optuna_trials(path, runs)]
    assert values == [candidate.median for candidate in found]
    best = min(found, key=lambda candidate: candidate.median or math.inf)
    assert summary.best == f"{best.label}: {best.median:.2f}% validation error"
    assert f"lowest: {summary.best}" in search_text(summary) and "4 evaluated" in search_text(summary)


def test_the_mean_is_the_objective_where_the_study_says_so(tmp_path: Path) -> None:
    path = invent(tmp_path, trials=1, objective="mean", space="{dropout: [0.3]}")
    search(path, tmp_path / "runs", Landscape(lambda trial, epoch: float((1, 2, 6)[trial.data.held_out.fold])))  # type: ignore
    assert optuna_trials(path, tmp_path / "runs")[0].value == 3.0


def test_a_candidate_seen_before_trains_nothing(tmp_path: Path) -> None:
    path, runs, landscape = invent(tmp_path, trials=6, space=TWO), tmp_path / "runs", Landscape()
    summary = search(path, runs, landscape)
    assert (summary.evaluated, summary.trained) == (6, 6)  # two candidates that differ, three folds each
    each_once = [(dropout, fold, epoch) for dropout in (0.0, 0.3) for fold in range(3) for epoch in (1, 2)]
    assert sorted(names(landscape.trained)) == each_once
    assert all(trial.state == TrialState.COMPLETE for trial in optuna_trials(path, runs))
    other = invent(tmp_path, trials=3, space="{dropout: [0.3, 0.6]}", sampler="grid")
    landscape.trained.clear()
    assert search(other, runs, landscape).evaluated == 2
    assert {dropout for dropout, _, _ in names(landscape.trained)} == {0.6}


def test_a_search_that_is_done_does_nothing(tmp_path: Path) -> None:
    path, landscape = invent(tmp_path, trials=2), Landscape()
    search(path, tmp_path / "runs", landscape)
    before = told(optuna_trials(path, tmp_path / "runs"))
    landscape.trained.clear()
    summary = search(path, tmp_path / "runs", landscape)
    assert (summary.done_before, summary.evaluated, summary.exit_code) == (2, 0, 0) and not landscape.trained
    assert told(optuna_trials(path, tmp_path / "runs")) == before


def test_more_trials_than_before_go_on_where_it_ended(tmp_path: Path) -> None:
    at_once = invent(tmp_path, trials=5)
    search(at_once, tmp_path / "at once")
    path = invent(tmp_path, trials=2)
    search(path, tmp_path / "runs")
    path = invent(tmp_path, trials=5)
    summary = search(path, tmp_path / "runs")
    assert (summary.candidates, summary.done_before, summary.evaluated) == (5, 2, 3)
    assert told(optuna_trials(path, tmp_path / "runs")) == told(optuna_trials(path, tmp_path / "at once"))


def test_a_failed_candidate_is_tried_again_by_the_next_search_and_takes_its_place(tmp_path: Path) -> None:
    path, runs, broken = invent(tmp_path, trials=4), tmp_path / "runs", True

    def before(trial: Trial, epoch: int) -> None:
        if broken and trial.architecture.dropout < 0.3 and epoch == 2:
            raise ValueError("it broke")

    landscape = Landscape(before=before)
    for _ in range(2):  # it may fail again
        summary = search(path, runs, landscape)
        assert summary.exit_code == 3 and len(summary.failed) == 2
        label, cause, log = summary.failed[0]
        assert "dropout0.2" in label and cause == "ValueError: it broke" and "ValueError: it broke" in log.read_text()
        assert f"failed: {label}: {cause} ({log})" in search_text(summary) and " open" not in search_text(summary)
        found = candidates(path, runs)
        assert sorted(candidate.state for candidate in found) == ["complete", "complete", "failed", "failed"]
        failed = [candidate for candidate in found if candidate.state == "failed"]
        assert read_failure(trial_directory(runs, failed[0].trials[0].id)) == "ValueError: it broke"
    broken = False
    landscape.trained.clear()
    summary = search(path, runs, landscape)
    assert (summary.done_before, summary.evaluated, summary.failed, summary.exit_code) == (2, 2, [], 0)
    assert names(landscape.trained)[0][2] == 2  # from its checkpoint
    found = candidates(path, runs)
    assert [candidate.state for candidate in found] == ["complete"] * 4
    whole = invent(tmp_path, trials=4)
    search(whole, tmp_path / "unbroken")
    expected = {candidate.label: candidate.errors for candidate in candidates(whole, tmp_path / "unbroken")}
    assert {candidate.label: candidate.errors for candidate in found} == expected


@pytest.mark.parametrize("pruner", ["none", "wilcoxon", "median"])
def test_a_training_that_diverges_is_worse_than_any_error(tmp_path: Path, pruner: str) -> None:
    path = invent(tmp_path, trials=4, folds=5, pruner=pruner, sampler="tpe")
    landscape = Landscape(diverges=lambda trial: trial.architecture.dropout > 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # Python 3.13 tells of Optuna's databases in garbage
        summary = search(path, tmp_path / "runs", landscape)
    assert summary.exit_code == 0 and summary.evaluated + summary.pruned == 4
    for candidate, trial in zip(candidates(path, tmp_path / "runs"), optuna_trials(path, tmp_path / "runs")):
        diverged = candidate.values["dropout"] > 0.5
        assert (candidate.median == math.inf) == diverged and (trial.value == 100.0) == diverged
    assert any(candidate.median == math.inf for candidate in candidates(path, tmp_path / "runs"))


def test_where_all_diverge_none_is_the_best(tmp_path: Path) -> None:
    summary = search(invent(tmp_path, trials=2), tmp_path / "runs", Landscape(diverges=lambda trial: True))
    assert summary.evaluated == 2 and summary.best.endswith(": diverged")


def test_a_fold_that_diverges_does_not_spoil_the_median(tmp_path: Path) -> None:
    path = invent(tmp_path, trials=1, space="{dropout: [0.3]}")
    search(path, tmp_path / "runs", Landscape(diverges=lambda trial: trial.data.held_out.fold == 0))  # type: ignore
    (candidate,) = candidates(path, tmp_path / "runs")
    assert candidate.errors == {0: math.inf, 1: 5.1, 2: 5.2} and candidate.median == 5.2


GOOD_THEN_BAD = f"  enqueue: [{', '.join(f'{{dropout: {value}}}' for value in (0.3, 0.25, 0.35, 0.2, 0.4, 0.0))}]\n"
PRUNERS = {"wilcoxon": {"folds": 6}, "median": {"folds": 2, "epochs": 3}, "hyperband": {"folds": 2, "epochs": 9}}


@pytest.mark.parametrize("pruner", PRUNERS)
def test_pruners_end_candidates_early_and_alike_where_all_was_recorded_before(tmp_path: Path, pruner: str) -> None:
    trials, more, changes = 6, GOOD_THEN_BAD, PRUNERS[pruner]
    if pruner == "hyperband":  # which has brackets, by the candidates' numbers
        trials, more = 12, ""
    path, landscape = invent(tmp_path, trials, more, pruner=pruner, **changes), Landscape()
    summary = search(path, tmp_path / "runs", landscape)
    found, of_optuna = candidates(path, tmp_path / "runs"), optuna_trials(path, tmp_path / "runs")
    pruned = [candidate for candidate in found if candidate.state == "pruned"]
    assert pruned and len(pruned) == summary.pruned and summary.evaluated == trials - len(pruned)
    if pruner == "wilcoxon":  # any that is worse than the best in every fold
        assert [candidate.number for candidate in pruned] == [1, 2, 3, 4, 5]
    if pruner == "median":  # only what is worse than most, of which there must be five
        assert [candidate.values for candidate in pruned] == [{"dropout": 0.0}]
    for candidate in pruned:
        steps = candidate.intermediate
        assert of_optuna[candidate.number].value == steps[max(steps)]
        if pruner == "wilcoxon":  # p is below 0.1 from four folds on
            assert list(candidate.errors) == list(steps) == [0, 1, 2, 3]
            assert [trial_state(tmp_path / "runs", trial.id) for trial in candidate.trials[4:]] == ["missing"] * 2
        else:
            last = candidate.trials[(max(steps) - 1) // changes["epochs"]]
            rows = read_epochs(trial_directory(tmp_path / "runs", last.id))
            alike = sum(other.values == candidate.values for other in found)  # which may have gone on with it
            assert rows[-1]["epoch"] == (max(steps) - 1) % changes["epochs"] + 1 or alike > 1
    done = len(landscape.trained)
    unpruned = invent(tmp_path, trials, more, **changes)
    search(unpruned, tmp_path / "recorded", landscape)
    assert len(landscape.trained) - done > done
    landscape.trained.clear()
    path = invent(tmp_path, trials, more, pruner=pruner, **changes)
    search(path, tmp_path / "recorded", landscape)
    assert not landscape.trained
    assert told(optuna_trials(path, tmp_path / "recorded")) == told(of_optuna)


class PrunesAt(optuna.pruners.BasePruner):
    """Ends every candidate at one step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return trial.last_step == self.step


def test_a_pruned_training_leaves_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    changes: dict[str, Any] = {"space": "{dropout: [0.3]}", "epochs": 4, "folds": 2}
    path, runs = invent(tmp_path, 1, pruner="median", **changes), tmp_path / "runs"
    monkeypatch.setattr(search_driver, "make_pruner", lambda search, steps: PrunesAt(2))
    assert load_search(path, runs=runs).run(RunOptions(inline=True, quiet=True)).pruned == 1
    (candidate,) = candidates(path, runs)
    assert candidate.state == "pruned" and not candidate.errors and list(candidate.intermediate) == [1, 2]
    kept = trial_directory(runs, candidate.trials[0].id)
    assert [row["epoch"] for row in read_epochs(kept)] == [1, 2] and list(kept.glob("*.pt"))
    begun: list[int] = []
    start = training.start_epoch
    monkeypatch.setattr(training, "start_epoch", lambda *args: begun.append(args[2]) or start(*args))  # type: ignore
    unpruned = load_search(invent(tmp_path, 1, **changes), runs=runs)
    assert unpruned.run(RunOptions(inline=True, quiet=True)).evaluated == 1
    assert begun == [3, 4, 1, 2, 3, 4]


def test_a_grid_is_tried_in_order_as_far_as_it_is_possible(tmp_path: Path) -> None:
    space = "{k: [1, 2], dropout: {low: 0.0, high: 0.4, step: 0.2}}"
    path = invent(tmp_path, 100, space=space, sampler="grid")
    path.write_text(path.read_text() + "where: k == 1 or dropout > 0.1\n")
    summary = search(path, tmp_path / "runs")
    assert (summary.candidates, summary.evaluated, summary.exit_code) == (5, 5, 0)
    tried = [tuple(candidate.values.values()) for candidate in candidates(path, tmp_path / "runs")]
    assert tried == [(1, 0.0), (1, 0.2), (1, 0.4), (2, 0.2), (2, 0.4)]
    assert search(path, tmp_path / "runs").done_before == 5


def test_a_grid_of_which_only_some_are_wanted(tmp_path: Path) -> None:
    path = invent(tmp_path, 2, space="{dropout: [0.6, 0.3, 0.0]}", sampler="grid")
    assert search(path, tmp_path / "runs").evaluated == 2
    path = invent(tmp_path, 3, space="{dropout: [0.6, 0.3, 0.0]}", sampler="grid")
    assert search(path, tmp_path / "runs").evaluated == 1
    assert [candidate.values["dropout"] for candidate in candidates(path, tmp_path / "runs")] == [0.6, 0.3, 0.0]


def test_two_objectives(tmp_path: Path) -> None:
    path = invent(tmp_path, 6, "  also_minimize: parameters\n", space="{k: [1, 2, 3], dropout: [0.3, 0.6]}", sampler="tpe")
    search(path, tmp_path / "runs")
    found, of_optuna = candidates(path, tmp_path / "runs"), optuna_trials(path, tmp_path / "runs")
    for candidate, trial in zip(found, of_optuna):
        parameters = candidate.variant.counts.parameters
        assert trial.values == [candidate.median, parameters] and candidate.costs == {"parameters": parameters}
    assert len(found) == 6


def test_measured_costs_are_objectives_of_one_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[str] = []
    device = "a processor"

    def probe(variants: Any, runs: Path, *_: Any, **__: Any) -> list[str]:
        for variant in variants:
            timed.append(variant.net)
            event = {"train_ms": [9.0], "test_ms": [1.0], "test_batch": 1, "startup_seconds": 0.0, "steps": 1, "threads": 1}
            event |= {"inference_ms": {"1": [float(len(timed))]}, "peak_memory_bytes": None, "device": device, "torch": "2"}
            write_probe(runs, make_probe(variant, [event], "cpu", 1))
        return []

    monkeypatch.setattr("ablate.search.network_candidates.probe_networks", probe)
    more, space = "  also_minimize: [inference_time, parameters]\n", "{k: [1, 2, 3, 4, 5, 6]}"
    path, runs = invent(tmp_path, 3, more, space=space, sampler="random"), tmp_path / "runs"
    search(path, runs)
    found, of_optuna = candidates(path, runs), optuna_trials(path, runs)
    nets = {one.variant.net for one in found}
    assert len(timed) == len(set(timed)) == len(nets)  # each network once
    assert {one.costs["inference_time"] for one in found} == {float(place + 1) for place in range(len(nets))}
    assert [trial.values[1:] for trial in of_optuna] == [[*one.costs.values()] for one in found]
    assert [*found[0].costs] == ["inference_time", "parameters"]
    device = "another"
    with pytest.raises(RunError, match="this search has measured costs on a processor; continue it there"):
        search(invent(tmp_path, 12, more, space=space, sampler="random"), runs)


def write_images(root: Path, shade: int = 0, test: bool = True) -> None:
    """An image folder of two classes, twelve training images and four test images each."""
    for part, n in (("train", 12), ("test", 4 if test else 0)):
        for name, light in (("dark", 0), ("light", 180)):
            for i in range(n):
                (root / part / name).mkdir(parents=True, exist_ok=True)
                colour = (light + 3 * i + shade, light + 5 * i, 40 - 3 * i)
                Image.new("RGB", (8, 8), colour).save(root / part / name / f"{i}.png")


def on_images(folder: Path, **changes: Any) -> Path:
    path = invent(folder, epochs=1, space=TWO, folds=2, **changes)
    data = "{name: image_folder, title: Shades, classes: 2, image_size: 8, root: images}"
    text = path.read_text().replace("{name: digits, train_size: 128}", data).replace("batch_size: 32", "batch_size: 4")
    path.write_text(text)
    return path


def test_other_training_images_than_were_recorded_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    search(on_images(tmp_path, trials=3), tmp_path / "runs")
    shutil.rmtree(tmp_path / "images" / "test")  # no part of a search
    search(on_images(tmp_path, trials=4), tmp_path / "runs")
    write_images(tmp_path / "images", shade=1)
    with pytest.raises(RecordError, match="recorded on images of digest"):
        search(on_images(tmp_path, trials=5), tmp_path / "runs")


@pytest.mark.parametrize("preprocess", ["meanstd", "zca"])
def test_a_search_never_reads_test_images_or_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preprocess: str
) -> None:
    torch.set_num_threads(1)
    found = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.setenv("ABLATE_CACHE", str(folder / "cache"))
        write_images(folder / "images", test=number != 1)
        if number == 2:
            for path in (folder / "images" / "test").rglob("*.png"):
                path.write_bytes(b"no image")
            (folder / "images" / "test" / "a third class").mkdir()
        path = on_images(folder, trials=3, pruner="median")
        path.write_text(path.read_text().replace("title: Shades", f"title: Shades, preprocess: {preprocess}"))
        summary = load_search(path, runs=folder / "runs").run(RunOptions(inline=True, quiet=True))
        assert (summary.evaluated, summary.failed) == (3, [])
        errors = [candidate.errors for candidate in candidates(path, folder / "runs")]
        found.append((told(optuna_trials(path, folder / "runs")), errors))
        assert not list((folder / "cache").glob("image_folder-????????????????-8-v*"))  # that of all images
    assert found[0] == found[1] == found[2]


def test_the_sampler_is_asked_for_no_candidate_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    whole = FeasibleSampler.sample_relative

    def counted(self: Any, study: Any, trial: Any, space: Any) -> dict[str, Any]:
        asked.append(trial.number)
        return whole(self, study, trial, space)

    monkeypatch.setattr(FeasibleSampler, "sample_relative", counted)
    search(invent(tmp_path, 3, space=DROPOUT), tmp_path / "runs")
    assert asked == [0, 1, 2]


def test_importances_are_plain_numbers() -> None:
    opened = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    opened.optimize(lambda trial: trial.suggest_float("a", 0, 1) + trial.suggest_categorical("b", [0.1, 0.2]), n_trials=12)
    found = importances(opened)
    assert found and {type(share) for share in found.values()} == {float}
