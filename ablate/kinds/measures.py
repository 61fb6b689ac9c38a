"""The table of measures: what is reported of a trial, computed from its logits.

A package adds one by an entry point in the group `ablate.measures`. The entry of a data set names the measures that are
taken on its images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Measure:
    """A measure of a network on labelled images.

    Args:
        name: The name in study files and records: `test_<name>`, `train_<name>`, `validation_<name>`.
        words: The name in sentences and captions.
        unit: The unit of its values, such as "%".
        total: (logits float32 (B, classes), labels int64 (B,)) -> the sum over the batch, a scalar tensor on their device.
        value: (sum over all images, number of images) -> the measure.
    """

    name: str
    words: str
    unit: str
    total: Callable[[Tensor, Tensor], Tensor]
    value: Callable[[float, int], float]

    @property
    def title(self) -> str:
        """The head of a table's column, such as "Error, %"."""
        return f"{self.words[:1].upper()}{self.words[1:]}, {self.unit}"


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


ERROR = Measure(name="error", words="error", unit="%", total=count_errors, value=percentage)

MEASURES = Registry(
    "ablate.measures",
    Measure,
    ERROR,
    Measure(name="top5_error", words="top-5 error", unit="%", total=count_top5_errors, value=percentage),
)
