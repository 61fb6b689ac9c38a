"""Candidate: one set of values that a search tried, as plain values, with its results."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ablate.kinds.costs import MEASURED_COSTS
from ablate.nets.counts import Counts
from ablate.study.axis_text import plain, short_axis, shown_value
from ablate.study.costs import named_cost
from ablate.study.decision import CostName
from ablate.study.program import ProgramTrial, ProgramVariant
from ablate.study.study import Trial, Variant

CandidateState = Literal["complete", "pruned", "failed", "running", "interrupted", "damaged"]
DIVERGED = 100.0  # percent: the error of a diverged training where Optuna needs a finite number


@dataclass(frozen=True)
class Candidate:
    """One candidate of a search.

    Args:
        number: Its number in the search, from 0.
        state: One of CandidateState.
        values: The values of the searched axes, by axis.
        variant: The network, data and recipe that the values give; or the values of a program's placeholders.
        trials: Its trainings: the folds in order, and within a fold the seeds in order.
        errors: The recorded values, such as validation errors in percent, by the index of the training; infinite where it
            diverged.
        intermediate: The values reported to the pruner, by Optuna's step: a training, or an epoch counted over trainings.
        costs: The costs that the search minimizes too, by name; without those that are not measured yet.
        enqueued: Whether the study file names the candidate, so that it was not sampled.
        words: The author's words for values, by axis and by the value as text.
        problem: Why a record of one that is "damaged" cannot be read; else "".
    """

    number: int
    state: CandidateState
    values: dict[str, Any]
    variant: Variant | ProgramVariant
    trials: tuple[Trial, ...] | tuple[ProgramTrial, ...]
    errors: Mapping[int, float]
    intermediate: Mapping[int, float]
    costs: Mapping[str, float] = field(default_factory=dict)
    enqueued: bool = False
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    problem: str = ""

    @cached_property
    def median(self) -> float | None:
        """The median of the validation errors, in percent; infinite if half of the trainings diverged."""
        return statistics.median(self.errors.values()) if self.errors else None

    def cost(self, name: CostName) -> float:
        """A cost of its network that a search may minimize; infinite where it is not measured.

        Args:
            name: Such as "parameters".
        """
        assert isinstance(self.variant, Variant), "a program has no such cost"
        if name in MEASURED_COSTS:
            return self.costs.get(name, math.inf)
        return named_cost(name, self.variant.counts, self.variant.recipe)

    @property
    def counts(self) -> Counts | None:
        """The counts of its network; None for a program."""
        return self.variant.counts if isinstance(self.variant, Variant) else None

    @property
    def epochs(self) -> int:
        """The epochs of all its trainings; of a program as far as the study says."""
        return sum(one.recipe.epochs if isinstance(one, Trial) else one.epochs or 0 for one in self.trials)

    @property
    def recorded_ids(self) -> tuple[str, ...]:
        """The ids of the trainings that have an error, in the order of the trainings."""
        return tuple(self.trials[number].id for number in sorted(self.errors))

    @property
    def name(self) -> str:
        """The number and values as text, such as "candidate 12 (dropout 0.3, lr 0.1)"."""
        values = (self._own_words(axis) or f"{short_axis(axis)} {self.value_text(axis)}" for axis in self.values)
        return f"candidate {self.number} ({', '.join(values)})"

    def value_text(self, axis: str) -> str:
        """The value of a searched axis in the author's words, else as plain_text().

        Args:
            axis: The axis; the candidate has a value of it.
        """
        return self._own_words(axis) or self.plain_text(self.values[axis])

    def _own_words(self, axis: str) -> str:
        return self.words.get(axis, {}).get(plain(self.values[axis]), "")

    def plain_text(self, value: Any) -> str:
        """A value as it is written in a study file; a network defined in Python by its name."""
        return self.variant.net if isinstance(value, dict) and isinstance(self.variant, Variant) else plain(value)

    @property
    def label(self) -> str:
        """The network and the other values as text; see label_of()."""
        return label_of(self.variant, self.values)


def label_of(variant: Variant | ProgramVariant, values: Mapping[str, Any]) -> str:
    """A candidate's network, then the values that its name does not show: "WRN-16-4-dropout0.3, lr 0.1".

    Args:
        variant: The candidate's network, data and recipe; or the values of a program's placeholders.
        values: The values of the searched axes, by axis.
    """
    if isinstance(variant, ProgramVariant):
        return variant.net
    beside = {axis: value for axis, value in values.items() if axis.startswith(("recipe.", "data."))}
    return ", ".join([variant.net, *(f"{short_axis(axis)} {shown_value(value)}" for axis, value in beside.items())])
