"""RunOptions: how to run. No option changes a result."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import RunError

if TYPE_CHECKING:
    from ablate.tracking.follow import Follower

DEVICES = ("auto", "cpu", "cuda")


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

    Raises:
        RunError: A value is none that is allowed.
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

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("slots", "slots_per_gpu", "cohort")}
        seconds = {name: getattr(self, name) for name in ("checkpoint_seconds", "hung_seconds")}
        allowed = {
            "device": (self.device in DEVICES, ", ".join(DEVICES)),
            **{name: (one is None or _is_number(one, 1), "a whole number from 1") for name, one in counts.items()},
            "checkpoint_epochs": (_is_number(self.checkpoint_epochs, 0), "a whole number from 0"),
            **{name: (_is_number(one, 0, Real), "a number from 0") for name, one in seconds.items()},
            "shard": (self.shard is None or _is_shard(self.shard), "(I, N) with I from 1 to N"),
            "log": (isinstance(self.log, tuple), "a tuple of names, such as ('tensorboard',)"),
        }
        for name, (is_valid, wanted) in allowed.items():
            if not is_valid:
                raise RunError(f"`{name}`: found {getattr(self, name)!r}; allowed: {wanted}")

    @property
    def usual_device(self) -> str:
        """The device that trials run on, which is the CPU in this process."""
        return "cpu" if self.inline else self.device


def _is_number(value: Any, low: int, kind: Any = Integral) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and bool(value >= low)


def _is_shard(value: Any) -> bool:
    match value:
        case (Integral(), Integral()):
            return bool(1 <= value[0] <= value[1])
    return False
