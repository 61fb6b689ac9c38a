"""The table of measures: what is reported of a trial, computed from its logits.

A package adds one by an entry point in the group `ablate.measures`. The entry of a data set names the measures that are
taken on its images, and `measures` of a study names more. A measure of the user's own is a callable

    measure(logits, labels)     -> a finite number; logits float32 (N, classes) and labels int64 (N,) of all N images of
                                   a test, on the CPU, in the order of the files
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ablate.files import content_id
from ablate.own_code import OwnCode, own_number
from ablate.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Measure:
    """A measure of a network on labelled images.

    Args:
        name: The name in study files and records: `test_<name>`, `train_<name>`, `validation_<name>`.
        words: The name in sentences and captions.
        unit: The unit of its values, such as "%".
        total: (logits float32 (B, classes), labels int64 (B,)) -> the sum over the batch, a scalar tensor on their device.
            None for a measure that is not a sum over images.
        value: (sum over all images, number of images) -> the measure; with `total`.
        of_all: (logits float32 (N, classes), labels int64 (N,)) of all images of a test, on the CPU -> the measure; without
            `total`.
        goal: "minimize": a low value is good.
        task: What it is a measure of; a name of the table of tasks. For detection the logits are detections, float32
            (N, D, 6), and the labels targets, see average_precision.py.
    """

    name: str
    words: str
    unit: str
    total: Callable[[Tensor, Tensor], Tensor] | None = None
    value: Callable[[float, int], float] | None = None
    of_all: Callable[[Tensor, Tensor], float] | None = None
    goal: Literal["minimize", "maximize"] = "minimize"
    task: str = "classification"

    @property
    def title(self) -> str:
        """The head of a table's column, such as "Error, %"."""
        return f"{self.words[:1].upper()}{self.words[1:]}" + (f", {self.unit}" if self.unit else "")


def percentage(errors: float, images: int) -> float:
    """Errors in percent of the images.

    Args:
        errors: How many images are misclassified, a whole number.
        images: How many images were evaluated, at least 1.
    """
    return 100 * int(errors) / images


def count_errors(logits: Tensor, labels: Tensor) -> Tensor:
    """How many images have another class as their first prediction, a scalar tensor.

    Args:
        logits: float32 (B, classes).
        labels: int64 (B,), from 0.
    """
    return (logits.argmax(1) != labels).sum()


def count_top5_errors(logits: Tensor, labels: Tensor) -> Tensor:
    """How many images do not have their class among the first five predictions, a scalar tensor.

    Args:
        logits: float32 (B, classes). With fewer than five classes, all are taken.
        labels: int64 (B,), from 0.
    """
    first = logits.topk(min(5, logits.shape[1])).indices
    return (first != labels[:, None]).all(1).sum()


def mean(total: float, images: int) -> float:
    """The mean over the images.

    Args:
        total: The sum over all images.
        images: How many images were evaluated, at least 1.
    """
    return total / images


def _sum_log_likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    """The sum of the negative log-likelihoods of the labels, in nats, a scalar tensor."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits, labels, reduction="sum")


def _balanced_error(logits: Tensor, labels: Tensor) -> float:
    """The mean over the classes of the error within the class, in percent. Classes without images do not count."""
    return float(100 - 100 * _class_accuracies(logits, labels).mean())


def _class_error(logits: Tensor, labels: Tensor) -> float:
    """The largest error within a class, in percent. Classes without images do not count."""
    return float(100 - 100 * _class_accuracies(logits, labels).min())


def _class_accuracies(logits: Tensor, labels: Tensor) -> npt.NDArray[np.float64]:
    """The share of the images of each class that are predicted right, for the classes with images."""
    import numpy as np
    from sklearn.metrics import recall_score

    found: npt.NDArray[np.float64] = recall_score(
        labels.numpy(), logits.argmax(1).numpy(), labels=np.unique(labels.numpy()), average=None, zero_division=0
    )
    return found


def _macro_f1(logits: Tensor, labels: Tensor) -> float:
    """The mean over the classes of the F1 score, in percent. Classes without images and predictions do not count."""
    from sklearn.metrics import f1_score

    return float(100 * f1_score(labels.numpy(), logits.argmax(1).numpy(), average="macro", zero_division=0))


def calibration_error(logits: Tensor, labels: Tensor, bins: int = 15) -> float:
    """The expected calibration error in percent: how far confidence and accuracy are apart, on average over the images.

    The images are put into bins of equal width by the probability of their first prediction.

    Args:
        logits: float32 (N, classes).
        labels: int64 (N,), from 0.
        bins: The number of bins.

    Source: Guo et al., 2017, On calibration of modern neural networks, equation 3.
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    gap = (predicted == labels).double() - confidence
    apart = gap.new_zeros(bins).index_add_(0, (confidence * bins).long().clamp(0, bins - 1), gap)
    return float(100 * apart.abs().sum() / len(labels))


ERROR = Measure(name="error", words="error", unit="%", total=count_errors, value=percentage)


def _average_precision(name: str, words: str) -> Measure:
    """A measure of detections."""

    def of_all(detections: Tensor, targets: Tensor) -> float:
        from ablate.kinds.average_precision import average_precisions

        return average_precisions(detections.numpy(), targets.numpy())[name]

    return Measure(name=name, words=words, unit="%", of_all=of_all, goal="maximize", task="detection")


MEASURES = Registry(
    "ablate.measures",
    Measure,
    ERROR,
    Measure(name="top5_error", words="top-5 error", unit="%", total=count_top5_errors, value=percentage),
    Measure(
        name="accuracy",
        words="accuracy",
        unit="%",
        total=lambda logits, labels: (logits.argmax(1) == labels).sum(),
        value=percentage,
        goal="maximize",
    ),
    Measure(name="balanced_error", words="balanced error", unit="%", of_all=_balanced_error),
    Measure(name="macro_f1", words="macro F1", unit="%", of_all=_macro_f1, goal="maximize"),
    Measure(name="class_error", words="largest error of a class", unit="%", of_all=_class_error),
    Measure(name="nll", words="negative log-likelihood", unit="nats", total=_sum_log_likelihood, value=mean),
    Measure(name="ece", words="expected calibration error", unit="%", of_all=calibration_error),
    _average_precision("AP", "AP"),
    _average_precision("AP50", "AP at IoU 0.5"),
    _average_precision("AP75", "AP at IoU 0.75"),
    _average_precision("AP_small", "AP of small objects"),
    _average_precision("AP_medium", "AP of medium objects"),
    _average_precision("AP_large", "AP of large objects"),
)


@dataclass(frozen=True)
class OwnMeasure:
    """A measure of the user's own.

    Args:
        name: The name in records and tables.
        code: The callable.
    """

    name: str
    code: OwnCode

    def identity(self) -> dict[str, Any]:
        """What can change its values, in plain values."""
        return {"name": self.name, **self.code.identity()}


OFFERED = ("logits", "labels")  # the parameters of a measure of the user's own


def measures_of(task: str) -> list[str]:
    """The names of the measures of a task, in the order of the table.

    Args:
        task: A name of the table of tasks.
    """
    return [name for name, entry in MEASURES.items() if entry.task == task]


def find_measure(measure: str | OwnMeasure) -> Measure:
    """The measure of a name, or of the user's own code.

    Args:
        measure: A name of the table, or own code.
    """
    if isinstance(measure, str):
        return MEASURES[measure]
    return Measure(name=measure.name, words=measure.name, unit="", of_all=partial(_own_value, measure.code))


def name_of(measure: str | OwnMeasure) -> str:
    """The name of a measure in study files and records.

    Args:
        measure: A name of the table, or own code.
    """
    return measure if isinstance(measure, str) else measure.name


def key_of(measure: str | OwnMeasure) -> str:
    """A name under which a value is kept: that of the measure, with a digest of its code if it is the user's own.

    Args:
        measure: A name of the table, or own code.
    """
    if isinstance(measure, str):
        return measure
    identity = json.dumps(measure.identity(), sort_keys=True).encode()
    return f"{measure.name}:{content_id(identity)}"


def take_measure(measure: str | OwnMeasure, values: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """A measure of logits.

    Args:
        measure: A name of the table, or own code.
        values: Shape (N, classes), finite.
        labels: Shape (N,), from 0.

    Raises:
        NotationError: The user's own code raises an error or returns no number.
    """
    import torch

    entry, logits, classes = find_measure(measure), torch.from_numpy(values), torch.from_numpy(labels)
    if entry.total is not None and entry.value is not None:
        return entry.value(float(entry.total(logits, classes)), len(classes))
    assert entry.of_all is not None
    return entry.of_all(logits, classes)


def _own_value(code: OwnCode, logits: Tensor, labels: Tensor) -> float:
    """The number that a measure of the user's own returns."""
    found = code.call(logits=logits.clone(), labels=labels.clone())  # it may write to what it gets
    return own_number(found, code.python)
