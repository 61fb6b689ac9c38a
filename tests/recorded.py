"""Invented records, as a training would have written them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablate.api import load_study
from ablate.network_experiment import Experiment
from ablate.records.attempts import open_trial, write_result
from ablate.records.epochs import Row, append_epoch, write_epochs
from ablate.records.records import trial_directory
from ablate.report.document import Document
from ablate.study.program import ProgramTrial
from ablate.study.study import Trial

DIGITS = """\
name: invented
data: {name: digits, train_size: 128}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32}
"""
PROVENANCE = {
    "ablate": "0.1",
    "revision": "f" * 40,
    "python": "3.11",
    "torch": "2.15",
    "device": "a processor",
    "threads": 1,
    "started": "2026-01-01T00:00:00+00:00",
    "finished": "2026-01-01T00:00:06+00:00",
}


def record(runs: Path, trial: Trial, error: float | None, first: float = 90.0, **changes: Any) -> None:
    """A trial of two epochs, with the error (percent) of the last, None if it diverged, and of the first."""
    directory = trial_directory(runs, trial.id)
    open_trial(directory, trial.definition)
    rows: list[Row] = []
    for epoch, error_then in ((1, first), (2, 90.0 if error is None else error)):
        row = {"epoch": epoch, "lr": 0.1, "train_loss": 2.0 / epoch, "train_error": 50.0, "test_loss": 1.0}
        rows.append({**row, "test_error": error_then, "train_seconds": 2.0, "test_seconds": 1.0})
    write_epochs(directory, rows)
    result = {
        "status": "diverged" if error is None else "completed",
        "epoch_rule": "last",
        "epochs": 2,
        "test_error": error,
        "test_loss": 1.0,
        "train_error": 50.0,
        "train_loss": 1.0,
        "train_seconds": 4.0,
        "test_seconds": 2.0,
        "train_images": 128,
        "test_images": 500,
        "data_digest": f"of {trial.data.title}",
        "provenance": PROVENANCE,
    }
    write_result(directory, {**result, **changes})


def written(folder: Path, text: str) -> Experiment:
    """The experiment of a study of that text, its runs in the same folder."""
    path = folder / "invented.yaml"
    path.write_text(text)
    return load_study(path, runs=folder / "runs")


def recorded(folder: Path, text: str, errors: Mapping[int, Sequence[float | None]]) -> Experiment:
    """The same with records: errors of the first seeds by the variant's place in the study."""
    experiment = written(folder, text)
    for index, of_variant in errors.items():
        for trial, error in zip(experiment.variants[index].trials(experiment.study.seeds), of_variant):
            record(experiment.runs, trial, error)
    return experiment


def captions(document: Document) -> list[str]:
    """The captions of the tables as texts show them, each with its details."""
    return [" ".join([table.caption, *table.details]) for table in document.brief_tables]


def record_program(runs: Path, trial: ProgramTrial, rows: list[dict[str, Any]]) -> None:
    """A trial of a program, with these epochs; None as accuracy: it diverged."""
    directory = trial_directory(runs, trial.id)
    open_trial(directory, trial.definition)
    for row in rows:
        append_epoch(directory, {**row, "seconds": 1.5})
    last = {key: value for row in rows for key, value in row.items() if key != "epoch"}
    status = "diverged" if last.get("accuracy", 0) is None else "completed"
    write_result(directory, {"status": status, "epochs": len(rows), "seconds": 1.5 * len(rows), **last})
