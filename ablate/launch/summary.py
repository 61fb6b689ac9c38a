"""RunSummary: what a run found and did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

INCOMPLETE = 3  # exit code


@dataclass
class RunSummary:
    """What a run found and did.

    Args:
        trials: How many trials the run has; in a shard, only those of the shard.
        recorded_before: How many were recorded before the run.
        trained: How many this run trained and recorded.
        elsewhere: How many another run recorded meanwhile.
        diverged: (label, cause, path of the log) of each trial that has diverged.
        failed: (label, cause, path of the log) of each trial that failed in this run.
        unmeasured: (label, cause, path of the log) of each recorded trial that still lacks a measure or further test images
            of the study, because it could not be evaluated once more.
        open: How many have no record at the end.
        seconds: That the run took.
        exit_code: 0 if all trials are recorded with all measures and none has diverged, else INCOMPLETE (3); 130 or 75 if
            it was stopped.
        shard: As in RunOptions.
        tried: How many candidates this run evaluated, in a study that tunes its variants.
        untuned: How many variants are not tuned at the end, so that their seeds are not trained.
    """

    trials: int = 0
    recorded_before: int = 0
    trained: int = 0
    elsewhere: int = 0
    diverged: list[tuple[str, str, Path]] = field(default_factory=list)
    failed: list[tuple[str, str, Path]] = field(default_factory=list)
    unmeasured: list[tuple[str, str, Path]] = field(default_factory=list)
    open: int = 0
    seconds: float = 0.0
    exit_code: int = 0
    shard: tuple[int, int] | None = None
    tried: int = 0
    untuned: int = 0
