"""What the commands that train say of what came of it."""

from __future__ import annotations

from ablate.report.numbers import counted
from ablate.schedule.progress import duration
from ablate.search.progress import SearchSummary


def search_text(summary: SearchSummary) -> str:
    """The summary of a search in words: a line of counts, the best, a line a failed candidate."""
    ended = summary.done_before + summary.evaluated + summary.pruned + summary.elsewhere
    left = summary.candidates - ended - len(summary.failed)
    counts = [f"{summary.evaluated} evaluated", f"{summary.pruned} pruned", f"{summary.done_before} before"]
    counts += [f"{summary.elsewhere} by other drivers"] if summary.elsewhere else []
    counts += [f"{len(summary.failed)} failed"] if summary.failed else []
    counts += [f"{left} open"] if left > 0 else []
    trained = f"{counted(summary.trained, 'training')}, {duration(summary.seconds)}"
    lines = [f"{counted(summary.candidates, 'candidate')}: {', '.join(counts)}; {trained}"]
    lines += [f"lowest: {summary.best}"] if summary.best else []
    return "\n".join(lines + [f"failed: {label}: {cause} ({log})" for label, cause, log in summary.failed])
