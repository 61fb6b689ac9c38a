"""The table of measures: what is reported of a trial, counted from its logits.

A package adds one by an entry point in the group `ablate.measures`; a data set says which are taken on its images.
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
        name: in study files and records: `test_<name>`, `train_<name>`, `validation_<name>`.
        words: in sentences and captions.
        unit: of its values.
        total: (logits float32 (B, classes), labels int64 (B,)) -> its sum over the batch, a scalar on their device.
        value: (sum over all images, number of images) -> the measure.
    """

    name: str
    words: str
    unit: str
    total: Callable[[Tensor, Tensor], Tensor]
    value: Callable[[float, int], float]

    @property
    def title(self) -> str:
        """The head of a table's column."""
        return f"{self.words[:1].upper()}{self.words[1:]}, {self.unit}"


def percentage(errors: float, images: int) -> float:
    """So many errors among so many images, in percent."""
    return 100 * int(errors) / images


def count_errors(logits: Tensor, labels: Tensor) -> Tensor:
    """How many images have another class first."""
    return (logits.argmax(1) != labels).sum()


def count_top5_errors(logits: Tensor, labels: Tensor) -> Tensor:
    """How many images do not have their class among the first five."""
    first = logits.topk(min(5, logits.shape[1])).indices
    return (first != labels[:, None]).all(1).sum()


ERROR = Measure(name="error", words="error", unit="%", total=count_errors, value=percentage)

MEASURES = Registry(
    "ablate.measures",
    Measure,
    ERROR,
    Measure(name="top5_error", words="top-5 error", unit="%", total=count_top5_errors, value=percentage),
)
