"""Reads the log of a training by the authors of WRN (Torch and torchnet): one `json_stats: {...}` an epoch.

Such a line has every option of the run and the results of the epoch: epoch, lr, test_acc (percent), train_time, test_time
(seconds), n_parameters, and the training loss as `loss`, in later versions train_loss and train_acc (percent). All other
lines are ignored.

Source: the authors' repository, train.lua and logs/.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from ablate.errors import NotationError, RecordError, allowed
from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Shape
from ablate.nets.families import count_network
from ablate.nets.notation import format_architecture, parse_architecture
from ablate.records.epochs import EPOCH_FIELDS, Row

MODELS = ("wide-resnet", "resnet-pre-act", "nin", "vgg")
DECIMALS = 10  # 100 - 94.89 is 5.11, not 5.109999999999999
_OPTIONS = ("model", "depth", "widen_factor", "dropout", "num_classes", "n_parameters", "dataset", "max_epoch")
_MARK = re.compile(r"json_stats:\s*(?=\{)")


@dataclass(frozen=True)
class Log:
    """The content of a log.

    Args:
        net: The network's name.
        architecture: The network.
        rows: The epochs 1, 2, ..., of EPOCH_FIELDS; errors in percent, None where the log has no value.
        planned_epochs: How many epochs the run was to have; None where the log does not say.
        parameters: The network's number of parameters.
        remarks: One line for each part of the log that was ignored.
    """

    net: str
    architecture: Architecture
    rows: list[Row]
    planned_epochs: int | None
    parameters: int
    remarks: list[str]


@dataclass(frozen=True)
class _Stats:
    """The values of one line, and its place, such as "log.txt:12"."""

    place: str
    values: dict[str, Any]

    def number(self, key: str, least: float = -math.inf, most: float = math.inf, finite: bool = True) -> float | None:
        """A number of the line; None where there is none."""
        found = self.values.get(key)
        if found is None:
            return None
        number = float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else None
        if number is None or number < least or number > most or (finite and not math.isfinite(number)):
            bounds = f" from {least:g}" if math.isfinite(least) else ""
            bounds += f" to {most:g}" if math.isfinite(most) else ""
            raise RecordError(f"{self.place}: {key}: found {found!r}; allowed: a number{bounds}")
        return number

    def loss(self, key: str) -> float | None:
        """A loss of the line. It is not finite where the training diverged."""
        return self.number(key, finite=False)

    def count(self, key: str) -> int | None:
        """A whole number of the line, at least 1."""
        found = self.number(key, least=1)
        if found is not None and not found.is_integer():
            raise RecordError(f"{self.place}: {key}: found {found:g}; allowed: a whole number")
        return None if found is None else int(found)


def read_log(name: str, content: bytes, preprocess: str, classes: int, shape: Shape, net: str | None = None) -> Log:
    """The network and the epochs of a log.

    An epoch that appears again belongs to a run that was resumed there. It replaces the earlier one and all after that.

    Args:
        name: The name of the file in error messages.
        content: The bytes of the file.
        preprocess: A name of the table of preprocessing.
        classes: How many classes the data set has.
        shape: (C, H, W) of an image.
        net: The network's name; None: as the log's options say.

    Raises:
        RecordError: The log is not valid or contradicts the arguments; the message names file and line.
        NotationError: `net` does not follow the notation.
    """
    lines, remarks = _lines(name, content.decode("utf-8", errors="replace"))
    if not lines:
        damaged = "; ".join(remarks) or "no line has json_stats: {...}"
        raise RecordError(f"{name}: {damaged}; allowed: a log of the authors' train.lua")
    first = lines[0]
    for line in lines:
        for option in _OPTIONS:
            if line.values.get(option) != first.values.get(option):
                raise RecordError(
                    f"{line.place}: {option}: found {line.values.get(option)!r}, {first.values.get(option)!r} at "
                    f"{first.place}; allowed: the log of one run"
                )
    _check_data(first, preprocess, classes)
    architecture = _network(first, net)
    parameters = _check_parameters(first, architecture, classes, shape)
    rows = _rows(lines, remarks)
    return Log(format_architecture(architecture), architecture, rows, first.count("max_epoch"), parameters, remarks)


def _lines(name: str, text: str) -> tuple[list[_Stats], list[str]]:
    """The lines that can be read, and a remark on each that cannot, such as the last line of a run that was killed."""
    decoder = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 16 else float(digits))
    lines: list[_Stats] = []
    remarks: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if mark := _MARK.search(line):  # only the first in a line: with many, the time would be quadratic
            place = f"{name}:{number}"
            try:
                values, _ = decoder.raw_decode(line, mark.end())
                lines.append(_Stats(place, values))
            except (ValueError, RecursionError):
                remarks.append(f"{place}: a damaged json_stats is skipped")
    return lines, remarks


def _check_data(stats: _Stats, preprocess: str, classes: int) -> None:
    """Check that the log is of the stated data set and preprocessing."""
    found = stats.count("num_classes")
    if found is not None and found != classes:
        raise RecordError(f"{stats.place}: num_classes is {found}, but `data` has {classes}")
    dataset = stats.values.get("dataset")
    if isinstance(dataset, str) and "whitened" in dataset and preprocess != "zca":
        file = re.split(r"[/\\]", dataset)[-1]
        raise RecordError(f"{stats.place}: dataset {file} is whitened, but `preprocess` is {preprocess}; use zca")


def _network(stats: _Stats, net: str | None) -> Architecture:
    """The network called `net`, else that of the log's options. The authors' pre-ResNet has bottlenecks."""
    if net:
        return parse_architecture(net)
    model, rate = stats.values.get("model"), stats.number("dropout", 0, 1)
    if model is None and stats.values.get("widen_factor") is not None:
        model = "wide-resnet"  # only this model has the option
    if model not in MODELS:
        raise RecordError(f"{stats.place}: model: found {model!r}; {allowed(str(model), MODELS)}; or name it with `net`")
    name = {"nin": "NIN", "vgg": "VGG"}.get(model, "")
    if not name:
        depth, factor = stats.count("depth"), stats.number("widen_factor", 0)
        if depth is None or (factor is None and model == "wide-resnet"):
            missing = "depth" if depth is None else "widen_factor"
            raise RecordError(f"{stats.place}: {missing} is missing; name the network with `net`")
        name = f"WRN-{depth}-{factor:g}" if model == "wide-resnet" else f"pre-ResNet-{depth}-bottleneck"
        name += f"-dropout{rate:g}" if rate and model == "wide-resnet" else ""
    try:
        return parse_architecture(name)
    except NotationError as error:
        raise RecordError(f"{stats.place}: {error}; name the network with `net`") from None


def _check_parameters(stats: _Stats, architecture: Architecture, classes: int, shape: Shape) -> int:
    """The network's number of parameters by our count. Raises RecordError if the log has another."""
    ours, theirs = count_network(architecture, classes, shape).parameters, stats.count("n_parameters")
    if theirs is not None and theirs != ours:
        name = format_architecture(architecture)
        raise RecordError(f"{stats.place}: n_parameters is {theirs}, but {name} has {ours}; name the network with `net`")
    return ours


def _rows(lines: list[_Stats], remarks: list[str]) -> list[Row]:
    """The epochs 1, 2, ... in order. Raises RecordError where one is missing."""
    rows: list[Row] = []
    for line in lines:
        epoch = line.count("epoch")
        if epoch is None or epoch > len(rows) + 1:
            found = "nothing" if epoch is None else f"{epoch} after {len(rows)}" if rows else f"{epoch} first"
            damaged = f" ({remarks[-1]})" if remarks else ""
            again = ", or an earlier one of a resumed run" if rows else ""
            raise RecordError(f"{line.place}: epoch: found {found}; allowed: {len(rows) + 1}{again}{damaged}")
        if epoch <= len(rows):
            remarks.append(f"{line.place}: resumed at epoch {epoch}; the earlier {epoch} to {len(rows)} do not count")
            del rows[epoch - 1 :]
        rows.append(_row(line, epoch))
    return rows


def _row(line: _Stats, epoch: int) -> Row:
    """The fields of one epoch."""
    loss = line.loss("train_loss")
    found = {
        "epoch": epoch,
        "lr": line.number("lr", 0),
        "train_loss": line.loss("loss") if loss is None else loss,
        "train_error": _error(line, "train_acc"),
        "test_loss": line.loss("test_loss"),
        "test_error": _error(line, "test_acc"),
        "train_seconds": line.number("train_time", 0),
        "test_seconds": line.number("test_time", 0),
    }
    if found["test_error"] is None:
        raise RecordError(f"{line.place}: test_acc is missing; allowed: a percentage")
    return {field: found[field] for field in EPOCH_FIELDS}


def _error(line: _Stats, key: str) -> float | None:
    """The error of an accuracy, in percent; None where the line has none."""
    accuracy = line.number(key, 0, 100)
    return None if accuracy is None else round(100 - accuracy, DECIMALS)
