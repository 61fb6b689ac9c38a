"""What clean lists and removes: nothing without --delete, nothing that is trained, no file that is not ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from recorded import DIGITS, record, recorded

from ablate import clean
from ablate.api import load_study
from ablate.clean import carry_out, plan_clean, remove_trial
from ablate.commands.clean_text import clean_text
from ablate.errors import RunError
from ablate.files import hold_lock
from ablate.network_experiment import Experiment
from ablate.records.records import own_record, trial_state

TWO = f"{DIGITS}seeds: 2\nvariants:\n  - net: [WRN-10-1, WRN-16-1]\n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """Two variants with two seeds; the last is unfinished. Each has a checkpoint of 7 bytes."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # a kill loses no write
    found = recorded(tmp_path, TWO, {0: [5.0, 6.0], 1: [7.0, 8.0]})
    for one in found.trials():
        (found.runs / one.id / "checkpoint-000002.pt").write_bytes(b"weights")
        (found.runs / one.id / "checkpoint-000002.sha256").write_bytes(b"1234")
        (found.runs / one.id / "logits-test.safetensors").write_bytes(b"float")
        (found.runs / one.id / "evaluation-test.json").write_bytes(b"{}")
    (found.runs / found.trials()[-1].id / "result.json").unlink()
    return found


def content(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not name.endswith("lock")}


def test_a_plan_changes_nothing_and_says_the_sizes(made: Experiment) -> None:
    before = content(made.runs)
    found = plan_clean([made], ["checkpoints", "logits"])
    assert content(made.runs) == before
    assert found.size == 3 * (7 + 4 + 5)  # of the finished trials alone
    text = clean_text(found, False)
    assert "| WRN-10-1 |      2 | 22 bytes |" in text and "48 bytes of 3 trials can be removed" in text


def test_checkpoints_and_logits_of_finished_trials_go_and_the_records_stay(made: Experiment) -> None:
    done = carry_out(plan_clean([made], ["checkpoints", "logits"]))
    assert done.size == 48 and not done.left
    for one in made.trials()[:3]:
        left = {"trial.json", "epochs.jsonl", "result.json", "evaluation-test.json", "lock"}
        assert {path.name for path in (made.runs / one.id).iterdir()} == left
    assert (made.runs / made.trials()[3].id / "checkpoint-000002.pt").exists()  # its progress
    assert made.status()["states"] == {"recorded": 3, "interrupted": 1}


def test_nothing_of_a_trial_that_is_trained_is_removed(made: Experiment) -> None:
    last = made.runs / made.trials()[-1].id
    before = content(last)
    with hold_lock(last / "lock"):
        done = carry_out(plan_clean([made], ["variant"], ["WRN-16-1"]))
    assert content(last) == before
    assert [line.endswith("it is being trained") for line in done.left] == [True]
    assert trial_state(made.runs, made.trials()[2].id) == "missing"


def test_a_variant_is_named_as_status_names_it(made: Experiment, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="found 'WRN-10'; did you mean 'WRN-10-1'"):
        plan_clean([made], ["variant"], ["WRN-10"])
    carry_out(plan_clean([made], ["variant"], ["WRN-10-1"]))
    assert sorted(path.name for path in made.runs.iterdir()) == sorted(one.id for one in made.trials()[2:])


def test_orphans_are_the_trials_of_no_named_study(made: Experiment, tmp_path: Path) -> None:
    smaller = load_study(tmp_path / "invented.yaml", ["seeds=1"], runs=made.runs)
    assert {one.directory.name for one in plan_clean([smaller], ["orphans"]).items} == {
        made.trials()[1].id,
        made.trials()[3].id,
    }
    assert not plan_clean([smaller, made], ["orphans"]).items
    (made.runs / "0123456789abcdef").mkdir()  # no trial of ours
    (made.runs / "probes").mkdir()
    done = carry_out(plan_clean([smaller], ["orphans"]))
    assert len(done.items) == 2
    left = {one.id for one in smaller.trials()} | {"0123456789abcdef", "probes"}
    assert {path.name for path in made.runs.iterdir()} == left


def test_a_directory_with_a_file_of_somebody_else_stays(made: Experiment) -> None:
    directory = made.runs / made.trials()[0].id
    (directory / "notes.txt").write_text("mine")
    assert remove_trial(directory) == "it has a file that ablate did not make: notes.txt"
    assert own_record(made.runs, directory.name)


def test_a_link_is_not_followed(made: Experiment, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("mine")
    own = made.runs / made.trials()[0].id / "program"
    own.mkdir()
    (own / "data").symlink_to(kept)
    assert remove_trial(own.parent) == ""
    assert (kept / "file").read_text() == "mine"


def test_what_another_variant_has_too_stays(made: Experiment, tmp_path: Path) -> None:
    shared, own = (one.id for one in made.trials()[:2])
    text = TWO.replace("seeds: 2", "seeds: [0]").replace("- net: [WRN-10-1, WRN-16-1]", "- net: WRN-10-1\n    label: ours")
    (tmp_path / "other.yaml").write_text(text.replace("name: invented", "name: other"))
    other = load_study(tmp_path / "other.yaml", runs=made.runs)
    found = plan_clean([made, other], ["variant"], ["WRN-10-1"])
    assert [one.directory.name for one in found.items] == [own] and shared
    assert found.left == ("1 trial of WRN-10-1 left, ours of other has the same",)
    both = plan_clean([made, other], ["variant"], ["WRN-10-1", "ours", "ours"])
    assert [one.directory.name for one in both.items] == [shared, own] and not both.left


def test_what_goes_as_a_whole_counts_once(made: Experiment) -> None:
    before = sum(len(data) for data in content(made.runs).values())
    found = plan_clean([made], ["variant", "checkpoints", "logits"], ["WRN-10-1"])
    assert [one.what for one in found.items] == ["variant", "variant", "checkpoints", "logits"]
    assert carry_out(found).size == found.size == before - sum(len(data) for data in content(made.runs).values())


@pytest.mark.parametrize("step", range(4))
def test_a_killed_clean_leaves_whole_records_and_the_next_one_ends_it(
    made: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    steps = 0

    def dying(call: Any) -> Any:
        def run(*words: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps > step:
                raise KeyboardInterrupt
            return call(*words)

        return run

    smaller = load_study(tmp_path / "invented.yaml", ["seeds=1"], runs=made.runs)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(clean.os, "rename", dying(os.rename))
        patch.setattr(clean, "remove", dying(clean.remove))
        carry_out(plan_clean([smaller], ["orphans"]))
    for trial in made.trials()[:3]:
        assert trial_state(made.runs, trial.id) in ("recorded", "missing")
    carry_out(plan_clean([smaller], ["orphans"]))
    assert sorted(path.name for path in made.runs.iterdir()) == sorted(one.id for one in smaller.trials())


def test_a_record_that_was_cleaned_is_trained_again(made: Experiment) -> None:
    first = made.trials()[0]
    carry_out(plan_clean([made], ["variant"], ["WRN-10-1"]))
    record(made.runs, first, 5.0)
    assert trial_state(made.runs, first.id) == "recorded"
