"""Running a program's trial: the rows that it reports, its log, its own files, and every way in which it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import RecordError, RunError
from ablate.processes.child import Broken
from ablate.records.epochs import read_epochs
from ablate.records.records import Record, read_record, trial_directory, trial_state
from ablate.study.program import Program, ProgramTrial
from ablate.train import program as running
from ablate.train import program_rows
from ablate.train.program import ProgramJob, run_program
from ablate.train.program_rows import Rows

BEGIN = "import json, os, sys\nown = os.environ['ABLATE_TRIAL']\ndef row(**values): print(json.dumps(values))\n"


def job(folder: Path, code: str, **about: Any) -> ProgramJob:
    (folder / "train.py").write_text(BEGIN + code)
    trial = ProgramTrial(Program(("python", "-S", "train.py", "{lr}", "{seed}"), {}, **about), {"lr": 0.5}, 3)
    return ProgramJob(trial, folder / "runs", folder, ("error", "loss"), "error")


def run(made: ProgramJob, stop: Callable[[], bool] = lambda: False, report: Any = lambda event: None) -> Record:
    assert run_program(made, stop, report) in ("completed", "diverged")
    record = read_record(made.runs, made.trial.id)
    assert record is not None
    return record


def measures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_rows_from_standard_output_and_a_log_of_the_rest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    events: list[dict[str, Any]] = []
    made = job(
        tmp_path,
        """
print("begun", sys.argv[1:], os.getcwd())
print(json.dumps({"config": 1}))
print("50%", end="\\r"); row(epoch=1, error=9.5, loss=2, note="text", ok=True)
print("a bar", file=sys.stderr, end="")
print('{"epoch": 2, "error": 8.25, "loss": NaN}', end="")
""",
        epochs=2,
    )
    record = run(made, report=events.append)
    assert measures(record.epochs()) == [{"epoch": 1, "error": 9.5, "loss": 2}, {"epoch": 2, "error": 8.25, "loss": None}]
    assert record.measures == {"error": 8.25, "loss": None}
    assert (record.split, record.state, record.result["epochs"]) == ("", "recorded", 2)
    assert [(event["epoch"], event["epochs"], event["error"]) for event in events] == [(1, 2, 9.5), (2, 2, 8.25)]
    out = capfd.readouterr().out
    assert f"begun ['0.5', '3'] {tmp_path}" in out
    assert '{"config": 1}' in out and "a bar" in out and "8.25" not in out


def test_rows_without_numbers_and_rows_in_parts(tmp_path: Path) -> None:
    made = job(
        tmp_path, "row(loss=1); row(error=5); row(loss=2); row(error=4)\nrow(epoch=7, error=3); row(epoch=7, loss=0)"
    )
    assert measures(run(made).epochs()) == [
        {"epoch": 1, "loss": 1, "error": 5}, {"epoch": 2, "loss": 2, "error": 4}, {"epoch": 7, "error": 3, "loss": 0},
    ]  # fmt: skip


def test_rows_from_the_file_and_from_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    code = """
with open(own + "/metrics.jsonl", "a") as file:
    file.write('{"epoch": 0, "error": 5}\\n')
import ablate
ablate.log(epoch=1, error=4.5)
ablate.log(loss=float("inf"))
sys.exit("torch" in sys.modules or "pandas" in sys.modules)
"""
    made = job(tmp_path, code)
    made = ProgramJob(ProgramTrial(Program(("python", "train.py")), {}, 0), *vars_of(made))
    assert measures(run(made).epochs()) == [{"epoch": 0, "error": 5}, {"epoch": 1, "error": 4.5, "loss": None}]


@pytest.mark.parametrize("ahead", ["file", "output"])
def test_rows_of_the_file_and_of_the_output_do_not_replace_each_other(tmp_path: Path, ahead: str) -> None:
    """Which of them is read first is chance: a pipe may hold back what a program printed long before."""
    code = f"""
import time
def tell(part):
    if part == "file":
        with open(own + "/metrics.jsonl", "a") as file:
            file.writelines('{{"epoch": %d, "error": %d}}\\n' % (epoch, 9 - epoch) for epoch in (1, 2, 3))
    else:
        for epoch in (1, 2, 3, 4): row(epoch=epoch, loss=epoch)
        sys.stdout.flush()
tell("{ahead}"); time.sleep(0.5); tell({{"file": "output", "output": "file"}}["{ahead}"])
"""
    wanted = [{"epoch": n, "error": 9 - n, "loss": n} for n in (1, 2, 3)] + [{"epoch": 4, "loss": 4}]
    record = run(job(tmp_path, code))
    assert measures(record.epochs()) == wanted and record.measures == {"error": 6, "loss": 4}


def test_a_source_that_begins_again_replaces_its_own_rows(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_text('{"program": {}}')
    rows = Rows(tmp_path)
    for epoch in (1, 2, 3):
        rows.add({"epoch": epoch, "error": epoch})
        rows.add({"epoch": epoch, "loss": epoch}, of_file=True)
    rows.add({"epoch": 2, "error": 9})
    kept = [{"epoch": 1, "error": 1, "loss": 1}, {"epoch": 2, "error": 9, "loss": 2}, {"epoch": 3, "loss": 3}]
    assert measures(rows.rows) == measures(read_epochs(tmp_path)) == kept
    rows.begin()  # another attempt
    rows.add({"epoch": 2, "loss": 7}, of_file=True)
    assert measures(rows.rows) == [kept[0], {"epoch": 2, "loss": 7}]


def vars_of(made: ProgramJob) -> tuple[Any, ...]:
    return made.runs, made.folder, made.measures, made.decide_by


RESUMES = """
path = own + "/checkpoint"
first = int(open(path).read()) + 1 if os.path.exists(path) else 1
for epoch in range(first, 7):
    row(epoch=epoch, error=10 / epoch, loss=epoch)
    if epoch % 2 == 0:
        open(path, "w").write(str(epoch))
    if epoch == 3 and first == 1:
        sys.stdout.flush(); os.kill(os.getpid(), 9)
"""


def test_a_program_that_was_killed_goes_on_in_its_directory(tmp_path: Path) -> None:
    made = job(tmp_path, RESUMES)
    with pytest.raises(Broken, match="the program was ended by SIGKILL"):
        run_program(made, lambda: False, lambda event: None)
    assert trial_state(made.runs, made.trial.id) == "interrupted"
    assert len(read_epochs(trial_directory(made.runs, made.trial.id))) == 3
    (tmp_path / "other").mkdir()
    whole = job(tmp_path / "other", RESUMES.replace("epoch == 3", "False"))
    assert measures(run(made).epochs()) == measures(run(whole).epochs())


def test_a_program_that_begins_again_replaces_its_rows(tmp_path: Path) -> None:
    code = """
again = os.path.exists(own + "/begun")
open(own + "/begun", "w").close()
file = open(own + "/metrics.jsonl", "a")
for epoch in range(1, 4 if again else 6):
    file.write(json.dumps({"error": epoch + again}) + "\\n")
file.flush()
if not again: sys.exit(1)
"""
    made = job(tmp_path, code)
    with pytest.raises(RunError):
        run(made)
    assert measures(run(made).epochs()) == [{"epoch": 1, "error": 2}, {"epoch": 2, "error": 3}, {"epoch": 3, "error": 4}]


def test_rows_in_the_file_survive_an_end_before_they_were_read(tmp_path: Path) -> None:
    made = job(tmp_path, "row(epoch=3, error=1)")
    own = trial_directory(made.runs, made.trial.id) / "program"
    own.mkdir(parents=True)
    (own / "metrics.jsonl").write_text('{"epoch": 1, "error": 3}\n{"epoch": 2, "error": 2}\n{"epoch": 3, "err')
    assert measures(run(made).epochs()) == [{"epoch": n, "error": 4 - n} for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("print('why', file=sys.stderr); sys.exit(3)", RunError, "the program exited with code 3: why"),
        ("raise ValueError('bad lr')", RunError, "the program exited with code 1: ValueError: bad lr"),
        ("row(epoch=1, loss=2)", RunError, "the program ended without reporting error; it reported loss"),
        ("pass", RunError, 'the program ended without reporting error; print it as {"error": 7.1} in a line'),
        ("row(epoch='a', error=2)", RunError, "the program reported the epoch 'a'; allowed: a whole number from 0"),
        ("row(epoch=1.5, error=2)", RunError, "the program reported the epoch 1.5"),
        ("sys.exit(143)", Broken, "the program was ended by SIGTERM"),
        ("os.kill(os.getpid(), 11)", Broken, "the program was ended by SIGSEGV"),
    ],
)
def test_how_a_program_fails(tmp_path: Path, code: str, error: type[Exception], said: str) -> None:
    made = job(tmp_path, code)
    with pytest.raises(error) as raised:
        run(made)
    assert said in str(raised.value)
    assert trial_state(made.runs, made.trial.id) in ("missing", "interrupted")


def test_a_decisive_measure_that_is_not_finite_has_diverged(tmp_path: Path) -> None:
    record = run(job(tmp_path, 'row(epoch=1, error=5); print(\'{"epoch": 2, "error": Infinity}\')'))
    assert record.diverged and record.state == "diverged"


def test_silence_and_timeout_end_a_program(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(Broken, match="no output for 0 seconds"):
        run(job(tmp_path, "import time; time.sleep(60)", silence=0.3))
    with pytest.raises(RunError, match=r"it took more than the 0\.4 seconds of program.timeout"):
        run(job(tmp_path, "import time\nwhile True: time.sleep(0.1); print('on', flush=True)", timeout=0.4))
    assert time.monotonic() - begun < 20


def test_a_program_that_is_asked_to_stop_may_save_first(tmp_path: Path) -> None:
    code = """
import signal, time
def save(*_):
    open(own + "/saved", "w").close(); sys.exit(0)
signal.signal(signal.SIGTERM, save)
row(epoch=1, error=1); sys.stdout.flush(); time.sleep(60)
"""
    made, told = job(tmp_path, code), list[dict[str, Any]]()
    assert run_program(made, lambda: bool(told), told.append) == "interrupted"
    assert (trial_directory(made.runs, made.trial.id) / "program" / "saved").exists()
    assert trial_state(made.runs, made.trial.id) == "interrupted"


def test_a_program_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "GRACE_SECONDS", 0.3)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); row(error=1); sys.stdout.flush(); time.sleep(60)"
    made, told = job(tmp_path, code), list[dict[str, Any]]()
    assert run_program(made, lambda: bool(told), told.append) == "interrupted"


def test_the_signals_that_a_worker_ignores_reach_a_program(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        record = run(job(tmp_path, "import signal; row(error=signal.getsignal(15) == signal.SIG_DFL and 1.0)"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert record.measures == {"error": 1.0}


def test_a_link_in_the_place_of_its_files_is_refused(tmp_path: Path) -> None:
    made = job(tmp_path, "row(error=1)")
    directory = trial_directory(made.runs, made.trial.id)
    directory.mkdir(parents=True)
    (directory / "program").symlink_to(tmp_path)
    with pytest.raises(RecordError, match="is a symbolic link"):
        run(made)
    (directory / "program").unlink()
    (directory / "program").mkdir()
    (directory / "program" / "metrics.jsonl").symlink_to(tmp_path / "train.py")
    with pytest.raises(RecordError, match="is a symbolic link"):
        run(made)


def test_a_recorded_trial_does_not_run_again_and_its_record_is_sealed(tmp_path: Path) -> None:
    made = job(tmp_path, "row(epoch=1, error=1); row(epoch=2, error=2)")
    record = run(made)
    assert run_program(made, lambda: False, lambda event: None) == "recorded"
    path = record.directory / "epochs.jsonl"
    path.write_text(path.read_text().replace('"error":2', '"error":1'))
    with pytest.raises(RecordError, match=r"its epochs\.jsonl is not that of"):
        read_record(made.runs, made.trial.id)


def test_a_row_is_on_disk_at_once(tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_text('{"program": {}}')
    rows = Rows(tmp_path)
    assert rows.add({"epoch": 4, "error": 1.5})
    assert not rows.add({"epoch": 4, "error": 1.5})
    assert rows.add({"epoch": 4, "loss": 2})
    (line,) = (tmp_path / "epochs.jsonl").read_text().splitlines()
    assert measures([json.loads(line)]) == [{"epoch": 4, "error": 1.5, "loss": 2}]
    assert measures(Rows(tmp_path).rows) == [{"epoch": 4, "error": 1.5, "loss": 2}]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f'{{"error": {10**400}}}', {"error": None}), ('{"error": 1e300, "loss": -1e38}', {"error": None, "loss": -1e38}),
        (f'{{"error": {2**70}}}', {"error": float(2**70)}),
        ('{"error": -Infinity, "trial": 3, "x\\u202e": 1}', {"error": None}), ('{"error": 1, "error": 2}', {"error": 2}),
        ('{"error": [1], "loss": "2", "flag": true}', None), ('[{"error": 1}]', None), ('{"error": 1', None),
        ('{"other": 1}', None), ('{"epoch": 1}', None), ("{" * 100_000 + "}" * 100_000, None),
    ],
)  # fmt: skip
def test_what_counts_as_a_row(tmp_path: Path, text: str, kept: dict[str, Any] | None) -> None:
    row = program_rows.read_row(text.encode(), frozenset(("error", "loss", "epoch")))
    (tmp_path / "trial.json").write_text('{"program": {}}')
    rows = Rows(tmp_path)
    assert bool(row and rows.add(row)) is (kept is not None)
    assert measures(rows.rows) == ([{"epoch": 1, **kept}] if kept else [])
    assert measures(read_epochs(tmp_path)) == measures(rows.rows)


def test_rows_are_kept_however_long_that_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LEFT_SECONDS", 0.05)
    append = program_rows.append_epoch

    def slowly(*given: Any) -> None:
        time.sleep(0.01)
        append(*given)

    monkeypatch.setattr(program_rows, "append_epoch", slowly)
    made = job(tmp_path, "print(*(json.dumps({'epoch': n, 'error': 100 - n}) for n in range(100)), sep='\\n')")
    assert run(made).measures["error"] == 1


def test_a_program_may_close_its_output_and_go_on(tmp_path: Path) -> None:
    code = """
os.close(1); os.close(2)
import time; time.sleep(0.3)
open(own + "/metrics.jsonl", "w").write('{"epoch": 1, "error": 4}')
"""
    assert run(job(tmp_path, code)).measures == {"error": 4}


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_what_a_program_has_left_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LEFT_SECONDS", 0.2)
    code = """
import subprocess
for quiet in (subprocess.DEVNULL, None):
    left = subprocess.Popen(["sleep", "30"], stdout=quiet, start_new_session=True)
    row(epoch=left.pid, error=1)
"""
    for row in run(job(tmp_path, code)).epochs():
        status, last = Path(f"/proc/{row['epoch']}/status"), time.monotonic() + 10  # a killed process ends in a moment
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while "(zombie)" not in status.read_text():
                assert time.monotonic() < last
                time.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("row(epoch=1, error='7.1')", "without reporting error as a number; it reported '7.1'"),
        ("row(epoch=None, error=1)", "reported the epoch nothing; allowed: a whole number"),
        ("row(epoch=True, error=1)", "reported the epoch true; allowed: a whole number"),
        ("open(own + '/metrics.jsonl', 'w').truncate(1 << 38)", "metrics.jsonl: more than 1,024 bytes"),
    ],
)
def test_what_is_no_row_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str) -> None:
    monkeypatch.setattr(running, "MOST_METRICS", 1024)
    with pytest.raises(RunError, match=said):
        run(job(tmp_path, code))


def test_a_log_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(running, "MOST_LOG", 1000)
    run(job(tmp_path, "for n in range(1000): print('a line')\nrow(epoch=1, error=1)"))
    out = capfd.readouterr().out
    assert len(out) < 1200 and out.endswith("... more than 1,000 bytes; the rest is not kept\n")
