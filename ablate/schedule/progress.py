"""What a run shows while it runs: a bar and a line a slot in a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ablate.errors import printable
from ablate.schedule.tasks import Outcome, Task

PLAIN_SECONDS = 60.0
REDRAW_SECONDS = 0.25  # a line said at once would draw the view once more, which takes longer than to hand out a trial


class Progress:
    """Follows the tasks of a run. Its methods may be called from any thread."""

    unit = "trials"

    def __init__(
        self, tasks: Sequence[Task], recorded: int, slots: Sequence[str], console: Console, quiet: bool = False
    ) -> None:
        self.console = console
        self.quiet = quiet
        self.total = len(tasks) + recorded
        self.ended = recorded
        self.cost = sum(task.cost for task in tasks)
        self.done: dict[str, float] = {}  # cost behind us, by task
        self.kept: dict[str, float] = {}  # of it, what an earlier run had done
        self.slots = slots
        self.lines: list[tuple[Task, dict[str, Any]] | None] = [None] * len(slots)
        self.begun = time.monotonic()
        self.pace_from: float | None = None  # when the first epoch that was seen began
        self.printed = self.begun
        self.lock = threading.Lock()
        self.live: Live | None = None
        self.unsaid: list[str] = []  # lines that wait for the view to be drawn again
        self.over = threading.Event()
        self.drawing = threading.Thread(target=self._keep_drawing, daemon=True)

    def __enter__(self) -> Progress:
        if self.console.is_terminal and not self.quiet:
            self.live = Live(get_renderable=self.render, console=self.console, auto_refresh=False, transient=True)
            with self._whatever_the_terminal_does():
                self.live.start()
            self.drawing.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self.live:
            self.over.set()
            self.drawing.join()
            with self._whatever_the_terminal_does():
                self.live.stop()
            with self.lock:
                self.live, unsaid = None, self.unsaid
            self._print(unsaid)

    @contextlib.contextmanager
    def _whatever_the_terminal_does(self) -> Iterator[None]:
        """A terminal that is gone ends the display, never the training."""
        try:
            yield
        except (OSError, ValueError, SystemExit):  # rich exits on a broken pipe
            self.quiet = True

    def say(self, message: str) -> None:
        """A line that stays; in a view, when that is drawn next."""
        with self.lock:
            if self.live:
                self.unsaid.append(message)
                return
        self._print([message])

    def _print(self, lines: list[str]) -> None:
        if lines and not self.quiet:
            with self._whatever_the_terminal_does():
                self.console.print(Text("\n".join(map(printable, lines))), soft_wrap=True)

    def _keep_drawing(self) -> None:
        while not self.over.wait(REDRAW_SECONDS) and not self.quiet:
            with self.lock:
                lines, self.unsaid = self.unsaid, []
            with self._whatever_the_terminal_does(), self.console:  # lines and view in one write
                self._print(lines)
                if self.live:
                    self.live.refresh()

    def event(self, slot: int, task: Task, event: dict[str, Any]) -> None:
        """Something happened in a slot; see tasks.OnEvent."""
        with self.lock:
            if event["event"] == "ended":
                self.lines[slot] = None
                return
            if event["event"] == "epoch":
                fraction = event["epoch"] / event["epochs"]
                if self.pace_from is None:
                    seconds = event.get("train_seconds", 0.0) + event.get("test_seconds", 0.0)
                    self.pace_from = time.monotonic() - seconds
                self.kept.setdefault(task.id, task.cost * (event["epoch"] - 1) / event["epochs"])
                self.done[task.id] = task.cost * fraction
            self.lines[slot] = (task, event)
            due = self.live is None and time.monotonic() - self.printed > PLAIN_SECONDS
            if due:
                self.printed = time.monotonic()
        if due:
            self.say(self._status())
        if event["event"] == "started" and event["attempt"] > 1:
            self.say(f"{task.label}: {event.get('cause') or 'its worker died'}; again from its checkpoint")

    def outcome(self, outcome: Outcome, error: float | None) -> None:
        """A task ended; error: its test error in percent, if it has one."""
        task = outcome.task
        with self.lock:
            if outcome.status in ("completed", "recorded", "diverged"):
                self.ended += 1
                self.done[task.id] = task.cost
                self.kept.setdefault(task.id, task.cost)
        result = f"{error:.2f}% test error" if error is not None else outcome.status
        cause = f": {outcome.cause}" if outcome.cause else ""
        if outcome.status not in ("busy", "not started"):
            self.say(f"[{self.ended}/{self.total}] {task.label}: {result}{cause}")

    def remaining(self) -> float | None:
        """Seconds to the end at the pace so far; None before there is a pace."""
        worked = sum(self.done.values()) - sum(self.kept.values())
        if worked <= 0 or self.pace_from is None:
            return None
        return (self.cost - sum(self.done.values())) * (time.monotonic() - self.pace_from) / worked

    def share(self) -> float:
        """How much is done, 0 to 1."""
        return sum(self.done.values()) / self.cost if self.cost else 1.0

    def render(self) -> Group:
        """The live view."""
        with self.lock:
            head = Table.grid(padding=(0, 2))
            head.add_row(
                f"[bold]{self.ended}[/]/{self.total} {self.unit}",
                ProgressBar(total=1.0, completed=self.share(), width=32),
                self._times(),
            )
            slots = Table.grid(padding=(0, 2))
            for _ in range(2):
                slots.add_column()
            for _ in range(3):
                slots.add_column(justify="right")
            for name, line in zip(self.slots, self.lines):
                slots.add_row(Text(name, style="dim"), *_slot_cells(line))
            return Group(head, slots)

    def _times(self) -> str:
        left = self.remaining()
        return f"{duration(time.monotonic() - self.begun)}, {'…' if left is None else duration(left)} left"

    def _status(self) -> str:
        with self.lock:
            return f"{self.ended}/{self.total} {self.unit}, {self._times()}"


def _slot_cells(line: tuple[Task, dict[str, Any]] | None) -> tuple[Text | str, ...]:
    if line is None:
        return (Text("idle", style="dim"), "", "", "")
    task, event = line
    label = event.get("label", task.label)
    if event["event"] == "started":
        return (Text(label), Text("starting", style="dim"), "", "")
    return (
        Text(label),
        f"epoch {event['epoch']}/{event['epochs']}",
        f"{event['test_error']:.2f}%",
        f"{event['images_per_second']:,.0f} images/s",
    )


def duration(seconds: float) -> str:
    """ "42 s", "3 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
