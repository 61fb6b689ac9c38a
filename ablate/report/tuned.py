"""How the variants of a study that has `tune` were tuned."""

from __future__ import annotations

from dataclasses import dataclass

from ablate.records.choices import Choice
from ablate.report.numbers import counted
from ablate.report.verdicts import listed
from ablate.study.axis_text import short_axis
from ablate.study.decision import Decision
from ablate.study.search import Search, Tune


@dataclass(frozen=True)
class Tuned:
    """How the variants of a study were tuned.

    Args:
        tune: What the searches of all variants have in common.
        decision: What candidates were compared by.
        images: On which images, such as "5,000 held-out training images"; for a program the measure in words.
        choices: What was chosen for each variant, in the order of the study; None where it is open.
    """

    tune: Tune
    decision: Decision
    images: str
    choices: tuple[Choice | None, ...]

    @property
    def search(self) -> Search:
        """The space, and how candidates of it were chosen."""
        return self.tune.search

    @property
    def names(self) -> str:
        """The axes in words, such as "lr and weight_decay"."""
        return listed([short_axis(axis) for axis in self.search.axes])

    @property
    def caption(self) -> str:
        """The sentence that says how values were chosen."""
        done = [len(choice.candidates) for choice in self.choices if choice]
        count = counted(done[0] if done else self.search.trials, "candidate")
        return (
            f"Each variant's {self.names}: the best of {count} by {self.images}, its own among them. Comparisons are of "
            "these choices, so the luck of each search is part of them."
        )
