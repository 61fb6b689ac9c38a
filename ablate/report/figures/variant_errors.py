"""The errors of a study's variants as values, with one panel for each data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class VariantErrors:
    """A variant on one data set.

    Args:
        label: Its name, different from that of every other variant in the panel.
        parameters: The number of parameters of the network.
        errors: Test errors of the seeds that did not diverge, in percent, in the order of the seeds.
        median: Of all seeds, in percent; infinite if half or more of them diverged, None without any seed.
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
        """The finite errors of all variants, in percent."""
        return [error for variant in self.variants for error in variant.errors]


@dataclass(frozen=True)
class StudyErrors:
    """The errors of a study.

    Args:
        panels: One for each data set.
        names: The text of the legend by label, in the order of the colours.
    """

    panels: Sequence[ErrorPanel]
    names: Mapping[str, str]
