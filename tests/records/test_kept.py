"""Records that travel with a report: whole or not at all, no others, and nothing lost when a copy is killed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from recorded import DIGITS, record, recorded

from ablate.errors import RecordError
from ablate.network_experiment import Experiment
from ablate.records import kept
from ablate.records.adopted import read_adopted
from ablate.records.choices import Choice, Tried, read_choice, write_choice
from ablate.records.kept import keep_records
from ablate.records.records import own_record, read_record, trial_directory

TWO = f"{DIGITS}seeds: 2\nvariants:\n  - net: [WRN-10-1, WRN-16-1]\n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # a kill loses no write
    found = recorded(tmp_path, TWO, {0: [5.0, 6.0], 1: [7.0]})
    for one in found.runs.iterdir():
        (one / "checkpoint-000002.pt").write_bytes(b"weights")
        (one / "log.txt").write_text("said\n")
    return found


def ids(experiment: Experiment) -> list[str]:
    return [trial.id for trial in experiment.trials()]


def test_the_sealed_files_of_finished_trials_are_copied_and_no_others(made: Experiment, tmp_path: Path) -> None:
    into = tmp_path / "records"
    found = keep_records(made.runs, into, ids(made))
    assert (found.trials, found.written, found.left) == (3, True, ())
    assert {path.name for path in into.rglob("*") if path.is_file()} == {"trial.json", "epochs.jsonl", "result.json"}
    assert found.size == sum(path.stat().st_size for path in into.rglob("*") if path.is_file())
    for one in ids(made)[:3]:
        mine, copied = read_record(made.runs, one), read_record(into, one)
        assert mine and copied and copied.result == mine.result and copied.epochs() == mine.epochs()
    assert own_record(into, ids(made)[3]) is None
    before = {path: path.stat().st_mtime_ns for path in into.rglob("*")}
    keep_records(made.runs, into, ids(made))
    assert {path: path.stat().st_mtime_ns for path in into.rglob("*")} == before  # nothing is written again


def test_records_of_other_trials_go_unless_they_are_the_only_copy(made: Experiment, tmp_path: Path) -> None:
    into, (first, second, third, _) = tmp_path / "records", ids(made)
    keep_records(made.runs, into, [first, second, third])
    (made.runs / second).rename(tmp_path / "moved")
    found = keep_records(made.runs, into, [first])
    assert found.left == (second,)
    assert sorted(path.name for path in into.iterdir()) == sorted([first, second])


def test_more_bytes_than_allowed_are_not_written_unless_asked_for(made: Experiment, tmp_path: Path) -> None:
    into = tmp_path / "records"
    assert not keep_records(made.runs, into, ids(made), most=100).written and not into.exists()
    assert keep_records(made.runs, into, ids(made), most=None).written


def test_a_damaged_record_is_not_copied(made: Experiment, tmp_path: Path) -> None:
    (trial_directory(made.runs, ids(made)[0]) / "epochs.jsonl").write_bytes(b"")
    with pytest.raises(RecordError, match="damaged"):
        keep_records(made.runs, tmp_path / "records", ids(made))
    assert not (tmp_path / "records").exists()


def test_a_link_in_the_place_of_a_copy_is_not_followed(made: Experiment, tmp_path: Path) -> None:
    into, elsewhere = tmp_path / "records", tmp_path / "elsewhere"
    into.mkdir()
    elsewhere.mkdir()
    (into / ids(made)[0]).symlink_to(elsewhere)
    with pytest.raises(RecordError, match="a symbolic link"):
        keep_records(made.runs, into, ids(made))
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("step", range(9))
def test_a_copy_that_was_killed_loses_nothing_and_is_finished_by_the_next(
    made: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    into, steps = tmp_path / "records", 0
    keep_records(made.runs, into, ids(made))
    for trial in made.trials()[:2]:  # trained again: other bytes
        record(made.runs, trial, 4.0)

    def dying(call: Any) -> Any:
        def run(*words: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps > step:
                raise KeyboardInterrupt
            return call(*words)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(kept.os, "rename", dying(os.rename))
        patch.setattr(Path, "write_bytes", dying(Path.write_bytes))
        patch.setattr(kept, "remove", dying(kept.remove))
        with contextlib.suppress(KeyboardInterrupt):
            keep_records(made.runs, into, ids(made))
    for trial in made.trials()[:3]:
        copied = own_record(into, trial.id)  # the old, the new or none; never one that is damaged
        assert copied is None or copied.eval_error in (4.0, 5.0, 6.0, 7.0)
    keep_records(made.runs, into, ids(made))
    assert sorted(path.name for path in into.iterdir()) == sorted(ids(made)[:3])
    assert [own_record(into, one).eval_error for one in ids(made)[:3]] == [4.0, 4.0, 7.0]  # type: ignore[union-attr]


def test_choices_and_adopted_records_are_found_in_the_copy(made: Experiment, tmp_path: Path) -> None:
    into, (first, second, third, last) = tmp_path / "records", ids(made)
    choice = Choice("0" * 16, "median_validation_error", (Tried({"recipe.lr": 0.1}, (5.0,), (third,)),), 0)
    write_choice(made.runs, choice)
    entry = {"record": first, "code": {"1111": "2222"}}
    (made.runs / "adopted.json").write_text(f'{{"{last}": {str(entry).replace(chr(39), chr(34))}}}')
    keep_records(made.runs, into, [first], ["0" * 16])
    assert read_choice(into, "0" * 16) == choice
    assert read_adopted(into) == {last: entry}
    assert own_record(into, third) and not own_record(into, second)
