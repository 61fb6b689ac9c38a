"""Flipped bits, files that are cut, empty or of another version: found by their hash, the previous generation used."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from faults.test_writing import DEFINITION, generations, result, row, save

from ablate.data.location import Location
from ablate.errors import RecordError
from ablate.nets.architecture import Architecture
from ablate.records.attempts import open_trial, read_failure, write_failure, write_result
from ablate.records.epochs import append_epoch, measured_on
from ablate.records.records import read_record, recover_record, trial_directory, trial_state
from ablate.records.result import VALIDATION
from ablate.records.sealed import HASH
from ablate.study.spec import load_study
from ablate.study.study import Trial
from ablate.train import checkpoint
from ablate.train.checkpoint import load_checkpoint
from ablate.train.job import Job
from ablate.train.trial import train_trial

FLIPS = 200


def damages(data: bytes, flips: int) -> Iterator[bytes]:
    """The data with one bit flipped, cut and empty."""
    draw = random.Random(0)
    for _ in range(flips):
        at = draw.randrange(len(data))
        yield data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
    yield from (data[: len(data) // 2], data[:-1], b"", b"\0" * len(data), data + b"\0")


@pytest.mark.parametrize("suffix", ["pt", "sha256"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    save(kept, 1)
    save(kept, 2)
    for n, damaged in enumerate(damages((kept / f"checkpoint-000002.{suffix}").read_bytes(), FLIPS)):
        directory = shutil.copytree(kept, tmp_path / str(n))
        (directory / f"checkpoint-000002.{suffix}").write_bytes(damaged)
        assert generations(directory) == [1]
        assert capsys.readouterr().out == "checkpoint-000002.pt is damaged; going on from checkpoint-000001.pt\n"
    (kept / "checkpoint-000002.sha256").unlink()
    (kept / "checkpoint-000001.pt").write_bytes(b"")
    assert load_checkpoint(kept) is None
    assert capsys.readouterr().out.endswith("checkpoint-000001.pt is damaged; starting from the first epoch\n")


def test_a_checkpoint_of_another_version_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, 1)
    with monkeypatch.context() as other:
        other.setattr(checkpoint, "VERSION", checkpoint.VERSION + 1)
        save(tmp_path, 2)
    version = checkpoint.VERSION
    for _ in range(2):
        assert (load_checkpoint(tmp_path) or {})["epoch"] == 1
    said = (
        f"checkpoint-000002.pt is of version {version + 1}, this is version {version}; going on from checkpoint-000001.pt\n"
    )
    assert capsys.readouterr().out == said and (tmp_path / f"checkpoint-000002.version{version + 1}").exists()


@pytest.mark.parametrize("version", ["a/b", "x\n\x1b[31m", torch.zeros(2), None, 1.0, True, [1]])
def test_a_version_that_is_none_is_damage(tmp_path: Path, version: Any, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, 1)
    checkpoint.save_checkpoint(tmp_path, 2, {"version": version})
    assert (load_checkpoint(tmp_path) or {})["epoch"] == 1
    assert capsys.readouterr().out == "checkpoint-000002.pt is damaged; going on from checkpoint-000001.pt\n"


@pytest.fixture
def job(tiny: Path, tmp_path: Path) -> Job:
    """Two short epochs on digits, trained."""
    torch.set_num_threads(1)
    study = load_study(tiny, ["recipe.epochs=2", "data.train_size=64", "data.test_size=32"])
    trial = Trial(Architecture(1, 0.25), study.recipe, study.data, seed=3)
    made = Job(trial, tmp_path / "runs", Location(tmp_path, tmp_path / "cache"))
    assert train(made) == "completed"
    return made


def train(job: Job) -> str:
    return train_trial(job, lambda: False, lambda event: None)


@pytest.mark.parametrize("name", ["result.json", "epochs.jsonl"])
def test_a_damaged_record_is_refused_and_made_again_from_the_last_checkpoint(job: Job, tmp_path: Path, name: str) -> None:
    expected, whole = result(job), trial_directory(job.runs, job.trial.id)
    undamaged = 0
    for n, damaged in enumerate(damages((whole / name).read_bytes(), FLIPS)):
        runs = tmp_path / str(n)
        directory = shutil.copytree(whole, runs / job.trial.id)
        (directory / name).write_bytes(damaged)
        said: list[str] = []
        try:
            record = read_record(runs, job.trial.id)
            assert record is not None
            record.epochs()
            undamaged += 1  # the name of the hash was hit, and it counts as of an earlier version
            assert name == "result.json" and b'"%s": "' % HASH.encode() not in damaged
            assert {key: value for key, value in record.result.items() if key in expected[0]} == expected[0]
            continue
        except RecordError as error:
            assert str(directory) in str(error) and "\n" not in str(error)
        assert recover_record(runs, job.trial.id, said.append) is None
        assert len(said) == 1 and said[0].endswith("put aside, going on from the trial's last checkpoint"), said
        assert trial_state(runs, job.trial.id) in ("interrupted", "missing")
        if n % 50 == 0 or n >= FLIPS:
            again: list[Any] = []
            assert train_trial(replace(job, runs=runs), lambda: False, again.append) == "completed"
            assert not again and result(replace(job, runs=runs)) == expected
    assert undamaged <= FLIPS // 20
    assert recover_record(job.runs, job.trial.id, said.append) is not None and len(said) == 1


def test_a_damaged_definition_is_written_again(job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = trial_directory(job.runs, job.trial.id) / "trial.json"
    whole = path.read_bytes()
    capsys.readouterr()
    for damaged in damages(whole, FLIPS):
        path.write_bytes(damaged)
        assert train(job) == "recorded"
        assert path.read_bytes() == whole
        assert capsys.readouterr().out == "trial.json is damaged; written again\n"


def test_held_out_images_are_not_taken_for_test_images_by_a_flip(tmp_path: Path) -> None:
    definition = b'{"data": {"held_out": {"folds": 5, "fold": 0}}}\n'
    open_trial(tmp_path / "a", definition)
    append_epoch(tmp_path / "a", row(1))
    write_result(tmp_path / "a", {"status": "completed", "epochs": 1, "test_error": 5.0})
    assert measured_on(tmp_path / "a") == VALIDATION
    (tmp_path / "a" / "trial.json").write_bytes(definition.replace(b"held", b"hele"))
    with pytest.raises(RecordError, match="test_error: found None"):
        read_record(tmp_path, "a")


def test_a_damaged_failure_is_a_failure_all_the_same(tmp_path: Path) -> None:
    open_trial(tmp_path / "a", DEFINITION)
    write_failure(tmp_path / "a", "MemoryError: too wide", 2)
    whole = (tmp_path / "a" / "failure.json").read_bytes()
    for damaged in damages(whole, 50):
        (tmp_path / "a" / "failure.json").write_bytes(damaged)
        assert read_failure(tmp_path / "a") and trial_state(tmp_path, "a") == "failed"
    assert read_failure(tmp_path / "a") == "unknown, its failure.json is damaged"


def test_a_record_of_an_earlier_version_has_no_hash_and_is_read(job: Job) -> None:
    import orjson

    path = trial_directory(job.runs, job.trial.id) / "result.json"
    fields = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps({key: value for key, value in fields.items() if not key.endswith("sha256")}))
    record = read_record(job.runs, job.trial.id)
    assert record is not None and len(record.epochs()) == 2 and record.epochs_sha256 is None
