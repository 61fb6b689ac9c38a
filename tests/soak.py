"""A soak test: random studies and searches, one driver or two, random kills of workers and drivers, full disks.

The results are those of undisturbed runs.

    python -m tests.soak --minutes M [--seed S]

prints how many faults of each kind were survived; at the first difference it ends with exit code 1 and the seed of the
round, with which --seed repeats that study and its faults first (when they strike is up to the machine).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import torch

from ablate.api import load_experiment, load_search
from ablate.errors import AblateError
from ablate.launch.options import RunOptions
from ablate.records.epochs import parse_epochs, read_epoch_lines
from ablate.records.records import read_record
from ablate.train.checkpoint import load_checkpoint

NETS = ("WRN-10-0.25", "WRN-10-0.25-dropout0.3", "WRN-10-0.25-B(3,1)", "ResNet-8-w0.25", "WRN-16-0.25-survival0.7")
WORKER_SIGNALS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP)
DRIVER_SIGNALS = {  # and how it may then end; a stopped one goes on after a while
    signal.SIGKILL: (-9,), signal.SIGINT: (130, 0), signal.SIGTERM: (75, 0), signal.SIGSTOP: (0,),
}  # fmt: skip
DISK_MEGABYTES = 12
ENDED = (0, 3)  # exit codes of a run that came to its end
PATIENCE = 600.0  # seconds for what takes a few on a machine that does nothing else


class Difference(Exception):
    """What must not be."""


class Round:
    """One random study, run undisturbed and disturbed. kinds: how often each fault was injected, counted here."""

    def __init__(self, folder: Path, seed: str, kinds: Counter[str], runs: int, slots: int) -> None:
        self.folder, self.kinds, self.runs, self.slots = folder, kinds, runs, slots
        self.draw = random.Random(seed)
        self.study = folder / "study.yaml"
        self.command = self.draw.choice(("run", "run", "search"))
        self.said: dict[int, Path] = {}  # by the process id of a driver, the file of its output

    def __call__(self) -> None:
        """Raises Difference."""
        self.study.write_text(self.invent())
        whole, broken = self.folder / "whole", self.folder / "broken"
        torch.set_num_threads(1)
        undisturbed = load_experiment(self.study, runs=whole).run(RunOptions("cpu", inline=True, quiet=True))
        if undisturbed.exit_code:
            raise Difference(f"an undisturbed run: {undisturbed}")
        broken.mkdir()
        with small_disk(broken) as is_small:
            for _ in range(self.runs):
                fault = self.draw.choice((self.disturb, self.disturb, self.disturb, self.fill_disk))
                fault(broken, is_small)
                self.check_whole_files(broken)
                if len(list(broken.glob("*/result.json"))) == len(list(whole.glob("*/result.json"))):
                    break
            for _ in range(3):  # a trial may have failed twice in a row
                with self.driver(broken) as last:
                    if self.wait(last, ENDED, "the last run") == 0:
                        break
            compare(whole, broken)
            if self.command == "search" and (found := self.candidates(broken)) != (expected := self.candidates(whole)):
                raise Difference(f"candidates {found} and {expected}")

    def candidates(self, runs: Path) -> list[str]:
        """The candidates of a search with their errors. A failed one that was tried again has another number."""
        found = load_search(self.study, runs=runs).candidates()
        return sorted(f"{one.state} {one.values} {one.errors}" for one in found)

    def invent(self) -> str:
        """A study of 2 to 4 trials, or a search of as many."""
        draw = self.draw
        nets = draw.sample(NETS, draw.randint(1, 2))
        size, epochs = draw.choice((128, 256)), draw.randint(12, 30)
        tested = "" if self.command == "search" else "test_size: 64, "
        data = f"{{name: digits, train_size: {size}, {tested}augment: {draw.choice(('flip_crop', 'crop', 'none'))}}}"
        base = draw.choice(("wrn_cifar", "wrn_cifar", "adam"))
        begin = (
            f"name: soak\ndata: {data}\nrecipe: {{base: {base}, epochs: {epochs}, batch_size: {draw.choice((16, 32))}}}\n"
        )
        if self.command == "search":
            return (
                f"{begin}seeds: 1\nbase: {nets[0]}\nsearch:\n  space: {{recipe.weight_decay: [0.0001, 0.01]}}\n"
                "  validation: {holdout: 64}\n  objective: median_validation_error\n"
                f"  trials: {draw.randint(2, 4)}\n  sampler: random\n  pruner: none\n"
            )
        seeds = 2 if len(nets) == 2 else draw.randint(2, 4)
        return f"{begin}seeds: {seeds}\nvariants:\n  - net: [{', '.join(nets)}]\n"

    @contextlib.contextmanager
    def driver(self, runs: Path, largest_file: int | None = None) -> Iterator[subprocess.Popen[str]]:
        def limit() -> None:
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        line = [
            sys.executable,
            "-m",
            "ablate",
            self.command,
            str(self.study),
            "--runs",
            str(runs),
            "--slots",
            str(self.slots),
            "--quiet",
        ]
        path = self.folder / f"said-{len(self.said)}.txt"
        said = open(path, "w+")  # noqa: SIM115
        process = subprocess.Popen(
            [*line, "--device", "cpu"], cwd=self.folder, stdout=said, stderr=said, text=True, preexec_fn=limit
        )
        self.said[process.pid] = path
        try:
            yield process
        finally:
            said.close()
            if process.poll() is None:
                process.kill()
                process.wait()

    def wait(self, process: subprocess.Popen[str], allowed: tuple[int, ...], what: str) -> int:
        """The exit code. Raises Difference for another than is allowed, a traceback, or none."""
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Difference(f"{what}: no end after {PATIENCE:g} seconds") from None
        said = self.said[process.pid].read_text()
        if code not in allowed or "Traceback" in said:
            raise Difference(f"{what}: exit code {code}, allowed {allowed}: {said[-2000:]}")
        return code

    def pause(self, process: subprocess.Popen[str], seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.draw.uniform(0, seconds))

    def pause_at_work(self, process: subprocess.Popen[str], runs: Path, seconds: float) -> bool:
        """The same once an epoch has been trained from now on; whether there was one."""
        before = epochs_in(runs)
        while process.poll() is None:
            if epochs_in(runs) != before:
                self.pause(process, seconds)
                return True
            time.sleep(0.02)
        return False

    def disturb(self, runs: Path, is_small: bool) -> None:
        """A run some of whose workers are hurt, and most often its driver at last; in a third with two drivers."""
        with contextlib.ExitStack() as stack:
            drivers = [stack.enter_context(self.driver(runs))]
            if self.draw.random() < 0.35:
                self.pause(drivers[0], 3)
                drivers.append(stack.enter_context(self.driver(runs)))
                self.kinds["two drivers at once"] += 1
            self.hurt(drivers[0], runs)
            for other in drivers[1:]:
                if self.draw.random() < 0.5:
                    self.hurt(other, runs)
                else:
                    self.wait(other, ENDED, "a driver beside another")

    def hurt(self, process: subprocess.Popen[str], runs: Path) -> None:
        number = self.draw.choice([None, *DRIVER_SIGNALS, *DRIVER_SIGNALS])
        starting = number is not None and self.draw.random() < 0.15
        if starting:
            self.pause(process, 4)
        else:
            self.hurt_workers(process, runs)
            starting = number is not None and not self.pause_at_work(process, runs, 0.5)
        workers = workers_of(process)
        if number is None or process.poll() is not None:
            self.wait(process, ENDED, "a run whose workers were hurt")
            return
        # Before Python has begun to listen, a signal ends it as any other program.
        listening = bool(workers)
        process.send_signal(number)
        self.kinds[f"{number.name} of a driver {'while it starts' if starting else 'at work'}"] += 1
        if number == signal.SIGSTOP:
            time.sleep(self.draw.uniform(0, 3))
            process.send_signal(signal.SIGCONT)
        codes = (*DRIVER_SIGNALS[number], *ENDED)
        try:
            self.wait(process, codes, f"a driver that was sent {number.name}")
        except Difference:
            if listening or process.poll() not in (-number, 1, 130):
                raise
        _, alive = psutil.wait_procs(workers, timeout=5)
        if alive:
            raise Difference(f"{number.name} of the driver: {len(alive)} workers alive after 5 seconds")

    def hurt_workers(self, process: subprocess.Popen[str], runs: Path) -> None:
        for _ in range(self.draw.randint(0, 3)):
            if self.pause_at_work(process, runs, 0.5) and (workers := workers_of(process)):
                number, worker = self.draw.choice(WORKER_SIGNALS), self.draw.choice(workers)
                self.kinds[f"{number.name} of a worker at work"] += send(worker, number)
                if number == signal.SIGSTOP:
                    self.pause(process, 2)
                    send(worker, self.draw.choice((signal.SIGCONT, signal.SIGKILL)))

    def fill_disk(self, runs: Path, is_small: bool) -> None:
        if is_small:
            free = os.statvfs(runs).f_bavail * os.statvfs(runs).f_frsize
            filler = runs / "filler"
            with contextlib.suppress(OSError):
                filler.write_bytes(b"\0" * max(0, free - self.draw.randint(0, 400_000)))
            with self.driver(runs) as process:
                self.wait(process, (*ENDED, 2), "a run on a full disk")
            filler.unlink(missing_ok=True)
            self.kinds["full disk"] += 1
        else:
            with self.driver(runs, self.draw.randint(100, 300_000)) as process:
                self.wait(process, (*ENDED, 2), "a run whose files may not grow")
            self.kinds["files that may not grow"] += 1

    def check_whole_files(self, runs: Path) -> None:
        """Every record is either whole or not there."""
        for directory in runs.glob("[0-9a-f]*/"):
            try:
                if record := read_record(runs, directory.name):
                    record.epochs()
            except AblateError as error:
                raise Difference(str(error)) from None


def epochs_in(runs: Path) -> dict[str, int]:
    """The length of the epochs of each trial."""
    found = {}
    for path in runs.glob("*/epochs.jsonl"):
        with contextlib.suppress(OSError):
            found[path.parent.name] = path.stat().st_size
    return found


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        children: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if "ablate.schedule.worker" in " ".join(command(child))]
    return []


def command(process: psutil.Process) -> list[str]:
    try:
        line: list[str] = process.cmdline()
        return line
    except psutil.Error:
        return []


def send(process: psutil.Process, number: int) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
        return 1
    return 0


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Whether the folder is a disk of a few megabytes within the block, which takes root."""
    line = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(line, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def outcome(directory: Path) -> dict[str, Any]:
    """All that a trial leaves but times and provenance: result, epochs and last weights, bit for bit."""
    record = read_record(directory.parent, directory.name)
    if record is None:
        raise Difference(f"{directory}: not recorded: {[path.name for path in directory.iterdir()]}")
    not_compared = ("_seconds", "provenance", "earlier_attempts")
    rows = parse_epochs(read_epoch_lines(directory), "test_")
    state = load_checkpoint(directory)
    return {
        "result": {key: value for key, value in record.result.items() if not key.endswith(not_compared)},
        "epochs": [{key: value for key, value in row.items() if not key.endswith("_seconds")} for row in rows],
        "weights": {name: tensor.tolist() for name, tensor in state["network"].items()} if state else None,
    }


def compare(whole: Path, broken: Path) -> None:
    """Raises Difference unless both have the same trials with the same outcome."""
    names = sorted(path.parent.name for path in whole.glob("*/trial.json"))
    others = sorted(path.parent.name for path in broken.glob("*/trial.json"))
    if names != others:
        raise Difference(f"trials {names} and {others}")
    for name in names:
        one, other = outcome(whole / name), outcome(broken / name)
        for key in one:
            if one[key] != other[key]:
                raise Difference(f"trial {name}: other {key}: {str(one[key])[:500]} and {str(other[key])[:500]}")


def soak(minutes: float, seed: int, runs: int = 8, slots: int = 2) -> int:
    """Runs rounds for so long, one at least; the exit code. runs: disturbed ones in a round. slots: of each driver."""
    begun, kinds, rounds = time.monotonic(), Counter[str](), 0
    while not rounds or time.monotonic() - begun < 60 * minutes:
        with tempfile.TemporaryDirectory(prefix="ablate-soak-") as folder:
            try:
                Round(Path(folder), str(seed + rounds), kinds, runs, slots)()
            except Difference as difference:
                print(f"--seed {seed + rounds}: {difference}")
                return 1
        rounds += 1
        faults = ", ".join(f"{n} x {kind}" for kind, n in sorted(kinds.items()))
        print(f"{rounds} rounds, {sum(kinds.values())} faults survived: {faults}", flush=True)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sys.exit(soak(asked.minutes, asked.seed))
