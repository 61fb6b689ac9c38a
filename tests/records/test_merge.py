"""Two machines' runs brought together: what is copied, what is refused, and what a killed merge leaves."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from ablate.commands.outcome_text import merge_text
from ablate.data.copies import Copy
from ablate.errors import RecordError
from ablate.files import hold_lock
from ablate.records import merge
from ablate.records.attempts import open_trial, write_failure, write_result
from ablate.records.epochs import append_epoch
from ablate.records.imported import draft_torchnet, read_imported, write_imported
from ablate.records.merge import merge_runs
from ablate.records.records import read_record, trial_state
from ablate.records.remembered import remember_copies, remembered_copies
from ablate.records.timings import Milliseconds, Probe, Workload, read_probes, write_probe

LOG = b'json_stats: {"model":"nin","n_parameters":1007242,"epoch":1,"lr":0.1,"loss":0.5,"test_acc":90}\n'


def definition(seed: int) -> bytes:
    return b'{"seed": %d}\n' % seed


def identity(seed: int) -> str:
    return hashlib.sha256(definition(seed)).hexdigest()[:16]


def trial(runs: Path, seed: int, errors: tuple[float, ...] = (20.0, 10.0), finished: bool = True, **changes: Any) -> Path:
    """A trial as train_trial leaves it: finished, or with its checkpoint after the last of the epochs."""
    directory = runs / identity(seed)
    open_trial(directory, definition(seed))
    for epoch, error in enumerate(errors, start=1):
        row = {"epoch": epoch, "lr": 0.1, "train_loss": 1.0, "train_error": 5.0, "test_loss": 1.0, "test_error": error}
        append_epoch(directory, {**row, "train_seconds": 1.0, "test_seconds": 1.0})
    (directory / "lock").touch()
    (directory / "log.txt").write_text("epochs went by\n")
    if finished:
        result = {"status": "completed", "epochs": len(errors), "test_error": errors[-1], "data_digest": "00aa"}
        write_result(directory, {**result, "train_seconds": 2.0, **changes})
    else:
        (directory / f"checkpoint-{len(errors):06d}.pt").write_bytes(b"state")
        (directory / ".result.json.1.tmp").write_bytes(b"half")
    return directory


def content(runs: Path) -> dict[str, bytes]:
    """Every file but locks, by its path."""
    return {
        str(path.relative_to(runs)): path.read_bytes()
        for path in runs.rglob("*")
        if path.is_file() and "lock" not in path.name
    }


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two machines' runs, and where they are to be one."""
    return tmp_path / "a", tmp_path / "b", tmp_path / "runs"


def test_disjoint_runs_become_one(places: tuple[Path, Path, Path]) -> None:
    a, b, into = places
    trial(a, 0)
    trial(b, 1)
    trial(b, 2, finished=False)
    plan = merge_runs([a, b], into)
    assert (plan.finished, plan.equal, plan.conflicts, plan.kept, plan.passed_over) == (2, 0, (), (), ())
    assert merge_text(plan) == f"{into}: recorded: 2 copied, 0 there already; unfinished: 1 copied"
    ours, theirs = content(into), {**content(a), **content(b)}
    half = f"{identity(2)}/.result.json.1.tmp"
    assert half in theirs and ours == {path: data for path, data in theirs.items() if path != half}
    assert not list(into.rglob("lock"))
    assert [trial_state(into, identity(seed)) for seed in range(3)] == ["recorded", "recorded", "interrupted"]

    again = merge_runs([a, b], into)
    assert (again.finished, again.equal, again.copies) == (0, 2, ()) and content(into) == ours


def test_equal_records_are_one_and_the_first_is_kept(places: tuple[Path, Path, Path]) -> None:
    a, b, into = places
    first, second = trial(a, 0, train_seconds=2.0), trial(b, 0, train_seconds=9.0, provenance={"device": "another"})
    plan = merge_runs([a, b], into)
    assert plan.kept == (f"{first}: kept; {second} has the same errors and is left",) and not plan.conflicts
    record = read_record(into, identity(0))
    assert record is not None and record.result["train_seconds"] == 2.0
    # What is in place already stays, also if another source comes first.
    plan = merge_runs([b], into)
    assert plan.copies == () and len(plan.kept) == 1 and content(into) == content(a)


@pytest.mark.parametrize(
    ("errors", "changes", "why"),
    [
        ((20.0, 10.5), {}, "test_error 10.0 and 10.5"),
        ((21.0, 10.0), {}, "other errors in epoch 1"),
        ((20.0, 10.0), {"data_digest": "00bb"}, "data_digest 00aa and 00bb"),
        ((20.0, 10.0), {"status": "diverged", "test_error": None}, "status completed and diverged"),
        ((20.0, 15.0, 10.0), {}, "epochs 2 and 3"),
    ],
)
@pytest.mark.parametrize("in_place", [False, True], ids=["two sources", "source and target"])
def test_other_results_are_a_conflict_and_nothing_is_written(
    places: tuple[Path, Path, Path], errors: tuple[float, ...], changes: dict[str, Any], why: str, in_place: bool
) -> None:
    a, b, into = places
    one, other = trial(into if in_place else a, 0), trial(b, 0, errors, **changes)
    trial(a, 1)
    before = content(into) if in_place else None
    plan = merge_runs([a, b], into)
    assert plan.conflicts == (f"{one} and {other}: {why}",)
    assert content(into) == before if in_place else not into.exists()


def test_another_definition_is_a_conflict(places: tuple[Path, Path, Path]) -> None:
    a, b, into = places
    one, other = trial(a, 0), trial(b, 0)
    (other / "trial.json").write_bytes(definition(7))
    assert merge_runs([a, b], into).conflicts == (f"{one} and {other}: another trial.json",)
    assert not into.exists()


def test_a_finished_trial_takes_the_place_of_an_unfinished_one(places: tuple[Path, Path, Path]) -> None:
    a, b, into = places
    trial(into, 0, (20.0,), finished=False)
    trial(a, 0, (20.0,), finished=False)
    trial(b, 0)
    plan = merge_runs([a, b], into)
    assert plan.finished == 1 and content(into) == content(b)


def test_an_unfinished_trial_in_place_stays(places: tuple[Path, Path, Path]) -> None:
    a, _, into = places
    mine = trial(into, 0, (20.0,), finished=False)
    theirs = trial(a, 0, (20.0, 10.0), finished=False)
    write_failure(theirs, "MemoryError", 1)
    before = content(into)
    plan = merge_runs([a], into)
    assert plan.kept == (f"{mine}: unfinished, kept; {theirs} is left",) and content(into) == before


def damage_definition(directory: Path) -> None:
    (directory / "trial.json").write_bytes(definition(99))


def damage_result(directory: Path) -> None:
    (directory / "result.json").write_bytes(b"{")


def damage_epochs(directory: Path) -> None:
    (directory / "epochs.jsonl").write_bytes((directory / "epochs.jsonl").read_bytes()[:-9])


def remove_definition(directory: Path) -> None:
    (directory / "trial.json").unlink()


@pytest.mark.parametrize("damage", [damage_definition, damage_result, damage_epochs, remove_definition])
def test_a_damaged_record_is_passed_over_with_a_line(places: tuple[Path, Path, Path], damage: Any) -> None:
    a, b, into = places
    bad = trial(a, 0)
    damage(bad)
    trial(a, 1)
    plan = merge_runs([a], into)
    (line,) = plan.passed_over
    assert str(bad) in line and "\n" not in line and not (into / identity(0)).exists()
    assert read_record(into, identity(1)) is not None
    # One that is whole elsewhere is taken from there; what is damaged in place is not written over.
    if damage is not damage_definition:
        trial(b, 0)
        assert merge_runs([a, b], into).finished == 1
        damage(into / identity(0))
        broken = content(into)
        assert len(merge_runs([b], into).passed_over) == 1 and content(into) == broken


@pytest.mark.parametrize("name", ["trial.json", "result.json", "epochs.jsonl"])
@pytest.mark.parametrize("what", ["pipe", "endless", "vast"])
def test_what_is_no_record_is_passed_over_at_once(
    places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    monkeypatch.setattr("ablate.files.MOST_BYTES", 1 << 20)
    one, other, into = places
    trial(one, 1)
    hostile = trial(other, 2) / name
    hostile.unlink()
    if what == "pipe":
        os.mkfifo(hostile)
    elif what == "endless":
        hostile.symlink_to("/dev/zero")
    else:
        with open(hostile, "wb") as file:
            file.truncate(50 << 30)
    merged = merge_runs([one, other], into)
    assert read_record(into, identity(1)) is not None and not (into / identity(2)).exists()
    (line,) = merged.passed_over
    assert "\n" not in line and str(other) in line


def test_a_trial_that_is_being_trained_is_passed_over(places: tuple[Path, Path, Path]) -> None:
    a, _, into = places
    busy = trial(a, 0, finished=False)
    trial(a, 1)
    with hold_lock(busy / "lock"):
        plan = merge_runs([a], into)
    assert plan.passed_over == (f"{busy}: is being trained; merge again when it is done",)
    assert not (into / identity(0)).exists() and (into / identity(1)).exists()


def test_a_merge_that_is_killed_is_run_again(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, into = places
    trial(into, 1, (20.0,), finished=False)
    for seed in range(3):
        trial(a, seed)
    trial(b, 3, finished=False)
    left = 0  # renamings until the merge is killed

    def rename(source: Path, target: Path) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        os.replace(source, target)

    monkeypatch.setattr(merge.os, "rename", rename)
    for at in (2, 1, 3):
        left = at
        with pytest.raises(KeyboardInterrupt):
            merge_runs([a, b], into)
        for directory in merge._trials(into):  # what is in place is whole
            merge.look(directory)
    monkeypatch.undo()
    merge_runs([a, b], into)
    expected = {**content(a), **content(b)}
    del expected[f"{identity(3)}/.result.json.1.tmp"]
    assert content(into) == expected and not list(into.glob(".*.merging"))


def test_what_changes_under_the_copy_is_refused(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    a, _, into = places
    trial(a, 0)
    copy_durably = merge.copy_durably

    def copy(source: Path, target: Path) -> None:
        copy_durably(source, target)
        if target.name == "result.json":
            target.write_bytes(orjson.dumps({"status": "completed", "test_error": 1.0}))

    monkeypatch.setattr(merge, "copy_durably", copy)
    with pytest.raises(RecordError, match="changed while it was copied"):
        merge_runs([a], into)
    assert not (into / identity(0)).exists()


def test_imported_records_and_probes_come_too(places: tuple[Path, Path, Path]) -> None:
    a, b, into = places
    for runs, name in ((a, "log.txt"), (b, "copy.txt")):
        runs.mkdir()
        (runs.parent / name).write_bytes(LOG)
        write_imported(runs, draft_torchnet(runs.parent / name, "cifar10", "zca", 10, (3, 32, 32)))
    old, new = (
        Probe("WRN", Workload("{}", 10, (3, 32, 32), 128, "float32", "sgd"), "A GPU", "cuda", 1, 1, "2", 5,
              Milliseconds(time, time), 10, Milliseconds(1.0, 1.0), 9.0, 0.0, None, 4, date)
        for time, date in ((7.0, "2026-01-01"), (8.0, "2026-01-02"))
    )  # fmt: skip
    write_probe(a, new)
    write_probe(b, old)
    plan = merge_runs([a, b], into)
    assert not plan.conflicts and not plan.passed_over
    assert read_probes(into) == [new]
    assert [(imported.net, imported.source) for imported in read_imported(into)] == [("NIN", "log.txt")]
    assert merge_runs([b], into).probes == ()


def test_what_is_no_runs_directory_is_refused(tmp_path: Path) -> None:
    runs, into = tmp_path / "runs", tmp_path / "into"
    trial(runs, 0)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for source, why in (("empty", "holds no trials"), ("file", "is a file"), ("none", "does not exist")):
        with pytest.raises(RecordError, match=why):
            merge_runs([runs, tmp_path / source], into)
    with pytest.raises(RecordError, match="is the directory that is merged into"):
        merge_runs([runs], runs)
    with pytest.raises(RecordError, match="is not a directory"):
        merge_runs([runs], tmp_path / "file")
    assert not into.exists()
    (runs / "notes").mkdir()
    assert merge_runs([runs], into).passed_over == (f"{runs / 'notes'}: is no trial; not merged",)


def test_two_merges_at_once_are_one_too_many(places: tuple[Path, Path, Path]) -> None:
    a, _, into = places
    trial(a, 0)
    into.mkdir()
    with hold_lock(into / merge.LOCK), pytest.raises(RecordError, match="another merge"):
        merge_runs([a], into)


def test_a_merge_killed_between_its_renames_loses_nothing(places: tuple[Path, Path, Path]) -> None:
    a, _, into = places
    trial(a, 0)
    unfinished = trial(into, 1, finished=False)
    before = content(unfinished)
    os.rename(unfinished, into / f".{unfinished.name}.old.merging")
    merge_runs([a], into)
    assert content(unfinished) == before and trial_state(into, identity(0)) == "recorded"
    assert not list(into.glob(".*.merging"))


def test_copies_of_one_data_set_in_other_words_are_not_merged(tmp_path: Path) -> None:
    for seed, (name, words) in enumerate([("a", "JPEG copy"), ("b", "JPEG copy"), ("c", "PNG copy")]):
        trial(tmp_path / name, seed)
        remember_copies(tmp_path / name, [Copy("cifar10", words, f"/{name}")])
    a, b, c = (tmp_path / name for name in "abc")
    plan = merge_runs([a, b, c], tmp_path / "all")
    assert plan.conflicts == (f"cifar10 is the JPEG copy in {a}, and the PNG copy in {c}; merge them apart",)
    assert not (tmp_path / "all").exists()
    assert not merge_runs([a, b], tmp_path / "all").conflicts
    assert remembered_copies(tmp_path / "all") == (Copy("cifar10", "JPEG copy", None),)
    assert len(merge_runs([c], tmp_path / "all").conflicts) == 1
