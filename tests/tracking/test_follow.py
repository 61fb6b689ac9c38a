"""A run is followed as it is recorded: each epoch once, whatever a tracker or the reader's function does."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from recorded import DIGITS, record, record_program, written
from waiting import wait_for

from ablate.api import load_study
from ablate.errors import AblateError, RunError
from ablate.launch.options import RunOptions
from ablate.network_experiment import Experiment
from ablate.records.attempts import open_trial
from ablate.records.epochs import append_epoch, read_epochs
from ablate.records.records import trial_directory
from ablate.tracking.follow import Epoch, Followed, Follower, hparams
from ablate.tracking.trackers import TRACKERS, MLflow, TensorBoard, WandB

ONE = DIGITS + "seeds: 2\nvariants:\n  - net: [WRN-10-1]\n"


class Kept:
    """A tracker that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def begin(self, trial: Followed) -> None:
        self.told.append(("begin", trial.id))

    def add(self, trial: Followed, row: Mapping[str, Any]) -> None:
        self.told.append(("add", trial.id, row["epoch"], row.get("test_error")))

    def end(self, trial: Followed, completed: bool) -> None:
        self.told.append(("end", trial.id, completed))

    def close(self) -> None:
        self.told.append(("close",))


class Broken(Kept):
    def add(self, trial: Followed, row: Mapping[str, Any]) -> None:
        raise ConnectionError("no\nserver")


def follow(found: Experiment, trackers: Mapping[str, Any], on_epoch: Any, *events: tuple[int, int, str]) -> list[str]:
    """What is said while trials of the experiment, by their place, report (epoch, status; "" for an epoch)."""
    said: list[str] = []
    trials = found.trials()
    with Follower("invented", found.runs, trackers, on_epoch, said.append).following() as follower:
        for place, epoch, status in events:
            if status:
                follower.ended(trials[place], f"trial {place}", status)
            else:
                follower.hear(trials[place], f"trial {place}", {"epoch": epoch, "epochs": 2})
    return said


def test_each_epoch_is_passed_on_once_and_earlier_ones_to_trackers_alone(tmp_path: Path) -> None:
    found = written(tmp_path, ONE)
    first, second = found.trials()
    record(found.runs, first, 5.0)
    record(found.runs, second, None)
    kept, epochs = Kept(), list[Epoch]()
    events = [(0, 2, ""), (0, 2, ""), (1, 1, ""), (0, 0, "completed"), (1, 0, "diverged")]
    assert follow(found, {"kept": kept}, epochs.append, *events) == []
    of = {one.id: [told[0:1] + told[2:] for told in kept.told if told[1:2] == (one.id,)] for one in (first, second)}
    assert of[first.id] == [("begin",), ("add", 1, 90.0), ("add", 2, 5.0), ("end", True)]
    assert of[second.id] == [("begin",), ("add", 1, 90.0), ("add", 2, 90.0), ("end", False)]
    assert kept.told[-1] == ("close",)
    assert [(one.trial, one.epoch) for one in epochs] == [(first.id, 2), (second.id, 1), (second.id, 2)]
    assert epochs[0].values["test_error"] == 5.0 and (epochs[0].epochs, epochs[0].seed, epochs[0].label) == (
        2,
        0,
        "trial 0",
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        epochs[0].epoch = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        epochs[0].values["test_error"] = 0.0  # type: ignore[index]


def test_a_trial_that_is_interrupted_is_ended_as_such(tmp_path: Path) -> None:
    found = written(tmp_path, ONE)
    record(found.runs, found.trials()[0], 5.0)
    kept = Kept()
    follow(found, {"kept": kept}, None, (0, 1, ""))
    assert kept.told[-2:] == [("end", found.trials()[0].id, False), ("close",)]


def test_errors_are_said_once_and_stop_nothing(tmp_path: Path) -> None:
    found = written(tmp_path, ONE)
    for trial in found.trials():
        record(found.runs, trial, 5.0)
    kept, called = Kept(), []

    def on_epoch(epoch: Epoch) -> None:
        called.append(epoch)
        json.loads("{")  # the error is raised in a library

    line = on_epoch.__code__.co_firstlineno + 2
    said = follow(found, {"broken": Broken(), "kept": kept}, on_epoch, (0, 1, ""), (1, 1, ""), (0, 0, "completed"))
    assert len(called) == 4 and len(said) == 2
    assert said[0] == "broken: ConnectionError: no server; nothing more is sent to it, the training goes on"
    assert said[1].startswith(f"on_epoch: {__file__}:{line}: JSONDecodeError: ")
    assert sum(told[0] == "add" for told in kept.told) == 4


def test_an_epoch_of_a_program_is_passed_on_when_it_is_complete(tmp_path: Path) -> None:
    study = {
        "name": "p",
        "program": {"command": "python x.py {lr} {seed}"},
        "measures": [{"name": "accuracy", "goal": "maximize"}],
        "seeds": 1,
        "variants": [{"grid": {"lr": [1]}}],
    }
    found = load_study(study, runs=tmp_path / "runs")
    (trial,) = found.trials()
    directory, epochs, said = trial_directory(found.runs, trial.id), list[Epoch](), list[str]()
    open_trial(directory, trial.definition)
    with Follower("p", found.runs, {}, epochs.append, said.append).following() as follower:
        append_epoch(directory, {"epoch": 1, "accuracy": 0.5, "seconds": 1.0})
        follower.hear(trial, "one", {"epoch": 1, "epochs": None})
        append_epoch(directory, {"epoch": 2, "accuracy": 0.7, "seconds": 1.0})
        follower.hear(trial, "one", {"epoch": 2, "epochs": None})
        follower.ended(trial, "one", "failed")
    assert [(one.epoch, one.values["accuracy"], one.epochs) for one in epochs] == [(1, 0.5, None), (2, 0.7, None)]
    record_program(found.runs, trial, [{"epoch": 3, "accuracy": 0.9}])  # a row that is the last is held back
    with Follower("p", found.runs, {}, epochs.append, said.append).following() as follower:
        follower.hear(trial, "one", {"epoch": 3, "epochs": None})
    assert len(epochs) == 2 and not said


def test_a_run_is_followed_in_tensorboard_with_its_hyperparameters(tmp_path: Path) -> None:
    accumulators = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    data = importlib.import_module("tensorboard.plugins.hparams.plugin_data_pb2")
    text = "validation: {holdout: 32}\n" + ONE.replace("WRN-10-1", "WRN-10-0.25").replace("seeds: 2", "seeds: 1")
    found, epochs = written(tmp_path, text), list[Epoch]()
    options = RunOptions(inline=True, quiet=True, log=("tensorboard",), logs=tmp_path / "logs")
    assert found.run(options, on_epoch=epochs.append).exit_code == 0
    (trial,) = found.trials()
    rows = read_epochs(trial_directory(found.runs, trial.id))
    assert [one.values["validation_error"] for one in epochs] == [row["test_error"] for row in rows]
    (file,) = (tmp_path / "logs").rglob("events*")
    assert file.parent.name == f"WRN-10-0.25_seed_0_{trial.id}" and trial.id in file.name
    events = accumulators.EventAccumulator(str(file.parent)).Reload()
    assert [one.value for one in events.Scalars("error/validation")] == pytest.approx([row["test_error"] for row in rows])
    (once,) = events.Scalars("error/test")
    assert (once.step, once.value) == (2, pytest.approx(trial.record().result["final_test_error"]))
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    info = data.HParamsPluginData.FromString(content).session_start_info
    assert info.hparams["recipe.lr"].number_value == 0.1 and info.hparams["data.held_out.images"].number_value == 32
    assert "_hparams_/session_end_info" in events.summary_metadata


FOLLOWED = Followed("invented", "0123456789abcdef", "WRN seed 0", 0, {"recipe.lr": 0.1, "data.name": "digits"})
ROWS = [{"epoch": epoch, "lr": 0.1, "test_error": 9.25 - epoch, "train_loss": None} for epoch in (1, 2, 3)]


def send(tracker: Any, rows: list[dict[str, Any]]) -> None:
    tracker.begin(FOLLOWED)
    for row in rows:
        tracker.add(FOLLOWED, row)
    tracker.end(FOLLOWED, True)
    tracker.close()


def test_mlflow_goes_on_with_the_run_of_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tracker = MLflow(tmp_path / "logs", "invented")
    send(tracker, ROWS[:2])
    send(tracker, ROWS)  # of a run that goes on: the tracker gets the earlier epochs again
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'logs' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("invented").experiment_id])
    assert (run.info.run_name, run.info.status) == ("WRN seed 0", "FINISHED")
    assert run.data.params == {"recipe.lr": "0.1", "data.name": "digits"}
    history = client.get_metric_history(run.info.run_id, "error/test")
    assert [(one.step, one.value) for one in history] == [(1, 8.25), (2, 7.25), (3, 6.25)]
    assert "loss/train" not in run.data.metrics  # it was not finite


def test_wandb_writes_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    send(WandB(tmp_path / "logs", "invented"), ROWS)
    (written,) = (tmp_path / "logs").rglob("*.wandb")
    assert FOLLOWED.id in written.name
    for text in (b"invented", b"WRN seed 0", b"recipe.lr", b"error/test", b"6.25"):
        wait_for(lambda text=text: text in written.read_bytes(), 30)  # another process writes it


def test_wandb_without_a_login_is_refused_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "login", lambda prompt: False)
    with pytest.raises(RunError, match="nobody is logged in; run `wandb login`, or set WANDB_MODE=offline"):
        WandB(tmp_path, "invented")


@pytest.mark.parametrize(
    ("name", "package"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow-skinny"), ("wandb", "wandb")]
)
def test_a_missing_package_is_named_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    load = importlib.import_module

    def missing(module: str, *rest: Any) -> Any:
        if module.startswith(name):
            raise ModuleNotFoundError(f"No module named '{module}'")
        return load(module, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(RunError, match=rf"`log` {name} needs the package {package} .*; pip install {package}$"):
        written(tmp_path, ONE).run(RunOptions(inline=True, log=(name,)))
    assert not (tmp_path / "runs").exists()


def test_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AblateError, match="`log`: found 'tensorbord'; did you mean 'tensorboard'"):
        written(tmp_path, ONE).run(RunOptions(log=("tensorbord",)))
    assert {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}.items() <= {
        name: kind.open for name, kind in TRACKERS.items()
    }.items()


def test_hparams_are_all_that_an_id_has() -> None:
    definition = b'{"recipe": {"lr": 0.1, "milestones": [1, 2], "ema": {"decay": 0.9}}, "x": null, "y": {}, "seed": 1}'
    assert hparams(definition) == {
        "recipe.lr": 0.1, "recipe.milestones": "[1, 2]", "recipe.ema.decay": 0.9, "x": "null", "y": "{}", "seed": 1,
    }  # fmt: skip
