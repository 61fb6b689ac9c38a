"""What a search shows while it runs: candidates done, the best so far, a line a slot."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console

from ablate.schedule.progress import Progress


class SearchProgress(Progress):
    """Follows the candidates of a search. Its methods may be called from any thread."""

    unit = "candidates"

    def __init__(self, total: int, done: int, slots: Sequence[str], console: Console, quiet: bool) -> None:
        super().__init__([], 0, slots, console, quiet)
        self.total = total
        self.ended = self.found = done

    def candidate(self, number: int, label: str, result: str) -> None:
        """A candidate, by its number, came to its end."""
        with self.lock:
            self.ended += 1
        self.say(f"[{self.ended}/{self.total}] candidate {number}, {label}: {result}")

    def share(self) -> float:
        return self.ended / self.total if self.total else 1.0

    def remaining(self) -> float | None:
        """Seconds to the end at the pace of the candidates so far; None before there is a pace."""
        fresh = self.ended - self.found
        return (self.total - self.ended) * (time.monotonic() - self.begun) / fresh if fresh else None
