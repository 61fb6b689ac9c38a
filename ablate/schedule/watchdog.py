"""How long a worker may report nothing: a hung one is told from a slow one by the slowest that its task has been."""

from __future__ import annotations

import threading

PATIENCE = 3600.0  # seconds before a task's first report
LEAST, SLOWER = 1 / 6, 10  # afterwards: this share of the patience at least, or so many times the slowest interval
LONGEST_TICK = 1.0  # seconds that count at once: a driver that was stopped for an hour has not waited for that hour


class Watchdog:
    """The silence of one worker. patience: seconds before a task's first report; 0: for ever.

    It has no clock: whoever looks after the worker says how much time has passed, so no step of the clock and no sleep
    of the machine is taken for silence, nor is the time in which nobody listened.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._lock = threading.Lock()
        self._listening = False
        self._silence = 0.0
        self._slowest = 0.0
        self._reports = 0

    def begin(self) -> None:
        """A task begins."""
        with self._lock:
            self._silence = self._slowest = 0.0
            self._reports = 0

    def listen(self) -> None:
        """From here on the worker's next report is waited for."""
        with self._lock:
            self._listening = True

    def hear(self) -> None:
        """The worker has reported, or ended; nobody waits for it until listen()."""
        with self._lock:
            self._slowest = max(self._slowest, self._silence)
            self._silence = 0.0
            self._reports += 1
            self._listening = False

    def limit(self) -> float:
        """Seconds that the worker may be silent."""
        return max(LEAST * self.patience, SLOWER * self._slowest) if self._reports else self.patience

    def wait(self, seconds: float) -> bool:
        """Counts some more seconds; whether the worker has been silent for too long."""
        with self._lock:
            if not self._listening or not self.patience:
                return False
            self._silence += min(seconds, LONGEST_TICK)
            return self._silence > self.limit()

    def cause(self) -> str:
        """The silence in words."""
        seconds = round(self._silence)
        return f"no progress for {f'{seconds // 60} minutes' if seconds >= 120 else f'{seconds} seconds'}"
