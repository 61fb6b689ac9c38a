from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from ablate.errors import RecordError
from ablate.files import CHUNK, hold_lock, write_atomically
from ablate.records.attempts import open_trial, read_failure, write_failure, write_result
from ablate.records.epochs import EPOCH_FIELDS, append_epoch, measured_on, read_epochs, write_epochs
from ablate.records.records import read_record, trial_state
from ablate.records.result import VALIDATION

DEFINITION = b'{"seed": 0}\n'
HELD_OUT = b'{"data": {"held_out": {"folds": 5, "fold": 0}}}\n'
ID = hashlib.sha256(DEFINITION).hexdigest()[:16]


def row(epoch: int, **changes: object) -> dict[str, object]:
    return {**dict.fromkeys(EPOCH_FIELDS, 1.0), "epoch": epoch, **changes}


def test_epochs_come_back_as_written(tmp_path: Path) -> None:
    rows = [row(1, train_loss=0.1 + 0.2), row(2, test_error=1 / 3)]
    for each in rows:
        append_epoch(tmp_path, each)
    assert read_epochs(tmp_path) == rows


@pytest.mark.parametrize(
    "tail",
    [b'{"epoch": 3, "lr"', b"\xff\xfe\n", b"[]\n", b'{"epoch": 4}\n', b'{"epoch": 3}\n', b"\0\0\0\0\n"],
    ids=["torn", "not UTF-8", "not an object", "out of order", "fields missing", "zeros"],
)
def test_a_damaged_tail_is_survived(tmp_path: Path, tail: bytes) -> None:
    rows = [row(1), row(2)]
    for each in rows:
        append_epoch(tmp_path, each)
    path = tmp_path / "epochs.jsonl"
    path.write_bytes(path.read_bytes() + tail)
    assert read_epochs(tmp_path) == rows
    write_epochs(tmp_path, rows)
    append_epoch(tmp_path, row(3))
    assert read_epochs(tmp_path) == [*rows, row(3)]


def test_a_loss_that_is_not_finite_is_valid_json(tmp_path: Path) -> None:
    append_epoch(tmp_path, row(1, train_loss=float("nan"), test_loss=float("inf")))
    assert b"null" in (tmp_path / "epochs.jsonl").read_bytes()
    assert read_epochs(tmp_path)[0]["train_loss"] is None


def test_writing_leaves_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_states_in_the_order_of_a_trial(tmp_path: Path) -> None:
    directory = tmp_path / ID
    assert trial_state(tmp_path, ID) == "missing"
    open_trial(directory, DEFINITION)
    assert trial_state(tmp_path, ID) == "missing"
    with hold_lock(directory / "lock") as free:
        assert free
        assert trial_state(tmp_path, ID) == "running"
    append_epoch(directory, row(1))
    assert trial_state(tmp_path, ID) == "interrupted"
    write_failure(directory, "MemoryError: too wide", attempts=2)
    assert trial_state(tmp_path, ID) == "failed"
    assert read_failure(directory) == "MemoryError: too wide"
    write_result(directory, {"status": "completed", "test_error": 1.0})
    assert trial_state(tmp_path, ID) == "recorded"
    assert read_failure(directory) is None
    record = read_record(tmp_path, ID)
    assert record is not None and record.eval_error == 1.0
    write_result(directory, {"status": "diverged", "test_error": None})
    assert trial_state(tmp_path, ID) == "diverged"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"status": "fine"}', b'{"status": "completed", "test_error": null}']
)
def test_a_damaged_result_is_named_not_believed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ID).mkdir()
    (tmp_path / ID / "result.json").write_bytes(content)
    with pytest.raises(RecordError, match=r"result\.json"):
        read_record(tmp_path, ID)


def test_a_directory_of_another_trial_is_refused(tmp_path: Path) -> None:
    open_trial(tmp_path / ID, DEFINITION)
    with pytest.raises(RecordError, match="another trial"):
        open_trial(tmp_path / ID, b'{"seed": 1}\n')


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from ablate.files import hold_lock\n"
        "with hold_lock(Path(sys.argv[1])) as free: print(free, flush=True); time.sleep(60)"
    )
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "True\n"
        with hold_lock(lock) as free:
            assert not free
        holder.kill()
        holder.wait()
    with hold_lock(lock) as free:
        assert free


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("test_error", -5.0), ("test_error", 101), ("test_error", "5"), ("train_seconds", "x"), ("test_seconds", None),
        ("train_images", None), ("epochs", "2"), ("earlier_attempts", 3), ("provenance", "x"), ("status", "done"),
    ],
)  # fmt: skip
def test_a_result_with_a_value_that_cannot_be_is_refused(tmp_path: Path, key: str, value: object) -> None:
    directory = tmp_path / "0123456789abcdef"
    directory.mkdir()
    result = {"status": "completed", "epochs": 2, "test_error": 5.0, "train_seconds": 1.0, "test_seconds": 1}
    write_result(directory, {**result, "train_images": 10, "provenance": {}, "earlier_attempts": [], key: value})
    with pytest.raises(RecordError, match=f"result.json: {key}: found"):
        read_record(tmp_path, directory.name)


def test_a_record_whose_epochs_are_lost_says_so(tmp_path: Path) -> None:
    directory = tmp_path / "0123456789abcdef"
    directory.mkdir()
    write_epochs(directory, [row(1), row(2, test_error=5.0)])
    write_result(directory, {"status": "completed", "epochs": 2, "test_error": 5.0})
    record = read_record(tmp_path, directory.name)
    assert record is not None
    (directory / "epochs.jsonl").unlink()
    for read in (record.epochs, lambda: read_record(tmp_path, directory.name)):
        with pytest.raises(RecordError, match=r"damaged, its epochs.jsonl is not that of its result.json"):
            read()


@pytest.mark.parametrize("error", [4.0, None])
def test_a_result_that_contradicts_its_epochs_is_refused(tmp_path: Path, error: float | None) -> None:
    """Whoever wrote it knew how to seal it."""
    open_trial(tmp_path / ID, DEFINITION)
    write_epochs(tmp_path / ID, [row(1), row(2, test_error=5.0 if error else None)])
    write_result(tmp_path / ID, results(4.0))
    with pytest.raises(RecordError, match=r"damaged, its epochs.jsonl is not that of its result.json"):
        read_record(tmp_path, ID)


def test_a_record_of_another_trial_is_refused_by_every_reader(tmp_path: Path) -> None:
    """Of an earlier version, which does not say whose it is, trial.json must tell."""
    open_trial(tmp_path / ID, DEFINITION)
    write_epochs(tmp_path / ID, [row(1), row(2, test_error=5.0)])
    write_result(tmp_path / ID, results())
    shutil.copytree(tmp_path / ID, tmp_path / ("b" * 16))
    with pytest.raises(RecordError, match=f"is the result of trial {ID}, not of this one; remove it and run again"):
        read_record(tmp_path, "b" * 16)
    for name in (ID, "b" * 16):
        (tmp_path / name / "result.json").write_bytes(orjson.dumps(results()))
    assert read_record(tmp_path, ID) is not None
    with pytest.raises(RecordError, match=rf"trial\.json: damaged or of another trial \({ID}\)"):
        read_record(tmp_path, "b" * 16)


def results(error: float | None = 5.0) -> dict[str, object]:
    status = "diverged" if error is None else "completed"
    measured = {"test_error": error, "test_loss": error, "test_top5_error": error, "test_seconds": 1, "test_images": 10}
    return {"status": status, "epochs": 2, **measured, "train_seconds": 1.0}


def test_held_out_images_are_called_so_on_disk_and_nowhere_else(tmp_path: Path) -> None:
    for definition, name in ((HELD_OUT, "validation"), (DEFINITION, "test")):
        directory = tmp_path / hashlib.sha256(definition).hexdigest()[:16]
        open_trial(directory, definition)
        rows = [row(1, test_top5_error=1.0), row(2, test_error=5.0)]
        append_epoch(directory, rows[0])
        append_epoch(directory, rows[1])
        appended = (directory / "epochs.jsonl").read_bytes()
        (directory / "epochs.jsonl").unlink()
        write_epochs(directory, rows)
        assert (directory / "epochs.jsonl").read_bytes() == appended
        write_result(directory, results())
        text = appended.decode() + (directory / "result.json").read_text()
        found = {f"{name}_{what}" for what in ("error", "loss", "top5_error", "seconds", "images")}
        assert set(re.findall(r"(?:test|validation)_\w+", text)) == found
        record = read_record(tmp_path, directory.name)
        assert record is not None and record.result == results() and record.eval_error == 5.0
        assert record.split == name
        assert record.epochs() == rows and trial_state(tmp_path, directory.name) == "recorded"
        write_result(directory, results(None))
        diverged = read_record(tmp_path, directory.name)
        assert diverged is not None and diverged.diverged and diverged.split == record.split


def test_the_other_kinds_names_are_refused(tmp_path: Path) -> None:
    """A test error is never read as one on held-out images, nor the other way round."""
    for definition, other in ((HELD_OUT, DEFINITION), (DEFINITION, HELD_OUT)):
        directory, source = (tmp_path / folder / f"of {len(other)}" for folder in ("runs", "others"))
        open_trial(directory, definition)
        open_trial(source, other)
        append_epoch(source, row(1))
        write_result(source, results())
        for file in ("epochs.jsonl", "result.json"):
            (directory / file).write_bytes((source / file).read_bytes())
        assert read_epochs(directory) == []
        with pytest.raises(RecordError, match=r"result\.json: (test|validation)_error: found None; allowed: a percentage"):
            read_record(directory.parent, directory.name)


def test_a_damaged_result_is_said_under_the_name_that_the_file_has(tmp_path: Path) -> None:
    open_trial(tmp_path / ID, HELD_OUT)
    write_result(tmp_path / ID, {**results(), "test_images": "ten"})
    with pytest.raises(RecordError, match=r"result\.json: validation_images: found 'ten'"):
        read_record(tmp_path, ID)


@pytest.mark.parametrize("definition", [b"", b"[]", b'{"data": null}', b'{"data": {}}', b'{"network": {"held_out": 1}}'])
def test_whatever_else_a_definition_is_nothing_is_held_out(tmp_path: Path, definition: bytes) -> None:
    open_trial(tmp_path / ID, definition)
    write_epochs(tmp_path / ID, [row(1), row(2, test_error=5.0)])
    write_result(tmp_path / ID, results())
    record = read_record(tmp_path, ID)
    assert record is not None and record.split == "test"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name in ("result.json", "epochs.jsonl"):
        (tmp_path / ID / name).mkdir(parents=True)
    path = re.escape(f"{tmp_path / ID / 'result.json'}")
    with pytest.raises(RecordError, match=rf"^{path}: is a directory, not a regular file; remove it and run again$"):
        read_record(tmp_path, ID)
    with pytest.raises(RecordError, match=r"epochs\.jsonl: is a directory"):
        read_epochs(tmp_path / ID)


def test_a_large_file_is_read_whole(tmp_path: Path) -> None:
    rows = [row(epoch, test_loss=1 / 3) for epoch in range(1, 1 + 2 * CHUNK // 100)]
    write_epochs(tmp_path, rows)
    assert (tmp_path / "epochs.jsonl").stat().st_size > 2 * CHUNK and read_epochs(tmp_path) == rows


def test_an_escaped_name_is_found_in_a_definition(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_bytes(HELD_OUT.replace(b"held", b"\\u0068eld"))
    assert measured_on(tmp_path) == VALIDATION
