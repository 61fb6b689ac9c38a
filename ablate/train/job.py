"""Job: what a worker receives. No torch and no numpy: the process that makes jobs needs none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ablate.data.location import Location
from ablate.study.study import Trial


@dataclass(frozen=True)
class Job:
    """A trial and where it is trained.

    Args:
        trial: To train.
        runs: Directory of the records.
        location: Where the images are.
        device: "cpu" or "cuda".
        checkpoint_epochs: A checkpoint is written after each so many epochs; 0: the epochs do not matter.
        checkpoint_seconds: A checkpoint is written after an epoch if so many seconds have passed; 0: time does not matter.
            If both are 0, one is written when it costs at most a hundredth of the time since the last.
        folders: Where a reader's modules are looked for first.
        digest: Of the images when the run began; "" if not known.
        plain: Whether to train step by step, without CUDA graphs; the result is the same.
        memory: Bytes that a training of this network was measured to take on a GPU; None if not measured.
        auto_precision: What `precision: auto` became when the run began; "" if the study does not say that.
    """

    trial: Trial
    runs: Path
    location: Location
    device: str = "cpu"
    checkpoint_epochs: int = 1
    checkpoint_seconds: float = 0.0
    folders: tuple[Path, ...] = ()
    digest: str = ""
    plain: bool = False
    memory: int | None = None
    auto_precision: str = ""


@dataclass(frozen=True)
class ProbeJob:
    """A network to time and the conditions of the timing.

    Args:
        trial: Of the network.
        device: "cpu" or "cuda".
        side_by_side: How many processes share the device.
        memory: Bytes that each process may take; None: its share of the GPU.
        folders: Where a reader's modules are looked for first.
        together: How many seeds a process is to train side by side; they are timed as well if it is more than one.
    """

    trial: Trial
    device: str
    side_by_side: int
    memory: int | None = None
    folders: tuple[Path, ...] = ()
    together: int = 1
