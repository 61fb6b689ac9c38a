"""Further test images and measures: at the end of a training, or later with the weights of its last checkpoint."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import recorded
import torch
from rich.console import Console

from ablate.api import load_study
from ablate.commands.outcome_text import run_text, verdict_text
from ablate.data.corruptions import CORRUPTIONS, corrupt
from ablate.data.location import Location
from ablate.data.original_files import read_digits
from ablate.errors import RecordError, StudyError
from ablate.launch.options import RunOptions
from ablate.launch.summary import INCOMPLETE
from ablate.network_experiment import Experiment
from ablate.records.logits import read_evaluation, read_logits, write_evaluation
from ablate.records.records import Record, read_record
from ablate.report.measured import measured, unmeasured
from ablate.train.job import Job
from ablate.train.measure_again import measure_again
from ablate.train.trial import train_trial
from ablate.verify import compare

STUDY = """\
name: invented
data: {name: digits, train_size: 200, test_size: 100}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32, ema: {decay: 0.5}}
seeds: 1
variants: [{net: WRN-10-0.25}]
"""
MORE = """\
measures: [nll]
also_test:
  - {corruption: gaussian_noise, severity: 5}
  - {title: all digits, data: digits}
"""


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_the_same_draw_each_time_and_stronger_at_each_severity(name: str, channels: int) -> None:
    random = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(16), np.arange(16))[None, ..., None] * 6 + random.integers(0, 60, (4, 16, 16, channels))
    images = smooth.astype(np.uint8)
    copies = [corrupt(name, severity, images, seed=3) for severity in (1, 2, 3, 4, 5)]
    assert all(copy.shape == images.shape and copy.dtype == np.uint8 for copy in copies)
    assert np.array_equal(copies[0], corrupt(name, 1, images, seed=3))
    apart = [np.abs(copy.astype(float) - images).mean() for copy in copies]
    assert 0 < apart[0] < apart[-1] and all(0.99 * a < b for a, b in pairwise(apart))


def study(folder: Path, more: str = "") -> Experiment:
    torch.set_num_threads(1)
    return recorded.written(folder, STUDY + more)


def job(experiment: Experiment, folder: Path) -> Job:
    return Job(experiment.trials()[0], experiment.runs, Location(folder, folder / "cache"))


def finish(job: Job) -> Record:
    assert train_trial(job, lambda: False, lambda row: None) == "completed"
    return found(job)


def found(job: Job) -> Record:
    record = read_record(job.runs, job.trial.id)
    assert record is not None
    return record


def test_what_is_asked_for_later_is_measured_with_the_last_checkpoint_to_the_same_bits(tmp_path: Path) -> None:
    (tmp_path / "at_once").mkdir()
    at_once = finish(job(study(tmp_path / "at_once", MORE), tmp_path / "at_once"))
    plain = study(tmp_path, "keep: {logits: false}\n")
    before = finish(job(plain, tmp_path))
    more = study(tmp_path, MORE)
    again, (trial,) = job(more, tmp_path), more.trials()
    assert before.id == trial.id == at_once.id and read_logits(before) is None
    columns = [
        "test_nll",
        "on_gaussian_noise_5_error",
        "on_gaussian_noise_5_nll",
        "on_all_digits_error",
        "on_all_digits_nll",
    ]
    assert unmeasured(before, trial.data) == columns
    assert measure_again(again, lambda row: None) == "measured" and not unmeasured(found(again), trial.data)
    for path in at_once.directory.glob("logits-*"):
        assert (before.directory / path.name).read_bytes() == path.read_bytes()
    shown, known = (measured(record, trial.data).result for record in (found(again), at_once))
    assert [shown[column] for column in columns] == [known[column] for column in columns]
    noise, digits = (read_logits(at_once, extra.key) for extra in trial.data.also_test)
    assert noise and digits and noise.weights == "ema"
    assert known["on_gaussian_noise_5_error"] == pytest.approx(100 * (noise.values.argmax(1) != noise.labels).mean())
    images = read_digits(tmp_path, 8)
    assert np.array_equal(images.test_labels[noise.positions], noise.labels)
    assert np.array_equal(digits.labels, images.test_labels)
    assert len(digits.labels) == 500 and digits.values.std(0).min() > 0


def test_what_is_kept_stays_when_more_is_measured(tmp_path: Path) -> None:
    record = finish(job(study(tmp_path), tmp_path))
    kept = (record.directory / "logits-test.safetensors").stat().st_mtime_ns
    again = job(study(tmp_path, MORE), tmp_path)
    measure_again(again, lambda row: None)
    assert (record.directory / "logits-test.safetensors").stat().st_mtime_ns == kept
    assert read_evaluation(record, again.trial.data.also_test[0].key)


def test_further_test_images_can_decide(tmp_path: Path) -> None:
    text = MORE + "decide_by: on_gaussian_noise_5_nll\n"
    experiment = recorded.written(
        tmp_path, STUDY.replace("[{net: WRN-10-0.25}]", "[{net: [WRN-10-0.25, WRN-10-0.5]}]") + text
    )
    for i, trial in enumerate(experiment.trials()):
        on = {"on_gaussian_noise_5_nll": 2.0 - i, "on_gaussian_noise_5_error": 40.0, "on_all_digits_nll": 3.0 + i}
        recorded.record(experiment.runs, trial, 5.0 + i, test_nll=0.5, on_all_digits_error=30.0, **on)
    by, report = experiment.study.decision, experiment.report()
    assert (by.name, by.median_name, by.axis) == (
        "on_gaussian_noise_5_nll",
        "median_on_gaussian_noise_5_nll",
        "negative log-likelihood on Gaussian noise 5, nats",
    )
    frames = report.frames()
    assert list(frames["table"]["median_on_gaussian_noise_5_nll"]) == [2.0, 1.0] and not experiment.remarks()
    trials = frames["trials"]
    assert list(trials["on_gaussian_noise_5_nll"]) == [2.0, 1.0] and list(trials["test_error"]) == [5.0, 6.0]
    assert report.finding().startswith("WRN-10-0.5 has the lowest negative log-likelihood on Gaussian noise 5, 1; ")
    table = report.tables()[0]
    assert [title for title in table.titles if "nats" in title or "error" in title] == [
        "Median negative log-likelihood on Gaussian noise 5, nats",
        "Test error, %",
        "Test negative log-likelihood, nats",
        "all digits: negative log-likelihood, nats",
    ]
    assert "compared by the negative log-likelihood on Gaussian noise 5, evaluated once." in table.caption
    (curve, _) = list(report.curves())
    assert curve.values[-1] == 5.0 and report.figures and experiment.status()["states"] == {"recorded": 2}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("decide_by: on_gaussian_noise_3_error", "decide_by: found 'on_gaussian_noise_3_error'; did you mean"),
        (
            "decide_by: on_gaussian_noise_5_error\nvalidation: {holdout: 60}",
            "these images are evaluated once",
        ),
        ("decide_by: on_gaussian_noise_5_error\nepoch_rule: best", "these images are evaluated once"),
    ],
)
def test_further_test_images_that_cannot_decide_are_refused(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        study(tmp_path, f"{MORE}{more}\n")


def test_verify_compares_further_test_images(tmp_path: Path) -> None:
    experiment = study(tmp_path, MORE)
    record = finish(job(experiment, tmp_path))
    there = tmp_path / "again"
    shutil.copytree(experiment.runs, there)
    now = read_record(there, record.id)
    assert now and compare("", record, now).equal
    noise = experiment.trials()[0].data.also_test[0]
    logits = read_logits(now, noise.key)
    assert logits
    logits.values[0, 0] += 1
    write_evaluation(now.directory, logits)
    titles = {one.key: one.title for one in experiment.trials()[0].data.also_test}
    verdict = compare("WRN", record, now, images=titles)
    assert (verdict.equal, verdict.images) == (False, ("Gaussian noise, 5",))
    assert "differs after the last epoch, on Gaussian noise, 5: " in verdict_text(verdict)
    write_evaluation(now.directory, logits, most=0)  # of images that are too many, measures alone are kept
    assert compare("", record, now).equal
    write_evaluation(now.directory, logits, most=0, measure=lambda logits: {"error": 1.0})
    assert not compare("", record, now).equal


@pytest.mark.usefixtures("unrendered")
def test_a_run_measures_recorded_trials_and_the_table_shows_it(tmp_path: Path) -> None:
    finish(job(study(tmp_path), tmp_path))
    experiment = study(tmp_path, MORE)
    summary = experiment.run(RunOptions(inline=True, quiet=True), Console(quiet=True))
    assert (summary.recorded_before, summary.trained, summary.exit_code) == (1, 0, 0)
    (of_variant,) = experiment.report().analysis.summaries
    (trial,) = experiment.trials()
    assert of_variant.median_on(trial.data.also_test[0], "error") is not None
    table = (experiment.report().write(tmp_path / "reports"), (tmp_path / "reports/invented/table.md").read_text())[1]
    assert "| Gaussian noise, 5: error, % |" in table and "with Gaussian noise of severity 5, evaluated once." in table


@pytest.mark.parametrize("how", ["no checkpoint", "a damaged one"])
def test_a_run_that_cannot_measure_says_so_and_ends_with_3(tmp_path: Path, how: str) -> None:
    record = finish(job(study(tmp_path, "keep: {logits: false}\n"), tmp_path))
    for path in record.directory.glob("checkpoint-*"):
        path.unlink() if how == "no checkpoint" else path.write_bytes(b"not this")
    experiment = study(tmp_path, MORE)
    summary = experiment.run(RunOptions(inline=True, quiet=True), Console(quiet=True))
    assert (summary.recorded_before, summary.open, summary.exit_code) == (1, 0, INCOMPLETE)
    (line,) = [line for line in run_text(summary).splitlines() if line.startswith("not measured: WRN-10-0.25 seed 0: ")]
    assert "checkpoint" in line
    with pytest.raises(RecordError, match="checkpoint"):
        measure_again(job(experiment, tmp_path), lambda row: None)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{corruption: fog}", "also_test.corruption: found 'fog'; allowed: "),
        ("{corruption: contrast, severity: 6}", "also_test.severity: found 6; allowed: less than or equal to 5"),
        ("{severity: 3}", "also_test: needs corruption or data; give one of them"),
        ("{corruption: contrast}, {corruption: contrast}", "also_test: 'Contrast, 3' is listed twice"),
        ("{data: mnist}", "also_test.data.image_size: found 28 in MNIST; allowed: 8, as in Digits"),
        ("{data: 7}", "also_test.data: found 7; allowed: a mapping, as `data`"),
    ],
)
def test_what_cannot_be_is_said_at_its_place(tmp_path: Path, written: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        study(tmp_path, f"also_test: [{written}]\n")
    place, _, said = str(caught.value).partition(": ")
    assert place.rpartition("invented.yaml:")[2].startswith("6:") and said.startswith(message), str(caught.value)


def test_images_that_cannot_be_corrupted_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "name: own\ndata: digits\nrecipe: {base: wrn_cifar, epochs: 1}\nseeds: 1\n"
        "also_test: [{corruption: gaussian_noise, severity: 3}]\n"
        "variants:\n  - net: WRN-10-1\n    data: {name: digits, preprocess: zca}\n"
    )
    with pytest.raises(StudyError, match=r"also_test: not possible with data\.preprocess: zca; use another one"):
        load_study(tmp_path / "study.yaml").trials()


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("emnist_letters", "classes: found 10 in Fashion-MNIST; allowed: 26, as in EMNIST letters"),
        ("cifar10", "image_size: found 28 in Fashion-MNIST; allowed: 32, as in CIFAR-10"),
        ("{name: mnist, train_size: 500}", ""),
    ],
)
def test_other_images_are_checked_against_the_data_of_each_item(tmp_path: Path, own: str, message: str) -> None:
    (tmp_path / "study.yaml").write_text(
        "name: own\ndata: mnist\nrecipe: {base: wrn_cifar, epochs: 1}\nseeds: 1\nalso_test: [{data: fashion_mnist}]\n"
        f"variants:\n  - net: WRN-10-1\n  - net: WRN-10-1\n    data: {own}\n"
    )
    if not message:
        assert len(load_study(tmp_path / "study.yaml").trials()) == 2
        return
    with pytest.raises(StudyError) as caught:
        load_study(tmp_path / "study.yaml")
    assert str(caught.value) == f"{tmp_path / 'study.yaml'}:5:1: also_test.data.{message}"


def test_images_of_the_study_that_no_item_uses_need_not_be_like_the_further_ones(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "name: own\ndata: cifar10\nrecipe: {base: wrn_cifar, epochs: 1}\nseeds: 1\nalso_test: [{data: fashion_mnist}]\n"
        "variants: [{net: WRN-10-1, data: mnist}]\n"
    )
    assert len(load_study(tmp_path / "study.yaml").trials()) == 1
