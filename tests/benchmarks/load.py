"""What this process, its children and other programs take of the processors while something is timed."""

from __future__ import annotations

import contextlib
import time
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

BUSY = ("user", "nice", "system", "irq", "softirq", "steal")  # not all systems have all of them
LOADED = 0.05  # share of the processors that other programs may take


class Clocks(NamedTuple):
    """Seconds since some moment.

    Args:
        wall: That passed.
        ours: Of processor time of this process and its children.
        busy: Of processor time of all programs of the machine.
    """

    wall: float
    ours: float
    busy: float

    def since(self, earlier: Clocks) -> Clocks:
        """The seconds after earlier clocks."""
        return Clocks(*(now - before for now, before in zip(self, earlier)))

    @property
    def others(self) -> float:
        """The share of the machine's processors that other programs took, 0 to 1."""
        whole = self.wall * (psutil.cpu_count() or 1)
        return min(1.0, max(0.0, self.busy - self.ours) / whole) if whole else 0.0


def read_clocks() -> Clocks:
    """The clocks of this moment."""
    own = psutil.Process()
    ours = time.process_time() + sum(own.cpu_times()[2:4])  # with those of its children that have ended
    for child in own.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            ours += sum(child.cpu_times()[:4])
    machine = psutil.cpu_times()
    return Clocks(time.perf_counter(), ours, sum(getattr(machine, name, 0.0) for name in BUSY))


def load_text(others: float) -> str:
    """A sentence on the load of the machine.

    Args:
        others: The share of the processors that other programs took, 0 to 1.
    """
    said = f"Other programs took {others:.0%} of the processors meanwhile"
    return f"{said}: repeat it on a quiet machine." if others > LOADED else f"{said}."
