"""The errors of a study's variants as values, a panel a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class VariantErrors:
    """A variant on one data set.

    Args:
        label: its name, given to no other variant of the panel.
        parameters: how many the network has.
        errors: test errors of the seeds that did not diverge, in percent, in the order of the seeds.
        median: of all seeds, in percent; infinite where half of them diverged, None without any.
        on_front: whether no other variant of the panel has as few parameters and as low a median.
        baseline: whether others are compared with it.
    """

    label: str
    parameters: int
    errors: Sequence[float]
    median: float | None
    on_front: bool = False
    baseline: bool = False


@dataclass(frozen=True)
class ErrorPanel:
    """The variants of one data set. title: empty for the only panel."""

    title: str
    variants: Sequence[VariantErrors]

    @property
    def errors(self) -> list[float]:
        """The errors of all variants."""
        return [error for variant in self.variants for error in variant.errors]


@dataclass(frozen=True)
class StudyErrors:
    """The errors of a study. names: what the legend says of each label, in the order of the colours."""

    panels: Sequence[ErrorPanel]
    names: Mapping[str, str]
