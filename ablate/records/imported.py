"""Records of trainings by other code: RUNS/imported/<id>/, with the same files as a trial.

The id is a hash of the log's content and of what the import says about it, so importing a log twice changes nothing.
trial.json names the network and the data but no recipe or seed, so an imported record is never one of a study's trials.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ablate.errors import RecordError, printable
from ablate.files import content_id, is_real_directory, read_file, real_directory, write_atomically
from ablate.nets.blueprint import Shape
from ablate.records.attempts import write_result
from ablate.records.epochs import Row, write_epochs
from ablate.records.records import IMPORTED, read_record
from ablate.records.sealed import JSON_OPTIONS
from ablate.records.torchnet import Log, read_log

FORMAT = 1  # of trial.json
MOST_BYTES = 1 << 26  # of a log; the authors' logs have a few hundred kB
KEYS = ("imported", "sha256", "net", "data")  # of trial.json; the id is a hash of their values


@dataclass(frozen=True)
class Imported:
    """A training by other code.

    Args:
        id: 16 hexadecimal digits, see imported_id().
        directory: The record's directory.
        label: The name in tables and figures, such as "WRN-40-4, authors' log".
        net: The network's name, such as "WRN-40-4".
        network: The architecture's identity, by axis.
        data: The data set's name.
        preprocess: A name of the table of preprocessing.
        epochs: Rows of EPOCH_FIELDS, errors in percent; None where a value is not known.
        test_error: At the last epoch, in percent; None if the training diverged.
        best_test_error: The lowest of all epochs, in percent.
        planned_epochs: How many epochs the run was to have; None where the log does not say.
        source: The name of the log file.
    """

    id: str
    directory: Path
    label: str
    net: str
    network: dict[str, Any]
    data: str
    preprocess: str
    epochs: list[Row]
    test_error: float | None
    best_test_error: float | None
    planned_epochs: int | None
    source: str

    @property
    def complete(self) -> bool:
        """Whether the training ran for as many epochs as planned, as far as the log says."""
        return self.planned_epochs in (None, len(self.epochs))


@dataclass(frozen=True)
class Draft:
    """A log that has been read and checked, to be written as a record.

    Args:
        definition: The values of trial.json.
        log: The network and the epochs.
    """

    definition: dict[str, Any]
    log: Log

    @property
    def id(self) -> str:
        """The id of the record, see imported_id()."""
        return imported_id(self.definition)

    def directory(self, runs: Path) -> Path:
        """The record's directory.

        Args:
            runs: The runs directory.
        """
        return runs / IMPORTED / self.id


def draft_torchnet(path: Path, data: str, preprocess: str, classes: int, shape: Shape, net: str | None = None) -> Draft:
    """The draft of a record from a log of the authors' code.

    Args:
        path: The log file, at most MOST_BYTES.
        data: The data set's name.
        preprocess: A name of the table of preprocessing.
        classes: How many classes the data set has.
        shape: (C, H, W) of an image.
        net: The network's name; None: as the log's options say.

    Raises:
        RecordError: The log is not valid, or contradicts the arguments.
        NotationError: `net` does not follow the notation.
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise RecordError(f"{path}: more than {MOST_BYTES:,} bytes; allowed: a log of the authors' train.lua")
    log = read_log(str(path), content, preprocess, classes, shape, net)
    definition = {
        "format": FORMAT,
        "imported": "torchnet",
        "network": log.architecture.identity(),
        "net": log.net,
        "data": {"name": data, "preprocess": preprocess},
        "source": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return Draft(definition, log)


def imported_id(definition: dict[str, Any]) -> str:
    """The id of an imported record: 16 hexadecimal digits of a SHA-256.

    Args:
        definition: The values of trial.json; only those of KEYS are read.
    """
    what = {key: definition.get(key) for key in KEYS}
    return content_id(orjson.dumps(what, option=orjson.OPT_SORT_KEYS))


def write_imported(runs: Path, draft: Draft) -> bool:
    """Record an imported training. The result is written last, so an interrupted import leaves no record.

    Args:
        runs: The runs directory.
        draft: Of draft_torchnet().

    Returns:
        Whether the training was recorded now; False if it was recorded before.

    Raises:
        RecordError: The record that exists is damaged.
        OSError: A file cannot be written.
    """
    directory = draft.directory(runs)
    if read_record(runs / IMPORTED, draft.id):
        return False
    rows, definition = draft.log.rows, draft.definition
    real_directory(directory.parent).mkdir(parents=True, exist_ok=True)
    real_directory(directory).mkdir(exist_ok=True)
    write_atomically(directory / "trial.json", orjson.dumps(definition, option=JSON_OPTIONS | orjson.OPT_SORT_KEYS))
    write_epochs(directory, rows)
    last, has_diverged = rows[-1], diverged(rows)
    keys = ("test_error", "test_loss", "train_error", "train_loss")
    result = {
        "status": "diverged" if has_diverged else "completed",
        "imported": True,
        "epoch_rule": "last",
        "epochs": len(rows),
        "planned_epochs": draft.log.planned_epochs,
        **{key: None if has_diverged else last[key] for key in keys},
        "best_test_error": min(row["test_error"] for row in rows),
        **{key: _total([row[key] for row in rows]) for key in ("train_seconds", "test_seconds")},
        "parameters": draft.log.parameters,
        "provenance": {"imported": "torchnet", "source": definition["source"], "sha256": definition["sha256"]},
    }
    write_result(directory, result)
    return True


def diverged(rows: list[Row]) -> bool:
    """Whether the last epoch has a loss that is not finite.

    Args:
        rows: Of the log, at least one.
    """
    return not all(math.isfinite(rows[-1][key]) for key in ("train_loss", "test_loss") if rows[-1][key] is not None)


def read_imported(runs: Path) -> list[Imported]:
    """Every imported training, sorted by network, data and id.

    Args:
        runs: The runs directory.

    Raises:
        RecordError: A record is damaged.
    """
    folder = real_directory(runs / IMPORTED)
    places = [path.parent for path in folder.glob("*/result.json") if is_real_directory(path.parent)]
    found = [_read(place) for place in places if not place.name.startswith(".")]  # those are left by an unfinished merge
    return sorted(found, key=lambda imported: (imported.net, imported.data, imported.preprocess, imported.id))


def _read(directory: Path) -> Imported:
    """The imported training in a directory. Raises RecordError if it is damaged."""
    record = read_record(directory.parent, directory.name)
    try:
        epochs = record.epochs() if record else []
        definition = orjson.loads(read_file(directory / "trial.json"))
        if record is None or record.result["epochs"] != len(epochs) or imported_id(definition) != directory.name:
            raise ValueError
        planned = record.result["planned_epochs"]
        partly = f", {len(epochs)} of {planned} epochs" if planned not in (None, len(epochs)) else ""
        return Imported(
            directory.name,
            directory,
            f"{printable(definition['net'])}, authors' log{partly}",
            printable(definition["net"]),
            {axis: tuple(value) if isinstance(value, list) else value for axis, value in definition["network"].items()},
            definition["data"]["name"],
            definition["data"]["preprocess"],
            epochs,
            record.eval_error,
            record.result["best_test_error"],
            planned,
            printable(definition["source"]),
        )
    except (RecordError, OSError, ValueError, KeyError, TypeError, AttributeError):  # a JSONDecodeError is a ValueError
        raise RecordError(f"{directory}: damaged; remove it and import the log again") from None


def _total(seconds: list[float | None]) -> float | None:
    """The sum; None where the seconds of an epoch are not known."""
    known = [value for value in seconds if value is not None]
    return sum(known) if len(known) == len(seconds) else None
