"""The errors of a study's variants as values, with one panel for each data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.study.decision import TEST_ERROR, Decision


@dataclass(frozen=True, kw_only=True)
class VariantErrors:
    """A variant on one data set.

    Args:
        label: Its name, different from that of every other variant in the panel.
        parameters: The number of parameters of the network.
        errors: The values of the seeds that did not diverge, such as test errors in percent, in the order of the seeds.
        median: Of all seeds; infinite if half or more of them diverged, None without any seed.
        on_front: Whether no other variant of the panel dominates it in parameters and median.
        baseline: Whether other variants are compared with it.
        like_best: Whether the seeds cannot tell it from the best of the panel.
        published: The published value, where its protocol is ours; else None.
    """

    label: str
    parameters: int = 0
    errors: Sequence[float]
    median: float | None
    on_front: bool = False
    baseline: bool = False
    like_best: bool = False
    published: float | None = None


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

    @property
    def drawn(self) -> list[float]:
        """The finite values of all variants, and the published ones."""
        return self.errors + [variant.published for variant in self.variants if variant.published is not None]


@dataclass(frozen=True)
class StudyErrors:
    """The errors of a study.

    Args:
        panels: One for each data set.
        names: The text of each variant by its label, in the order of the rows.
        decision: The measure.
        unit: What one value belongs to: "seed" or "training".
        value: Writes a value of the measure.
        gaps: The rows before which others are left out.
    """

    panels: Sequence[ErrorPanel]
    names: Mapping[str, str]
    decision: Decision = TEST_ERROR
    unit: str = "seed"
    value: Callable[[float], str] = "{:.2f}".format
    gaps: Sequence[int] = ()

    def set_empty(self, set_limits: Callable[[float, float], Any]) -> None:
        """Set the range of an axis without values.

        Args:
            set_limits: Of the axis.
        """
        set_limits(0, 100 if self.decision.unit == "%" else 1)
