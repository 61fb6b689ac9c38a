"""The table of trackers: where `--log NAME` sends the epochs of a run.

A package adds a tracker by an entry point in the group `ablate.trackers` that names a TrackerKind.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import RunError
from ablate.files import real_directory
from ablate.records.epochs import Row
from ablate.registry import Registry
from ablate.tracking.event_files import EventFile, file_of, folder_of, tag
from ablate.tracking.follow import Followed, Tracker
from ablate.tracking.packages import need

# Settings of wandb that leave out what it would tell of the machine, of git and of the code.
UNASKED = ("x_disable_meta", "x_disable_stats", "x_disable_machine_info", "disable_git", "disable_code")


@dataclass(frozen=True)
class TrackerKind:
    """A tracker that can be named.

    Args:
        name: As in `--log NAME`.
        words: Its name for people.
        open: (directory of logs, name of the study) -> the tracker. It raises RunError if the tracker cannot be used.
    """

    name: str
    words: str
    open: Callable[[Path, str], Tracker]


class TensorBoard:
    """One event file a trial, in LOGS/<study>/tensorboard/<trial>/. A trial that goes on has its file written anew.

    Args:
        logs: The directory of logs.
        study: The name of the study.

    Raises:
        RunError: TensorBoard is not installed.
    """

    def __init__(self, logs: Path, study: str) -> None:
        need("tensorboard", "`log` tensorboard")
        self.folder = logs / study / "tensorboard"
        self.open: dict[str, EventFile] = {}

    def begin(self, trial: Followed) -> None:
        """As Tracker.begin().

        Args:
            trial: The trial.
        """
        folder = self.folder / folder_of(trial.label, trial.id)
        for one in (self.folder.parent, self.folder, folder):
            real_directory(one).mkdir(parents=True, exist_ok=True)
        path = folder / file_of(trial.id)
        path.unlink(missing_ok=True)
        file = open(path, "xb")  # noqa: SIM115 - end() closes it
        self.open[trial.id] = EventFile(file, time.time(), trial.hparams, trial.label)

    def add(self, trial: Followed, row: Row) -> None:
        """As Tracker.add().

        Args:
            trial: The trial.
            row: The epoch.
        """
        self.open[trial.id].add(row, time.time())

    def end(self, trial: Followed, completed: bool) -> None:
        """As Tracker.end().

        Args:
            trial: The trial.
            completed: Whether it was trained to its end.
        """
        written = self.open.pop(trial.id)
        written.end(time.time(), completed)
        written.file.close()

    def close(self) -> None:
        """End all."""


class MLflow:
    """One run a trial, in the experiment of the study's name: on $MLFLOW_TRACKING_URI, else in LOGS/mlflow.db.

    The run of a trial that goes on is found by its tag `ablate.trial`; steps that it has are not sent again.

    Args:
        logs: The directory of logs.
        study: The name of the study.

    Raises:
        RunError: MLflow is not installed.
    """

    def __init__(self, logs: Path, study: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self.mlflow = need("mlflow", "`log` mlflow", "mlflow-skinny")
        self.entities = need("mlflow.entities", "`log` mlflow", "mlflow-skinny")
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        where = os.environ.get("MLFLOW_TRACKING_URI", "")
        artifacts = None
        if not where:
            real_directory(logs).mkdir(parents=True, exist_ok=True)
            where, artifacts = f"sqlite:///{(logs / 'mlflow.db').absolute()}", (logs / "mlflow").absolute().as_uri()
        self.client = self.mlflow.MlflowClient(tracking_uri=where)
        found = self.client.get_experiment_by_name(study)
        self.experiment = found.experiment_id if found else self.client.create_experiment(study, artifacts)
        self.runs: dict[str, str] = {}
        self.sent: dict[str, dict[str, int]] = {}  # of each run the last step of each metric before this run

    def begin(self, trial: Followed) -> None:
        """As Tracker.begin().

        Args:
            trial: The trial.
        """
        known = self.client.search_runs([self.experiment], f"tags.`ablate.trial` = '{trial.id}'", max_results=1)
        if known:
            run = known[0].info.run_id
            histories = {name: self.client.get_metric_history(run, name) for name in known[0].data.metrics}
            self.sent[trial.id] = {name: max(one.step for one in found) for name, found in histories.items() if found}
            self.client.update_run(run, status="RUNNING")
        else:
            run = self.client.create_run(self.experiment, run_name=trial.label, tags={"ablate.trial": trial.id}).info.run_id
            items = [self.entities.Param(name, str(value)[:500]) for name, value in trial.hparams.items()]
            for first in range(0, len(items), 100):  # the most that a call takes
                self.client.log_batch(run, params=items[first : first + 100])
        self.runs[trial.id] = run

    def add(self, trial: Followed, row: Row) -> None:
        """As Tracker.add().

        Args:
            trial: The trial.
            row: The epoch.
        """
        now, step, sent = int(time.time() * 1000), row["epoch"], self.sent.get(trial.id, {})
        values = {tag(name): float(value) for name, value in row.items() if name != "epoch" and value is not None}
        metrics = [
            self.entities.Metric(name, value, now, step) for name, value in values.items() if step > sent.get(name, -1)
        ]
        self.client.log_batch(self.runs[trial.id], metrics=metrics)

    def end(self, trial: Followed, completed: bool) -> None:
        """As Tracker.end().

        Args:
            trial: The trial.
            completed: Whether it was trained to its end.
        """
        self.client.set_terminated(self.runs.pop(trial.id), "FINISHED" if completed else "FAILED")

    def close(self) -> None:
        """End all."""


class WandB:
    """One run a trial, in the project of the study's name; with $WANDB_MODE=offline in LOGS/wandb, for `wandb sync`.

    Args:
        logs: The directory of logs.
        study: The name of the study.

    Raises:
        RunError: wandb is not installed, or nobody is logged in.
    """

    def __init__(self, logs: Path, study: str) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self.wandb = need("wandb", "`log` wandb")
        offline = os.environ.get("WANDB_MODE", "online") != "online"
        if not offline and not self.wandb.login(prompt=False):
            raise RunError("`log` wandb: nobody is logged in; run `wandb login`, or set WANDB_MODE=offline and sync later")
        self.logs, self.study = real_directory(logs), study
        self.logs.mkdir(parents=True, exist_ok=True)
        self.runs: dict[str, Any] = {}
        known = self.wandb.Settings.model_fields
        self.private = {name: True for name in UNASKED if name in known}

    def begin(self, trial: Followed) -> None:
        """As Tracker.begin().

        Args:
            trial: The trial.
        """
        self.runs[trial.id] = self.wandb.init(
            project=self.study,
            name=trial.label,
            id=trial.id,
            resume="allow",
            reinit="create_new",
            dir=str(self.logs),
            config=dict(trial.hparams),
            settings=self.wandb.Settings(silent=True, console="off", **self.private),
        )

    def add(self, trial: Followed, row: Row) -> None:
        """As Tracker.add(). Steps that a resumed run has are left out by wandb itself.

        Args:
            trial: The trial.
            row: The epoch.
        """
        self.runs[trial.id].log({tag(name): value for name, value in row.items() if value is not None}, step=row["epoch"])

    def end(self, trial: Followed, completed: bool) -> None:
        """As Tracker.end().

        Args:
            trial: The trial.
            completed: Whether it was trained to its end.
        """
        self.runs.pop(trial.id).finish(exit_code=0 if completed else 1)

    def close(self) -> None:
        """End all."""


TRACKERS = Registry(
    "ablate.trackers",
    TrackerKind,
    TrackerKind("tensorboard", "TensorBoard", TensorBoard),
    TrackerKind("mlflow", "MLflow", MLflow),
    TrackerKind("wandb", "Weights & Biases", WandB),
)
