"""How long a worker may be silent: the limit depends on the longest interval between the reports of its task so far."""

from __future__ import annotations

import threading

PATIENCE = 3600.0  # seconds before a task's first report
LEAST, SLOWER = 1 / 6, 10  # afterwards: this share of the patience, or the longest interval times SLOWER if that is longer
GRACE_SECONDS = 60.0  # that a worker which was asked to stop may be silent; while it trains it reports every ten seconds
LONGEST_TICK = 1.0  # the most seconds that one wait() counts: time in which the supervisor was stopped is not silence


class Watchdog:
    """Measures how long one worker has been silent.

    It has no clock: the supervisor of the worker says how much time has passed. So a step of the clock, a suspended machine
    and the time in which nobody listens do not count as silence.

    Args:
        patience: Seconds that the worker may be silent before a task's first report; 0: without limit.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._lock = threading.Lock()
        self._listening = self._stopping = False
        self._silence = 0.0
        self._slowest = 0.0
        self._reports = 0

    def begin(self) -> None:
        """Forget the reports of the last task, because a new one begins."""
        with self._lock:
            self._silence = self._slowest = 0.0
            self._reports = 0

    def listen(self) -> None:
        """Start to count silence, because the supervisor now waits for the worker's next report."""
        with self._lock:
            self._listening = True

    def hear(self) -> None:
        """End the silence, because the worker has reported or ended; counting starts again at listen()."""
        with self._lock:
            self._slowest = max(self._slowest, self._silence)
            self._silence = 0.0
            self._reports += 1
            self._listening = False

    def limit(self) -> float:
        """Seconds that the worker may be silent now."""
        return max(LEAST * self.patience, SLOWER * self._slowest) if self._reports else self.patience

    def wait(self, seconds: float, stopping: bool = False) -> bool:
        """Add time to the silence; returns whether the worker has been silent for too long.

        Args:
            seconds: That have passed since the last call; at most LONGEST_TICK of them count.
            stopping: Whether the worker was asked to stop: then the limit is GRACE_SECONDS from there on, or
                ten times the longest interval between its reports if that is longer.
        """
        with self._lock:
            if stopping and not self._stopping:
                self._stopping, self._silence = True, 0.0  # what was before the stop is no disobedience
            if not self._listening or not (self.patience or stopping):
                return False
            self._silence += min(seconds, LONGEST_TICK)
            return self._silence > (max(GRACE_SECONDS, SLOWER * self._slowest) if stopping else self.limit())

    def cause(self) -> str:
        """The silence in words, such as "no progress for 5 minutes"."""
        seconds = round(self._silence)
        return f"no progress for {f'{seconds // 60} minutes' if seconds >= 120 else f'{seconds} seconds'}"
