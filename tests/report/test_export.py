"""What other tools read back is what was recorded."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablate.api import load_study
from ablate.errors import RecordError, RunError
from ablate.network_experiment import Experiment
from ablate.records.attempts import open_trial, write_result
from ablate.records.epochs import EPOCH_FIELDS, append_epoch, read_epochs
from ablate.records.records import trial_directory
from ablate.report.export import epochs_frame, export_study

STUDY = """\
name: invented
title: An invented study
data: {name: digits, train_size: 128}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32}
seeds: 2
variants:
  - grid: {block: [B(3,3), B(3,1)], k: 1, depth: 10, recipe.lr: [0.1, 0.05]}
"""
FINISHED = 1_700_000_000.0  # 2023-11-14T22:13:20 UTC


def record(experiment: Experiment, index: int, finished: bool = True) -> Path:
    """A trial's record; its second epoch has a loss that is not finite where it is not finished."""
    trial = experiment.trials()[index]
    directory = trial_directory(experiment.runs, trial.id)
    open_trial(directory, trial.definition)
    for epoch in (1, 2):
        loss = 1 / 3 / epoch if finished else math.nan
        row = {"epoch": epoch, "lr": 0.1, "train_loss": loss, "train_error": 50.0, "test_loss": 1.5}
        append_epoch(directory, {**row, "test_error": 10.0 * index + epoch, "train_seconds": 2.0, "test_seconds": 1.0})
    if finished:
        made = {"device": "A CPU", "started": "2023-11-14T22:13:00+00:00", "finished": "2023-11-14T22:13:20+00:00"}
        result = {"status": "completed", "epoch_rule": "last", "epochs": 2, "test_error": 10.0 * index + 2}
        write_result(directory, {**result, "data_digest": "00aa", "provenance": made})
    return directory


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """Eight trials, of which two are recorded and one is under way."""
    (tmp_path / "study.yaml").write_text(STUDY)
    experiment = load_study(tmp_path / "study.yaml", runs=tmp_path / "runs")
    for index, finished in ((0, True), (3, True), (5, False)):
        record(experiment, index, finished)
    return experiment


TAGS = {
    "loss/train": "train_loss",
    "loss/test": "test_loss",
    "error/train": "train_error",
    "error/test": "test_error",
    "lr": "lr",
    "seconds/train": "train_seconds",
    "seconds/test": "test_seconds",
}


def export(experiment: Experiment, to: Any, out: Path) -> list[Path]:
    return export_study("invented", experiment.results(), experiment.runs, to, out)


@pytest.mark.parametrize(("to", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_tables_are_read_back(experiment: Experiment, tmp_path: Path, to: Any, read: Any) -> None:
    if to == "parquet":
        pytest.importorskip("pyarrow")
    paths = export(experiment, to, tmp_path / "out")
    assert paths == [tmp_path / "out" / "invented" / f"{name}.{to}" for name in ("trials", "epochs")]
    trials, epochs = map(read, paths)
    ids = [trial.id for trial in experiment.trials()]
    assert list(trials["id"]) == ids and list(trials["state"][:4]) == ["recorded", "missing", "missing", "recorded"]
    assert list(epochs["id"]) == [ids[0], ids[0], ids[3], ids[3], ids[5], ids[5]]
    assert list(epochs["test_error"]) == [1, 2, 31, 32, 51, 52]
    assert list(epochs["recipe.lr"]) == [0.1, 0.1, 0.05, 0.05, 0.1, 0.1]
    assert list(epochs["seed"]) == [0, 0, 1, 1, 1, 1] and list(epochs["state"])[-1] == "interrupted"
    assert epochs["train_loss"][0] == 1 / 3 and math.isnan(epochs["train_loss"][5])  # every bit; null is not a number
    assert list(epochs.columns)[-len(EPOCH_FIELDS) :] == list(EPOCH_FIELDS)
    assert epochs.columns[0] == "net" and set(epochs.columns) > {"block", "parameters"}


def test_tensorboard_reads_the_scalars_of_each_trial(experiment: Experiment, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    accumulators = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    paths = export(experiment, "tensorboard", tmp_path)
    assert len(paths) == 3 and len({path.parent for path in paths}) == 3
    trial = experiment.trials()[3]
    (path,) = [path for path in paths if trial.id in path.name]
    assert path.parent.name == f"WRN-10-1-B(3,3)_recipe.lr_0.05_seed_1_{trial.id}"
    accumulator = accumulators.EventAccumulator(str(path.parent)).Reload()
    assert set(accumulator.Tags()["scalars"]) == set(TAGS)
    for tag, field in TAGS.items():
        scalars = accumulator.Scalars(tag)
        rows = read_epochs(trial_directory(experiment.runs, trial.id))
        assert [scalar.step for scalar in scalars] == [1, 2]
        assert [scalar.value for scalar in scalars] == pytest.approx([row[field] for row in rows], rel=1e-7)  # float32
        assert [scalar.wall_time for scalar in scalars] == [FINISHED - 3, FINISHED]

    (path,) = [path for path in paths if experiment.trials()[5].id in path.name]
    unfinished = accumulators.EventAccumulator(str(path.parent)).Reload()
    assert set(unfinished.Tags()["scalars"]) == set(TAGS) - {"loss/train"}  # it was not finite


def test_exporting_again_replaces(experiment: Experiment, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    first = {path: path.read_bytes() for path in export(experiment, "tensorboard", tmp_path)}
    assert {path: path.read_bytes() for path in export(experiment, "tensorboard", tmp_path)} == first
    assert sorted(path for path in (tmp_path / "invented").rglob("*") if path.is_file()) == sorted(first)


def test_an_axis_of_several_types_is_text_in_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    trial_directory(tmp_path, "a0").mkdir()
    row = dict.fromkeys(EPOCH_FIELDS, 1.0) | {"epoch": 1}
    append_epoch(tmp_path / "a0", row)
    trials = pd.DataFrame(
        {
            "net": ["x", "y"], "N": [(1, 2), 3], "data.train_size": ["all", 64], "k": [1, 1.5], "groups": [(1, 2), None],
            "seed": [0, 0], "id": ["a0", "b0"], "state": ["interrupted", "missing"],
        }
    )  # fmt: skip
    path, _ = export_study("mixed", trials, tmp_path, "parquet", tmp_path)
    read = pd.read_parquet(path)
    assert list(read["N"]) == ["1 2", "3"] and list(read["data.train_size"]) == ["all", "64"]
    assert list(read["k"]) == [1, 1.5] and read["groups"][0] == "1 2"
    assert list(epochs_frame(trials, tmp_path)["N"]) == [(1, 2)]


@pytest.mark.parametrize(("to", "package"), [("parquet", "pyarrow"), ("tensorboard", "tensorboard")])
def test_a_package_that_is_missing_is_named_with_the_command(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: Any, package: str
) -> None:
    load = importlib.import_module

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith(package):
            raise ModuleNotFoundError(f"No module named '{package}'")
        return load(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(RunError, match=f"the format {to} needs the package {package} .*; pip install {package}$"):
        export(experiment, to, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_to_export_is_said(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    for overrides in ((), ("seeds=0",)):
        experiment = load_study(tmp_path / "study.yaml", overrides, runs=tmp_path / "runs")
        with pytest.raises(RunError, match="no trial of invented has an epoch"):
            export(experiment, "csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["csv", "tensorboard"])
def test_a_record_that_lost_epochs_is_not_exported(experiment: Experiment, tmp_path: Path, to: str) -> None:
    path = trial_directory(experiment.runs, experiment.trials()[0].id) / "epochs.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(RecordError, match=r"damaged, its epochs.jsonl is not that of its result.json"):
        export(experiment, to, tmp_path / "out")
    assert not (tmp_path / "out").exists()
