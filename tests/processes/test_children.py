"""A child process: what it is told and says, how its death is seen, and what it imports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from waiting import wait_for

import ablate
from ablate.processes.child import END, STOP
from ablate.processes.parent import Child, ChildEnded, search_path
from ablate.schedule.local import run_local
from ablate.schedule.slots import Slot
from ablate.schedule.tasks import Stop, Task


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child("mains:echo", ("one", "two's"))
    yield child
    child.close()


def test_a_child_answers_and_ends_when_it_is_closed(child: Child) -> None:
    assert child.receive() == ("event", ("one", "two's"), search_path())
    child.send({"any": [1, b"\x00"]})
    assert child.receive() == ("event", {"any": [1, b"\x00"]})
    assert not child.ended
    child.close()
    assert child.ended
    with pytest.raises(ChildEnded):
        child.send("more")
    with pytest.raises(ChildEnded):
        child.receive()


def test_stop_holds_for_all_work_and_end_for_the_present_work(child: Child) -> None:
    child.receive()
    said = []
    for message in (None, END, STOP):
        if message:
            child.send("work")
            child.receive()
            child.send(message)
            child.send("ask")  # the child has read END by the time that it asks; the answer is its next work
            assert child.receive() == ("stop?",)
            child.send(True)
            assert child.receive() == ("event", True)
        child.send("stopping")
        said.append(child.receive()[1])
    assert said == [False, False, True]


@pytest.mark.parametrize(
    ("how", "words"), [("die", "was ended by SIGKILL"), ("exit", "exited with code 3")], ids=["die", "exit"]
)
def test_death_is_seen_and_described(child: Child, how: str, words: str) -> None:
    child.receive()
    child.send(how)
    with pytest.raises(ChildEnded):
        child.receive()
    assert child.close().startswith(words)


def test_a_child_ends_with_whatever_it_has_started(child: Child) -> None:
    child.receive()
    child.send("fork")
    _, started = child.receive()
    child.send("hang")
    assert child.receive() == ("event", child.process.pid)
    os.kill(child.process.pid, signal.SIGTERM)  # which is the parent's to hear
    child.kill()
    wait_for(lambda: child.ended)
    wait_for(lambda: not psutil.pid_exists(started) or psutil.Process(started).status() == psutil.STATUS_ZOMBIE)


STARTS = """
import sys, time
sys.path[:] = {path!r}
from ablate.processes.parent import Child
child = Child("mains:echo", own_group=False)
child.receive()
print(child.process.pid, flush=True)
time.sleep(60)
"""


def test_a_stopped_child_ends_with_the_process_that_started_it() -> None:
    """Though it leads no group and sees no input."""
    line = [sys.executable, "-c", STARTS.format(path=sys.path)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = psutil.Process(int(starter.stdout.readline()))
        child.suspend()
        starter.kill()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 20)


def work(payload: Path, stop: object, report: object) -> str:
    """Leaves a line for each attempt."""
    with open(payload, "a") as file:
        file.write(os.getcwd() + "\n")
    return "completed"


@pytest.mark.parametrize(
    "content", ["open('executed', 'w'); raise SystemExit", "records = []"], ids=["hostile", "innocent"]
)
def test_a_module_in_the_current_directory_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", ".", str(tmp_path))])
    for name in ("json", "pickle", "threading", "ablate"):
        (tmp_path / f"{name}.py").write_text(content)
    task = Task("t", "t", tmp_path / "attempts", 1.0, tmp_path / "log.txt")
    slots = [Slot("core 0", "cpu")]
    (outcome,) = run_local(f"{Path(__file__).stem}:work", [task], slots, Stop(), lambda *event: None, retries=0)
    assert (outcome.status, outcome.cause) == ("completed", "")
    assert (tmp_path / "attempts").read_text() == f"{tmp_path}\n" and not (tmp_path / "executed").exists()


def test_the_current_directory_is_on_no_childs_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    monkeypatch.chdir(tmp_path / "here")
    others = [entry for entry in sys.path if entry not in ("", ".")]
    for first in ("", ".", str(tmp_path / "here"), str(tmp_path / "link")):
        monkeypatch.setattr(sys, "path", [first, *others, ""])
        child = Child("mains:echo")
        assert child.receive()[2] == others
        child.close()
    monkeypatch.setattr(sys, "path", [*others, str(tmp_path / "here")])  # a package is installed from there
    child = Child("mains:echo")
    assert child.receive()[2] == sys.path
    child.close()
    checkout = Path(ablate.__file__).parents[1]
    monkeypatch.chdir(checkout)  # comes last, where it replaces no module
    monkeypatch.setattr(sys, "path", ["", *(entry for entry in others if os.path.realpath(entry) != str(checkout))])
    child = Child("mains:echo")
    assert child.receive()[2][-1] == str(Path.cwd())
    child.close()
