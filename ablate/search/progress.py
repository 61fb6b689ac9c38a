"""The progress of a search on the terminal, and the summary of a search that has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from ablate.schedule.progress import Progress
from ablate.study.decision import Decision


class SearchProgress(Progress):
    """Follows the candidates of a search. Its methods may be called from any thread.

    Args:
        total: The number of candidates in total.
        done: How many of these had ended before this run.
        slots: The names of the slots.
        console: Where to print.
        quiet: Whether to print nothing.
        decision: The measure that is shown of each training.
    """

    unit = "candidates"

    def __init__(
        self, total: int, done: int, slots: Sequence[str], console: Console, quiet: bool, decision: Decision
    ) -> None:
        super().__init__([], 0, slots, console, quiet, decision)
        self.total = total
        self.ended = self.done_before = done

    def candidate(self, number: int, label: str, result: str) -> None:
        """Counts a candidate that has ended, and prints its number, label and result.

        Args:
            number: Of the candidate.
            label: The name of its network and its values.
            result: Text such as "5.12% validation error" or "pruned".
        """
        with self.lock:
            self.ended += 1
        self.say(f"[{self.ended}/{self.total}] candidate {number}, {label}: {result}")

    def share(self) -> float:
        """The share of the candidates that have ended, 0 to 1."""
        return self.ended / self.total if self.total else 1.0

    def remaining(self) -> float | None:
        """Seconds to the end at the average time of the candidates so far; None until one has ended."""
        ended = self.ended - self.done_before
        return (self.total - self.ended) * (time.monotonic() - self.begun) / ended if ended else None


@dataclass
class SearchSummary:
    """The result of a run of a search.

    Args:
        candidates: The number of candidates in total.
        done_before: Candidates that had ended before this run.
        evaluated: Candidates that this run trained to the end.
        pruned: Candidates that this run pruned.
        elsewhere: Candidates that other drivers ended during this run.
        trained: Trainings that this run completed or that diverged in it.
        best: The candidate with the best objective, in words; "" if none is complete.
        lowest: What a better objective is: "lowest" or "highest".
        failed: (label, cause, path of the log) of each candidate that failed.
        seconds: Duration of this run.
        exit_code: Of the process; 0 if every candidate ended.
    """

    candidates: int = 0
    done_before: int = 0
    evaluated: int = 0
    pruned: int = 0
    elsewhere: int = 0
    trained: int = 0
    best: str = ""
    lowest: str = "lowest"
    failed: list[tuple[str, str, Path]] = field(default_factory=list)
    seconds: float = 0.0
    exit_code: int = 0
