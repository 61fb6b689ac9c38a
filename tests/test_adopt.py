"""`ablate adopt`: an edit of the code, and the records that still count after it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from planned import plan_text
from recorded import record_program
from rich.console import Console

from ablate import adopt, network_experiment
from ablate.adopt import Adoption
from ablate.api import load_study
from ablate.commands.outcome_text import adoption_text
from ablate.commands.status_text import status_text
from ablate.errors import RunError
from ablate.launch.options import RunOptions
from ablate.network_experiment import Experiment
from ablate.records.attempts import write_result
from ablate.records.records import own_record, read_record
from ablate.study.program import ProgramTrial

CODE = '''\
"""A module."""
from torch import nn


def build(width=4, norm="layer", classes=10):
    """A network."""
    inner = [nn.Linear(64, width), nn.ReLU()] if norm == "layer" else [nn.Linear(64, width), nn.BatchNorm1d(width)]
    return nn.Sequential(nn.Flatten(), *inner, nn.Linear(width, classes))
'''
STUDY = """\
name: s
data: {name: digits, train_size: 64, test_size: 32}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32}
seeds: 2
variants:
  - one_at_a_time: {base: {python: edited:build}, args.norm: [batch]}
"""
OPTIONS = RunOptions(inline=True, quiet=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of two variants with two seeds, all recorded."""
    (tmp_path / "s.yaml").write_text(STUDY)
    edit(tmp_path, "", "")
    loaded(tmp_path).run(OPTIONS, console())
    return tmp_path


def edit(folder: Path, before: str, after: str) -> None:
    (folder / "edited.py").write_text(CODE.replace(before, after) if before else CODE)


def console() -> Console:
    return Console(file=io.StringIO())


def loaded(folder: Path) -> Experiment:
    return load_study(folder / "s.yaml", runs=folder / "runs")


def adopted(folder: Path) -> tuple[Experiment, Adoption]:
    experiment = loaded(folder)
    return experiment, experiment.adopt(OPTIONS, console())


def test_comments_docstrings_and_formatting_need_no_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(network_experiment, "run_trials")
    before = '    """A network."""\n    inner = [nn'
    edit(folder, before, '    """Another text."""\n    # and a comment\n    inner = [\n        nn')
    experiment = loaded(folder)
    assert experiment.status()["states"] == {"missing": 4}
    (line,) = experiment.earlier()
    assert line.startswith("4 records under an earlier edited.py (") and line.endswith("that are still the same")
    for text in (status_text(experiment.status()), plan_text(experiment.plan())):
        assert line in text.splitlines()
    assert any(line in paragraph for paragraph in map(str, experiment.report().document.remarks))
    experiment, found = adopted(folder)
    assert [(one.label, one.how, one.records) for one in found.variants] == [
        ("base", "unchanged", 2),
        ("norm batch", "unchanged", 2),
    ]
    assert found.exit_code == 0 and adoption_text(found).endswith("4 of 4 taken over")
    assert experiment.status()["states"] == {"recorded": 4} and experiment.earlier() == []
    rows = experiment.results()
    assert rows["state"].tolist() == ["recorded"] * 4
    assert all((folder / "runs" / id / "result.json").is_file() for id in rows["id"])
    made = experiment.report().document.sections[-1].content
    assert any("4 records under an earlier edited.py" in text for text in made.texts)


def test_each_variant_is_checked_by_one_training(folder: Path) -> None:
    edit(folder, "nn.BatchNorm1d(width)", "nn.BatchNorm1d(width, eps=0.5)")
    experiment, found = adopted(folder)
    base, batch = found.variants
    assert (base.how, base.records, base.seed) == ("equal", 2, 0) and base.verdict and base.verdict.equal
    assert (batch.how, batch.records) == ("different", 0) and batch.verdict and batch.verdict.first_difference == 1
    assert found.exit_code == 3 and adoption_text(found).splitlines()[-1] == "2 of 4 taken over"
    states = [(trial["net"], trial["state"]) for trial in experiment.status()["trials"]]
    assert states == [("base", "recorded")] * 2 + [("norm batch", "recorded"), ("norm batch", "missing")]
    first, second, *_ = experiment.trials()
    assert own_record(experiment.runs, first.id) and own_record(experiment.runs, second.id) is None
    (line,) = experiment.earlier()
    assert line.startswith("1 record under an earlier edited.py (") and line.endswith("so they do not count")
    again = json.loads(json.dumps([one.as_json() for one in adopted(folder)[1].variants]))
    assert [(one["label"], one["how"]) for one in again] == [("norm batch", "different")]  # and is not trained again


def test_records_without_a_normalized_digest_need_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopt, "normalized_digest", lambda reference: "0" * 16)
    edit(folder, '"""A network."""', '"""Another."""')
    _, found = adopted(folder)
    assert [(one.how, one.records) for one in found.variants] == [("equal", 2), ("equal", 2)]


def test_a_device_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_device(*_: object) -> None:
        raise RunError("no such device")

    monkeypatch.setattr(network_experiment, "run_trials", no_device)
    edit(folder, "nn.ReLU()", "nn.ReLU(True)")
    experiment, found = adopted(folder)
    assert [one.how for one in found.variants] == ["not trained", "not trained"] and found.exit_code == 3
    assert "seed 0 could not be trained again: recorded on" in adoption_text(found)
    assert all(read_record(experiment.runs, trial.id) is None for trial in experiment.trials())


@pytest.mark.parametrize(
    "field, value, cause",
    [("data_digest", "0011", "the images differ"), ("train_images", 65, "train_images 65 then, 64 now")],
)
def test_equal_epochs_alone_are_not_enough(folder: Path, field: str, value: Any, cause: str) -> None:
    for directory in (folder / "runs").iterdir():
        result = own_record(folder / "runs", directory.name)
        assert result
        write_result(directory, {"test_auc": 1.5, **result.result, field: value})  # as of a study that decides by it
    edit(folder, "nn.ReLU()", "nn.ReLU(True)")
    _, found = adopted(folder)
    assert [(one.how, one.records, one.cause) for one in found.variants] == [("different", 0, cause)] * 2
    assert adoption_text(found).count(f"  not taken over: {cause}") == 2


def test_a_second_edit_goes_back_to_the_first_records(folder: Path) -> None:
    edit(folder, '"""A network."""', '"""Second."""')
    adopted(folder)
    edit(folder, '"""A network."""', '"""Third."""')
    experiment, found = adopted(folder)
    assert [one.how for one in found.variants] == ["unchanged", "unchanged"]
    assert experiment.status()["states"] == {"recorded": 4}


def test_records_at_the_own_values_of_tuned_variants_are_adopted_too(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("""import sys; print('{"epoch": 1, "loss": %s}' % sys.argv[1])""")
    (tmp_path / "s.yaml").write_text(
        "name: s\nprogram: {command: 'python -S train.py {kind} {lr} {seed}', files: [train.py]}\nmeasures: [loss]\n"
        "seeds: 2\ntune: {space: {lr: {low: 0, high: 1.0}}, trials: 2, also_untuned: true}\n"
        "variants: [{grid: {kind: [1, 2], lr: 0.5}}]\n"
    )
    for trial in load_study(tmp_path / "s.yaml", runs=tmp_path / "runs").trials():
        assert isinstance(trial, ProgramTrial)
        record_program(tmp_path / "runs", trial, [{"epoch": 1, "loss": trial.axes["kind"]}])
    with open(tmp_path / "train.py", "a") as file:
        file.write("  # edited")
    experiment = load_study(tmp_path / "s.yaml", runs=tmp_path / "runs")
    (line,) = experiment.earlier()
    assert line.startswith("4 records under an earlier train.py (")
    found = experiment.adopt(OPTIONS, console())
    labels = [(one.label, one.how, one.records) for one in found.variants]
    assert labels == [("kind 1, not tuned", "equal", 2), ("kind 2, not tuned", "equal", 2)]


def test_nothing_to_adopt(folder: Path) -> None:
    _, found = adopted(folder)
    assert found == Adoption((), 0) and adoption_text(found).startswith("nothing to adopt")
