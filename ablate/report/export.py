"""export_study(): the records of a study in the formats of other tools: CSV, Parquet, TensorBoard event files."""

from __future__ import annotations

import io
import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ablate.errors import RunError
from ablate.files import read_file, real_directory, write_atomically
from ablate.records.epochs import Row, measured_on, read_epochs
from ablate.records.records import FINAL, Record, read_record, trial_directory
from ablate.records.result import TEST, renamed
from ablate.report.writers.csv import to_csv
from ablate.study.axis_text import plain, shown_value
from ablate.tracking.event_files import EventFile, file_of, folder_of
from ablate.tracking.follow import hparams
from ablate.tracking.packages import need

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["tensorboard", "csv", "parquet"]
NetworkFormat = Literal["state_dict", "onnx", "torch_export"]  # which experiment_trial.export_networks() writes
ExportFormat = Literal["tensorboard", "csv", "parquet", "state_dict", "onnx", "torch_export"]


def export_study(name: str, trials: pd.DataFrame, runs: Path, to: Format, out: Path) -> list[Path]:
    """Write a study's trials and epochs into out/<name>/ and return the paths.

    Errors are in percent, losses in nats, times in seconds.

    Args:
        name: The name of the study.
        trials: One row per trial, as returned by Experiment.results().
        runs: The runs directory.
        to: Csv and parquet: a file `trials`, and a file `epochs` with one row per trial and epoch. tensorboard: one
            directory per trial with one event file.
        out: The directory that <name>/ is made in.

    Raises:
        RunError: The directory cannot be made, no trial has an epoch, or the package of the format is missing.
        RecordError: A record is damaged.
    """
    directory = real_directory(out / name)
    if directory.exists() and not directory.is_dir():
        raise RunError(f"`out`: {directory} cannot be a directory, a file is in its place")
    epochs = epochs_frame(trials, runs)
    if epochs.empty:
        raise RunError(f"nothing to export yet: no trial of {name} has an epoch in {runs}; run the study first")
    if to == "tensorboard":
        files = _event_files(trials, runs)
    else:
        write = to_csv if to == "csv" else _to_parquet
        files = {f"trials.{to}": write(trials), f"epochs.{to}": write(epochs)}
    for path, data in files.items():
        real_directory((directory / path).parent).mkdir(parents=True, exist_ok=True)
        write_atomically(directory / path, data)
    return [directory / path for path in files]


def epochs_frame(trials: pd.DataFrame, runs: Path) -> pd.DataFrame:
    """One row per trial and epoch: the columns that identify the trial, its id and state, then the epoch's values.

    The values are those of EPOCH_FIELDS and of other measures, under their names in epochs.jsonl: of held-out images they
    begin with validation_.

    Of a program the last columns are the epoch, all that it reported, and the seconds.

    Args:
        trials: One row per trial, as returned by Experiment.results().
        runs: The runs directory.

    Raises:
        RecordError: A record is damaged.
    """
    import pandas as pd

    rows: list[Row] = []
    columns = [*trials.columns[: list(trials.columns).index("id") + 1], "state"] if len(trials) else []
    for trial in trials.to_dict("records"):
        about = {key: trial[key] for key in columns}
        rows += [{**about, **epoch, **about} for epoch in _epochs(runs, trial["id"])]  # a program may report a seed too
    return pd.DataFrame(rows)


def _epochs(runs: Path, trial_id: str) -> list[Row]:
    """The epochs of a trial, finished or not, under the names in epochs.jsonl.

    Raises RecordError for a finished record with missing epochs.
    """
    record, directory = read_record(runs, trial_id), trial_directory(runs, trial_id)
    rows = record.epochs() if record else read_epochs(directory)
    return [renamed(row, TEST, measured_on(directory)) for row in rows]


def _to_parquet(frame: pd.DataFrame) -> bytes:
    """A Parquet file. Each column has one type: a column with values of several types is written as text."""
    need("pyarrow", "the format parquet")
    frame = frame.copy()
    for column in frame.columns:
        values = [value for value in frame[column] if not _is_missing(value)]
        of_one_type = len({type(value) for value in values}) <= 1 and not any(isinstance(v, tuple) for v in values)
        if not (of_one_type or all(isinstance(value, (int, float)) for value in values)):
            frame[column] = [None if _is_missing(value) else plain(value) for value in frame[column]]
    buffer = io.BytesIO()
    frame.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _event_files(trials: pd.DataFrame, runs: Path) -> dict[str, bytes]:
    """The event file of each trial that has an epoch, by path. The names contain no host and no time."""
    need("tensorboard", "the format tensorboard")
    files = {}
    for trial in trials.to_dict("records"):
        if not (rows := _epochs(runs, trial["id"])):
            continue
        times = _wall_times(runs, trial["id"], rows)
        label = _label(trial)
        values = hparams(read_file(trial_directory(runs, trial["id"]) / "trial.json"))
        buffer = io.BytesIO()
        written = EventFile(buffer, times[0], values, label)
        for row, time in zip(rows, times):
            written.add(row, time)
        if trial["state"] in FINAL:
            written.end(times[-1], trial["state"] == "recorded")
        files[f"tensorboard/{folder_of(label, trial['id'])}/{file_of(trial['id'])}"] = buffer.getvalue()
    return files


def _label(trial: dict[str, Any]) -> str:
    """The name of a trial in TensorBoard: "WRN-10-1 recipe.lr 0.05 seed 0"."""
    axes = [f"{axis} {shown_value(value)}" for axis, value in trial.items() if axis.startswith(("recipe.", "data."))]
    return " ".join([trial["net"], *axes, f"seed {trial['seed']}"])


def _wall_times(runs: Path, trial_id: str, rows: list[Row]) -> list[float]:
    """The end of each epoch in seconds since 1970, computed backwards from the end of the last epoch."""
    record = read_record(runs, trial_id)
    end = _finished(record) if record else None
    if end is None:
        end = (trial_directory(runs, trial_id) / "epochs.jsonl").stat().st_mtime
    times = [end]
    for row in rows[:0:-1]:
        seconds = ("train_seconds", "validation_seconds", "test_seconds", "seconds")
        times.append(times[-1] - sum(row.get(key) or 0 for key in seconds))
    return times[::-1]


def _finished(record: Record) -> float | None:
    try:
        return datetime.fromisoformat(record.result["provenance"]["finished"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None
