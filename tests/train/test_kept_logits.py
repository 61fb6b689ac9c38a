"""What a trial keeps of its last epoch: the logits that its numbers come from, whichever way it was trained."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ablate.data.location import Location
from ablate.data.original_files import read_digits
from ablate.nets.architecture import Architecture
from ablate.records.logits import TESTED, Logits, read_evaluation, read_logits, write_evaluation
from ablate.records.merge import merge_runs
from ablate.records.records import Record, read_record
from ablate.records.result import FINAL
from ablate.study.data import Data, HeldOut, Keep
from ablate.study.recipe import Recipe
from ablate.study.study import Trial
from ablate.train.attempt import Attempt
from ablate.train.cohort import train_cohort
from ablate.train.job import Job
from ablate.train.trial import train_side_by_side, train_trial
from ablate.verify import compare


def job(tmp_path: Path, runs: str = "runs", seed: int = 1, keep: Keep | None = None, **recipe: Any) -> Job:
    torch.set_num_threads(1)
    held_out = recipe.pop("held_out", None)
    trained = Recipe.named("wrn_cifar", **{"epochs": 2, "batch_size": 32, **recipe})
    data = Data.named("digits", train_size=200, test_size=100, held_out=held_out, keep=keep or Keep())
    return Job(Trial(Architecture(1, 0.25), trained, data, seed), tmp_path / runs, Location(tmp_path, tmp_path / "cache"))


def recorded(job: Job) -> Record:
    record = read_record(job.runs, job.trial.id)
    assert record is not None
    return record


def finish(job: Job) -> Record:
    assert train_trial(job, lambda: False, lambda row: None) == "completed"
    return recorded(job)


def logits(record: Record, images: str = "", weights: str = TESTED) -> Logits:
    found = read_logits(record, images, weights)
    assert found is not None
    return found


def error(found: Logits) -> float:
    return 100 * int((found.values.argmax(1) != found.labels).sum()) / len(found.labels)


def test_they_give_the_reported_error_and_name_their_images(tmp_path: Path) -> None:
    record = finish(job(tmp_path, held_out=HeldOut(images=60, test=True)))
    held, tested = logits(record), logits(record, "test")
    assert (held.images, len(held.labels), error(held)) == ("validation", 60, record.eval_error)
    assert (tested.images, len(tested.labels), error(tested)) == ("test", 100, record.result[f"{FINAL}error"])
    images = read_digits(tmp_path, 8)
    assert np.array_equal(images.test_labels[tested.positions], tested.labels)
    assert np.array_equal(images.train_labels[held.positions], held.labels)
    assert len(images.test_labels) > 100 and (tested.positions != np.arange(100)).any()


@pytest.mark.parametrize("recipe", [{}, {"ema": {"decay": 0.9}}, {"precision": "bfloat16"}])
def test_stopped_killed_or_beside_others_they_are_the_same_bits(tmp_path: Path, recipe: dict[str, Any]) -> None:
    whole = finish(job(tmp_path, **recipe))
    stopped = job(tmp_path, "stopped", **recipe)
    assert train_trial(stopped, lambda: True, lambda row: None) == "interrupted"
    killed = job(tmp_path, "killed", **recipe)
    finish(killed)
    for name in ("result.json", "evaluation-test.json", "logits-test.safetensors"):  # killed before it wrote these
        (recorded(killed).directory / name).unlink() if name != "result.json" else None
    (killed.runs / killed.trial.id / "result.json").unlink()
    beside = [job(tmp_path, "beside", seed, **recipe) for seed in (1, 2)]
    assert train_cohort(beside, lambda: False, lambda row: None) == "ended"
    expected = (whole.directory / "logits-test.safetensors").read_bytes()
    for record in (finish(stopped), finish(killed), recorded(beside[0])):
        assert (record.directory / "logits-test.safetensors").read_bytes() == expected
        assert compare("one", whole, record).equal
    assert not np.array_equal(logits(whole).values, logits(recorded(beside[1])).values)


def test_a_captured_pass_keeps_none_and_is_made_again(tmp_path: Path) -> None:
    whole, captured = finish(job(tmp_path)), job(tmp_path, "captured")
    (captured.runs / captured.trial.id).mkdir(parents=True)
    (captured.runs / captured.trial.id / "trial.json").write_bytes(captured.trial.definition)
    attempt = Attempt(captured, torch.device("cpu"))
    assert [status for _, status in train_side_by_side([attempt], lambda: False, lambda row: None, lambda step, _: step)]
    assert np.array_equal(logits(whole).values, logits(recorded(captured)).values)


def test_of_the_moving_average_and_of_both_where_asked(tmp_path: Path) -> None:
    record = finish(job(tmp_path, ema={"decay": 0.9}, keep=Keep(weights="both")))
    average, trained = logits(record), logits(record, weights="trained")
    assert (average.weights, trained.weights) == ("ema", "trained") and error(average) == record.eval_error
    plain = finish(job(tmp_path, "plain"))
    assert np.array_equal(trained.values, logits(plain).values) and logits(plain).weights == "trained"


def test_what_is_kept_changes_no_id_and_none_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    usual, none = job(tmp_path), job(tmp_path, keep=Keep(logits=False))
    assert usual.trial.id == none.trial.id and b"keep" not in usual.trial.definition
    record = finish(none)
    assert read_logits(record) is None and not list(record.directory.glob("logits*"))


def test_they_are_merged_and_another_trainings_are_a_difference(tmp_path: Path) -> None:
    record = finish(job(tmp_path))
    merge_runs([tmp_path / "runs"], tmp_path / "merged")
    merged = read_record(tmp_path / "merged", record.id)
    assert merged and np.array_equal(logits(merged).values, logits(record).values)
    found = read_evaluation(record)
    assert found and compare("one", record, merged).equal
    write_evaluation(merged.directory, replace(logits(merged), values=logits(merged).values + 1))
    assert not compare("one", record, merged).equal


def test_streamed_images_keep_theirs_too(tmp_path: Path) -> None:
    draw = np.random.RandomState(0)
    for part, label, i in itertools.product(("train", "test"), "ab", range(10)):
        path = tmp_path / part / label / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.randint(0, 256, (8, 8, 3), np.uint8)).save(path)
    sizes = {"classes": 2, "image_size": 8, "test_size": 14, "preprocess": "none"}
    data = Data.named("image_folder", title="some", stream=True, **sizes)
    asked = job(tmp_path, batch_size=4)
    record = finish(replace(asked, trial=replace(asked.trial, data=data)))
    found = logits(record)
    assert error(found) == record.eval_error and found.labels.tolist() == [0] * 7 + [1] * 7
    assert len(set(found.positions)) == 14 and (found.positions[:7] < 10).all() and (found.positions[7:] >= 10).all()
