"""The errors of a study's variants as values, with one panel for each data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.study.decision import TEST_ERROR, Decision


@dataclass(frozen=True)
class VariantErrors:
    """A variant on one data set.

    Args:
        label: Its name, different from that of every other variant in the panel.
        parameters: The number of parameters of the network.
        errors: The values of the seeds that did not diverge, such as test errors in percent, in the order of the seeds.
        median: Of all seeds; infinite if half or more of them diverged, None without any seed.
        on_front: Whether no other variant of the panel dominates it in parameters and median.
        baseline: Whether other variants are compared with it.
    """

    label: str
    parameters: int
    errors: Sequence[float]
    median: float | None
    on_front: bool = False
    baseline: bool = False


@dataclass(frozen=True)
class ErrorPanel:
    """The variants of one data set.

    Args:
        title: Of the panel; empty for the only panel.
        variants: In order.
    """

    title: str
    variants: Sequence[VariantErrors]

    @property
    def errors(self) -> list[float]:
        """The finite values of all variants."""
        return [error for variant in self.variants for error in variant.errors]


@dataclass(frozen=True)
class StudyErrors:
    """The errors of a study.

    Args:
        panels: One for each data set.
        names: The text of the legend by label, in the order of the colours.
        decision: The measure.
        unit: What one value belongs to: "seed" or "training".
    """

    panels: Sequence[ErrorPanel]
    names: Mapping[str, str]
    decision: Decision = TEST_ERROR
    unit: str = "seed"

    def set_empty(self, set_limits: Callable[[float, float], Any]) -> None:
        """Set the range of an axis without values.

        Args:
            set_limits: Of the axis.
        """
        set_limits(0, 100 if self.decision.unit == "%" else 1)
