"""Reporting: from records on disk to a table and to curves, against reading every line with json and pandas.

The records are invented, in the files that a training writes, byte for byte. The whole command draws figures too.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd

from ablate.records.attempts import result_bytes
from ablate.records.epochs import EPOCH_FIELDS, Row
from ablate.records.records import trial_directory
from ablate.report.figure_values.curves import read_curves
from ablate.report.figures.training_curves import MEASURES
from ablate.report.summary import Summary, summarize
from ablate.study.plan import enumerate_variants
from ablate.study.spec import load_study
from ablate.study.study import Study, Trial, Variant
from tests.benchmarks.comparison import Announce, Comparison, compare
from tests.benchmarks.whole import peak_of, run_command

SEEDS = 5
PLAIN, OURS = "json and pandas", "ablate"
AXIS = "lr"  # by which the invented variants differ
STUDY = """\
name: invented
data: cifar10
recipe: {{base: wrn_cifar, epochs: {epochs}}}
seeds: {seeds}
variants:
  - grid: {{block: "B(3,3)", k: 1, depth: 10, recipe.lr: {rates}}}
"""
PROVENANCE = {
    "ablate": "0.1", "revision": "f" * 40, "python": "3.11", "torch": "2.11", "device": "a processor", "threads": 1,
    "started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T01:00:00+00:00",
}  # fmt: skip


class Recorded(NamedTuple):
    """A study whose trials are all recorded in a runs directory."""

    study: Study
    variants: tuple[Variant, ...]
    runs: Path


def bench_report(
    trials: int = 10_000,
    epochs: int = 200,
    folder: Path | None = None,
    rounds: int = 5,
    whole: bool = True,
    announce: Announce = lambda line: None,
) -> list[Comparison]:
    """Comparisons: from the records of so many trials to a table's summaries, to the points of all curves, and the command.

    trials: rounded down to whole variants of five seeds; folder: an empty one, where the records are left; else they are
    temporary; whole: also `ablate report`, once, with all its files. Figures: the peak memory in MiB of a process that does
    the work once.
    """
    with ExitStack() as stack:
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        announce(f"report: inventing {trials:,} trials of {epochs} epochs")
        recorded = invent_records(folder, max(1, trials // SEEDS), epochs)
        count = len(recorded.variants) * SEEDS
        found = []
        for what, works in (("table", (plain_table, table)), ("curves", (plain_curves, curves))):
            ways = {name: partial(work, recorded) for name, work in zip((PLAIN, OURS), works)}
            memory = {}
            for name, way in ways.items():  # a process each, which leaves the files in the page cache besides
                announce(f"{what}: {name}, peak memory")
                memory[name] = peak_memory(way)
            title = f"{what} of {count:,} trials, {epochs} epochs"
            timed = compare(title, "trial", ways, float(count), rounds, warm_up=False, announce=announce)
            found.append(replace(timed, figures={"peak memory, MiB": memory}))
        if whole:
            out, peaks = folder / "reports", list[float]()
            words = [
                "report",
                str(folder / "invented.yaml"),
                "--runs",
                str(recorded.runs),
                "--out",
                str(out),
                "--no-records",
            ]
            both: dict[str, Callable[[], object]] = {
                PLAIN: partial(plain_table, recorded),
                "ablate report": lambda: peaks.append(run_command(words)),
            }
            title = f"the whole report of {count:,} trials, {epochs} epochs"
            timed = compare(title, "trial", both, float(count), 1, warm_up=False, announce=announce)
            found.append(replace(timed, figures={"peak memory, MiB": {"ablate report": max(peaks)}}))
    return found


def table(recorded: Recorded) -> dict[float, float | None]:
    """The median test error of each variant, percent, by its learning rate."""
    return {one.variant.recipe.lr: one.description and one.description.median for one in _summaries(recorded)}


def curves(recorded: Recorded) -> dict[float, Any]:
    """The medians of each variant, shape (epochs, measures), by its learning rate."""
    summaries = _summaries(recorded)
    return {one.variant.recipe.lr: each.median() for one, each in zip(summaries, read_curves(summaries))}


def _summaries(recorded: Recorded) -> Sequence[Summary]:
    return summarize(recorded.variants, recorded.study.seeds, recorded.runs)


def plain_table(recorded: Recorded) -> dict[float, float]:
    """The same as table(), the plain way."""
    last = plain_rows(recorded.runs).groupby([AXIS, "seed"]).test_error.last()
    return dict(last.groupby(AXIS).median())


def plain_curves(recorded: Recorded) -> pd.DataFrame:
    """The same as curves(), in a table with a row for each learning rate and epoch."""
    return plain_rows(recorded.runs).groupby([AXIS, "epoch"], as_index=False)[list(MEASURES)].median()


def plain_rows(runs: Path) -> pd.DataFrame:
    """A row a trial and epoch: what is in every line, after the recipe's learning rate and the seed. Nothing is checked."""
    rows: list[Row] = []
    for directory in runs.iterdir():
        trial = json.loads((directory / "trial.json").read_text())
        about = {"seed": trial["seed"]}
        with open(directory / "epochs.jsonl") as lines:
            rows += [{**about, **json.loads(line), AXIS: trial["recipe"][AXIS]} for line in lines]
    return pd.DataFrame(rows)


def invent_records(folder: Path, variants: int, epochs: int) -> Recorded:
    """Records of a study of so many variants in folder/runs, of five seeds each."""
    folder.mkdir(parents=True, exist_ok=True)
    path, runs = folder / "invented.yaml", folder / "runs"
    rates = [round(0.01 + number / 10_000, 4) for number in range(variants)]
    path.write_text(STUDY.format(epochs=epochs, seeds=SEEDS, rates=rates))
    study = load_study(path)
    enumerated = enumerate_variants(study).variants
    runs.mkdir()
    generator = np.random.default_rng(0)
    for variant in enumerated:
        for trial in variant.trials(study.seeds):
            for name, data in record_files(trial, _rows(epochs, generator)).items():
                directory = trial_directory(runs, trial.id)
                directory.mkdir(exist_ok=True)
                (directory / name).write_bytes(data)
    return Recorded(study, enumerated, runs)


def record_files(trial: Trial, rows: Sequence[Row]) -> dict[str, bytes]:
    """The files of a trial with these epochs, as a training leaves them, without the flush to disk that it takes."""
    last = rows[-1]
    result = {
        "status": "completed",
        "epoch_rule": "last",
        "epochs": len(rows),
        **{key: last[key] for key in ("test_error", "test_loss", "train_error", "train_loss")},
        **{key: sum(row[key] for row in rows) for key in ("train_seconds", "test_seconds")},
        "peak_memory_bytes": None,
        "train_images": 50_000,
        "test_images": 10_000,
        "data_digest": "0123456789abcdef",
        "provenance": PROVENANCE,
        "earlier_attempts": [],
    }
    lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    return {"trial.json": trial.definition, "epochs.jsonl": lines, "result.json": result_bytes(trial.id, result, lines)}


def _rows(epochs: int, generator: np.random.Generator) -> list[Row]:
    """Invented epochs, their numbers with as many digits as measured ones."""
    losses, seconds = generator.random((2, epochs)), generator.random((2, epochs))
    errors = generator.integers(1, 10_000, (2, epochs)) / 100
    columns: Mapping[str, Any] = {
        "epoch": range(1, epochs + 1),
        "lr": [0.1] * epochs,
        "train_loss": losses[0].tolist(),
        "train_error": errors[0].tolist(),
        "test_loss": losses[1].tolist(),
        "test_error": errors[1].tolist(),
        "train_seconds": (20 + seconds[0]).round(6).tolist(),
        "test_seconds": (2 + seconds[1]).round(6).tolist(),
    }
    return [dict(zip(EPOCH_FIELDS, row)) for row in zip(*(columns[field] for field in EPOCH_FIELDS))]


def peak_memory(work: Callable[[], object]) -> float:
    """The peak memory, MiB, of a process of its own that does the work: with its interpreter and libraries."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak_after, work).result()


def _peak_after(work: Callable[[], object]) -> float:
    work()
    status = Path("/proc/self/status")
    if status.exists():  # on Linux ru_maxrss begins with that of the process that started this one
        return peak_of(status.read_text())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
