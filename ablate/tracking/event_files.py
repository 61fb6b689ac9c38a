"""TensorBoard's event files: the epochs of a trial as scalars, and its hyperparameters. They name no host and no user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

from ablate.errors import printable
from ablate.records.epochs import Row
from ablate.tracking.packages import need


def tag(field: str) -> str:
    """The name of an epoch's value in trackers: "error/test" for test_error, "lr" for lr.

    Args:
        field: The name in epochs.jsonl.
    """
    images, _, measure = field.partition("_")
    return f"{measure}/{images}" if images in ("train", "test", "validation") and measure else field


def folder_of(label: str, trial_id: str) -> str:
    """The name of a trial's directory in TensorBoard, such as "WRN-10-1_seed_0_<id>".

    Args:
        label: The name of the trial for people.
        trial_id: 16 hexadecimal digits.
    """
    return re.sub(r"[^\w.,()+=-]+", "_", f"{label[:150]} {trial_id}", flags=re.ASCII)


def file_of(trial_id: str) -> str:
    """The name of a trial's event file.

    Args:
        trial_id: 16 hexadecimal digits.
    """
    return f"events.out.tfevents.{trial_id}"


class EventFile:
    """Writes the event file of a trial.

    Args:
        file: Open to write bytes.
        began: The time of the first event, in seconds since 1970.
        hparams: Of the trial, numbers and texts by name.
        label: The name of the trial for people.

    Raises:
        RunError: TensorBoard is not installed.
    """

    def __init__(self, file: IO[bytes], began: float, hparams: Mapping[str, Any], label: str) -> None:
        self.events = need("tensorboard.compat.proto.event_pb2", "tensorboard")
        self.summaries = need("tensorboard.compat.proto.summary_pb2", "tensorboard")
        self.hparams = need("tensorboard.plugins.hparams.summary_v2", "tensorboard")
        self.file = file
        self.writer = need("tensorboard.summary.writer.record_writer", "tensorboard").RecordWriter(file)
        self.writer.write(self.events.Event(wall_time=began, file_version="brain.Event:2").SerializeToString())
        self._write(began, 0, self.hparams.hparams_pb(dict(hparams), printable(label), began))

    def add(self, row: Row, time: float) -> None:
        """Add an epoch.

        Args:
            row: The number of the epoch, and its values by their names in epochs.jsonl. None is left out.
            time: Its end, in seconds since 1970.
        """
        scalars = [(tag(field), value) for field, value in row.items() if field != "epoch" and value is not None]
        values = [self.summaries.Summary.Value(tag=name, simple_value=value) for name, value in scalars]
        self._write(time, row["epoch"], self.summaries.Summary(value=values))

    def end(self, time: float, completed: bool) -> None:
        """Add that the trial has ended.

        Args:
            time: In seconds since 1970.
            completed: Whether it was trained to its end.
        """
        status = need("tensorboard.plugins.hparams.api_pb2", "tensorboard")
        data = need("tensorboard.plugins.hparams.plugin_data_pb2", "tensorboard")
        metadata = need("tensorboard.plugins.hparams.metadata", "tensorboard")
        how = status.STATUS_SUCCESS if completed else status.STATUS_FAILURE
        info = data.HParamsPluginData(session_end_info=data.SessionEndInfo(status=how, end_time_secs=time))
        value = self.summaries.Summary.Value(
            tag=metadata.SESSION_END_INFO_TAG, metadata=metadata.create_summary_metadata(info)
        )
        self._write(time, 0, self.summaries.Summary(value=[value]))

    def _write(self, time: float, step: int, summary: Any) -> None:
        self.writer.write(self.events.Event(wall_time=time, step=step, summary=summary).SerializeToString())
        self.writer.flush()
