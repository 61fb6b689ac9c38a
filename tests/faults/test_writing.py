"""Killed at every step of writing, and a disk that fails at each: the old or the new is there, and two generations are."""

from __future__ import annotations

import errno
import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from faults.dying import content, dies_at, fails_at

from ablate.data.location import Location
from ablate.nets.architecture import Architecture
from ablate.records.attempts import begin_attempt, open_trial, read_failure, write_failure, write_result
from ablate.records.epochs import EPOCH_FIELDS, append_epoch, read_epochs, write_epochs
from ablate.records.records import read_record
from ablate.study.spec import load_study
from ablate.study.study import Trial
from ablate.train.checkpoint import KEYS, load_checkpoint, save_checkpoint
from ablate.train.job import Job
from ablate.train.trial import train_trial

ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
DEFINITION = b'{"seed": 0}\n'


def row(epoch: int) -> dict[str, Any]:
    return {**dict.fromkeys(EPOCH_FIELDS, 1.0), "epoch": epoch}


def state(epoch: int) -> dict[str, Any]:
    return {"weights": torch.full((5000,), float(epoch)), **dict.fromkeys(KEYS - {"epoch"})}


def save(directory: Path, epoch: int) -> None:
    save_checkpoint(directory, epoch, state(epoch))


def generations(directory: Path) -> list[int]:
    """The epochs of the checkpoints that can be loaded, each whole, the newest first."""
    epochs = []
    while loaded := load_checkpoint(directory):
        assert torch.equal(loaded["weights"], state(loaded["epoch"])["weights"])
        epochs.append(loaded["epoch"])
        (directory / f"checkpoint-{epochs[-1]:06d}.pt").unlink()
    return epochs


def test_killed_at_every_step_of_writing_a_checkpoint(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    save(kept, 1)
    save(kept, 2)
    found = []
    for step in itertools.count(1):
        directory = shutil.copytree(kept, tmp_path / str(step))
        died = dies_at(step, lambda: save(directory, 3))  # noqa: B023
        again = shutil.copytree(directory, tmp_path / f"{step} again")
        found.append(generations(directory)[:2])
        save(again, 3)
        assert generations(again) == [3, 2]
        if not died:
            break
    assert step > 10 and found == sorted(found) and {tuple(each) for each in found} == {(2, 1), (3, 2)}


WRITES: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any], Any, Any]] = {
    # what is written, how it is read, what is there before and after
    "epoch": (lambda directory: append_epoch(directory, row(3)), lambda d: len(read_epochs(d)), 2, 3),
    "epochs": (lambda directory: write_epochs(directory, [row(1)]), lambda d: len(read_epochs(d)), 2, 1),
    "failure": (lambda directory: write_failure(directory, "new", 2), read_failure, "old", "new"),
    "definition": (lambda directory: open_trial(directory, DEFINITION), lambda d: (d / "trial.json").exists(), False, True),
    "result": (
        lambda directory: write_result(directory, {"status": "completed", "epochs": 2, "test_error": 1.0}),
        lambda d: (read := read_record(d.parent, d.name)) and (read.eval_error, len(read.epochs())),
        None,
        (1.0, 2),
    ),
}


def trial_under_way(directory: Path, what: str) -> None:
    directory.mkdir()
    if what != "definition":
        open_trial(directory, DEFINITION)
    write_epochs(directory, [row(1), row(2)])
    write_failure(directory, "old", 1)


@pytest.mark.parametrize("what", WRITES)
def test_killed_at_every_step_of_writing_a_record(tmp_path: Path, what: str) -> None:
    write, read, before, after = WRITES[what]
    found = []
    for step in itertools.count(1):
        directory = tmp_path / str(step)
        trial_under_way(directory, what)
        died = dies_at(step, lambda: write(directory))  # noqa: B023
        found.append(read(directory))
        begin_attempt(directory)  # the next one clears what is half there
        assert not list(directory.glob(".*"))
        if not died:
            break
    assert step > 2 and found[0] == before and found[-1] == after
    changed = found.index(after)
    assert found == [before] * changed + [after] * (len(found) - changed)


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("what", [*WRITES, "checkpoint"])
def test_a_disk_that_fails_at_every_step_leaves_what_was_there_and_is_named(tmp_path: Path, what: str, number: int) -> None:
    def save_third(directory: Path) -> None:
        save(directory, 3)

    def newest(directory: Path) -> int:
        return int(sorted(directory.glob("*.pt"))[-1].stem[-1])

    write, read, before, after = WRITES.get(what, (save_third, newest, 2, 3))
    for step in itertools.count(1):
        directory = tmp_path / str(step)
        trial_under_way(directory, what)
        if what == "checkpoint":
            save(directory, 1)
            save(directory, 2)
        error = fails_at(step, lambda: write(directory), number)  # noqa: B023
        assert read(directory) in (before, after)
        if what == "checkpoint":
            copy = shutil.copytree(directory, tmp_path / f"{step} read")
            assert generations(copy)[:2] in ([2, 1], [3, 2])
        if error is None:
            break
        begin_attempt(directory)
        assert error.errno == number and str(directory) in str(error.filename), error
        write_epochs(directory, read_epochs(directory))  # as every attempt begins
        write(directory)  # when there is room
        assert read(directory) == after
    assert step > 2 and read(directory) == after


def test_a_file_aside_that_another_process_removed_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    from ablate.files import remove_leftovers, write_atomically

    flush, removed = os.fsync, []

    def flush_and_lose(descriptor: int) -> None:
        flush(descriptor)
        if not removed:
            removed.append(remove_leftovers(tmp_path))

    monkeypatch.setattr(os, "fsync", flush_and_lose)
    write_atomically(tmp_path / "trial.json", b"definition")
    assert removed and content(tmp_path) == {"trial.json": b"definition"}
    with pytest.raises(FileNotFoundError, match=r"nowhere/trial\.json"):
        write_atomically(tmp_path / "nowhere" / "trial.json", b"definition")


def test_killed_at_every_step_of_a_training(tiny: Path, tmp_path: Path) -> None:
    """It loses an epoch at most, doubles none, and ends with the same bits.

    Every third step is one; all those of a record and of a checkpoint are in the tests above.
    """
    torch.set_num_threads(1)
    study = load_study(tiny, ["recipe.epochs=2", "data.train_size=64", "data.test_size=32"])
    trial = Trial(Architecture(1, 0.25), study.recipe, study.data, seed=3)
    whole = Job(trial, tmp_path / "whole", Location(tmp_path, tmp_path / "cache"))
    train_trial(whole, lambda: False, lambda event: None)
    expected = result(whole)
    for step in itertools.count(1, 3):
        job = replace(whole, runs=tmp_path / str(step))
        trained = tmp_path / f"{step} trained"

        def train(job: Job = job, trained: Path = trained) -> str:
            def note(event: dict[str, Any]) -> None:
                with open(trained, "a") as file:
                    file.write(f"{event['epoch']}")

            return train_trial(job, lambda: False, note)

        died = dies_at(step, train)
        left = "recorded" if read_record(job.runs, trial.id) else "completed"
        assert train() == left
        assert trained.read_text() in ("12", "112", "122")
        assert result(job) == expected
        if not died:
            break
    assert step > 40


def result(job: Job) -> tuple[Any, ...]:
    """All that a finished trial leaves but its times."""
    record = read_record(job.runs, job.trial.id)
    assert record is not None
    rows = [{key: value for key, value in each.items() if not key.endswith("_seconds")} for each in record.epochs()]
    loaded = load_checkpoint(record.directory)
    assert loaded is not None
    kept = {key: value for key, value in record.result.items() if not key.endswith(("_seconds", "provenance", "attempts"))}
    return kept, rows, {name: tensor.tolist() for name, tensor in loaded["network"].items()}
