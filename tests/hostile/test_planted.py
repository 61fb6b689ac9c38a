"""Every kind of thing in every place of a directory that may come from elsewhere, and what reads and writes there.

Each case ends within seconds, in one line at most, changes nothing outside, and gives no wrong result.
`python -m tests.hostile.test_planted` prints how many were tried.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import socket
import stat
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

if __name__ == "__main__":  # the tests' own modules, as pytest finds them
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hostile.targets import IMAGES, LOG, TAKES, _probe_seeds

from ablate.api import load_experiment, load_search, load_study
from ablate.commands.cli import main
from ablate.data.array_cache import kept
from ablate.data.cache import content_digest
from ablate.data.copies import Copy
from ablate.data.location import Location
from ablate.data.sources import Images
from ablate.errors import UNPRINTABLE, AblateError
from ablate.files import regular_file
from ablate.launch import run as launch_run
from ablate.launch.options import RunOptions
from ablate.launch.summary import INCOMPLETE
from ablate.records.imported import draft_torchnet, read_imported, write_imported
from ablate.records.merge import merge_runs
from ablate.records.records import TRIAL, read_record
from ablate.records.remembered import ChosenPrecision, remember_copies, remember_precision
from ablate.records.sealed import HASH
from ablate.records.searches import search_path, searches_of
from ablate.records.timings import read_paces, read_probes, write_probe
from ablate.report.report import Report, write_reports
from ablate.report.trace import trace_cell
from ablate.schedule.worker import do
from ablate.search import run as search_run

SECONDS = 10.0  # that a call may take; it takes a tenth of one
MEGABYTES = 64  # of the disk that a case may take, and of a file that is written
VAST = 1 << 40
STUDY = """\
name: planted
data: {name: digits, train_size: 64, test_size: 32, augment: none}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32}
seeds: 2
variants: [{net: WRN-10-0.25}]
"""
SEARCH = """\
name: found
data: {name: digits, train_size: 64, augment: none}
recipe: {base: wrn_cifar, epochs: 1, batch_size: 32}
base: WRN-10-0.25
seeds: 1
search:
  space: {recipe.lr: [0.01, 0.02]}
  validation: {holdout: 32}
  objective: median_validation_error
  trials: 1
  sampler: random
  pruner: none
"""
PROGRAM = """\
name: program
program: {command: "python -S program.py {error} {seed}", files: [program.py], epochs: 2}
measures: [error]
seeds: 2
variants: [{grid: {error: [5]}}]
"""
CODE = """\
import os, sys
path = os.environ["ABLATE_TRIAL"] + "/metrics.jsonl"
with sys.stdout if os.path.lexists(path) else open(path, "w") as file:
    for epoch in (1, 2):
        file.write('{"epoch": %d, "error": %s}\\n' % (epoch, sys.argv[1]))
"""
INLINE = RunOptions(inline=True, quiet=True)


class Finding(BaseException):
    """What must not be. No handler of errors takes it."""


class Base:
    """Directories that nothing is planted in: they are copied for each case."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.folder = Path(tempfile.mkdtemp(prefix="planted-"))
        os.environ["ABLATE_CACHE"] = str(self.folder / "images")
        (self.folder / "planted.yaml").write_text(STUDY)
        (self.folder / "found.yaml").write_text(SEARCH)
        self.study = load_study(self.folder / "planted.yaml", runs=self.folder / "runs")
        self.first, self.other = (trial.id for trial in self.study.trials())
        assert self.study.run(INLINE).exit_code == 0
        (self.folder / "log").write_text(LOG % (1, 2.3, 10.5) + LOG % (2, 2.0, 60))
        self.draft = draft_torchnet(self.folder / "log", "cifar10", "meanstd", 10, (3, 32, 32))
        write_imported(self.folder / "runs", self.draft)
        probe = self.folder / "runs" / "probes" / "device" / "a.json"
        probe.parent.mkdir(parents=True)
        probe.write_bytes(_probe_seeds()[0])
        (self.probe,) = read_probes(self.folder / "runs")
        probe.unlink()
        self.probe_file = write_probe(self.folder / "runs", self.probe).relative_to(self.folder)
        probe.parent.rmdir()
        self.search = load_search(self.folder / "found.yaml", runs=self.folder / "searched", storage="")
        assert self.search.run(INLINE).exit_code == 0
        (self.candidate,) = self.search.candidates()
        self.locks = next((self.folder / "searched" / ".searching").iterdir()).relative_to(self.folder)
        (self.folder / self.locks / "0123456789abcdef.lock").touch()
        self.search.report().keep_records(self.folder / "kept")
        (name,) = searches_of(self.folder / "kept")
        self.kept = search_path(self.folder / "kept", name).relative_to(self.folder)
        (self.folder / "automatic.yaml").write_text(STUDY.replace("epochs: 2", "epochs: 2, precision: auto"))
        remember_precision(self.folder / "runs", ChosenPrecision("float32", "a processor"))
        remember_copies(self.folder / "runs", [Copy("cifar10", "JPEG copy", None)])
        (self.folder / "program.yaml").write_text(PROGRAM)
        (self.folder / "program.py").write_text(CODE)
        self.program = load_experiment(self.folder / "program.yaml", runs=self.folder / "programs")
        assert self.program.run(INLINE).exit_code == 0
        self.program_trial = self.program.trials()[0].id
        self.reports = [_without_figures(self.study.report()), _without_figures(self.search.report())]
        write_reports(self.reports, self.folder / "reports")
        data = self.folder / "data"
        data.mkdir()
        (data / "a").write_bytes(b"a")
        (data / "b").write_bytes(b"bb")
        self.data = [data / "a", data / "b"]
        self.digest = content_digest(self.data, Location(data, self.folder / "cache"))
        kept(self.folder / "cache" / "entry", Images, lambda: IMAGES, print)
        self.memo = next((self.folder / "cache" / "digests").iterdir()).relative_to(self.folder)
        self.epochs = {id: self.epochs_of(self.folder / "runs", id) for id in (self.first, self.other)}
        self.errors = [error for summary in self.study.analysis().summaries for error in summary.errors]
        self.candidate_errors = self.candidate.errors

    @staticmethod
    def epochs_of(runs: Path, id: str) -> Any:
        record = read_record(runs, id)
        return record and [
            {key: value for key, value in row.items() if not key.endswith("seconds")} for row in record.epochs()
        ]


def _without_figures(report: Report) -> Report:
    """They take long to draw, and nothing is read for them that the tables do not need."""
    report.__dict__["figures"] = {}
    return report


def _add_epochs(found: list[Any], runs: Path, id: str) -> None:
    found.append(Base.epochs_of(runs, id))


class Case:
    """A copy of some directories in which something is planted, beside a folder that must not change."""

    def __init__(self, base: Base, folder: Path, parts: Sequence[str], number: int) -> None:
        self.base, self.folder, self.number = base, folder, number
        folder.mkdir()
        for part in parts:
            shutil.copytree(base.folder / part, folder / part)
        self.outside = folder / "outside"
        (self.outside / "folder").mkdir(parents=True)
        (self.outside / "file").write_text("mine\n")
        (self.outside / "folder" / ".mine.0123abcd.tmp").write_text("mine\n")
        (self.outside / "folder" / "checkpoint-000009.pt").write_text("mine\n")
        (self.outside / "folder" / "trial.json").write_text("mine\n")
        os.mkfifo(self.outside / "pipe")
        self.runs = folder / "runs"

    def begin(self) -> None:
        self.before = self.seen()

    def seen(self) -> dict[str, Any]:
        """What is outside: names, kinds, times and contents."""
        found = {}
        for path in sorted(self.outside.rglob("*")):
            status = os.lstat(path)
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            found[str(path)] = status.st_mode, status.st_mtime_ns, content
        return found

    def check(self) -> None:
        if (seen := self.seen()) != self.before:
            changed = {path for path in {*seen, *self.before} if seen.get(path) != self.before.get(path)}
            raise Finding(f"changed outside: {sorted(changed)}")
        if (taken := blocks(self.folder) // 2048) > MEGABYTES:
            raise Finding(f"{taken} MB of the disk")


def blocks(folder: Path | str) -> int:
    """How many blocks of 512 bytes all in a folder has; links are not followed."""
    with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
        return sum(
            entry.stat(follow_symlinks=False).st_blocks + (blocks(entry.path) if entry.is_dir(follow_symlinks=False) else 0)
            for entry in entries
        )
    return 0


# The kinds: what is planted at a path, in whose place there may be a file or a directory.


def put_away(path: Path) -> None:
    """Remove what is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)


def link(to: Callable[[Case, Path], Path | str]) -> Callable[[Case, Path], None]:
    def plant(case: Case, path: Path) -> None:
        put_away(path)
        path.symlink_to(to(case, path))

    return plant


def moved_outside(case: Case, path: Path) -> None:
    """A link to what was there, so that whoever follows it finds what he looks for."""
    if path.exists():
        os.rename(path, case.outside / "valid")
    else:
        (case.outside / "valid").touch()
    put_away(path)
    path.symlink_to(case.outside / "valid")


def hard_link(case: Case, path: Path) -> None:
    put_away(path)
    os.link(case.outside / "file", path)


def pipe(case: Case, path: Path) -> None:
    put_away(path)
    os.mkfifo(path)


def bound_socket(case: Case, path: Path) -> None:
    put_away(path)
    with socket.socket(socket.AF_UNIX) as made:
        before = os.getcwd()
        os.chdir(path.parent)  # the address of a socket is short
        try:
            made.bind(path.name)
        finally:
            os.chdir(before)


def empty_directory(case: Case, path: Path) -> None:
    put_away(path)
    path.mkdir()


def directory(case: Case, path: Path) -> None:
    empty_directory(case, path)
    (path / "file").write_text("x")
    (path / "link").symlink_to(case.outside / "file")


def device(case: Case, path: Path) -> None:
    put_away(path)
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero


def content(data: bytes, size: int | None = None) -> Callable[[Case, Path], None]:
    def plant(case: Case, path: Path) -> None:
        put_away(path)
        path.write_bytes(data)
        if size is not None:
            os.truncate(path, size)

    return plant


def half(case: Case, path: Path) -> None:
    data = path.read_bytes() if path.is_file() else b"12"
    content(data[: len(data) // 2])(case, path)


def grown(case: Case, path: Path) -> None:
    """The file that was there, with a hole of a TB behind it."""
    data = path.read_bytes() if path.is_file() else b""
    content(data, VAST)(case, path)


def unreadable(case: Case, path: Path) -> None:
    if not path.exists():
        content(b"")(case, path)
    path.chmod(0)


def of_another(case: Case, path: Path) -> None:
    """The valid file or directory of another trial in its place."""
    there = Path(str(path).replace(case.base.first, case.base.other))
    source = there if there != path and there.exists() else case.base.folder / "found.yaml"
    put_away(path)
    shutil.copytree(source, path) if source.is_dir() else shutil.copy(source, path)


def of_an_older_version(case: Case, path: Path) -> None:
    if path.name == "result.json" and path.exists():
        fields = json.loads(path.read_text())
        data = json.dumps({key: fields[key] for key in fields if not key.endswith(HASH) and key != TRIAL}).encode()
    elif path.suffix == ".pt" and path.exists():
        state = torch.load(path, weights_only=True)
        buffer = io.BytesIO()
        torch.save({key: value for key, value in state.items() if key not in ("trial", "version", "attempts")}, buffer)
        data = buffer.getvalue()
    else:
        data = b'{"format": 0}\n'
    content(data)(case, path)


def odd_names(case: Case, path: Path) -> None:
    """Beside the path: names with a line end, an escape, Latin-1 and half a surrogate pair, some of them links."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate((b"x\ny", b"x\x1b[31m", b"x\xe9", b"x\xed\xa0\x80", b"-x", b"x'; touch y #")):
        for where in (os.fsencode(path.parent) + b"/" + name + os.fsencode(path.suffix), os.fsencode(path) + name):
            if number % 2:
                os.symlink(os.fsencode(case.outside / "file"), where)
            else:
                Path(os.fsdecode(where)).write_bytes(b"x")


def leftovers(case: Case, path: Path) -> None:
    """Beside the path: the temporary files of a killed process, as links and as a directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for digits, to in (("0123abcd", "file"), ("4567cdef", "folder"), ("89abcdef", "pipe"), ("fedcba98", "none")):
        path.with_name(f".{path.name}.{digits}.tmp").symlink_to(case.outside / to)
    directory(case, path.with_name(f".{path.name}.01234567.tmp"))
    (path.parent / f".{path.name}.merging").symlink_to(case.outside / "folder")
    (path.parent / f".{path.name}.old.merging").symlink_to(case.outside / "folder")


KINDS: dict[str, Callable[[Case, Path], None]] = {
    "link to a file outside": link(lambda case, path: case.outside / "file"),
    "link to the file, moved outside": moved_outside,
    "link to a directory outside": link(lambda case, path: case.outside / "folder"),
    "link to a file inside": link(lambda case, path: case.runs / case.base.other / "trial.json"),
    "link to nothing": link(lambda case, path: case.outside / "none"),
    "link to itself": link(lambda case, path: path.name),
    "link to /dev/zero": link(lambda case, path: "/dev/zero"),
    "link to a named pipe": link(lambda case, path: case.outside / "pipe"),
    "hard link to a file outside": hard_link,
    "named pipe": pipe,
    "socket": bound_socket,
    "empty directory": empty_directory,
    "directory": directory,
    "device": device,
    "empty file": content(b""),
    "random bytes": content(bytes((n * n * 31 + n // 7) % 256 for n in range(5000))),
    "half of the file": half,
    "hole of a TB": content(b"", VAST),
    "file with a hole of a TB": grown,
    "text of 300 MB without a line end": content(b'{"a":', 300 << 20),
    "file without permissions": unreadable,
    "file of another trial": of_another,
    "file of an older version": of_an_older_version,
    "odd names beside": odd_names,
    "leftovers beside": leftovers,
}


# What is done in a case. Each returns what was said, and raises Finding for a wrong result.


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Within the block no call takes long, and no file that is written grows."""

    def too_long(*_: object) -> None:
        raise Finding("hangs: " + " < ".join(frame.name for frame in reversed(traceback.extract_stack(limit=12)[:-1])))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTES << 20, limits[1]))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def called(call: Callable[[], object]) -> str:
    """What a call said: "" or the line of an error that main() shows."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            with bounded():
                call()
        except AblateError as error:
            said = str(error)
        except OSError as error:
            said = f"{error.filename or 'system'}: {error.strerror or error}"
            if not error.filename:
                raise Finding(f"an error that names no file: {error!r}") from None
        except Exception:
            raise Finding(f"traceback: {traceback.format_exc()[-1500:]}") from None
        else:
            return ""
    if UNPRINTABLE.search(said):
        raise Finding(f"not one line: {said!r}")
    return said


def command(*words: object) -> str:
    """The console script, in this process."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["ablate", *map(str, words)]
    try:
        with bounded(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _inline():
            main()
    except SystemExit as ended:
        code = ended.code or 0
    except Exception:
        raise Finding(f"traceback: {traceback.format_exc()[-1500:]}") from None
    finally:
        sys.argv = before
    said = err.getvalue()
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    if code not in (0, 2, INCOMPLETE) or "Traceback" in said or len(lines) != (code == 2):
        raise Finding(f"{words[0]}: exit code {code}: {said[-1500:]}")
    return lines[0] if lines else "failed" if code else ""


@contextlib.contextmanager
def _inline() -> Iterator[None]:
    """Trials are trained in this process."""
    before = search_run.open_backend

    def inline(runs: Path, options: RunOptions, *more: Any) -> Any:
        return before(runs, replace(options, inline=True), *more)

    launch_run.open_backend = search_run.open_backend = inline
    try:
        yield
    finally:
        launch_run.open_backend = search_run.open_backend = before


def results(case: Case, runs: Path | None = None) -> str:
    """What is reported of each trial is what was recorded, or nothing."""
    experiment = replace(case.base.study, runs=runs or case.runs)
    found: list[Any] = []
    said = called(lambda: found.append(experiment.analysis().summaries))
    for errors in (summary.errors for summaries in found for summary in summaries):
        if Counter(errors) - Counter(case.base.errors):
            raise Finding(f"wrong result: {errors}")
    for id in case.base.epochs:
        epochs: list[Any] = []
        said = said or called(partial(_add_epochs, epochs, experiment.runs, id))
        if epochs not in ([], [None], [case.base.epochs[id]]):
            raise Finding(f"wrong epochs of {id}: {epochs}")
    return said


def status(case: Case) -> str:
    return called(lambda: replace(case.base.study, runs=case.runs).status())


def plan(case: Case) -> str:
    said = called(lambda: replace(case.base.study, runs=case.runs).plan())
    return said or called(lambda: (read_paces(case.runs), read_probes(case.runs), write_probe(case.runs, case.base.probe)))


def by_command(case: Case) -> str:
    """One of the commands on a runs directory."""
    study, of_runs = case.base.folder / "planted.yaml", ("--runs", case.runs)
    lines: list[tuple[object, ...]] = [
        ("status", study, *of_runs),
        ("plan", study, *of_runs),
        ("export", study, *of_runs, "--to", "csv", "--out", case.folder / "exports"),
        ("verify", study, *of_runs, "--seed", 0, "-q"),
        ("merge", case.runs, "--into", case.folder / "into"),
        ("run", study, *of_runs, "-q"),
    ]
    return command(*lines[case.number % len(lines)])


def train(case: Case) -> str:
    """A run trains what it can; whatever is recorded then is right."""
    summary: list[Any] = []
    said = called(lambda: summary.append(replace(case.base.study, runs=case.runs).run(INLINE)))
    code = summary[0].exit_code if summary else 2
    if code not in (0, 2, INCOMPLETE):
        raise Finding(f"exit code {code}")
    if (after := results(case)) and not code:
        raise Finding(f"recorded, but then: {after}")
    return said or ("failed" if code else "")


def merge(case: Case) -> str:
    """As a source, and as what is merged into."""
    into = case.folder / "merged"
    said = [
        called(lambda: merge_runs([case.runs], into)),
        called(lambda: merge_runs([case.base.folder / "runs"], case.runs)),
    ]
    if into.exists():
        said.append(results(case, into))
        if wrong := [path for path in into.rglob("*") if not (path.is_file() or path.is_dir()) or path.is_symlink()]:
            raise Finding(f"copied: {wrong}")
    return next(filter(None, said), "")


def remembered(case: Case) -> str:
    """What a runs directory remembers of its records, which are found whatever it says, or not read at all."""
    study, found = case.base.folder / "automatic.yaml", list[Any]()
    said = [called(lambda: found.append(load_experiment(study, runs=case.runs, device="cpu")))]
    for experiment in found:
        if experiment.trials()[0].id != case.base.first:
            raise Finding(f"recorded in float32, but auto is {experiment.study.auto_precision}")
        said.append(called(experiment.plan))
    said.append(called(lambda: remember_precision(case.runs, ChosenPrecision("float32", "a processor"))))
    said.append(called(lambda: remember_copies(case.runs, [Copy("cifar10", "JPEG copy", "/images")])))
    return next(filter(None, said), "")


def kept_search(case: Case) -> str:
    """The candidates of a search that has no storage."""
    runs, found = case.folder / "kept", list[Any]()
    search = replace(case.base.search, runs=runs)
    said = [called(lambda: found.extend(search.candidates())), called(lambda: merge_runs([runs], case.folder / "merged"))]
    if any(one.errors and one.errors != case.base.candidate_errors for one in found):
        raise Finding(f"wrong result: {found}")
    said.append(called(lambda: merge_runs([case.base.folder / "kept"], runs)))
    return next(filter(None, said), "")


def imports(case: Case) -> str:
    said = [called(lambda: read_imported(case.runs)), called(lambda: write_imported(case.runs, case.base.draft))]
    found: list[Any] = []
    said.append(called(lambda: found.extend(read_imported(case.runs))))
    for one in found:
        if one.id == case.base.draft.id and (one.test_error, len(one.epochs)) != (40.0, 2):
            raise Finding(f"wrong result: {one}")
    return next(filter(None, said), "")


def searching(case: Case) -> str:
    search = replace(case.base.search, runs=case.folder / "searched")
    found: list[Any] = []
    said = called(lambda: found.extend(search.candidates()))
    if any(one.errors and one.errors != case.base.candidate_errors for one in found):
        raise Finding(f"wrong result: {found}")
    summary: list[Any] = []
    if case.number % 2:  # it takes a fifth of a second
        said = called(lambda: summary.append(replace(search).run(INLINE))) or said
    if summary and summary[0].exit_code not in (0, INCOMPLETE):
        raise Finding(f"exit code {summary[0].exit_code}")
    return said


def programmed(case: Case) -> str:
    """A program's trials: their status, a merge, a run that completes them, and what they are reported to have."""
    runs, into = case.folder / "programs", case.folder / "merged"
    experiment: Any = replace(case.base.program, runs=runs)
    summary: list[Any] = []
    said = [called(experiment.status), called(lambda: merge_runs([runs], into))]
    if case.number % 2:
        said.append(called(lambda: merge_runs([case.base.folder / "programs"], runs)))
    said.append(called(lambda: summary.append(experiment.run(INLINE))))
    if wrong := [path for path in into.rglob("*") if path.is_symlink() or path.name == "metrics.jsonl"]:
        raise Finding(f"copied: {wrong}")
    found: list[Any] = []
    said.append(called(lambda: found.extend(read_record(runs, trial.id) for trial in experiment.trials())))
    if any(record and record.measures != {"error": 5} for record in found):
        raise Finding(f"wrong result: {[record and record.measures for record in found]}")
    if summary and (summary[0].exit_code not in (0, INCOMPLETE) or (not summary[0].exit_code and None in found)):
        raise Finding(f"exit code {summary[0].exit_code}: {found}")
    return next(filter(None, said), "")


def cached(case: Case) -> str:
    """The cache decides nothing, so whatever is in it there is no error."""
    entry, location = case.folder / "cache" / "entry", Location(case.base.folder / "data", case.folder / "cache")
    told: list[str] = []
    found: list[Any] = []

    def load() -> None:
        found[:] = kept(entry, Images, lambda: IMAGES, told.append), content_digest(case.base.data, location)

    for _ in range(2):
        if said := called(load):
            raise Finding(f"the cache decides: {said}")
        if found[1] != case.base.digest or any(not np.array_equal(*pair) for pair in zip(found[0], IMAGES)):
            raise Finding(f"wrong images: {found}")
    if any(UNPRINTABLE.search(line) for line in told):
        raise Finding(f"not one line: {told}")
    return next(iter(told), "")


def reported(case: Case) -> str:
    out = case.folder / "reports"
    table = out / "planted" / "table.csv"
    whole = trace_cell(case.base.folder / "reports" / "planted" / "table.csv", "1,median_test_error")
    takes = case.folder / "takes.yaml"
    takes.write_text(TAKES.replace("best.yaml", "reports/found/best.yaml"))
    traces: list[Any] = []

    def traced() -> str:
        traces.clear()
        return called(lambda: traces.append(trace_cell(table, "1,median_test_error")))

    said = [traced()]
    if traces and traces[0].value != whole.value:
        raise Finding(f"wrong value: {traces[0]}")
    said.append(called(lambda: load_experiment(takes, runs=case.folder / "none")))
    said.append(called(lambda: write_reports(case.base.reports, out)))
    if not said[-1] and (traced() or traces[0].value != whole.value):
        raise Finding("written, but not read")
    return next(filter(None, [said[0], said[2]]), "")


class Place(NamedTuple):
    """Where something is planted, and what is done then. begun: the first trial has no result, or the cache no images."""

    path: Callable[[Base], object]
    parts: tuple[str, ...]
    uses: tuple[Callable[[Case], str], ...]
    begun: bool = False

    def of_begun(self, base: Base) -> str:
        """What is missing where a trial has begun."""
        if "cache" in self.parts:
            return "cache/entry"
        return (
            f"programs/{base.program_trial}/result.json" if "programs" in self.parts else f"runs/{base.first}/result.json"
        )


def logged(case: Case) -> str:
    """A worker's log: what the work prints is in a file of this directory, or the task has failed."""
    log = case.runs / case.base.first / "log.txt"
    ended: list[Any] = []
    work = "hostile.test_planted:printing"
    said = called(lambda: ended.append(do(work, str(log), dict, lambda: False, lambda event: None)))
    if said or ended[0][1] not in ("completed", "failed", "nowhere"):
        raise Finding(f"{said}: {ended}")
    if ended[0][1] == "completed" and not (regular_file(log).stat().st_size > VAST or b"printed" in log.read_bytes()):
        raise Finding("lost what was printed")
    return str(ended[0][2])


def printing(payload: Any, stop: Any, report: Any) -> str:
    os.write(1, b"printed")
    return "completed"


def _of_trial(name: str, begun: bool = False) -> Place:
    return Place(lambda base: f"runs/{base.first}{name}", ("runs",), (status, results, plan, merge, train), begun)


def _adopted(begun: bool = False) -> Place:
    return Place(lambda base: "runs/adopted.json", ("runs",), (status, results, plan, merge, train), begun)


def _programmed(name: str, begun: bool = False) -> Place:
    return Place(lambda base: f"programs/{base.program_trial}/{name}", ("programs",), (programmed,), begun)


def _imported(name: str) -> Place:
    return Place(lambda base: f"runs/imported{name.format(base.draft.id)}", ("runs",), (imports, merge))


def _searched(name: str) -> Place:
    return Place(lambda base: name.format(base.locks), ("searched",), (searching,))


def _reported(name: str) -> Place:
    return Place(lambda base: f"reports/{name}", ("reports",), (reported,))


PLACES: dict[str, Place] = {
    "runs/<id>": _of_trial(""),
    **{f"runs/<id>/{name}": _of_trial(f"/{name}") for name in ("trial.json", "result.json", "epochs.jsonl", "lock")},
    **{f"runs/<id>/{name}": _of_trial(f"/{name}") for name in ("log.txt", "result.json.damaged", "checkpoint-000002.pt")},
    **{f"runs/<id>/{name}": _of_trial(f"/{name}") for name in ("evaluation-test.json", "logits-test.safetensors")},
    **{
        f"runs/<id>/{name}, begun": _of_trial(f"/{name}", True)
        for name in (
            "trial.json", "epochs.jsonl", "failure.json", "lock", "log.txt", "checkpoint-000002.pt",
            "checkpoint-000002.sha256", "checkpoint-000009.pt", "result.json",
        )
    },
    "runs/<id>, a worker's": Place(lambda base: f"runs/{base.first}", ("runs",), (logged,)),
    "runs/<id>/log.txt, a worker's": Place(lambda base: f"runs/{base.first}/log.txt", ("runs",), (logged,)),
    "runs/probes": Place(lambda base: "runs/probes", ("runs",), (plan, merge)),
    "runs/probes/<device>": Place(lambda base: base.probe_file.parent, ("runs",), (plan, merge)),
    "runs/probes/<device>/<hash>.json": Place(lambda base: base.probe_file, ("runs",), (plan, merge)),
    **{f"runs/imported{name.format('<id>')}": _imported(name) for name in ("", "/{}", "/{}/trial.json", "/{}/result.json")},
    "runs/imported/<id>/epochs.jsonl": _imported("/{}/epochs.jsonl"),
    **{
        f"programs/<id>/{name}{', begun' * begun}": _programmed(name, begun)
        for name in ("program", "program/metrics.jsonl", "epochs.jsonl", "result.json", "log.txt")
        for begun in (False, True)
    },
    "runs/adopted.json": _adopted(),
    "runs/adopted.json, begun": _adopted(True),
    **{
        f"runs/{name}": Place(lambda base, name=name: f"runs/{name}", ("runs",), (remembered, plan, merge))
        for name in ("precision.json", ".precision.lock", "images.json", ".images.lock")
    },
    "kept/searches": Place(lambda base: base.kept.parent, ("kept",), (kept_search,)),
    "kept/searches/<name>.json": Place(lambda base: base.kept, ("kept",), (kept_search,)),
    "runs/.merge.lock": Place(lambda base: "runs/.merge.lock", ("runs",), (merge,)),
    **{
        name: _searched(name)
        for name in ("searched/search.db", "searched/search.db-journal", "searched/search.db-wal", "searched/.search.lock")
    },
    "searched/.searching": _searched("searched/.searching"),
    "searched/.searching/<name>": _searched("{}"),
    "searched/.searching/<name>/<driver>.lock": _searched("{}/0123456789abcdef.lock"),
    **{
        f"cache/{name}": Place(lambda base, name=name: f"cache/{name}", ("cache",), (cached,))
        for name in ("entry", "entry.lock", "entry/train_images.npy", "entry/sha256", "digests")
    },
    "cache/entry.lock, no entry": Place(lambda base: "cache/entry.lock", ("cache",), (cached,), True),
    "cache/digests/<digest>": Place(lambda base: base.memo, ("cache",), (cached,)),
    **{f"reports/{name}": _reported(name) for name in ("planted", "planted/table.csv", "planted/trials.csv")},
    **{f"reports/{name}": _reported(name) for name in ("planted/curves.svg", "found/best.yaml", "index.html")},
}  # fmt: skip


def as_root() -> bool:
    return os.geteuid() == 0


def tried(base: Base, place: str, kind: str, number: int) -> str:
    """What is said of a kind in a place: "" where all is as if nothing was planted. Raises Finding."""
    where, uses = PLACES[place], list(PLACES[place].uses)
    if place.startswith("runs/<id>") and number % 5 == 0:
        uses.insert(0, by_command)
    folder = Path(tempfile.mkdtemp(prefix="planted-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)) / "case"
    try:
        case = Case(base, folder, where.parts, number)
        if where.begun:
            put_away(folder / where.of_begun(base))
        KINDS[kind](case, folder / str(where.path(base)))
        case.begin()
        said = ""
        for use in uses:
            said = use(case) or said
            case.check()
        return said
    finally:
        shutil.rmtree(folder.parent)


def kinds() -> list[str]:
    return [kind for kind in KINDS if kind != ("file without permissions" if as_root() else "device")]


@pytest.fixture(scope="module")
def base() -> Iterator[Base]:
    made = Base()
    yield made
    shutil.rmtree(made.folder)


def try_all(base: Base, place: str, every: int = 1) -> tuple[Counter[str], list[str]]:
    """How the kinds in a place ended, and the findings in words. Some are also tried through the console script.

    every: Of the kinds, another part in each place.
    """
    counts, findings = Counter[str](), []
    first = list(PLACES).index(place)
    for number, kind in enumerate(kinds(), first):
        if (number - first) % every != first % every:
            continue
        try:
            counts["one line" if tried(base, place, kind, number) else "as before"] += 1
        except Finding as finding:
            counts["finding"] += 1
            findings.append(f"{kind} as {place}: {finding}")
    return counts, findings


@pytest.mark.parametrize("place", PLACES)
def test_whatever_is_planted_there_is_no_harm(base: Base, place: str) -> None:
    """A third of the kinds in each place, the others in the next; `python -m tests.hostile.test_planted` tries all."""
    counts, findings = try_all(base, place, 3)
    assert not findings, "\n".join(findings)
    assert sum(counts.values()) >= len(kinds()) // 3


if __name__ == "__main__":
    whole, total = Base(), Counter[str]()
    for place in PLACES:
        counts, findings = try_all(whole, place)
        total += counts
        print(f"{place}: {dict(counts)}", *findings, sep="\n  ", flush=True)
    print(f"{sum(total.values())} tried: {dict(total)}")
    shutil.rmtree(whole.folder)
