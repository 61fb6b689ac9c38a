"""Kept logits: what their form loses, and that no reader takes those of another trial, training or set of images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recorded
from safetensors.numpy import load, save

from ablate.errors import DamagedRecord, RecordError
from ablate.files import write_atomically
from ablate.records.logits import Logits, pack, read_logits, unpack, write_evaluation
from ablate.records.records import Record, read_record, trial_directory
from ablate.records.sealed import read_sealed, sealed_bytes


def drawn(images: int = 400, classes: int = 10, scale: float = 4.0, seed: int = 0) -> Logits:
    random = np.random.default_rng(seed)
    values = (scale * random.standard_normal((images, classes))).astype(np.float32)
    return Logits(values, random.integers(0, classes, images), np.arange(images), "test")


def back(logits: Logits) -> Logits:
    data = pack(logits)
    assert data is not None
    return unpack(data, logits.images, logits.weights)


def test_half_the_bytes_keep_every_first_prediction_and_nearly_every_probability() -> None:
    logits = drawn(5000)
    found, data = back(logits), pack(logits)
    assert data and len(data) < 5000 * (2 * 10 + 4 + 1) + 500
    assert np.array_equal(found.values.argmax(1), logits.values.argmax(1))
    assert np.array_equal(found.labels, logits.labels) and np.array_equal(found.positions, logits.positions)
    assert found.values.dtype == np.float32 and found.labels.dtype == found.positions.dtype == np.int64
    assert 0 < np.abs(found.values - logits.values).max() < 0.02


@pytest.mark.parametrize(
    "row",
    [
        [1000.0, 1000.0001, 0.0],  # close below the largest: the distance is kept, not the value
        [2.0, 2.0, 2.0],  # equal: the first
        [-1e30, 1e30, 0.0],
        [1e-30, 2e-30, 0.0],
    ],
)
def test_first_predictions_hold_in_hard_cases(row: list[float]) -> None:
    values = np.array([row, row[::-1]], np.float32)
    found = back(Logits(values, np.array([0, 2]), np.array([7, 3]), "validation", "ema"))
    assert np.array_equal(found.values.argmax(1), values.argmax(1))
    assert (found.images, found.weights, found.positions.tolist()) == ("validation", "ema", [7, 3])


def test_what_float16_would_confuse_is_float32() -> None:
    values = np.array([[1e-30, 2e-30, 0.0]], np.float32)
    data = pack(Logits(values, np.array([1]), np.array([0]), "test"))
    assert data and "logits" in load(data) and np.array_equal(back(drawn(3, 70_000)).labels, drawn(3, 70_000).labels)
    assert pack(Logits(np.full_like(values, np.inf), np.array([1]), np.array([0]), "test")) is None


@pytest.mark.parametrize(("label", "first"), [(4, True), (5, False)])
def test_whether_a_label_is_among_the_first_five_holds_where_float16_makes_logits_equal(label: int, first: bool) -> None:
    values = np.array([[9, 8, 7, 6, -100.0001, -100.0002, -200]], np.float32)
    found = back(Logits(values, np.array([label]), np.array([0]), "test")).values[0]
    assert ((found > found[label]).sum() < 5) == first and np.abs(found - values[0]).max() < 0.2


@pytest.fixture
def record(tmp_path: Path) -> Record:
    experiment = recorded.recorded(
        tmp_path, f"{recorded.DIGITS}seeds: 2\nvariants: [{{net: [WRN-10-1]}}]\n", {0: [5.0, 6.0]}
    )
    for trial in experiment.trials():
        write_evaluation(
            trial_directory(experiment.runs, trial.id), drawn(seed=trial.seed), measure=lambda logits: {"nll": 1.5}
        )
    found = read_record(experiment.runs, experiment.trials()[0].id)
    assert found
    return found


def other(record: Record) -> Path:
    return next(path for path in record.runs.iterdir() if len(path.name) == 16 and path.name != record.id)


def resealed(**changes: Any) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        path = record.directory / "evaluation-test.json"
        path.write_bytes(sealed_bytes({**read_sealed(path), **changes}))

    return change


def copied(*names: str) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        for name in names:
            (record.directory / name).write_bytes((other(record) / name).read_bytes())

    return change


def replaced(data: bytes) -> Callable[[Record], None]:
    """A file that somebody has sealed."""

    def change(record: Record) -> None:
        (record.directory / "logits-test.safetensors").write_bytes(data)
        resealed(logits_sha256=hashlib.sha256(data).hexdigest())(record)

    return change


def linked(record: Record) -> None:
    path = record.directory / "logits-test.safetensors"
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


GOOD = {"logits": np.zeros((400, 10), np.float32), "labels": np.zeros(400, np.uint8)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (copied("logits-test.safetensors"), "its SHA-256 is not that of its evaluation"),
        (copied("logits-test.safetensors", "evaluation-test.json"), "is of trial"),
        (resealed(epochs_sha256="0" * 64), "is of another training of this trial"),
        (resealed(images="validation"), "is of other images"),
        (resealed(count=7), "has 400 images, its evaluation 7"),
        (resealed(count="many"), "count: "),
        (resealed(measures={"nll": "low"}), "measures.nll: "),
        (resealed(trial="../../x"), "trial: "),
        (lambda record: (record.directory / "evaluation-test.json").write_bytes(b"{}"), "damaged"),
        (replaced(b""), "not a safetensors file of logits"),
        (replaced(save({"labels": np.zeros(3, np.uint8)})), "without logits"),
        (replaced(save({**GOOD, "other": np.zeros(3)})), "other: of another type"),
        (replaced(save({**GOOD, "logits": np.zeros((400, 10))})), "logits: of another type"),
        (replaced(save({**GOOD, "labels": np.full(400, 10, np.uint8)})), "values out of range"),
        (replaced(save({**GOOD, "logits": np.full((400, 10), np.nan, np.float32)})), "values out of range"),
        (replaced(save({**GOOD, "labels": np.zeros(3, np.uint8)})), "arrays of other lengths"),
        (linked, "is a symbolic link"),
    ],
)
def test_what_is_not_this_trials_is_refused_in_one_line(record: Record, change: Any, said: str) -> None:
    assert read_logits(record) is not None
    change(record)
    with pytest.raises(RecordError, match=said) as caught:
        read_logits(record)
    assert "\n" not in str(caught.value)


def test_none_are_kept_beyond_the_limit_and_none_are_read_where_there_are_none(record: Record) -> None:
    (record.directory / "logits-test.safetensors").unlink()
    assert read_logits(record) is None and read_logits(record, "validation") is None
    assert write_evaluation(record.directory, drawn(), most=1000) == 0
    assert json.loads((record.directory / "evaluation-test.json").read_bytes())["logits_sha256"] is None
    assert read_logits(record) is None
    with pytest.raises(RecordError, match="not a name of images"):
        read_logits(record, "../x")


def test_other_classes_than_those_of_the_trial_are_refused(record: Record) -> None:
    assert read_logits(record, classes=10) is not None
    with pytest.raises(DamagedRecord, match="has 10 classes, its trial 12; remove it"):
        read_logits(record, classes=12)


def test_damage_is_of_the_kind_that_a_run_can_repair(record: Record) -> None:
    (record.directory / "logits-test.safetensors").write_bytes(b"x")
    with pytest.raises(DamagedRecord):
        read_logits(record)


def test_a_killed_write_over_another_evaluation_leaves_none(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(path: Path, data: bytes) -> None:
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write_atomically(path, data)

    before = read_logits(record)
    assert before is not None
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ablate.records.logits.write_atomically", dying)
        write_evaluation(record.directory, replace(before, values=before.values + 1))
    assert read_logits(record) is None  # it is measured again
