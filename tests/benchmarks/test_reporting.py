"""The reporting benchmark: its records are those a training writes, and both ways come to the same."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ablate.records.attempts import open_trial, write_result
from ablate.records.epochs import append_epoch
from ablate.records.records import read_record
from ablate.report.figures.training_curves import MEASURES
from tests.benchmarks import reporting
from tests.benchmarks.reporting import (
    OURS,
    PLAIN,
    SEEDS,
    Recorded,
    bench_report,
    curves,
    invent_records,
    plain_curves,
    plain_table,
    table,
)


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return invent_records(tmp_path / "invented", 3, 4)


def test_the_records_are_those_that_a_training_writes(recorded: Recorded, tmp_path: Path) -> None:
    trials = [trial for variant in recorded.variants for trial in variant.trials(recorded.study.seeds)]
    assert len(trials) == 3 * SEEDS == len(list(recorded.runs.iterdir()))
    for trial in trials:
        record = read_record(recorded.runs, trial.id)
        assert record is not None
        directory = tmp_path / trial.id
        open_trial(directory, trial.definition)
        for row in record.epochs():
            append_epoch(directory, row)
        write_result(directory, record.result)
        for file in directory.iterdir():
            assert (recorded.runs / trial.id / file.name).read_bytes() == file.read_bytes(), file


def test_both_ways_come_to_the_same(recorded: Recorded) -> None:
    assert table(recorded) == plain_table(recorded) and len(table(recorded)) == 3
    ours, plain = curves(recorded), plain_curves(recorded)
    assert len(ours) == 3 and len(plain) == 3 * 4 and np.isfinite(plain.to_numpy(float)).all()
    for rate, curve in ours.items():
        np.testing.assert_array_equal(curve, plain[plain.lr == rate][list(MEASURES)])


def test_the_benchmark_compares_both_for_the_table_and_the_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes whose memory is measured are forks: that they are new ones is what measures it alone."""
    said: list[str] = []
    context = multiprocessing.get_context("fork")
    monkeypatch.setattr(reporting, "multiprocessing", SimpleNamespace(get_context=lambda kind: context))
    found = bench_report(11, 3, tmp_path / "records", rounds=1, whole=False, announce=said.append)
    assert [one.title for one in found] == ["table of 10 trials, 3 epochs", "curves of 10 trials, 3 epochs"]
    for one in found:
        assert one.reference == PLAIN and one.work == {PLAIN: 10.0, OURS: 10.0}
        assert {name: len(seconds) for name, seconds in one.seconds.items()} == {PLAIN: 1, OURS: 1}
        assert one.figures["peak memory, MiB"].keys() == {PLAIN, OURS}
        assert all(10 < peak < 2000 for peak in one.figures["peak memory, MiB"].values())
    assert len(list((tmp_path / "records" / "runs").iterdir())) == 10 and said
