"""Code or study changed between runs, losses that are not finite: another id or the same result, visible in tables."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY
from faults.test_writing import result

from ablate.api import load_study
from ablate.data.location import Location
from ablate.errors import NotationError
from ablate.launch.options import RunOptions
from ablate.network_experiment import Experiment
from ablate.records.records import read_record
from ablate.train.job import Job
from ablate.train.trial import train_trial

READERS = """\
from torch import nn

def build(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, {width}), nn.ReLU(), nn.Linear({width}, classes))
"""
OWN = TINY.replace(
    "  - net: [WRN-10-0.25-dropout0.3, WRN-10-0.25-B(3,1)]\nbaseline: WRN-10-0.25-B(3,1)", "  - net: {python: own:build}"
)


def stop_after(epoch: int) -> tuple[Any, Any]:
    seen: list[int] = []
    return (lambda: bool(seen) and seen[-1] >= epoch), (lambda event: seen.append(event.get("epoch", 0)))


def job(experiment: Experiment, tmp_path: Path, runs: str = "runs") -> Job:
    folders = (experiment.study.folder.resolve(),)
    return Job(experiment.trials()[0], tmp_path / runs, Location(tmp_path, tmp_path / "cache"), folders=folders)


def test_a_study_that_is_changed_under_a_begun_trial_is_another_trial_or_the_same(tiny: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    begun = job(load_study(tiny), tmp_path)
    train_trial(begun, *stop_after(1))
    changes = {
        "recipe.epochs=4", "recipe.lr=0.2", "recipe.batch_size=16", "data.train_size=64", "data.augment=none",
        "recipe.weight_decay=0.001", "data.preprocess=scale", "recipe.precision=bfloat16",
    }  # fmt: skip
    ids = {load_study(tiny, [change]).trials()[0].id for change in changes}
    assert len(ids) == len(changes) and begun.trial.id not in ids
    tiny.write_text(
        "# a remark\n" + TINY.replace("title: A tiny study", "title: Another title").replace("seeds: 2", "seeds: 3")
    )
    same = job(load_study(tiny, ["name=other"]), tmp_path)
    again: list[int] = []
    train_trial(same, lambda: False, lambda event: again.append(event["epoch"]))
    assert same.trial.id == begun.trial.id and again == [2, 3]
    whole = replace(same, runs=tmp_path / "whole")
    train_trial(whole, lambda: False, lambda event: None)
    assert result(whole) == result(same)


def test_code_of_a_reader_that_is_changed_under_a_begun_trial_is_another_trial(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(OWN)
    (tmp_path / "own.py").write_text(READERS.format(width=8))
    begun = job(load_study(study), tmp_path)
    train_trial(begun, *stop_after(1))
    (tmp_path / "own.py").write_text(READERS.format(width=9))
    with pytest.raises(NotationError, match="own:build has changed since the run began; run again to train what it is now"):
        train_trial(begun, lambda: False, lambda event: None)
    changed = job(load_study(study), tmp_path)
    assert changed.trial.id != begun.trial.id
    again: list[int] = []
    train_trial(changed, lambda: False, lambda event: again.append(event["epoch"]))
    assert again == [1, 2, 3] and read_record(begun.runs, begun.trial.id) is None
    (tmp_path / "own.py").write_text(READERS.format(width=8))
    again.clear()
    train_trial(job(load_study(study), tmp_path), lambda: False, lambda event: again.append(event["epoch"]))
    assert again == [2, 3]  # the first one goes on


def test_a_trial_that_other_code_began_says_so_in_its_record(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ablate.train import provenance

    begun = job(load_study(tiny), tmp_path)
    with monkeypatch.context() as then:
        then.setattr(provenance, "_revision", lambda: "of then")
        train_trial(begun, *stop_after(1))
    monkeypatch.setattr(provenance, "_revision", lambda: "of now")
    train_trial(begun, lambda: False, lambda event: None)
    record = read_record(begun.runs, begun.trial.id)
    assert record is not None and record.result["provenance"]["revision"] == "of now"
    assert [(made["revision"], made["last_epoch"]) for made in record.result["earlier_attempts"]] == [("of then", 1)]


EXPLODING = TINY.replace("seeds: 2", "seeds: 1").replace(
    "  - net: [WRN-10-0.25-dropout0.3, WRN-10-0.25-B(3,1)]",
    "  - {net: WRN-10-0.25-B(3,1)}\n"
    "  - {net: WRN-10-0.25, recipe: {base: wrn_cifar, epochs: 3, batch_size: 32, lr: 100, weight_decay: 10}}",
)


@pytest.mark.usefixtures("unrendered")
def test_a_loss_that_explodes_is_valid_json_and_seen_in_every_table(tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    (tmp_path / "tiny.yaml").write_text(EXPLODING)
    experiment = load_study(tmp_path / "tiny.yaml", runs=tmp_path / "runs")
    summary = experiment.run(RunOptions(inline=True, quiet=True))
    assert summary.exit_code == 3 and [name.split(", ")[0] for name, _, _ in summary.diverged] == ["WRN-10-0.25"]
    for path in (tmp_path / "runs").rglob("*.json*"):
        for line in path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]:
            json.loads(line, parse_constant=refuse)
    states = {trial["net"].split(", ")[0]: trial["state"] for trial in experiment.status()["trials"]}
    assert states == {"WRN-10-0.25-B(3,1)": "recorded", "WRN-10-0.25": "diverged"}
    assert set(experiment.results().state) == {"recorded", "diverged"}
    written = experiment.report().write(tmp_path / "reports")
    tables = [path for path in written if path.suffix in (".md", ".tex", ".csv") and "table" in path.name]
    assert {path.suffix for path in tables} == {".md", ".tex", ".csv"}
    for path in [*tables, *(path for path in written if path.name == "index.html")]:
        assert "diverged" in path.read_text(), path
    for path in tables:
        if path.suffix == ".csv":
            (row,) = (row for row in csv.DictReader(path.open()) if row.get("net") == "WRN-10-0.25")
            assert re.fullmatch(r"1|\[?0\]?|diverged", row.get("diverged") or row.get("state") or ""), row
