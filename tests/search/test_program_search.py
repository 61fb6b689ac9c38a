"""A search of a program from the file to its report: shared records, goals, pruning, breaks, values for other studies."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from planned import plan_text
from search.landscape import optuna_trials, told

from ablate.api import load_experiment, load_search
from ablate.commands.outcome_text import search_text
from ablate.commands.status_text import status_text
from ablate.launch.options import RunOptions
from ablate.report.writers.plain import document_text
from ablate.search.pruning import EpochListener
from ablate.search.search_driver import SearchDriver
from ablate.study.program import MEASURED

SEARCH = """\
name: tune
program: {command: "python -S train.py {lr} {mode} {seed}", files: [train.py], epochs: 3}
measures: [%s]
seeds: 2
base: {mode: plain}
search:
  space: {lr: {low: 0.001, high: 1, log: true}}
  trials: %d
  sampler: random
  pruner: %s
  objective: median
"""
TRAIN = """\
import sys
lr, mode, seed = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for epoch in range(3):
    value = 100 * (lr - 0.1) ** 2 + 0.01 * seed + 1 - 0.1 * epoch
    print('{"epoch": %d, "lr": %r}' % (epoch, lr))
    print('{"epoch": %d, "loss": %s}' % (epoch, "NaN" if mode == "diverge" and lr > 0.1 else repr(value)))
"""
OPTIONS = RunOptions(inline=True, quiet=True)
MAXIMIZED = "{name: loss, goal: maximize}"


def write(folder: Path, trials: int = 3, pruner: str = "none", measure: str = "loss", more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(TRAIN)
    (folder / "tune.yaml").write_text(SEARCH % (measure, trials, pruner) + more)
    return folder / "tune.yaml"


def test_records_under_an_earlier_file_are_told(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text().replace("{low: 0.001, high: 1, log: true}", "[0.1, 0.5]"))
    load_search(path, runs=tmp_path / "runs").run(OPTIONS)
    assert load_search(path, runs=tmp_path / "runs").earlier() == []
    (tmp_path / "train.py").write_text(f"{TRAIN}\nx = 1\n")
    search = load_search(path, runs=tmp_path / "runs")
    (line,) = search.earlier()
    assert line.startswith("4 records under an earlier train.py (") and line.endswith("is for studies without a search")
    assert line in plan_text(search.plan()).splitlines()


def test_candidates_share_their_records_with_a_study_of_the_same_values(tmp_path: Path) -> None:
    path, runs = write(tmp_path, more="  enqueue: [{lr: 0.1}]\n"), tmp_path / "runs"
    search = load_search(path, runs=runs)
    planned = plan_text(search.plan())
    assert "minimized: median loss over 2 seeds" in planned and "3 candidates of 2 seeds, 6 trainings: 3 missing" in planned
    summary = search.run(OPTIONS)
    assert (summary.candidates, summary.evaluated, summary.trained, summary.exit_code) == (3, 3, 6, 0)
    assert summary.best == "lr 0.1: 0.805 loss" and "lowest: lr 0.1: 0.805 loss" in search_text(summary)
    found = load_search(path, runs=runs).candidates()
    assert found[0].errors == {0: 0.8, 1: 0.81} and found[0].enqueued
    assert [trial.values for trial in optuna_trials(path, runs)] == [[one.median] for one in found]
    rates = [one.values["lr"] for one in found]
    variants = SEARCH[: SEARCH.index("base")] % "loss" + f"variants: [{{grid: {{lr: {rates}, mode: plain}}}}]\n"
    (tmp_path / "study.yaml").write_text(variants.replace("name: tune", "name: same"))
    study = load_experiment(tmp_path / "study.yaml", runs=runs)
    assert {trial.id for one in found for trial in one.trials} == {trial.id for trial in study.trials()}  # type: ignore
    assert study.status()["states"] == {"recorded": 6}
    again = load_search(path, runs=runs).run(OPTIONS)
    assert (again.done_before, again.trained) == (3, 0)
    assert "| lr 0.1 " in status_text(load_search(path, runs=runs).status())


def test_a_measure_that_is_maximized_and_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path, runs = write(tmp_path, 4, measure=MAXIMIZED), tmp_path / "runs"
    summary = load_search(path, runs=runs).run(OPTIONS)
    search = load_search(path, runs=runs)
    found = search.candidates()
    best = max(found, key=lambda one: one.median or 0)
    assert summary.lowest == "highest" and summary.best.startswith(best.label)
    assert search.opened and search.opened.direction == optuna.study.StudyDirection.MAXIMIZE
    report = search.report()
    assert report.analysis.best is not None and report.analysis.best.number == best.number
    assert list(report.frames()["table"]["median_loss"]) == sorted((one.median for one in found), reverse=True)
    assert next(iter(report.frames()["table"]["axis.lr"])) == best.values["lr"]
    assert len(report.frames()["trials"]) == 8 and set(report.figures) >= {"objective", "history"}
    text = document_text(report.document)
    assert f"{best.name[1:]} has the highest median loss" in text and "python -S train.py {lr} {mode} {seed}" in text
    assert (
        "%" not in text.replace("(67%)", "").replace("95%", "").replace("95%", "")
        and "test images" not in text
        and "network" not in text.lower()
    )
    (tmp_path / "reports" / "tune").mkdir(parents=True)
    (tmp_path / "reports" / "tune" / "best.yaml").write_bytes(report.more_files()["best.yaml"])
    (tmp_path / "next.yaml").write_text(
        SEARCH[: SEARCH.index("base")].replace("name: tune", "name: next") % "loss"
        + "variants: [{one_at_a_time: {base: {lr: {from: tune}, mode: plain}, mode: [other]}}]\n"
    )
    following = load_experiment("next.yaml", runs=runs)
    assert following.study.variants[0].axes["lr"] == best.values["lr"]  # type: ignore[union-attr]
    assert "of tune" in following.remarks()[0] and "%" not in following.remarks()[0]  # type: ignore[union-attr]
    assert following.status()["states"] == {"recorded": 2, "missing": 2}


def test_a_program_that_diverges_is_worse_than_any_other(tmp_path: Path) -> None:
    path = write(tmp_path, 5)
    path.write_text(path.read_text().replace("mode: plain", "mode: diverge") + "  enqueue: [{lr: 0.9}, {lr: 0.01}]\n")
    summary = load_search(path, runs=tmp_path / "runs").run(OPTIONS)
    found = load_search(path, runs=tmp_path / "runs").candidates()
    assert summary.exit_code == 0 and found[0].errors == {0: math.inf, 1: math.inf}
    assert optuna_trials(path, tmp_path / "runs")[0].value == math.inf
    text = document_text(load_search(path, runs=tmp_path / "runs").report().document)
    assert "is infinite, because trainings diverged" in text


class Killed(BaseException):
    """What ends a driver where it stands."""


def test_a_pruned_search_that_is_killed_again_and_again_equals_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna's median pruner prunes from the sixth candidate on."""
    named = ", ".join(f"{{lr: {rate}}}" for rate in (0.1, 0.12, 0.08, 0.11, 0.09, 0.9))
    path = write(tmp_path, 7, "median", more=f"  enqueue: [{named}]\n")
    path.write_text(path.read_text().replace("seeds: 2", "seeds: 1"))
    load_search(path, runs=tmp_path / "whole").run(OPTIONS)
    whole = optuna_trials(path, tmp_path / "whole")
    assert whole[5].state == TrialState.PRUNED and list(whole[5].intermediate_values) == [1]
    receive, received = EpochListener.__call__, [0]

    def dying(self: EpochListener, row: Any) -> bool:
        received[0] += 1
        if received[0] == 9:
            raise Killed
        return receive(self, row)

    monkeypatch.setattr("ablate.search.drivers.UNNAMED_SECONDS", 0.1)
    monkeypatch.setattr(EpochListener, "__call__", dying)
    deaths = 0
    while True:
        received[0] = 0
        try:
            load_search(path, runs=tmp_path / "broken").run(OPTIONS)
            break
        except Killed:
            deaths += 1
            assert deaths < 60
    assert deaths > 2
    assert told(optuna_trials(path, tmp_path / "broken")) == told(whole)


def test_a_driver_that_dies_before_it_tells_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, 2)
    load_search(path, runs=tmp_path / "whole").run(OPTIONS)
    with monkeypatch.context() as patch:
        patch.setattr(SearchDriver, "complete", lambda *args: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            load_search(path, runs=tmp_path / "broken").run(OPTIONS)
    summary = load_search(path, runs=tmp_path / "broken").run(OPTIONS)
    assert (summary.evaluated, summary.trained) == (2, 2)
    assert told(optuna_trials(path, tmp_path / "broken")) == told(optuna_trials(path, tmp_path / "whole"))


def test_an_epoch_is_reported_when_the_next_one_begins() -> None:
    found: list[tuple[int, int, float]] = []
    pruning = SimpleNamespace(pruned=False, report_epoch=lambda *args: found.append(args))
    listener = EpochListener(pruning, 1, "loss", math.inf, final=False)  # type: ignore[arg-type]
    for row in (
        {"epoch": 0, "lr": 1, "loss": None, MEASURED: False},  # of no epoch yet
        {"epoch": 0, "lr": 1, "loss": 5.0, MEASURED: True},
        {"epoch": 0, "lr": 1, "loss": 4.0, MEASURED: True},
        {"epoch": 1, "loss": 4.0, MEASURED: False},  # that of the epoch before
        {"epoch": 2, "loss": None},
    ):
        listener(row)
    assert found == [(1, 1, 4.0)]
    listener.end()
    assert found == [(1, 1, 4.0), (1, 3, math.inf)]
