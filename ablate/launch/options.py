"""RunOptions: how to run. No option changes a result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ablate.tracking.follow import Follower


@dataclass(frozen=True)
class RunOptions:
    """How to run; no option changes a result.

    Args:
        device: "auto", "cpu" or "cuda".
        slots: How many trials run at the same time, on GPUs at most; None: as many as the devices allow.
        slots_per_gpu: How many slots share a GPU, from 1.
        checkpoint_epochs, checkpoint_seconds: As in Job.
        quiet: Whether to show nothing.
        inline: Whether to run in this process, on the CPU, for debuggers.
        cohort: How many seeds of a variant one worker trains side by side; None: on a GPU as many as keep all slots busy.
        hung_seconds: Seconds without a report after which a trial counts as hung, see schedule.watchdog; 0: never.
        on: "local", "ray" or "ray:ADDRESS".
        shard: The part of the trials to run: (2, 8) is the second of eight; None: all.
        log: Where the epochs are sent while it runs: names in tracking.trackers.TRACKERS.
        logs: The directory that trackers write into.
        follower: Receives the epochs of the trials; following() sets it.
        auto_precision: What `precision: auto` has become, for workers to check; "" if the study does not have it.
    """

    device: str = "auto"
    slots: int | None = None
    slots_per_gpu: int = 1
    checkpoint_epochs: int = 0
    checkpoint_seconds: float = 0.0
    quiet: bool = False
    inline: bool = False
    cohort: int | None = None
    hung_seconds: float = 3600.0
    on: str = "local"
    shard: tuple[int, int] | None = None
    log: tuple[str, ...] = ()
    logs: Path = Path("logs")
    follower: Follower | None = None
    auto_precision: str = ""

    @property
    def usual_device(self) -> str:
        """The device that trials run on, which is the CPU in this process."""
        return "cpu" if self.inline else self.device
