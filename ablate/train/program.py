"""run_program(): runs the command of a program's trial and records what it reports. Needs no torch.

A row is a JSON object on a line of standard output or of $ABLATE_TRIAL/metrics.jsonl; program_rows.py keeps it. All other
output is the trial's log.
"""

from __future__ import annotations

import contextlib
import os
import platform
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import ablate
from ablate.errors import RunError, printable
from ablate.files import read_from, real_directory
from ablate.metrics import METRICS, TRIAL
from ablate.processes.child import Broken
from ablate.processes.devices import cpu_model, gpu_models
from ablate.processes.parent import SIGNALS
from ablate.records.attempts import hold_attempt, utc_now, write_result
from ablate.records.records import FILES, trial_directory
from ablate.study.program import MEASURED, PYTHON, ProgramTrial
from ablate.train.program_rows import Lines, Rows, read_row
from ablate.train.revision import revision

POLL_SECONDS = 0.1  # between looks at the file of metrics, the clock and the wish to stop
BEAT_SECONDS = 10.0  # between heartbeats
GRACE_SECONDS = 30.0  # that a program has to end by itself after SIGTERM
LEFT_SECONDS = 5.0  # that processes may have which it has left, after it has ended
LONGEST_TICK = 1.0  # the most seconds that one look counts: time in which this process was stopped is not silence
WAITING = 64  # parts of the output that wait to be read, of 64 KiB at most
MOST_LOG = 1 << 30  # bytes of other output that an attempt keeps
MOST_METRICS = 1 << 28  # bytes of the file of metrics
# Exit codes that a shell gives for a program that was ended by SIGINT, SIGKILL, SIGTERM or SIGUSR1.
KILLED = tuple(128 + number for number in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1))
# Lets the system end the program with the worker, gives it back the signals that a worker ignores, and becomes it.
START = """\
import ctypes, os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, signal.SIG_DFL)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the worker has ended")
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]}: {error.strerror}")
"""

SendEvent = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class ProgramJob:
    """A program's trial and where it runs.

    Args:
        trial: To run.
        runs: Directory of the records.
        folder: Where the program runs: that of the study file.
        measures: What the program reports.
        decide_by: The measure that it must report.
        device: "cpu" or "cuda".
    """

    trial: ProgramTrial
    runs: Path
    folder: Path
    measures: tuple[str, ...]
    decide_by: str
    device: str = "cpu"


def run_program(job: ProgramJob, stop: Callable[[], bool], report: SendEvent) -> str:
    """Run a program's trial to its result. Its directory of own files is as its last attempt left it.

    Args:
        job: The trial and where it runs.
        stop: Returns whether the program must end: it receives SIGTERM, and SIGKILL GRACE_SECONDS later.
        report: Receives the number and the decisive measure of each epoch, and {} as a heartbeat. The measure is that of an
            earlier epoch where the field MEASURED is false.

    Returns:
        "completed", "diverged", "interrupted", "recorded" (the trial had a result) or "busy" (another process runs it).

    Raises:
        AblateError: The program failed.
        Broken: It was ended from outside, or hangs.
    """
    with hold_attempt(job.runs, job.trial.id, job.trial.definition) as why_not:
        return why_not or _Attempt(job, trial_directory(job.runs, job.trial.id)).run(stop, report)


@dataclass
class _Attempt:
    """One run of the command.

    Args:
        job: The trial and where it runs.
        directory: The trial's directory.
    """

    job: ProgramJob
    directory: Path
    read: int = 0  # bytes of the file of metrics
    metrics: Lines = field(default_factory=Lines)
    said: str = ""  # the last line of its log
    logged: int = 0  # bytes of its log
    cut: bool = False  # whether the log is as long as it may be

    def run(self, stop: Callable[[], bool], report: SendEvent) -> str:
        """Run the command to its end and return the status, as run_program() does."""
        self.report, self.known = report, frozenset((*self.job.measures, "epoch"))
        own = real_directory(self.directory / FILES)
        own.mkdir(exist_ok=True)
        self.file = own / METRICS
        self.rows = Rows(self.directory, self.job.measures)
        self.begun = utc_now()
        while self._read_metrics(before=True):
            pass
        self.metrics = Lines()  # without a line that was torn
        self.rows.begin()
        place = str(own.absolute())
        environment = {**os.environ, TRIAL: place, "PYTHONUNBUFFERED": "1"}
        words = self.job.trial.command(place)
        words[0] = sys.executable if words[0] in PYTHON else words[0]
        print(f"$ {shlex.join(words)}", flush=True)
        # The program is in the worker's process group, so it is ended with the worker.
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", START, str(os.getpid()), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.job.folder,
            env=environment,
        )
        try:
            stopped = self._follow(process, stop, place)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            _end_left(place)
        return self._outcome(process.returncode, stopped)

    def _follow(self, process: subprocess.Popen[bytes], stop: Callable[[], bool], place: str) -> bool:
        """Read what the program says until it ends; return whether it was asked to end.

        Raises:
            Broken: It says nothing any more.
            RunError: It takes too long, or a row is not valid.
        """
        program, output = self.job.trial.program, queue.Queue[tuple[bool, bytes]](WAITING)
        for stream, is_rows in ((process.stdout, True), (process.stderr, False)):
            assert stream is not None
            threading.Thread(target=_pass_on, args=(stream, is_rows, output), daemon=True).start()
        lines = {True: Lines(), False: Lines()}
        silence = took = asked = over = beat = 0.0
        before, stopping, ended = time.monotonic(), False, 0
        while ended < 2 or process.poll() is None:  # a program may close its output and go on
            heard = False
            with contextlib.suppress(queue.Empty):
                is_rows, data = output.get(timeout=POLL_SECONDS)
                ended, heard, silence = ended + (not data), True, 0.0
                for line in lines[is_rows].take(data) if data else lines[is_rows].rest():
                    self._hear(line, is_rows)
            if self._read_metrics():
                silence = 0.0
            now = time.monotonic()
            tick, before = min(now - before, LONGEST_TICK), now
            silence, took, beat = silence + tick, took + tick, beat + tick
            asked += tick * stopping
            running = process.poll() is None
            over += tick * (not running)
            if beat >= BEAT_SECONDS:
                beat = 0.0
                self.report({})
            if not stopping and stop():
                stopping = True
                process.terminate()
            if asked > GRACE_SECONDS:
                break
            if over > LEFT_SECONDS:  # a process that it has left keeps its output open
                _end_left(place)
                if not heard:
                    break
            if silence > program.silence and running and not stopping:
                raise Broken(f"no output for {silence:,.0f} seconds")
            if program.timeout and took > program.timeout and running and not stopping:
                raise RunError(f"it took more than the {program.timeout:g} seconds of program.timeout")
        while self._read_metrics():
            pass
        for line in self.metrics.rest():
            self._hear(line, True, of_file=True)
        return stopping

    def _read_metrics(self, before: bool = False) -> bool:
        """Read what is new in the file of metrics; return whether there was anything.

        Args:
            before: Whether to read all that earlier attempts left, of which only rows with an epoch are theirs for sure.
        """
        data = read_from(self.file, self.read)
        if not data:
            if self.read and not read_from(self.file, self.read - 1, 1):  # the program has begun the file again
                self.read, self.metrics = 0, Lines()
            return False
        self.read += len(data)
        if self.read > MOST_METRICS:
            raise RunError(f"{self.file}: more than {MOST_METRICS:,} bytes; report once an epoch")
        for line in self.metrics.take(data):
            if (row := read_row(line, self.known)) and (not before or "epoch" in row):
                self._keep(row, of_file=True, quiet=before)
        return True

    def _hear(self, line: bytes, is_rows: bool, of_file: bool = False) -> None:
        """Keep a line of output: a row, or a line of the log."""
        if is_rows and (row := read_row(line, self.known)):
            self._keep(row, of_file)
            return
        text = line.decode("utf-8", "replace")
        self.logged += len(line) + 1
        if self.logged <= MOST_LOG:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        elif not self.cut:
            self.cut = True
            print(f"... more than {MOST_LOG:,} bytes; the rest is not kept", flush=True)
        self.said = printable(text.rstrip("\r").rpartition("\r")[2].strip())[:500] or self.said

    def _keep(self, row: Mapping[str, Any], of_file: bool, quiet: bool = False) -> None:
        """Add a row to the epochs, and report its epoch."""
        if self.rows.add(row, of_file) and not quiet:
            last = self.rows.rows[-1]
            told = {"trial": self.job.trial.id, "epochs": self.job.trial.epochs, "train_seconds": last["seconds"]}
            by = self.job.decide_by
            self.report({**last, by: self.rows.last().get(by), **told, MEASURED: by in last})

    def _outcome(self, code: int, stopped: bool) -> str:
        """Write the result of a program that has ended, and return the status."""
        if stopped:
            return "interrupted"
        if code < 0 or code in KILLED:
            number = -code if code < 0 else code - 128
            raise Broken(f"the program was ended by {SIGNALS.get(number) or signal.Signals(number).name}")
        if code:
            raise RunError(f"the program exited with code {code}{f': {self.said}' if self.said else ''}")
        self.rows.end()
        values = self.rows.last()
        if self.job.decide_by not in values:
            line = f'{{"{self.job.decide_by}": 7.1}}'
            reported = f"; it reported {', '.join(values)}" if values else f"; print it as {line} in a line"
            if odd := self.rows.refused.get(self.job.decide_by):
                reported = f" as a number; it reported {odd}"
            raise RunError(f"the program ended without reporting {self.job.decide_by}{reported}")
        diverged = values[self.job.decide_by] is None
        result = {
            "status": "diverged" if diverged else "completed",
            "epochs": len(self.rows.rows),
            "seconds": round(sum(row["seconds"] for row in self.rows.rows), 6),
            **values,
            "provenance": {**self._provenance(), "finished": utc_now()},
        }
        write_result(self.directory, result)
        return str(result["status"])

    def _provenance(self) -> dict[str, Any]:
        """Where the program ran and when. It contains no paths, host names or user names."""
        return {
            "ablate": ablate.__version__,
            "revision": revision(),
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "device": next(iter(gpu_models()), "GPU") if self.job.device == "cuda" else cpu_model(),
            "threads": int(os.environ.get("OMP_NUM_THREADS", "1")) if self.job.device == "cpu" else 1,
            "started": self.begun,
        }


def _pass_on(stream: IO[bytes], is_rows: bool, output: queue.Queue[tuple[bool, bytes]]) -> None:
    """Pass on what a stream gives as it comes; b"" at its end."""
    with stream:
        while data := os.read(stream.fileno(), 65536):
            output.put((is_rows, data))
    output.put((is_rows, b""))


def _end_left(place: str) -> None:
    """End the processes that a program has started and left, so that none works beside the next trial or attempt.

    On Linux alone; elsewhere they end with the worker.

    Args:
        place: The directory of the trial's own files, which is in the environment of all of them.
    """
    mark = f"\0{TRIAL}={place}\0".encode(errors="surrogateescape")
    for found in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError, ValueError):  # it has ended, or is another user's
            pid = int(found.parent.name)
            if pid != os.getpid() and mark in b"\0" + found.read_bytes() + b"\0":
                os.kill(pid, signal.SIGKILL)
