"""What a search came to, as `ablate search` says it at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ablate.report.tables import counted
from ablate.schedule.progress import duration


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

    def text(self) -> str:
        """The summary in words: a line of counts, the best, a line a failed candidate."""
        left = self.candidates - self.done_before - self.evaluated - self.pruned - self.elsewhere - len(self.failed)
        counts = [f"{self.evaluated} evaluated", f"{self.pruned} pruned", f"{self.done_before} before"]
        counts += [f"{self.elsewhere} by other drivers"] if self.elsewhere else []
        counts += [f"{len(self.failed)} failed"] if self.failed else []
        counts += [f"{left} open"] if left > 0 else []
        trained = f"{counted(self.trained, 'training')}, {duration(self.seconds)}"
        lines = [f"{counted(self.candidates, 'candidate')}: {', '.join(counts)}; {trained}"]
        lines += [f"lowest: {self.best}"] if self.best else []
        return "\n".join(lines + [f"failed: {label}: {cause} ({log})" for label, cause, log in self.failed])
