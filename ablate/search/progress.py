"""What a search shows while it runs, and what it came to at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from ablate.schedule.progress import Progress


class SearchProgress(Progress):
    """Follows the candidates of a search. Its methods may be called from any thread."""

    unit = "candidates"

    def __init__(self, total: int, done: int, slots: Sequence[str], console: Console, quiet: bool) -> None:
        """
        Args:
            total: candidates that there are to be.
            done: of these, candidates that ended before.
            slots: the slots' names.
            console: where to print.
            quiet: print nothing.
        """
        super().__init__([], 0, slots, console, quiet)
        self.total = total
        self.ended = self.done_before = done

    def candidate(self, number: int, label: str, result: str) -> None:
        """A candidate ended; prints its number, label and result."""
        with self.lock:
            self.ended += 1
        self.say(f"[{self.ended}/{self.total}] candidate {number}, {label}: {result}")

    def share(self) -> float:
        return self.ended / self.total if self.total else 1.0

    def remaining(self) -> float | None:
        """Seconds to the end at the pace of the candidates so far; None until one has ended."""
        ended = self.ended - self.done_before
        return (self.total - self.ended) * (time.monotonic() - self.begun) / ended if ended else None


@dataclass
class SearchSummary:
    """What a search found and did. failed: (label, cause, log) of candidates."""

    candidates: int = 0
    done_before: int = 0
    evaluated: int = 0
    pruned: int = 0
    elsewhere: int = 0  # ended by other drivers meanwhile
    trained: int = 0
    best: str = ""
    failed: list[tuple[str, str, Path]] = field(default_factory=list)
    seconds: float = 0.0
    exit_code: int = 0
