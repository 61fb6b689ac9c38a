"""The points of curves: the same as row by row and in plain Python."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablate.api import load_study
from ablate.records.attempts import open_trial, write_result
from ablate.records.epochs import write_epochs
from ablate.records.records import trial_directory
from ablate.report.figure_values.curves import read_curves
from ablate.report.figures.training_curves import MEASURES
from ablate.report.summary import Summary, summarize

STUDY = """\
name: invented
data: digits
recipe: {base: wrn_cifar, epochs: 4, batch_size: 32}
seeds: 3
variants:
  - grid: {block: ["B(3,3)", "B(3,1)", "B(1,3)"], k: 1, depth: 10}
"""


def row(epoch: int, **changes: Any) -> dict[str, Any]:
    measured = {"train_loss": 2 / epoch, "train_error": 50 - epoch / 3, "test_loss": 1.0, "test_error": 40 + 1 / epoch}
    return {"epoch": epoch, "lr": 0.1, **measured, "train_seconds": 1.5, "test_seconds": 0.5, **changes}


def summaries_of(folder: Path) -> list[Summary]:
    """Nine trials: whole, unfinished, missing, diverged at once and later, with a null and with exponents."""
    path = folder / "invented.yaml"
    path.write_text(STUDY)
    experiment = load_study(path, runs=folder / "runs")
    whole = [row(epoch) for epoch in range(1, 5)]
    lost = row(3, train_loss=None, test_loss=None)
    tiny = [row(epoch, train_loss=10.0 ** (-3 * epoch)) for epoch in range(1, 5)]
    found: list[tuple[list[dict[str, Any]], str | None]] = [
        (whole, "completed"), (whole[:2], None), ([*whole[:2], lost], "diverged"),
        ([row(1, train_loss=None)], "diverged"), ([row(1, train_error=None), *whole[1:]], "completed"), (tiny, "completed"),
        ([], None), (whole, "completed"), ([*whole[:3], row(4, test_error=70)], "completed"),
    ]  # fmt: skip
    for trial, (rows, status) in zip(experiment.trials(), found, strict=True):
        directory = trial_directory(experiment.runs, trial.id)
        open_trial(directory, trial.definition)
        write_epochs(directory, rows)
        if status:
            error = None if status == "diverged" else rows[-1]["test_error"]
            write_result(directory, {"status": status, "epochs": len(rows), "data_digest": "00", "test_error": error})
    return summarize(experiment.variants, experiment.study.seeds, experiment.runs)


def plain_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    rows: list[tuple[Any, ...]] = []
    for index, summary in enumerate(summaries):
        for run in summary.trials:
            if run.record:
                kept = run.record.epochs()[:-1] if run.record.diverged else run.record.epochs()
                rows += [(index, run.trial.seed, each["epoch"], *(each[m] for m in MEASURES)) for each in kept]
                if run.record.diverged:
                    rows += [(index, run.trial.seed, epoch, *[math.inf] * 3) for epoch in range(len(kept) + 1, 5)]
    return pd.DataFrame(rows, columns=["variant", "seed", "epoch", *MEASURES]).astype(dict.fromkeys(MEASURES, float))


def test_points_are_those_of_every_row(tmp_path: Path) -> None:
    summaries = summaries_of(tmp_path)
    found = [values for each in read_curves(summaries) for values in each.values]
    np.testing.assert_array_equal(np.concatenate(found), plain_points(summaries)[list(MEASURES)])
    assert len(found) == 7


def test_medians_are_those_of_plain_python(tmp_path: Path) -> None:
    summaries = summaries_of(tmp_path)
    plain = plain_points(summaries)
    medians = [each.median() for each in read_curves(summaries) if each.seeds]
    assert [len(each) for each in medians] == [4, 4, 4]
    for variant, curve in enumerate(medians):
        for epoch, values in enumerate(curve.tolist(), 1):
            of_epoch = plain[(plain.variant == variant) & (plain.epoch == epoch)]
            for measure, value in zip(MEASURES, values):
                assert value == statistics.median(each for each in of_epoch[measure] if not math.isnan(each))
