"""Decision: what the variants of a study are compared by; ShownMeasure: what its reports show besides."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Goal = Literal["minimize", "maximize"]
Split = Literal["test", "validation", ""]
CostName = Literal[  # what a search may minimize beside a measure; those of MEASURED_COSTS are measured on a device
    "parameters", "multiply_adds", "activation_memory", "step_time", "inference_time", "inference_time_128", "peak_memory",
    "energy",
]  # fmt: skip

UNITS = {"%": "in percent", "": ""}  # as a caption says them; any other: "in <unit>"


@dataclass(frozen=True)
class Decision:
    """What the variants of a study are compared by: a measure, on which images, and whether low or high is good.

    Args:
        measure: The name of the measure, such as "error".
        split: The images that it is measured on: "test", or "validation" (held-out training images). "" for a measure of a
            program, which names its images itself.
        goal: "minimize": the lowest value is the best.
        words: The measure in sentences and on axes, such as "test error".
        unit: Of its values, such as "%"; "" for none.
        once: The name of the measure where it is one on further test images, which are evaluated once, after the last
            epoch; `measure` is its column then, such as "on_gaussian_noise_3_error". "" for any other.
    """

    measure: str = "error"
    split: Split = "test"
    goal: Goal = "minimize"
    words: str = "test error"
    unit: str = "%"
    once: str = ""

    @property
    def name(self) -> str:
        """The name in files of a report, such as "test_error"."""
        return f"{self.split}_{self.measure}" if self.split and not self.once else self.measure

    @property
    def column(self) -> str:
        """The name in a record that is read: the fields of an evaluation begin with `test_` there, whatever the images."""
        return f"test_{self.measure}" if self.split and not self.once else self.measure

    @property
    def each_epoch(self) -> Decision:
        """What is shown of each epoch: this, or the test error where this is measured once."""
        return TEST_ERROR if self.once else self

    @property
    def median_name(self) -> str:
        """The name of a variant's median in files of a report, such as "median_test_error"."""
        return f"median_{self.name}"

    @property
    def values_name(self) -> str:
        """The name of the list of a variant's values in files of a report, such as "test_errors"."""
        return f"{self.name}s" if self.name.endswith("error") else f"{self.name}_values"

    @property
    def noun(self) -> str:
        """The words without the images, such as "error"."""
        return self.words.removeprefix(f"{self.split} ")

    @property
    def title(self) -> str:
        """The words at the start of a sentence, such as "Test error"."""
        return f"{self.words[:1].upper()}{self.words[1:]}"

    @property
    def axis(self) -> str:
        """The label of an axis or a column, such as "test error, %"."""
        return f"{self.words}, {self.unit}" if self.unit else self.words

    @property
    def in_unit(self) -> str:
        """The unit in words, such as "in percent"; "" for none."""
        return UNITS.get(self.unit, f"in {self.unit}")

    @property
    def maximized(self) -> bool:
        """Whether the highest value is the best."""
        return self.goal == "maximize"

    @property
    def lowest(self) -> str:
        """The best value in words: "lowest" or "highest"."""
        return "highest" if self.maximized else "lowest"

    @property
    def lower(self) -> str:
        """A better value in words: "lower" or "higher"."""
        return "higher" if self.maximized else "lower"

    @property
    def worst(self) -> float:
        """The value of a trial that diverged, which is worse than any other: infinity, negative for a maximized measure."""
        return -math.inf if self.maximized else math.inf

    def cost(self, value: float) -> float:
        """A number that is the lower the better: the value, or its negative for a maximized measure.

        Args:
            value: Of the measure; may be `worst`.
        """
        return -value if self.maximized else value

    def best(self, values: Iterable[float]) -> float:
        """The best of some values.

        Args:
            values: At least one.
        """
        return min(values, key=self.cost)


TEST_ERROR = Decision()
VALIDATION_ERROR = Decision(split="validation", words="validation error")


class ShownMeasure(NamedTuple):
    """A measure besides the error, or one that a program reports, as reports show it.

    Args:
        name: The name in records.
        words: The name in sentences and on axes.
        unit: Such as "%"; "" for none.
        goal: "minimize": a low value is good.
        code: The user's own code and its arguments; "" for a measure of the table.
    """

    name: str
    words: str
    unit: str
    goal: Goal
    code: str = ""

    @property
    def worst(self) -> float:
        """The value of a trial that diverged, which is worse than any other."""
        return -math.inf if self.goal == "maximize" else math.inf
