from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich import progress as bars
from rich.console import Console
from waiting import wait_for

from ablate.schedule import progress as module
from ablate.schedule.progress import Progress, duration
from ablate.schedule.tasks import Outcome, Task

TASKS = [Task(f"t{i}", f"net {i} seed [0]", None, cost, Path("log.txt")) for i, cost in enumerate((3.0, 1.0))]
EPOCH = {
    "event": "epoch",
    "epoch": 5,
    "epochs": 10,
    "test_error": 12.345,
    "images_per_second": 1234.5,
    "train_seconds": 6.0,
    "test_seconds": 4.0,
}


def made(terminal: bool, quiet: bool = False) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, color_system=None)
    return Progress(TASKS, recorded=4, slots=["core 0", "core 1"], console=console, quiet=quiet), out


def test_plain_lines_without_a_terminal() -> None:
    progress, out = made(terminal=False)
    with progress:
        progress.event(0, TASKS[0], {"event": "started", "attempt": 1})
        progress.event(0, TASKS[0], EPOCH)
        progress.outcome(Outcome(TASKS[0], "completed"), 3.14159)
        progress.outcome(Outcome(TASKS[1], "failed", "MemoryError"), None)
    assert out.getvalue() == "[5/6] net 0 seed [0]: 3.14% test error\n[5/6] net 1 seed [0]: failed: MemoryError\n"


@pytest.mark.parametrize("width", [80, 140])
def test_a_long_name_leaves_room_for_epoch_and_error(width: int) -> None:
    out = io.StringIO()
    long = Task("t", "WRN-28-10-dropout0.25, lr 0.270232, weight decay 0.0005 fold 1 seed 0", None, 1.0, Path("log.txt"))
    console = Console(file=out, force_terminal=True, width=width, color_system=None)
    progress = Progress([long], recorded=0, slots=["core 0"], console=console)
    progress.event(0, long, {**EPOCH, "epoch": 110, "epochs": 200})
    console.print(progress.bars.get_renderable())
    (line,) = [line for line in out.getvalue().splitlines() if line.startswith("core 0")]
    assert line.rstrip().endswith("epoch 110/200 12.35% 1,234 images/s" if width == 140 else "epoch 110/200 12.35%")
    assert "WRN-28-10-drop" in line and "fold 1 seed 0" in line and len(line) <= width


def test_a_trial_that_is_tried_again_may_get_any_slot() -> None:
    """There may be more slots than trials, of which those that are used have bars."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    progress = Progress(TASKS[:1], recorded=0, slots=["core 0", "core 1", "core 2"], console=console)
    progress.event(0, TASKS[0], {"event": "ended", "status": "again", "cause": "killed"})
    progress.event(2, TASKS[0], {**EPOCH, "epoch": 3})
    assert [bar.description for bar in progress.bars.tasks[1:]] == ["core 0", "core 2"]


def test_quiet_says_nothing() -> None:
    progress, out = made(terminal=True, quiet=True)
    with progress:
        progress.event(0, TASKS[0], EPOCH)
        progress.outcome(Outcome(TASKS[0], "completed"), 3.0)
    assert out.getvalue() == ""


def test_in_a_terminal_lines_wait_for_the_next_drawing_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[None] = []
    render = bars.Progress.get_renderable
    monkeypatch.setattr(bars.Progress, "get_renderable", lambda self: drawn.append(None) or render(self))
    monkeypatch.setattr(module, "REDRAW_SECONDS", 60.0)
    progress, out = made(terminal=True)
    with progress:
        for number in range(200):
            progress.say(f"line {number}")
        assert "line" not in out.getvalue()
    assert re.findall(r"line \d+", out.getvalue()) == [f"line {number}" for number in range(200)]
    assert len(drawn) < 5
    progress.say("afterwards")
    assert out.getvalue().endswith("afterwards\n")


def test_in_a_terminal_lines_appear_above_the_view_while_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REDRAW_SECONDS", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    progress, out = made(terminal=True)
    with progress:
        wait_for(lambda: "4/6 trials" in out.getvalue())
        progress.outcome(Outcome(TASKS[0], "completed"), 3.0)
        wait_for(lambda: "[5/6] net 0 seed [0]: 3.00% test error\n" in out.getvalue())
        wait_for(lambda: "5/6 trials" in out.getvalue())
        progress.say("the next, [as] :x: [/as] it is")
    text = out.getvalue()
    assert text.index("3.00%") < text.index("5/6 trials") and "the next, [as] :x: [/as] it is\n" in text
    assert "[bold]" not in text


def test_the_view_has_the_run_and_a_line_a_slot() -> None:
    progress, out = made(terminal=True)
    with progress:
        progress.event(1, TASKS[0], EPOCH)
        wait_for(lambda: "epoch 5/10" in out.getvalue())
    drawn = re.sub(r"\x1b\[[0-9;?]*\w", "", out.getvalue()).splitlines()
    (last,) = [i for i, line in enumerate(drawn) if "epoch 5/10" in line][:1]
    whole, *slots = drawn[last - 2 : last + 1]
    assert "4/6 trials" in whole and "left" in whole
    assert slots[0].split()[:2] == ["core", "0"] and slots[0].split()[-1] == "idle" and slots[1].startswith("core 1")
    assert all(part in slots[1] for part in ("net 0 seed [0]", "epoch 5/10", "12.35%", "1,234 images/s"))


def test_the_time_left_is_of_work_not_of_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    progress, _ = made(terminal=False)
    assert progress.remaining() is None
    clock[0] = 15.0  # five seconds of starting, ten of the first epoch
    progress.event(0, TASKS[0], {**EPOCH, "epoch": 1})
    progress.event(0, TASKS[0], EPOCH)  # half of the task of cost 3 in 10 s; 2.5 to go
    assert progress.remaining() == pytest.approx(10 * 2.5 / 1.5)


def test_a_resumed_trial_does_not_count_its_past_as_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    progress, _ = made(terminal=False)
    clock[0] = 10.0
    progress.event(0, TASKS[0], {**EPOCH, "epoch": 9})
    assert progress.remaining() == pytest.approx(10 * (4 - 2.7) / 0.3)


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_is_gone_ends_the_display_only(terminal: bool) -> None:
    console = Console(file=Gone(), force_terminal=terminal)
    with Progress(TASKS, 0, ["core 0"], console) as progress:
        progress.event(0, TASKS[0], EPOCH)
        progress.outcome(Outcome(TASKS[0], "completed"), 3.0)
        assert progress.quiet
