"""Job: what a worker is handed. It needs no torch, so that whoever hands it out need not either."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ablate.data.cache import Location
from ablate.study.study import Trial


@dataclass(frozen=True)
class Job:
    """A trial and where it is trained. checkpoint_epochs or checkpoint_seconds: at least so often (0: not by that).

    folders: where a reader's networks are looked for first. digest: of the images when the run began, "" if not known.
    plain: step by step, without CUDA graphs; the same result.
    memory: bytes that a training of this network was measured to take on a GPU, if it was.
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
