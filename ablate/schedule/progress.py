"""The progress of a run: rich's progress bars in a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Literal

from rich import progress as bars
from rich.console import Console
from rich.text import Text

from ablate.errors import printable
from ablate.schedule.durations import duration
from ablate.schedule.tasks import Outcome, Task
from ablate.study.decision import TEST_ERROR, Decision

PLAIN_SECONDS = 60.0
REDRAW_SECONDS = 0.25  # lines are printed with the next redraw: a redraw takes longer than to start a trial
WIDE = 100  # characters of a terminal with room for long bars and rates
BESIDE = 30  # characters beside description and label on a narrower one: bar, "epoch 100/200", "12.75%", spaces
# The texts beside the bar of a slot, and their alignment.
FIELDS: dict[str, Literal["left", "right"]] = {"label": "left", "epoch": "right", "error": "right", "rate": "right"}


class Progress:
    """Shows the progress of a run's tasks. Any thread may call its methods.

    Args:
        tasks: All tasks of the run.
        recorded: How many trials earlier runs have recorded.
        slots: The names of the slots.
        console: Shows the progress.
        quiet: Whether to show nothing.
        decision: The measure that is shown of each trial.
    """

    unit = "trials"

    def __init__(
        self,
        tasks: Sequence[Task],
        recorded: int,
        slots: Sequence[str],
        console: Console,
        quiet: bool = False,
        decision: Decision = TEST_ERROR,
    ) -> None:
        self.decision = decision
        self.console = console
        self.quiet = quiet
        self.total = len(tasks) + recorded
        self.names = tuple(slots)
        self.ended = recorded
        self.cost = sum(task.cost for task in tasks)
        self.done: dict[str, float] = {}  # cost that is done, by task
        self.kept: dict[str, float] = {}  # the part of it that an earlier run had done
        self.begun = time.monotonic()
        self.pace_from: float | None = None  # when the first reported epoch began
        self.printed = self.begun
        self.lock = threading.Lock()
        self.bars = bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            # Rich's own style of a bar is the red of an error.
            bars.BarColumn(24 if console.width >= WIDE else 6, complete_style="cyan", finished_style="green"),
            *(bars.TextColumn(f"{{task.fields[{name}]}}", justify=side, markup=False) for name, side in FIELDS.items()),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self.whole = self.bars.add_task("", total=1.0, **_fields())
        self.rows: dict[int, bars.TaskID] = {}  # the bar of each slot; of more slots than tasks, once one is used
        for slot in range(min(len(slots), len(tasks) or len(slots))):
            self._row(slot)
        self.live = False
        self.unsaid: list[str] = []  # lines to print with the next redraw
        self.over = threading.Event()
        self.drawing = threading.Thread(target=self._keep_drawing, daemon=True)

    def __enter__(self) -> Progress:
        if self.console.is_terminal and not self.quiet:
            self.live = True
            with self._whatever_the_terminal_does():
                self._count()
                self.bars.start()
            self.drawing.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self.live:
            self.over.set()
            self.drawing.join()
            with self._whatever_the_terminal_does():
                self.bars.stop()
            with self.lock:
                self.live, unsaid = False, self.unsaid
            self._print(unsaid)

    @contextlib.contextmanager
    def _whatever_the_terminal_does(self) -> Iterator[None]:
        """End the display, but not the training, if the terminal has gone."""
        try:
            yield
        except (OSError, ValueError, SystemExit):  # rich exits on a broken pipe
            self.quiet = True

    def say(self, message: str) -> None:
        """Print a permanent line, above the bars with their next redraw."""
        with self.lock:
            if self.live:
                self.unsaid.append(message)
                return
        self._print([message])

    def _print(self, lines: list[str]) -> None:
        if lines and not self.quiet:
            with self._whatever_the_terminal_does():
                self.console.print(Text("\n".join(map(printable, lines))), soft_wrap=not self.console.is_terminal)

    def _keep_drawing(self) -> None:
        while not self.over.wait(REDRAW_SECONDS) and not self.quiet:
            with self.lock:
                lines, self.unsaid = self.unsaid, []
            with self._whatever_the_terminal_does(), self.console:  # lines and bars in one write
                self._print(lines)
                self._count()
                self.bars.refresh()

    def _count(self) -> None:
        """Update the bar of the whole run."""
        with self.lock:
            done, share, times = f"{self.ended}/{self.total} {self.unit}", self.share(), self._times()
        self.bars.update(self.whole, description=done, completed=share, label=times)

    def event(self, slot: int, task: Task, event: dict[str, Any]) -> None:
        """Show an event of a task; it is a tasks.OnEvent.

        Args:
            slot: Index of the slot.
            task: That runs in the slot.
            event: {"event": "started" | "epoch" | "note" | "ended", ...}.
        """
        if event["event"] == "note":
            self.say(event["text"] if event.get("of") == "run" else f"{task.label}: {event['text']}")
            return
        with self.lock:
            if event["event"] == "ended":
                self.bars.update(self._row(slot), completed=0, **_fields("idle"))
                return
            self.bars.update(self._row(slot), **self._fitted(_shown(task, event, self.decision)))
            if event["event"] == "epoch":
                fraction = _fraction(event)
                if self.pace_from is None:
                    seconds = event.get("train_seconds", 0.0) + event.get("test_seconds", 0.0)
                    self.pace_from = time.monotonic() - seconds
                self.kept.setdefault(task.id, task.cost * _fraction({**event, "epoch": event["epoch"] - 1}))
                self.done[task.id] = task.cost * fraction
            due = not self.live and time.monotonic() - self.printed > PLAIN_SECONDS
            if due:
                self.printed = time.monotonic()
        if due:
            self.say(self._status())
        if event["event"] == "started" and event["attempt"] > 1:
            self.say(f"{task.label}: {event.get('cause') or 'its worker died'}; again from its checkpoint")

    def _row(self, slot: int) -> bars.TaskID:
        """The bar of a slot."""
        if slot not in self.rows:
            self.rows[slot] = self.bars.add_task(self.names[slot], total=1.0, **_fields("idle"))
        return self.rows[slot]

    def _fitted(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a slot's bar with a label that the terminal has room for; on a narrow one without the rate."""
        if self.console.width >= WIDE:
            return fields
        label, descriptions = fields["label"], (f"{self.total}/{self.total} {self.unit}", *self.names)
        room = max(12, self.console.width - BESIDE - max(map(len, descriptions)))
        half = (room - 1) // 2
        short = label if len(label) <= room else f"{label[: room - 1 - half]}…{label[-half:]}"
        return {**fields, "label": short, "rate": ""}

    def outcome(self, outcome: Outcome, value: float | None) -> None:
        """Show how a task ended.

        Args:
            outcome: Of the task.
            value: Of the measure that is shown, such as its test error in percent; None if it has none.
        """
        task = outcome.task
        with self.lock:
            if outcome.status in ("completed", "recorded", "diverged"):
                self.ended += 1
                self.done[task.id] = task.cost
                self.kept.setdefault(task.id, task.cost)
        by = self.decision
        result = outcome.status if value is None else f"{_written(value, by)} {by.words}"
        cause = f": {outcome.cause}" if outcome.cause else ""
        if outcome.status not in ("busy", "not started"):
            self.say(f"[{self.ended}/{self.total}] {task.label}: {result}{cause}")

    def remaining(self) -> float | None:
        """Seconds to the end of the run at the pace so far; None before the first epoch has ended."""
        worked = sum(self.done.values()) - sum(self.kept.values())
        if worked <= 0 or self.pace_from is None:
            return None
        return (self.cost - sum(self.done.values())) * (time.monotonic() - self.pace_from) / worked

    def share(self) -> float:
        """The part of the total cost that is done, 0 to 1."""
        return sum(self.done.values()) / self.cost if self.cost else 1.0

    def _times(self) -> str:
        left = self.remaining()
        return f"{duration(time.monotonic() - self.begun)}, {'…' if left is None else duration(left)} left"

    def _status(self) -> str:
        with self.lock:
            return f"{self.ended}/{self.total} {self.unit}, {self._times()}"


def _fields(label: str = "", epoch: str = "", error: str = "", rate: str = "") -> dict[str, Any]:
    return dict(zip(FIELDS, (label, epoch, error, rate)))


def _written(value: float, decision: Decision) -> str:
    """A value with its unit, such as "5.12%" or "0.3412"."""
    return (
        f"{value:.2f}%"
        if decision.unit == "%" and abs(value) < 1e6
        else " ".join(filter(None, [f"{value:.4g}", decision.unit]))
    )


def _shown(task: Task, event: dict[str, Any], decision: Decision) -> dict[str, Any]:
    """The fields of a slot's bar after an event of a task."""
    label = printable(event.get("label", task.label))
    if event["event"] == "started":
        return {"completed": 0.0, **_fields(label, "starting")}
    epoch = f"epoch {event['epoch']}{f'/{epochs}' if (epochs := event['epochs']) else ''}"
    value = event.get(decision.column)
    error = "" if value is None else _written(value, decision)
    rate = f"{event['images_per_second']:,.0f} images/s" if "images_per_second" in event else ""
    return {"completed": _fraction(event), **_fields(label, epoch, error, rate)}


def _fraction(event: dict[str, Any]) -> float:
    """The part of a task that is done after an epoch, 0 to 1; 0 where the number of epochs is not known."""
    return max(0.0, min(1.0, event["epoch"] / event["epochs"])) if event["epochs"] else 0.0
